"""`rim export`: ONNX of the shipped model, its files, and ONNX Runtime in the place of PyTorch."""

import json

import numpy as np
import pytest
import torch
from small import refused, runner

from rimlib import cli, sentences
from rimlib.clipmat.model import CLIPMat
from rimlib.errors import RimError
from rimlib.io import images
from rimlib.prediction import methods, onnx_model
from rimlib.prediction.predictor import MattingPredictor
from rimlib.profile import load
from rimlib.refmatte.example import example

for package in ("onnxruntime", "onnxscript"):
    pytest.importorskip(package, reason="the extra onnx is not installed")
onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")

from rimlib.export import write  # noqa: E402
from rimlib.export.graphs import graphs_of  # noqa: E402


@pytest.fixture(scope="module")
def whole(exported):
    """The shipped model with float32 weights."""
    return exported / "float32"


@pytest.fixture(scope="module")
def half(exported):
    """The same with float16 weights."""
    return exported / "float16"


SENTENCES = ("the otter", "violin", "the second red bird from the left, which is behind the tree")


@pytest.fixture(scope="module")
def square(shipped):
    """A scene with an otter and a violin, (1, 3, S, S), in [0, 1]."""
    image = images.resize(example(2).image, (shipped.image_size, shipped.image_size))
    return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255


def outputs(model, image):
    """Of every sentence, in one batch, with the literal model."""
    with torch.inference_mode():
        text = model.encode_text(model.tokenize(list(SENTENCES)))
        features = model.encode_image(image).select(torch.zeros(len(SENTENCES), dtype=torch.int64))
        return model.matte(features, text)


@pytest.mark.parametrize("kind", ["whole", "half"])  # the shipped checkpoint holds float16: both are the same weights
def test_onnx_runtime_computes_what_torch_does(kind, shipped, square, request):
    theirs = outputs(onnx_model.load(request.getfixturevalue(kind)), square)
    ours = outputs(shipped, square)
    for name, a, b in zip(ours._fields, ours, theirs):
        different = (a - b).abs()
        if name == "alpha":  # a class that flips at a border flips a pixel whole
            assert (different > 1e-4).float().mean() <= 1e-4
        else:
            assert different.max() <= 1e-4, name
    assert (ours.score - theirs.score).abs().max() <= 1e-4
    assert (ours.alpha[0] - ours.alpha[1]).abs().mean() > 0.01, "two entities, two mattes"


def test_weights_are_float16_behind_casts_and_the_opset_is_known(whole, half):
    for name in ("image", "text", "matte"):
        small, large = onnx.load(half / f"{name}.onnx"), onnx.load(whole / f"{name}.onnx")
        assert all(entry.version >= 18 for entry in small.opset_import)
        assert not any(tensor.data_type == onnx.TensorProto.FLOAT16 for tensor in large.graph.initializer)
        assert (half / f"{name}.onnx").stat().st_size < 0.6 * (whole / f"{name}.onnx").stat().st_size
        cast = {node.input[0] for node in small.graph.node if node.op_type == "Cast"}
        halves = {t.name for t in small.graph.initializer if t.data_type == onnx.TensorProto.FLOAT16}
        assert halves and halves <= cast
        used = [other for node in small.graph.node for other in node.input if node.op_type != "Cast"]
        assert not halves & set(used), "computed in float16"


def test_a_weight_beyond_float16_stays_whole():
    values = {"large": np.full(100, 1e5, np.float32), "plain": np.full(100, 0.5, np.float32)}
    nodes = [onnx.helper.make_node("Add", ["large", "plain"], ["sum"])]
    result = onnx.helper.make_tensor_value_info("sum", onnx.TensorProto.FLOAT, [100])
    tensors = [onnx.numpy_helper.from_array(array, name) for name, array in values.items()]
    graph = onnx.helper.make_graph(nodes, "g", [], [result], tensors)
    found = write.halved(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)]))
    assert {tensor.name: tensor.data_type for tensor in found.graph.initializer} == {"large": 1, "plain.half": 10}


