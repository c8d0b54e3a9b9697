"""The demo without a browser: its controls are set, and what its page would show is read."""

import datetime
import io

import numpy as np
import pytest
from PIL import Image

from rimlib.demo import LONGER_SIDE, Demo
from rimlib.entities import drawn
from rimlib.errors import RimError
from rimlib.examples import SCENES, Example, examples
from rimlib.prediction.result import Result

WORDS = ("left", "right")


class HalfPredictor:
    """Finds the half of the image that a sentence names, and counts how often an image is encoded."""

    def __init__(self):
        self.encoded, self.sentences = 0, []

    def set_image(self, image):
        self.encoded += 1
        self.shape = image.shape[:2]

    def predict(self, sentence):
        if not sentence.strip():
            raise RimError("sentence: it is empty")
        if sentence == "fall":
            raise ZeroDivisionError("something\nelse")
        self.sentences.append(sentence)
        alpha = np.zeros(self.shape, np.float32)
        half = self.shape[1] // 2
        if "left" in sentence:
            alpha[:, :half] = 1
        if "right" in sentence:
            alpha[:, half:] = 1
        return Result(alpha, float(alpha.max()), np.uint8(alpha * 255))


@pytest.fixture
def demo():
    rng = np.random.default_rng(0)
    scenes = [
        Example(f"scene {number}", rng.integers(0, 256, (24, 32 + 8 * number, 3), np.uint8), WORDS)
        for number in range(2)
    ]
    return Demo(HalfPredictor(), drawn.load(size=32, variants=1), scenes)


def shown(demo, name) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(demo.panels[name].value)).convert("RGB"))


def send(demo, name, content):
    """What the browser does when a file was chosen."""
    demo.upload_box.value = (
        {
            "name": name,
            "type": "image/png",
            "size": len(content),
            "content": memoryview(content),
            "last_modified": datetime.datetime.now(datetime.UTC),
        },
    )


def png(image) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "png")
    return stream.getvalue()


def test_it_begins_with_a_matte(demo):
    assert demo.sentence == "left" and demo.sentence_box.value == "left" and not demo.error
    matte = shown(demo, "matte")
    assert matte[:, :16].min() == 255 and matte[:, 16:].max() == 0
    assert [button.description for button in demo.example_buttons.children] == list(WORDS)


def test_typing_changes_every_output(demo):
    before = {name: panel.value for name, panel in demo.panels.items()}
    demo.sentence_box.value = "the right half"
    assert demo.sentence == "the right half" and "the right half" in demo.message.value
    assert shown(demo, "matte")[:, 16:].min() == 255
    assert {name for name, panel in demo.panels.items() if panel.value != before[name]} == set(before) - {"image"}


def test_the_cut_out_has_no_fringe_of_the_old_background(demo):
    """A soft edge of red before green: in another place no green is left of it."""
    alpha = np.clip((12 - np.abs(np.arange(32) - 16)) / 8, 0, 1).astype(np.float32)[None].repeat(24, axis=0)
    image = np.uint8(alpha[..., None] * (200, 20, 20) + (1 - alpha[..., None]) * (20, 220, 20))
    demo.predictor.predict = lambda sentence: Result(alpha, 1.0, np.uint8(alpha * 255))
    send(demo, "red.png", png(image))
    demo.color_box.value = "#ffffff"
    demo.predict("the red one")
    placed = demo.views()["in another place"].astype(int)
    edge = (alpha > 0.2) & (alpha < 0.8)
    assert (placed[..., 1] - placed[..., 2])[edge].max() < 10


def test_an_image_is_encoded_once_for_all_its_sentences(demo):
    for sentence in ("right", "left", "right and left"):
        demo.sentence_box.value = sentence
    assert demo.predictor.encoded == 1
    assert demo.predictor.sentences == ["left", "right", "left", "right and left"], "each sentence is predicted once"
    demo.scene_box.value = 1
    assert demo.predictor.encoded == 2 and shown(demo, "matte").shape == (24, 40, 3)


def test_buttons_predict(demo):
    demo.example_buttons.children[1].click()
    assert demo.sentence == demo.sentence_box.value == "right"
    demo.predictor.sentences.clear()
    demo.predict_button.click()
    assert demo.predictor.sentences == ["right"], "the button predicts again what stands in the box"


def test_a_bad_sentence_is_one_line_and_leaves_the_result(demo):
    before = shown(demo, "matte")
    demo.sentence_box.value = "  "
    assert demo.error == "sentence: it is empty" and "alert" in demo.message.value and "\n" not in demo.message.value
    assert (shown(demo, "matte") == before).all() and demo.sentence == "left"
    demo.sentence_box.value = "right"
    assert not demo.error and "alert" not in demo.message.value


def test_an_unforeseen_error_is_one_line_too_and_is_raised_for_the_log(demo):
    with pytest.raises(ZeroDivisionError):
        demo.predict("fall")
    assert demo.error == "ZeroDivisionError: something else" and "\n" not in demo.message.value


