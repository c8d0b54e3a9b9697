"""The same sentences on many images: one image after the other, a file that cannot be used named and skipped."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
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


class UnreadableFolder(UserWarning):
    """A folder inside that cannot be read; its images are left out."""


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
        recursive: those of folders inside too, hidden ones and links to folders left out. One of them that cannot be
            read gives an `UnreadableFolder` warning.
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
        try:
            if not path.is_dir():
                if path.suffix.lower() in ENDINGS:
                    yield path
            elif recursive and not path.is_symlink() and os.path.realpath(path) != leave_out:
                yield from _images(path, recursive, leave_out)
        except OSError as error:  # the others are read; the folder itself, which was named, must be readable
            warnings.warn(f"{error.filename or path}: cannot be read: {reason(error)}", UnreadableFolder, stacklevel=2)


def predict_all(
    predictor: Predictor,
    sources: Sequence[Any],
    sentences: Sequence[str],
    progress: bool = True,
    without: Sequence[str] = (),
    left: Mapping[int, Sequence[int]] | None = None,
) -> Iterator[Prediction]:
    """Predict the same sentences for many images.

    Args:
        predictor: whose image is set to each in turn.
        sources: paths, or whatever `set_image` takes.
        sentences: encoded once for all images.
        progress: show a progress bar.
        without: what these find is taken out, see `Excluded`.
        left: of each source that is read, by its number, the numbers of its sentences; all of all if None.

    Yields:
        Each prediction as soon as it is made; none is kept.

    Raises:
        RimError: a sentence that cannot be used, before anything else.
    """
    from tqdm import tqdm  # plain text, which papermill can pass on to the terminal

    every = tuple(range(len(sentences)))
    wanted = dict.fromkeys(range(len(sources)), every) if left is None else {n: tuple(one) for n, one in left.items()}
    # Each choice of sentences, encoded once; all of them first, since one that cannot be used ends the run.
    texts = {every: predictor.encode_text(sentences)}
    others = predictor.encode_text(without) if without else None
    for number, places in tqdm(wanted.items(), desc="mattes", unit="image", disable=not progress):
        try:
            predictor.set_image(sources[number])
        except RimError as error:
            yield Prediction(number, places[0], None, str(error))
            continue
        if places not in texts:
            texts[places] = predictor.encode_text([sentences[place] for place in places])
        yield from _of_image(predictor, number, places, texts[places], others)


def _of_image(predictor: Predictor, number: int, places: Sequence[int], text: Any, others: Any) -> Iterator[Prediction]:
    from rimlib.prediction.excluded import Excluded

    excluded = Excluded(None) if others is None else Excluded.of(predictor, others)
    for place, result in zip(places, predictor.predict_many(text)):
        yield Prediction(number, place, excluded.taken_out_of(result), missed=excluded.missed)
