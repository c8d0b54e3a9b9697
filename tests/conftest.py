"""Fixtures that several test files use."""

import json

import numpy as np
import pytest

import rimlib  # noqa: F401  (before torch: it sets how its threads wait)

WORDS = {"red": (220, 30, 30), "green": (30, 180, 40), "blue": (40, 60, 220), "yellow": (230, 220, 40)}


@pytest.fixture(scope="session")
def make_scenes():
    """A function that draws a small data set in the released layout: a disc and a box in each image."""
    from rimlib.io.images import write_image, write_matte

    def make(root, count, split="train", height=72, width=96, seed=0):
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[:height, :width]
        labels = {}
        for number in range(count):
            name = f"rim_{split}_{number:08x}"
            image = np.full((height, width, 3), rng.integers(90, 160, 3), np.float32)
            colors, sides = rng.permutation(list(WORDS))[:2], rng.permutation(["left", "right"])
            for index, (thing, color, side) in enumerate(zip(("disc", "box"), colors, sides)):
                cx, cy = width * (0.25 if side == "left" else 0.75), height * rng.uniform(0.4, 0.6)
                far = np.hypot(x - cx, y - cy) if thing == "disc" else np.maximum(abs(x - cx), abs(y - cy))
                alpha = np.clip((height / 5 - far) / 3 + 0.5, 0, 1).astype(np.float32)  # an edge three pixels wide
                image += alpha[..., None] * (np.array(WORDS[color]) - image)
                labels[f"{name}_{index + 1}"] = {
                    "image_name": name,
                    "keyword": thing,
                    "eval_index": number % 4,
                    "entity_kind": "thing",
                    "kinds": ["basic", "absolute", "relative", "relative"],
                    "expressions": [
                        f"the {color} {thing}",
                        f"the {thing} at the {side}most edge of the picture",
                        f"the {color} {thing} to the {side} of the {('box', 'disc')[index]}",
                        f"the {thing} which is {color} on the {side} side of the {('box', 'disc')[index]}",
                    ],
                }
                write_matte(root / split / "mask" / f"{name}_{index + 1}.png", alpha)
            write_image(root / split / "img" / f"{name}.jpg", np.rint(image).astype(np.uint8))
        (root / f"refmatte_{split}_label.json").write_text(json.dumps(labels), encoding="utf-8")
        return root

    return make


@pytest.fixture(scope="session")
def scenes(make_scenes, tmp_path_factory):
    """A data set of 12 training and 4 test images. Read only: tests that change one make their own."""
    root = tmp_path_factory.mktemp("scenes")
    make_scenes(root, 12)
    return make_scenes(root, 4, split="test", seed=1)


@pytest.fixture(scope="module")
def shipped():
    """The model that comes with the package. Each test file has its own."""
    from rimlib.clipmat.model import CLIPMat

    return CLIPMat.shipped()


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """The shipped model as ONNX, traced once: a folder with those of float32 and of float16 weights."""
    for package in ("onnxruntime", "onnxscript"):
        pytest.importorskip(package, reason="the extra onnx is not installed")
    onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
    from rimlib.clipmat.model import CLIPMat
    from rimlib.export import write

    root = tmp_path_factory.mktemp("exported")
    (root / "float16").mkdir()
    for path in write.write(CLIPMat.shipped(), root / "float32", half=False):
        if path.suffix == ".onnx":
            onnx.save(write.halved(onnx.load(path)), root / "float16" / path.name)
        else:
            (root / "float16" / path.name).write_bytes(path.read_bytes())
    return root


@pytest.fixture
def one_load(shipped, monkeypatch):
    """Whatever loads the shipped model gets the one of the test file."""
    from rimlib.clipmat.model import CLIPMat
    from rimlib.prediction import functions

    monkeypatch.setattr(CLIPMat, "shipped", classmethod(lambda cls, name="tiny": shipped))
    functions._shared.cache_clear()
    yield
    functions._shared.cache_clear()


SENTENCES = (
    "the {color} and salient {thing}",
    "the {thing} at the {side}most edge of the image",
    "the {color} {thing} to the {side} of the {other}",
    "the {color} and non-transparent {thing} which is to the {side} of the {other}",
)


@pytest.fixture(scope="session")
def make_released():
    """A function that writes a split as it is released: a cat and a dog in each image; no kinds, no index, no keyword.

    `split` is train or test, below RefMatte/RefMatte, or rw100.
    """
    from rimlib.io.images import write_image, write_matte

    def make(root, split, count=4, height=1080, width=1620):
        real = split == "rw100"
        outer = root / ("RefMatte_RW_100" if real else "RefMatte/RefMatte")
        base, inner = (outer, "image") if real else (outer / split, "img")
        y, x = np.mgrid[:height, :width]
        rows = {}
        for number in range(count):
            name = f"{number}" if real else f"rim_{split}_{number:08x}"
            image = np.full((height, width, 3), 120, np.uint8)
            for index, (thing, other, color, side) in enumerate(
                (("cat", "dog", "red", "left"), ("dog", "cat", "blue", "right"))
            ):
                far = np.hypot(x - (0.25, 0.75)[index] * width, y - height / 2 - height / 54 * number)
                alpha = np.clip((height / 5 - far) * 1080 / height / 12 + 0.5, 0, 1).astype(np.float32)
                image[alpha > 0.5] = ((200, 30, 30), (30, 30, 200))[index]
                write_matte(base / "mask" / f"{name}_{index + 1}.png", alpha)
                texts = [text.format(color=color, thing=thing, other=other, side=side) for text in SENTENCES]
                rows[f"{name}_{index + 1}"] = {"image_name": name, "expressions": texts}
            write_image(base / inner / f"{name}.jpg", image)
        (outer / f"refmatte_{split}_label.json").write_text(json.dumps(rows))
        return root

    return make


@pytest.fixture
def short(tmp_path, monkeypatch):
    """The file of a profile that is trained and scored in seconds, and whose data go to a folder of the test."""
    path = tmp_path / "short.yaml"
    path.write_text("""
base: tiny
name: short
data: {height: 96, width: 128, groups_train: 1, images_per_group_train: 4, extra_train: 4, groups_test: 1,
       images_per_group_test: 2, extra_test: 2}
model: {image_size: 32}
train: {steps: 2, images: 2}
""")
    monkeypatch.setattr("rimlib.refmatte.build.repository", lambda: tmp_path)
    return path
