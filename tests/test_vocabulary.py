"""The nouns that a model was trained on, and what becomes of a sentence with another one."""

import numpy as np
import pytest

from rimlib.clipmat.pretrained import shipped_file
from rimlib.entities import starter
from rimlib.entities.synonyms import number, plural
from rimlib.errors import RimError
from rimlib.io.weights import read_header
from rimlib.prediction.answer import Answer, Reason
from rimlib.prediction.predictor import MattingPredictor
from rimlib.prediction.unknown import refusal
from rimlib.refmatte.dataset import RefMatte
from rimlib.refmatte.vocabulary import of_pool, of_targets
from rimlib.understanding.vocabulary import KEY, Vocabulary

NONSENSE = ("asdf qwer", "the", "of", "12345", "?!", "lorem ipsum dolor sit amet", "der Hund links", "左边的狗", "🐶")
UNKNOWN = (
    "the xylophone dragon",
    "pizza",
    "The traffic light on the left.",
    "both laptops",
    "the butterfly",
    "the green kite near the dog",
    "a unicorn, not the dog",
    "the dog house",
    "toothbrush",
    "wine glasses",
)


@pytest.fixture(scope="module")
def known():
    """That of the shipped model."""
    return Vocabulary.of(read_header(shipped_file())["card"])


def test_the_shipped_model_names_the_nouns_that_its_scenes_are_made_of(known):
    assert known == of_pool(starter.load(), wide=True) and len(known.nouns) > 250
    assert known.nouns.isdisjoint(known.kinds) and set(known.kinds.values()) <= known.nouns
    assert of_pool(starter.load(), wide=False).nouns < known.nouns


@pytest.mark.parametrize("plain", ["{}", "the {}", "A {}.", "the red {} on the left", "the left {}", "{} left"])
def test_no_noun_of_the_training_is_refused(known, plain):
    refused = [noun for noun in known.nouns if refusal(plain.format(noun), known)]
    assert refused == []


@pytest.mark.parametrize("several", ["the {}", "both {} on the table", "the two red {}"])
def test_no_plural_of_one_is_refused(known, several):
    counted = [noun for noun in known.nouns if number(noun) == "one"]
    assert len(counted) > 200 and [one for one in counted if refusal(several.format(plural(one)), known)] == []


@pytest.mark.parametrize(
    "sentence",
    [
        "the sports car",
        "the policeman",
        "a cup of coffee",
        "the polar bear",
        "the hydrant",
        "the baby",
        "the dog's tail",
        "the dog and the xylophone",
        "the dog next to the xylophone",
        "the dog asleep",
        "the dog which runs as fast as it can",
        "the red one",
        "whatever is on the left",
        "it",
        "the biggest",
        "the adult on the right",
        "people",
        "everyone",
        "guitars",
    ],
)
def test_what_is_known_by_another_word_or_has_none_is_asked(known, sentence):
    assert refusal(sentence, known) is None


@pytest.mark.parametrize("sentence", [*UNKNOWN, *NONSENSE])
def test_what_no_training_had_is_refused_in_one_line(known, sentence):
    reason, message = refusal(sentence, known)
    assert reason == Reason.UNKNOWN_NOUN and "\n" not in message and len(message) < 250
    assert "the 305 nouns" in message and "--method grounded" in message and "ask by kind" in message
    assert refusal(sentence, None) is None, "a model without a list is asked whatever it is"


def test_the_line_says_what_could_be_asked(known):
    assert "“the food on the left”" in refusal("the pizza", known).message
    assert "the nearest: elephant;" in refusal("an elefant", known).message
    few = Vocabulary(frozenset(("disc", "box")))
    assert "; it knows: box, disc; " in refusal("the dog", few).message and refusal("the discs", few) is None


def test_the_words_of_a_data_set_are_those_of_its_own_entities(scenes):
    own = of_targets(RefMatte(scenes).targets)
    assert {"disc", "box"} <= own.nouns and own.knows("discs") and not own.knows("dog") and not own.knows("animal")
    both = own.joined(Vocabulary(frozenset(("dog",)), {"box": "dog", "wolf": "dog"}))
    assert both.knows("disc") and both.knows("dog") and "box" not in both.kinds and both.kinds["wolf"] == "dog"


@pytest.mark.parametrize("given", [{}, {"nouns": ""}, {"nouns": 3}, "dog", {"nouns": "dog", "kinds": ["cat"]}])
def test_a_broken_vocabulary_is_refused(given):
    with pytest.raises(RimError, match="vocabulary") as caught:
        Vocabulary.of({KEY: given})
    assert caught.value.setting == KEY


def test_the_predictor_refuses_unless_it_is_told_not_to(shipped, monkeypatch):
    alpha, trimap = np.zeros((48, 48), np.float32), np.zeros((48, 48), np.uint8)
    alpha[10:30, 4:16] = 1
    image = np.zeros((48, 48, 3), np.uint8)

    def result(sentence="the pizza", **options):
        made = MattingPredictor(shipped, device="cpu", refiner=None, **options).another()
        return made._result(image, None, sentence, alpha, 0.9, trimap)

    refused = result()
    assert (refused.answer, refused.reason) == (Answer.NOTHING, Reason.UNKNOWN_NOUN) and not refused.alpha.any()
    assert "pizza" in refused.message and refused.raw is not None and refused.raw.any() and not refused.found
    assert result("the dog").message == "" and "“xylophone” is none of" in result("the dog and the xylophone").message
    assert result("the dog").found and result(known=False).found and result(threshold=0).found
    monkeypatch.setattr(shipped, "card", {key: value for key, value in shipped.card.items() if key != KEY})
    assert result().found, "a model without a list"
