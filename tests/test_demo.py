"""The demo without a browser: its controls are set, and what its page would show is read."""

import base64
import datetime
import io
import re
import threading

import numpy as np
import pytest
from PIL import Image

from rimlib.demo import Demo, views
from rimlib.demo.request import EDITS, LONGER_SIDE, Newest
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
    demo = Demo(HalfPredictor(), drawn.load(size=32, variants=1), scenes)
    demo.wait()
    return demo


def predictor_of(demo):
    return demo.answers.predictors["clipmat"]


def given(demo, box, value):
    """A reader sets a control, and waits."""
    getattr(demo, box).value = value
    demo.wait()


def shown(demo, name) -> np.ndarray:
    address = re.search(r'src="data:image/\w+;base64,([^"]+)"', demo.panels[name].value).group(1)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address))).convert("RGB"))


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
    demo.wait()


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
    given(demo, "sentence_box", "the right half")
    assert demo.sentence == "the right half" and "the right half" in demo.message.value
    assert shown(demo, "matte")[:, 16:].min() == 255
    assert {name for name, panel in demo.panels.items() if panel.value != before[name]} == set(before) - {"image"}
    assert 'alt="The matte of “the right half”: white is the object"' in demo.panels["matte"].value


def test_the_cut_out_has_no_fringe_of_the_old_background(demo):
    """A soft edge of red before green: edited no green is left of it."""
    alpha = np.clip((12 - np.abs(np.arange(32) - 16)) / 8, 0, 1).astype(np.float32)[None].repeat(24, axis=0)
    image = np.uint8(alpha[..., None] * (200, 20, 20) + (1 - alpha[..., None]) * (20, 220, 20))
    predictor_of(demo).predict = lambda sentence: Result(alpha, 1.0, np.uint8(alpha * 255))
    send(demo, "red.png", png(image))
    given(demo, "color_box", "#ffffff")
    demo.predict("the red one")
    assert not demo.error
    placed = demo.views()["edited"].astype(int)
    edge = (alpha > 0.2) & (alpha < 0.8)
    assert (placed[..., 1] - placed[..., 2])[edge].max() < 10


def test_an_image_is_encoded_once_for_all_its_sentences(demo):
    for sentence in ("right", "left", "right and left"):
        given(demo, "sentence_box", sentence)
    assert predictor_of(demo).encoded == 1
    assert predictor_of(demo).sentences == ["left", "right", "right and left"], "each sentence is predicted once"
    given(demo, "scene_box", 1)
    assert predictor_of(demo).encoded == 2 and shown(demo, "matte").shape == (24, 40, 3)


def test_buttons_predict(demo):
    demo.example_buttons.children[1].click()
    demo.wait()
    assert demo.sentence == demo.sentence_box.value == "right"
    given(demo, "sentence_box", "left")
    demo.predict_button.click()
    demo.wait()
    assert demo.sentence == "left"


def test_a_bad_sentence_is_one_line_and_leaves_the_result(demo):
    before = shown(demo, "matte")
    given(demo, "sentence_box", "  ")
    assert (
        demo.error.startswith("sentence: it is empty; write")
        and "alert" in demo.message.value
        and "\n" not in demo.message.value
    )
    assert (shown(demo, "matte") == before).all() and demo.sentence == "left"
    given(demo, "sentence_box", "right")
    assert not demo.error and "alert" not in demo.message.value


def test_an_unforeseen_error_is_one_line_too_and_is_kept(demo):
    demo.predict("fall")
    assert isinstance(demo.failure, ZeroDivisionError)
    assert demo.error == "ZeroDivisionError: something else" and "\n" not in demo.message.value


def test_what_is_typed_is_shown_as_text(demo):
    given(demo, "sentence_box", "<b>left</b>")
    assert "<b>" not in demo.message.value and "&lt;b&gt;" in demo.message.value


def test_nothing_found_is_reported(demo):
    given(demo, "sentence_box", "a unicorn")
    assert "nothing" in demo.message.value and not demo.error


def test_a_matte_of_several_parts_comes_with_advice(demo):
    alpha = np.ones((24, 32), np.float32)
    predictor_of(demo).predict = lambda sentence: Result(alpha, 1.0, np.uint8(alpha * 255), answer="ambiguous")
    demo.predict("the dog")
    assert "give its side or order" in demo.message.value and "100 % of the image" in demo.message.value
    predictor_of(demo).predict = lambda sentence: Result(alpha, 1.0, np.uint8(alpha * 255))
    demo.predict("the left dog")
    assert "several parts" not in demo.message.value


