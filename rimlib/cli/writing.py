"""Mattes predicted for `rim matte` and written: a file, a row and a line for each image and sentence."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rimlib.errors import RimError

if TYPE_CHECKING:
    import numpy as np

    from rimlib.prediction.methods import Predictor
    from rimlib.prediction.result import Result


def background_of(given: str) -> Any:
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


def writer(kind: str, background: str | np.ndarray | None) -> Callable[[Path, Result], Path]:
    """The function that writes a result to a path."""
    from rimlib.io import images

    return {
        "matte": lambda path, result: images.write_matte(path, result.alpha),
        "cut-out": lambda path, result: images.write_cutout(path, *result.cutout()),
        "composite": lambda path, result: images.write_image(path, result.over(background)),
    }[kind]


def predict_and_write(
    predictor: Predictor,
    sources: list,
    paths: list[Path],
    sentences: list[str],
    targets: dict[tuple[int, int], Path],
    write: Callable[[Path, Result], Path],
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
            if result.found and result.message:
                text += f"  ({result.message})"
            elif result.answer == "ambiguous":
                text += "  (ambiguous: the matte has several parts of like size)"
            tqdm.write(f"{path}  {text}")
    return rows


@contextmanager
def warnings_in_one_line() -> Iterator[None]:
    """Warnings about sentences as one line each on stderr, without the place in the code."""
    from rimlib.prediction.prompts import CutSentence

    with warnings.catch_warnings():
        warnings.simplefilter("always", CutSentence)
        warnings.showwarning = lambda message, *_, **__: print(f"rim: warning: {message}", file=sys.stderr)
        yield