def test_the_description_has_what_another_program_needs(half, shipped):
    about = json.loads((half / onnx_model.JSON).read_text(encoding="utf-8"))
    for graph in about["graphs"].values():
        stored = onnx.load(half / graph["file"], load_external_data=False).graph
        assert [one.name for one in stored.input] == graph["inputs"]
        assert [one.name for one in stored.output] == graph["outputs"]
    assert about["text"]["template"] == "the {keyword}" and about["sentences"] == json.loads(
        json.dumps(sentences.rules())
    )
    assert about["score"]["calibration"] == shipped.card["calibration"]
    assert about["score"]["threshold"] == shipped.card["calibration"]["threshold"]
    exported = onnx_model.load(half)
    assert exported.card["vocabulary"] == shipped.card["vocabulary"]
    tokens = exported.tokenize(list(SENTENCES))
    assert torch.equal(tokens, shipped.tokenize(list(SENTENCES)))


def test_the_predictor_takes_the_folder_and_encodes_an_image_once(half, shipped):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (60, 80, 3)).astype(np.uint8)
    exported = methods.predictor(weights=half, refine=False, threshold=0)
    assert isinstance(exported, MattingPredictor) and isinstance(exported.model, onnx_model.OnnxModel)
    literal = MattingPredictor(shipped, "cpu", refiner=None, threshold=0)
    exported.set_image(image)
    literal.set_image(image)
    encoded = []
    exported.model._run = lambda name, tensors, run=exported.model._run: encoded.append(name) or run(name, tensors)
    for ours, theirs in zip(literal.predict_many(SENTENCES), exported.predict_many(SENTENCES)):
        assert abs(ours.score - theirs.score) < 1e-3
        assert np.mean(np.abs(ours.raw - theirs.raw) > 1e-3) < 1e-3
    assert encoded == ["text"] * 3 + ["matte"] * 3


def test_what_is_switched_off_in_a_model_is_not_in_its_graphs():
    switches = "score_map", "coordinates", "details_text", "mask_padding", "tsp", "mde", "post_context"
    profile = load("tiny", model__image_size=32, **{f"model__{name}": False for name in switches})
    model = CLIPMat.from_profile(profile, "random").eval()
    found = graphs_of(model)
    assert found["image"].outputs == ("image_tokens", "details_4") and found["text"].outputs == (
        "text_tokens",
        "sentence",
    )
    assert found["matte"].outputs == ("trimap_logits", "detail", "alpha", "score")
    image = torch.rand(1, 3, 32, 32, generator=torch.manual_seed(0))
    with torch.inference_mode():
        tokens = model.tokenize(["the otter"])
        ours, *_ = found["matte"].module(*found["image"].module(image), *found["text"].module(tokens))
        assert torch.equal(ours, model(image, tokens).trimap_logits)


def test_what_cannot_be_read_is_refused_in_one_line(half, tmp_path, capsys, monkeypatch):
    with pytest.raises(RimError, match="image.onnx: is not there"):
        (tmp_path / onnx_model.JSON).write_bytes((half / onnx_model.JSON).read_bytes())
        onnx_model.load(tmp_path)
    (tmp_path / "image.onnx").write_bytes(b"nothing")
    with pytest.raises(RimError, match="image.onnx: cannot be read"):
        onnx_model.load(tmp_path)
    (tmp_path / onnx_model.JSON).write_text('{"format": "other"}')
    with pytest.raises(RimError, match="'other'; 'rimlib-onnx-1' is expected"):
        onnx_model.load(tmp_path)
    run = runner(capsys, "export")
    (tmp_path / "file").write_text("")
    assert refused(run(tmp_path / "no.safetensors", "--to", tmp_path / "to"), "no.safetensors")
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    assert refused(run("--to", tmp_path / "to"), "rimlib[onnx]")


def test_the_command_names_each_file_with_its_size(shipped, whole, tmp_path, capsys, monkeypatch):
    paths = [whole / onnx_model.JSON, *whole.glob("*.onnx")]
    asked = []
    monkeypatch.setattr(CLIPMat, "shipped", classmethod(lambda cls: shipped))
    monkeypatch.setattr(write, "write", lambda model, to, half: asked.append((model, to, half)) or paths)
    assert cli.main(["export", "--to", str(tmp_path), "--float32"]) == 0
    assert asked == [(shipped, str(tmp_path), False)]
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 5 and printed[-1].endswith("MB altogether")
