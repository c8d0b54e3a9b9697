"""The page "Train on the real RefMatte": its commands run on small files in the released layout, its sums are right."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import open_clip
import pytest
import torch

from rimlib import baselines, cli
from rimlib import profile as profiles
from rimlib.clipmat import clip_weights
from rimlib.clipmat.refiner import Refiner
from rimlib.evaluation import ablation
from rimlib.io.weights import CHECKPOINTS
from rimlib.repository import repository
from rimlib.training import coarse

PAGE = (repository() / "book" / "real_refmatte.md").read_text(encoding="utf-8")
COMMANDS = [
    line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.S) for line in block.replace("\\\n", " ").splitlines()
]
IMAGES = {"expression": 45_000, "keyword": 30_391}  # Paper: Sec. 3.3
ENCODER = "clip/open_clip_model.safetensors"

THIN = {
    "model.backbone": "rim-tiny",
    "model.image_size": 64,
    "model.popup_width": 32,
    "model.semantic_width": 8,
    "model.details_width": 8,
    "model.details_channels": [16, 16, 8, 8],
    "model.details_out": [16, 8, 8, 8],
    "train.images": 2,
    "train.workers": 0,
    "refiner.encoder": "random",
    "refiner.widths": [8, 8, 8, 8, 8],
    "refiner.blocks": [1, 1, 1, 1],
    "refiner.crops": [[64, 2]],
    "refiner.predictions": 2,
    "refiner.workers": 0,
}
BASELINE = {"train.images": 2, "train.workers": 0}


def words_of(command):
    """A command's words after `rim`, and the number of processes that it is for."""
    words = shlex.split(re.sub(r"^CUDA_VISIBLE_DEVICES=[\d,]+ ", "", command))
    if words[0] == "torchrun":
        start = words.index("-m")
        assert words[start + 1] == "rimlib"
        return words[start + 2 :], int(words[words.index("--nproc_per_node") + 1])
    assert words[0] == "rim", f"what is not rim or torchrun has a test of its own: {command}"
    return words[1:], int(words[words.index("--devices") + 1]) if "--devices" in words else 1


def small(words):
    """The same command for thin networks, few images and one CPU process."""
    words = list(words)
    if "--devices" in words:
        place = words.index("--devices")
        words[place : place + 2] = []
    if words[0] in ("train", "refine", "train-baseline", "evaluate"):
        words += ["--device", "cpu"]
    if words[0] == "evaluate":
        words += ["--limit", "1", "--no-edges"]
    if words[0] == "train-baseline" or "--method" in words:
        words[words.index("--size") + 1] = "tiny"
    if words[0] in ("train", "refine", "train-baseline"):
        given = BASELINE if words[0] == "train-baseline" else THIN
        words += ["--steps", "1", "--no-tensorboard"]
        words += [word for name, value in given.items() for word in ("--set", f"{name}={json.dumps(value)}")]
    if words[0] == "train" and "--weights" not in words:
        words += ["--weights", "random"]
    return ["random" if word == "mdetr-phrasecut.safetensors" else word for word in words]


@pytest.fixture
def released(make_released, tmp_path, monkeypatch):
    """The page's folders in the working directory: images of the released size to train on, small ones to score."""
    make_released(tmp_path, "train")
    for split in ("test", "rw100"):
        make_released(tmp_path, split, 2, 270, 405)
    (tmp_path / "RefMatte_RW_100/eval_index_expression.json").write_text('{"0": 3, "1": 2}')
    (tmp_path / "clip").mkdir()
    shutil.copy(CHECKPOINTS / "rim-tiny-clip.safetensors", tmp_path / ENCODER)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_command_of_the_page_runs(released, capsys, monkeypatch):
    # An untrained CLIPMat localises nothing, and the refiner's training would say so.
    monkeypatch.setattr(coarse, "localised", lambda *_: True)
    ran = []
    for command in COMMANDS:
        if command.startswith("hf "):
            continue
        words, _ = words_of(command)
        out_folder = Path(words[words.index("--out") + 1]) if "--out" in words else None
        was_there = out_folder is not None and out_folder.exists()
        capsys.readouterr()
        status = cli.main(small(words))
        out, err = capsys.readouterr()
        assert status == 0, f"{command}\n{err}"
        ran.append(words[0])
        if "--dry-run" in words:
            assert out_folder is not None and out_folder.exists() == was_there, "nothing is kept"
            assert json.loads(out.splitlines()[-1])["peak_memory_gib"]["process"] > 0
        elif words[0] == "evaluate":
            check_scores(words, json.loads(out.splitlines()[-1]))
    assert {"check", "stats", "train", "refine", "train-baseline", "evaluate"} == set(ran) and len(ran) >= 18
    check_runs()


def check_scores(words, found):
    """The commands of step 6: the setting of the training, both rows with a refiner, RW100 by its index."""
    is_keyword = any("keyword" in word for word in words)
    assert found["setting"] == ("keyword" if is_keyword else "expression")
    assert ("refined" in found) is ("--refiner" in words)
    assert found["scored_by"] == (
        "keyword" if is_keyword else "index" if "rw100" in words else "hash of the mask id"
    ), words


