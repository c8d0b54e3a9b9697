"""From a model's score to the probability that the sentence fits something in the image.

Not in the paper. A score orders sentences, but a score of 0.8 does not mean that eight in ten of them are true. Two
numbers, fitted on sentences that no training has seen (`rimlib.evaluation.calibration.fit`), map it to a probability:
Platt's sigmoid, on the score's logit. They are stored in the checkpoint's card, with their threshold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rimlib.errors import RimError

KEY = "calibration"  # of a checkpoint's card
EDGE = 1e-4  # a score is kept this far from 0 and 1, where its logit would be infinite


@dataclass(frozen=True)
class Calibration:
    """p = sigmoid(scale · logit(score) + offset): monotone, so that the order of sentences stays.

    Attributes:
        scale: above 0; below 1 where the scores are too sure.
        offset: of the logit.
        threshold: the least probability that counts as found.
    """

    scale: float
    offset: float
    threshold: float

    def __call__(self, scores: Any) -> np.ndarray:
        """Probabilities, float64, of scores in [0, 1]: a number or an array.

        >>> Calibration(scale=1.0, offset=0.0, threshold=0.5)([0.2, 0.9]).round(3).tolist()
        [0.2, 0.9]
        """
        return 1 / (1 + np.exp(-(self.scale * logit(scores) + self.offset)))

    def to_dict(self) -> dict[str, float]:
        """What a card holds."""
        return asdict(self)

    @classmethod
    def of(cls, card: Mapping[str, Any]) -> Calibration | None:
        """That of a checkpoint's card, or None where it has none. Raises RimError for one that cannot be used."""
        given = card.get(KEY)
        if given is None:
            return None
        try:
            found = cls(**{name: float(value) for name, value in given.items()})
        except (AttributeError, TypeError, ValueError):
            found = cls(np.nan, np.nan, np.nan)
        if not (found.scale > 0 and np.isfinite(found.offset) and 0 <= found.threshold <= 1):
            what = "numbers called scale (above 0), offset and threshold (0 to 1) are expected"
            raise RimError(f"the card's {KEY} is {given!r}; {what}", setting=KEY)
        return found


def logit(scores: Any) -> np.ndarray:
    """log(s / (1 - s)), finite: scores are kept `EDGE` from 0 and 1."""
    kept = np.clip(np.asarray(scores, np.float64), EDGE, 1 - EDGE)
    return np.log(kept / (1 - kept))
