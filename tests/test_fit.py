"""The loop that every training here goes through, with the smallest model that learns: four weights and a bias."""

import json
import signal
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file

from rimlib import profile as profiles
from rimlib.errors import RimError
from rimlib.profile import Loop
from rimlib.training import fit, loop, state

TRUTH = torch.tensor([[1.0, -2.0, 3.0, 0.5]])


class Line(fit.Task):
    """Learns TRUTH from 8 rows a step; the first weight must not pass 0.7, and `size` is only written down."""

    kind, name, loss, log_every, shown = "line", "fitted", "wrong", 5, ("size",)

    def __init__(self, train=None, broken=(), stop_at=None):
        samples = SimpleNamespace(fingerprint="f" * 8, image_names=["a", "b"], targets=["a1", "a2", "b1"])
        train = train or Loop(lr=0.1, ema=0.5, weight_decay=0.0)
        super().__init__(profiles.load("tiny"), samples, train, seed=7)
        self.broken, self.stop_at, self.made, self.calls = broken, stop_at, [], 0

    @property
    def settings(self):
        return {"model": {"width": 4}, "train": {"lr": self.train.lr}}

    def build(self):
        return torch.nn.Linear(4, 1)

    def begin(self, model, device, stages):
        with stages("looking"):
            self.first = model.weight.detach().clone()
        return {"looked": True}

    def prepare(self, model, step):
        self.made.append(step)
        rows = torch.from_numpy(self.rng(step).normal(size=(8, 4))).float()
        return step, rows, rows @ TRUTH.T

    def images(self, batch):
        return len(batch[1])

    def losses(self, model, batch, device):
        self.calls += 1
        if self.calls == self.stop_at:
            signal.raise_signal(signal.SIGINT)
        step, rows, true = batch
        wrong = ((model(rows) - true) ** 2).mean() * (float("nan") if step in self.broken else 1)
        return {"wrong": wrong, "size": torch.tensor(float(step))}

    def after_step(self, model):
        model.weight[:, 0].clamp_(max=0.7)

    def end(self, model, device, stages):
        return {"off": (model.weight - TRUTH).abs().max().item()}

    def store(self, model, path, budget, metrics):
        save_file(model.state_dict(), path)


def run(out, steps=40, task=None, **more):
    return fit.fit(task or Line(), out, steps=steps, progress=False, device="cpu", **more)


def test_a_run_is_written_down_under_its_own_names(tmp_path):
    record = run(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"line.json", "fitted.safetensors"}
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
        "images": 2,
        "entities": 3,
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


@pytest.mark.parametrize("stop_at", [1, 5, 17])
def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(stop_at, tmp_path):
    whole = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", task=Line(stop_at=stop_at))
    assert (tmp_path / "parts/line-state.pt").exists() and not (tmp_path / "parts/line.json").exists()
    again = Line()
    record = run(tmp_path / "parts", task=again)
    assert again.made[0] == stop_at and record["metrics"]["steps"] == 40
    assert load_file(tmp_path / "parts/fitted.safetensors")["weight"].equal(
        load_file(tmp_path / "whole/fitted.safetensors")["weight"]
    )
    assert record["log"][-1]["wrong"] == whole["log"][-1]["wrong"]


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


def test_steps_whose_loss_is_no_number_are_left_out(tmp_path):
    record = run(tmp_path, steps=20, task=Line(broken={6, *range(10, 15)}))
    assert [row["step"] for row in record["log"]] == [5, 10, 20]  # nothing can be said of 11 to 15
    assert record["log"][1]["size"] == pytest.approx((5 + 7 + 8 + 9) / 4)
    assert load_file(tmp_path / "fitted.safetensors")["weight"].isfinite().all()
    with pytest.raises(RimError, match="20 steps in a row"):
        run(tmp_path, steps=60, task=Line(broken=range(5, 60)))


def test_matrices_decay_unless_their_group_says_otherwise():
    task = Line(Loop(lr=0.1, weight_decay=0.3))
    task.optimizer_options = {"betas": (0.5, 0.6)}
    one, other = torch.nn.Linear(4, 2), torch.nn.Linear(2, 2)
    task.groups = lambda model: [
        {"params": list(one.parameters()), "rate": 0.1},
        {"params": list(other.parameters()), "rate": 0.2, "weight_decay": 0.0},
    ]
    found = fit._optimizer(task, None, torch.device("cpu")).param_groups
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
        return loop.run_training(train, loop.command("train", "…"), ["--data", "d", "--out", "o", *words])

    common = {"data": "d", "out": "o", "steps": None, "minutes": None, "device": None, "resume": True}
    assert (
        run("--minutes", "1.5", "--device", "cpu") == 0 and run("--fresh") == 0 and run("--resume", "--steps", "3") == 0
    )
    assert given == [{**common, "minutes": 1.5, "device": "cpu"}, {**common, "resume": False}, {**common, "steps": 3}]
    assert json.loads(capsys.readouterr().out.splitlines()[0]) == {"steps": 3}
    with pytest.raises(SystemExit):
        run("--fresh", "--resume")
    parser = loop.command("train", "…")
    parser.add_argument("--profile")
    assert loop.run_training(train, parser, ["--data", "d", "--out", "o", "--profile", "tny"]) == 2
    assert "did you mean tiny?" in capsys.readouterr().err


def test_the_random_numbers_of_the_device_are_kept_too(tmp_path, monkeypatch):
    """Of a device that is not here, its module has the two functions that torch's devices have."""
    numbers = SimpleNamespace(state=torch.arange(4), is_available=lambda: True)
    numbers.get_rng_state = lambda: numbers.state
    numbers.set_rng_state = lambda state: setattr(numbers, "state", state)
    monkeypatch.setattr(torch, "get_device_module", lambda device: numbers)
    model = torch.nn.Linear(2, 2)
    torch.manual_seed(1)
    before, weight = torch.get_rng_state(), model.weight.detach().clone()
    state.save(tmp_path / "run.pt", {"model": model}, {"key": "k"}, torch.device("cuda"))
    numbers.state, _ = torch.zeros(4), torch.rand(3)
    torch.nn.init.zeros_(model.weight)
    state.restore(state.load(tmp_path / "run.pt", "k"), {"model": model})
    assert numbers.state.equal(torch.arange(4)) and torch.get_rng_state().equal(before) and model.weight.equal(weight)


def test_a_state_holds_no_code(tmp_path):
    """Torch's file is a pickle, read so that it can name tensors and plain values only."""

    class Run:
        def __reduce__(self):
            return print, ("this would have run",)

    torch.save({"progress": Run()}, tmp_path / "run.pt")
    with pytest.raises(RimError) as caught:
        state.load(tmp_path / "run.pt", "k")
    assert caught.value.path == str(tmp_path / "run.pt")