def check_runs():
    """The trainings learnt what the page states: two settings, and as many tokens."""
    for name, setting, length in (("b16", "expression", 69), ("b16-keyword", "keyword", 14)):
        settings = json.loads(Path("runs", name, "train.json").read_text())["settings"]
        assert settings["train"]["setting"] == setting and settings["model"]["text_length"] == length
        assert Path("runs", name, "logs/version_0/metrics.csv").is_file()
    keyword = json.loads(Path("runs/clipseg-keyword/train.json").read_text())
    assert keyword["settings"]["train"]["keyword_share"] == 1
    assert json.loads(Path("runs/b16-offline/train.json").read_text())["weights"] == Path(ENCODER).name


def test_rim_train_takes_two_processes(released):
    """The command of step 2 as it is given to a terminal."""
    words, devices = words_of(next(command for command in COMMANDS if "--devices 2" in command))
    assert devices == 2
    words = [*small([word for word in words if word != "--dry-run"]), "--devices", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-m", "rimlib", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    record = json.loads((released / "runs/b16/train.json").read_text())
    assert record["metrics"]["steps"] == 1 and [part["devices"] for part in record["parts"]] == [2]


def test_batches_can_be_divided_by_the_gpus_of_a_command():
    for command in COMMANDS:
        words, count = words_of(command) if not command.startswith("hf ") else ([""], 1)
        if words[0] not in ("train", "refine", "train-baseline") or "--dry-run" in words:
            continue
        name = words[words.index("--profile") + 1] if "--profile" in words else "paper-b16"
        changes = [words[place + 1] for place, word in enumerate(words) if word == "--set"]
        profile = profiles.with_settings(profiles.load(name), changes)
        images = {"train": profile.train.images, "refine": profile.refiner.crops[0][1]}.get(words[0])
        if words[0] == "train-baseline":
            images = getattr(profile.baselines, words[words.index("--baseline") + 1]).images
        assert images % count == 0, command


def test_the_file_that_is_fetched_is_the_one_that_the_profile_takes():
    (command,) = (command for command in COMMANDS if command.startswith("hf "))
    _, _, repo, file, *_ = shlex.split(command)
    backbone = profiles.load("paper-b16").model.backbone
    assert repo == open_clip.get_pretrained_cfg(backbone, "openai")["hf_hub"].strip("/") and file == clip_weights.FILE


def rows_of(head):
    """The rows of the page's table with this head, as lists of cells."""
    table = PAGE[PAGE.index(head) :].split("\n\n")[0].splitlines()[2:]
    return {cells[0]: cells[1:] for cells in ([cell.strip() for cell in line.strip("|").split("|")] for line in table)}


def parameters(module):
    values = list(module.parameters())
    return sum(value.numel() for value in values), sum(value.numel() for value in values if value.requires_grad)


def test_sums_of_the_table_of_trainings():
    rows = rows_of("| training | images in a step |")
    for name in ("paper-b16", "paper-b16-keyword", "paper-l14", "paper-l14-keyword"):
        profile = profiles.load(name)
        count = ablation.parameters(profile.model)
        check_row(rows.pop(name), profile.train, profile.train.images, IMAGES[profile.train.setting], count, count)
    profile = profiles.load("paper-b16")
    with torch.device("meta"):
        refiner = Refiner(profile.refiner.widths, profile.refiner.blocks, profile.refiner.follow)
        found = {name: baselines.get(name, "paper", "random") for name in ("clipseg", "mdetr")}
    mattes = 512**2 * profile.refiner.predictions * 112_506 / 45_000
    size = profile.refiner.crops[0][1]
    check_row(rows.pop("refiner"), profile.refiner, size, 45_000, *parameters(refiner), mattes)
    for name, method in found.items():
        size = getattr(profile.baselines, name).images
        check_row(rows.pop(name), profile.train, size, 45_000, *parameters(method))
    assert not rows


def check_row(row, loop, size, images, count, learning, more=0):
    altogether, kept = loop.epochs * images, int(loop.epochs / loop.snapshot_epochs) + 1
    assert loop.ema == 0, "an average is a part of the state, too"
    state = 4 * count + 8 * learning  # weights, and two moments
    assert row == [
        str(size),
        f"{altogether:,.0f}",
        f"{altogether / 10 / 3600:.1f}",
        f"{(2 * state + kept * 4 * count + more) / 1e9:.1f}",
    ]


def test_hours_are_those_of_the_paper_in_proportion():
    """Paper: Sec. 5.1, about 1 day and 3 days on two GPUs."""
    for name, (one, two, eight) in rows_of("| training | one A100 |").items():
        hours = (72 if "l14" in name else 24) * IMAGES[profiles.load(name).train.setting] / 45_000
        for cell, gpus in ((one, 1), (two, 2), (eight, 8)):
            assert int(cell.split()[0]) == int(hours * 2 / gpus + 0.5), (name, gpus)
    speeds = [50 * 45_000 / (days * 86_400) for days in (1, 3)]
    assert f"that is {speeds[0]:.0f} and {speeds[1]:.1f} images a second" in PAGE
