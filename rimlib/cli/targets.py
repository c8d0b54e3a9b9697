"""The arguments of `rim matte` told apart, and the names of the files that it writes."""

from __future__ import annotations

import itertools
import os
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from rimlib.cli import naming
from rimlib.errors import RimError

ENDINGS = {  # of the files that may be written, and what the name of one that the command chooses ends with
    "matte": (".png",),
    "cut-out": (".png", ".webp", ".tif", ".tiff"),
    "composite": (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp"),
}
SAME = {".jpeg": ".jpg", ".tiff": ".tif"}  # another ending: that of the files whose names the command makes
SUFFIX = {"matte": "", "cut-out": "-cutout", "composite": "-composite"}


def split_arguments(given: list[str]) -> tuple[list[str], list[str]]:
    """Images and sentences, see `rim matte --help`. Raises RimError for a path where a sentence should be."""
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
    for number in range(count, len(given)):
        name = given[number]
        if is_image(number):
            message = f"{name}: an image after a sentence, {given[count]!r}; images stand before all sentences"
            raise RimError(message, path=name)
        if _is_a_path(name):
            raise RimError(f"{name}: stands for a sentence, and is a path; is its name spelt right?", path=name)
    if os.path.exists(given[-1]):
        print(f"rim: warning: {given[-1]!r} is taken for the sentence, though a file has that name", file=sys.stderr)
    return given[:count], given[count:]


def find(given: list[str], recursive: bool, out: str | None) -> tuple[list[Path], list[Path]]:
    """The images that arguments mean, and the folder of each below that of its results.

    Args:
        given: image files and folders of images.
        recursive: read the folders inside too; the folders of the results mirror them.
        out: where results go; that folder is not read.
    """
    from rimlib.prediction import folder

    folders = [name for name in given if os.path.isdir(name)]
    check_not_among_the_images(folders, out)
    if recursive and not folders:
        raise RimError(f"--recursive: {given[0]} is no folder; leave the option out", setting="recursive")
    paths, below = [], []
    for name in given:
        found = folder.find(name, recursive, out) if name in folders else [Path(name)]
        paths += found
        below += [path.parent.relative_to(name) if name in folders else Path() for path in found]
    return paths, below


def paths_of(
    images: Iterable[str | Path],
    sentences: list[str],
    out: str | Path | None = None,
    kind: str = "matte",
    several: bool = False,
    ending: str | None = None,
    below: Sequence[Path] = (),
) -> dict[tuple[int, int], Path]:
    """The file of each image and sentence, by their numbers.

    Args:
        images: their paths.
        sentences: of which the names of files are made.
        out: a file for one result; a folder (made if needed) for more; None for the working directory.
        kind: of `ENDINGS`.
        several: a batch, which needs a folder.
        ending: of the names, of `ENDINGS`; that of `out`, or `.png`, if None.
        below: for each image the folder below `out` that its results go to.

    Raises:
        RimError: `out` cannot hold what is made.

    No two share a file, see `naming`.

    >>> [str(path) for path in paths_of(["pets.jpg"], ["the cat", "The cat!"], "mattes").values()]
    ['mattes/pets-the-cat.png', 'mattes/pets-the-cat-2.png']
    """
    images = list(images)
    if several and out is None:
        raise RimError(
            f"{len(images)} images: --out must name a folder for the results, such as -o mattes", setting="out"
        )
    if out is not None and _names_a_file(out):
        found, expected = Path(out).suffix, ", ".join(ENDINGS[kind])
        if found.lower() not in ENDINGS[kind]:
            raise RimError(f"{out}: a {kind} cannot be stored with the ending {found!r}; expected {expected}", path=out)
        if ending not in (None, SAME.get(found.lower(), found.lower())):
            raise RimError(
                f"--format: is {ending[1:]}, and --out ends in {found}; leave one of the two out", setting="format"
            )
        if several or len(sentences) > 1:
            count = f"{len(images)} images" if several else f"{len(sentences)} sentences"
            raise RimError(f"{out}: one file for {count}; name a folder instead", path=out)
        return {(0, 0): Path(out)}
    numbers = list(itertools.product(range(len(images)), range(len(sentences))))
    end = f"{SUFFIX[kind]}{ending or '.png'}"
    folders = [Path(out or ".") / (below[image] if below else "") for image, _ in numbers]
    words = [naming.words_of(sentence) for sentence in sentences]
    wanted = [naming.Wanted(Path(images[i]), folder, words[k], end) for (i, k), folder in zip(numbers, folders)]
    return dict(zip(numbers, naming.names(wanted)))


def ending_of(format: str | None, kind: str) -> str | None:
    """The ending of files of a format, by its name as people write it. Raises RimError for one that cannot hold a kind.

    >>> ending_of("JPEG", "composite"), ending_of(None, "matte")
    ('.jpg', None)
    """
    if format is None:
        return None
    ending = f".{format.strip().lower().removeprefix('.')}"
    ending = SAME.get(ending, ending)
    if ending in ENDINGS[kind]:
        return ending
    expected = ", ".join(one[1:] for one in ENDINGS[kind] if one not in SAME)
    why = f"a {kind} cannot be stored so"
    if ending == ".jpg":
        why = "JPEG has no transparency" if kind == "cut-out" else "JPEG changes the values of a matte"
    instead = "; or lay it over something by --background white" if kind == "cut-out" else ""
    raise RimError(f"--format: is {format!r}: {why}; expected {expected}{instead}", setting="format")


def check_not_among_the_images(folders: Iterable[str], out: str | None) -> None:
    """A folder that is read is not written to: the next call would take the results for images."""
    for folder in folders:
        if out is not None and os.path.isdir(out) and os.path.samefile(folder, out):
            raise RimError(f"{out}: is a folder of images of this command; name another by -o", path=out)


def check_not_overwritten(read: Iterable[str | Path], written: Iterable[Path]) -> None:
    """No file that is read is written to, whichever name or link leads to it."""

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


def _is_a_path(name: str) -> bool:
    """Whether an argument that names nothing that is there was meant to: a sentence is not written so."""
    if name.startswith(("/", "./", "../", "~/")) or name.endswith(("/", os.sep)):
        return True
    folder = os.path.dirname(name)
    return folder != "" and not re.search(r"\s", name) and os.path.isdir(folder)


def _names_a_file(out: str | Path) -> bool:
    """Whether the name has an ending, such as .png; `Set.01` has none, and what ends in a slash is a folder."""
    has_ending = re.fullmatch(r"\.[A-Za-z]\w*", Path(out).suffix) is not None
    return has_ending and not str(out).endswith(("/", os.sep)) and not os.path.isdir(out)
