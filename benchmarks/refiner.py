"""Does the refiner make mattes better, does one see its tiles, and what does a large image cost?

    python benchmarks/refiner.py                  # the shipped refiner, the tiny data set: some minutes on a core
    python benchmarks/refiner.py --large          # and an image of 40 million pixels, in a process of its own

Two sorts of coarse mattes are refined: predictions of the shipped CLIPMat (all of them, and those of the right entity),
and the degraded truth (`rimlib.training.coarse`). `seen` are new scenes of entities of the training, `unseen` are
scenes of others. A ratio is a sum of errors after refining over the same sum before: below 1 is better. Progress goes
to stderr; the last line of stdout is one JSON object.

    sad_ratio             after CLIPMat, all sentences; sad_ratio_localised: where its matte is of the right entity
    sad_ratio_degraded    of the degraded truth
    band_ratio_*          the same two, of the SAD in the true transition band only
    seam                  an image in tiles and whole: largest difference in tiles of 512 pixels, as they are used, and
                          of 256; for the latter also the mean difference where the matte is in question, and the mean
                          change between neighbouring pixels along the tiles' borders over that of all pixels in doubt
    large                 pixels, seconds, and the most memory that the process held
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from rimlib import profile as profiles
from rimlib.errors import RimError
from rimlib.io import images
from rimlib.io.files import write_json


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="a refiner's checkpoint (default: the shipped one)")
    parser.add_argument(
        "--data", help="folder of the data set (default: data/ of the repository, built if it is not there)"
    )
    parser.add_argument("--limit", type=int, help="the first so many images of each split")
    parser.add_argument("--large", action="store_true", help="also refine an image of 40 million pixels")
    parser.add_argument("--save", help="write the scores to this JSON file too")
    parser.add_argument(
        "--alone", type=float, help=argparse.SUPPRESS
    )  # million pixels: the process that --large starts
    options = parser.parse_args()
    from rimlib.clipmat.refiner import Refiner

    refiner = Refiner.load(options.model) if options.model else Refiner.shipped()
    if options.alone:
        print(json.dumps(large(refiner, options.alone)))
        return 0
    from rimlib.clipmat.model import CLIPMat
    from rimlib.evaluation import refiner as scoring
    from rimlib.evaluation.evaluate import SPLITS
    from rimlib.refmatte.dataset import RefMatte

    model, root, scores = CLIPMat.shipped(), folder(options.data), {}
    for name, split in SPLITS.items():
        scores[name] = scoring.scores(refiner, model, RefMatte(root, split), options.limit, progress=True)
        for label, row in scores[name].items():
            pairs = ((key, row["before"][key], row["after"][key]) for key in scoring.MEASURES) if row["mattes"] else ()
            note(
                f"{name:7}{label:12}{row['mattes']:5} mattes  "
                + "  ".join(f"{key} {before:.4f} -> {after:.4f}" for key, before, after in pairs)
            )
    found = {**scoring.ratios(scores), "seam": seam(refiner)}
    if options.large:
        command = [sys.executable, __file__, "--alone", "40", *(["--model", options.model] if options.model else [])]
        found["large"] = json.loads(
            subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1]
        )
    if options.save:
        write_json(
            options.save,
            {
                "kind": "refiner",
                "model": Path(options.model).name if options.model else "shipped",
                "scores": scores,
                **found,
            },
        )
    print(json.dumps(found))
    return 0


def folder(data) -> Path:
    """The data set's folder; the `tiny` one is built where it is not there."""
    if data:
        return Path(data)
    from rimlib.refmatte.build import build, folder_of

    profile = profiles.load("tiny")
    return build(profile.data, folder_of(profile), splits=("seen", "test"))


def seam(refiner) -> dict:
    """A scene of 512 x 768 pixels, whole and in tiles."""
    from rimlib.matting import tiles
    from rimlib.refmatte.example import example

    scene = example(2, canvas=(512, 768))
    coarse = images.resize(np.maximum.reduce(scene.mattes), (128, 192))
    whole = refiner.refine(scene.image, coarse, tile=768)
    usual = refiner.refine(scene.image, coarse)
    tiled = refiner.refine(scene.image, coarse, tile=256)
    step = np.abs(np.diff(tiled, axis=1))  # (H, W - 1)
    uncertain = (tiles.near(tiled) > 0)[:, 1:]
    borders = sorted({side for cut in tiles.cuts(768, 256) for side in (cut.start, cut.stop)} - {0, 768})
    at = np.zeros_like(uncertain)
    at[:, [border - 1 for border in borders]] = True
    apart = np.abs(whole - tiled)
    return {
        "largest": round(float(np.abs(whole - usual).max()), 4),
        "largest_256": round(float(apart.max()), 4),
        "mean_256": round(float(apart[:, 1:][uncertain].mean()), 6),
        "border_step_256": round(float(step[uncertain & at].mean() / step[uncertain].mean()), 3),
    }


def large(refiner, million: float) -> dict:
    """A wide image with a coarse matte of 512 pixels: a scene, enlarged, with grain."""
    from rimlib.refmatte.example import example

    scene = example(2, canvas=(768, 1024))
    height = round((million * 1e6 * 3 / 4) ** 0.5)
    image = images.resize(scene.image, (height, round(height * 4 / 3)))
    coarse = images.resize(np.maximum.reduce(scene.mattes), (384, 512))
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    alpha = refiner.refine(image, coarse)
    return {
        "pixels": alpha.size,
        "seconds": round(time.perf_counter() - started, 1),
        "bytes_before": base * 1024,
        "bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RimError as error:
        print(f"refiner: error: {error}", file=sys.stderr)
        sys.exit(2)
