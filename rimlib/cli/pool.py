"""Commands of the images that ship or that a pool is made of: `rim pool` and `rim rwmini`."""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import Any

from rimlib.cli.output import Add, Commands, print_values
from rimlib.errors import RimError


def add_commands(commands: Commands, add: Add) -> None:
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


def _add_shipped(commands: Commands, add: Add, name: str, module: str, text: str) -> Commands:
    """Three commands of images that ship, by the functions of `rimlib.entities.<module>`; returns their parser."""
    actions = add(commands, name, None, text).add_subparsers(metavar="ACTION", required=True)
    stats = add(actions, "stats", _shipped_stats, "how many of what ships")
    stats.add_argument("--json", action="store_true", help="as one JSON value")
    show = add(actions, "show", _shipped_show, "draw all that ships on one sheet")
    show.add_argument("path", metavar="OUT", help=f"the sheet's file, such as {name}.png")
    verify = add(actions, "verify", _shipped_verify, "compare every shipped file with its recorded hash")
    for action in (stats, show, verify):
        action.set_defaults(module=module)
    return actions


def _add_sources(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--source",
        metavar="NAME=FOLDER",
        action="append",
        required=True,
        dest="sources",
        help="such as am2k=data/AM-2k; of am2k, p3m10k, aim500, sim, dim, hatt, bg20k, folder, art; may be repeated",
    )


def _shipped(options: argparse.Namespace) -> Any:
    return import_module(f"rimlib.entities.{options.module}")


def _shipped_stats(options: argparse.Namespace) -> None:
    print_values(_shipped(options).stats(), options.json)


def _shipped_show(options: argparse.Namespace) -> None:
    from rimlib import show
    from rimlib.entities import starter
    from rimlib.io import images

    sheet = show.rwmini_sheet() if options.module == "rwmini" else show.pool_sheet(starter.load())
    print(images.write_image(options.path, sheet))


def _shipped_verify(options: argparse.Namespace) -> None:
    if wrong := _shipped(options).verify():
        raise RimError(f"{wrong[0]}: missing or changed, and {len(wrong) - 1} more; install rimlib again")
    print("every file is as recorded")


def _pool_sources(options: argparse.Namespace) -> None:
    from rimlib.entities import sources

    read = sources.open_all(options.sources, deep=options.deep)
    for source in read:
        print("\n".join(source.report.lines()))
    print("\n".join(sources.shared_files(read)), end="")


def _pool_build(options: argparse.Namespace) -> None:
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
