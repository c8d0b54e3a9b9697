"""The mean of the weights of trainings that go on from each other, as a model of its own.

Not in the paper (Wortsman et al., "Model soups", ICML 2022). Two trainings of which one began with the weights of the
other lie in one valley of the loss, and the point between them is often lower than both. Of trainings from different
random weights the mean is worth nothing.

    rim average runs/tiny-192-long runs/tiny-192-finish --out runs/mean
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from torch.optim.swa_utils import AveragedModel

from rimlib.clipmat.model import CLIPMat
from rimlib.errors import RimError
from rimlib.io.files import read_json, write_json
from rimlib.training import command

RECORD = "train.json"
KEPT = ("profile", "seed", "git", "metrics")  # of each run's record


def average(runs: Sequence[str | Path], out: str | Path) -> dict[str, Any]:
    """Write the mean of some runs' weights to `out/clipmat.safetensors`, and its record to `out/train.json`.

    Args:
        runs: folders that `rim train` filled, of one model; the last one's record and card are kept.
        out: a folder, made if needed.

    Returns:
        The record: the last run's, and in `averaged` what was averaged.

    Raises:
        RimError: fewer than two runs, one that is not complete or is of another model, a folder that holds a run.
    """
    folders, out = [Path(run) for run in runs], Path(out)
    if len(folders) < 2:
        raise RimError(f"{len(folders)} run to average: give two or more", setting="runs")
    if (out / RECORD).exists():
        raise RimError(f"{out}: holds a run already; give another --out", path=out)
    records = [read_json(folder / RECORD) for folder in folders]
    last = CLIPMat.load(folders[-1])
    mean = AveragedModel(last, use_buffers=True)
    for folder in folders:
        mean.update_parameters(CLIPMat.load(folder, last.profile))
    record = {**records[-1], "averaged": [{key: one[key] for key in KEPT} for one in records]}
    cast(CLIPMat, mean.module).save(out, **{**last.card, "averaged": record["averaged"]})
    write_json(out / RECORD, record)
    return record


def main(arguments: Sequence[str] | None = None) -> int:
    """The command `rim average`. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="rim average", description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", metavar="RUN", help="the folder of a training; the last one's card is kept")
    parser.add_argument("--out", required=True, help="folder for the weights and the record")
    options = parser.parse_args(arguments)
    return command.run_command(lambda: {"averaged": len(average(options.runs, options.out)["averaged"])}, options.out)


if __name__ == "__main__":
    sys.exit(main())
