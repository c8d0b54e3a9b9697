"""Automatic labels, by networks made here: tiny or random weights go through the real code, with known results."""

import json
import struct

import numpy as np
import pytest

from rimlib.entities import auto_labels, classifiers, levi_hassner, synonyms, zeroshot
from rimlib.entities.auto_labels import AutoLabeller, Label, Reason
from rimlib.entities.find_weights import NoWeights
from rimlib.errors import RimError

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def no_caches(tmp_path_factory, monkeypatch):
    """Weights in the caches of this machine must not change what the tests see."""
    empty = tmp_path_factory.mktemp("empty")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(empty))
    monkeypatch.setattr(zeroshot, "cached_weights", lambda repository: None)


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

    def score(image, sentences):
        score.images.append(image)
        hits = np.array([float(sentence.endswith(wanted)) for sentence in sentences], np.float32)
        assert hits.sum() == 1, (wanted, sentences)
        return 0.9 * hits + 0.1 / len(sentences)

    score.images = []
    return score


# ---- Mask R-CNN


class Detector:
    """Returns given detections, as torchvision's do."""

    def __init__(self, *found):
        self.found = found

    def __call__(self, images):
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
    coco = classifiers.coco_categories()
    dog, bird = coco.index("dog"), coco.index("bird")
    elsewhere = np.roll(alpha, 30, axis=0)
    detector = Detector((dog, 0.6, alpha), (bird, 0.99, elsewhere), (bird, 0.2, alpha / 2), (0, 1.0, alpha))
    found = classifiers.category_by_maskrcnn(detector, foreground, alpha)
    assert list(found) == ["dog", "bird"] and found["dog"] == pytest.approx(0.6)
    shared = np.minimum(alpha, elsewhere).sum() / np.maximum(alpha, elsewhere).sum()
    assert found["bird"] == pytest.approx(0.99 * shared + 0.2 * 0.5, rel=1e-5)


def test_all_of_coco_is_in_our_table():
    ours = classifiers.coco_categories()
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
    labeller = AutoLabeller(category="maskrcnn", folder=tmp_path)
    missing = labeller.label_category("thing", *cutout)
    assert (
        missing.reason == Reason.NO_WEIGHTS
        and "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth" in missing.message
        and str(tmp_path) in missing.message
    )
    torch.save(tiny_maskrcnn().state_dict(), tmp_path / "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth")
    model = classifiers.load_maskrcnn(tmp_path)
    assert not model.training
    found = classifiers.category_by_maskrcnn(model, *auto_labels.on_ground(*cutout))
    assert (
        found
        and set(found) <= set(synonyms.categories())
        and list(found.values()) == sorted(found.values(), reverse=True)
    )
    unsure = AutoLabeller(category="maskrcnn", folder=tmp_path).label_category("thing", *cutout)
    assert unsure.value is None and unsure.reason == Reason.UNSURE


# ---- the Levi–Hassner networks

SIZES = {"conv1": (4, 3, 7, 7), "conv2": (6, 4, 5, 5), "conv3": (5, 6, 3, 3), "fc6": (8, 5 * 7 * 7), "fc7": (8, 8)}


