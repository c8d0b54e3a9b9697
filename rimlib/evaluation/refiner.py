"""How much better the refiner makes mattes, and making a trained one the one that ships.

Paper: S4.2, Table 6: errors with and without the refiner. Two sorts of coarse mattes are refined: what a CLIPMat says, and the truth
made worse (see `coarse`), which tells an edge in the wrong place from an entity that is the wrong one.

    python -m rimlib.evaluation.refiner --run runs/refine --data data/tiny-…
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from rimlib.clipmat.model import CLIPMat
from rimlib.clipmat.refiner import CHECKPOINTS, Refiner
from rimlib.evaluation.evaluate import predict
from rimlib.io.files import read_json, write_json
from rimlib.io.images import resize
from rimlib.matting import metrics
from rimlib.matting.trimap import kernel_for
from rimlib.refmatte.dataset import RefMatte
from rimlib.repository import repository
from rimlib.training import loop
from rimlib.training.coarse import worsen

SPLITS = {"seen": "seen", "unseen": "test"}  # our names → splits of the data set
MEASURES = ("sad", "mse", "mad", "sad_in_band", "iou")
USE = "As the last stage after any model here; trained on scenes of 240 x 320 pixels of a few hundred small cut-outs, it knows little beyond them."
LICENCE = "MIT (weights); the training pictures keep their own licences, see rimlib/starter/CREDITS.md"
RATIOS = {  # name: (which mattes, which measure)
    "sad_ratio": ("all", "sad"),
    "sad_ratio_localised": ("localised", "sad"),
    "sad_ratio_degraded": ("degraded", "sad"),
    "band_ratio_localised": ("localised", "sad_in_band"),
    "band_ratio_degraded": ("degraded", "sad_in_band"),
}


def scores(
    refiner: Refiner, model: CLIPMat, refmatte: RefMatte, limit: int | None = None, progress: bool = False
) -> dict:
    """Mean errors before and after refining, for CLIPMat's mattes (`all`, and those that are `localised`) and the truth made worse (`degraded`).

    refmatte: its sentences are asked; limit: the first so many images. Returns for each sort of mattes how many there are, and the means
    of `MEASURES` before and after.
    """
    import torch
    from tqdm import tqdm

    rng, rows = np.random.default_rng(1), {"all": [], "localised": [], "degraded": []}
    for name in tqdm(
        list(refmatte.image_names)[:limit], desc=f"refine {refmatte.split}", unit="image", disable=not progress
    ):
        picture, targets = refmatte.image(name), refmatte.targets_of(name)
        truths = [refmatte.matte(target.mask_id) for target in targets]
        with torch.inference_mode():
            said, _ = predict(model, [picture], [0] * len(targets), [refmatte.sentence(target) for target in targets])
        kernel = kernel_for(model.profile.train.trimap_kernel * max(truths[0].shape) / model.image_size)
        for number, truth in enumerate(truths):
            worse = worsen(truth, rng, truths[:number] + truths[number + 1 :])
            for coarse, label in ((said[number], "all"), (worse, "degraded")):
                before = metrics.score(resize(coarse, truth.shape), truth, kernel)
                rows[label].append((before, metrics.score(refiner.refine(picture, coarse), truth, kernel)))
                if label == "all" and before["localised"]:
                    rows["localised"].append(rows["all"][-1])
    mean = lambda pairs, place: {
        key: round(float(np.mean([pair[place][key] for pair in pairs])), 5) for key in MEASURES
    }
    return {
        label: {"mattes": len(pairs), **({"before": mean(pairs, 0), "after": mean(pairs, 1)} if pairs else {})}
        for label, pairs in rows.items()
    }


def ratios(found: dict[str, dict]) -> dict[str, dict]:
    """After over before, of each of `RATIOS`, for each split's `scores`. Below 1 is better."""
    return {
        name: {
            split: round(rows[label]["after"][measure] / rows[label]["before"][measure], 4)
            for split, rows in found.items()
            if rows[label]["mattes"]
        }
        for name, (label, measure) in RATIOS.items()
    }


def ship(run: str | Path, data: str | Path, progress: bool = True) -> dict:
    """Store the refiner of a folder that `refine` filled as the shipped one, in float16, score that file after the shipped CLIPMat, and keep
    the run's record with the scores in it. Returns the ratios. Raises RimError.
    """
    record = read_json(Path(run) / "refine.json")
    path = CHECKPOINTS / "refiner-tiny.safetensors"
    facts = {
        "profile": "tiny",
        "use": USE,
        "licence": LICENCE,
        "precision": "float16",
        "record": "results/runs/refine-tiny.json",
        **{key: record[key] for key in ("data", "parameters", "metrics", "git")},
    }
    Refiner.load(run).save(path, **facts)
    refiner, model = Refiner.load(path), CLIPMat.shipped()
    found = {name: scores(refiner, model, RefMatte(data, split), progress=progress) for name, split in SPLITS.items()}
    refiner.save(path, **facts, scores=found, ratios=ratios(found))
    write_json(
        repository() / "results" / "runs" / "refine-tiny.json",
        {**record, "profile": "tiny", "scores": found, "ratios": ratios(found)},
    )
    return ratios(found)


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m rimlib.evaluation.refiner",
        description="Make a trained refiner the shipped one, with its scores.",
    )
    parser.add_argument("--run", required=True, help="folder of a run of refine")
    parser.add_argument("--data", required=True, help="data set to score on")
    options = parser.parse_args(arguments)
    return loop.run_command(lambda: ship(options.run, options.data), options.run)


if __name__ == "__main__":
    sys.exit(main())
