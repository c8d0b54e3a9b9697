"""Making a trained model the one that ships: half the precision, a card with its scores, and its record.

python -m tools.ship --run runs/tiny-long --data data/tiny-long-… --name tiny
python -m tools.ship --refiner runs/refine --data data/tiny-…
python -m tools.ship --refiner-again --data data/tiny-…      # the shipped one, scored after a new CLIPMat
python -m tools.ship --vocabulary     # of the shipped CLIPMat, by the pool that its profile names; its weights stay
python -m tools.ship --clip runs/clip
python -m tools.ship --baseline runs/clipseg --data data/tiny-…      # ships nothing: its record, with its scores
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rimlib import baselines
from rimlib import profile as profiles
from rimlib.additions.calibration import KEY
from rimlib.baselines.clipmat import PROFILES
from rimlib.clipmat import prompt
from rimlib.clipmat.model import CLIPMat
from rimlib.clipmat.pretrained import shipped_file as shipped_clipmat
from rimlib.clipmat.refiner import Refiner, shipped_file
from rimlib.evaluation import calibration
from rimlib.evaluation import refiner as refining
from rimlib.evaluation.evaluate import SPLITS, scores
from rimlib.evaluation.no_target import no_target_rejection, scored_anew
from rimlib.io.files import read_json, write_json
from rimlib.io.weights import CHECKPOINTS, read_header, read_tensors, write
from rimlib.refmatte import vocabulary
from rimlib.refmatte.build import pool_of
from rimlib.refmatte.dataset import RefMatte
from rimlib.repository import repository
from rimlib.training import command
from rimlib.understanding.vocabulary import KEY as VOCABULARY

USE = "For learning and as a start for research; trained on a few hundred small cut-outs, it finds little beyond them."
USE_REFINER = (
    "As the last stage after any model here; trained on scenes of 240 x 320 pixels of a few hundred small cut-outs, "
    "it finds little beyond them."
)
RESULTS = ("scores", "ratios", "scored_after")  # of a refiner
REFINER = shipped_file()
LICENCE = "MIT (weights); the training images keep their own licences, see rimlib/starter/CREDITS.md"


def ship(run: Path, data: Path, name: str) -> dict[str, Any]:
    """Store the model of a run as the shipped one called `name`, score that file, and keep the run's record.

    Args:
        run: a folder that `rim train` filled.
        data: the data set whose `seen` and `test` splits it is scored on.
        name: of the shipped model, and of the profile in whose scenes its score is calibrated.

    Returns:
        The scores.
    """
    record = read_json(run / "train.json")
    path = CHECKPOINTS / f"clipmat-{name}.safetensors"
    facts = _facts(record, USE, f"train-{record['profile']}", "weights")
    facts |= {key: record[key] for key in ("averaged",) if key in record}
    CLIPMat.load(run).save(path, half=True, **facts)
    model, settings = CLIPMat.load(path), profiles.Profile.from_dict(record["settings"])
    facts[VOCABULARY] = CLIPMat.load(run).card.get(VOCABULARY) or _vocabulary(settings)
    plain = profiles.load(name).data  # in a training's own scenes a place decides more often than elsewhere
    held_out = scored_anew(model, pool_of(plain), plain)
    facts[KEY] = model.card[KEY] = calibration.fit(held_out.score, held_out.true).to_dict()
    found = scores(model, data, settings)
    for label, split in SPLITS.items():
        row = no_target_rejection(model, RefMatte(data, split), template=prompt.template(model.profile))
        found[f"no target, {label}"] = {key: round(value, 4) for key, value in row.items()}
    model.save(path, half=True, **facts, scores=found)
    _keep(f"train-{record['profile']}", record)
    return found


def ship_vocabulary(name: str = "tiny") -> dict[str, Any]:
    """Write the nouns of its training into the card of the shipped model `name`. Returns how many they are."""
    path = shipped_clipmat(name)
    header = read_header(path)
    found = _vocabulary(profiles.Profile.from_dict(header["profile"]))
    header["card"][VOCABULARY] = found
    write(path, read_tensors(path), header, beside=True)
    return {"nouns": len(found["nouns"].split(", "))}


def ship_refiner(run: Path, data: Path) -> dict[str, Any]:
    """The same of a folder that `rim refine` filled; it is scored after the shipped CLIPMat. Returns the ratios."""
    record = read_json(run / "refine.json")
    facts: dict[str, Any] = {"profile": "tiny", **_facts(record, USE_REFINER, "refine-tiny", "parameters")}
    Refiner.load(run).save(REFINER, **facts)
    return _score_refiner(data, record, facts)


def score_refiner_again(data: Path) -> dict[str, Any]:
    """The shipped refiner, scored after the CLIPMat that ships now, for its card and its record. Returns the ratios."""
    record = read_json(repository() / "results" / "runs" / "refine-tiny.json")
    card = read_json(REFINER.with_suffix(".json"))["card"]
    facts = {key: value for key, value in card.items() if key not in RESULTS}
    return _score_refiner(data, record, facts)


def _score_refiner(data: Path, record: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    refiner, model = Refiner.load(REFINER), CLIPMat.shipped()
    found = {
        label: refining.scores(refiner, model, RefMatte(data, split), progress=True) for label, split in SPLITS.items()
    }
    after = {key: model.card[key] for key in ("record", "git")}
    results: dict[str, Any] = {"scores": found, "ratios": refining.ratios(found), "scored_after": after}
    refiner.save(REFINER, **facts, **results)
    _keep("refine-tiny", {**record, **results})
    return results["ratios"]


def ship_clip(run: Path) -> dict[str, Any]:
    """Store the CLIP of a folder that `rim pretrain` filled as the shipped one, in float16, and keep its record."""
    record = read_json(run / "pretrain.json")
    name, kept = f"{record['settings']['model']['backbone']}-clip", f"pretrain-{record['profile']}"
    more = {"precision": "float16", "licence": LICENCE, "record": f"results/runs/{kept}.json"}
    card = {**read_json(run / f"{name}.json"), **more}
    path = write(
        CHECKPOINTS / f"{name}.safetensors", read_tensors(run / f"{name}.safetensors"), card, True, beside=True
    )
    _keep(kept, record)
    return {"file": str(path)}


def keep_baseline(run: Path, data: Path) -> dict[str, Any]:
    """Score the baseline of a folder that `rim train-baseline` filled, and keep its record. Returns the scores."""
    record = read_json(run / "train.json")
    name, size = record["method"], record["settings"]["model"]["size"]
    method = baselines.get(name, size, str(run / f"{name}.safetensors"))
    found = scores(method, data, profiles.load(PROFILES[size]), progress=True)
    _keep(f"baseline-{name}-{size}", {**record, "scores": found})
    return found


def _facts(record: dict[str, Any], use: str, kept: str, more: str) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "use": use,
        "licence": LICENCE,
        "precision": "float16",
        "record": f"results/runs/{kept}.json",
    }
    return {**facts, **{key: record[key] for key in (more, "data", "metrics", "git")}}


def _vocabulary(settings: profiles.Profile) -> dict[str, Any]:
    """The nouns of a training on scenes of the pool that its profile names."""
    return vocabulary.of_pool(pool_of(settings.data), settings.data.wider_words > 0).to_dict()


def _keep(name: str, record: dict[str, Any]) -> None:
    write_json(repository() / "results" / "runs" / f"{name}.json", record)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.ship", description=__doc__.splitlines()[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--run", type=Path, help="folder of a training run of CLIPMat")
    what.add_argument("--refiner", type=Path, help="folder of a training run of the refiner")
    what.add_argument(
        "--refiner-again", action="store_true", help="score the shipped refiner after the shipped CLIPMat"
    )
    what.add_argument(
        "--vocabulary", action="store_true", help="write the nouns of its training into the shipped CLIPMat's card"
    )
    what.add_argument("--clip", type=Path, help="folder of a pre-training run")
    what.add_argument("--baseline", type=Path, help="folder of a training run of a baseline")
    parser.add_argument("--data", type=Path, help="data set to score on (all but --clip and --vocabulary)")
    parser.add_argument("--name", default="tiny", help="the shipped model's name (with --run)")
    options = parser.parse_args(arguments)
    run = options.run or options.refiner or options.clip or options.baseline or REFINER.parent
    if not (options.clip or options.vocabulary or options.data):
        parser.error("--data is needed, to score on")

    def work() -> dict[str, Any]:
        if options.run:
            return ship(run, options.data, options.name)
        if options.vocabulary:
            return ship_vocabulary(options.name)
        if options.refiner_again:
            return score_refiner_again(options.data)
        if options.refiner:
            return ship_refiner(run, options.data)
        return ship_clip(run) if options.clip else keep_baseline(run, options.data)

    return command.run_command(work, run)


if __name__ == "__main__":
    sys.exit(main())
