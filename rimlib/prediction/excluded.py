"""What is taken out of every matte of an image: the union of what other sentences find in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rimlib.prediction.result import Result

if TYPE_CHECKING:
    from rimlib.prediction.methods import Predictor


@dataclass(frozen=True)
class Excluded:
    """Of one image.

    Attributes:
        alpha: float32 (H, W) in [0, 1], the largest of what was found; None if nothing was.
        found: the sentences that found something.
        missed: those that found nothing, and so take nothing out.
    """

    alpha: np.ndarray | None
    found: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()

    @classmethod
    def of(cls, predictor: Predictor, sentences: Any) -> Excluded:
        """What sentences, a list or encoded, find in a predictor's image; one matte after the other, one is kept."""
        alpha: np.ndarray | None = None
        found: list[str] = []
        missed: list[str] = []
        for result in predictor.predict_many(sentences):
            (found if result.found else missed).append(result.sentence)
            if result.found:
                alpha = np.array(result.alpha) if alpha is None else np.maximum(alpha, result.alpha, out=alpha)
        return cls(alpha, tuple(found), tuple(missed))

    def taken_out_of(self, result: Result) -> Result:
        """A result without it, see `Result.without`."""
        return result if self.alpha is None else result.less(self.alpha, self.found)
