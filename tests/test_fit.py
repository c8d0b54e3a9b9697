"""The loop that every training here goes through, with the smallest model that learns: four weights and a bias."""

import dataclasses
import json
import math
import signal
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file, save_file

from rimlib import profile as profiles
from rimlib.errors import RimError
from rimlib.profile import Loop
from rimlib.training import command, fit, loop, state
from rimlib.training.batches import Batches
from rimlib.training.run import Run
from rimlib.training.task import Task
from rimlib.training.watch import Watch

TRUTH = torch.tensor([[1.0, -2.0, 3.0, 0.5]])


class Line(Task):
    """Learns TRUTH from 8 rows a step; the first weight must not pass 0.7, and `size` is only written down."""

    kind, name, loss, log_every, shown = "line", "fitted", "wrong", 5, ("size",)

    def __init__(self, train=None, broken=(), stop_at=None):
        samples = Rows(7, set(broken))
        train = train or Loop(lr=0.1, ema=0.5, weight_decay=0.0, workers=0)
        super().__init__(profiles.load("tiny"), samples, train, seed=7)
        self.stop_at, self.made, self.calls = stop_at, [], 0

    @property
    def settings(self):
        return {"model": {"width": 4}, "train": dataclasses.asdict(self.train)}

    def build(self):
        return torch.nn.Linear(4, 1)

    def begin(self, model, device, stages):
        with stages("looking"):
            self.first = model.weight.detach().clone()
        return {"looked": True}

    def size(self, step):
        return 8

    @property
    def collate(self):
        return Stacked

    def losses(self, model, batch, fabric):
        self.calls += 1
        self.made.append(batch.step)
        if self.calls == self.stop_at:
            signal.raise_signal(signal.SIGINT)
        wrong = ((model(batch.rows) - batch.rows @ TRUTH.T) ** 2).mean()
        return {"wrong": wrong, "size": torch.tensor(float(batch.step))}

    def after_step(self, model):
        model.weight[:, 0].clamp_(max=0.7)

    def end(self, model, device, stages):
        return {"off": (model.weight - TRUTH).abs().max().item()}

    def store(self, model, path, budget, metrics):
        save_file(model.state_dict(), path)


class Rows:
    """`broken` steps have a row that is not a number."""

    def __init__(self, seed, broken):
        self.seed, self.broken, self.fingerprint = seed, broken, "f" * 8
        self.image_names, self.targets = list(range(20)), list(range(30))

    def __getitem__(self, key):
        row = np.random.default_rng([self.seed, key.epoch, key.index]).normal(size=4).astype(np.float32)
        return key, row * np.float32(np.nan if key.step in self.broken else 1)


class Stacked:
    def __init__(self, samples):
        self.names, self.step = [f"image{key.index}" for key, _ in samples], samples[0][0].step
        self.rows = torch.from_numpy(np.stack([row for _, row in samples]))

    def __len__(self):
        return len(self.rows)


def run(out, steps=40, task=None, **more):
    return fit.fit(task or Line(), out, steps=steps, progress=False, device="cpu", **more)


def test_a_run_is_written_down_under_its_own_names(tmp_path):
    record = run(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"line.json", "fitted.safetensors", "logs"}
    assert json.loads((tmp_path / "line.json").read_text()) == record
    assert (record["kind"], record["seed"], record["method"], record["weights"], record["looked"]) == (
        "line",
        7,
        "fitted",
        "random",
        True,
    )
    assert record["budget"] == {"minutes": None, "steps": 40} and record["data"] == {
        "fingerprint": "f" * 8,
        "images": 20,
        "entities": 30,
    }
    assert set(record["seconds"]) == {"looking", "checkpoint", "data", "forward", "backward", "optimizer"}
    assert [row["step"] for row in record["log"]] == list(range(5, 41, 5))
    # Of the steps since the last row the mean: 0 to 4, 5 to 9 …
    assert [row["size"] for row in record["log"]] == [step - 3 for step in range(5, 41, 5)]
    assert record["log"][-1]["wrong"] < record["log"][0]["wrong"] / 4
    last = record["log"][-1]
    assert (
        record["metrics"]["steps"] == 40
        and record["metrics"]["wrong"] == last["wrong"]
        and record["metrics"]["off"] < 1.5
    )
    assert record["metrics"]["images_per_second"] == last["images_per_second"] > 0


