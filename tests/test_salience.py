"""Salient and transparent by the paper's lists."""

from rimlib.entities import salience, synonyms


def test_the_lists_have_the_papers_words():
    assert len(salience.TRANSPARENT) == len(set(salience.TRANSPARENT)) == 29
    assert len(salience.NON_SALIENT) == len(set(salience.NON_SALIENT)) == 14
    assert set(salience.NON_SALIENT) - set(salience.TRANSPARENT) == {"leaves", "smog", "water spray"}


def test_listed_words_belong_to_their_list():
    for word in (*salience.TRANSPARENT, *salience.NON_SALIENT):
        category = synonyms.category_of(word)
        assert category, word
        salient, transparent = salience.by_lists(category)
        assert transparent or word not in salience.TRANSPARENT, word
        assert not salient or word not in salience.NON_SALIENT, word


def test_synonyms_count_and_wider_words_do_not():
    assert salience.by_lists("cobweb") == salience.by_lists("spider web") == (False, True)
    assert salience.by_lists("crystal") == (True, True)  # "crystal stone"
    assert salience.by_lists("smog") == (False, True)  # transparent as "cloud smog"
    assert salience.by_lists("leaf") == (False, False)
    assert salience.by_lists("lamp") == (True, False)  # a light in wider words
    assert salience.by_lists("silk") == (True, False)  # a cloth in wider words


def test_humans_and_animals_are_salient_and_not_transparent():
    for category in synonyms.categories():
        if synonyms.kind_of(category) != "thing":
            assert salience.by_lists(category) == (True, False), category


def test_an_unknown_category_is_an_ordinary_thing():
    assert salience.by_lists("astrolabe") == (True, False)
    assert salience.by_lists("water spray") == (False, False)
