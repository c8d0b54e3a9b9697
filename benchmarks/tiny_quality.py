"""How good is a tiny model: the one that ships, or one trained now in the profile's own minutes?

    python benchmarks/tiny_quality.py --shipped
    python benchmarks/tiny_quality.py                # trains first: about 16 minutes on two CPU cores

Both are scored on the same scenes, which no training has seen: `seen` are new scenes of entities that training knows, `unseen` are
scenes of entities and backgrounds that it does not. Progress goes to stderr; the last line of stdout is one JSON object: localisation
(share of mattes with IoU above 0.5) and the ratio of SAD to that of an empty matte.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from rimlib import profile as profiles
from rimlib.clipmat import prompt
from rimlib.clipmat.model import CLIPMat
from rimlib.errors import RimError
from rimlib.evaluation.evaluate import evaluate
from rimlib.io.files import write_json
from rimlib.refmatte.build import build, folder_of
from rimlib.refmatte.dataset import RefMatte
from rimlib.training.clipmat import train

SPLITS = {"seen": "seen", "unseen": "test"}  # our names → splits of the data set


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shipped", action="store_true", help="score the shipped checkpoint, train nothing")
    parser.add_argument("--model", help="score this checkpoint instead")
    parser.add_argument("--profile", default="tiny")
    parser.add_argument("--data", help="folder of the data set (default: data/ of the repository)")
    parser.add_argument("--out", help="folder of the run (default: a new one, which is removed)")
    parser.add_argument("--save", help="write the scores to this JSON file too")
    options = parser.parse_args()
    profile, seconds = profiles.load(options.profile), {}

    def stage(name: str, work):
        started = time.perf_counter()
        result = work()
        seconds[name] = round(time.perf_counter() - started, 1)
        print(f"{seconds[name]:8.1f} s  {name}", file=sys.stderr, flush=True)
        return result

    known = options.shipped or options.model
    root = stage(
        "data",
        lambda: build(
            profile.data,
            Path(options.data) if options.data else folder_of(profile),
            workers=os.cpu_count(),
            splits=("seen", "test") if known else ("train", "seen", "test"),
        ),
    )
    if known:
        model = CLIPMat.load(options.model) if options.model else CLIPMat.shipped(options.profile)
    else:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(options.out or folder)
            record = stage("training", lambda: train(profile, root, out, resume=False))
            print(json.dumps({"steps": record["metrics"]["steps"], "seconds": record["seconds"]}), file=sys.stderr)
            model = CLIPMat.load(out)
    found, rows = {"localisation": {}, "sad_ratio": {}}, {}
    for setting in ("keyword", "expression"):
        for part in found.values():
            part[setting] = {}
        for name, split in SPLITS.items():
            row = stage(
                f"scoring {name}, {setting}",
                lambda: evaluate(model, RefMatte(root, split, setting), template=prompt.template(profile)),
            )["metrics"]
            print(
                f"{'':11}{row['entities']} mattes, localised {row['localised']:.3f} (chance {row['chance']:.3f}), mean IoU {row['iou']:.3f}, "
                f"SAD {row['sad']:.2f} of {row['sad_empty']:.2f}",
                file=sys.stderr,
            )
            rows[f"{setting}, {name}"] = {
                key: round(row[key], 4)
                for key in ("entities", "localised", "chance", "iou", "sad", "mse", "mad", "sad_e", "sad_ratio")
            }
            found["localisation"][setting][name] = round(row["localised"], 4)
            found["sad_ratio"][setting][name] = round(row["sad_ratio"], 4)
    if options.save:
        write_json(
            options.save,
            {
                "kind": "quality",
                "profile": profile.name,
                "seed": profile.seed,
                "model": Path(options.model).name if options.model else "shipped" if options.shipped else "trained now",
                "scores": rows,
                "seconds": seconds,
            },
        )
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RimError as error:
        print(f"tiny_quality: error: {error}", file=sys.stderr)
        sys.exit(2)
