"""Is the mean of the weights of trainings better than each of them? `rim average` makes such a mean.

    python benchmarks/averaging.py runs/tiny-192-long runs/tiny-192-finish --save results/runs/averaging-tiny.json

Each run and their mean are scored on the same scenes of seen entities, in both settings; on scenes of another seed
too, from which the choice of what is averaged may be made. Progress goes to stderr; the last line of stdout is one JSON
object. `--save` writes the run record.
"""

import argparse
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from rimlib import profile as profiles
from rimlib.clipmat import prompt
from rimlib.clipmat.model import CLIPMat
from rimlib.errors import RimError
from rimlib.evaluation.evaluate import evaluate
from rimlib.refmatte.build import build, folder_of
from rimlib.refmatte.dataset import RefMatte
from rimlib.training import record
from rimlib.training.average import average

SEEDS = {"scenes of the card": 1, "other scenes": 1001}
KEPT = ("localised", "chance", "sad_ratio")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folders that rim train filled")
    parser.add_argument("--save", help="write the run record to this JSON file")
    options = parser.parse_args()
    profile, stages = profiles.load("tiny"), record.Stages()
    with stages("data"):
        sets = {}
        for scenes, seed in SEEDS.items():
            given = profiles.with_settings(profile, [f"data.seed={seed}"])
            root = build(given.data, folder_of(given), splits=("seen",), progress=False)
            sets |= {(scenes, setting): RefMatte(root, "seen", setting) for setting in ("keyword", "expression")}
    fingerprints = {scenes: sets[scenes, "keyword"].fingerprint for scenes in SEEDS}
    run = record.new("averaging", profile, runs=[Path(folder).name for folder in options.runs], data=fingerprints)
    with TemporaryDirectory() as folder, stages("scoring"):
        average(options.runs, folder)
        models = {Path(one).name: CLIPMat.load(one) for one in options.runs} | {"their mean": CLIPMat.load(folder)}
        rows = []
        for name, model in models.items():
            for (scenes, setting), refmatte in sets.items():
                template = prompt.template(model.profile)
                found = evaluate(model, refmatte, template=template, edges=False)["metrics"]
                rows.append({"weights": name, "scenes": scenes, "setting": setting})
                rows[-1] |= {key: round(found[key], 4) for key in KEPT}
                print(json.dumps(rows[-1]), file=sys.stderr)
    if options.save:
        record.write(Path(options.save), record.finish(run, stages, {"rows": rows}, "cpu"))
    print(json.dumps({"rows": rows}))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RimError as error:
        sys.exit(f"averaging.py: error: {error}")
