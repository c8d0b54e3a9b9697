"""The same sentences on many images: one image after the other, a file that cannot be used named and skipped."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rimlib.errors import RimError
from rimlib.io.files import reason

if TYPE_CHECKING:
    from rimlib.prediction.methods import Predictor
    from rimlib.prediction.result import Result

ENDINGS = frozenset(
    ".apng .arw .avif .bmp .cr2 .cr3 .dng .gif .heic .heif .jfif .jp2 .jpeg .jpg .jxl .nef .orf .pbm .pgm .png .ppm "
    ".raf .rw2 .tga .tif .tiff .webp".split()
)
"""Endings of image files. One that cannot be decoded here is better named than skipped."""


class Prediction(NamedTuple):
    """The result of the image and the sentence of these numbers; an image that cannot be used has one, with `error`.

    `missed` are the sentences that were to be taken out and found nothing.
    """

    image: int
    sentence: int
    result: Result | None
    error: str = ""
    missed: tuple[str, ...] = ()


def find(folder: str | Path, recursive: bool = False, leave_out: str | Path | None = None) -> list[Path]:
    """The images in a folder by their endings, sorted by name; no hidden ones.

    Args:
        folder: where they are.
        recursive: those of folders inside too, hidden ones and links to folders left out.
        leave_out: a folder inside that is not read, such as that of the results.

    Raises:
        RimError: the folder cannot be read or has none.
    """
    try:
        found = sorted(_images(Path(folder), recursive, None if leave_out is None else os.path.realpath(leave_out)))
    except OSError as error:
        raise RimError(f"{error.filename or folder}: cannot be read: {reason(error)}", path=folder) from error
    if not found:
        expected = "files that end in .jpg, .png, .webp, .tif or the like are expected"
        if not recursive and any(path.is_dir() and not path.name.startswith(".") for path in Path(folder).iterdir()):
            expected += "; --recursive reads the folders inside"
        raise RimError(f"{folder}: no images in this folder; {expected}", path=folder)
    return found


def _images(folder: Path, recursive: bool, leave_out: str | None) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if not path.is_dir():
            if path.suffix.lower() in ENDINGS:
                yield path
        elif recursive and not path.is_symlink() and os.path.realpath(path) != leave_out:
            yield from _images(path, recursive, leave_out)


def predict_all(
    predictor: Predictor,
    sources: Sequence[Any],
    sentences: Sequence[str],
    progress: bool = True,
    without: Sequence[str] = (),
    only: Sequence[int] | None = None,
) -> Iterator[Prediction]:
    """Predict the same sentences for many images.

    Args:
        predictor: whose image is set to each in turn.
        sources: paths, or whatever `set_image` takes.
        sentences: encoded once for all images.
        progress: show a progress bar.
        without: what these find is taken out, see `Excluded`.
        only: the numbers of the sources that are read; all if None.

    Yields:
        Each prediction as soon as it is made; none is kept.

    Raises:
        RimError: a sentence that cannot be used, before anything else.
    """
    from tqdm import tqdm  # plain text, which papermill can pass on to the terminal

    text = predictor.encode_text(sentences)
    others = predictor.encode_text(without) if without else None
    numbers = range(len(sources)) if only is None else only
    for number in tqdm(numbers, desc="mattes", unit="image", disable=not progress):
        try:
            predictor.set_image(sources[number])
        except RimError as error:
            yield Prediction(number, 0, None, str(error))
            continue
        yield from _of_image(predictor, number, text, others)


def _of_image(predictor: Predictor, number: int, text: Any, others: Any) -> Iterator[Prediction]:
    from rimlib.prediction.excluded import Excluded

    excluded = Excluded(None) if others is None else Excluded.of(predictor, others)
    for place, result in enumerate(predictor.predict_many(text)):
        yield Prediction(number, place, excluded.taken_out_of(result), missed=excluded.missed)
