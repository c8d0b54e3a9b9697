"""The refiner's training: coarse alphas that look like a model's, a loss that falls, a run that can be interrupted."""

import dataclasses
import json
import signal

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from rimlib import profile as profiles
from rimlib.clipmat.refiner import Output, Refiner
from rimlib.errors import RimError
from rimlib.io.images import resize
from rimlib.refmatte.dataset import RefMatte
from rimlib.training import coarse, refiner
from rimlib.training.batches import Key
from rimlib.training.coarse import Predictions, degrade
from rimlib.training.refiner import LOSSES, SIDES, CropBatch, Crops, refiner_loss
from rimlib.training.run import Run

SETTINGS = profiles.Refiner(
    widths=(4, 4, 6, 8, 8),
    blocks=(1, 1, 1, 1),
    crops=((32, 4), (64, 2)),
    predictions=0,
    lr=3e-3,
    ema=0.9,
    noise=0.0,
    checkpoint_seconds=1e9,
)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def profile(**changes):
    return dataclasses.replace(profiles.Profile(), refiner=dataclasses.replace(SETTINGS, **changes))


def disc(height=96, width=128, radius=20):
    y, x = np.mgrid[:height, :width]
    return np.clip(radius - np.hypot(y - height / 2, x - width / 2) + 0.5, 0, 1).astype(np.float32)


def test_the_worsened_truth_is_worse_but_of_the_same_thing():
    truth, rng = disc(), np.random.default_rng(0)
    worse = [degrade(truth, rng, [np.roll(truth, 45, axis=1)]) for _ in range(200)]
    assert all(
        alpha.shape == truth.shape and alpha.dtype == np.float32 and 0 <= alpha.min() and alpha.max() <= 1
        for alpha in worse
    )
    errors = np.array([np.abs(alpha - truth).mean() for alpha in worse])
    assert errors.min() > 1e-4 and errors.max() < truth.mean() * 2 and len(np.unique(errors.round(7))) > 150
    overlap = np.array([np.minimum(alpha, truth).sum() / truth.sum() for alpha in worse])
    assert np.median(overlap) > 0.9 and (overlap > 0.2).all()
    ghosts = sum(alpha[:, 105:].max() > 0.1 for alpha in worse)
    assert 10 < ghosts < 100  # a part of the other entity, now and then
    np.testing.assert_array_equal(degrade(truth, np.random.default_rng(5)), degrade(truth, np.random.default_rng(5)))
    assert truth.max() == 1 and (truth == disc()).all()


def test_an_empty_matte_can_be_worsened():
    for seed in range(20):
        assert degrade(np.zeros((40, 50), np.float32), np.random.default_rng(seed)).shape == (40, 50)


def test_crops_hold_the_same_place_three_times(scenes):
    """Image, coarse and true matte show one place: where the true matte is 1 the image has the entity's colour."""
    refmatte, settings = RefMatte(scenes, "train"), dataclasses.replace(SETTINGS, larger=0.5)
    crops = Crops(refmatte, None, settings, seed=1)

    def batch_of(step):
        side, count = crops.shape(step)
        assert (side, count) == SETTINGS.crops[step % 2]
        return CropBatch([crops[Key(0, index % len(refmatte.image_names), step)] for index in range(count)])

    for step in range(6):
        batch, side = batch_of(step), SETTINGS.crops[step % 2][0]
        count = len(batch)
        assert batch.images.shape == (count, side, side, 3) and batch.images.dtype == torch.uint8
        assert batch.coarse.shape == batch.mattes.shape == (count, 1, side, side)
        assert batch.trimaps.shape == (count, side, side) and set(batch.trimaps.unique().tolist()) <= {0, 1, 2}
        for image, matte, trimap in zip(batch.images.float(), batch.mattes[:, 0], batch.trimaps):
            inside = (trimap == 2) & (matte == 1)
            if inside.sum() > 20:
                assert image[inside].std(dim=0).max() < 12  # one colour, JPEG's noise
    again = batch_of(5)
    assert again.names == batch.names
    assert all(getattr(again, name).equal(getattr(batch, name)) for name in ("images", "coarse", "mattes", "trimaps"))


class First:
    """A method that predicts the matte of the first entity of each image, whatever the sentence."""

    def __init__(self, refmatte, names):
        self.refmatte, self.names, self.done = refmatte, list(names), 0

    def predict(self, images, index, sentences):
        part = self.names[self.done : self.done + len(images)]
        self.done += len(images)
        mattes = [self.refmatte.matte(self.refmatte.targets_of(name)[0].mask_id) for name in part]
        firsts = [resize(matte, (48, 48)) for matte in mattes]
        return [firsts[number] for number in index], np.ones(len(index), np.float32)


def test_predictions_are_kept_where_the_model_is_right(scenes, tmp_path, monkeypatch):
    refmatte = RefMatte(scenes, "train")

    names = refmatte.image_names[:6]
    monkeypatch.setattr(coarse, "CLIPMatMethod", lambda model: model)
    model = First(refmatte, names)
    made = Predictions.make(model, refmatte, 6, tmp_path / "kept.npz", batch=4, progress=False)
    assert made.names == names and made.mask_ids == [refmatte.targets_of(name)[0].mask_id for name in names]
    kept = Predictions.make(model, refmatte, 6, tmp_path / "kept.npz")
    assert model.done == 6  # not predicted again
    np.testing.assert_array_equal(kept.alphas, made.alphas)
    name, mask_id, alpha = kept.draw(np.random.default_rng(0))
    assert mask_id.startswith(name) and alpha.shape == (48, 48) and alpha.max() <= 1
    crop = Crops(refmatte, kept, dataclasses.replace(SETTINGS, predicted=1.0), seed=0)[Key(0, 0, 1)]
    rough, truth = crop.coarse, crop.matte
    assert np.abs(rough - truth).mean() < 0.05
    (tmp_path / "kept.npz").write_bytes(b"PK broken")
    with pytest.raises(RimError, match="kept.npz"):
        Predictions.make(model, refmatte, 6, tmp_path / "kept.npz")


