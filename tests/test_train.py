import copy
import dataclasses
import json
import signal
from types import SimpleNamespace

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file

from rimlib.clipmat import clip_weights, model, pretrained
from rimlib.device import pick_device
from rimlib.errors import RimError
from rimlib.evaluation.evaluate import evaluate
from rimlib.io.images import read_image
from rimlib.profile import Profile
from rimlib.refmatte.dataset import RefMatte
from rimlib.training import clip, clipmat, contrast, loop, state
from rimlib.training.run import Run
from rimlib.training.samples import Samples
from rimlib.understanding.vocabulary import Vocabulary

create_clip = clip_weights.create_clip  # the tests put a smaller one in its place

SETTINGS = {
    "name": "test",
    "seed": 3,
    "model": {
        "backbone": "rim-tiny",
        "image_size": 48,
        "text_length": 24,
        "context": 2,
        "popup_width": 32,
        "popup_heads": 2,
        "dropout": 0.0,
        "popup_out": 16,
        "semantic_width": 16,
        "details_channels": [32, 16, 16, 8],
        "details_out": [16, 16, 8, 8],
    },
    "train": {
        "images": 4,
        "sentences": 2,
        "lr": 3e-3,
        "lr_image": 1e-3,
        "lr_text": 1e-3,
        "ema": 0.9,
        "flip": 0.0,
        "noise": 0.0,
        "trimap_kernel": 3,
        "keyword_share": 0.3,
        "workers": 0,
    },
    "clip": {"batch": 16, "workers": 0},
}


def small_clip(settings, weights="random"):
    """A CLIP with the tiny one's words and a hundredth of its weights; a file's, where one is named."""
    _, tokenizer = create_clip(settings, "random")
    vision = {"image_size": settings.image_size, "layers": 4, "width": 32, "head_width": 16, "patch_size": 16}
    text = {"context_length": 32, "vocab_size": tokenizer.vocab_size, "width": 32, "heads": 2, "layers": 1}
    clip = open_clip.CLIP(embed_dim=16, vision_cfg=vision, text_cfg=text)
    if weights not in ("clip", "random"):
        clip.load_state_dict(load_file(weights))
    return clip, tokenizer


@pytest.fixture
def profile(monkeypatch):
    """A profile whose model is small enough to train in a test."""
    for module in (clip_weights, pretrained):
        monkeypatch.setattr(module, "create_clip", small_clip)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the model is too small to share
    yield Profile.from_dict(SETTINGS)
    torch.set_num_threads(threads)


def test_four_samples_are_learnt_by_heart(profile, make_scenes, tmp_path):
    root = make_scenes(tmp_path / "data", 4)
    record = clipmat.train(profile, root, tmp_path / "out", steps=100, weights="random", progress=False)
    first, last = record["log"][0]["total"], record["log"][-1]["total"]
    assert last < first / 3
    learnt = evaluate(model.CLIPMat.load(tmp_path / "out"), RefMatte(root), every=True)["metrics"]
    assert learnt["localised"] > 0.85
    assert record["metrics"]["steps"] == 100 and record["data"]["images"] == 4
    assert {"data", "forward", "backward", "optimizer", "checkpoint"} <= set(record["seconds"])
    assert json.loads((tmp_path / "out" / "train.json").read_text())["log"] == record["log"]
    assert (tmp_path / "out" / "clipmat.safetensors").exists() and not (tmp_path / "out" / "train-state.pt").exists()


def weights_of(folder):
    return load_file(folder / "clipmat.safetensors")


def interrupt_at(monkeypatch, step, module=clipmat, name="clipmat_loss"):
    """Ctrl-C in the given step's loss; the function that is returned ends this."""
    real, calls = getattr(module, name), []

    def loss(*args):
        calls.append(1)
        if len(calls) == step:
            signal.raise_signal(signal.SIGINT)
        return real(*args)

    monkeypatch.setattr(module, name, loss)
    return lambda: monkeypatch.setattr(module, name, real)


