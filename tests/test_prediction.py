"""Prediction: what must be found, with which score, and what must be refused."""

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import rimlib
from rimlib import profile as profiles
from rimlib.clipmat.collaboration import THRESHOLD
from rimlib.clipmat.model import CLIPMat
from rimlib.errors import RimError
from rimlib.io.images import resize
from rimlib.io.weights import CHECKPOINTS
from rimlib.prediction import folder
from rimlib.prediction import functions as module
from rimlib.prediction.functions import NothingFound
from rimlib.prediction.predictor import MattingPredictor
from rimlib.refmatte.example import example
from rimlib.sentences import TOGETHER


@pytest.fixture
def predictor(shipped):
    return MattingPredictor(shipped, device="cpu", refiner=None)


@pytest.fixture(scope="module")
def scene():
    """An otter and a person."""
    return example(34)


@pytest.fixture
def ready(predictor, scene):
    predictor.set_image(scene.image)
    return predictor


# What comes back


def test_a_matte_has_the_images_own_size_and_range(ready, scene):
    results = list(ready.predict_many([four[0] for four in scene.expressions]))
    for result in results:
        assert result.alpha.shape == scene.image.shape[:2] and result.alpha.dtype == np.float32
        assert result.trimap.shape == scene.image.shape[:2] and set(np.unique(result.trimap)) <= {0, 128, 255}
        assert 0 <= result.alpha.min() and result.alpha.max() <= 1 and 0 <= result.score <= 1
        assert result.found and result.raw is result.alpha and not result.message
    one = ready.predict(scene.expressions[1][0])
    np.testing.assert_allclose(one.alpha, results[1].alpha, atol=1e-3)  # ready alone or together
    assert one.sentence == scene.expressions[1][0] and len(repr(one)) < 300


def test_sentences_change_the_matte(ready, scene):
    mattes = [result.alpha for result in list(ready.predict_many([f"the {keyword}" for keyword in scene.keywords]))]
    for number, true in enumerate(scene.mattes):
        overlap = [np.minimum(matte, true).sum() / true.sum() for matte in mattes]
        assert overlap[number] > 0.6 and overlap[1 - number] < 0.2, (scene.keywords[number], overlap)


def test_a_sentence_that_fits_nothing_gets_an_empty_matte_and_a_plain_message(ready, scene, monkeypatch):
    sure = ready.predict("the human")
    assert sure.score > THRESHOLD
    strict = MattingPredictor(ready.model, device="cpu", refiner=None, threshold=min(1.0, sure.score + 0.01))
    strict.set_image(scene.image)
    unsure = strict.predict("the human")
    assert not unsure.found and unsure.score == pytest.approx(sure.score, abs=1e-5)
    assert unsure.alpha.shape == sure.alpha.shape and unsure.alpha.dtype == np.float32 and not unsure.alpha.any()
    assert unsure.message == f"nothing in this image fits “the human” (score {sure.score:.2f})"
    np.testing.assert_allclose(unsure.raw, sure.alpha, atol=1e-5)  # what the model gave is still there


def test_what_is_excluded_is_no_answer(shipped, scene):
    predictor = MattingPredictor(shipped, device="cpu", refiner=None)
    predictor.set_image(scene.image)
    named = scene.keywords[0]
    assert predictor.predict(f"the {named}").found
    for sentence in (f"not the {named}", f"everything except the {named}", f"no {named}"):
        result = predictor.predict(sentence)
        assert not result.found and not result.alpha.any() and result.answer == "nothing"
        assert result.message == f"“{sentence}” names only what is not meant; name what is"
    every = MattingPredictor(shipped, device="cpu", refiner=None, threshold=0)
    every.set_image(scene.image)
    assert every.predict(f"not the {named}").found  # a threshold of 0 keeps every matte


def test_a_threshold_of_0_keeps_every_matte_that_shows_something(shipped, scene):
    predictor = MattingPredictor(shipped, device="cpu", refiner=None, threshold=0)
    predictor.set_image(scene.image)
    for result in predictor.predict_many(["zebra", "the dog", "a bicycle", "the red umbrella", "the human"]):
        assert result.found == (result.raw.max() >= 0.5 / 255)
    predictor.set_image(np.zeros((20, 20, 3), np.uint8))
    assert not predictor.predict("zebra").alpha.any()


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_that_is_no_score_is_refused(shipped, threshold):
    with pytest.raises(RimError, match="from 0 to 1"):
        MattingPredictor(shipped, refiner=None, threshold=threshold)


# How the model is used


def test_an_image_is_encoded_once_and_sentences_go_in_bounded_groups(ready, scene, monkeypatch):
    encoded, sizes = [], []
    encode, matte = ready.model.encode_image, ready.model.matte
    monkeypatch.setattr(
        ready.model, "encode_image", lambda images: encoded.append(len(images)) or encode(images), raising=False
    )
    monkeypatch.setattr(
        ready.model, "matte", lambda image, text: sizes.append(len(image.tokens)) or matte(image, text), raising=False
    )
    ready.set_image(scene.image)
    questions = [f"the {color} human" for color in ("red", "green", "blue")] * 7
    results = ready.predict_many(questions)
    assert sizes == [] and next(results).sentence == questions[0] and sizes == [TOGETHER], (
        "run as the results are taken"
    )
    rest = list(results)
    assert [result.sentence for result in rest] == questions[1:]
    assert sum(sizes) == 21 and max(sizes) == TOGETHER and encoded == [1]


