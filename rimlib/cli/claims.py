"""The `rim claims` command: what became of each number that the paper prints, and whether our pages hold."""

from __future__ import annotations

import argparse
import json
import sys

from rimlib.cli.output import Add, Commands

EPILOG = """
Each number of the paper's tables (results/claims.yaml) is reproduced, of the same trend, differs, or is not attempted,
by the records in results/runs/. --check ends with 1, and a line for each, where a record is stale, where a number below
a tag <!-- claim: NAME --> of a page is in no record, or where book/claims.md is not what the records give.

  rim claims
  rim claims --json
  rim claims --check
  rim claims --page book/claims.md
"""


def add_command(commands: Commands, add: Add) -> None:
    """Add the command to a parser's; `add(commands, name, function, text)` makes one and returns its parser."""
    parser = add(commands, "claims", _claims, "compare the paper's numbers, and our pages, with the records")
    parser.epilog, parser.formatter_class = EPILOG.strip("\n"), argparse.RawDescriptionHelpFormatter
    parser.add_argument("--json", action="store_true", help="the counts as one line of JSON")
    parser.add_argument("--check", action="store_true", help="name what no longer holds; the status is then 1")
    parser.add_argument("--page", metavar="FILE", help="write the page, book/claims.md")


def _claims(options: argparse.Namespace) -> int:
    from rimlib.claims import evidence, page, states, tags
    from rimlib.experiments import frame
    from rimlib.io.files import write_atomically
    from rimlib.repository import repository

    there = evidence.load(frame.folder_of_records())
    found = states.results(there)
    text = page.markdown(found, states.noise())
    if options.page:
        write_atomically(options.page, text)
    root, wrong = repository(), list(there.stale)
    if options.check:
        wrong += tags.check(root)
        where = root / "book" / "claims.md"
        if not where.is_file() or where.read_text(encoding="utf-8") != text:
            wrong.append("book/claims.md: not what the records give; write it: rim claims --page book/claims.md")
    for line in wrong:
        print(line.removeprefix(f"{root}/"), file=sys.stderr)
    counted = {name.replace(" ", "_"): value for name, value in states.counts(found).items()}
    counted["stale"] = len(there.stale)
    if options.json:
        print(json.dumps(counted))
    else:
        print("\n".join(f"{value:6,}  {name.replace('_', ' ')}" for name, value in counted.items()))
    return int(bool(options.check and wrong))
