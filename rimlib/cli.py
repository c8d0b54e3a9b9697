"""The `rim` command: a thin way into the package. `rim --help` loads nothing heavy; each command imports what it needs."""

import argparse
import os
import sys
import time

import rimlib
from rimlib import cli_data, cli_matte
from rimlib.errors import RimError


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 1 (a chapter failed, or some pictures of many), 2 (something cannot be used),
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

    cli_matte.add_command(commands, _add)

    notebook = _add(commands, "notebook", _notebook, "run a chapter from start to end")
    notebook.add_argument("name", metavar="NAME", help="such as 04_train, or a path to a notebook")
    notebook.add_argument(
        "-p",
        dest="parameters",
        nargs=2,
        action="append",
        default=[],
        metavar=("KEY", "VALUE"),
        help="set a value of the parameters cell; may be repeated",
    )
    notebook.add_argument("--profile", help="short for -p profile PROFILE")
    notebook.add_argument("-o", "--out", metavar="OUT", help="the executed copy (default: runs/notebooks/NAME.ipynb)")

    cli_data.add_commands(commands, _add)

    trainings = {
        "pretrain": "pre-train the small CLIP on the captions of a data set",
        "train": "train CLIPMat on a data set",
        "refine": "train the refiner on a data set",
        "train_rival": "train a method that CLIPMat is compared with",
    }
    for name, text in trainings.items():
        # Their options are their own modules' (torch and all), read there.
        commands.add_parser(name.replace("_", "-"), help=text, add_help=False).set_defaults(
            command=_passed_on, module=name
        )

    book = _add(commands, "book", _book, "run every chapter and build the book")
    book.add_argument("--only", nargs="+", metavar="NAME", help="run these chapters, keep the others' last outputs")

    demo = _add(commands, "demo", _demo, "open the demo in JupyterLab")
    demo.add_argument("options", nargs="*", metavar="OPTION", help="for JupyterLab, after --: rim demo -- --no-browser")
    return parser


def _add(commands, name: str, command, text: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    if command is not None:
        parser.set_defaults(command=command)
    return parser


def _notebook(options) -> int:
    from rimlib import notebooks

    parameters = dict(options.parameters)
    if options.profile is not None:
        if parameters.get("profile", options.profile) != options.profile:
            raise RimError(f"profile is given twice: {parameters['profile']} and {options.profile}")
        parameters["profile"] = options.profile
    started = time.monotonic()
    try:
        path = notebooks.run(options.name, options.out, parameters)
    except notebooks.NotebookError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"\n{path.stem}, seconds by stage")
    for title, seconds in notebooks.seconds_by_section(path):
        print(f"{seconds:8.1f}  {title}")
    print(f"{time.monotonic() - started:8.1f}  altogether, with the kernel's start\n{path}")
    return 0


def _passed_on(options) -> int:
    from importlib import import_module

    return import_module(f"rimlib.experiment.{options.module}").main(options.rest)


def _book(options) -> int:
    from rimlib import book, notebooks

    try:
        book.execute(only=options.only)
    except notebooks.NotebookError as error:
        print(error, file=sys.stderr)
        return 1
    print(book.build() / "index.html")
    return 0


def _demo(options) -> int:
    import subprocess

    from rimlib import notebooks

    command = [sys.executable, "-m", "jupyterlab", str(notebooks.find("07_demo")), *options.options]
    try:
        return subprocess.run(command).returncode
    except KeyboardInterrupt:
        return 0  # the usual way to close JupyterLab


if __name__ == "__main__":
    sys.exit(main())
