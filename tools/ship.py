"""Making a trained model the one that ships: half the precision, a card with its scores, and its record.

python -m tools.ship --run runs/tiny-long --data data/tiny-long-… --name tiny
python -m tools.ship --clip runs/clip
"""

import argparse
import sys
from pathlib import Path

from rimlib.clipmat import prompt
from rimlib.clipmat.backbone import CHECKPOINTS
from rimlib.clipmat.model import CLIPMat
from rimlib.evaluation.evaluate import evaluate
from rimlib.evaluation.no_target import refusal
from rimlib.io.files import read_json, write_atomically, write_json
from rimlib.refmatte.dataset import RefMatte
from rimlib.repository import repository
from rimlib.training import loop

SPLITS = {"seen": "seen", "unseen": "test"}
USE = "For learning and as a start for research; trained on a few hundred small cut-outs, it knows little beyond them."
LICENCE = "MIT (weights); the training pictures keep their own licences, see rimlib/starter/CREDITS.md"


def ship(run: str | Path, data: str | Path, name: str) -> dict:
    """Store the model of a run as the shipped one called `name`, score that file, and keep the run's record.

    run: a folder that `train` filled; data: the data set whose `seen` and `test` splits it is scored on.
    Returns the scores. Raises RimError.
    """
    record = read_json(Path(run) / "train.json")
    path = CHECKPOINTS / f"clipmat-{name}.safetensors"
    model = CLIPMat.load(run)
    facts = {
        "use": USE,
        "licence": LICENCE,
        "precision": "float16",
        "record": f"results/runs/train-{record['profile']}.json",
        **{key: record[key] for key in ("weights", "data", "metrics", "git")},
    }
    model.save(path, half=True, **facts)
    model = CLIPMat.load(path)
    scores = {}
    for label, split in SPLITS.items():
        for setting in ("keyword", "expression"):
            found = evaluate(model, RefMatte(data, split, setting), template=prompt.template(model.profile))["metrics"]
            scores[f"{setting}, {label}"] = {
                key: round(found[key], 4)
                for key in ("entities", "localised", "chance", "iou", "sad", "mse", "mad", "sad_e", "sad_ratio")
            }
        found = refusal(model, RefMatte(data, split), template=prompt.template(model.profile))
        scores[f"sentences that fit nothing, {label}"] = {key: round(value, 4) for key, value in found.items()}
    model.save(path, half=True, **facts, scores=scores)
    write_json(repository() / "results" / "runs" / f"train-{record['profile']}.json", record)
    return scores


def ship_clip(run: str | Path) -> Path:
    """Store the CLIP of a folder that `pretrain` filled as the shipped one, in float16, and keep the run's record."""
    from safetensors.torch import load_file, save

    record = read_json(Path(run) / "pretrain.json")
    name = f"{record['settings']['model']['backbone']}-clip"
    tensors = {
        key: value.half() if value.ndim else value
        for key, value in load_file(Path(run) / f"{name}.safetensors").items()
    }
    path = write_atomically(CHECKPOINTS / f"{name}.safetensors", save(tensors))
    write_json(
        path.with_suffix(".json"),
        {
            **read_json(Path(run) / f"{name}.json"),
            "precision": "float16",
            "licence": LICENCE,
            "record": f"results/runs/pretrain-{record['profile']}.json",
        },
    )
    write_json(repository() / "results" / "runs" / f"pretrain-{record['profile']}.json", record)
    return path


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.ship", description=__doc__.splitlines()[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--run", help="folder of a training run")
    what.add_argument("--clip", help="folder of a pre-training run")
    parser.add_argument("--data", help="data set to score on (with --run)")
    parser.add_argument("--name", default="tiny", help="the shipped model's name (with --run)")
    options = parser.parse_args(arguments)
    if options.run and not options.data:
        parser.error("--run needs --data")
    return loop.run_command(
        lambda: (
            ship(options.run, options.data, options.name) if options.run else {"file": str(ship_clip(options.clip))}
        ),
        options.run or options.clip,
    )


if __name__ == "__main__":
    sys.exit(main())
