"""The `rim experiment` command: the rows of an experiment measured, or shown from their records alone."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from rimlib import experiments
from rimlib.cli.output import Add, Commands
from rimlib.errors import RimError
from rimlib.experiments import ALL, NAMES

OF_ALL = ("seeds", "runs")  # options that `all` has beside those of every experiment

EPILOG = """
words: which words of a sentence are needed to find its entity, counted over the plans of the paper and of the profile;
and which a model goes by, on sentences with their relation words left out or swapped, with their words shuffled, and
with the noun alone.

listening: what it takes to go by the place of an entity. A row is a training with one setting of a recipe changed, on
the same few steps, from one training of the profile; it is scored on look-alikes.

table8, table9: the paper's tables of what a model is asked with, the eight forms of a keyword and the kinds of
sentences, each with an interval; the shipped model's, or --model's.

realworld: from composed scenes to photographs: localised, errors and the kinds of failure, each with an interval.

table5, table11: what of the paper can be had to the digit, RefMatte's counts and the layers of CLIPMat, at its sizes.

table2, table6, table7: CLIPMat, CLIPSeg and MDETR, each without and with the refiner; the same with the (E) forms of
the errors; CLIPMat by seed. All three are of one training of each method and seed.

methods: what each of these three goes by, with changed sentences and such that fit nothing; of the same trainings.

budget: CLIPMat and CLIPSeg on a quarter of the steps, half, all and twice as many.

table3, table10: the paper's ablations. A row is a training with modules off, or with CLIP frozen or random.

recipe: a row is a training in which a part of our recipe is the paper's, or all of it.

tuning: how the settings of CLIPSeg and MDETR were found, a trial in each row.

pretraining: what the small CLIP should compare with captions, regions or whole images.

all: one after the other; what two of them need is trained once.

A row is a record, experiment-NAME-PROFILE-ROW.json in the folder --out. A row that has its record is not measured
again, so a run that was stopped goes on; --fresh measures all anew. --show reads the records alone.

  rim experiment words
  rim experiment words --model runs/mine --data data/mine --images 60 --out runs/experiments
  rim experiment words --show --json
  rim experiment listening --rows recipe no-coordinates
  rim experiment table2 --seeds 3
  rim experiment all --seeds 3
"""


def add_command(commands: Commands, add: Add) -> None:
    """Add the command to a parser's; `add(commands, name, function, text)` makes one and returns its parser."""
    parser = add(commands, "experiment", _experiment, "run an experiment row by row, or show its records")
    parser.epilog, parser.formatter_class = EPILOG.strip("\n"), argparse.RawDescriptionHelpFormatter
    option = parser.add_argument
    option("name", metavar="NAME", help=f"of the experiment: {', '.join(NAMES)}, or {ALL}")
    option("--profile", help="a profile's name or a YAML file (default: tiny; with --show: all)")
    option("--data", metavar="DIR", help="of a model: the data set (default: the profile's, which is built)")
    option("--model", metavar="PATH", help="of a model: trained weights (default: shipped)")
    option("--images", type=int, metavar="N", help="images that a model is measured on (default: all)")
    option("--scenes", type=int, metavar="N", help="words: about so many scenes of each split of a plan (default: all)")
    option("--rows", nargs="+", metavar="ROW", help="of trainings: some of the rows (default: all)")
    option("--seeds", metavar="N", help="of trainings: seeds 1 to N of each row (default: 1), or a list such as 2,3")
    option("--runs", metavar="FOLDER", help="of the trainings (default: runs/experiments)")
    option("--out", metavar="FOLDER", help="of the records (default: results/runs of the repository)")
    option("--fresh", action="store_true", help="measure again what has a record")
    option("--show", action="store_true", help="measure nothing, show the records")
    option("--json", action="store_true", help="as JSON, a line for each experiment")


def _experiment(options: argparse.Namespace) -> int:
    try:
        _run(options)
    except KeyboardInterrupt:
        print("stopped; the same command goes on from there", file=sys.stderr)
        return 130
    return 0


def _run(options: argparse.Namespace) -> None:
    from rimlib import profile
    from rimlib.experiments import frame

    together = options.name == ALL
    chosen = {name: experiments.get(name) for name in (experiments.NAMES if together else [options.name])}
    has = OF_ALL if together else chosen[options.name].OPTIONS
    for given in ("data", "model", "scenes", "rows", "seeds", "runs"):
        if getattr(options, given) is not None and given not in has:
            words = ", ".join(f"--{one}" for one in has) or "none"
            raise RimError(
                f"--{given}: the experiment {options.name} has no such option; it has {words}", setting=given
            )
    folder = Path(options.out) if options.out else frame.folder_of_records()
    own = None if options.profile is None else profile.load(options.profile).name
    sources = {name: experiments.records_of(name) for name in chosen}
    rows = {}
    for name, experiment in chosen.items():  # the checks of all come before the first row of any
        if not options.show and (sources[name] == name or sources[name] not in chosen):
            rows[name] = experiment.rows(_with_profile(options, experiment) if together else options)
    measured: dict[str, list[dict[str, Any]]] = {}
    for name, source in sources.items():
        if name in rows:
            measured[source] = frame.run(source, rows[name], folder, options.fresh)
        found = frame.load(source, folder, own, empty=together) if options.show else measured[source]
        if found:
            _print(name, chosen[name].tables(found), options.json)


def _with_profile(options: argparse.Namespace, experiment: ModuleType) -> argparse.Namespace:
    """The options with the one profile that an experiment has, if it has only one."""
    return argparse.Namespace(**{**vars(options), "profile": getattr(experiment, "PROFILE", options.profile)})


def _print(name: str, tables: dict[str, list[dict[str, Any]]], as_json: bool) -> None:
    if as_json:
        print(json.dumps({"experiment": name, **tables}), flush=True)
        return
    for title, rows in tables.items():
        if rows:
            print(f"{title.replace('_', ' ')}:", *_lines(rows), "", sep="\n", flush=True)


def _lines(rows: list[dict[str, Any]]) -> list[str]:
    """The rows of a table, their columns aligned: numbers to the right."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[name.replace("_", " ") for name in names], *([_cell(row.get(name)) for name in names] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    texts = [any(isinstance(row.get(name), str) for row in rows) for name in names]
    return [
        "  "
        + "  ".join(
            cell.ljust(width) if text else cell.rjust(width) for cell, width, text in zip(line, widths, texts)
        ).rstrip()
        for line in cells
    ]


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return " to ".join(map(_cell, value))
    if isinstance(value, float):
        return f"{value:.4g}"
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
