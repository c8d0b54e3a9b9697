"""Do two processes train what one does, and how quickly?

    python benchmarks/distributed.py                # minutes on two CPU cores

CLIPMat's `tiny` model without dropout, in float32, learns from the same steps once in one process and once in two,
which torchrun starts and which share each step (gloo, on the CPU). The last line is one JSON object:

    loss_difference          largest relative difference of a row of the log
    weight_difference        largest difference of a weight after the last step (Adam with an epsilon of 1e-3)
    statistics_difference    largest difference of a running mean or variance of the batch norms
    images_per_second        of one process with one thread, and of two with one thread each
    ratio                    two over one
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from safetensors.torch import load_file

from rimlib import profile as profiles
from rimlib.refmatte.build import build

EPSILON = 1e-3  # of Adam
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
SETTINGS = {
    "data__groups_train": 0,
    "data__extra_train": 64,
    "model__dropout": 0.0,
    "train__precision": "fp32",
    "train__ema": 0.0,
    "train__optimizer": "adam",
    "train__lr": 1e-4,  # these three are the paper's
    "train__lr_image": 1e-6,
    "train__lr_text": 1e-7,
    "train__schedule": "fixed",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--worker", nargs=2, metavar=("DATA", "OUT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.steps < 1:
        parser.error(f"--steps {options.steps}: must be at least 1")
    profile = profiles.load("tiny", **SETTINGS)
    if options.worker:
        from rimlib.training import clipmat

        # Adam takes a whole step for a gradient of nothing but rounding, as a bias before a norm has one: after some
        # steps two runs in float32 part. A large epsilon makes a step in proportion to its gradient.
        clipmat.Training.optimizer_options = {"eps": EPSILON}
        clipmat.train(profile, *map(Path, options.worker), steps=options.steps, progress=False, device="cpu")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        data, one, two = (Path(folder) / name for name in ("data", "one", "two"))
        build(profile.data, data, splits=("train",), progress=False)
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        for starter, out in (((), one), (TORCHRUN, two)):
            words = ["--steps", str(options.steps), "--worker", str(data), str(out)]
            subprocess.run([sys.executable, *starter, __file__, *words], env=environment, check=True)
        records = [json.loads((out / "train.json").read_text()) for out in (one, two)]
        weights = [load_file(out / "clipmat.safetensors") for out in (one, two)]
    rows = [[row["total"] for row in record["log"]] for record in records]
    speeds = [record["metrics"]["images_per_second"] for record in records]
    changes = {name: (weights[0][name].double() - weights[1][name].double()).abs().max().item() for name in weights[0]}
    kinds = [[value for name, value in changes.items() if ("running" in name) == running] for running in (False, True)]
    found = {
        "loss_difference": float(f"{max(abs(a - b) / a for a, b in zip(*rows)):.2g}"),
        "weight_difference": float(f"{max(kinds[0]):.2g}"),
        "statistics_difference": float(f"{max(kinds[1]):.2g}"),
        "images_per_second": speeds,
        "ratio": round(speeds[1] / speeds[0], 3),
    }
    print(
        json.dumps(
            {
                **found,
                "steps": options.steps,
                "devices": [part["devices"] for record in records for part in record["parts"]],
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
