"""The `rim matte` command: mattes, cut-outs and composites, of one image or of a folder of them."""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rimlib.cli import methods, targets, writing

EPILOG = """
IMAGE is an image file or a folder of them. More may follow: each argument that ends as an image file does, or that is
not the last and names a file or a folder. Several images need a folder to write to, which is not one of theirs. For
each image and sentence a line names the file written and the score, which is the model's confidence that the image
contains what the sentence refers to. Below the threshold the matte is empty, and the line gives that instead. Exit
status: 0, every image was processed; 1, some of several images could not be used, and are listed at the end; 2, nothing
could be done. A file is written whole or not at all.
"""


def add_command(commands: Any, add: Callable) -> None:
    """Add the command to a parser's; `add(commands, name, function, text)` makes one and returns its parser."""
    matte = add(commands, "matte", _matte, "cut out what a sentence names")
    matte.epilog = EPILOG.strip()
    option = matte.add_argument
    option("image", metavar="IMAGE", help="an image file, or a folder of them")
    option("sentences", metavar="SENTENCE", nargs="+", help='such as "the brown dog"; more images may stand before')
    option("-o", "--out", metavar="OUT", help="a file, or a folder for one file each (default: the working directory)")
    option = matte.add_mutually_exclusive_group().add_argument
    option("--cutout", action="store_true", help="write the object in its own colours, the matte as transparency")
    help = 'write the object over an image, or over a colour such as "#2a6f97"'
    option("--background", metavar="FILE|COLOUR", help=help)
    option = matte.add_mutually_exclusive_group().add_argument
    help = "refine mattes at the image's own size, or only enlarge the model's: quicker and softer (default: refine)"
    option("--refine", action=argparse.BooleanOptionalAction, help=help)
    option = matte.add_argument
    help = "the least score that counts as found (default: the model's own, or 0.5); 0 keeps every matte"
    option("--threshold", type=float, metavar="T", help=help)
    methods.add_options(option)
    option("--json", action="store_true", help="print one JSON list instead of lines")


def _matte(options: argparse.Namespace) -> int:
    from rimlib.io.decode import pixels_of
    from rimlib.prediction import folder
    from rimlib.sentences import clean

    given, sentences = targets.split_arguments([options.image, *options.sentences])
    for sentence in sentences:
        clean(sentence)
    several = len(given) > 1 or os.path.isdir(given[0])
    paths = [path for name in given for path in (folder.find(name) if os.path.isdir(name) else [Path(name)])]
    targets.check_not_among_the_images([name for name in given if os.path.isdir(name)], options.out)
    kind = "cut-out" if options.cutout else "matte" if options.background is None else "composite"
    written = targets.paths_of(paths, sentences, options.out, kind, several)
    targets.check_not_overwritten([*given, *paths, options.background or ""], written.values())
    # What cannot be used is refused before the model is loaded.
    background = None if options.background is None else writing.background_of(options.background)
    sources = paths if several else [pixels_of(given[0], colour=True)]
    write = writing.writer(kind, background)
    with writing.warnings_in_one_line():
        rows = writing.predict_and_write(
            methods.predictor_of(options), sources, paths, sentences, written, write, options.json
        )
    if options.json:
        utf8 = "utf" in (sys.stdout.encoding or "").lower()
        print(json.dumps(rows, ensure_ascii=not utf8))
    if refused := [row["error"] for row in rows if "error" in row]:
        print(f"{len(refused)} of {len(paths)} images could not be used:", *refused, sep="\n", file=sys.stderr)
    return 1 if refused else 0