def varint(value):
    """A number in groups of seven bits, the lowest first; 128 is added to each but the last."""
    return bytes([value]) if value < 128 else bytes([value % 128 + 128]) + varint(value // 128)


def message(number, *parts):
    """A field of a protocol buffer that holds bytes: key (8 times its number, plus 2), length, and the bytes."""
    data = b"".join(parts)
    return varint(8 * number + 2) + varint(len(data)) + data


def whole(number, value):
    """A field that holds a number."""
    return varint(8 * number) + varint(value)


def blob(array, new):
    """BlobProto: the floats are field 5; the shape is a message (field 7), in the old form the four numbers 1 to 4."""
    if new:
        shape = message(7, message(1, b"".join(varint(size) for size in array.shape)))
    else:
        four = (1,) * (4 - array.ndim) + array.shape
        shape = b"".join(whole(field, size) for field, size in zip((1, 2, 3, 4), four))
    return shape + message(5, array.astype("<f4").tobytes())


def caffemodel(path, outputs, new=False, seed=0):
    """A network of Levi and Hassner's shape, with few channels and random weights, in Caffe's old or new form.

    NetParameter: name is field 1, layers are field 2 (V1LayerParameter: name 4, blobs 6) or 100 (LayerParameter: 1, 7).
    """
    rng = np.random.default_rng(seed)
    layer, name_field, blobs_field = (100, 1, 7) if new else (2, 4, 6)
    weights, layers = {}, [message(1, b"CaffeNet")]
    for name, shape in {**SIZES, "fc8": (outputs, 8)}.items():
        spread = 2 * (0.002 if name == "fc8" else 1) / np.sqrt(np.prod(shape[1:]))  # no probability is 0 or 1
        weights[name] = [
            rng.normal(0, size, form).astype(np.float32) for size, form in ((spread, shape), (0.5, shape[0]))
        ]
        blobs = [message(blobs_field, blob(array, new)) for array in weights[name]]
        layers.append(message(layer, message(name_field, name.encode()), *blobs))
        layers.append(message(layer, message(name_field, f"relu-{name}".encode())))
    path.write_bytes(b"".join(layers))
    return weights


def reference(weights, image):
    """The network by torch's functions, as the paper of Levi and Hassner and Caffe's prototxt describe it."""
    import torch.nn.functional as F

    x = torch.from_numpy(image)
    for name, (stride, padding) in (("conv1", (4, 0)), ("conv2", (1, 2)), ("conv3", (1, 1))):
        weight, bias = (torch.from_numpy(array) for array in weights[name])
        x = F.max_pool2d(F.conv2d(x, weight, bias, stride, padding).relu(), 3, 2, ceil_mode=True)
        if name != "conv3":
            squares = F.pad(x**2, (0, 0, 0, 0, 2, 2)).unfold(1, 5, 1).sum(-1)  # of five neighbouring channels
            x = x / (1 + 1e-4 / 5 * squares) ** 0.75
    x = x.flatten(1)
    for name in ("fc6", "fc7"):
        x = F.linear(x, *(torch.from_numpy(array) for array in weights[name])).relu()
    return F.linear(x, *(torch.from_numpy(array) for array in weights["fc8"])).softmax(1).numpy()[0]


def test_a_file_is_read_byte_by_byte(tmp_path):
    """One layer, written out by hand: 0x12 is field 2 (a layer of the old form), 0x1b its length, and so on."""
    layer = bytes.fromhex(
        "12 1b  22 05 636f6e7631  32 12  08 01 10 01 18 01 20 02  2a 08 0000803f 000000c0".replace(" ", "")
    )
    numbers = dict(levi_hassner.fields(layer))
    assert list(numbers) == [2]
    inner = dict(levi_hassner.fields(numbers[2]))
    assert bytes(inner[4]) == b"conv1"
    array = levi_hassner.read_blob(inner[6])
    assert array.shape == (1, 1, 1, 2) and array.tolist() == [[[[1.0, -2.0]]]]
    new = bytes.fromhex(
        "3a 05 0a 03 02 01 80  2a 08 0000803f 000000c0".replace(" ", "")
    )  # a shape that ends in a varint
    with pytest.raises(IndexError):
        levi_hassner.read_blob(memoryview(new))
    new = bytes.fromhex("3a 04 0a 02 02 01  2a 08 0000803f 000000c0".replace(" ", ""))
    assert levi_hassner.read_blob(memoryview(new)).tolist() == [[1.0], [-2.0]]


@pytest.mark.parametrize("new", [False, True])
def test_a_caffe_file_becomes_the_same_network_in_torch(tmp_path, new):
    weights = caffemodel(tmp_path / "gender_net.caffemodel", 2, new)
    caffemodel(tmp_path / "age_net.caffemodel", 8, new, seed=1)
    for name, arrays in levi_hassner.read_arrays(tmp_path / "gender_net.caffemodel").items():
        assert all(np.array_equal(one, other) for one, other in zip(arrays, weights[name]))
    gender, _ = classifiers.load_levi(tmp_path)
    image = np.random.default_rng(2).normal(0, 60, (1, 3, 227, 227)).astype(np.float32)
    expected = reference(weights, image)
    assert np.abs(gender(image) - expected).max() < 1e-5 and 0.05 < expected[0] < 0.95


def test_faces_are_given_in_blue_green_red_without_the_mean(tmp_path):
    weights = [
        caffemodel(tmp_path / "gender_net.caffemodel", 2),
        caffemodel(tmp_path / "age_net.caffemodel", 8, seed=1),
    ]
    face = np.random.default_rng(3).integers(0, 256, (227, 227, 3), dtype=np.uint8)
    image = (face[:, :, ::-1] - np.array(classifiers.MEAN)).astype(np.float32).transpose(2, 0, 1)[None]
    found = classifiers.person_by_levi(classifiers.load_levi(tmp_path), face)
    gender, age = reference(weights[0], image), reference(weights[1], image)
    assert found["gender"] == (("male", "female")[gender.argmax()], pytest.approx(float(gender.max()), abs=1e-4))
    assert found["age_group"][0] == classifiers.AGES[age.argmax()]


def test_ages_are_grouped_as_in_table_2():
    assert list(classifiers.AGES) == ["child"] * 3 + ["teenager"] + ["adult"] * 3 + ["senior"]
    assert classifiers.PEOPLE["senior", "male"] == "an old man" and len(classifiers.PEOPLE) == 8


def onnx(outputs):
    """A network in ONNX: the mean of each channel, one fully connected layer, a softmax.

    ModelProto: ir_version 1, graph 7, opset_import 8. GraphProto: node 1, name 2, initializer 5, input 11, output 12.
    """

    def node(operator, inputs, output, *attributes):
        return message(1, *(message(1, name) for name in inputs), message(2, output), message(4, operator), *attributes)

    def attribute(name, value):
        return message(5, message(1, name) + whole(3, value) + whole(20, 2))  # the type: an integer

    def tensor(name, array):
        sizes = b"".join(whole(1, size) for size in array.shape)
        return message(5, sizes + whole(2, 1) + message(8, name) + message(9, array.tobytes()))

    def value(name, *shape):
        sizes = b"".join(message(1, whole(1, size)) for size in shape)
        return message(1, name) + message(2, message(1, whole(1, 1) + message(2, sizes)))

    weight = np.random.default_rng(0).normal(0, 0.01, (outputs, 3)).astype("<f4")
    graph = message(
        7,
        node(b"GlobalAveragePool", [b"data"], b"mean"),
        node(b"Flatten", [b"mean"], b"flat", attribute(b"axis", 1)),
        node(b"Gemm", [b"flat", b"w", b"b"], b"scores", attribute(b"transB", 1)),
        node(b"Softmax", [b"scores"], b"prob", attribute(b"axis", 1)),
        message(2, b"g"),
        tensor(b"w", weight),
        tensor(b"b", np.zeros(outputs, "<f4")),
        message(11, value(b"data", 1, 3, 227, 227)),
        message(12, value(b"prob", 1, outputs)),
    )
    return whole(1, 7) + graph + message(8, message(1, b"") + whole(2, 11)), weight


def test_onnx_files_are_read_and_broken_ones_named(tmp_path, cutout):
    network, weight = onnx(2)
    (tmp_path / "gender_net.onnx").write_bytes(network)
    labels = AutoLabeller(people="levi", folder=tmp_path).label_person(*cutout)
    assert {label.reason for label in labels} == {Reason.NO_WEIGHTS}
    assert "age_net.onnx or age_net.caffemodel" in labels[1].message
    caffemodel(tmp_path / "age_net.caffemodel", 8)
    gender, age = AutoLabeller(people="levi", folder=tmp_path).label_person(*cutout)
    assert gender.value in ("female", "male") and age.value in ("child", "teenager", "adult", "senior")
    image = np.random.default_rng(1).normal(0, 60, (1, 3, 227, 227)).astype(np.float32)
    scores = np.exp(weight @ image.mean((0, 2, 3)))
    assert np.allclose(classifiers.load_levi(tmp_path)[0](image), scores / scores.sum(), atol=1e-5)
    caffemodel(tmp_path / "age_net.caffemodel", 2)  # the gender's network under the other's name
    with pytest.raises(RimError, match="2 numbers instead of 8"):
        AutoLabeller(people="levi", folder=tmp_path).label_person(*cutout)
    for name, content in (("age_net.caffemodel", b"<html>not found</html>"), ("gender_net.onnx", b"\xff" * 50)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(RimError) as caught:
            AutoLabeller(people="levi", folder=tmp_path).label_person(*cutout)
        assert caught.value.path == str(tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"\x12", b"\x12\xff\xff\xff\xff\x0f", struct.pack("<Q", 2**63), b"\x80" * 40])
def test_a_file_of_another_kind_is_no_caffe_file(tmp_path, content):
    path = tmp_path / "age_net.caffemodel"
    path.write_bytes(content)
    with pytest.raises(RimError) as caught:
        levi_hassner.read_arrays(path)
    assert caught.value.path == str(path)


def test_layers_that_do_not_fit_each_other_are_no_network(tmp_path, monkeypatch):
    monkeypatch.setitem(SIZES, "fc6", (8, 5 * 6 * 6))
    path = tmp_path / "age_net.caffemodel"
    caffemodel(path, 8)
    with pytest.raises(RimError) as caught:
        levi_hassner.build(path)
    assert caught.value.path == str(path)


def test_the_head_is_at_the_top_of_the_matte():
    alpha = np.zeros((400, 200), np.float32)
    alpha[20:80, 110:150] = 1  # a head right of the middle
    alpha[80:390, 60:170] = 1
    foreground = np.dstack([alpha * 0 + np.arange(200), np.arange(400)[:, None] + alpha * 0, alpha * 255])
    head = classifiers.head(foreground, alpha)
    assert head.shape[0] == head.shape[1] and head[0, 0, 1] == 20 and 60 <= head.shape[0] <= 120
    assert head[0, 0, 0] <= 112 and head[0, -1, 0] >= 148


# ---- zero-shot


def test_clip_scores_all_categories_of_the_kind(cutout):
    finds_owl = scorer("an owl")
    label = AutoLabeller(category="clip", scorer=finds_owl).label_category("animal", *cutout)
    assert (label.column, label.value, label.reason) == ("category", "owl", None)
    assert "clip" in label.message and "0.90" in label.message
    assert (
        tuple(finds_owl.images[0][0, 0]) == (128, 128, 128) and finds_owl.images[0].shape[0] > 80
    )  # on grey, with a margin
    assert AutoLabeller(category="clip", scorer=scorer("of smoke")).label_category("thing", *cutout).value == "smoke"


def test_an_unsure_clip_gives_no_label(cutout):
    unsure = AutoLabeller(category="clip", scorer=lambda image, sentences: np.full(len(sentences), 1 / len(sentences)))
    label = unsure.label_category("thing", *cutout)
    assert label.value is None and label.reason == Reason.UNSURE


def test_people_and_clothes_by_clip(cutout):
    labels = AutoLabeller(people="clip", scorer=scorer("an old man")).label_person(*cutout)
    assert {label.column: label.value for label in labels} == {"gender": "male", "age_group": "senior"}
    assert AutoLabeller(clothes="clip", scorer=scorer("wearing a coat")).label_clothes(*cutout).value == "coat"


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
    labeller = AutoLabeller(clothes="clip", folder=tmp_path, clip="rim-test-clip")
    missing = labeller.label_clothes(*cutout)
    assert missing.reason == Reason.NO_WEIGHTS and "rim-test-clip.safetensors" in missing.message
    torch.manual_seed(0)
    model = open_clip.create_model("rim-test-clip")
    save_file(model.state_dict(), tmp_path / "rim-test-clip.safetensors")
    score = zeroshot.load("rim-test-clip", tmp_path)
    sentences = [f"a photo of {name}" for name in synonyms.categories()][:130]  # more than one batch
    scores = score(auto_labels.on_ground(*cutout)[0], sentences)
    assert scores.shape == (130,) and scores.sum() == pytest.approx(1, abs=1e-5) and scores.std() > 0
    with torch.inference_mode():
        from PIL import Image

        image = model.eval().encode_image(
            score.preprocess(Image.fromarray(auto_labels.on_ground(*cutout)[0]))[None], normalize=True
        )
        text = model.encode_text(open_clip.get_tokenizer("rim-test-clip")(sentences), normalize=True)
        expected = (model.logit_scale.exp() * image @ text.T).softmax(-1)[0].numpy()
    assert np.abs(scores - expected).max() < 1e-6
    assert (
        AutoLabeller(clothes="clip", folder=tmp_path, clip="rim-test-clip").label_clothes(*cutout).value
        in classifiers.GARMENTS
    )
    (tmp_path / "rim-test-clip.safetensors").write_bytes(b"broken")
    with pytest.raises(RimError, match="not the weights of rim-test-clip"):
        AutoLabeller(clothes="clip", folder=tmp_path, clip="rim-test-clip").label_clothes(*cutout)


# ---- without weights


def test_nothing_is_fetched_and_the_message_names_what_to_do(tmp_path, cutout, monkeypatch):
    import socket

    def refuse(*arguments):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket, "create_connection", refuse)
    labeller = AutoLabeller("maskrcnn", "levi", "clip", tmp_path)
    labels = [*labeller.label("thing", *cutout), *labeller.label("person", *cutout)]
    words = {"category": "maskrcnn", "gender": "gender_net", "age_group": "gender_net", "clothes": "safetensors"}
    missing = [label for label in labels if label.column != "color"]
    assert [label.column for label in missing] == list(words)
    for label in missing:
        assert label.value is None and label.reason == Reason.NO_WEIGHTS
        assert words[label.column] in label.message and "\n" not in label.message
    assert "hf download timm/vit_base_patch16_clip_224.openai" in missing[-1].message


