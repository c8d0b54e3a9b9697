"""The data engine's part of the `rim` command: pool, plan, build, check and stats. Each command imports what it needs."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rimlib.errors import RimError

if TYPE_CHECKING:  # each command imports what it needs, so that `rim --help` does not wait
    from rimlib.profile import Data


def add_commands(commands, add) -> None:
    """Add the commands to a parser's; `add(commands, name, function, text)` makes one and returns its parser."""
    pool = _add_shipped(commands, add, "pool", "starter", "the cut-outs that scenes are made of")
    sources = add(pool, "sources", _pool_sources, "read public data sets and list what is there, missing or odd")
    _add_sources(sources)
    sources.add_argument("--deep", action="store_true", help="open every image, not its header alone")
    build_pool = add(pool, "build", _pool_build, "make a pool of public data sets: foregrounds estimated, labels found")
    _add_sources(build_pool)
    build_pool.add_argument(
        "-o", "--out", metavar="OUT", required=True, help="the pool's folder; a call that was stopped goes on there"
    )
    build_pool.add_argument(
        "--corrections", metavar="CSV", help="the table of corrections, which overrides automatic labels"
    )
    build_pool.add_argument(
        "--foreground",
        default="cf",
        choices=("cf", "ml", "given"),
        help="closed form, multi-level, or the source's own",
    )
    build_pool.add_argument("--workers", type=int, default=1, metavar="N", help="processes (default: 1)")
    build_pool.add_argument("--skip-bad", action="store_true", help="leave out what cannot be used, and list it")
    build_pool.add_argument("--category", choices=("maskrcnn", "clip"), help="the detector or classifier of categories")
    build_pool.add_argument("--people", choices=("levi", "clip"), help="the classifier of gender and age")
    build_pool.add_argument("--clothes", choices=("clip",), help="the classifier of garments")
    build_pool.add_argument("--weights", metavar="DIR", help="where the networks' weights are")

    _add_shipped(commands, add, "rwmini", "rwmini", "the shipped test set of real photographs")

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


def _add_shipped(commands, add, name: str, module: str, text: str):
    """The three commands of images that ship with rimlib, by the functions of `rimlib.entities.<module>`; returns their parser."""
    actions = add(commands, name, None, text).add_subparsers(metavar="ACTION", required=True)
    stats = add(actions, "stats", _shipped_stats, "how many of what ships")
    stats.add_argument("--json", action="store_true", help="as one JSON value")
    show = add(actions, "show", _shipped_show, "draw all that ships on one sheet")
    show.add_argument("path", metavar="OUT", help=f"the sheet's file, such as {name}.png")
    verify = add(actions, "verify", _shipped_verify, "compare every shipped file with its recorded hash")
    for action in (stats, show, verify):
        action.set_defaults(module=module)
    return actions


def _add_sources(parser) -> None:
    parser.add_argument(
        "--source",
        metavar="NAME=FOLDER",
        action="append",
        required=True,
        dest="sources",
        help="such as am2k=data/AM-2k; of am2k, p3m10k, aim500, sim, dim, hatt, bg20k, folder, art; may be repeated",
    )


def _add_settings(parser) -> None:
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


def _changes(options: argparse.Namespace) -> dict:
    given = {"unique": options.unique, "no_target": options.no_target}
    if options.no_target is not None and options.no_target < 0:
        raise RimError(f"--no-target: 0 or more is expected, found {options.no_target}", setting="data.no_target")
    return {name: value for name, value in given.items() if value is not None}


def _shipped(options):
    from importlib import import_module

    return import_module(f"rimlib.entities.{options.module}")


def _shipped_stats(options) -> None:
    _print(_shipped(options).stats(), options.json)


def _shipped_show(options) -> None:
    from rimlib import show
    from rimlib.entities import starter
    from rimlib.io import images

    sheet = show.rwmini_sheet() if options.module == "rwmini" else show.pool_sheet(starter.load())
    print(images.write_image(options.path, sheet))


