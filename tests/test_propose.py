"""The machines' proposals, with networks made here: tiny or random weights go through the real code, and what they say can be foreseen."""

import json
import struct

import numpy as np
import pytest

from rimlib.entities import caffe, propose, propose_category, propose_people, synonyms, zeroshot
from rimlib.entities.find_weights import NoWeights
from rimlib.entities.propose import Proposers
from rimlib.errors import RimError

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def no_caches(tmp_path_factory, monkeypatch):
    """Weights in the caches of this machine must not change what the tests see."""
    empty = tmp_path_factory.mktemp("empty")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(empty))
    monkeypatch.setattr(zeroshot, "_cached", lambda repository: None)


@pytest.fixture
def cutout():
    """A red disc on nothing, 60 × 80."""
    rows, columns = np.mgrid[:80, :60]
    alpha = ((rows - 40) ** 2 + (columns - 30) ** 2 < 400).astype(np.float32)
    foreground = np.zeros((80, 60, 3), np.uint8)
    foreground[:] = (220, 20, 60)
    return foreground, alpha


def scorer(wanted):
    """A zero-shot scorer that finds the sentence with this word."""

    def score(picture, sentences):
        score.pictures.append(picture)
        hits = np.array([float(sentence.endswith(wanted)) for sentence in sentences], np.float32)
        assert hits.sum() == 1, (wanted, sentences)
        return 0.9 * hits + 0.1 / len(sentences)

    score.pictures = []
    return score


# ---- Mask R-CNN


class Detector:
    """Answers with given detections, as torchvision's do."""

    def __init__(self, *found):
        self.found = found

    def __call__(self, pictures):
        labels, scores, masks = zip(*self.found)
        return [
            {
                "labels": torch.tensor(labels),
                "scores": torch.tensor(scores),
                "masks": torch.from_numpy(np.stack(masks))[:, None],
            }
        ]


def test_a_detection_counts_by_its_overlap_with_the_matte(cutout):
    foreground, alpha = cutout
    coco = propose_category._coco()
    dog, bird = coco.index("dog"), coco.index("bird")
    elsewhere = np.roll(alpha, 30, axis=0)
    detector = Detector((dog, 0.6, alpha), (bird, 0.99, elsewhere), (bird, 0.2, alpha / 2), (0, 1.0, alpha))
    found = propose_category.by_maskrcnn(detector, foreground, alpha)
    assert list(found) == ["dog", "bird"] and found["dog"] == pytest.approx(0.6)
    shared = np.minimum(alpha, elsewhere).sum() / np.maximum(alpha, elsewhere).sum()
    assert found["bird"] == pytest.approx(0.99 * shared + 0.2 * 0.5, rel=1e-5)


def test_all_of_coco_is_in_our_table():
    ours = propose_category._coco()
    assert len(ours) == 91 and ours[1] == "human" and "computer mouse" in ours and "mouse" not in ours
    assert [name for name in ours if name not in synonyms.categories()] == [None] * 11


def tiny_maskrcnn(weights=None, weights_backbone=None):
    from torchvision.models.detection import MaskRCNN
    from torchvision.models.detection.rpn import AnchorGenerator
    from torchvision.ops import MultiScaleRoIAlign

    backbone = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, stride=8))
    backbone.out_channels = 4
    pools = [MultiScaleRoIAlign(["0"], size, 2) for size in (2, 4)]
    return MaskRCNN(
        backbone,
        num_classes=91,
        min_size=64,
        max_size=96,
        rpn_anchor_generator=AnchorGenerator(((32,),), ((1.0,),)),
        box_roi_pool=pools[0],
        mask_roi_pool=pools[1],
        box_score_thresh=0.0,
        box_detections_per_img=5,
    )


def test_maskrcnn_with_random_weights_from_a_folder(tmp_path, monkeypatch, cutout):
    from torchvision.models import detection

    monkeypatch.setattr(detection, "maskrcnn_resnet50_fpn", tiny_maskrcnn)
    proposers = Proposers(category="maskrcnn", folder=tmp_path)
    missing = proposers.propose_category("thing", *cutout)
    assert (
        missing.value is None
        and "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth is not here" in missing.said
        and str(tmp_path) in missing.said
    )
    torch.save(tiny_maskrcnn().state_dict(), tmp_path / "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth")
    model = propose_category.load_maskrcnn(tmp_path)
    assert not model.training
    found = propose_category.by_maskrcnn(model, *propose.shown(*cutout))
    assert (
        found
        and set(found) <= set(synonyms.categories())
        and list(found.values()) == sorted(found.values(), reverse=True)
    )
    unsure = Proposers(category="maskrcnn", folder=tmp_path).propose_category("thing", *cutout)
    assert unsure.value is None and "recognises nothing, at best" in unsure.said