def test_sentences_that_were_encoded_once_serve_many_images(ready, scene, monkeypatch):
    read = ready.encode_text(["the human", "otter"])
    monkeypatch.setattr(ready.model, "encode_text", lambda tokens: pytest.fail("read again"), raising=False)
    first = [result.alpha for result in ready.predict_many(read)]
    ready.set_image(np.ascontiguousarray(scene.image[:, ::-1]))
    second = [result.alpha for result in ready.predict_many(read)]
    assert np.abs(first[0] - second[0]).mean() > 0.01


def test_results_on_the_way_belong_to_their_image(ready, scene):
    questions = ["the human"] * TOGETHER + ["the otter"]  # the last is ready when the first group is done
    expected = list(ready.predict_many(questions))[-1]
    results = ready.predict_many(questions)
    next(results)
    ready.set_image(np.zeros((10, 10, 3), np.uint8))
    np.testing.assert_allclose(list(results)[-1].alpha, expected.alpha, atol=1e-5)


@pytest.mark.parametrize(
    "typed, read",
    [
        ("otter", "the otter"),
        ("  Brown   otter. ", "the brown otter"),
        ("the t-shirt", "the t-shirt"),
        ("Please cut out my otter!", "the otter"),
        ("otter on grass", "the otter on grass"),
        ("🦦", "🦦"),
    ],
)
@pytest.mark.parametrize("setting", ["both", "keyword"])
def test_the_model_reads_the_form_of_its_training(ready, monkeypatch, typed, read, setting):
    seen = []
    tokenize = ready.model.tokenize
    monkeypatch.setattr(
        ready.model,
        "tokenize",
        lambda texts, **options: seen.extend(texts) or tokenize(texts, **options),
        raising=False,
    )
    monkeypatch.setattr(ready.model, "profile", profiles.in_setting(ready.model.profile, setting))
    if setting == "keyword" and len(read.split()) in (2, 3):  # a keyword of one or two words, after "the"
        read = f"a photo of a {read.removeprefix('the ')}"
    assert ready.predict(typed).sentence == " ".join(typed.split()) and seen == [read]


# The refiner


class Negative:
    """Gives the matte turned round, and records its input."""

    def __init__(self):
        self.given = []

    def refine(self, image, alpha):
        self.given.append((image.shape, image.dtype, alpha.shape, alpha.dtype))
        return np.full(image.shape[:2], 0.25, np.float32)


def test_the_refiner_sees_what_was_found_in_an_image_larger_than_the_model_sees(shipped, scene):
    refiner, side = Negative(), shipped.image_size
    predictor = MattingPredictor(shipped, device="cpu", refiner=refiner)
    predictor.set_image(scene.image)
    assert (predictor.predict("the human").alpha == 0.25).all()
    assert refiner.given == [(scene.image.shape, np.uint8, (side, side), np.float32)]
    predictor.set_image(resize(scene.image, (side, side)))
    predictor.predict("the human")
    assert len(refiner.given) == 1, "no details that the model did not see"
    strict = MattingPredictor(shipped, device="cpu", refiner=refiner, threshold=1.0)
    strict.set_image(scene.image)
    assert not strict.predict("the human").alpha.any() and len(refiner.given) == 1, "nothing found, nothing to refine"


def test_the_shipped_refiner_is_used_where_there_is_one(shipped):
    ships = (CHECKPOINTS / "refiner-tiny.safetensors").is_file()
    assert (MattingPredictor(shipped).refiner is not None) == ships and MattingPredictor(
        shipped, refiner=None
    ).refiner is None


# What cannot be predicted


def test_no_image_yet(predictor):
    with pytest.raises(RimError, match="no image yet"):
        predictor.predict("the dog")


def test_an_image_that_cannot_be_read_leaves_the_one_before(ready, scene, tmp_path):
    before = ready.predict("the human").alpha
    with pytest.raises(RimError):
        ready.set_image(tmp_path / "missing.png")
    np.testing.assert_allclose(ready.predict("the human").alpha, before, atol=1e-6)


@pytest.mark.parametrize("several", ["the dog", [], b"dog"])
def test_what_is_no_list_of_sentences_is_refused(ready, several):
    with pytest.raises(RimError, match=r"write \[sentence\]"):
        list(ready.predict_many(several))


def test_mattes_are_at_most_as_opaque_as_the_image(ready, scene):
    opacity = np.float32(scene.mattes[0] > 0.5) * 200 / 255
    ready.set_image(np.dstack([scene.image, np.uint8(opacity * 255)]))
    results = list(ready.predict_many([f"the {keyword}" for keyword in scene.keywords]))
    assert max(result.alpha.max() for result in results) > 0.5, "something is found"
    assert all((result.raw <= opacity + 1e-3).all() and (result.alpha <= result.raw).all() for result in results)
    ready.set_image(scene.image)  # opaque again
    assert max(result.alpha.max() for result in ready.predict_many([f"the {one}" for one in scene.keywords])) > 0.9


