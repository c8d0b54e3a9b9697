"""The `rim matte` command: mattes, cut-outs and composites, of one image or of a folder of them."""

import argparse
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from rimlib.cli import methods, targets, writing
from rimlib.cli.finish import Finish

EPILOG = """
IMAGE is an image file or a folder of them. More may follow: each argument that ends as an image file does, or that is
not the last and names a file or a folder. Several images need a folder to write to, which is not one of theirs. For
each image and sentence a line names the file written and the score, which is the model's confidence that the image
contains what the sentence refers to. Below the threshold the matte is empty, and the line gives that instead. Exit
status: 0, every image was processed; 1, some of several images could not be used, and are listed at the end; 2, nothing
could be done. A file is written whole or not at all.

What is written is upright, and keeps the EXIF, the resolution and the colours of the image's file: cut-outs and
composites in its own colour profile, or in sRGB where the file is grey or CMYK, or the result a BMP. An image that is
transparent stays at most as opaque. HEIC is read where pillow-heif is installed: pip install 'rimlib[heic]'.
"""


def add_command(commands: Any, add: Callable) -> None:
    """Add the command to a parser's; `add(commands, name, function, text)` makes one and returns its parser."""
    matte = add(commands, "matte", _matte, "cut out what a sentence names")
    matte.epilog = EPILOG.strip()
    option = matte.add_argument
    option("image", metavar="IMAGE", help="an image file, or a folder of them")
    option("sentences", metavar="SENTENCE", nargs="+", help='such as "the brown dog"; more images may stand before')
    option("-o", "--out", metavar="OUT", help="a file, or a folder for one file each (default: the working directory)")
    option("--json", action="store_true", help="print one JSON list instead of lines")
    _add_options_of_the_model(matte)
    _add_options_of_the_result(matte.add_argument_group("what is written"))
    option = matte.add_argument_group("folders").add_argument
    help = "images in the folders inside too; the results lie in folders like theirs"
    option("-r", "--recursive", action="store_true", help=help)
    help = "leave files that are there as they are, and only make those that are not"
    option("--skip-existing", action="store_true", help=help)


def _add_options_of_the_model(matte: argparse.ArgumentParser) -> None:
    option = matte.add_argument
    help = "take out what this sentence finds; may be given again"
    option("--without", metavar="SENTENCE", action="append", default=[], help=help)
    help = "the least score that counts as found (default: the model's own, or 0.5); 0 keeps every matte"
    option("--threshold", type=float, metavar="T", help=help)
    methods.add_options(option)
    option = matte.add_mutually_exclusive_group().add_argument
    help = "refine mattes at the image's own size, or only enlarge the model's: quicker and softer (default: refine)"
    option("--refine", action=argparse.BooleanOptionalAction, help=help)


def _add_options_of_the_result(group: Any) -> None:
    option = group.add_mutually_exclusive_group().add_argument
    option("--cutout", action="store_true", help="write the object in its own colours, the matte as transparency")
    help = 'write the object over an image, or over a colour such as "light grey" or "#2a6f97"'
    option("--background", metavar="FILE|COLOUR", help=help)
    option = group.add_argument
    help = "only the part around the object, with a margin: pixels such as 20, or 5%% of the object's longer side"
    option("--crop", nargs="?", const="0", metavar="MARGIN", help=help)
    option("--grow", metavar="PIXELS", help="move the edge out by so many pixels, or in: --grow -2")
    option("--feather", metavar="PIXELS", help="make the edge soft over so many pixels to each side")
    help = "of files that the command names: png, and for a composite jpg, webp, tif, bmp, for a cut-out webp, tif"
    option("--format", metavar="FORMAT", help=help)
    option("--quality", metavar="N", help="1 to 100, of JPEG and WebP (default: 92; a cut-out in WebP: without loss)")
    help = "write no EXIF, no resolution and no colour profile (colours are then sRGB)"
    option("--no-metadata", dest="metadata", action="store_false", help=help)


def _matte(options: argparse.Namespace) -> int:
    from rimlib.io.decode import pixels_of
    from rimlib.sentences import clean

    given, sentences = targets.split_arguments([options.image, *options.sentences])
    for sentence in (*sentences, *options.without):
        clean(sentence)
    # What cannot be used is refused before the model is loaded.
    finish = Finish.of(options)
    ending = targets.ending_of(options.format, finish.kind)
    several = len(given) > 1 or os.path.isdir(given[0])
    with writing.warnings_in_one_line():
        paths, below = targets.find(given, options.recursive, options.out)
    written = targets.paths_of(paths, sentences, options.out, finish.kind, several, ending, below)
    finish.check_ending(written[0, 0].suffix)
    targets.check_not_overwritten([*given, *paths, options.background or ""], written.values())
    there = frozenset(key for key, path in written.items() if options.skip_existing and path.is_file())
    left = len(there) < len(written)
    sources: list[Any] = paths if several or not left else [pixels_of(given[0], colour=True)]
    batch = writing.Batch(paths, sources, sentences, options.without, written, there)
    with writing.warnings_in_one_line():
        rows = writing.predict_and_write(methods.predictor_of(options) if left else None, batch, finish, options.json)
    return _report(rows, batch, options.json)


def _report(rows: list[dict[str, Any]], batch: writing.Batch, as_json: bool) -> int:
    """Prints what is printed at the end; returns the exit status."""
    if as_json:
        utf8 = "utf" in (sys.stdout.encoding or "").lower()
        print(json.dumps(rows, ensure_ascii=not utf8))
    if batch.there:
        print(f"{len(batch.there)} of {len(batch.targets)} files were there already and are as before", file=sys.stderr)
    refused = {row["image"]: row["error"] for row in rows if "error" in row}
    if refused:
        print(
            f"{len(refused)} of {len(batch.paths)} images could not be used:",
            *refused.values(),
            sep="\n",
            file=sys.stderr,
        )
    return 1 if refused else 0