# ---- the Levi–Hassner networks

SIZES = {"conv1": (4, 3, 7, 7), "conv2": (6, 4, 5, 5), "conv3": (5, 6, 3, 3), "fc6": (8, 5 * 7 * 7), "fc7": (8, 8)}


def blob(array, new):
    if new:
        shape = caffe._bytes(7, caffe._bytes(1, b"".join(caffe._encoded(size) for size in array.shape)))
    else:
        four = (1,) * (4 - array.ndim) + array.shape
        shape = b"".join(caffe._number(field, size) for field, size in zip((1, 2, 3, 4), four))
    return shape + caffe._bytes(5, array.astype("<f4").tobytes())


def caffemodel(path, outputs, new=False, seed=0):
    """A network of Levi and Hassner's shape, with few channels and random weights, in Caffe's old or new form."""
    rng = np.random.default_rng(seed)
    weights, layers = {}, [caffe._text(1, "CaffeNet")]
    scale = {"fc8": 0.002}  # so that no probability is 0 or 1
    for name, shape in {**SIZES, "fc8": (outputs, 8)}.items():
        spread = 2 * scale.get(name, 1) / np.sqrt(np.prod(shape[1:]))
        weights[name] = [
            rng.normal(0, size, form).astype(np.float32) for size, form in ((spread, shape), (0.5, shape[0]))
        ]
        blobs = b"".join(caffe._bytes(7 if new else 6, blob(array, new)) for array in weights[name])
        layers.append(caffe._bytes(100 if new else 2, caffe._text(1 if new else 4, name) + blobs))
        layers.append(caffe._bytes(100 if new else 2, caffe._text(1 if new else 4, f"relu-{name}")))
    path.write_bytes(b"".join(layers))
    return weights


def reference(weights, image):
    """The same network in torch, in Caffe's words."""
    import torch.nn.functional as F

    x = torch.from_numpy(image)
    for name, (stride, padding) in (("conv1", (4, 0)), ("conv2", (1, 2)), ("conv3", (1, 1))):
        weight, bias = (torch.from_numpy(array) for array in weights[name])
        x = F.max_pool2d(F.conv2d(x, weight, bias, stride, padding).relu(), 3, 2, ceil_mode=True)
        if name != "conv3":
            x = F.local_response_norm(x, 5, 1e-4, 0.75, 1.0)
    x = x.flatten(1)
    for name in ("fc6", "fc7"):
        x = F.linear(x, *(torch.from_numpy(array) for array in weights[name])).relu()
    return F.linear(x, *(torch.from_numpy(array) for array in weights["fc8"])).softmax(1).numpy()[0]


@pytest.mark.parametrize("new", [False, True])
def test_a_caffe_file_is_the_same_network_in_opencv(tmp_path, new):
    weights = caffemodel(tmp_path / "gender_net.caffemodel", 2, new)
    caffemodel(tmp_path / "age_net.caffemodel", 8, new, seed=1)
    gender, _ = propose_people.load_levi(tmp_path)
    image = np.random.default_rng(2).normal(0, 60, (1, 3, 227, 227)).astype(np.float32)
    gender.setInput(image)
    expected = reference(weights, image)
    assert np.abs(gender.forward()[0] - expected).max() < 1e-5 and 0.05 < expected[0] < 0.95


def test_faces_are_seen_in_blue_green_red_without_the_mean(tmp_path):
    weights = [
        caffemodel(tmp_path / "gender_net.caffemodel", 2),
        caffemodel(tmp_path / "age_net.caffemodel", 8, seed=1),
    ]
    face = np.random.default_rng(3).integers(0, 256, (227, 227, 3), dtype=np.uint8)
    image = (face[:, :, ::-1] - np.array(propose_people.MEAN)).astype(np.float32).transpose(2, 0, 1)[None]
    answer = propose_people.by_levi(propose_people.load_levi(tmp_path), face)
    gender, age = reference(weights[0], image), reference(weights[1], image)
    assert answer["gender"] == (("male", "female")[gender.argmax()], pytest.approx(float(gender.max()), abs=1e-4))
    assert answer["age_group"][0] == propose_people.AGE_GROUP[propose_people.AGES[age.argmax()]]


