"""The forms that people type: a grammar written apart from the engine, and their meaning in an image and its mirror."""

import re
from dataclasses import replace

import pytest
import webcolors

from rimlib.entities import starter, synonyms
from rimlib.matting import relations
from rimlib.profile import load
from rimlib.refmatte import plan
from rimlib.refmatte.referents import referents

POOL = starter.load()
WIDTH = 320


def any_of(words) -> str:
    return "(?:" + "|".join(sorted(map(re.escape, set(words)), key=len, reverse=True)) + ")"


def grammar() -> re.Pattern:
    """Sentence = [the] phrase | [the] phrase left of [the] phrase; phrase = [place] [colour] noun [in …] [place]."""
    nouns = any_of(n for e in POOL.entities for n in (*synonyms.nouns(e), *synonyms.kind_words(e)))
    garment = any_of(e.clothes for e in POOL.entities if e.kind == "person")
    color = any_of(webcolors.names("css3"))
    phrase = rf"(?:{color} )?{nouns}(?: in (?:the )?{color} {garment})?"
    before = (
        "left|right|leftmost|rightmost|upper|top|lower|bottom|middle|front|larger|bigger|big|large|smaller|small|little"
        "|largest|biggest|smallest"
    )
    from_side = "(?:second|third) from the (?:left|right|top|bottom)"
    after = (
        "(?:on|at) the (?:left|right)|on the (?:left|right) side|at the (?:top|bottom)|on top|above|below|behind"
        f"|in (?:the (?:middle|center|foreground|background|back)|front)|{from_side}"
    )
    order = rf"(?:{before}) {phrase}|{phrase} (?:{after})|(?:second|third) {phrase} from the (?:left|right|top|bottom)"
    between = "left of|to the left of|right of|to the right of|above|over|below|under|in front of|behind"
    return re.compile(rf"(?:the )?(?:{order}|{phrase}|{phrase} (?:{between}) (?:the )?{phrase})")


@pytest.fixture(scope="module")
def scenes():
    settings = {"data__short_forms": 1.0, "data__wider_words": 0.2, "data__lookalikes": 0.5}
    sizes = {"data__groups_train": 20, "data__extra_train": 300, "data__groups_test": 30, "data__extra_test": 200}
    profile = load("tiny", **settings, **sizes).data
    return [one for split in ("train", "alike") for one in plan.scenes(POOL, profile, split)]


def sentences_of(scenes):
    for one in scenes:
        scene = one.scene(POOL, wide=True)
        for index, four in enumerate(one.sentences):
            yield from ((scene, index, sentence) for sentence in four)


def test_thousands_of_short_sentences_parse(scenes):
    whole, texts = grammar(), [sentence.text for _, _, sentence in sentences_of(scenes)]
    assert len(texts) > 6000
    wrong = [text for text in texts if not whole.fullmatch(text)]
    assert not wrong, wrong[:5]
    for text in ("the left of dog", "the dog on left", "second from the dog", "the the dog", "a left dog the"):
        assert not whole.fullmatch(text), text


SIDES = {  # what a side means for boxes (left, top, right, bottom), apart from rimlib
    "left": lambda x, y: x[2] <= y[0],
    "right": lambda x, y: x[0] >= y[2],
    "top": lambda x, y: x[3] <= y[1],
    "bottom": lambda x, y: x[1] >= y[3],
    "large": lambda x, y: (x[2] - x[0]) * (x[3] - x[1]) > (y[2] - y[0]) * (y[3] - y[1]),
    "small": lambda x, y: (x[2] - x[0]) * (x[3] - x[1]) < (y[2] - y[0]) * (y[3] - y[1]),
}
WORDS = {
    "left": "left|leftmost",
    "right": "right|rightmost",
    "top": "upper|top|above",
    "bottom": "lower|bottom|below",
    "large": "larger|bigger|big|large|largest|biggest",
    "small": "smaller|small|little|smallest",
}


def test_orders_are_true_of_the_image_and_its_mirror_image(scenes):
    seen = set()
    for scene, index, sentence in sentences_of(scenes):
        claim = sentence.claim
        if not claim.rank or claim.relation in ("front", "behind", "middle"):
            continue
        alike = sorted(referents(replace(claim, relation="", phrase="", rank=0), scene))
        among = alike if len(alike) > 1 else range(len(scene.entities))
        flipped = [(WIDTH - right, top, WIDTH - left, bottom) for left, top, right, bottom in scene.boxes]
        for text, boxes in ((sentence.text, scene.boxes), (relations.mirror(sentence.text), flipped)):
            text = text.replace("tank top", "shirt").replace(claim.noun, "one")  # "little girl", "big cat"
            side = next(name for name, words in WORDS.items() if re.search(rf"\b(?:{words})\b", text))
            rank = next((n for n, word in ((2, "second"), (3, "third")) if word in text), 1)
            before = [SIDES[side](boxes[other], boxes[index]) for other in among if other != index]
            assert sum(before) == rank - 1, (text, boxes, index)
            seen.add((side, rank))
    assert {(side, 1) for side in SIDES} | {("left", 2), ("right", 2), ("left", 3), ("top", 2)} <= seen


def test_no_sentence_of_an_image_is_true_of_two(scenes):
    for scene, index, sentence in sentences_of(scenes):
        assert referents(sentence.claim, scene) == {index}, sentence.text


def test_the_engines_forms_are_all_used(scenes):
    texts = " | ".join(sentence.text for _, _, sentence in sentences_of(scenes))
    forms = [
        form
        for relation in relations.RELATIONS.values()
        for form in relation.first
        if not re.search(rf"\b{form.replace('{noun}', '').strip()}\b", texts)
    ]
    assert not forms
