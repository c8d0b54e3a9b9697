"""The `rim matte` command: mattes, cut-outs and composites, of one image or of a folder of them."""

import argparse
import itertools
import json
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rimlib.errors import RimError

if TYPE_CHECKING:
    import numpy as np

    from rimlib.prediction.predictor import MattingPredictor
    from rimlib.prediction.result import Result

ENDINGS = {  # of the files that may be written, and what the name of one that the command chooses ends with
    "matte": (".png",),
    "cut-out": (".png", ".webp", ".tif", ".tiff"),
    "composite": (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp"),
}
LONGEST = 240  # bytes of a name before its number and ending; file systems take 255
SUFFIX = {"matte": "", "cut-out": "-cutout", "composite": "-composite"}
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
    option("--model", metavar="PATH", help="weights of a run of yours (default: the shipped model)")
    option("--json", action="store_true", help="print one JSON list instead of lines")


def _matte(options: argparse.Namespace) -> int:
    from rimlib.io.decode import pixels_of
    from rimlib.prediction import folder
    from rimlib.sentences import clean

    given, sentences = _split_arguments([options.image, *options.sentences])
    for sentence in sentences:
        clean(sentence)
    several = len(given) > 1 or os.path.isdir(given[0])
    paths = [path for name in given for path in (folder.find(name) if os.path.isdir(name) else [Path(name)])]
    _check_not_among_the_images([name for name in given if os.path.isdir(name)], options.out)
    kind = "cut-out" if options.cutout else "matte" if options.background is None else "composite"
    targets = paths_of(paths, sentences, options.out, kind, several)
    _check_not_overwritten([*given, *paths, options.background or ""], targets.values())
    # What cannot be used is refused before the model is loaded.
    background = None if options.background is None else _background(options.background)
    sources = paths if several else [pixels_of(given[0], colour=True)]
    write = _writer(kind, background)
    with _warnings_in_one_line():
        rows = _predict_and_write(_predictor(options), sources, paths, sentences, targets, write, options.json)
    if options.json:
        utf8 = "utf" in (sys.stdout.encoding or "").lower()
        print(json.dumps(rows, ensure_ascii=not utf8))
    if refused := [row["error"] for row in rows if "error" in row]:
        print(f"{len(refused)} of {len(paths)} images could not be used:", *refused, sep="\n", file=sys.stderr)
    return 1 if refused else 0


def paths_of(
    images: Iterable[str | Path],
    sentences: list[str],
    out: str | Path | None = None,
    kind: str = "matte",
    several: bool = False,
) -> dict[tuple[int, int], Path]:
    """The file of each image and sentence, by their numbers.

    Args:
        images: their paths.
        sentences: of which the names of files are made.
        out: a file for one result; a folder (made if needed) for more; None for the working directory.
        kind: of `ENDINGS`.
        several: a batch, which needs a folder.

    Raises:
        RimError: `out` cannot hold what is made.

    No two share a file: the second gets a number.

    >>> [str(path) for path in paths_of(["pets.jpg"], ["the cat", "The cat!"], "mattes").values()]
    ['mattes/pets-the-cat.png', 'mattes/pets-the-cat-2.png']
    """
    images = list(images)
    if several and out is None:
        raise RimError(
            f"{len(images)} images: --out must name a folder for the results, such as -o mattes", setting="out"
        )
    if out is not None and _names_a_file(out):
        ending, expected = Path(out).suffix, ", ".join(ENDINGS[kind])
        if ending.lower() not in ENDINGS[kind]:
            raise RimError(
                f"{out}: a {kind} cannot be stored with the ending {ending!r}; expected {expected}", path=out
            )
        if several or len(sentences) > 1:
            count = f"{len(images)} images" if several else f"{len(sentences)} sentences"
            raise RimError(f"{out}: one file for {count}; name a folder instead", path=out)
        return {(0, 0): Path(out)}
    paths: dict[tuple[int, int], Path] = {}
    taken: set[Path] = set()
    for number, image in enumerate(images):
        for place, sentence in enumerate(sentences):
            words = re.sub(r"[^\w]+", "-", sentence.lower()).strip("-")[:60] or "matte"
            rest = f"-{_shortened(words, 90)}{SUFFIX[kind]}"
            name = _shortened(Path(image).stem, LONGEST - len(os.fsencode(rest))) + rest
            names = itertools.chain([name], (f"{name}-{count}" for count in itertools.count(2)))
            candidates = (Path(out or ".") / f"{name}.png" for name in names)
            paths[number, place] = next(path for path in candidates if path not in taken)
            taken.add(paths[number, place])
    return paths


def _split_arguments(given: list[str]) -> tuple[list[str], list[str]]:
    """Images and sentences, see `EPILOG`."""
    from rimlib.prediction.folder import ENDINGS as READ

    def is_image(number: int) -> bool:
        name = given[number]
        return Path(name).suffix.lower() in READ or (number + 1 < len(given) and os.path.exists(name))

    count = 1
    while count < len(given) and is_image(count):
        count += 1
    if count == len(given):
        message = f'{given[-1]}: no sentence after it; write what to cut out, such as "the brown dog"'
        raise RimError(message, setting="sentence")
    return given[:count], given[count:]


def _names_a_file(out: str | Path) -> bool:
    """Whether the name has an ending, such as .png; `Set.01` has none, and what ends in a slash is a folder."""
    has_ending = re.fullmatch(r"\.[A-Za-z]\w*", Path(out).suffix) is not None
    return has_ending and not str(out).endswith(("/", os.sep)) and not os.path.isdir(out)


def _shortened(name: str, limit: int) -> str:
    """A name, or as many of its characters as `limit` bytes hold."""
    encoded = os.fsencode(name)
    return name if len(encoded) <= limit else encoded[:limit].decode(sys.getfilesystemencoding(), "ignore")


def _check_not_among_the_images(folders: Iterable[str], out: str | None) -> None:
    """A folder that is read is not written to: the next call would take the results for images."""
    for folder in folders:
        if out is not None and os.path.isdir(out) and os.path.samefile(folder, out):
            raise RimError(f"{out}: is a folder of images of this command; name another by -o", path=out)


def _check_not_overwritten(read: Iterable[str | Path], written: Iterable[Path]) -> None:
    def identity(path: str | Path) -> tuple[int, int] | None:
        try:
            found = os.stat(path)
        except (OSError, ValueError):
            return None
        return found.st_dev, found.st_ino

    inputs = {identity(path) for path in read} - {None}
    for path in written:
        if identity(path) in inputs:
            raise RimError(f"{path}: an input of this command would be overwritten; name another file by -o", path=path)


def _background(given: str) -> Any:
    """A colour, or the pixels of a file."""
    from rimlib.io import images
    from rimlib.prediction.cutout import color_of

    if color_of(given) is not None:
        return given
    try:
        return images.read_image(given)
    except RimError as error:
        message = f"--background: neither a colour, such as white or #2a6f97, nor an image: {error}"
        raise RimError(message, path=error.path, setting="background") from None


def _predictor(options: argparse.Namespace) -> "MattingPredictor":
    import rimlib

    model = rimlib.CLIPMat.shipped() if options.model is None else rimlib.CLIPMat.load(options.model)
    refiner = None if options.refine is False else "shipped"
    predictor = rimlib.MattingPredictor(model, refiner=refiner, threshold=options.threshold)
    if options.refine and predictor.refiner is None:
        raise RimError("--refine: no refiner ships with this rimlib; leave the option out", setting="refine")
    return predictor


def _writer(kind: str, background: "str | np.ndarray | None") -> "Callable[[Path, Result], Path]":
    """The function that writes a result to a path."""
    from rimlib.io import images

    return {
        "matte": lambda path, result: images.write_matte(path, result.alpha),
        "cut-out": lambda path, result: images.write_cutout(path, *result.cutout()),
        "composite": lambda path, result: images.write_image(path, result.over(background)),
    }[kind]


def _predict_and_write(
    predictor: "MattingPredictor",
    sources: list,
    paths: list[Path],
    sentences: list[str],
    targets: dict[tuple[int, int], Path],
    write: "Callable[[Path, Result], Path]",
    silent: bool,
) -> list[dict[str, Any]]:
    """Returns a row for each result, and for each image that could not be used; prints a line each unless `silent`."""
    from tqdm import tqdm

    from rimlib.prediction import folder
    from rimlib.sentences import short

    rows = []
    for number, place, result, error in folder.predict_all(predictor, sources, sentences, sources is paths):
        row: dict[str, Any] = {"image": str(paths[number])}
        rows.append(row)
        if result is None:
            row["error"] = error
            continue
        path = write(targets[number, place], result)
        row |= {"sentence": result.sentence, "path": str(path), "score": round(result.score, 4)}
        row |= {"found": result.found, "answer": result.answer, "message": result.message}
        if not silent:  # above the progress bar, not through it
            text = f"score {result.score:.2f}  {short(result.sentence)}" if result.found else f"empty: {result.message}"
            text += "  (ambiguous: the matte has several parts of like size)" * (result.answer == "ambiguous")
            tqdm.write(f"{path}  {text}")
    return rows


@contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    from rimlib.prediction.prompts import CutSentence

    with warnings.catch_warnings():
        warnings.simplefilter("always", CutSentence)
        warnings.showwarning = lambda message, *_, **__: print(f"rim: warning: {message}", file=sys.stderr)
        yield