def test_ages_are_grouped_as_in_table_2():
    assert [propose_people.AGE_GROUP[age] for age in propose_people.AGES] == ["child"] * 3 + ["teenager"] + [
        "adult"
    ] * 3 + ["senior"]


def test_onnx_files_are_read_and_broken_ones_named(tmp_path, cutout):
    caffemodel(tmp_path / "made", 2)
    (tmp_path / "gender_net.onnx").write_bytes(caffe.to_onnx(tmp_path / "made"))
    proposal = Proposers(people="levi", folder=tmp_path).propose_people(*cutout)
    assert {item.value for item in proposal.values()} == {
        None
    } and "age_net.onnx or age_net.caffemodel is not here" in proposal["age_group"].said
    caffemodel(tmp_path / "age_net.caffemodel", 8)
    proposal = Proposers(people="levi", folder=tmp_path).propose_people(*cutout)
    assert proposal["gender"].value in ("female", "male") and proposal["age_group"].value in (
        "child",
        "teenager",
        "adult",
        "senior",
    )
    (tmp_path / "age_net.caffemodel").write_bytes(
        (tmp_path / "made").read_bytes()
    )  # the gender's network under the other's name
    with pytest.raises(RimError, match="gives 2 numbers instead of 8"):
        Proposers(people="levi", folder=tmp_path).propose_people(*cutout)
    for name, content in (("age_net.caffemodel", b"<html>not found</html>"), ("gender_net.onnx", b"\xff" * 50)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(RimError, match=name):
            Proposers(people="levi", folder=tmp_path).propose_people(*cutout)


@pytest.mark.parametrize("content", [b"", b"\x12", b"\x12\xff\xff\xff\xff\x0f", struct.pack("<Q", 2**63), b"\x80" * 40])
def test_a_file_of_another_kind_is_no_caffe_file(tmp_path, content):
    (tmp_path / "age_net.caffemodel").write_bytes(content)
    with pytest.raises(RimError, match="age_net.caffemodel: not a Levi"):
        caffe.read_weights(tmp_path / "age_net.caffemodel")


def test_the_head_is_at_the_top_of_the_matte():
    alpha = np.zeros((400, 200), np.float32)
    alpha[20:80, 110:150] = 1  # a head right of the middle
    alpha[80:390, 60:170] = 1
    foreground = np.dstack([alpha * 0 + np.arange(200), np.arange(400)[:, None] + alpha * 0, alpha * 255])
    head = propose_people.head(foreground, alpha)
    assert head.shape[0] == head.shape[1] and head[0, 0, 1] == 20 and 60 <= head.shape[0] <= 120
    assert head[0, 0, 0] <= 112 and head[0, -1, 0] >= 148


# ---- zero-shot


def test_clip_is_asked_about_all_categories_of_the_kind(cutout):
    asked = scorer("an owl")
    proposal = Proposers(category="clip", scorer=asked).propose_category("animal", *cutout)
    assert proposal.value == "owl" and "clip says owl (0.90)" in proposal.said
    assert (
        tuple(asked.pictures[0][0, 0]) == (128, 128, 128) and asked.pictures[0].shape[0] > 80
    )  # on grey, with a margin
    assert Proposers(category="clip", scorer=scorer("of smoke")).propose_category("thing", *cutout).value == "smoke"


def test_an_unsure_clip_proposes_nothing(cutout):
    unsure = Proposers(category="clip", scorer=lambda picture, sentences: np.full(len(sentences), 1 / len(sentences)))
    proposal = unsure.propose_category("thing", *cutout)
    assert proposal.value is None and "recognises nothing" in proposal.said


def test_people_and_clothes_by_clip(cutout):
    people = Proposers(people="clip", scorer=scorer("an old man")).propose_people(*cutout)
    assert (people["gender"].value, people["age_group"].value) == ("male", "senior")
    assert Proposers(clothes="clip", scorer=scorer("wearing a coat")).propose_clothes(*cutout).value == "coat"


def test_a_tiny_clip_from_a_folder(tmp_path, cutout):
    import open_clip
    from safetensors.torch import save_file

    config = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 16, "head_width": 8, "patch_size": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
    }
    (tmp_path / "rim-test-clip.json").write_text(json.dumps(config))
    open_clip.add_model_config(tmp_path / "rim-test-clip.json")
    proposers = Proposers(clothes="clip", folder=tmp_path, clip="rim-test-clip")
    assert "rim-test-clip.safetensors is not here" in proposers.propose_clothes(*cutout).said
    torch.manual_seed(0)
    model = open_clip.create_model("rim-test-clip")
    save_file(model.state_dict(), tmp_path / "rim-test-clip.safetensors")
    score = zeroshot.load("rim-test-clip", tmp_path)
    sentences = [f"a photo of {name}" for name in synonyms.categories()][:130]  # more than one batch
    scores = score(propose.shown(*cutout)[0], sentences)
    assert scores.shape == (130,) and scores.sum() == pytest.approx(1, abs=1e-5) and scores.std() > 0
    with torch.inference_mode():
        from PIL import Image

        image = model.eval().encode_image(
            score.preprocess(Image.fromarray(propose.shown(*cutout)[0]))[None], normalize=True
        )
        text = model.encode_text(open_clip.get_tokenizer("rim-test-clip")(sentences), normalize=True)
        expected = (model.logit_scale.exp() * image @ text.T).softmax(-1)[0].numpy()
    assert np.abs(scores - expected).max() < 1e-6
    assert (
        Proposers(clothes="clip", folder=tmp_path, clip="rim-test-clip").propose_clothes(*cutout).value
        in propose_people.GARMENTS
    )
    (tmp_path / "rim-test-clip.safetensors").write_bytes(b"broken")
    with pytest.raises(RimError, match="not the weights of rim-test-clip"):
        Proposers(clothes="clip", folder=tmp_path, clip="rim-test-clip").propose_clothes(*cutout)


