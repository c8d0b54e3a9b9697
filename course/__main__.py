"""The course's commands: `python -m course run 04_train`, `book`, `live` and `serve`."""

import argparse
import sys
import time

from course import build, chapters, live
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

    book = commands.add_parser("book", help="run the chapters whose inputs have changed, and build the book")
    book.add_argument("--only", nargs="+", metavar="NAME", help="look at these chapters, keep the others' last outputs")
    book.add_argument("--fresh", action="store_true", help="run chapters whose inputs have not changed, too")
    book.set_defaults(command=_book)

    page = commands.add_parser("live", help="build the live page and put it into the book")
    page.set_defaults(command=_live)

    serve = commands.add_parser("serve", help="serve the built book on this machine")
    serve.add_argument("--port", type=int, default=8000, metavar="N", help="default: 8000")
    serve.set_defaults(command=_serve)

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
    build.execute(only=options.only, fresh=options.fresh)
    pages = build.build()
    live.into_the_book()
    print(pages / "index.html")
    return 0


def _live(options: argparse.Namespace) -> int:
    print(live.copied(live.build()))  # what is missing ends this command; the book is built without it
    for name, megabytes in live.size(live.folder()).items():
        print(f"{megabytes:8.2f} MB  {name}")
    return 0


def _serve(options: argparse.Namespace) -> int:
    live.serve(options.port)
    return 0


if __name__ == "__main__":
    sys.exit(main())