def test_an_upload_replaces_the_image(demo):
    image = np.full((30, 50, 3), (10, 200, 30), np.uint8)
    send(demo, "green.png", png(image))
    assert not demo.error and (demo.image == image).all() and demo.example_buttons.children == ()
    assert demo.sentence_box.value == "" and demo.result is None and shown(demo, "matte").max() == 0
    given(demo, "sentence_box", "left")
    assert demo.result.alpha.shape == (30, 50)
    assert demo.upload_box.value == (), "the same file can be sent again"


def test_the_list_of_scenes_has_the_one_that_is_shown(demo):
    demo.choose(1)
    assert demo.scene_box.value == 1
    send(demo, "black.png", png(np.zeros((8, 8, 3), np.uint8)))
    assert demo.scene_box.value is None
    given(demo, "scene_box", 1)
    assert demo.image is demo.scenes[1].image, "the scene before the upload can be chosen again"


def test_a_large_upload_is_made_smaller(demo):
    send(demo, "large.png", png(np.zeros((20, 3 * LONGER_SIDE, 3), np.uint8)))
    assert demo.image.shape == (7, LONGER_SIDE, 3)


def test_a_photograph_of_forty_megapixels_is_taken(demo):
    stream = io.BytesIO()
    Image.new("RGB", (8000, 5000), (200, 30, 10)).save(stream, "jpeg")
    send(demo, "large.jpg", stream.getvalue())
    assert not demo.error and demo.image.shape == (640, LONGER_SIDE, 3)


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
    before, encoded = demo.image, predictor_of(demo).encoded
    send(demo, name, content)
    assert demo.error.startswith(expected) and "\n" not in demo.message.value
    assert demo.image is before and predictor_of(demo).encoded == encoded and demo.sentence == "left"
    assert demo.scene_box.value == 0 and len(demo.example_buttons.children) == 2
    given(demo, "sentence_box", "right")
    assert demo.sentence == "right" and shown(demo, "matte").shape == (24, 32, 3), "the image before it goes on"


def test_the_new_place_changes_without_asking_again(demo):
    predicted = len(predictor_of(demo).sentences)
    given(demo, "color_box", "#ff0000")
    red = shown(demo, "edited")[:, 24:].astype(int)
    assert abs(red - (255, 0, 0)).max() < 12, "a JPEG of one colour"
    given(demo, "background_box", "drawn-sky")
    assert abs(shown(demo, "edited")[:, 24:].astype(int) - (255, 0, 0)).max() > 100
    assert len(predictor_of(demo).sentences) == predicted


def test_a_place_that_cannot_be_read_is_one_line(demo, monkeypatch):
    def missing(name):
        raise RimError(f"{name}: no such file")

    monkeypatch.setattr(demo.pool, "background", missing)
    given(demo, "background_box", "drawn-wall")
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


def test_a_control_returns_at_once_and_the_newest_wish_wins(demo):
    """While one sentence is computed two others are typed: the first of them is never computed."""
    predictor, begun, go_on = predictor_of(demo), threading.Event(), threading.Event()
    find = predictor.predict

    def slowly(sentence):
        begun.set()
        assert go_on.wait(10)
        return find(sentence)

    predictor.predict = slowly
    demo.sentence_box.value = "the right one"
    assert begun.wait(10) and "Looking for “the right one” …" in demo.message.value
    demo.sentence_box.value = "dropped"
    demo.sentence_box.value = "left and right"
    assert demo.sentence == "left"
    go_on.set()
    demo.wait()
    assert predictor.sentences == ["left", "the right one", "left and right"]
    assert demo.sentence == demo.sentence_box.value == "left and right" and shown(demo, "matte").min() == 255


def test_an_image_that_is_wanted_is_not_lost_to_the_sentence_after_it(demo):
    demo.scene_box.value = 1
    demo.sentence_box.value = "right"
    demo.wait()
    assert demo.image is demo.scenes[1].image and demo.sentence == "right" and demo.scene_box.value == 1


def test_only_the_last_of_many_requests_is_worked_on():
    go_on, done = threading.Event(), []
    newest = Newest(lambda number: (go_on.wait(10), done.append(number)))
    for number in range(20):
        newest.submit(number)
    go_on.set()
    newest.wait()
    assert done[-1] == 19 and len(done) <= 2


def test_sentences_so_far_come_back_without_being_computed(demo):
    for sentence in ("right", "<i>left</i>"):
        given(demo, "sentence_box", sentence)
    texts = [button.description for button in demo.history_buttons.children]
    assert texts == ["<i>left</i> (1.00)", "right (1.00)", "left (1.00)"]
    given(demo, "scene_box", 1)
    predicted = len(predictor_of(demo).sentences)
    demo.history_buttons.children[2].click()
    demo.wait()
    assert demo.sentence == demo.sentence_box.value == "right" and demo.scene_box.value == 0
    assert len(predictor_of(demo).sentences) == predicted and shown(demo, "matte").shape == (24, 32, 3)