FORKED = """
import multiprocessing, warnings
import rimlib
from rimlib.errors import RimError
from rimlib.refmatte.example import example

warnings.simplefilter("ignore")
scene = example(34)
work = lambda: [rimlib.matte(scene.image, "the human").sum(), rimlib.cut_out(scene.image, "the human")]
first = work()[0]

def child(queue):
    queue.put(float(rimlib.matte(scene.image, "the human").sum()))
    try:
        rimlib.cut_out(scene.image, "the human")
    except RimError as error:
        queue.put(str(error))

context = multiprocessing.get_context("fork")
queue = context.SimpleQueue()
process = context.Process(target=child, args=(queue,))
process.start()
process.join(60)
assert process.exitcode == 0, process.exitcode
assert abs(queue.get() - first) < 1 and "spawn" in queue.get()
"""


def test_a_forked_process_predicts_or_refuses_and_does_not_hang():
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, env=environment, timeout=180)
    assert done.returncode == 0, done.stderr


# From the package


def test_one_call_from_the_package_keeps_the_model(shipped, scene, monkeypatch):
    loads = []
    monkeypatch.setattr(CLIPMat, "shipped", classmethod(lambda cls, name="tiny": loads.append(name) or shipped))
    module._shared.cache_clear()
    alpha = rimlib.matte(scene.image, "the human")
    assert isinstance(alpha, np.ndarray) and alpha.shape == scene.image.shape[:2] and alpha.any()
    foreground, again = rimlib.cut_out(scene.image, "the human")
    assert foreground.shape == scene.image.shape and foreground.dtype == np.uint8 and np.array_equal(again, alpha)
    assert loads == ["tiny"]
    module._shared.cache_clear()


def test_one_call_takes_several_sentences(one_load, scene):
    alphas = rimlib.matte(scene.image, ["the human", "the otter"])
    assert alphas.shape == (2, *scene.image.shape[:2]) and alphas.dtype == np.float32
    assert (
        np.abs(alphas[1] - rimlib.predict(scene.image, "the otter").alpha).mean()
        < 1e-4
        < np.abs(alphas[1] - alphas[0]).mean()
    )
    results = rimlib.predict(scene.image, ("the human", "the otter"))
    assert [result.sentence for result in results] == ["the human", "the otter"]
    assert results[0].over("white").shape == scene.image.shape


def test_one_call_warns_when_nothing_fits(one_load, scene, monkeypatch):
    monkeypatch.setattr("rimlib.additions.calibration.Calibration.__call__", lambda calibration, score: 0.0)
    with pytest.warns(NothingFound, match="nothing in this image fits “the human”") as caught:
        assert not rimlib.matte(scene.image, "the human").any()
    assert caught[0].filename == __file__


# Many images


def test_a_folder_is_predicted_file_by_file(predictor, scene, tmp_path):
    (tmp_path / "zero.png").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("not an image")
    Image.fromarray(scene.image).save(tmp_path / "whole.png")
    (tmp_path / "half.png").write_bytes((tmp_path / "whole.png").read_bytes()[:5000])
    words_of = {"zero.png": "is empty", "half.png": "cut off", "text.jpg": "not an image"}
    (tmp_path / "notes.txt").write_text("not looked at")
    (tmp_path / ".hidden.png").write_bytes(b"")
    (tmp_path / "inner").mkdir()
    Image.fromarray(scene.image).save(tmp_path / "inner" / "deep.png")
    found = folder.find(tmp_path)
    assert [path.name for path in found] == ["half.png", "text.jpg", "whole.png", "zero.png"]
    predictions = list(folder.predict_all(predictor, found, ["the human", "otter"], progress=False))
    assert [(prediction.image, prediction.sentence, prediction.result is None) for prediction in predictions] == [
        (0, 0, True),
        (1, 0, True),
        (2, 0, False),
        (2, 1, False),
        (3, 0, True),
    ]
    for prediction in predictions:
        path = found[prediction.image]
        assert (
            prediction.error == ""
            if prediction.result
            else str(path) in prediction.error and words_of[path.name] in prediction.error
        )


def test_a_folder_without_images_is_refused(tmp_path):
    for path, word in ((tmp_path, "no images"), (tmp_path / "none", "no such file")):
        with pytest.raises(RimError, match=word):
            folder.find(path)


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, rimlib, rimlib.cli, rimlib.prediction.prompts, rimlib.prediction.folder\n"
    code += "print([name for name in ('torch', 'open_clip', 'cv2', 'matplotlib') if name in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_what_ships_is_small_and_has_cards():
    weights = {path.stem: path.stat().st_size for path in CHECKPOINTS.glob("*.safetensors")}
    assert sum(size for name, size in weights.items() if "clip" in name) <= 25 * 2**20
    assert sum(weights.values()) <= 27 * 2**20
    assert all((CHECKPOINTS / f"{name}.json").is_file() for name in weights)
