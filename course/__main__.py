"""The course's commands: `python -m course run 04_train` and `python -m course book`."""

import argparse
import sys
import time

from course import build, chapters
from rimlib.errors import RimError


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit status: 0, 1 (a chapter failed), 2 (something cannot be used), 130 (interrupted).
    """
    parser = argparse.ArgumentParser(prog="python -m course", description="Run chapters and build the book.")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    run = commands.add_parser("run", help="run a chapter from start to end")
    run.add_argument("name", metavar="NAME", help="such as 04_train, or a path to a notebook")
    help_ = "set a value of the parameters cell; may be repeated"
    run.add_argument(
        "-p", dest="parameters", nargs=2, action="append", default=[], metavar=("KEY", "VALUE"), help=help_
    )
    run.add_argument("--profile", help="short for -p profile PROFILE")
    run.add_argument("-o", "--out", metavar="OUT", help="the executed copy (default: runs/notebooks/NAME.ipynb)")
    run.set_defaults(command=_run)

    book = commands.add_parser("book", help="run every chapter and build the book")
    book.add_argument("--only", nargs="+", metavar="NAME", help="run these chapters, keep the others' last outputs")
    book.set_defaults(command=_book)

    options = parser.parse_args(arguments)
    try:
        return options.command(options)
    except RimError as error:
        print(f"course: error: {error}", file=sys.stderr)
        return 2
    except chapters.NotebookError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(options: argparse.Namespace) -> int:
    parameters = dict(options.parameters)
    if options.profile is not None:
        if parameters.get("profile", options.profile) != options.profile:
            raise RimError(f"profile is given twice: {parameters['profile']} and {options.profile}")
        parameters["profile"] = options.profile
    started = time.monotonic()
    path = chapters.run(options.name, options.out, parameters)
    print(f"\n{path.stem}, seconds by stage")
    for title, seconds in chapters.seconds_by_section(path):
        print(f"{seconds:8.1f}  {title}")
    print(f"{time.monotonic() - started:8.1f}  altogether, with the kernel's start\n{path}")
    return 0


def _book(options: argparse.Namespace) -> int:
    build.execute(only=options.only)
    print(build.build() / "index.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())