def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(profile, scenes, tmp_path, monkeypatch):
    profile = dataclasses.replace(profile, model=dataclasses.replace(profile.model, dropout=0.2))
    clipmat.train(profile, scenes, tmp_path / "whole", steps=12, weights="random", progress=False)
    undo = interrupt_at(monkeypatch, 6)
    with pytest.raises(KeyboardInterrupt):
        clipmat.train(profile, scenes, tmp_path / "parts", steps=12, weights="random", progress=False)
    undo()
    assert (tmp_path / "parts" / "train-state.pt").exists()
    record = clipmat.train(profile, scenes, tmp_path / "parts", steps=12, weights="random", progress=False)
    assert record["metrics"]["steps"] == 12
    whole, parts = weights_of(tmp_path / "whole"), weights_of(tmp_path / "parts")
    assert all(torch.equal(parts[name], whole[name]) for name in whole)


def test_in_the_first_steps_the_details_do_not_learn(profile, scenes, tmp_path):
    train = dataclasses.replace(profile.train, grounding_steps=3, grounding_sentences=3, weight_decay=0.1, ema=0.0)
    profile = dataclasses.replace(profile, train=train)
    clipmat.train(profile, scenes, tmp_path / "few", steps=3, progress=False)
    record = clipmat.train(profile, scenes, tmp_path / "more", steps=5, progress=False)
    few, more = weights_of(tmp_path / "few"), weights_of(tmp_path / "more")
    changed = {name.split(".")[0] for name in few if not torch.equal(few[name], more[name])}
    assert {"extractors", "details", "details_text", "popup", "semantic", "backbone"} <= changed
    clipmat.train(profile, scenes, tmp_path / "one", steps=1, progress=False)
    one = weights_of(tmp_path / "one")
    still = {name.split(".")[0] for name in few if torch.equal(few[name], one[name])}
    assert {"extractors", "details", "details_text"} <= still and not {"popup", "semantic"} & still
    first, last = record["log"]  # a row is of steps that have the same parts
    assert first["step"] == 3 and "alpha" not in first and last["step"] == 5 and last["alpha"] > 0


def test_what_goes_on_from_a_trained_model_keeps_its_nouns(profile, scenes, tmp_path):
    start = model.CLIPMat.from_profile(profile, "random")
    samples = Samples(RefMatte(scenes), profile.train, 48, where="never")
    for card, also_known in (({"vocabulary": {"nouns": "dog"}}, True), ({}, False)):
        path = start.save(tmp_path / "clipmat.safetensors", **card)
        found = clipmat.Training(profile, samples, path).vocabulary
        assert (found is not None and found.knows("dog") and found.knows("disc")) == also_known
        assert also_known or found is None, "which nouns it knows is not known"


def test_a_finished_run_is_left_alone_and_fresh_begins_anew(profile, scenes, tmp_path):
    first = clipmat.train(profile, scenes, tmp_path, steps=2, weights="random", progress=False)
    assert clipmat.train(profile, scenes, tmp_path, steps=2, weights="random", progress=False) == first
    again = clipmat.train(profile, scenes, tmp_path, steps=2, weights="random", progress=False, resume=False)
    assert again["seconds"] != first["seconds"]


def test_validation_has_scores_a_picture_and_the_best_weights(profile, scenes, tmp_path):
    settings = dataclasses.replace(profile.train, validation_images=2, validate_epochs=2.0)
    record = clipmat.train(
        dataclasses.replace(profile, train=settings), scenes, tmp_path, steps=4, weights="random", progress=False
    )
    last = record["validation"][-1]
    assert last["step"] == 4 and 0 <= last["validation_localised"] <= 1 and 0 < last["validation_mad"] < 1
    for name in ("clipmat-best.safetensors", "clipmat.safetensors"):
        words = Vocabulary.of(model.CLIPMat.load(tmp_path / name).card)
        assert words and {"disc", "box"} <= words.nouns and not words.knows("dog")
    shown = read_image(tmp_path / "logs" / "validation-4.png")
    assert shown.shape == (2 * 48, 3 * 48, 3)  # two rows of an image, its matte and the model's
    assert len(np.unique(shown[:, 48:96].reshape(-1, 3), axis=0)) > 1 and (shown[:, 48:, 0] == shown[:, 48:, 1]).all()


