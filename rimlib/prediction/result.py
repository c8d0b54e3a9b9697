"""What the model found of a sentence in an image: a matte, its score, and what can be made of the two."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rimlib.errors import RimError
from rimlib.matting import composition
from rimlib.prediction import cutout
from rimlib.prediction.answer import YES


@dataclass(frozen=True, eq=False)
class Result:
    """The prediction for one sentence, at the image's own size.

    Attributes:
        alpha: float32 (H, W) in [0, 1]; 0 everywhere if nothing was found.
        score: confidence that the image contains the referent, in [0, 1], near 0 for an empty matte; where the
            checkpoint has a calibration, the probability of it.
        trimap: uint8 (H, W), 0 background, 128 unknown, 255 foreground: the argmax of the semantic decoder, enlarged
            without smoothing; of other methods than CLIPMat the automatic one.
        found: whether the score reaches the threshold (the calibration's, or `collaboration.THRESHOLD`) and the matte
            is not invisible.
        message: for people, why the matte is empty; if something was found, what was done ("2 × dog found; kept the one
            farther left"), or empty itself of a method that does not reason.
        raw: the matte as the model gave it, whatever its score, float32 (H, W); the same array as `alpha` if something
            was found.
        image: uint8 (H, W, 3), or None in a result that was not made by a predictor.
        sentence: with single spaces.
        answer: "yes", "nothing" where nothing was found, or "ambiguous" where the matte has several parts of comparable
            size, as "the dog" has of two dogs (see `answer`); this last one only of a model whose score is calibrated.
            Of a method that reasons, where two instances fit equally well.
    """

    alpha: np.ndarray = field(repr=False)
    score: float
    trimap: np.ndarray = field(repr=False)
    found: bool = True
    message: str = ""
    raw: np.ndarray | None = field(default=None, repr=False)
    image: np.ndarray | None = field(default=None, repr=False)
    sentence: str = ""
    answer: str = YES

    def cutout(self) -> tuple[np.ndarray, np.ndarray]:
        """The referent alone: its own colours, uint8 (H, W, 3), estimated where the image mixes them, and its alpha.

        What `images.write_cutout` takes. Colours under alpha 0 are black.
        """
        if self.image is None:
            raise RimError("this result has no image to cut from; take one from a MattingPredictor", setting="image")
        return cutout.colors(self.image, self.alpha), self.alpha

    def over(self, background: Any) -> np.ndarray:
        """The referent on another background, uint8 (H, W, 3).

        background: a colour such as "white", "#2a6f97" or (42, 111, 151), or an image: a path, a Pillow image, an array
        or a tensor; the largest centred part of this image's shape is taken. Raises RimError for what is neither.
        """
        foreground, alpha = self.cutout()
        return composition.over(foreground, alpha, cutout.background(background, alpha.shape))