def test_weights_stay_within_their_bounds(tmp_path):
    run(tmp_path)
    weight = load_file(tmp_path / "fitted.safetensors")["weight"][0]
    assert weight[0] == pytest.approx(0.7) and weight[2] > 2


def same(one, other):
    """The same numbers: of the weights, of each row of the log."""
    weights = [load_file(folder / "fitted.safetensors") for folder in (one, other)]
    assert all(weights[0][name].equal(weights[1][name]) for name in weights[0])
    logs = [json.loads((folder / "line.json").read_text())["log"] for folder in (one, other)]
    timed = {"seconds", "images_per_second"}
    assert [[{**row, **dict.fromkeys(timed)} for row in log] for log in logs][0] == [
        {**row, **dict.fromkeys(timed)} for row in logs[1]
    ]


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("stop_at", [1, 5, 17])
def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(stop_at, workers, tmp_path):
    settings = Loop(lr=0.1, ema=0.5, weight_decay=0.0, workers=workers)
    run(tmp_path / "whole", task=Line(settings))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", task=Line(settings, stop_at=stop_at))
    assert (tmp_path / "parts/line-state.pt").exists() and not (tmp_path / "parts/line.json").exists()
    again = Line(settings)
    record = run(tmp_path / "parts", task=again)
    assert again.made[0] == stop_at and record["metrics"]["steps"] == 40
    same(tmp_path / "parts", tmp_path / "whole")
    assert [part["from"] for part in record["parts"]] == [0, stop_at]


def test_seconds_and_memory_of_all_parts_are_counted(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, task=Line(stop_at=30))
    stored = torch.load(tmp_path / "line-state.pt", weights_only=True)["progress"]
    record = run(tmp_path)
    for stage in ("forward", "backward", "optimizer"):
        assert record["seconds"][stage] > stored["seconds"][stage] > 0
    assert record["metrics"]["minutes"] * 60 > stored["trained_seconds"] > 0
    assert record["peak_memory_bytes"]["process"] >= stored["memory"]["process"] > 0


def test_a_finished_run_is_left_alone_and_another_is_not_taken_for_it(tmp_path):
    first = run(tmp_path)
    idle = Line()
    assert run(tmp_path, task=idle) == first and not idle.calls
    for more, task in (({"resume": False}, Line()), ({}, Line(Loop(lr=0.05))), ({"steps": 41}, Line())):
        run(tmp_path, task=task, **more)
        assert task.calls


def test_a_folder_that_cannot_be_written_is_found_before_the_first_step(tmp_path):
    (tmp_path / "out").write_text("a file")
    task = Line()
    with pytest.raises(RimError, match="out"):
        run(tmp_path / "out", task=task)
    assert not task.calls


def test_a_loss_that_is_no_number_stops_the_run_and_names_step_and_images(tmp_path):
    task = Line(Loop(lr=0.1, workers=0, checkpoint_seconds=1e-6), broken={13})
    with pytest.raises(RimError) as caught:
        run(tmp_path, steps=20, task=task)
    keys = next(iter(Batches(20, 8, seed=7, first=13)))
    assert "step 13 of the images " + ", ".join(f"image{key.index}" for key in keys) in str(caught.value)
    kept = state.load(tmp_path / "line-state.pt", task.identity)
    assert kept["progress"]["step"] <= 13 and kept["model"]["weight"].isfinite().all()


@pytest.mark.parametrize(
    "budget", [{"steps": 0}, {"steps": -1}, {"minutes": 0.0}, {"minutes": -1.0}, {"minutes": math.nan}]
)
def test_a_budget_of_nothing_is_refused_before_anything_is_written(budget, tmp_path):
    with pytest.raises(RimError) as caught:
        fit.fit(Line(), tmp_path / "out", progress=False, device="cpu", **budget)
    assert caught.value.setting == next(iter(budget)) and not (tmp_path / "out").exists()