def test_missing_weights_are_looked_for_once(cutout, monkeypatch):
    tries = []

    def load(folder):
        tries.append(folder)
        raise NoWeights("none")

    monkeypatch.setattr(classifiers, "load_maskrcnn", load)
    labeller = AutoLabeller(category="maskrcnn")
    for _ in range(3):
        assert labeller.label_category("thing", *cutout).value is None
    assert len(tries) == 1


def test_no_network_and_wrong_settings(cutout):
    label = AutoLabeller().label_clothes(*cutout)
    assert label == Label("clothes", None, label.message, Reason.NOT_ASKED) and label.message
    for setting, values in {"category": {"category": "yolo"}, "people": {"people": "maskrcnn"}}.items():
        with pytest.raises(RimError, match="maskrcnn or clip|levi or clip") as caught:
            AutoLabeller(**values)
        assert caught.value.setting == setting
    with pytest.raises(RimError) as caught:
        AutoLabeller(clothes="clip", clip="ViT-X").label_clothes(*cutout)
    assert caught.value.setting == "clip"


def test_color_needs_no_weights(cutout):
    assert AutoLabeller().label_color(*cutout).value == "crimson"


def test_large_cutouts_are_shown_smaller():
    image, matte = auto_labels.on_ground(np.zeros((3000, 1000, 3), np.uint8), np.ones((3000, 1000), np.float32))
    assert (
        image.shape[:2] == matte.shape
        and max(matte.shape) <= 640 * 1.25
        and matte.max() == pytest.approx(1)
        and matte[0].max() == 0
    )