def test_the_loss_is_its_parts():
    rng = torch.Generator().manual_seed(0)
    logits, detail = torch.rand(2, 3, 32, 32, generator=rng), torch.rand(2, 1, 32, 32, generator=rng)
    mattes, trimaps = torch.rand(2, 1, 32, 32, generator=rng), torch.randint(0, 3, (2, 32, 32), generator=rng)
    sides = [torch.rand(2, 3, 32, 32, generator=rng) for _ in range(3)]
    losses = refiner_loss(Output(logits, detail, detail, sides), mattes, trimaps)
    assert set(losses) == {"total", "sides", *LOSSES} - {"score_map"}
    weights = {**LOSSES, "sides": SIDES}
    total = sum(weights[name] * value for name, value in losses.items() if name != "total")
    torch.testing.assert_close(losses["total"], total)
    torch.testing.assert_close(losses["sides"], sum(torch.nn.functional.cross_entropy(side, trimaps) for side in sides))
    # Of the trimap all side outputs together weigh as much as the last.
    assert 3 * SIDES == pytest.approx(LOSSES["ce"])


def test_few_samples_are_learnt(make_scenes, tmp_path):
    """By one that does not follow the coarse alpha, and so has all to learn."""
    data = make_scenes(tmp_path / "data", 2)
    record = refiner.train(profile(follow=False), data, tmp_path / "out", "none", steps=120, progress=False)
    first, last = record["log"][0], record["log"][-1]
    assert (
        last["ce"] < 0.8 * first["ce"]
        and last["alpha"] < 0.65 * first["alpha"]
        and last["total"] < 0.8 * first["total"]
    )
    assert (
        record["kind"] == "refine"
        and record["seed"] == 1
        and record["predictions"] == 0
        and record["metrics"]["steps"] == 120
    )
    assert {"data", "forward", "backward", "optimizer"} <= set(record["seconds"])
    assert json.loads((tmp_path / "out" / "refine.json").read_text()) == json.loads(json.dumps(record))
    assert not (tmp_path / "out" / "refine-state.pt").exists()
    assert not Refiner.load(tmp_path / "out").training
    assert str(tmp_path) not in json.dumps(record)


def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(scenes, tmp_path, monkeypatch):
    run = lambda out: refiner.train(profile(), scenes, tmp_path / out, "none", steps=6, progress=False)
    run("whole")
    real, calls = refiner.refiner_loss, []

    def loss(*args):
        calls.append(1)
        if len(calls) == 3:
            signal.raise_signal(signal.SIGINT)
        return real(*args)

    monkeypatch.setattr(refiner, "refiner_loss", loss)
    with pytest.raises(KeyboardInterrupt):
        run("parts")
    monkeypatch.setattr(refiner, "refiner_loss", real)
    assert (tmp_path / "parts" / "refine-state.pt").exists()
    record = run("parts")
    assert record["metrics"]["steps"] == 6
    whole, parts = (load_file(tmp_path / name / "refiner.safetensors") for name in ("whole", "parts"))
    assert all(torch.equal(parts[name], whole[name]) for name in whole)
    assert run("parts") == record  # a complete run is left alone


def test_another_runs_state_is_refused(scenes, tmp_path, monkeypatch):
    monkeypatch.setattr(Run, "_steps", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        refiner.train(profile(), scenes, tmp_path, "none", steps=2, progress=False)
    with pytest.raises(RimError) as caught:
        refiner.train(profile(lr=1e-3), scenes, tmp_path, "none", steps=2, progress=False)
    assert caught.value.path == str(tmp_path / "refine-state.pt")


def test_a_folder_that_cannot_be_written_is_found_before_training(scenes, tmp_path, monkeypatch):
    (tmp_path / "out").write_text("a file")
    monkeypatch.setattr(Run, "_steps", lambda *_: pytest.fail("training began"))
    with pytest.raises(RimError, match="out"):
        refiner.train(profile(), scenes, tmp_path / "out", "none", steps=1, progress=False)


def test_the_log_has_all_losses(scenes, tmp_path):
    record = refiner.train(profile(), scenes, tmp_path, "none", steps=5, progress=False)
    last = record["log"][-1]
    assert np.isfinite(list(last.values())).all()
    assert {"coarse", "images_per_second", *LOSSES} - {"score_map"} <= set(last)


def test_the_command(scenes, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(profiles, "load", lambda name: profile())
    assert refiner.main(["--data", str(scenes), "--out", str(tmp_path), "--steps", "1", "--clipmat", "none"]) == 0
    assert json.loads(capsys.readouterr().out)["steps"] == 1
    assert refiner.main(["--data", str(tmp_path / "none"), "--out", str(tmp_path), "--steps", "1"]) == 2
    assert "rim: error:" in capsys.readouterr().err


def test_blobs_lie_where_they_should():
    where = np.zeros((60, 80), np.float32)
    where[10:20, 60:70] = 1
    for seed in range(20):
        blob = coarse._blob(where, np.random.default_rng(seed))
        assert blob.shape == where.shape and 0 <= blob.min() and blob.max() <= 1
    assert not coarse._blob(np.zeros((60, 80), np.float32), np.random.default_rng(0)).any()