def test_accumulated_parts_have_the_gradient_of_the_whole(tmp_path):
    settings = {"lr": 0.1, "ema": 0.0, "weight_decay": 0.0, "workers": 0, "precision": "fp32"}
    run(tmp_path / "whole", task=Line(Loop(**settings)))
    run(tmp_path / "parts", task=Line(Loop(**settings, accumulate=4)))
    one, other = (load_file(tmp_path / name / "fitted.safetensors")["weight"] for name in ("whole", "parts"))
    assert torch.allclose(one, other, atol=1e-5)


def test_epochs_are_counted_in_images(tmp_path):
    record = run(tmp_path, steps=None, task=Line(Loop(epochs=6.0, steps=None, lr=0.1, workers=0)))
    assert record["metrics"]["steps"] == 15  # 6 times 20 images, 8 a step


def test_snapshots_and_the_best_by_validation_are_kept(tmp_path):
    settings = Loop(lr=0.1, ema=0.5, workers=0, snapshot_epochs=2, validation_images=4, validate_epochs=1.0)
    record = run(tmp_path, steps=12, task=Line(settings))  # 6 epochs of 16 images
    names = {path.name for path in tmp_path.glob("*.safetensors")}
    assert names == {
        "fitted.safetensors",
        "fitted-best.safetensors",
        *(f"fitted-epoch-{n}.safetensors" for n in (2, 4, 6)),
    }
    assert [row["step"] for row in record["validation"]] == [2, 4, 6, 8, 10, 12]
    best = min(record["validation"], key=lambda row: row["validation_wrong"])
    rows = (tmp_path / "logs/version_0/metrics.csv").read_text().splitlines()
    assert (
        rows[0].count("validation_wrong") == 1
        and best["validation_wrong"] < record["validation"][0]["validation_wrong"]
    )


def test_epochs_are_of_the_images_that_are_trained_on(tmp_path):
    record = run(tmp_path, steps=None, task=Line(Loop(epochs=6.0, steps=None, lr=0.1, workers=0, validation_images=4)))
    assert record["metrics"]["steps"] == 12  # 6 times 16 images, 8 a step


def test_the_speed_is_that_of_all_devices(tmp_path):
    def speed(world):
        fabric = SimpleNamespace(
            world_size=world, global_rank=1, device=torch.device("cpu"), all_reduce=lambda value, reduce_op: value
        )
        budget = loop.Budget(10)
        watch = Watch(Line(), fabric, budget, [], tmp_path, 0, board=False, progress=False)
        watch.add({"wrong": torch.tensor(1.0), "size": torch.tensor(0.0)}, 8)
        budget.tick(2.0)
        watch.row()
        return watch.log[0]["images_per_second"]

    assert [speed(1), speed(2)] == [4.0, 8.0]


@pytest.mark.parametrize("scaler", [None, torch.amp.GradScaler("cpu", init_scale=8.0)])
def test_a_state_has_float16s_scaler_where_there_is_one(scaler, tmp_path):
    fabric = SimpleNamespace(_precision=SimpleNamespace(scaler=scaler))
    made = SimpleNamespace(model=torch.nn.Linear(2, 2), optimizer=torch.nn.Linear(1, 1), average=None, fabric=fabric)
    parts = Run._parts(made)
    assert set(parts) == {"model", "optimizer"} | ({"scaler"} if scaler else set())
    state.save(tmp_path / "run.pt", parts, {"identity": {}})
    loaded = state.load(tmp_path / "run.pt", {})
    if scaler:
        parts["scaler"] = torch.amp.GradScaler("cpu", init_scale=2.0)
        state.restore(loaded, parts)
        assert parts["scaler"].get_scale() == 8.0


def test_images_of_the_validation_are_not_trained_on(tmp_path):
    task = Line(Loop(lr=0.1, workers=0, validation_images=4))
    seen = set()
    losses = task.losses
    task.losses = lambda model, batch, fabric: (
        seen.update(batch.names if model.training else ()) or losses(model, batch, fabric)
    )
    run(tmp_path, steps=12, task=task)
    assert len(seen) == 16


def test_two_runs_do_not_write_into_one_folder(tmp_path):
    (tmp_path / "logs").mkdir()
    with FileLock(tmp_path / "logs/.lock"), pytest.raises(RimError) as caught:
        run(tmp_path)
    assert caught.value.path == str(tmp_path)


