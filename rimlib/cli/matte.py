"""The `rim matte` command: mattes, cut-outs and composites, of one picture or of a folder of them."""

import json
import os
import re
import sys
import warnings
from contextlib import contextmanager
from pathlib import Path

from rimlib.errors import RimError

ENDINGS = {  # what may be written, and as what
    "matte": (".png",),
    "cut-out": (".png", ".webp", ".tif", ".tiff"),
    "composite": (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp"),
}
EPILOG = """
PICTURE is an image file or a folder of them; more files may follow, told from sentences by their endings. Several
pictures need a folder to write to. For each picture and sentence a line says where the answer is and its score, which is how sure
the model is that something fits. Below the threshold the matte is empty and the line says so: that is an answer too.
Exit status: 0, every picture was answered; 1, some of several pictures could not be used, and are named at
the end; 2, nothing could be done. A file is written whole or not at all.
"""


def add_command(commands, add) -> None:
    """Add the command to a parser's; `add(commands, name, function, text)` makes one and returns its parser."""
    matte = add(commands, "matte", _matte, "cut out what a sentence names")
    matte.epilog = EPILOG.strip()
    matte.add_argument("picture", metavar="PICTURE", help="an image file, or a folder of them")
    matte.add_argument(
        "sentences", metavar="SENTENCE", nargs="+", help='such as "the brown dog"; more pictures may stand before'
    )
    matte.add_argument(
        "-o", "--out", metavar="OUT", help="a file, or a folder for one file each (default: the working directory)"
    )
    kinds = matte.add_mutually_exclusive_group()
    kinds.add_argument(
        "--cutout", action="store_true", help="write the thing itself, in its own colours, the matte as transparency"
    )
    kinds.add_argument(
        "--background", metavar="FILE|COLOUR", help='write the thing over a picture, or over a colour such as "#2a6f97"'
    )
    refine = matte.add_mutually_exclusive_group()
    refine.add_argument(
        "--refine",
        dest="refine",
        action="store_true",
        default=None,
        help="refine mattes at the picture's own size (default: where a refiner is shipped)",
    )
    refine.add_argument(
        "--no-refine", dest="refine", action="store_false", help="only enlarge the model's matte: quicker, and softer"
    )
    matte.add_argument(
        "--threshold",
        type=float,
        metavar="T",
        help="the least score that counts as found (default: 0.5); 0 keeps every matte",
    )
    matte.add_argument("--model", metavar="PATH", help="weights of a run of yours (default: the shipped model)")
    matte.add_argument("--json", action="store_true", help="print one JSON list instead of lines")


def _matte(options) -> int:
    from rimlib.io import images
    from rimlib.predict import prompts as words

    given, sentences = _told_apart([options.picture, *options.sentences])
    for sentence in sentences:
        words.readable(sentence)
    several = len(given) > 1 or os.path.isdir(given[0])
    pictures, kind = (
        _listed(given),
        "cut-out" if options.cutout else "matte" if options.background is None else "composite",
    )
    targets = paths_of(pictures, sentences, options.out, kind, several)
    _spare([*pictures, options.background or ""], targets.values())
    # What cannot be used is refused before the model is loaded.
    background = None if options.background is None else _background(options.background)
    asked = pictures if several else [images.read_image(pictures[0])]
    with _warnings_in_one_line():
        rows = _answered(
            _matting(options), asked, pictures, sentences, several, targets, _writer(kind, background), options.json
        )
    if options.json:
        print(json.dumps(rows, ensure_ascii=False))
    if refused := [row["error"] for row in rows if "error" in row]:
        print(f"{len(refused)} of {len(pictures)} pictures could not be used:", *refused, sep="\n", file=sys.stderr)
    return 1 if refused else 0


def paths_of(pictures, sentences, out=None, kind: str = "matte", several: bool = False) -> dict[tuple[int, int], Path]:
    """Where the answer of each picture and sentence goes, by their numbers.

    out: a file for one answer; a folder (made if needed) for more; None: the working directory. kind: of `ENDINGS`; several: a
    batch, which needs a folder. No two share a file: the second gets a number. Raises RimError.

    >>> [str(path) for path in paths_of(["pets.jpg"], ["the cat", "The cat!"], "mattes").values()]
    ['mattes/pets-the-cat.png', 'mattes/pets-the-cat-2.png']
    """
    if several and out is None:
        raise RimError(f"{len(pictures)} pictures: name a folder for what is made of them, such as -o mattes")
    if out is not None and Path(out).suffix and not os.path.isdir(out):
        if Path(out).suffix.lower() not in ENDINGS[kind]:
            raise RimError(
                f"{out}: a {kind} cannot be stored with the ending {Path(out).suffix!r}; expected {', '.join(ENDINGS[kind])}"
            )
        if several or len(sentences) > 1:
            found = f"{len(pictures)} pictures" if several else f"{len(sentences)} sentences"
            raise RimError(f"{out}: one file for {found}; name a folder instead")
        return {(0, 0): Path(out)}
    paths, taken, mark = {}, set(), {"matte": "", "cut-out": "-cutout", "composite": "-composite"}[kind]
    for number, picture in enumerate(pictures):
        for place, sentence in enumerate(sentences):
            words = re.sub(r"[^\w]+", "-", sentence.lower()).strip("-")[:60] or "matte"
            name, count = f"{Path(picture).stem}-{words}{mark}", 1
            while (path := Path(out or ".") / f"{name}{'' if count == 1 else f'-{count}'}.png") in taken:
                count += 1
            taken.add(path)
            paths[number, place] = path
    return paths


def _told_apart(given: list[str]) -> tuple[list[str], list[str]]:
    """Pictures and sentences: the first is a picture, and so is each after it that ends as a picture file does."""
    from rimlib.predict.folder import PICTURES

    count = 1
    while count < len(given) and Path(given[count]).suffix.lower() in PICTURES:
        count += 1
    if count == len(given):
        raise RimError(f'{given[-1]}: no sentence after it; write what to cut out, such as "the brown dog"')
    return given[:count], given[count:]


def _listed(given: list[str]) -> list:
    from rimlib.predict import folder

    return [path for name in given for path in (folder.find(name) if os.path.isdir(name) else [name])]


def _spare(read, written) -> None:
    """Refuse to write over what is read."""

    def identity(path):
        try:
            found = os.stat(path)
            return found.st_dev, found.st_ino
        except (OSError, ValueError):
            return None

    kept = {identity(path) for path in read} - {None}
    for path in written:
        if identity(path) in kept:
            raise RimError(f"{path}: is read by this command and would be written over; name another by -o")


def _background(given: str):
    """A colour, or the pixels of a file."""
    from rimlib.io import images
    from rimlib.predict.cutout import color_of

    if color_of(given) is not None:
        return given
    try:
        return images.read_image(given)
    except RimError as error:
        raise RimError(f"--background: no colour such as white or #2a6f97, and no picture: {error}") from None


def _matting(options):
    import rimlib

    model = rimlib.CLIPMat.shipped() if options.model is None else rimlib.CLIPMat.load(options.model)
    matting = rimlib.Matting(model, refiner=None if options.refine is False else "shipped", threshold=options.threshold)
    if options.refine and matting.refiner is None:
        raise RimError("--refine: this rimlib has no refiner; leave the option out")
    return matting


def _writer(kind: str, background):
    """The function that writes a result to a path."""
    from rimlib.io import images

    return {
        "matte": lambda path, result: images.write_matte(path, result.alpha),
        "cut-out": lambda path, result: images.write_cutout(path, *result.cutout()),
        "composite": lambda path, result: images.write_image(path, result.over(background)),
    }[kind]


def _answered(matting, asked, pictures, sentences, several, targets, write, silent) -> list[dict]:
    """Ask and write, a line each unless `silent`; returns what is known of each answer, and of each picture that could not be used."""
    from tqdm import tqdm

    from rimlib.predict import folder
    from rimlib.predict import prompts as words

    rows = []
    for number, place, result, error in folder.ask_all(matting, asked, sentences, progress=several):
        if result is None:
            rows.append({"picture": str(pictures[number]), "error": error})
            continue
        path = write(targets[number, place], result)
        rows.append(
            {
                "picture": str(pictures[number]),
                "sentence": result.sentence,
                "path": str(path),
                "score": round(result.score, 4),
                "found": result.found,
                "message": result.message,
            }
        )
        if not silent:  # above the bar, not through it
            said = (
                f"score {result.score:.2f}  {words.short(result.sentence)}"
                if result.found
                else f"empty: {result.message}"
            )
            tqdm.write(f"{path}  {said}")
    return rows


@contextmanager
def _warnings_in_one_line():
    from rimlib.predict.prompts import CutSentence

    with warnings.catch_warnings():
        warnings.simplefilter("always", CutSentence)
        warnings.showwarning = lambda message, *_, **__: print(f"rim: warning: {message}", file=sys.stderr)
        yield
