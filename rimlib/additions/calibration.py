"""From a model's score to the probability that the sentence fits something in the image.

Not in the paper. A score orders sentences, but a score of 0.8 does not mean that eight in ten of them are true. Three
numbers, fitted on sentences that no training has seen (`rimlib.evaluation.calibration.fit`), map it to a probability:
the beta calibration of Kull et al. (2017). Platt's sigmoid has one slope for both ends of the score; many scores are
near 0 here, and one slope that fits them is too flat near 1. They are stored in the checkpoint's card, with their
threshold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rimlib.errors import RimError

KEY = "calibration"  # of a checkpoint's card
EDGE = 1e-4  # a score is kept this far from 0 and 1, where a logarithm would be infinite


@dataclass(frozen=True)
class Calibration:
    """p = sigmoid(low · ln s - high · ln(1 - s) + offset) of a score s: monotone, so that their order stays.

    Attributes:
        low: how fast the probability falls toward a score of 0, at least 0.
        high: how fast it rises toward a score of 1, at least 0; with `low` the same, this is Platt's sigmoid.
        offset: of the probability's logit.
        threshold: the least probability that counts as found.
    """

    low: float
    high: float
    offset: float
    threshold: float

    def __call__(self, scores: Any) -> np.ndarray:
        """Probabilities, float64, of scores in [0, 1]: a number or an array.

        >>> Calibration(low=1.0, high=1.0, offset=0.0, threshold=0.5)([0.2, 0.9]).round(3).tolist()
        [0.2, 0.9]
        """
        return 1 / (1 + np.exp(-(columns(scores) @ [self.low, self.high, self.offset])))

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
            found = cls(*[np.nan] * 4)
        slopes = min(found.low, found.high) >= 0 and found.low + found.high > 0
        if not (slopes and np.isfinite(found.offset) and 0 <= found.threshold <= 1):
            what = "numbers called low, high (0 or more, one of them above), offset and threshold (0 to 1) are expected"
            raise RimError(f"the card's {KEY} is {given!r}; {what}", setting=KEY)
        return found


def columns(scores: Any) -> np.ndarray:
    """What the three numbers multiply: ln s, -ln(1 - s) and 1 of each score, (…, 3)."""
    kept = np.clip(np.asarray(scores, np.float64), EDGE, 1 - EDGE)
    return np.stack([np.log(kept), -np.log1p(-kept), np.ones_like(kept)], axis=-1)
