"""Every method from small random weights in its real classes, through the library and `rim matte --method`."""

import json
import os

import numpy as np
import pytest
import torch
from small import refused, runner

import rimlib
from rimlib.errors import RimError
from rimlib.io import images
from rimlib.prediction import functions, methods
from rimlib.prediction.depth import Nearness
from rimlib.prediction.parts import MATTER
from rimlib.repository import repository

IMAGE = np.random.default_rng(0).integers(0, 255, (75, 110, 3), dtype=np.uint8)
REASONED = [name for name, info in methods.METHODS.items() if info.parts]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A folder of each method, as `rim download --to` makes it, but of random weights."""
    from rimlib.baselines import grounded_tiny
    from rimlib.baselines.clipseg import CLIPSeg
    from rimlib.baselines.sam3 import Sam3
    from rimlib.baselines.vitmatte import ViTMatte

    torch.manual_seed(0)
    sam3 = Sam3.random()
    made = {
        "grounding-dino-tiny": grounded_tiny.detector("tiny"),
        "sam2.1-hiera-small": grounded_tiny.segmenter("tiny"),
        "sam3": (sam3.net, sam3.processor),
        "clipseg-rd64-refined": (CLIPSeg.from_settings("tiny", "clip").net,),
        MATTER.name: (ViTMatte.from_settings("tiny", "random").net,),
    }
    root = tmp_path_factory.mktemp("weights")
    for name in REASONED:
        for part in methods.get(name).parts:
            for one in made[part.name]:
                one.save_pretrained(root / name / part.name)
    return root


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "nothing cached"))
    functions._shared.cache_clear()


@pytest.fixture
def rim(capsys):
    """Run `rim`: its status, the lines of its output and of its errors."""
    return runner(capsys)


@pytest.mark.parametrize("name", REASONED)
def test_a_method_through_the_library(name, weights):
    options = {"method": name, "weights": weights / name, "device": "cpu", "threshold": 0}
    result = rimlib.predict(IMAGE, "the left dog", **options)
    assert result.found and result.alpha.shape == (75, 110) and result.alpha.dtype == np.float32
    assert 0 <= result.alpha.min() and 0 < result.alpha.max() <= 1 and 0 < result.score <= 1
    assert "dog found" in result.message and result.sentence == "the left dog"
    assert result.over("white").shape == IMAGE.shape
    several = rimlib.matte(IMAGE, ["the left dog", "a cat"], **options)
    assert several.shape == (2, 75, 110) and np.array_equal(several[0], result.alpha)
    with pytest.warns(functions.NothingFound, match="no dog found"):
        assert not rimlib.matte(IMAGE, "the left dog", **options | {"threshold": 1}).any()


def test_networks_stay_while_the_threshold_changes(weights):
    options = {"method": "clipseg", "weights": weights / "clipseg", "device": "cpu"}
    first = rimlib.predict(IMAGE, "dog", threshold=0, without=None, **options)
    assert first.found and not rimlib.predict(IMAGE, "dog", threshold=1, by_place=True, **options).found
    assert functions._shared.cache_info().misses == 1
    with pytest.raises(RimError, match="threshold is 7"):
        rimlib.predict(IMAGE, "dog", threshold=7, **options)


@pytest.mark.parametrize("name", REASONED)
def test_a_method_by_the_command(name, weights, rim, tmp_path):
    photo = images.write_image(tmp_path / "photo.png", IMAGE)
    options = ("--method", name, "--weights", weights / name, "--threshold", 0)
    status, out, err = rim("matte", photo, "the left dog", *options, "-o", tmp_path / "dog.png", "--json")
    (row,) = json.loads(out[0])
    assert status == 0 and err == [] and "dog found" in row["message"] and row["found"]
    assert images.read_matte(tmp_path / "dog.png").shape == (75, 110)
    status, out, err = rim("matte", photo, "the left dog", *options, "--cutout", "-o", tmp_path / "cut.png")
    assert status == 0 and "dog found" in out[0] and (tmp_path / "cut.png").is_file()
    status, out, err = rim("matte", photo, "dog", *options[:-1], 1, "-o", tmp_path / "none.png")
    assert status == 0 and "empty: no dog found" in out[0] and not images.read_matte(tmp_path / "none.png").any()


def test_the_detectors_doubles_are_one(weights):
    engine = methods.predictor("grounded", weights / "grounded", "cpu").engine
    engine.set_image(IMAGE)
    found = engine.instances(["dog"])["dog"]
    boxes = np.array([one.box for one in found])
    every, scores = engine.method.detect_all(IMAGE, "dog")
    assert 0 < len(found) <= len(every) == 10 and (np.diff(scores) <= 0).all()
    for number, box in enumerate(boxes):
        for other in boxes[:number]:
            left, top, right, bottom = *np.maximum(box[:2], other[:2]), *np.minimum(box[2:], other[2:])
            shared = max(0, right - left) * max(0, bottom - top)
            areas = [(one[2] - one[0]) * (one[3] - one[1]) for one in (box, other)]
            assert shared <= 0.7 * (sum(areas) - shared) + 1e-3
    assert found[0].alpha.shape == (75, 110) and set(np.unique(found[0].alpha)) <= {0, 1}


def test_a_group_is_no_instance(weights, monkeypatch):
    engine = methods.predictor("grounded", weights / "grounded", "cpu").engine
    boxes = np.array([[5, 5, 100, 70], [5, 5, 50, 70], [55, 8, 100, 70], [10, 30, 30, 60]], np.float32)
    answers = {"dog": [0.6, 0.5, 0.4, 0.1], "sofa": [0.8, 0.2, 0.1, 0.1]}
    monkeypatch.setattr(
        engine.method, "detect_all", lambda image, phrase, overlap, noun: (boxes, np.array(answers[phrase], np.float32))
    )
    engine.set_image(IMAGE)
    kept = engine.instances(["dog", "sofa"])
    assert [round(one.score, 1) for one in kept["dog"]] == [0.5, 0.4, 0.1]  # not the one around both
    assert [round(one.score, 1) for one in kept["sofa"]] == [0.8, 0.2, 0.1, 0.1]  # what lies in it is not sure


def test_the_score_of_a_box_is_that_of_the_noun(weights, monkeypatch):
    predictor = methods.predictor("grounded", weights / "grounded", "cpu", threshold=0.25)
    detector, tokenizer = predictor.engine.method.detector, predictor.engine.method.detector_processor.tokenizer
    text = "man in red shirt."
    letters = tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"])
    assert len(letters) == 16, "each letter is a token: the man is 1 to 3, the shirt 10 to 14"
    forward = detector.forward

    def fitting(**inputs):
        output = forward(**inputs)
        output.logits.fill_(-9)
        output.pred_boxes = torch.tensor([[0.2, 0.5, 0.2, 0.6], [0.7, 0.5, 0.2, 0.4]]).repeat(1, 5, 1)
        output.logits[0, 0, 2], output.logits[0, 1, 12] = 1.0, 3.0
        return output

    monkeypatch.setattr(detector, "forward", fitting)
    predictor.set_image(IMAGE)
    found = predictor.engine.instances([text[:-1]])[text[:-1]]
    assert found[0].box[0] > 55, "without a noun the shirt fits best"
    predictor.set_image(IMAGE)
    decision = predictor.decide(predictor.encode_text(["the man in the red shirt"]).questions[0])
    assert [one.box[0] < 30 for one in decision.chosen] == [True] and decision.score == pytest.approx(0.731, abs=0.001)
    assert predictor.engine.method._tokens_of("orange", "orange orange.") == slice(7, 13)
    assert predictor.engine.method._tokens_of("shirt", "red shirts.") is None


def test_sam3_gives_what_its_own_processor_gives(weights):
    engine = methods.predictor("sam3", weights / "sam3", "cpu").engine
    engine.set_image(IMAGE)
    found = engine.instances(["red dog"])["red dog"]
    sam3 = engine.method
    inputs = sam3.processor(images=IMAGE, text="red dog", return_tensors="pt")
    with torch.no_grad():
        output = sam3.net(**{name: inputs[name] for name in ("pixel_values", "input_ids", "attention_mask")})
    theirs = sam3.processor.post_process_instance_segmentation(output, 0.05, target_sizes=[(75, 110)])[0]
    order = theirs["scores"].argsort(descending=True)
    assert len(found) == len(order) > 0
    for one, number in zip(found, order):
        assert one.score == pytest.approx(theirs["scores"][number].item(), abs=1e-5)
        assert np.abs(np.array(one.box) - theirs["boxes"][number].clamp(min=0).numpy()).max() < 0.01
        assert (one.alpha == theirs["masks"][number].numpy()).mean() > 0.99


def test_clipsegs_connected_parts_are_instances(weights, monkeypatch):
    engine = methods.predictor("clipseg", weights / "clipseg", "cpu").engine
    engine.set_image(IMAGE)
    square = torch.from_numpy(images.resize(IMAGE, (128, 128))).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        whole = images.resize(engine.method(square, ["dog"]).alpha[0, 0].numpy(), (75, 110))
    assert max(one.score for one in engine.instances(["dog"])["dog"]) == pytest.approx(float(whole.max()), abs=1e-4)
    alpha = torch.zeros(1, 1, 128, 128)
    alpha[0, 0, 20:60, 10:50], alpha[0, 0, 70:110, 70:120], alpha[0, 0, 2, 2] = 0.7, 0.9, 1.0
    monkeypatch.setattr(engine.method, "decode", lambda *_: type("Answer", (), {"alpha": alpha}))
    found = engine.instances(["cat"])["cat"]
    assert [round(one.score, 1) for one in found] == [0.9, 0.7]  # the speck is none
    assert np.abs(np.array(found[1].box) - np.array([10, 20, 50, 60]) * np.array([110, 75] * 2) / 128).max() < 2
    assert found[1].alpha[30, 20] == 1 and found[1].alpha[50, 80] == 0 and found[0].alpha[50, 80] == 1


def test_a_depth_model_decides_what_is_in_front(weights, rim, tmp_path):
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, DPTImageProcessor

    backbone = {"model_type": "dinov2", "image_size": 56, "hidden_size": 32, "num_attention_heads": 2}
    backbone |= {"num_hidden_layers": 4, "out_indices": [1, 2, 3, 4], "reshape_hidden_states": False}
    sizes = {"reassemble_hidden_size": 32, "neck_hidden_sizes": [8, 16, 32, 32], "fusion_hidden_size": 16}
    net = DepthAnythingForDepthEstimation(DepthAnythingConfig(backbone_config=backbone, **sizes))
    folder = tmp_path / "depth"
    net.save_pretrained(folder)
    DPTImageProcessor(size={"height": 56, "width": 56}, ensure_multiple_of=14).save_pretrained(folder)
    predictor = methods.predictor("sam3", weights / "sam3", "cpu", threshold=0, depth=folder)
    near = predictor.engine.depth(IMAGE)
    assert near.shape == (75, 110) and near.dtype == np.float32 and np.isfinite(near).all()
    predictor.engine.depth = lambda image: np.tile(np.arange(110, dtype=np.float32), (75, 1))  # nearer at the right
    predictor.engine.set_image(IMAGE)
    found = predictor.engine.instances(["dog"])["dog"][0]
    assert found.depth == pytest.approx(np.median(np.nonzero(found.alpha > 0.5)[1]), abs=1)
    rim("methods")  # takes what was printed so far
    photo = images.write_image(tmp_path / "photo.png", IMAGE)
    ask = ("matte", photo, "the dog", "-o", tmp_path / "out.png", "--depth")
    assert refused(
        rim(*ask, "depth-anything", "--method", "sam3", "--weights", weights / "sam3"), "rim download depth-"
    )
    assert refused(rim(*ask, "deep", "--method", "sam3", "--weights", weights / "sam3"), "'deep'", "or a folder")
    assert refused(rim(*ask, "depth-anything"), "clipmat takes no depth model")


def of_config(config):
    net = torch.nn.Module()
    net.config = config
    return net


@pytest.mark.parametrize(
    "name, options, sign",
    [
        ("DepthAnythingConfig", {"depth_estimation_type": "relative"}, 1),
        ("DepthAnythingConfig", {"depth_estimation_type": "metric"}, -1),
        ("DPTConfig", {}, 1),
        ("GLPNConfig", {}, -1),
        ("ZoeDepthConfig", {}, -1),
        ("DepthProConfig", {}, 1),  # its numbers are inverse until they are post-processed
    ],
)
def test_which_way_depth_grows_is_known_by_the_kind_of_model(name, options, sign):
    import transformers

    assert Nearness(of_config(getattr(transformers, name)(**options)), None).sign == sign


def test_a_depth_model_of_another_kind_is_refused():
    from transformers import BertConfig

    with pytest.raises(RimError, match="type 'bert'.*glpn") as caught:
        Nearness(of_config(BertConfig()), None)
    assert caught.value.setting == "depth"


@pytest.mark.parametrize("name", ["grounded", "sam3"])  # clipseg's images do not go through a processor
def test_an_image_of_one_row_is_not_taken_for_one_with_its_channels_first(name, weights):
    engine = methods.predictor(name, weights / name, "cpu").engine
    row = np.repeat(np.linspace(0, 255, 40).astype(np.uint8)[None, :, None], 3, axis=2)
    shapes = []
    if name == "grounded":
        processor = engine.method.detector_processor
        engine.method.detector_processor = lambda **given: shapes.append(processor(**given)) or shapes[-1]
        engine.method.detector_processor.tokenizer = processor.tokenizer
        engine.method.detector_processor.post_process_grounded_object_detection = (
            processor.post_process_grounded_object_detection
        )
        engine.method.detect_all(row, "dog")
        assert shapes[0]["pixel_values"].shape[2] < shapes[0]["pixel_values"].shape[3]
        first, second = (engine.method.encode(image)[0][0] for image in (row, np.repeat(row, 2, axis=0)))
    else:
        first, second = (engine.method.encode(image).fpn_hidden_states[0] for image in (row, np.repeat(row, 2, axis=0)))
    assert torch.allclose(first, second, atol=0.02), "two rows that are alike are the same square"


def test_clipmat_by_its_names(rim, tmp_path, shipped):
    photo = images.write_image(tmp_path / "photo.png", IMAGE)
    shipped.save(tmp_path / "run")
    for more in ((), ("--method", "clipmat"), ("--weights", tmp_path / "run"), ("--model", tmp_path / "run")):
        assert rim("matte", photo, "the dog", *more, "-o", tmp_path / "out.png", "--threshold", 0)[0] == 0
    assert refused(rim("matte", photo, "the dog", "--weights", "somebody/fox"), "somebody/fox", "from the hub")
    assert refused(rim("matte", photo, "the dog", "--model", "somebody/fox"), "somebody/fox", "no such file")


def test_methods_are_listed(rim, weights):
    status, out, _ = rim("methods", "--json")
    rows = json.loads(out[0])
    assert status == 0 and [row["method"] for row in rows] == list(methods.NAMES)
    assert [row["state"] for row in rows] == ["here", "no", "no", "no"]
    for row in rows[1:]:
        assert row["megabytes"] == sum(part["megabytes"] for part in row["parts"]) > 100
        assert row["licence_of_weights"] and row["good_for"] and row["licence_of_code"]
    assert any(part["gated"] for part in rows[2]["parts"])
    status, out, _ = rim("methods", "--weights", weights / "sam3")
    text = "\n".join(out)
    assert status == 0 and text.count("on this machine\n") == 2 and "rim download grounded" in text
    assert methods.here() == ("clipmat",)


def test_the_page_has_the_licence_and_the_size_of_each_part():
    page = (repository() / "book/photographs.md").read_text(encoding="utf-8")
    rows = {
        cells[1].split("]")[0].strip(" ["): cells
        for cells in (line.split("|") for line in page.splitlines())
        if len(cells) == 6 and "](https://huggingface.co/" in cells[1]
    }
    parts = {part.repository: part for info in methods.METHODS.values() for part in info.parts}
    assert set(rows) == set(parts)
    for name, cells in rows.items():
        assert cells[3].strip().startswith(parts[name].licence), name
        assert float(cells[4].split()[0]) == pytest.approx(parts[name].megabytes / 1000, rel=0.02, abs=0.006), name
    for name, info in methods.METHODS.items():
        (cells,) = [line.split("|") for line in page.splitlines() if line.startswith(f"| `{name}` |")]
        fetched = cells[4].split()[0]
        assert (
            fetched == "nothing"
            if not info.parts
            else float(fetched) == pytest.approx(info.megabytes / 1000, rel=0.02, abs=0.006)
        )
    text = " ".join(page.split()) + " ".join(part.note for part in parts.values())
    assert "commercial use is allowed" not in text and "allows commercial use" not in text
    assert "issue 35" in parts["CIDAS/clipseg-rd64-refined"].note and "timojl/clipseg/issues/35" in text


def test_a_dry_run_fetches_nothing(rim, weights, tmp_path):
    status, out, _ = rim("download", "sam3", "--dry-run", "--to", tmp_path / "to")
    assert status == 0 and "3,5" in out[0] and "facebook/sam3" in out[1] and "SAM License" in out[1]
    assert not (tmp_path / "to").exists()
    assert "here already" in rim("download", "sam3", "--dry-run", "--to", weights / "sam3")[1][1]
    assert rim("download", "sam3", "--to", weights / "sam3")[1] == [
        str(weights / "sam3" / part.name) for part in methods.get("sam3").parts
    ]


def test_what_cannot_be_used(rim, weights, tmp_path, monkeypatch):
    photo, out = images.write_image(tmp_path / "photo.png", IMAGE), ("-o", tmp_path / "out.png")
    ask = ("matte", photo, "the dog", *out)
    assert refused(rim(*ask, "--method", "grounde"), "method 'grounde' (did you mean grounded?)")
    assert refused(rim(*ask, "--method", "grounded"), "not on this machine", "`rim download grounded`", "--weights DIR")
    assert refused(
        rim(*ask, "--method", "sam3", "--weights", weights / "clipseg"), "weights of clipseg, vitmatte", "sam3"
    )
    assert refused(rim(*ask, "--method", "sam3", "--weights", tmp_path / "none"), "none: no such folder")
    assert refused(rim(*ask, "--method", "sam3", "--model", tmp_path), "--model: weights of a CLIPMat")
    assert refused(rim("download", "sam"), "did you mean sam3?")
    assert refused(rim("download", "clipmat"), "come with rimlib")
    assert refused(rim("download", "sam3"), "facebook/sam3", "HF_HUB_OFFLINE is set", "rim download sam3 --to DIR")
    broken = tmp_path / "broken" / MATTER.name
    broken.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        broken.joinpath(name).write_bytes((weights / "clipseg" / MATTER.name / name).read_bytes()[:5000])
    os.symlink(weights / "clipseg" / "clipseg-rd64-refined", tmp_path / "broken" / "a")
    assert refused(rim(*ask, "--method", "clipseg", "--weights", tmp_path / "broken"), "not a whole safetensors file")
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    assert refused(rim(*ask, "--method", "sam3"), "pip install 'rimlib[baselines]'")
    assert not (tmp_path / "out.png").exists()


def test_weights_that_fit_the_name_and_not_the_network(weights, tmp_path):
    from safetensors.torch import save_file

    for part in methods.get("clipseg").parts:
        folder = tmp_path / part.name
        folder.mkdir()
        (folder / "config.json").write_bytes((weights / "clipseg" / part.name / "config.json").read_bytes())
        save_file({"other": torch.zeros(2)}, folder / "model.safetensors")
    with pytest.raises(RimError, match="tensors of CLIPSegForImageSegmentation are missing"):
        methods.predictor("clipseg", tmp_path)


def test_the_demo_offers_what_is_here(weights, monkeypatch):
    from rimlib.demo import Demo
    from rimlib.entities import drawn
    from rimlib.examples import Example

    made = methods.predictor("clipseg", weights / "clipseg", "cpu", threshold=0)
    first = methods.predictor("sam3", weights / "sam3", "cpu", threshold=0)
    monkeypatch.setattr(methods, "here", lambda: ("clipmat", "clipseg", "grounded"))
    calls = []

    def predictor(name):
        calls.append(name)
        return made if name == "clipseg" else methods.get("grounded").engine()

    demo = Demo(first, drawn.load(size=32, variants=1), [Example("a scene", IMAGE, ("the dog",))])
    demo.wait()
    monkeypatch.setattr(methods, "predictor", predictor)
    assert demo.method_box.options == ("clipmat", "clipseg", "grounded") and demo.answers.predictors == {
        "clipmat": first
    }
    for name in ("clipseg", "clipmat"):
        demo.method_box.value = name
        demo.wait()
        assert demo.sentence == "the dog" and not demo.error
        if name == "clipseg":
            assert demo.answers.predictors[name] is made and "dog found" in demo.message.value
    assert demo.answers.predictors["clipmat"] is first and calls == ["clipseg"]
    monkeypatch.setattr(methods, "predictor", lambda name: (_ for _ in ()).throw(RimError("not here")))
    demo.method_box.value = "grounded"
    demo.wait()
    assert demo.method_box.value == "clipmat" and demo.error == "not here"


REAL = "RIMLIB_TEST_WEIGHTS"


def test_real_weights_are_fetched_only_where_that_is_asked_for():
    guards = [mark for mark in test_real_weights_on_real_photographs.pytestmark if mark.name == "skipif"]
    assert [mark.args[0] for mark in guards] == [os.environ.get(REAL) != "1"], "or `make test` downloads gigabytes"
    names = next(mark.args[1] for mark in test_real_weights_on_real_photographs.pytestmark if mark.name != "skipif")
    assert names == REASONED


@pytest.mark.skipif(os.environ.get(REAL) != "1", reason=f"downloads gigabytes into the hub's cache; {REAL}=1 runs it")
@pytest.mark.parametrize("name", REASONED)
def test_real_weights_on_real_photographs(name, monkeypatch):
    """Of the first entities of RW-mini at least a half is localised."""
    monkeypatch.undo()
    from rimlib.entities import rwmini

    methods.download(name)
    predictor, overlaps = methods.predictor(name), []
    for mask, row in list(rwmini.labels().items())[:8]:
        predictor.set_image(rwmini.FOLDER / "image" / f"{row['image_name']}.jpg")
        found = predictor.predict(row["expressions"][1]).alpha
        alpha = images.read_matte(rwmini.FOLDER / "mask" / f"{mask}.png")
        overlaps.append(np.minimum(found, alpha).sum() / np.maximum(found, alpha).sum())
    assert np.mean(np.array(overlaps) > 0.5) >= 0.5
