"""The same sentences on many images: one image after the other, a file that cannot be used named and skipped."""

from __future__ import annotations

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
    """The result of the image and the sentence of these numbers; an image that cannot be used has one, with `error`."""

    image: int
    sentence: int
    result: Result | None
    error: str = ""


def find(folder: str | Path) -> list[Path]:
    """The images in a folder by their endings, sorted by name; neither those of folders inside nor hidden ones.

    Raises RimError for a folder that cannot be read or has none.
    """
    try:
        found = sorted(
            path
            for path in Path(folder).iterdir()
            if path.suffix.lower() in ENDINGS and not path.name.startswith(".") and not path.is_dir()
        )
    except OSError as error:
        raise RimError(f"{folder}: cannot be read: {reason(error)}", path=folder) from error
    if not found:
        expected = "files that end in .jpg, .png, .webp, .tif or the like are expected"
        raise RimError(f"{folder}: no images in this folder; {expected}", path=folder)
    return found


def predict_all(
    predictor: Predictor, sources: Sequence[Any], sentences: Sequence[str], progress: bool = True
) -> Iterator[Prediction]:
    """Predict the same sentences for many images.

    Args:
        predictor: whose image is set to each in turn.
        sources: paths, or whatever `set_image` takes.
        sentences: encoded once for all images.
        progress: show a progress bar.

    Yields:
        Each prediction as soon as it is made; none is kept.

    Raises:
        RimError: a sentence that cannot be used, before anything else.
    """
    from tqdm import tqdm  # plain text, which papermill can pass on to the terminal

    text = predictor.encode_text(sentences)
    for number, source in enumerate(tqdm(sources, desc="mattes", unit="image", disable=not progress)):
        try:
            predictor.set_image(source)
        except RimError as error:
            yield Prediction(number, 0, None, str(error))
            continue
        for place, result in enumerate(predictor.predict_many(text)):
            yield Prediction(number, place, result)
