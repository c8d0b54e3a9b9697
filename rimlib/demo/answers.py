"""The predictors of the page and what they found: an image is encoded once, and no sentence is computed twice."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rimlib import show
from rimlib.demo import attention
from rimlib.demo.attention import Word
from rimlib.demo.request import Request, Source
from rimlib.demo.views import VIEWS, edited, summary
from rimlib.prediction import cutout

if TYPE_CHECKING:
    from rimlib.prediction.methods import Predictor
    from rimlib.prediction.result import Result

KEPT = 12  # answers, each with some arrays of the image's size


class Key(NamedTuple):
    """What an answer depends on."""

    source: Source
    sentence: str
    method: str


@dataclass(frozen=True, eq=False)
class Answered:
    """What was found of a sentence in an image.

    Attributes:
        result: of the predictor.
        colors: the object's own, without those of the old background at its edge, uint8 (H, W, 3).
        seconds: what that took.
        notes: what the reader should know, such as that the sentence was cut.
        words: how the model attended to the words.
    """

    result: Result
    colors: np.ndarray
    seconds: float
    notes: tuple[str, ...]
    words: tuple[Word, ...]

    @property
    def line(self) -> str:
        """For the page."""
        return " · ".join([summary(self.result), f"{1000 * self.seconds:.0f} ms", *self.notes])


class Answers:
    """Answers requests; the last `KEPT` are in `history`, the newest last.

    predictor: of the method clipmat.
    """

    def __init__(self, predictor: Predictor):
        self.predictors: dict[str, Predictor] = {"clipmat": predictor}
        self.history: dict[Key, Answered] = {}
        self._encoded: dict[str, Source] = {}

    def answer(self, request: Request, superseded: Callable[[], bool] = lambda: False) -> Answered | None:
        """What a request's sentence finds, or None where it has none or is not wanted any more.

        superseded: whether a newer request waits; asked between the steps. Raises RimError.
        """
        key = Key(request.source, request.sentence, request.method)
        if key not in self.history:
            predictor = self._encoding(request)
            if not request.sentence or superseded():
                return None
            found = self._find(predictor, request)
            for old in list(self.history)[: len(self.history) + 1 - KEPT]:
                del self.history[old]
        else:
            found = self.history.pop(key)
        self.history[key] = found
        return found

    def _encoding(self, request: Request) -> Predictor:
        from rimlib.prediction import methods

        predictor = self.predictors.get(request.method) or methods.predictor(request.method)
        if self._encoded.get(request.method) is not request.source:
            self._encoded.pop(request.method, None)
            predictor.set_image(request.source.image)
            self._encoded[request.method] = request.source
        self.predictors[request.method] = predictor
        return predictor

    def _find(self, predictor: Predictor, request: Request) -> Answered:
        started = time.perf_counter()
        image = request.source.image
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = predictor.predict(request.sentence)
        seconds = time.perf_counter() - started
        model = getattr(predictor, "model", None)
        words = attention.words(model, image, request.sentence, result.alpha) if model is not None else ()
        notes = tuple(str(item.message) for item in caught)
        return Answered(result, cutout.colors(image, result.alpha), seconds, notes, words)


def views(request: Request, found: Answered | None) -> dict[str, np.ndarray]:
    """What the page shows, by title: uint8 (H, W, 3) each."""
    image = request.source.image
    alpha = np.zeros(image.shape[:2], np.float32) if found is None else found.result.alpha
    colors = np.zeros_like(image) if found is None else found.colors
    made = edited(request.edit, image, colors, alpha, request.background)
    return dict(zip(VIEWS, (image, show.gray(alpha), show.over(colors, alpha), made)))