def test_what_is_typed_is_shown_as_text(demo):
    demo.sentence_box.value = "<b>left</b>"
    assert "<b>" not in demo.message.value and "&lt;b&gt;" in demo.message.value


def test_nothing_found_is_reported(demo):
    demo.sentence_box.value = "a unicorn"
    assert "nothing" in demo.message.value and not demo.error


def test_a_matte_of_several_parts_comes_with_advice(demo):
    alpha = np.ones((24, 32), np.float32)
    demo.predictor.predict = lambda sentence: Result(alpha, 1.0, np.uint8(alpha * 255), answer="ambiguous")
    demo.predict("the dog")
    assert "give its side or order" in demo.message.value and "100 % of the image" in demo.message.value
    demo.predictor.predict = lambda sentence: Result(alpha, 1.0, np.uint8(alpha * 255))
    demo.predict("the left dog")
    assert "several parts" not in demo.message.value


def test_an_upload_replaces_the_image(demo):
    image = np.full((30, 50, 3), (10, 200, 30), np.uint8)
    send(demo, "green.png", png(image))
    assert not demo.error and (demo.image == image).all() and demo.example_buttons.children == ()
    assert demo.sentence_box.value == "" and demo.result is None and shown(demo, "matte").max() == 0
    demo.sentence_box.value = "left"
    assert demo.result.alpha.shape == (30, 50)
    assert demo.upload_box.value == (), "the same file can be sent again"


def test_the_list_of_scenes_has_the_one_that_is_shown(demo):
    demo.choose(1)
    assert demo.scene_box.value == 1
    send(demo, "black.png", png(np.zeros((8, 8, 3), np.uint8)))
    assert demo.scene_box.value is None
    demo.scene_box.value = 1
    assert demo.image is demo.scenes[1].image, "the scene before the upload can be chosen again"


def test_a_large_upload_is_made_smaller(demo):
    send(demo, "large.png", png(np.zeros((20, 3 * LONGER_SIDE, 3), np.uint8)))
    assert demo.image.shape == (7, LONGER_SIDE, 3)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("notes.txt", b"no image at all", "notes.txt: is not an image"),
        ("empty.png", b"", "empty.png: is empty"),
        (
            "cut.png",
            png(np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8))[:900],
            "cut.png: is broken or cut off",
        ),
        ("../../etc/x.png", b"no", "../../etc/x.png: is not an image"),
    ],
)
def test_a_bad_upload_is_one_line_and_leaves_the_image(demo, name, content, expected):
    before, encoded = demo.image, demo.predictor.encoded
    send(demo, name, content)
    assert demo.error.startswith(expected) and "\n" not in demo.message.value
    assert demo.image is before and demo.predictor.encoded == encoded and demo.sentence == "left"


def test_the_new_place_changes_without_asking_again(demo):
    predicted = len(demo.predictor.sentences)
    demo.color_box.value = "#ff0000"
    red = shown(demo, "in another place")[:, 24:].astype(int)
    assert abs(red - (255, 0, 0)).max() < 12, "a JPEG of one colour"
    demo.background_box.value = "drawn-sky"
    assert abs(shown(demo, "in another place")[:, 24:].astype(int) - (255, 0, 0)).max() > 100
    assert len(demo.predictor.sentences) == predicted


def test_a_place_that_cannot_be_read_is_one_line(demo, monkeypatch):
    def missing(name):
        raise RimError(f"{name}: no such file")

    monkeypatch.setattr(demo.pool, "background", missing)
    demo.background_box.value = "drawn-wall"
    assert demo.error == "drawn-wall: no such file"


def test_the_still_has_a_row_for_each_sentence(demo):
    import matplotlib.pyplot as plt

    figure = demo.figure(["left", "right"], alt="two rows")
    assert sum(bool(axis.images) for axis in figure.axes) == 8 and figure.get_label() == "two rows"
    plt.close(figure)


def test_examples_come_from_the_pool():
    pool = drawn.load(size=32)
    (example,) = examples(pool, [(1, "seen", 0)], canvas=(64, 80))
    assert example.image.shape == (64, 80, 3)
    assert example.sentences and all(sentence.strip() for sentence in example.sentences)
    assert all(category in pool.categories() for category in example.name.split(", "))


def test_examples_of_look_alikes_give_a_place_an_order_or_a_size():
    from rimlib.entities import starter
    from rimlib.experiments.wording import blanked
    from rimlib.refmatte.example import example

    scenes = [scene for scene in SCENES if scene[1] == "alike"]
    (found,) = examples(starter.load(), scenes)
    truth = example(scenes[0][2], "alike")
    assert (found.image == truth.image).all() and len(set(truth.keywords)) == 1
    assert len(found.sentences) == 2 * len(truth.keywords)
    for number, sentence in enumerate(found.sentences):
        assert sentence in truth.expressions[number // 2] and blanked(sentence) != sentence
