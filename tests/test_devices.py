"""Several devices: two processes on the CPU train what one trains, started by torchrun and by Fabric itself."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from rimlib.errors import RimError
from rimlib.training import devices

TESTS = Path(__file__).parent
# Batch norm and a matrix; the loss is a mean over the batch.
TASK = """
import sys
import torch
from torch import nn
sys.path.insert(0, {tests!r})
from rimlib.profile import Loop
from rimlib.training.fit import fit
from test_fit import Line, TRUTH

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.line = nn.BatchNorm2d(4), nn.Linear(4, 1)

    def forward(self, rows):
        return self.line(self.norm(rows[:, :, None, None].expand(-1, -1, 2, 3) + 3.0).mean(dim=(2, 3)))

class Normed(Line):
    def begin(self, model, device, stages):
        return {{}}

    def build(self):
        return Net()

    def after_step(self, model):
        pass

    def end(self, model, device, stages):
        return {{}}

settings = Loop(lr=0.05, ema=0.9, weight_decay=0.0, workers=1, precision="fp32", accumulate=int(sys.argv[3]))
record = fit(Normed(settings, stop_at=int(sys.argv[4]) or None), sys.argv[1], steps=20, progress=False, device="cpu",
             devices=int(sys.argv[2]))
"""


def launch(tmp_path, out, *starter, devices=1, accumulate=1, stop_at=0):
    script = tmp_path / "task.py"
    script.write_text(TASK.format(tests=str(TESTS)))
    words = [str(script), str(tmp_path / out), str(devices), str(accumulate), str(stop_at)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, *starter, *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, **pipes) as started:
        try:
            printed, errors = started.communicate(timeout=300)
        except subprocess.TimeoutExpired:
            started.terminate()  # not kill: torchrun ends its workers only where it can
            raise
    return subprocess.CompletedProcess(command, started.returncode, printed, errors)


def weights(folder):
    return load_file(folder / "fitted.safetensors")


def near(one, other):
    assert set(one) == set(other)
    return max((one[name].double() - other[name].double()).abs().max().item() for name in one)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    done = launch(folder, "one")
    assert done.returncode == 0, done.stderr
    return folder / "one"


TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")


@pytest.mark.parametrize(("starter", "devices"), [(TORCHRUN, 1), ((), 2)], ids=["torchrun", "fabric"])
def test_two_processes_train_what_one_does(starter, devices, alone, tmp_path):
    done = launch(tmp_path, "two", *starter, devices=devices)
    assert done.returncode == 0, done.stderr
    assert near(weights(alone), weights(tmp_path / "two")) < 1e-5
    one, two = (json.loads((folder / "line.json").read_text()) for folder in (alone, tmp_path / "two"))
    assert [row["wrong"] for row in two["log"]] == pytest.approx([row["wrong"] for row in one["log"]], abs=1e-4)
    assert (one["parts"][0]["devices"], two["parts"][0]["devices"]) == (1, 2)


def test_a_run_of_two_processes_resumes_on_one(alone, tmp_path):
    stopped = launch(tmp_path, "two", *TORCHRUN, stop_at=7)
    assert (tmp_path / "two/line-state.pt").exists() and not (tmp_path / "two/line.json").exists(), stopped.stderr
    resumed = launch(tmp_path, "two")
    assert resumed.returncode == 0 and "resumes on 1 devices, was left by 2" in resumed.stderr
    assert near(weights(alone), weights(tmp_path / "two")) < 1e-5


def test_a_step_that_cannot_be_shared_is_refused(tmp_path):
    done = launch(tmp_path, "two", *TORCHRUN, accumulate=3)
    assert done.returncode != 0 and "must be a multiple of 6" in done.stderr


@pytest.mark.parametrize(
    ("options", "setting"),
    [({"devices": 10_000}, "devices"), ({"device": "cuda:7"}, "device"), ({"precision": "fp16"}, "train.precision")],
)
def test_devices_that_are_not_there_are_refused(options, setting):
    if setting == "device" and torch.cuda.device_count() > 7:
        pytest.skip("this machine has it")
    with pytest.raises(RimError) as caught:
        devices.launch(**{"device": "cpu", **options})
    assert caught.value.setting == setting


def test_batch_norm_of_all_devices_is_torchs_own_on_one(monkeypatch):
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 1)
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda value: None)
    torch.manual_seed(0)
    x = torch.randn(3, 5, 4, 6, dtype=torch.float32).mul(3).add(2)
    one = torch.nn.BatchNorm2d(5)
    other = devices.synchronise_norms(torch.nn.Sequential(torch.nn.BatchNorm2d(5)), torch.device("cpu"))[0]
    assert type(other) is devices.CPUSyncBatchNorm
    found = []
    for module in (one, other):
        mine = x.clone().requires_grad_()
        for _ in range(2):
            y = module(mine)
        y.square().mul(torch.arange(6.0)).sum().backward()
        found.append([y, mine.grad, module.weight.grad, module.bias.grad, *module.buffers()])
    for a, b in zip(*found):
        assert torch.allclose(a.float(), b.float(), atol=1e-4, rtol=1e-5)
    assert torch.equal(one.eval()(x), other.eval()(x)) or torch.allclose(one(x), other(x), atol=1e-5)
