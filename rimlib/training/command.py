"""The commands that train: their options, and how they end."""

import argparse
import json
import os
import sys
from collections.abc import Callable
from tempfile import TemporaryDirectory
from typing import Any

from rimlib import profile as profiles
from rimlib.errors import RimError

EPILOG = """\
The run's folder has the weights, the record (a JSON file with settings, versions, seconds and scores) and, while it
runs, logs/ with a metrics.csv that grows line by line and, for `tensorboard --logdir`, the same as curves and figures.
A run that was stopped in any way goes on when the same command is given again. On several devices:
  rim {name} … --devices 2                        two of this machine
  torchrun --nproc_per_node 8 -m rimlib {name} …   started by torchrun; or by srun, in a SLURM job"""


def command(name: str, text: str) -> argparse.ArgumentParser:
    """The parser of the command `rim NAME`, with the options that all trainings have."""
    layout = argparse.RawDescriptionHelpFormatter
    epilog = EPILOG.format(name=name)
    parser = argparse.ArgumentParser(prog=f"rim {name}", description=text, epilog=epilog, formatter_class=layout)
    parser.add_argument("--data", required=True, help="folder of the data set")
    parser.add_argument("--out", required=True, help="folder for the weights and the record")
    parser.add_argument("--steps", "--max-steps", type=int, help="how many steps (the profile's)")
    parser.add_argument("--minutes", type=float, help="stop after so many minutes, if the steps take longer")
    parser.add_argument("--device", help="such as cuda, mps or cpu (the best one here)")
    parser.add_argument("--devices", type=int, default=1, help="how many of them (1)")
    parser.add_argument("--nodes", type=int, default=1, help="on how many machines (1)")
    change = "replace a setting of the profile, such as train.images=24; may be given again"
    parser.add_argument("--set", action="append", default=[], dest="changes", metavar="SETTING=VALUE", help=change)
    dry = "one batch through everything: the memory and the time that it takes; nothing is kept"
    parser.add_argument("--dry-run", action="store_true", help=dry)
    board = "write curves and figures for TensorBoard"
    parser.add_argument("--tensorboard", action=argparse.BooleanOptionalAction, default=True, help=board)
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", default=True, help="resume an interrupted run (the default)")
    again.add_argument("--fresh", dest="resume", action="store_false", help="begin anew")
    return parser


def run_training(train: Callable[..., dict[str, Any]], parser: argparse.ArgumentParser, arguments: Any) -> int:
    """Parse, load the profile if one is named, and train with all the options. Returns the exit status."""
    options = vars(parser.parse_args(arguments))
    out, dry, changes = options["out"], options.pop("dry_run"), options.pop("changes")

    def work() -> dict[str, Any]:
        from rimlib.training.loop import check_budget

        check_budget(options["steps"], options["minutes"])  # before the data are read
        if "profile" in options:
            options["profile"] = profiles.with_settings(profiles.load(options["profile"]), changes)
        else:
            options["changes"] = changes
        if not dry:
            return train(**options)["metrics"]
        with TemporaryDirectory() as folder:
            return summary(train(**{**options, "out": folder, "steps": 1, "minutes": None, "tensorboard": False}))

    return run_command(work, out)


def summary(record: dict[str, Any]) -> dict[str, Any]:
    """What a run of one step shows of a longer one: seconds and memory."""
    found = {"seconds": record["seconds"], "dtype": record["dtype"], "device": record["device"]}
    memory = {name: round(value / 2**30, 2) for name, value in record["peak_memory_bytes"].items()}
    return {"dry_run": True, "peak_memory_gib": memory, **found, "metrics": record["metrics"]}


def run_command(work: Callable[[], Any], out: Any) -> int:
    """Run a command's work, print its result as one line of JSON, and return the exit status: 2 for a RimError.

    Of several processes, the first one prints.
    """
    first = int(os.environ.get("RANK") or os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_PROCID") or 0) == 0
    try:
        result = work()
        if first:
            print(json.dumps(result))
    except RimError as error:
        print(f"rim: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        if first:
            print(f"stopped; the same command resumes from {out}", file=sys.stderr)
        return 130
    return 0
