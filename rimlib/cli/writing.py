"""What `rim matte` makes of a result, and what it writes: a file, a row and a line for each image and sentence."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rimlib.errors import RimError

if TYPE_CHECKING:
    from rimlib.cli.finish import Finish
    from rimlib.prediction.methods import Predictor
    from rimlib.prediction.result import Result

Row = dict[str, Any]


@dataclass(frozen=True)
class Batch:
    """What is read and what is written.

    Attributes:
        paths: of the images.
        sources: what the predictor reads of each: its path, or its pixels.
        sentences: of which each gets a file for each image.
        without: sentences; what they find is taken out.
        targets: the file of each image and sentence, by their numbers.
        there: those of the targets that are left as they are.
    """

    paths: list[Path]
    sources: list[Any]
    sentences: list[str]
    without: list[str]
    targets: dict[tuple[int, int], Path]
    there: frozenset[tuple[int, int]] = frozenset()

    @property
    def left(self) -> dict[int, list[int]]:
        """The numbers of the images of which something is to be written, and of the sentences of each."""
        found: dict[int, list[int]] = {}
        for image, sentence in sorted(self.targets.keys() - self.there):
            found.setdefault(image, []).append(sentence)
        return found


def predict_and_write(predictor: Predictor | None, batch: Batch, finish: Finish, silent: bool) -> list[dict[str, Any]]:
    """Returns a row for each result, and for each image that could not be used; prints a line each unless `silent`.

    predictor: None where nothing is left to be done.
    """
    from tqdm import tqdm

    from rimlib.prediction import folder

    rows = [_row(batch, number, place) | {"skipped": True} for number, place in sorted(batch.there)]
    if predictor is None:
        return rows
    several = batch.sources is batch.paths
    given = (predictor, batch.sources, batch.sentences, several, batch.without, batch.left)
    # No name for the generator: an error then closes it, and its progress bar, before the error is printed.
    for number, place, result, error, missed in folder.predict_all(*given):
        row: Row = {"image": str(batch.paths[number])}
        if result is not None:
            row = _row(batch, number, place)
            try:
                result, more = finish.write(batch.targets[number, place], batch.paths[number], result)
                row |= more
            except RimError as refused:
                if not several or _is_of_the_disk(refused):
                    raise
                result, error = None, str(refused)
        rows.append(row)
        if result is None:
            row["error"] = error
            continue
        row |= {"score": round(result.score, 4), "found": result.found, "answer": result.answer}
        row |= {"reason": result.reason, "message": result.message}
        if batch.without:
            row["missed"] = list(missed)
        if not silent:  # above the progress bar, not through it
            tqdm.write(f"{row['path']}  {_text(result, missed)}")
        del result  # not kept while the next image is read
    return rows


def _row(batch: Batch, number: int, place: int) -> Row:
    target = batch.targets[number, place]
    return {"image": str(batch.paths[number]), "sentence": batch.sentences[place], "path": str(target)}


def _text(result: Result, missed: tuple[str, ...]) -> str:
    from rimlib.prediction.answer import Reason
    from rimlib.sentences import short

    if not result.found:
        return f"empty: {result.message}"
    text = f"score {result.score:.2f}  {short(result.sentence)}"
    if result.message:
        text += f"  ({result.message})"
    elif result.reason == Reason.SEVERAL_PARTS:
        text += "  (ambiguous: the matte has several parts of like size)"
    return text + "".join(f"  (nothing fits “{short(sentence)}”: nothing taken out)" for sentence in missed)


def _is_of_the_disk(error: RimError) -> bool:
    """Whether the system refused a file, as it will refuse the next; too many pixels for a format are one image's."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno is not None


@contextmanager
def warnings_in_one_line() -> Iterator[None]:
    """Warnings about sentences and folders as one line each on stderr, without the place in the code."""
    from rimlib.prediction.folder import UnreadableFolder
    from rimlib.prediction.prompts import CutSentence

    with warnings.catch_warnings():
        for kind in (CutSentence, UnreadableFolder):
            warnings.simplefilter("always", kind)
        warnings.showwarning = lambda message, *_, **__: print(f"rim: warning: {message}", file=sys.stderr)
        yield
