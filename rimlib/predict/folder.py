"""Many pictures, the same sentences: one after the other, a bad file named and passed over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rimlib.errors import RimError
from rimlib.io.files import reason

if TYPE_CHECKING:
    from rimlib.predict.result import Result

PICTURES = frozenset(
    ".apng .avif .bmp .gif .heic .heif .jfif .jp2 .jpeg .jpg .pbm .pgm .png .ppm .tga .tif .tiff .webp".split()
)
"""Endings by which a picture is known in a folder. One that cannot be decoded here is better named than passed over."""


class Answer(NamedTuple):
    """What became of the picture and the sentence of these numbers; a picture that cannot be used has one, with `error` and no result."""

    picture: int
    sentence: int
    result: Result | None
    error: str = ""


def find(folder) -> list[Path]:
    """The pictures in a folder by their endings (`PICTURES`), in the order of their names; not those in folders within, nor hidden ones.

    Raises RimError for a folder that cannot be read or has none.
    """
    try:
        found = sorted(
            path for path in Path(folder).iterdir() if path.suffix.lower() in PICTURES and not path.name.startswith(".")
        )
    except OSError as error:
        raise RimError(f"{folder}: cannot be read: {reason(error)}") from error
    if not found:
        raise RimError(
            f"{folder}: no pictures in this folder; files that end in .jpg, .png, .webp, .tif or the like are expected"
        )
    return found


def ask_all(matting, pictures: Sequence, sentences: Sequence[str], progress: bool = True) -> Iterator[Answer]:
    """Ask the same sentences of many pictures, with a progress bar.

    matting: a `Matting`; pictures: paths, or whatever `set_image` takes; sentences: texts, read by the model once for all. Each
    result is given as soon as it is there, and none is kept. Raises RimError for a sentence that cannot be read, before anything else.
    """
    from tqdm import tqdm  # plain text, which papermill can pass on to the terminal

    asked = matting.read(sentences)
    for number, picture in enumerate(tqdm(pictures, desc="mattes", unit="picture", disable=not progress)):
        try:
            matting.set_image(picture)
        except RimError as error:
            yield Answer(number, 0, None, str(error))
            continue
        for place, result in enumerate(matting.ask(asked)):
            yield Answer(number, place, result)