def _shipped_verify(options) -> None:
    if wrong := _shipped(options).verify():
        raise RimError(f"{wrong[0]}: missing or changed, and {len(wrong) - 1} more; install rimlib again")
    print("every file is as recorded")


def _pool_sources(options) -> None:
    from rimlib.entities import sources

    read = sources.open_all(options.sources, deep=options.deep)
    for source in read:
        print("\n".join(source.report.lines()))
    print("\n".join(sources.shared_files(read)), end="")


def _pool_build(options) -> None:
    from rimlib.entities import build_pool, sources
    from rimlib.entities.auto_labels import AutoLabeller

    labeller = AutoLabeller(
        category=options.category, people=options.people, clothes=options.clothes, folder=options.weights
    )
    made = build_pool.build(
        sources.open_all(options.sources),
        options.out,
        options.corrections,
        options.foreground,
        options.workers,
        options.skip_bad,
        labeller=labeller,
    )
    unused = (f"{name}: in the table of corrections, in no source" for name in made.unused)
    unlabelled = (f"{message} ({count} entities)" for message, count in made.unlabelled.most_common())
    for line in (*made.left_out, *unused, *unlabelled):
        print(line)
    counts = f"{made.entities} entities, {made.backgrounds} backgrounds, {made.computed} of them read by this call"
    print(f"{made.folder}: {counts}")


def _settings(options: argparse.Namespace) -> Data:
    from rimlib import profile

    changes = {f"data__{name}": value for name, value in _changes(options).items()}
    return profile.load(options.profile or "tiny", **changes).data


def _plan(options: argparse.Namespace) -> None:
    from rimlib.refmatte import format, paper_pool, plan, statistics
    from rimlib.refmatte.build import open_pool

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
        pool = open_pool(settings.pool)
    counted = {
        split: statistics.tally(
            format.targets_of(scene, [pool[name] for name in scene.entities])
            for scene in plan.scenes(pool, settings, split)
        ).to_dict()
        for split in plan.SPLITS
        if not (options.paper and split == "seen")
    }  # the paper has no `seen`
    _print({**counted, "seconds": round(time.perf_counter() - started, 3)}, options.json)


def _build(options: argparse.Namespace) -> None:
    from rimlib.refmatte.build import build

    if options.workers < 1 and options.workers != -1:
        raise RimError(
            f"--workers: 1 or more is expected, or -1 for one on each core, found {options.workers}", setting="workers"
        )
    print(build(_settings(options), options.out, workers=options.workers, dask=options.dask))


def _check(options: argparse.Namespace) -> int:
    from rimlib.refmatte import manifest, released

    if manifest.stamp_of(Path(options.folder)) is not None:
        report = manifest.check(options.folder, workers=options.workers)
        print(report)
        return 0 if report.complete else 1
    # a released data set has no hashes: compare its files with its labels
    wrong = [
        line
        for split in released.splits(options.folder)
        for line in released.check(released.locate(options.folder, split), sizes=True)
    ]
    print(*wrong, sep="\n", end="\n" if wrong else "")
    print(
        f"{options.folder}: {len(wrong) or 'no'} files that do not fit; there is no manifest to compare contents with"
    )
    return 1 if wrong else 0


def _stats(options: argparse.Namespace) -> None:
    from rimlib.refmatte import released
    from rimlib.refmatte.dataset import RefMatte

    _print(
        {split: RefMatte(options.folder, split).statistics.to_dict() for split in released.splits(options.folder)},
        options.json,
    )


def _print(values: dict, as_json: bool) -> None:
    """One JSON value, or one line for each number, its path before it."""
    if as_json:
        print(json.dumps(values))
        return
    for name, value in _lines(values):
        text = (
            f"{value:,}"
            if isinstance(value, int)
            else f"{value:.4g}"
            if isinstance(value, float)
            else "-"
            if value is None
            else str(value)
        )
        print(f"{text:>12}  {name}")
    sys.stdout.flush()


def _lines(values: dict, before: str = ""):
    for name, value in values.items():
        name = f"{before} {name}".strip().replace("_", " ")
        if isinstance(value, dict):
            yield from _lines(value, name)
        else:
            yield name, value
