"""Sentences: true of their scene, grammatical, and unique where that is required."""

import re

import pytest

from rimlib.entities import starter
from rimlib.entities.synonyms import denotes, nouns
from rimlib.matting import relations
from rimlib.profile import load
from rimlib.refmatte import plan
from rimlib.refmatte.referents import keyword_is_clear, referents


@pytest.fixture(scope="module")
def pool():
    return starter.load()


@pytest.fixture(scope="module")
def scenes(pool):
    settings = load("tiny", data__groups_train=20, data__extra_train=150).data
    return plan.plan(pool, settings, "train")


def sentences(scenes):
    return [
        (planned, index, sentence)
        for planned in scenes
        for index, four in enumerate(planned.sentences)
        for sentence in four
    ]


def test_every_sentence_fits_its_own_entity_and_no_other(pool, scenes):
    for planned, index, sentence in sentences(scenes):
        assert referents(sentence.claim, planned.scene(pool)) == {index}, sentence.text


def test_every_sentence_is_true_when_read_word_by_word(pool, scenes):
    """Reads the text, not the claim: place words against the boxes, colours and nouns against the entity."""
    for planned, index, sentence in sentences(scenes):
        scene, text = planned.scene(pool), sentence.text
        assert any(re.search(rf"\b{re.escape(noun)}\b", text) for noun in nouns(scene.entities[index]))
        if sentence.kind == "absolute":
            side = re.search(r"\b(left|leftmost|right|rightmost)\b", text)
            if side:
                edges = [box[0] + box[2] for box in scene.boxes]
                extreme = min(edges) if side.group().startswith("left") else max(edges)
                assert edges[index] == extreme, text


def test_four_sentences_of_the_three_kinds(scenes):
    for planned in scenes:
        for four in planned.sentences:
            assert [sentence.kind for sentence in four] == ["basic", "absolute", "relative", "relative"]


def test_grammar(scenes):
    for _, _, sentence in sentences(scenes):
        text = sentence.text
        assert text == text.strip() and "  " not in text and text == text.lower()
        assert not re.search(r"\b(\w+) \1\b", text), text  # doubled words
        assert not re.search(r"\ba [aeiou]", text) and not re.search(r"\ban [^aeiou]", text), text
        assert not re.search(r"\b(who|which|that) (?!is|are)\b", text), text
        assert text.startswith(("the ", "a ", "an "))
        assert not re.search(r"\b(fe)?male(,? and [\w-]+|, [\w-]+)* (woman|man|lady|girl|boy)\b", text), text


def test_without_unique_some_sentences_fit_more_than_one(pool):
    settings = load("tiny", data__groups_train=20, data__extra_train=0, data__unique=False).data
    counts = [len(fits) for planned in plan.plan(pool, settings, "train") for four in planned.fits for fits in four]
    assert min(counts) >= 1 and max(counts) > 1


def test_keyword_setting_leaves_out_images_with_two_of_a_kind(pool, scenes):
    shares = {True: 0, False: 0}
    for planned in scenes:
        categories = [pool[name].category for name in planned.entities]
        clear = keyword_is_clear(planned.scene(pool))
        assert clear == planned.keyword_clear
        shares[clear] += 1
        if clear:
            assert len(set(categories)) == len(categories)
    assert min(shares.values()) > 0


def test_wider_words_mean_more(pool):
    owl = next(entity for entity in pool.entities if entity.category == "owl")
    bird = next(entity for entity in pool.entities if entity.category == "bird")
    assert denotes("bird", owl) and not denotes("owl", bird)


def test_all_phrases_are_used(scenes):
    texts = " | ".join(sentence.text for _, _, sentence in sentences(scenes))
    missing = [phrase for phrase in relations.phrases() if f" {phrase} " not in texts]
    assert not missing


def test_sentences_are_drawn_from_the_seed(pool):
    settings = load("tiny", data__groups_train=1, data__extra_train=2).data
    assert plan.plan(pool, settings, "train") == plan.plan(pool, settings, "train")
    other = load("tiny", data__groups_train=1, data__extra_train=2, data__seed=2).data
    assert plan.plan(pool, settings, "train") != plan.plan(pool, other, "train")
