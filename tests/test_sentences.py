"""Sentences: the same one otherwise written is the same text for the model, and the same matte."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rimlib.clipmat import prompt
from rimlib.entities import starter, synonyms
from rimlib.evaluation.no_target import _queries
from rimlib.evaluation.queries import queries_of
from rimlib.prediction.predictor import MattingPredictor
from rimlib.prediction.prompts import noun_template
from rimlib.profile import load
from rimlib.refmatte import plan
from rimlib.refmatte.dataset import RefMatte
from rimlib.refmatte.example import example
from rimlib.sentences import OPENERS, THE, canonical, clean, normalise

PHOTO = "a photo of a {keyword}"
WIDE = str.maketrans({chr(code): chr(code + 0xFEE0) for code in range(ord("!"), ord("~") + 1)} | {" ": "\u3000"})
# Ways to write "the X" around it.
AROUND = [
    *(
        f"{{}}{end}"
        for end in (".", "!", "?", "…", "...", ";", ",", ":", "。", "！", "？", "，", " .", "?!", " ,", "\n")
    ),
    *(f"{one}{{}}{other}" for one, other in ('""', "''", "“”", "‘’", "„“", "«»", "「」", "()", "[]", "<>", "``", "“.")),
    *(f"{{}}{end}" for end in (" please", ", please", ", please.", ", thanks!", " thank you", ", thx", " for me")),
    *(f"{{}}{end}" for end in (" only", " in the image", " in this photo", " from the picture, please")),
    *(f"{start}{{}}" for start in ("please ", "Please, ", "cut out ", "Cut out: ", "select ", "Show me ", "find ")),
    *(
        f"{start}{{}}"
        for start in ("give me ", "extract ", "segment ", "matte ", "matte of ", "the matte of ", "mask ")
    ),
    *(f"{start}{{}}" for start in ("i want ", "I need ", "I'd like ", "I’d like ", "can you find ", "just ", "only ")),
    *(f"{start}{{}}" for start in ("Could you please cut out ", "I want you to extract ", "Hey, ", "looking for ")),
    *("Can you cut {} out, please?", "cut {} out of the picture", "Where is {}?", "I'm looking for {}.", "crop out {}"),
    *("  {} ", "{}\u200b", "\ufeff{}", "\u200e{}\u200f", "- {}", "* {}", "> {}", "ok, {}", '"{}", please', "“{}.”"),
]
DETERMINED = ["the {}", "a {}", "The {}", "THE {}", "this {}", "that {}", "these {}", "those {}", "my {}", "the  {}"]
PHRASES = [
    "dog",
    "polar bear",
    "brown dog",
    "t-shirt",
    "dog on the left",
    "child's hat",
    "dog which is red and salient",
]


def written(phrase):
    """All ways to write it."""
    for way, determiner in itertools.product(AROUND, DETERMINED):
        text = way.format(determiner.format(phrase))
        yield from (text, text.upper(), text.capitalize(), text.replace(" ", "\u00a0"), text.translate(WIDE))
    yield from (way.format(f"the {phrase}").replace("'", sign) for way in AROUND for sign in "’ʼ´`")
    yield from (f"the \u00ad{phrase[:2]}\u00ad{phrase[2:]}", f"an {phrase}", f"{phrase}.", f"{phrase}, please", phrase)


@pytest.mark.parametrize("phrase", PHRASES)
def test_every_way_of_writing_is_the_same_text_for_the_model(phrase):
    ways = list(dict.fromkeys(written(phrase)))
    assert len(ways) > 2000
    wrong = {way: found for way in ways if (found := canonical(way)) != f"the {phrase}"}
    assert not wrong, (len(wrong), list(wrong.items())[:10])


@pytest.mark.parametrize(
    "typed, read",
    [
        # Words that only ask, or only point, are all there is.
        *((word, word) for word in ("please", "thanks", "cut out", "this", "that", "only", "the", "a", "find")),
        ("Please, thanks.", "thanks"),
        ("?!", "?!"),
        ("🦦", "🦦"),
        # Nouns that begin as a wish does.
        *((text, text) for text in ("the show", "the find of the year", "find of the year", "cut flowers", "show dog")),
        *((text, text) for text in ("matte black cup", "crop top", "mask", "only child", "pick axe", "hello kitty")),
        *((text, text) for text in ("segment of an orange", "extract of vanilla", "can of beer", "the matte")),
        # Places, relations, negations, counts and possessions are left alone.
        *((text, text) for text in ("that on the left", "these with wheels", "the one that is red", "some of them")),
        *((text, text) for text in ("not the otter", "no dog", "everything except the otter", "two dogs", "2 dogs")),
        *((text, text) for text in ("both dogs", "all people", "the bird's nest", "the red, salient, and old jar")),
        *((text, text) for text in ("the dog in the middle of the photo", "the dog below the image", "greyhound")),
        ("the boys' dog", "the boys dog"),
        ("select the dog.", "the dog"),
        ("this one", "the one"),
        ("a grey dog", "a gray dog"),
        ("Somebody in a darkgrey coat", "a person in a darkgray coat"),
        ("the dog left of someone", "the dog left of a person"),
        ("everybody", "people"),
        ("dog_house", "dog house"),
        ("狗。", "狗"),
        ("the dog (left)", "the dog left"),
    ],
)
def test_normal_forms(typed, read):
    assert normalise(typed) == read == normalise(read)


@pytest.mark.parametrize(
    "typed, read, keyword",
    [
        *(
            (text, "the otter", "a photo of a otter")
            for text in ("otter", "an otter", "The otter", "otter.", "my otter")
        ),
        ("polar bear", "the polar bear", "a photo of a polar bear"),
        ("small brown otter", "the small brown otter", "the small brown otter"),
        ("people", "the people", "a photo of a people"),
        *((text, "the human", "a photo of a human") for text in ("person", "A person!", "somebody", "the human being")),
        ("a person on the left", "the person on the left", "the person on the left"),
        *(
            (text, text, text)
            for text in ("both dogs", "not the otter", "everything", "to extract the otter", "2 otters")
        ),
        *((text, text, text) for text in ("a photo of a otter", "the mask of the otter", "🦦", "the", "with a hat")),
    ],
)
def test_an_article_makes_no_difference(typed, read, keyword):
    assert canonical(typed) == read == canonical(read)
    assert canonical(typed, PHOTO) == keyword


def test_only_a_model_of_keywords_alone_reads_nouns_in_its_template():
    assert noun_template(None) == noun_template(load("tiny-long")) == noun_template(load("paper-b16")) == THE
    assert noun_template(load("paper-l14-keyword")) == PHOTO
    bare = load("tiny", train__setting="keyword", train__keyword_share=1.0, model__pre_context=False)
    assert noun_template(bare) == "{keyword}"


PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            ["please", "this", "the", "cut", "out", "find", "me", "of", "thanks", "dog", "matte", "somebody"]
        ),
        st.sampled_from(
            [".", "“", "'", ",", "?", "\u200b", "some", "only", "in the photo", "that", "grey", "İ", "´", "ﬁ"]
        ),
        st.text(max_size=3),
    ),
    max_size=8,
)


@settings(max_examples=500, deadline=None)
@given(PIECES, st.sampled_from(["", " "]))
def test_a_normal_form_stays_and_something_is_left(pieces, between):
    text = between.join(pieces)
    once = normalise(text)
    assert normalise(once) == once == " ".join(once.split())
    assert once or not any(piece.isalnum() for piece in pieces)


def test_sentences_of_the_data_engine_are_normal():
    pool, count = starter.load(), 0
    for name in ("tiny", "paper-b16"):
        data = load(name, data__groups_train=40, data__extra_train=200).data
        for scene in itertools.islice(plan.scenes(pool, data, "train"), 200):
            texts = [sentence.text for four in scene.sentences for sentence in four]
            texts += [sentence.text for sentence in scene.no_target]
            count += len(texts)
            assert not [text for text in texts if normalise(text) != text]
    assert count > 2000
    nouns = {noun for entity in pool.entities for noun in synonyms.nouns(entity)}
    nouns |= set(json.loads((Path(synonyms.__file__).parent / "categories.json").read_text(encoding="utf-8")))
    for form in (*prompt.TEMPLATES, "the {keyword}", "{keyword} on the left"):
        assert not [noun for noun in nouns if normalise(form.format(keyword=noun)) != form.format(keyword=noun)], form


def test_openers_are_lower_case_and_end_with_a_word():
    assert all(opener == opener.lower() for opener in OPENERS)


def test_an_evaluation_reads_what_training_reads(tmp_path, make_scenes):
    root = make_scenes(tmp_path, 2)
    path = root / "refmatte_train_label.json"
    labels = json.loads(path.read_text(encoding="utf-8"))
    for label in labels.values():
        label["expressions"] = [f"“{text.capitalize()}.”" for text in label["expressions"]]
    path.write_text(json.dumps(labels), encoding="utf-8")
    rows = [{"sentence": "The blue fox.", "wrong": "stranger"}, {"sentence": "fox", "wrong": "keyword"}]
    expression, keyword = RefMatte(root, "train"), RefMatte(root, "train", "keyword")
    name = expression.image_names[0]
    read = [query.sentence for query in queries_of(expression, name, PHOTO, every=True)]
    assert len(read) == 8 and all(text.startswith("the ") and text[-1].isalpha() for text in read)
    assert [query.sentence for query in queries_of(keyword, name, PHOTO)] == ["a photo of a disc", "a photo of a box"]
    expression.no_target = {name: rows}
    asked = dict(_queries(expression, name, PHOTO))
    assert {text for text, wrong in asked.items() if not wrong} <= set(read)
    assert {text for text, wrong in asked.items() if wrong} == {"the blue fox", "a photo of a fox"}


def test_what_has_no_width_is_no_sentence():
    from rimlib.errors import RimError

    for text in ("\u200b", " \ufeff\u00ad ", "“”"):
        with pytest.raises(RimError, match="it is empty"):
            clean(text)


def test_the_shipped_model_gives_the_same_matte(shipped):
    scene = example(2)
    predictor = MattingPredictor(shipped, device="cpu", refiner=None)
    predictor.set_image(scene.image)
    for keyword in scene.keywords:
        ways = [f"the {keyword}", keyword, f"A {keyword}.", f"Please cut out “this {keyword}”!", f"{keyword} ."]
        first, *others = predictor.predict_many(ways)
        for way, result in zip(ways[1:], others):
            assert result.sentence == way and result.found == first.found
            np.testing.assert_allclose(result.alpha, first.alpha, atol=1e-4)
