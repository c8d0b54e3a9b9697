"""Where does the shipped tiny model fail: on photographs, on drawn hair and glass, in the soft band, on relations?

    python benchmarks/tiny_limits.py                                         # minutes on two CPU cores
    python benchmarks/tiny_limits.py --save results/runs/shipped-tiny-limits.json

Four measurements, all of the shipped checkpoint:

    photographs  RW-mini, every matte's fixed sentence
    drawn        scenes of the drawn pool, whose mattes are known exactly, by category
    soft         where the truth is soft (0.05 < alpha < 0.95), on seen mattes that were localised: the mean |error|
                 of the matte, of the same matte cut at one half, and of the truth cut at one half, which is the best
                 that a binary mask could do there
    sentences    all four sentences of each seen entity, by kind

Progress goes to stderr; the last line of stdout is one JSON object. `--save` writes the run record.
"""

import argparse
import dataclasses
import json
import os
import sys
from pathlib import Path

import numpy as np

from rimlib import profile as profiles
from rimlib.clipmat.model import CLIPMat
from rimlib.entities import drawn, rwmini
from rimlib.errors import RimError
from rimlib.evaluation.evaluate import evaluate
from rimlib.evaluation.stream import predict
from rimlib.io.images import resize
from rimlib.matting import metrics
from rimlib.refmatte.build import build, folder_of
from rimlib.refmatte.dataset import RefMatte
from rimlib.refmatte.plan import plan
from rimlib.refmatte.render import render
from rimlib.training import record

DRAWN_SCENES = 24
KEPT = ("entities", "localised", "chance", "iou", "sad", "sad_ratio")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of the data set of profile tiny (default: data/ of the repository)")
    parser.add_argument("--save", help="write the run record to this JSON file")
    options = parser.parse_args()
    profile, stages = profiles.load("tiny"), record.Stages()
    with stages("data"):
        root = build(
            profile.data,
            Path(options.data) if options.data else folder_of(profile),
            workers=os.cpu_count(),
            splits=("seen", "test"),
        )
    seen, model = RefMatte(root, "seen"), CLIPMat.shipped()
    run = record.new("limits", profile, model="shipped", data={"fingerprint": seen.fingerprint, "split": "seen"})
    measured = {}
    for name, measure in (
        ("photographs", lambda: photographs(model)),
        ("drawn", lambda: drawn_scenes(model, profile)),
        ("soft", lambda: soft(model, seen)),
        ("sentences", lambda: sentences(model, seen)),
    ):
        with stages(name):
            measured[name] = _rounded(measure())
        print(f"{stages.seconds[name]:8.1f} s  {name}", file=sys.stderr, flush=True)
    if options.save:
        record.write(options.save, record.finish(run, stages, measured, "cpu", dtype="float32"))
    print(json.dumps(measured))
    return 0


def photographs(model) -> dict:
    """The hand-made mattes of RW-mini."""
    real = RefMatte(rwmini.FOLDER, "rw100")
    found = evaluate(model, real)["metrics"]
    return {
        "photographs": len(real.image_names),
        "found": round(found["localised"] * found["entities"]),
        **{key: found[key] for key in KEPT},
    }


def drawn_scenes(model, profile) -> dict:
    """By category and together: how many were localised, and the error inside the band of those."""
    pool = drawn.load()
    settings = dataclasses.replace(profile.data, pool="drawn", groups_test=0, extra_test=DRAWN_SCENES)
    rows = []
    for scene in plan(pool, settings, "seen"):
        image, truths = render(pool, scene, (settings.height, settings.width))
        sentences = [texts[which].text for texts, which in zip(scene.sentences, scene.evaluated)]
        alphas, _ = predict(model, [image], [0] * len(sentences), sentences)
        rows += [
            {
                "image": scene.name,
                "category": pool[entity].category,
                "chance": 1 / len(truths),
                **metrics.score(resize(alpha, true.shape), true, 9),
            }
            for entity, alpha, true in zip(scene.entities, alphas, truths)
        ]

    def counted(some):
        found = metrics.summarise(some)
        return {"found": sum(row["localised"] for row in some), **{key: found[key] for key in KEPT}}

    return {
        "all": counted(rows),
        **{
            name: counted([row for row in rows if row["category"] == name])
            for name in sorted({row["category"] for row in rows})
        },
    }


def soft(model, seen, batch: int = 16) -> dict:
    """Means over the localised mattes that have a soft pixel."""
    rows = []
    for start in range(0, len(seen.image_names), batch):
        names = seen.image_names[start : start + batch]
        chosen = [(number, target) for number, name in enumerate(names) for target in seen.targets_of(name)]
        alphas, _ = predict(
            model,
            [seen.image(name) for name in names],
            [number for number, _ in chosen],
            [target.evaluated for _, target in chosen],
        )
        for (_, target), alpha in zip(chosen, alphas):
            true = seen.matte(target.mask_id)
            alpha = resize(alpha, true.shape)
            errors, cut = metrics.soft_errors(alpha, true), metrics.soft_errors(alpha > 0.5, true)
            if errors and cut and metrics.localised(alpha, true):
                rows.append([errors[0], cut[0], errors[1]])
    matte, cut, perfect = np.mean(rows, axis=0)
    return {
        "mattes": len(rows),
        "from": metrics.SOFT[0],
        "to": metrics.SOFT[1],
        "matte": matte,
        "matte_cut": cut,
        "binary_truth": perfect,
    }


def sentences(model, seen) -> dict:
    """Every sentence of every entity, by kind."""
    return {
        kind: {key: row[key] for key in KEPT}
        for kind, row in evaluate(model, seen, every=True)["metrics"]["by_sentence"].items()
    }


def _rounded(value):
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    return round(float(value), 4) if isinstance(value, (float, np.floating)) else value


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RimError as error:
        print(f"tiny_limits: error: {error}", file=sys.stderr)
        sys.exit(2)
