"""Salient and transparent by the paper's lists."""

from rimlib.entities import nature, synonyms


def test_the_lists_have_the_papers_words():
    assert len(nature.TRANSPARENT) == len(set(nature.TRANSPARENT)) == 29
    assert len(nature.NON_SALIENT) == len(set(nature.NON_SALIENT)) == 14
    assert set(nature.NON_SALIENT) - set(nature.TRANSPARENT) == {"leaves", "smog", "water spray"}


def test_listed_words_are_what_their_list_says():
    for word in (*nature.TRANSPARENT, *nature.NON_SALIENT):
        category = synonyms.category_of(word)
        assert category, word
        salient, transparent = nature.propose(category)
        assert transparent or word not in nature.TRANSPARENT, word
        assert not salient or word not in nature.NON_SALIENT, word


def test_synonyms_count_and_wider_words_do_not():
    assert nature.propose("cobweb") == nature.propose("spider web") == (False, True)
    assert nature.propose("crystal") == (True, True)  # "crystal stone"
    assert nature.propose("smog") == (False, True)  # transparent as "cloud smog"
    assert nature.propose("leaf") == (False, False)
    assert nature.propose("lamp") == (True, False)  # a light in wider words
    assert nature.propose("silk") == (True, False)  # a cloth in wider words


def test_humans_and_animals_are_salient_and_not_transparent():
    for category in synonyms.categories():
        if synonyms.kind_of(category) != "thing":
            assert nature.propose(category) == (True, False), category


def test_an_unknown_category_is_an_ordinary_thing():
    assert nature.propose("astrolabe") == (True, False)
    assert nature.propose("water spray") == (False, False)
