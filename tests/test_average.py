"""`rim average`: the mean of the weights of trainings."""

import json
from dataclasses import replace

import pytest
import torch

from rimlib import cli
from rimlib import profile as profiles
from rimlib.clipmat import CLIPMat
from rimlib.errors import RimError
from rimlib.io.files import read_json, write_json
from rimlib.training.average import average

PROFILE = profiles.load("tiny", model__image_size=32)


def run_in(folder, seed, profile=PROFILE):
    """A folder as a training leaves it."""
    torch.manual_seed(seed)
    model = CLIPMat.from_profile(profile, weights="random")
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer += seed
    model.save(folder, data=f"of {seed}")
    write_json(folder / "train.json", {"profile": "tiny", "seed": seed, "git": {}, "metrics": {"steps": seed}})
    return folder


def test_the_mean_of_two_runs_is_a_run(tmp_path, capsys):
    runs = [run_in(tmp_path / name, seed) for name, seed in (("a", 1), ("b", 2))]
    assert cli.main(["average", *map(str, runs), "--out", str(tmp_path / "mean")]) == 0
    assert json.loads(capsys.readouterr().out) == {"averaged": 2}
    one, two, mean = (CLIPMat.load(folder) for folder in (*runs, tmp_path / "mean"))
    states = [model.state_dict() for model in (one, two, mean)]
    for name, tensor in states[2].items():
        torch.testing.assert_close(
            tensor, (states[0][name] + states[1][name]) / 2 if tensor.is_floating_point() else tensor
        )
    assert any(not torch.equal(states[0][name], tensor) for name, tensor in states[2].items())
    record = read_json(tmp_path / "mean" / "train.json")
    assert record["metrics"] == {"steps": 2} and [row["seed"] for row in record["averaged"]] == [1, 2]
    assert mean.card["data"] == "of 2" and len(mean.card["averaged"]) == 2


def test_what_cannot_be_averaged_is_one_line(tmp_path, capsys):
    first = run_in(tmp_path / "a", 1)
    with pytest.raises(RimError) as error:
        average([first], tmp_path / "out")
    assert error.value.setting == "runs"
    larger = replace(PROFILE, model=replace(PROFILE.model, image_size=64))
    other = run_in(tmp_path / "b", 2, larger)
    assert cli.main(["average", str(first), str(other), "--out", str(tmp_path / "out")]) == 2
    assert "image_size is 32, not 64" in capsys.readouterr().err
    assert cli.main(["average", str(first), str(tmp_path / "none"), "--out", str(tmp_path / "out")]) == 2
    assert "none" in capsys.readouterr().err and not (tmp_path / "out").exists()
    assert cli.main(["average", str(first), str(first), "--out", str(first)]) == 2
    assert "holds a run already" in capsys.readouterr().err
