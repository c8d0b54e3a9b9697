"""What a sentence found in a picture: a matte, how sure the model is of it, and what can be made of the two."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from rimlib.errors import RimError
from rimlib.matting import composition
from rimlib.predict import cutout


@dataclass(frozen=True, eq=False)
class Result:
    """The answer to one sentence, at the picture's own size.

    Attributes:
        alpha: float32 (H, W) in [0, 1]; 0 everywhere if nothing was found.
        score: in [0, 1], how sure the model is that something fits the sentence; 0 for an empty matte.
        trimap: uint8 (H, W), 0 background, 128 unknown, 255 foreground: what the semantic decoder said, enlarged without
            smoothing.
        found: whether the score reaches the threshold (see `collaboration.THRESHOLD`) and something of the matte can be seen.
        message: for people, why the matte is empty; empty itself if something was found.
        raw: the matte as the model gave it, however unsure, float32 (H, W); the same array as `alpha` if something was found.
        picture: uint8 (H, W, 3), the picture that was asked about.
        sentence: the sentence that was asked.
    """

    alpha: np.ndarray = field(repr=False)
    score: float
    trimap: np.ndarray = field(repr=False)
    found: bool = True
    message: str = ""
    raw: np.ndarray | None = field(default=None, repr=False)
    picture: np.ndarray | None = field(default=None, repr=False)
    sentence: str = ""

    def cutout(self) -> tuple[np.ndarray, np.ndarray]:
        """The thing alone: its own colours, estimated where the picture shows a mixture, uint8 (H, W, 3), and its alpha.

        What `images.write_cutout` takes. Colours under alpha 0 are black.
        """
        if self.picture is None:
            raise RimError("this result does not know its picture; ask by Matting to cut it out")
        return cutout.colors(self.picture, self.alpha), self.alpha

    def over(self, background) -> np.ndarray:
        """The thing on another background, uint8 (H, W, 3).

        background: a colour such as "white", "#2a6f97" or (42, 111, 151), or a picture: a path, a Pillow image, an array or a tensor; the
        largest centred part of this picture's shape is taken. Raises RimError for what is neither.
        """
        foreground, alpha = self.cutout()
        return composition.over(foreground, alpha, cutout.background(background, alpha.shape))
