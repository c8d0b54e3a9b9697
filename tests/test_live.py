"""The live page computes what Python does: token ids, resized images, answers, trimap logits, mattes. By node."""

import base64
import json
import shutil
import subprocess

import numpy as np
import pytest
import torch
import yaml

from rimlib.io import images
from rimlib.prediction import answer, prompts
from rimlib.prediction.predictor import MattingPredictor
from rimlib.refmatte.example import example
from rimlib.repository import repository
from rimlib.sentences import canonical

LIVE = repository() / "live"
STRANGE = """
Please cut out “this dog”.|the  dog\u200b, please!|Somebody’s hat?|DOG|a grey cat|a greyhound
Café au lait|naïve|can you show me the left-most vase|I'm looking for everyone|only the red & white ball
2 dogs|the 3rd bird from the left|cut the dog out of the picture|that on the left|some of them
two-tone car|rock ’n’ roll|the dog's toy|¿el perro?|犬|Ｄｏｇ|a photo of a cat|photo of a cat
the matte of my bike|no dog|ﬁsh|dog,cat|the man & woman|pick the left one out|!|?! dog
the cat, which is grey, thanks|crop to the bird|matte black cup|only child|mark the spot|somebody else
human being|an owl
"""
SENTENCES = ("the otter", "violin", "the purple locomotive")


@pytest.fixture(scope="module")
def node():
    """The program, with the page's packages beside it."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("node is not here; the live page needs it")
    if not (LIVE / "node_modules" / "onnxruntime-web").is_dir():
        pytest.skip("the live page's packages are not here: make live")
    return program


@pytest.fixture(scope="module")
def typed() -> list[str]:
    """What people type: 200 and more."""
    rows = yaml.safe_load((repository() / "tests" / "everyday.yaml").read_text(encoding="utf-8"))
    found = [*(text for row in rows for text in row["ask"]), *STRANGE.replace("\n", "|").strip("|").split("|")]
    words = example(2).expressions
    return list(dict.fromkeys([*(text for four in words for text in four), *found]))


@pytest.fixture(scope="module")
def masks() -> list[np.ndarray]:
    """Mattes, uint8 (H, W): two alike parts, a part and a speck, two that touch by a corner, nothing, soft ones."""
    rng = np.random.default_rng(0)
    found = [np.zeros((40, 60), np.uint8) for _ in range(4)]
    found[0][5:25, 5:20] = found[0][5:25, 35:52] = 255
    found[1][5:25, 5:20] = found[1][5:9, 35:40] = 255
    found[2][5:15, 5:15] = found[2][15:25, 15:25] = 255
    return [*found, *(np.clip(rng.normal(128, 90, (30, 50)), 0, 255).astype(np.uint8) for _ in range(2))]


@pytest.fixture(scope="module")
def pictures() -> list[tuple[np.ndarray, tuple[int, int]]]:
    """Images, uint8 (H, W, 3), with the size, (height, width), that each is brought to."""
    rng = np.random.default_rng(0)
    sizes = [(240, 320), (384, 384), (576, 576), (205, 333), (1031, 517), (193, 900), (768, 192), (100, 400), (90, 70)]
    return [(rng.integers(0, 256, (*size, 3)).astype(np.uint8), (192, 192)) for size in sizes]


@pytest.fixture(scope="module")
def answers(node, exported, typed, masks, pictures, tmp_path_factory) -> dict:
    """What the page computes of all of them."""
    folder = tmp_path_factory.mktemp("live")

    def stored(name: str, pixels: np.ndarray, size: tuple[int, int]) -> dict:
        (folder / name).write_bytes(np.ascontiguousarray(pixels).tobytes())
        return {"file": name, "width": pixels.shape[1], "height": pixels.shape[0], "to": [size[1], size[0]]}

    scene = example(2).image
    request = {
        "model": str(exported / "float16"),
        "sentences": typed,
        "images": [stored(f"image{i}", *pair) for i, pair in enumerate(pictures)],
        "mattes": [stored(f"matte{i}", mask, (77, 91)) for i, mask in enumerate(masks)],
        "predict": stored("scene", np.dstack([scene, np.full_like(scene[..., 0], 255)]), (192, 192))
        | {"sentences": SENTENCES},
    }
    (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
    command = [node, "compare.js", str(folder / "request.json")]
    done = subprocess.run(command, cwd=LIVE, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_token_ids_are_the_same(answers, typed, shipped):
    assert len(typed) >= 200
    template = prompts.noun_template(shipped.profile)
    for sentence, ids in zip(typed, answers["ids"], strict=True):
        ours = shipped.tokenize([canonical(sentence, template)], truncate=True)[0].tolist()
        assert ids == ours, (sentence, canonical(sentence, template), shipped.tokenizer.decode(np.array(ids)))


def test_images_are_resized_the_same(answers, pictures):
    for (image, size), found in zip(pictures, answers["resized"], strict=True):
        ours = images.resize(image, size)
        theirs = array(found, np.uint8).reshape(ours.shape)
        off = np.abs(ours.astype(int) - theirs)
        if min(image.shape[:2]) >= 192:
            assert off.max() == 0, (image.shape, off.max(), (off > 0).mean())
        else:  # cubic where it grows: OpenCV's order of sums depends on the processor
            assert off.max() <= 1 and (off > 0).mean() < 0.05, (image.shape, off.max(), (off > 0).mean())


def test_mattes_are_enlarged_the_same(answers, masks):
    for mask, found in zip(masks, answers["enlarged"], strict=True):
        ours = images.resize(mask.astype(np.float32) / 255, (77, 91))
        assert np.abs(ours - array(found, np.float32).reshape(ours.shape)).max() < 1e-5


def test_what_a_matte_answers_is_the_same(answers, typed, masks):
    several = [answer.means_several(sentence) for sentence in typed]
    same = np.mean([ours == theirs for ours, theirs in zip(several, answers["several"], strict=True)])
    assert same >= 0.98 and 30 < sum(several) < len(typed) - 30, "Python reads by a grammar, the page by a few words"
    assert answers["parts"] == [answer.parts(mask.astype(np.float32) / 255) for mask in masks]
    assert answers["parts"][:4] == [2, 1, 1, 0]


def test_logits_and_mattes_are_the_same(answers, shipped):
    predictor = MattingPredictor(shipped, "cpu", refiner=None)
    predictor.set_image(example(2).image)
    text = predictor.encode_text(SENTENCES)
    ((_, features),) = text.groups
    with torch.inference_mode():
        ours = predictor.model.matte(predictor._features.select([0] * len(SENTENCES)), features)
    for row, (found, result) in enumerate(zip(answers["predicted"], predictor.predict_many(text), strict=True)):
        logits, alpha = ours.trimap_logits[row].numpy(), ours.alpha[row, 0].numpy()
        assert np.abs(array(found["logits"], np.float32).reshape(logits.shape) - logits).max() <= 1e-2
        off = np.abs(array(found["alpha"], np.float32).reshape(alpha.shape) - alpha)
        assert (off > 1 / 255).mean() <= 1e-3
        assert abs(found["score"] - result.score) < 1e-2
        assert found["answer"] == result.answer.value
    assert [found["answer"] for found in answers["predicted"]] == ["yes", "yes", "nothing"]


def array(text: str, dtype) -> np.ndarray:
    """Of base64."""
    return np.frombuffer(base64.b64decode(text), dtype)