def test_edits_of_the_case_study(demo):
    image, right = demo.image.astype(int), slice(16, None)
    for edit in EDITS:
        demo.edit_box.value = edit
        demo.wait()
        made = demo.views()["edited"].astype(int)
        if edit == "highlight":  # the object as it is, the rest grey
            assert (made[:, :16] == image[:, :16]).all() and (np.ptp(made[:, right], axis=2) == 0).all()
        if edit == "overlay":
            assert (made[:, right] == image[:, right]).all() and (made[:, :16] != image[:, :16]).any()
        if edit == "remove":
            assert (made[:, 22:] == image[:, 22:]).all() and (made[:, :16] != image[:, :16]).any()
    assert demo.background_controls.layout.display == "none"
    demo.edit("new background", "blur")
    made = demo.views()["edited"]
    assert (made[:, :15] == demo.image[:, :15]).all() and made[:, right].std() < 0.6 * demo.image[:, right].std()
    assert demo.background_controls.layout.display == ""


def test_what_is_removed_is_filled_from_around():
    image = np.full((60, 80, 3), (30, 90, 200), np.uint8)
    image[20:40, 30:50] = 255
    alpha = np.zeros((60, 80), np.float32)
    alpha[20:40, 30:50] = 1
    assert np.abs(views.removed(image, alpha).astype(int) - (30, 90, 200)).max() <= 4
    assert (views.removed(image, 0 * alpha) == image).all() and (views.removed(image, 0 * alpha + 1) == image).all()


def test_an_own_background(demo):
    picture = png(np.full((10, 10, 3), (0, 200, 0), np.uint8))
    content = {"name": "green.png", "type": "image/png", "size": len(picture), "content": memoryview(picture)}
    now = datetime.datetime.now(datetime.UTC)
    demo.background_upload_box.value = ({**content, "last_modified": now},)
    demo.wait()
    assert (demo.views()["edited"][:, 16:] == (0, 200, 0)).all() and not demo.error
    demo.background_upload_box.value = ({**content, "content": memoryview(b"no"), "last_modified": now},)
    demo.wait()
    assert demo.error.startswith("green.png: is not an image")
    assert (demo.views()["edited"][:, 16:] == (0, 200, 0)).all(), "the background before it stays"


@pytest.mark.parametrize(
    "sentence", ["left " * 2000, "<script>left</script>", "left\x00\n\r\t right", "🐕 left", "左left"]
)
def test_strange_sentences_are_text(demo, sentence):
    demo.predict(sentence)
    assert not demo.error and demo.sentence == " ".join(sentence.split())
    assert len(demo.message.value) < 500 and "<script" not in demo.message.value
    assert all(len(button.description) < 60 for button in demo.history_buttons.children)


def test_what_is_made_is_saved(demo, tmp_path):
    paths = demo.save(tmp_path / "new")
    assert [path.name for path in paths] == ["matte.png", "cut-out.png", "edited.png"]
    matte, cut_out, edited = (np.asarray(Image.open(path)) for path in paths)
    assert (matte == 255 * demo.result.alpha).all() and (cut_out[..., 3] == matte).all()
    assert (edited == demo.views()["edited"]).all() and (cut_out[:, :16, :3] == demo.image[:, :16]).all()
    demo.save_button.click()
    demo.wait()
    assert demo.links.value.count("<a download=") == 3 and "data:image/png;base64," in demo.links.value
    send(demo, "black.png", png(np.zeros((8, 8, 3), np.uint8)))
    assert demo.links.value == ""
    with pytest.raises(RimError, match="nothing has been found yet"):
        demo.save(tmp_path)


def test_attention_is_of_whole_words_and_sums_to_one(shipped):
    from rimlib import fast
    from rimlib.clipmat.model import CLIPMat
    from rimlib.demo.attention import words
    from rimlib.refmatte.example import example

    scene = example(2)
    alpha = np.zeros(scene.image.shape[:2], np.float32)
    alpha[:, : alpha.shape[1] // 2] = 1
    found = words(shipped, scene.image, "The smooth otter, on the left!", alpha)
    assert [word.text for word in found] == "the smooth otter , on the left".split()
    for shares in zip(*((word.inside, word.outside) for word in found)):
        assert abs(sum(shares) - 1) < 1e-5 and min(shares) > 0
    assert any(abs(word.inside - word.outside) > 1e-3 for word in found)
    quick = words(fast.optimize(CLIPMat.shipped()), scene.image, "The smooth otter, on the left!", alpha)
    assert all(abs(one.inside - other.inside) < 1e-4 for one, other in zip(found, quick))
    assert words(shipped, scene.image, "the otter", 0 * alpha) == ()
    assert "&lt;b&gt;" in views.attended((found[0]._replace(text="<b>"),))