def test_another_profiles_state_is_refused(profile, scenes, tmp_path, monkeypatch):
    undo = interrupt_at(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        clipmat.train(profile, scenes, tmp_path, steps=4, weights="random", progress=False)
    undo()
    other = dataclasses.replace(profile, seed=4)
    with pytest.raises(RimError) as caught:
        clipmat.train(other, scenes, tmp_path, steps=4, weights="random", progress=False)
    assert caught.value.setting == "seed" and caught.value.path == str(tmp_path / "train-state.pt")
    clipmat.train(other, scenes, tmp_path, steps=1, weights="random", progress=False, resume=False)


def test_a_broken_state_is_refused_by_name(profile, scenes, tmp_path):
    (tmp_path / "train-state.pt").write_bytes(b"half a file")
    with pytest.raises(RimError, match="train-state.pt"):
        clipmat.train(profile, scenes, tmp_path, steps=1, weights="random", progress=False)


def test_a_folder_that_cannot_be_written_is_found_before_training(profile, scenes, tmp_path, monkeypatch):
    (tmp_path / "out").write_text("a file")
    monkeypatch.setattr(Run, "_steps", lambda *_: pytest.fail("training began"))
    with pytest.raises(RimError, match="out"):
        clipmat.train(profile, scenes, tmp_path / "out", steps=1, weights="random", progress=False)


def test_a_loss_that_is_no_number_stops_the_run_and_names_its_images(profile, scenes, tmp_path, monkeypatch):
    real, calls = clipmat.clipmat_loss, []

    def loss(*args):
        calls.append(1)
        parts = real(*args)
        return {name: value * float("nan") for name, value in parts.items()} if len(calls) == 3 else parts

    monkeypatch.setattr(clipmat, "clipmat_loss", loss)
    with pytest.raises(RimError) as caught:
        clipmat.train(profile, scenes, tmp_path, steps=8, weights="random", progress=False)
    assert caught.value.path == str(tmp_path / "train-state.pt") and "step 2 of the images" in str(caught.value)
    # What is on the disk is whole, and the same command goes on from it.
    record = clipmat.train(profile, scenes, tmp_path, steps=8, weights="random", progress=False)
    assert record["metrics"]["steps"] == 8
    assert all(value.isfinite().all() for value in weights_of(tmp_path).values() if value.is_floating_point())


def test_each_parameter_has_one_rate(profile):
    built = model.CLIPMat.from_profile(profile)
    names = {id(value): name for name, value in built.named_parameters()}
    image, text, new = clipmat.groups(built, profile.train)
    assert sorted(names[id(value)] for part in (image, text, new) for value in part["params"]) == sorted(names.values())
    assert {names[id(value)].split(".")[1] for value in image["params"]} == {"visual"}
    assert any("token_embedding" in names[id(value)] for value in text["params"])
    assert any("context" in names[id(value)] for value in new["params"])
    assert (image["lr"], text["lr"], new["lr"]) == (1e-3, 1e-3, 3e-3)


def test_what_is_frozen_stays_and_the_rest_learns(profile, scenes, tmp_path, monkeypatch):
    train = dataclasses.replace(profile.train, lr_text=0, frozen_image_blocks=2)
    profile = dataclasses.replace(profile, train=train)
    torch.manual_seed(profile.seed)
    before = clipmat.Training(profile, Samples(RefMatte(scenes), profile.train, 48), "random").build()
    frozen = {name for name, value in before.named_parameters() if not value.requires_grad}
    learnt = {id(value) for group in clipmat.groups(before, train) for value in group["params"]}
    assert learnt == {id(value) for value in before.parameters() if value.requires_grad}
    text = {name for name in dict(before.named_parameters()) if name.startswith("backbone.")} - {
        name for name in dict(before.named_parameters()) if name.startswith("backbone.visual.")
    }
    assert text < frozen and {"backbone.visual.conv1.weight", "backbone.visual.positional_embedding"} < frozen
    assert {name.split(".")[4] for name in frozen if "visual.transformer" in name} == {"0", "1"}
    clipmat.train(profile, scenes, tmp_path / "whole", steps=8, weights="random", progress=False)
    after = weights_of(tmp_path / "whole")
    for name, value in before.named_parameters():
        assert torch.equal(after[name], value) is (name in frozen), name
    undo = interrupt_at(monkeypatch, 4)
    with pytest.raises(KeyboardInterrupt):
        clipmat.train(profile, scenes, tmp_path / "parts", steps=8, weights="random", progress=False)
    undo()
    clipmat.train(profile, scenes, tmp_path / "parts", steps=8, weights="random", progress=False)
    assert all(torch.equal(value, after[name]) for name, value in weights_of(tmp_path / "parts").items())


def test_more_frozen_blocks_than_there_are_is_refused(profile):
    train = dataclasses.replace(profile.train, frozen_image_blocks=5)
    with pytest.raises(RimError, match="at most 4") as caught:
        clipmat.freeze(model.CLIPMat.from_profile(profile, "random"), train)
    assert caught.value.setting == "train.frozen_image_blocks"


def test_the_average_is_one():
    module = torch.nn.BatchNorm1d(2)
    average = state.EMA(module, decay=0.5)
    expected = module.running_mean.clone()
    for step in range(4):
        module(torch.randn(8, 2) + step)
        average.update(module, step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * module.running_mean
    assert torch.allclose(average.module.running_mean, expected)
    assert average.module.num_batches_tracked == 4


def test_the_budget_ends_by_time_or_by_steps():
    assert loop.Budget(10, step=4).fraction == 0.4
    assert 0.5 <= loop.Budget(None, 1.0, seconds=30).fraction < 0.6
    assert loop.Budget(10, 1.0, step=2, seconds=30).fraction >= 0.5 and loop.Budget(10, 1.0, 9, 30).fraction == 0.9
    assert loop.Budget(10, 1.0, seconds=90).fraction == 1.0


def naive_contrast(images, texts, scale):
    total = 0.0
    for one, other in ((images, texts), (texts, images)):
        for row in range(len(one)):
            logits = np.array([scale * one[row] @ other[column] for column in range(len(other))])
            total += np.log(np.exp(logits).sum()) - logits[row]
    return total / 2 / len(images)


def test_contrastive_loss_is_that_of_a_loop():
    rng = np.random.default_rng(0)
    images, texts = (array / np.linalg.norm(array, axis=1, keepdims=True) for array in rng.normal(size=(2, 5, 8)))
    tensors = torch.tensor(images), torch.tensor(texts)
    found = contrast.contrastive_loss(*tensors, 10.0, torch.eye(5, dtype=torch.bool)).item()
    assert found == pytest.approx(naive_contrast(images, texts, 10.0))
    positives = torch.eye(5, dtype=torch.bool)
    positives[3, 4] = True
    assert contrast.contrastive_loss(*tensors, 10.0, positives).item() < found


def test_a_constant_answer_wins_no_pair(monkeypatch):
    positives = np.eye(3, dtype=bool)
    positives[:, 0] = True  # the first caption is true of all regions
    regions = SimpleNamespace(positives=positives, weights=np.zeros(1), image_index=np.zeros(1), texts=[])
    cosines = torch.tensor([[0.9, 0.2, 0.1]] * 3)  # the common caption is the nearest of all regions
    monkeypatch.setattr(contrast, "_cosines", lambda *given: cosines)
    assert contrast.region_retrieval(None, regions, None) == 1.0
    assert contrast.region_pairs(None, regions, None) == 0.5
    cosines = torch.tensor([[0.9, 0.2, 0.1], [0.9, 0.5, 0.0], [0.9, 0.6, 0.0]])
    # Caption 1 against regions 0 and 2: .5 > .2, .5 < .6. Caption 2 against regions 0 and 1: 0 < .1, a tie.
    assert contrast.region_pairs(None, regions, None) == pytest.approx((1 + 0 + 0 + 0.5) / 4)


def test_features_are_open_clips(profile):
    clip, tokenizer = small_clip(profile.model)
    clip.eval()
    tokens = tokenizer(["the red disc", "the blue box to the left of the disc"])
    images = torch.randint(0, 256, (2, 48, 48, 3), dtype=torch.uint8)
    ours = contrast.ContrastiveCLIP(copy.deepcopy(clip), tokenizer, 48).eval()
    assert {name: value.shape for name, value in ours.open_clip_state().items()} == {
        name: value.shape for name, value in clip.state_dict().items()
    }
    mean, std = (
        torch.tensor(values).view(3, 1, 1) for values in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    )
    padded = torch.cat([tokens, torch.zeros(2, 32 - tokens.shape[1], dtype=torch.int64)], dim=1)
    with torch.no_grad():
        torch.testing.assert_close(
            ours.text_features(tokens), clip.encode_text(padded, normalize=True), atol=1e-5, rtol=1e-4
        )
        expected = clip.encode_image((images.permute(0, 3, 1, 2) / 255 - mean) / std, normalize=True)
        seen = ours.tokens(images)
        torch.testing.assert_close(ours.image_features(seen), expected, atol=1e-5, rtol=1e-4)
        # A region of one patch is that patch, projected as the class token is.
        weights = torch.zeros(1, 3, 3)
        weights[0, 1, 2] = 1
        region = ours.region_features(seen, weights, torch.tensor([1]))
        torch.testing.assert_close(region[0], torch.nn.functional.normalize(seen[1, 1 + 5] @ clip.visual.proj, dim=-1))


def test_pretraining_learns_goes_on_and_is_read_by_train(profile, scenes, tmp_path, monkeypatch):
    out = tmp_path / "clip"
    undo = interrupt_at(monkeypatch, 5, contrast, "contrastive_loss")
    with pytest.raises(KeyboardInterrupt):
        clip.pretrain_clip(profile, scenes, out, steps=60, progress=False)
    assert (out / "pretrain-state.pt").exists()
    undo()
    record = clip.pretrain_clip(profile, scenes, out, steps=60, progress=False)
    whole = clip.pretrain_clip(profile, scenes, tmp_path / "whole", steps=60, progress=False)
    assert (
        record["metrics"]["steps"] == 60
        and record["kind"] == "pretrain"
        and record["log"][-1]["loss"] == whole["log"][-1]["loss"]
    )
    assert record["metrics"]["before"] == whole["metrics"]["before"] and set(record["metrics"]["after"]) == set(
        record["metrics"]["before"]
    )
    assert record["log"][-1]["loss"] < record["log"][0]["loss"]
    names = {"rim-tiny-clip.safetensors", "rim-tiny-clip.json", "pretrain.json", "logs"}
    assert {path.name for path in out.iterdir()} == names
    built = model.CLIPMat.from_profile(profile, out / "rim-tiny-clip.safetensors")
    stored = load_file(out / "rim-tiny-clip.safetensors")
    assert torch.equal(built.backbone.token_embedding.weight, stored["token_embedding.weight"])


def test_pretraining_keeps_clips_bound(profile, scenes, tmp_path, monkeypatch):
    real, calls = contrast.contrastive_loss, []

    def loss(images, texts, scale, positives):
        calls.append(scale.item())
        # The scale is driven up as far as it goes.
        return real(images, texts, scale, positives) - 100 * scale

    monkeypatch.setattr(contrast, "contrastive_loss", loss)
    eager = dataclasses.replace(profile, clip=dataclasses.replace(profile.clip, lr=3.0))
    clip.pretrain_clip(eager, scenes, tmp_path, steps=6, progress=False)
    assert max(calls) == pytest.approx(100, rel=1e-4)
    assert all(value.isfinite().all() for value in load_file(tmp_path / "rim-tiny-clip.safetensors").values())
    (tmp_path / "out").write_text("a file")
    monkeypatch.setattr(Run, "_steps", lambda *_: pytest.fail("training began"))
    with pytest.raises(RimError, match="out"):
        clip.pretrain_clip(profile, scenes, tmp_path / "out", steps=1, progress=False)


def test_unknown_weights_are_refused():
    for weights in ("nowhere.safetensors", "nowhere"):
        with pytest.raises(RimError, match=weights):
            clipmat.Training(Profile.from_dict(SETTINGS), Fingerprint, weights).build()


class Fingerprint:
    """All that a task uses of its samples before the first batch."""

    fingerprint = "none"


def test_a_clip_of_another_image_size_can_be_trained(tmp_path):
    """As OpenAI's, which saw 224 pixels where the paper trains at 512: the grid of positions is resized."""
    changed = Profile.from_dict({**SETTINGS, "model": {**SETTINGS["model"], "image_size": 64}})
    clip, _ = create_clip(changed.model, "random")
    save_file(clip.state_dict(), tmp_path / "clip.safetensors")
    built = clipmat.Training(Profile.from_dict(SETTINGS), Fingerprint, tmp_path / "clip.safetensors").build()
    assert built.backbone.visual.positional_embedding.shape[0] == 1 + 3 * 3
    assert torch.equal(built.backbone.token_embedding.weight, clip.token_embedding.weight), (
        "the file's weights, not fresh ones"
    )


def test_commands_refuse_with_one_line(tmp_path, capsys):
    assert (
        clipmat.main(
            ["--profile", "tiny", "--data", str(tmp_path), "--out", str(tmp_path / "o"), "--weights", "random"]
        )
        == 2
    )
    error = capsys.readouterr().err.strip().splitlines()
    assert error[-1].startswith("rim: error:")
    with pytest.raises(RimError, match="cannot be used"):
        pick_device("quantum")
