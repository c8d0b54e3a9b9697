"""The `rim` command: a thin way into the package. `rim --help` loads nothing heavy; each command imports what it needs."""

import argparse
import os
import sys

import rimlib
from rimlib.cli import data, matte
from rimlib.errors import RimError

TRAININGS = {  # command: module of `rimlib.training`, what it does
    "pretrain": ("clip", "pre-train the small CLIP on the captions of a data set"),
    "train": ("clipmat", "train CLIPMat on a data set"),
    "refine": ("refiner", "train the refiner on a data set"),
    "train-baseline": ("baselines", "train a method that CLIPMat is compared with"),
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 1 (some images of many failed), 2 (something cannot be used),
    130 (interrupted).

    arguments: the command line without the program's name; `sys.argv[1:]` if None.
    """
    parser = _parser()
    options, options.rest = parser.parse_known_args(arguments)
    if options.rest and options.command is not _passed_on:
        parser.error(f"unrecognized arguments: {' '.join(options.rest)}")
    try:
        status = options.command(options) or 0
        sys.stdout.flush()
        return status
    except RimError as error:
        print(f"rim: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader (`head`, a pager) has seen enough. The interpreter flushes stdout once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rim", description="Referring image matting: one picture and one sentence in, one alpha matte out."
    )
    parser.add_argument("--version", action="version", version=f"rimlib {rimlib.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    matte.add_command(commands, _add)

    data.add_commands(commands, _add)

    for name, (module, text) in TRAININGS.items():
        # Their options are their own modules' (torch and all), read there.
        commands.add_parser(name, help=text, add_help=False).set_defaults(command=_passed_on, module=module)

    demo = _add(commands, "demo", _demo, "open the demo in JupyterLab")
    demo.add_argument("options", nargs="*", metavar="OPTION", help="for JupyterLab, after --: rim demo -- --no-browser")
    return parser


def _add(commands, name: str, command, text: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    if command is not None:
        parser.set_defaults(command=command)
    return parser


def _passed_on(options) -> int:
    from importlib import import_module

    return import_module(f"rimlib.training.{options.module}").main(options.rest)


def _demo(options) -> int:
    import subprocess

    from rimlib.repository import repository

    demo = repository() / "notebooks" / "07_demo.ipynb"
    command = [sys.executable, "-m", "jupyterlab", str(demo), *options.options]
    try:
        return subprocess.run(command).returncode
    except KeyboardInterrupt:
        return 0  # the usual way to close JupyterLab


if __name__ == "__main__":
    sys.exit(main())