def test_what_a_killed_run_left_half_written_is_removed(tmp_path):
    (tmp_path / f".{'0' * 16}.part").write_bytes(b"half a state")
    run(tmp_path, steps=2)
    assert not list(tmp_path.glob(".*.part"))


@pytest.mark.parametrize(("change", "setting"), [({"lr": 0.2}, "train.lr"), ({"precision": "fp32"}, "train.precision")])
def test_a_state_of_other_settings_is_refused_by_name(change, setting, tmp_path):
    settings = {"lr": 0.1, "workers": 0}
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, task=Line(Loop(**settings), stop_at=5))
    with pytest.raises(RimError) as caught:
        run(tmp_path, task=Line(Loop(**{**settings, **change})))
    assert caught.value.setting == setting and (tmp_path / "line-state.pt").exists()
    other = Line(Loop(**settings))
    other.samples.fingerprint = "g" * 8
    with pytest.raises(RimError) as caught:
        run(tmp_path, task=other)
    assert caught.value.setting == "data"
    run(tmp_path, task=Line(Loop(**settings, snapshot_epochs=1, checkpoint_seconds=9.0)))  # these may change


def test_matrices_decay_unless_their_group_sets_otherwise():
    task = Line(Loop(lr=0.1, weight_decay=0.3))
    task.optimizer_options = {"betas": (0.5, 0.6)}
    one, other = torch.nn.Linear(4, 2), torch.nn.Linear(2, 2)
    task.groups = lambda model: [
        {"params": list(one.parameters()), "rate": 0.1},
        {"params": list(other.parameters()), "rate": 0.2, "weight_decay": 0.0},
    ]
    fabric = SimpleNamespace(device=torch.device("cpu"))
    found = Run._optimizer(SimpleNamespace(task=task, model=None, fabric=fabric)).param_groups
    assert [(part["params"][0].ndim, part["lr"], part["weight_decay"], part["betas"]) for part in found] == [
        (2, 0.1, 0.3, (0.5, 0.6)),
        (1, 0.1, 0.0, (0.5, 0.6)),
        (2, 0.2, 0.0, (0.5, 0.6)),
        (1, 0.2, 0.0, (0.5, 0.6)),
    ]


def test_all_commands_have_the_same_options(capsys, tmp_path):
    given = []
    train = lambda **options: given.append(options) or {"metrics": {"steps": 3}}

    def run(*words):
        return command.run_training(train, command.command("train", "…"), ["--data", "d", "--out", "o", *words])

    common = {
        "data": "d",
        "out": "o",
        "steps": None,
        "minutes": None,
        "device": None,
        "resume": True,
        "devices": 1,
        "nodes": 1,
        "tensorboard": True,
        "changes": [],
    }
    assert (
        run("--minutes", "1.5", "--device", "cpu") == 0 and run("--fresh") == 0 and run("--resume", "--steps", "3") == 0
    )
    assert given == [{**common, "minutes": 1.5, "device": "cpu"}, {**common, "resume": False}, {**common, "steps": 3}]
    assert json.loads(capsys.readouterr().out.splitlines()[0]) == {"steps": 3}
    with pytest.raises(SystemExit):
        run("--fresh", "--resume")
    parser = command.command("train", "…")
    parser.add_argument("--profile")
    assert command.run_training(train, parser, ["--data", "d", "--out", "o", "--profile", "tny"]) == 2
    assert "did you mean tiny?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "option, value", [("--steps", "0"), ("--steps", "-3"), ("--minutes", "0"), ("--minutes", "nan")]
)
def test_a_budget_of_nothing_is_refused_before_the_data_are_read(option, value, capsys):
    def train(**options):
        raise AssertionError("the data would be read")

    arguments = ["--data", "d", "--out", "o", option, value]
    assert command.run_training(train, command.command("train", "…"), arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"rim: error: {option} {value}") and "must be" in line


def test_a_state_holds_no_code(tmp_path):
    """Torch's file is a pickle, read so that it can name tensors and plain values only."""

    class Run:
        def __reduce__(self):
            return print, ("this would have run",)

    torch.save({"progress": Run()}, tmp_path / "run.pt")
    with pytest.raises(RimError) as caught:
        state.load(tmp_path / "run.pt", {})
    assert caught.value.path == str(tmp_path / "run.pt")
