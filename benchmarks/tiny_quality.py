"""How good is a tiny model: the one that ships, or one trained now by the profile?

    python benchmarks/tiny_quality.py --shipped
    python benchmarks/tiny_quality.py                # makes the data set and trains first

Both are scored on the same scenes, which no training has seen: `seen` are new scenes of entities of the training,
`unseen` are scenes of entities and backgrounds that it does not. Progress goes to stderr; the last line of stdout is
one JSON object: localisation (share of mattes with IoU above 0.5) and the ratio of SAD to that of an empty matte.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rimlib import profile as profiles
from rimlib.clipmat.model import CLIPMat
from rimlib.errors import RimError
from rimlib.evaluation.evaluate import SPLITS, scores
from rimlib.io.files import write_json
from rimlib.refmatte.build import build, folder_of
from rimlib.training.clipmat import train


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
    training: dict[str, Any] = {}
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
            facts = ("git", "source", "dtype", "device", "threads", "machine", "versions", "data")
            training = {name: record[name] for name in facts} | {"seconds": record["seconds"]}
            training |= {name: record["metrics"][name] for name in ("steps", "minutes", "images_per_second", "total")}
            print(json.dumps({"steps": training["steps"], "seconds": training["seconds"]}), file=sys.stderr)
            model = CLIPMat.load(out)
    rows = stage("scoring", lambda: scores(model, root, profile, progress=True))
    found: dict[str, dict] = {}
    for name, key in (("localisation", "localised"), ("sad_ratio", "sad_ratio")):
        found[name] = {
            setting: {split: rows[f"{setting}, {split}"][key] for split in SPLITS}
            for setting in ("keyword", "expression")
        }
    if options.save:
        write_json(
            options.save,
            {
                "kind": "quality",
                "profile": profile.name,
                "seed": profile.seed,
                "model": Path(options.model).name if options.model else "shipped" if options.shipped else "trained now",
                "settings": profile.to_dict(),
                **({"training": training} if training else {}),
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
