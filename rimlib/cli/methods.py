"""The commands `rim methods` and `rim download`: which methods there are, and their weights."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rimlib.errors import RimError

if TYPE_CHECKING:
    from rimlib.prediction.methods import Predictor


def add_commands(commands: Any, add: Callable) -> None:
    """Add the commands to a parser's; `add(commands, name, function, text)` makes one and returns its parser."""
    methods = add(commands, "methods", _methods, "list the methods of rim matte, their licences, and what is here")
    methods.add_argument("--weights", metavar="DIR", help="look in a folder that rim download made")
    methods.add_argument("--json", action="store_true", help="print one JSON list instead")
    download = add(commands, "download", _download, "fetch the weights of a method, once")
    option = download.add_argument
    option(
        "method", metavar="METHOD", help="such as grounded, see rim methods; or depth-anything, for rim matte --depth"
    )
    option("--to", metavar="DIR", help="a folder, to copy to a machine without a network (default: the hub's cache)")
    option("--dry-run", action="store_true", help="only print what would be fetched")
    download.epilog = (
        "Fetches safetensors and settings, never a pickle. What is here already stays. What was broken off goes on at "
        "the next call; until it is whole, no method uses it. Afterwards everything works offline."
    )


def add_options(option: Callable) -> None:
    """Add the options of `rim matte` that choose a method."""
    option("--method", metavar="NAME", default="clipmat", help="see rim methods (default: clipmat, the shipped model)")
    help = "the method's weights: a folder that rim download made; of clipmat also OWNER/NAME on the hub"
    option("--weights", metavar="DIR", help=help)
    help = "of the other methods, a depth model that decides what is in front: depth-anything, or a folder with one"
    option("--depth", metavar="NAME", help=help)
    help = "of a matte of clipmat in several parts keep what the sentence's place, order or size means"
    option("--by-place", action="store_true", help=help)
    option("--model", metavar="PATH", help="of clipmat, weights of a run of yours (default: the shipped model)")


def predictor_of(options: argparse.Namespace) -> "Predictor":
    """The predictor that the options of `rim matte` ask for. Raises RimError."""
    from rimlib.prediction import methods

    weights = options.weights
    if options.model is not None:
        if methods.get(options.method).parts or weights is not None:
            message = "--model: weights of a CLIPMat; with another --method, or with --weights, leave it out"
            raise RimError(message, setting="model")
        weights = Path(options.model)  # a path, and never a name on the hub
    predictor = methods.predictor(
        options.method, weights, None, options.refine is not False, options.threshold, options.depth, options.by_place
    )
    if options.refine and getattr(predictor, "refiner", True) is None:
        raise RimError("--refine: no refiner ships with this rimlib; leave the option out", setting="refine")
    return predictor


def rows(weights: str | None = None) -> list[dict[str, Any]]:
    """What is known of each method, as plain values."""
    from rimlib.prediction import methods

    found = []
    for info in methods.METHODS.values():
        row: dict[str, Any] = {"method": info.name, "how": info.how, "good_for": info.good_for}
        row |= {"licence_of_code": info.code, "licence_of_weights": info.licence, "megabytes": info.megabytes}
        row |= {"state": methods.state(info.name, weights)}
        row["parts"] = [
            {"repository": part.repository, "role": part.role, "megabytes": part.megabytes, "licence": part.licence}
            | {"gated": part.gated, "note": part.note}
            for part in info.parts
        ]
        found.append(row)
    return found


def _methods(options: argparse.Namespace) -> None:
    found = rows(options.weights)
    if options.json:
        print(json.dumps(found, ensure_ascii=False))
        return
    for row in found:
        size = f"about {row['megabytes']:,} MB to fetch" if row["parts"] else "comes with rimlib"
        states = {"here": "on this machine", "no": f"not on this machine: rim download {row['method']}"}
        print(f"{row['method']}: {row['how']}")
        print(f"    good for   {row['good_for']}")
        print(f"    licence    code {row['licence_of_code']}; weights {row['licence_of_weights']}")
        print(f"    size       {size}")
        print(f"    state      {states.get(row['state'], row['state'])}")
        for part in row["parts"]:
            if part["note"]:
                print(f"    note       {part['repository']}: {part['note']}")


def _download(options: argparse.Namespace) -> None:
    from rimlib.io import public
    from rimlib.prediction import methods

    name, parts = options.method, methods.parts_of(options.method)
    if not options.dry_run:
        for folder in methods.download(name, options.to):
            print(folder)
        return
    where, size = options.to or public.cache_folder(), sum(part.megabytes for part in parts)
    print(f"{name}: about {size:,} MB, to {where}" if parts else f"{name}: comes with rimlib")
    for part in parts:
        there = "here already" if methods.state_of(part, options.to) == "here" else f"about {part.megabytes:,} MB"
        print(f"{part.repository}: {there}; weights {part.licence}{f'; {part.note}' if part.note else ''}")