# ---- without weights


def test_nothing_is_fetched_and_the_line_says_what_to_do(tmp_path, cutout, monkeypatch):
    import socket

    def refuse(*arguments):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "create_connection", refuse)
    proposers = Proposers("maskrcnn", "levi", "clip", tmp_path)
    said = [
        proposers.propose_category("thing", *cutout),
        *proposers.propose_people(*cutout).values(),
        proposers.propose_clothes(*cutout),
    ]
    assert [item.value for item in said] == [None] * 4
    for item, column, words in zip(
        said, ("category", "gender", "age_group", "clothes"), ("maskrcnn", "gender_net", "gender_net", "safetensors")
    ):
        assert (
            item.said.startswith(f"{column}: no weights for")
            and words in item.said
            and item.said.endswith("the table's word stands")
        )
        assert "\n" not in item.said
    assert "hf download timm/vit_base_patch16_clip_224.openai" in said[3].said


def test_missing_weights_are_looked_for_once(cutout, monkeypatch):
    tries = []

    def load(folder):
        tries.append(folder)
        raise NoWeights("none")

    monkeypatch.setattr(propose_category, "load_maskrcnn", load)
    proposers = Proposers(category="maskrcnn")
    for _ in range(3):
        assert proposers.propose_category("thing", *cutout).value is None
    assert len(tries) == 1


def test_nobody_asked_and_wrong_settings(cutout):
    assert Proposers().propose_clothes(*cutout) == propose.Proposal(None, "clothes: no machine is asked")
    with pytest.raises(RimError, match="category must be maskrcnn or clip or nothing, found 'yolo'"):
        Proposers(category="yolo")
    with pytest.raises(RimError, match="open_clip has no such model"):
        Proposers(clothes="clip", clip="ViT-X").propose_clothes(*cutout)


def test_color_needs_no_weights(cutout):
    assert Proposers().propose_color(*cutout).value == "crimson"


def test_large_cutouts_are_shown_smaller():
    picture, matte = propose.shown(np.zeros((3000, 1000, 3), np.uint8), np.ones((3000, 1000), np.float32))
    assert (
        picture.shape[:2] == matte.shape
        and max(matte.shape) <= 640 * 1.25
        and matte.max() == pytest.approx(1)
        and matte[0].max() == 0
    )
