"""The `rim` command. `rim --help` loads nothing heavy: each command imports what it needs."""

import argparse
import io
import os
import re
import sys
from collections.abc import Callable
from importlib import import_module, metadata
from typing import Any

import rimlib
from rimlib.cli import claims, data, demo, evaluate, experiment, export, matte, methods, pool
from rimlib.errors import RimError, require

TRAININGS = {  # command: module of `rimlib.training`, which reads its own options; what it does
    "pretrain": ("clip", "pre-train the small CLIP on the captions of a data set"),
    "train": ("clipmat", "train CLIPMat on a data set"),
    "average": ("average", "the mean of the weights of trainings that go on from each other"),
    "refine": ("refiner", "train the refiner on a data set"),
    "train-baseline": ("baselines", "train a method that CLIPMat is compared with"),
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: the command line without the program's name; `sys.argv[1:]` if None.

    Returns:
        The exit status: 0; 1, some images of many failed; 2, something cannot be used; 130, interrupted; 141, the
        reader of a pipe has gone.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name or a sentence that the terminal cannot show is escaped
            stream.reconfigure(errors="backslashreplace")
    try:
        status = _run(arguments) or 0
        sys.stdout.flush()
        return status
    except RimError as error:
        print(f"rim: error: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if (extra := _extra_of(package)) is None:
            raise
        print(f"rim: error: this needs the package {package}: pip install 'rimlib[{extra}]'", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader (`head`, a pager) has closed the pipe. The interpreter flushes stdout once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _run(arguments: list[str]) -> int | None:
    if arguments and arguments[0] in TRAININGS:
        if arguments[0] == "train-baseline":
            require("transformers", "baselines")
        require("lightning_fabric", "train")
        module = import_module(f"rimlib.training.{TRAININGS[arguments[0]][0]}")
        return module.main(arguments[1:])
    options = _parser().parse_args(arguments)
    return options.command(options)


def _extra_of(package: str) -> str | None:
    """The extra of rimlib that brings a package, by the metadata of the installed rimlib."""
    for line in metadata.requires("rimlib") or ():
        found = re.match(r"([\w.-]+).*\bextra == ['\"]([\w-]+)['\"]", line)
        if found and found[1].replace("-", "_") == package:
            return found[2]
    return None


def _parser() -> argparse.ArgumentParser:
    description = "Referring image matting: one image and one sentence in, one alpha matte out."
    parser = argparse.ArgumentParser(prog="rim", description=description)
    parser.add_argument("--version", action="version", version=f"rimlib {rimlib.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    matte.add_command(commands, _add)
    methods.add_commands(commands, _add)
    pool.add_commands(commands, _add)
    data.add_commands(commands, _add)
    for name, (_, text) in TRAININGS.items():
        commands.add_parser(name, help=text, add_help=False)  # for the list alone, see `_run`
    evaluate.add_command(commands, _add)
    experiment.add_command(commands, _add)
    export.add_command(commands, _add)
    claims.add_command(commands, _add)
    demo.add_command(commands, _add)
    return parser


def _add(commands: Any, name: str, command: Callable | None, text: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    if command is not None:
        parser.set_defaults(command=command)
    return parser
