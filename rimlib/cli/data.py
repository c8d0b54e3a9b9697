"""Commands of the data engine: `rim plan`, `build`, `check` and `stats`. Each imports what it needs."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rimlib.cli.output import Add, Commands, print_values
from rimlib.errors import RimError

if TYPE_CHECKING:  # each command imports what it needs, so that `rim --help` does not wait
    from rimlib.profile import Data


def add_commands(commands: Commands, add: Add) -> None:
    """Add the commands to a parser's; `add(commands, name, function, text)` makes one and returns its parser."""
    plan = add(commands, "plan", _plan, "plan a data set without a pixel and count it")
    plan.add_argument(
        "--paper", action="store_true", help="the paper's own numbers of entities: RefMatte at its full size"
    )
    _add_settings(plan)
    plan.add_argument("--json", action="store_true", help="as one JSON value")

    build = add(commands, "build", _build, "make a data set in RefMatte's layout, or finish one that was begun")
    _add_settings(build)
    build.add_argument("-o", "--out", metavar="FOLDER", required=True, help="where to; made if needed")
    build.add_argument(
        "--workers", type=int, default=1, metavar="N", help="processes; -1: one for each core (default: 1)"
    )
    build.add_argument(
        "--dask", metavar="ADDRESS", help="the scheduler of a Dask cluster to render on, such as tcp://10.0.0.1:8786"
    )

    check = add(commands, "check", _check, "verify that a data set is complete and intact")
    check.add_argument("folder", metavar="DIR", help="the data set")
    check.add_argument("--workers", type=int, default=1, metavar="N", help="processes (default: 1)")

    stats = add(commands, "stats", _stats, "count a data set: the columns of the paper's Table 5, and ambiguity")
    stats.add_argument("folder", metavar="DIR", help="the data set, ours or the released one")
    stats.add_argument("--json", action="store_true", help="as one JSON value")


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--profile", help="settings: a profile's name or a YAML file (default: tiny)")
    unique = parser.add_mutually_exclusive_group()
    unique.add_argument(
        "--unique",
        dest="unique",
        action="store_true",
        default=None,
        help="draw each sentence again until it singles out its entity",
    )
    unique.add_argument(
        "--no-unique",
        dest="unique",
        action="store_false",
        help="keep sentences that fit several entities, as the paper does",
    )
    parser.add_argument(
        "--no-target", type=int, metavar="N", help="so many sentences for each scene that fit nothing in it"
    )


def _changes(options: argparse.Namespace) -> dict[str, Any]:
    given = {"unique": options.unique, "no_target": options.no_target}
    if options.no_target is not None and options.no_target < 0:
        raise RimError(f"--no-target: 0 or more is expected, found {options.no_target}", setting="data.no_target")
    return {name: value for name, value in given.items() if value is not None}


def _settings(options: argparse.Namespace) -> Data:
    from rimlib import profile

    changes = {f"data__{name}": value for name, value in _changes(options).items()}
    return profile.load(options.profile or "tiny", **changes).data


def _plan(options: argparse.Namespace) -> None:
    from rimlib.refmatte import format, paper_pool, plan, statistics
    from rimlib.refmatte.build import pool_of

    started = time.perf_counter()
    if options.paper and options.profile:
        raise RimError(
            f"--paper has settings of its own and takes no --profile; leave out --paper or --profile {options.profile}",
            setting="profile",
        )
    if options.paper:
        settings, pool = paper_pool.settings(**_changes(options)), paper_pool.pool()
    else:
        settings = _settings(options)
        pool = pool_of(settings)
    counted = {
        split: statistics.tally(
            format.targets_of(scene, [pool[name] for name in scene.entities])
            for scene in plan.scenes(pool, settings, split)
        ).to_dict()
        for split in plan.splits_of(settings)
        if not (options.paper and split == "seen")
    }  # the paper has no `seen`
    print_values({**counted, "seconds": round(time.perf_counter() - started, 3)}, options.json)


def _build(options: argparse.Namespace) -> None:
    from rimlib.refmatte import plan
    from rimlib.refmatte.build import build

    if options.workers < 1 and options.workers != -1:
        raise RimError(
            f"--workers: 1 or more is expected, or -1 for one on each core, found {options.workers}", setting="workers"
        )
    settings = _settings(options)
    splits = plan.splits_of(settings)
    print(build(settings, options.out, splits, workers=options.workers, dask=options.dask))


def _check(options: argparse.Namespace) -> int:
    from rimlib.refmatte import manifest, released
    from rimlib.refmatte.check import check

    if manifest.stamp_of(Path(options.folder)) is not None:
        report = manifest.check(options.folder, workers=options.workers)
        print(report)
        return 0 if report.complete else 1
    # a released data set has no hashes: compare its files with its labels
    wrong = [
        line
        for split in released.splits(options.folder)
        for line in check(released.locate(options.folder, split), sizes=True)
    ]
    print(*wrong, sep="\n", end="\n" if wrong else "")
    print(
        f"{options.folder}: {len(wrong) or 'no'} files that do not fit; there is no manifest to compare contents with"
    )
    return 1 if wrong else 0


def _stats(options: argparse.Namespace) -> None:
    from rimlib.refmatte import released
    from rimlib.refmatte.dataset import RefMatte

    print_values(
        {split: RefMatte(options.folder, split).statistics.to_dict() for split in released.splits(options.folder)},
        options.json,
    )
