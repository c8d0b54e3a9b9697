"""Sentences become questions, and of several alike things the right one is chosen."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rimlib.errors import RimError
from rimlib.understanding import Instance, choose, each, parse, phrases
from rimlib.understanding.reading import AS_ENGLISH

SIZE = (60, 100)


def said(sentence: str) -> tuple:
    """The target and the names of the conditions, with their rank and what they relate to."""
    question = parse(sentence)
    assert question.understood, sentence
    conditions = [
        ("not " if one.negated else "")
        + one.name
        + (f" {one.rank}" if one.rank else "")
        + "".join(f" {other.target.text}" for other in one.others)
        for one in question.conditions
    ]
    return question.target.text, *conditions


@pytest.mark.parametrize(
    "sentence, right",
    [
        ("the left lion", ("lion", "left")),
        ("Second cup from the right.", ("cup", "right 2")),
        ("the cup second from the right", ("cup", "right 2")),
        ("the 2nd cup on the left", ("cup", "left 2")),
        ("THE LAST CUP ON THE RIGHT!", ("cup", "right 1")),
        ("the last cup from the right", ("cup", "right -1")),
        ("the bigger dog", ("dog", "larger")),
        ("the second largest dog", ("dog", "larger 2")),
        ("the man between the two trees", ("man", "between tree")),
        ("the man between the dog and the cat", ("man", "between dog cat")),
        ("the woman behind the counter", ("woman", "behind counter")),
        ("the woman who is wearing red", ("woman wearing red",)),
        ("the dog that is behind the fence", ("dog", "behind fence")),
        ("the man in the red shirt on the left", ("man in red shirt", "left")),
        ("the dog in the box", ("dog", "inside box")),
        ("the cup on the table", ("cup", "on table")),
        ("the one on the left of the two dogs", ("dog", "left")),
        ("the bigger of the two dogs", ("dog", "larger")),
        ("the dog closest to the tree", ("dog", "near tree")),
        ("the closest dog to the tree", ("dog", "near tree")),
        ("the dog closest to the camera", ("dog", "front")),
        ("the car farthest away", ("car", "behind")),
        ("the dog not on the left", ("dog", "not left")),
        ("the man without a hat", ("man", "without hat")),
        ("the plant in the lower left corner of the photo", ("plant", "bottom left")),
        ("the person who is female, young, and wearing the red dress", ("female young person wearing red dress",)),
        ("the black and white cat", ("black white cat",)),
        ("the cup of tea near the wine glass", ("cup of tea", "near wine glass")),
        ("the cup next to the red one", ("cup", "near red cup")),
        ("the left one", ("object", "left")),
        ("the orange on the left", ("orange", "left")),
        ("the horse facing left", ("horse facing left",)),
        ("the human in the tan tank top on the right", ("human in tan tank top", "right")),
        ("please cut out the dog in the middle for me", ("dog", "middle")),
        ("on the left, the dog", ("dog", "left")),
        ("the man's hat", ("hat", "of man")),
        ("the dog on the left, brown", ("brown dog", "left")),
        ("not the left dog, the right one", ("dog", "right")),
        ("the left dog and not the right one", ("dog", "left")),
        ("a lion, the left one", ("lion", "left")),
        ("behind the tree", ("object", "behind tree")),
        ("the man on the left waving", ("man waving", "left")),
        ("the man on the left kicking a ball", ("man kicking ball", "left")),
        ("the man in the middle fishing", ("man fishing", "middle")),
        ("the second from the left smiling", ("object smiling", "left 2")),
        ("the man looking at the dog", ("man looking at dog",)),
        ("the left smiling woman", ("smiling woman", "left")),
        ("the left painting", ("painting", "left")),
        ("the cup on the left cutting board", ("cup", "on cutting board")),
        ("the left walking stick", ("walking stick", "left")),
        ("the man with a cup in his right hand", ("man with cup in right hand",)),
        ("the man with a hat on his head on the left", ("man with hat on head", "left")),
        ("the woman with a bag over her shoulder", ("woman with bag over shoulder",)),
        ("the dog with a ball in the mouth", ("dog with ball in mouth",)),
        ("the ring in the hand", ("ring", "inside hand")),
        ("the cat on the man's right", ("cat", "right man")),
        ("the cat to the man's left", ("cat", "left man")),
        ("the cat on the man's right-hand side", ("cat", "right man")),
        ("the bag on the man's shoulder", ("bag", "on shoulder")),
        ("no parking sign", ("no parking sign",)),
        ("the no entry sign on the left", ("no entry sign", "left")),
        ("the minus sign", ("minus sign",)),
        ("minus sign", ("minus sign",)),
        ("the background", ("background",)),
        ("the dog in the background", ("dog", "behind")),
        ("the background dog", ("dog", "behind")),
        ("the player number 10", ("player number 10",)),
        ("the #7 car on the left", ("car #7", "left")),
        ("the cup number 2", ("cup", "left 2")),
        ("cup number 2 from the right", ("cup", "right 2")),
        ("man w/ hat at the back left", ("man with hat", "behind left")),
    ],
)
def test_what_is_asked_for(sentence, right):
    assert said(sentence) == right


def test_attachment_is_as_the_grammar_says():
    low = parse("the cup near the dog on the left")
    assert [one.name for one in low.conditions] == ["near"]
    assert [one.name for one in low.conditions[0].others[0].conditions] == ["left"]
    assert [one.name for one in parse("the cup near the dog, on the left").conditions] == ["near", "left"]


@pytest.mark.parametrize("sentence, count", [("both dogs", 2), ("two dogs", 2), ("all the dogs", None), ("a dog", 1)])
def test_how_many(sentence, count):
    question = parse(sentence)
    assert question.target.text == "dog" and question.count == count and question.target.plural == (count != 1)


def test_excluded_joined_and_parts():
    car = parse("the red car, not the truck")
    assert [phrase.text for phrase in phrases(car)] == ["red car", "truck"] and len(car.excluded) == 1
    assert [one.target.text for one in each(parse("the man, the woman and the dog"))] == ["man", "woman", "dog"]
    assert parse("all cups except the left one").excluded[0].target.text == "cup"
    assert parse("the car that is not red").excluded[0].target.text == "red car"
    for sentence in ("the dog's tail", "the tail of the dog"):
        assert (parse(sentence).target.text, parse(sentence).part) == ("dog", "tail")
    assert "viewer" in " ".join(parse("the dog on my left").notes)
    assert {phrase.text for phrase in phrases(parse("the second red car from the left"))} == {"red car", "car"}


@pytest.mark.parametrize("sentence", ["der hund links", "le chien à gauche", "el perro de la izquierda", "左边的狗"])
def test_other_languages_go_to_the_engine_whole(sentence):
    question = parse(sentence)
    assert not question.understood and question.target.text == sentence and "English" in question.notes[0]


@pytest.mark.parametrize(
    "sentence, right, noted",
    [
        ("the die", ("die",), False),
        ("les paul", ("les paul",), True),
        ("la-z-boy recliner", ("la-z-boy recliner",), True),
        ("the le creuset pot on the left", ("le creuset pot", "left"), False),
        ("second le creuset la mer pot", ("le creuset la mer pot", "left 2"), True),
        ("die left of the con", ("die", "left con"), False),
    ],
)
def test_small_words_of_other_languages_are_read_as_english_where_they_can_be(sentence, right, noted):
    assert said(sentence) == right and (AS_ENGLISH in parse(sentence).notes) == noted


def test_what_has_no_reading_goes_to_the_engine_whole():
    for sentence in ("the", "of", "the left or the right dog", "is the dog?", "dog " * 3000):
        question = parse(sentence)
        assert not question.understood and question.notes, sentence
    for sentence in ("", "  ", "🐶🐶", "?!"):
        with pytest.raises(RimError) as error:
            parse(sentence)
        assert "\n" not in str(error.value)


@settings(max_examples=150, deadline=None)
@given(
    st.text(max_size=60), st.lists(st.sampled_from("the a left right dog of two on in not and 's , between".split()))
)
def test_any_text_has_an_answer(text, parts):
    for sentence in (text, " ".join(parts)):
        try:
            question = parse(sentence)
        except RimError:
            continue
        found = {
            phrase.text: [Instance((0, 0, 9, 9), 0.5), Instance((20, 0, 29, 9), 0.5)] for phrase in phrases(question)
        }
        for one in each(question):
            assert choose(one, found, SIZE).message


@pytest.mark.parametrize("sentence", ["the biggest dog not on the left", "the dog not on the left, not the cat"])
def test_nothing_is_left_over_for_an_order(sentence):
    question = parse(sentence)
    for count in range(4):
        found = {phrase.text: row(*range(0, 25 * count, 25)) for phrase in phrases(question)}
        assert choose(question, found, SIZE).message


def row(*lefts: float, width: float = 10) -> list[Instance]:
    return [Instance((left, 20, left + width, 40), 0.9 - 0.1 * at) for at, left in enumerate(lefts)]


def chosen(sentence: str, *lists: list[Instance]):
    question = parse(sentence)
    found = dict(zip([phrase.text for phrase in phrases(question)], lists))
    return choose(question, found, SIZE)


@pytest.mark.parametrize(
    "sentence, right",
    [
        ("the left dog", (2,)),
        ("the second dog from the left", (0,)),
        ("the third dog from the left", (1,)),
        ("the last dog", (1,)),
        ("the middle dog", (0,)),
        ("the two dogs on the right", (1, 0)),
        ("all the dogs", (0, 1, 2)),
        ("all dogs but the left one", (0, 1)),
        ("the dogs on the left", (0, 2)),
        ("the dogs on the right", (1,)),
    ],
)
def test_orders_in_a_row(sentence, right):
    choice = chosen(sentence, row(40, 80, 5))
    assert choice.chosen == right, choice.message
    assert 2 not in chosen("the dog not on the left", row(40, 80, 5)).chosen


def test_the_message_tells_what_was_done():
    assert chosen("the left dog", row(0, 50)).message == "2 × dog found; kept the one farther left"
    assert chosen("the dog", []).message == "no dog found"
    assert "on the left and on the right" in chosen("the left dog on the right", row(0, 50)).message
    third = chosen("the third of two dogs", row(0, 50, 80))
    assert third.chosen == () and "no number 3 of 2" in third.message
    beyond = chosen("the fifth dog from the left", row(0, 50, 80))
    assert beyond.chosen == () and "no fifth" in beyond.message
    assert "tail" in chosen("the dog's tail", row(0)).message


@pytest.mark.parametrize("sentence", ["the dog left of the {}", "the {} left of the dog", "the dog not near the {}"])
@pytest.mark.parametrize("others", [row(60), []])
def test_a_long_phrase_is_shortened_where_it_is_named(sentence, others):
    sentence = sentence.format("word " * 60)
    message = chosen(sentence, *((others, row(0)) if sentence.startswith("the word") else (row(0), others))).message
    assert len(message) < 200 and message.count("word") < 20, message


def test_an_order_is_refused_where_there_are_too_few():
    for sentence in ("the second last dog", "the second to last dog", "the last but one dog", "the third dog"):
        choice = chosen(sentence, row(20))
        assert choice.chosen == () and "there is no" in choice.message, choice
    assert chosen("the second last dog", row(0, 30, 60)).chosen == (1,)
    assert chosen("the last but two dog", row(0, 30, 60)).chosen == (0,)
    assert chosen("the last dog", row(20)).chosen == (0,)


@pytest.mark.parametrize("sentence, count", [("both dogs", 2), ("the three dogs on the left", 3), ("twelve dogs", 12)])
def test_fewer_than_were_asked_for_are_named(sentence, count):
    for found in (1, 2):
        choice = chosen(sentence, row(*range(0, 20 * found, 20)))
        assert (f"{count} were asked for" in choice.message) == (found < count) and len(choice.chosen) == found


@pytest.mark.parametrize("word, rank", [("eleventh", 11), ("twelfth", 12), ("twentieth", 20), ("21st", 21)])
def test_ordinals_up_to_twenty_are_words(word, rank):
    assert said(f"the {word} dog") == ("dog", f"left {rank}") == said(f"the {word} dog from the left")


def test_two_that_fit_equally_are_ambiguous():
    choice = chosen("the dog", row(0, 50))
    assert choice.chosen == (0,) and choice.ambiguous and choice.also == (1,) and "0.90 and 0.80" in choice.message
    stacked = [Instance((0, 0, 10, 10), 0.9), Instance((0.5, 30, 10.5, 40), 0.8)]
    assert chosen("the left dog", stacked).ambiguous and not chosen("the upper dog", stacked).ambiguous


def test_the_only_one_is_refused_on_the_plainly_wrong_side():
    assert chosen("the dog on the left", row(85)).chosen == ()
    assert chosen("the dog on the left", row(50)).chosen == (0,)
    assert chosen("the big dog", row(85)).chosen == (0,)


@pytest.mark.parametrize(
    "sentence, others, right",
    [
        ("the dog left of the cat", row(60), {0}),
        ("the dog right of the cat", row(20), {1}),
        ("the dog next to the cat", row(85), {1}),
        ("the dog farthest from the cat", row(85), {0}),
        ("the dog right of the cat", row(89), set()),
        ("the dog left of the cat", [], {0, 1}),
    ],
)
def test_relations_to_another_thing(sentence, others, right):
    choice = chosen(sentence, row(5, 70), others)
    assert set(choice.chosen) | set(choice.also) == right, choice.message


def test_between_and_of_a_pair():
    trees = row(0, 60)
    assert chosen("the man between the trees", row(85, 30), trees).chosen == (1,)


def test_excluded_instances_are_left_out():
    cars, truck = row(0, 30, 60), [row(30)[0]]
    choice = chosen("the cars, not the truck", cars, truck)
    assert choice.left_out == (1,) and set(choice.chosen) == {0, 2}


def test_an_order_may_count_all_of_a_kind():
    red, every = [row(60)[0]], row(0, 30, 60)
    assert chosen("the third red car from the left", red, every).chosen == (0,)
    assert chosen("the second red car from the left", red, every).chosen == ()


def test_front_and_behind_by_mattes_and_by_depth():
    y, x = np.indices((60, 100))
    near, far = (x - 40) ** 2 + (y - 30) ** 2 < 400, (x - 62) ** 2 + (y - 30) ** 2 < 400
    boxes = (20, 10, 60, 50), (42, 10, 82, 50)

    def pair(depths=(None, None)):
        alphas = near.astype(np.float32), (far & ~near).astype(np.float32)
        return [Instance(box, 0.9, alpha, depth) for box, alpha, depth in zip(boxes, alphas, depths)]

    assert chosen("the dog in front", pair()).chosen == (0,)
    assert chosen("the dog behind", pair()).chosen == (1,)
    assert chosen("the dog in front", pair((1.0, 5.0))).chosen == (1,)


@pytest.mark.parametrize(
    ("sentence", "alone"),
    [
        ("not the otter", True),
        ("Everything except the otter.", True),
        ("no otter", True),
        ("no parking sign", False),
        ("anything but the otter", True),
        ("the picture without the otter", True),
        ("the dog, not the otter", False),
        ("the left one, not the otter", False),
        ("the dog without a collar", False),
        ("the left one", False),
    ],
)
def test_what_is_excluded_alone_is_told_apart(sentence, alone):
    assert parse(sentence).only_excludes == alone
