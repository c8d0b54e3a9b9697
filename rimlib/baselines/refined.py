"""A baseline's mask, refined to a matte: mask → automatic trimap → ViTMatte.

CLIPSeg with ViTMatte is the shortest pipeline of public parts that gives a matte.
"""

from __future__ import annotations

import numpy as np

from rimlib.baselines.baseline import Method
from rimlib.baselines.clipseg import CLIPSeg
from rimlib.baselines.vitmatte import BAND, Matter, ViTMatte, matte_of_mask
from rimlib.io.images import resize


class Refined(Method):
    """A baseline with a matting network behind it.

    Args:
        baseline: whose mattes, at the image's size, are thresholded at a half to masks.
        matter: image and trimap → matte.
        band: see `vitmatte.automatic_trimap`.
    """

    def __init__(self, baseline: Method, matter: Matter, band: float = BAND):
        super().__init__()
        self.baseline, self.matter, self.band = baseline, matter, band
        self.name = f"{baseline.name}+vitmatte"

    @classmethod
    def from_settings(cls, size: str = "paper", weights: str | None = None) -> Refined:
        """CLIPSeg with ViTMatte.

        Args:
            size: "tiny" or "paper".
            weights: None for the public ones of both, "random" for both; anything else is CLIPSeg's, and ViTMatte has
                its public ones, or random ones in size tiny, where it has no others.

        Raises:
            RimError: no such size or weights.
        """
        random = weights == "random" or weights is not None and size == "tiny"
        clipseg = CLIPSeg.from_settings(size, weights)
        return cls(clipseg, ViTMatte.from_settings(size, "random" if random else None)).eval()

    def predict_image(self, image: np.ndarray, sentences: list[str]) -> tuple[list[np.ndarray], list[float]]:
        """See `Method.predict_image`; the score is the baseline's."""
        mattes, scores = self.baseline.predict([image], [0] * len(sentences), sentences)
        masks = [resize(matte, image.shape[:2]) > 0.5 for matte in mattes]
        return [matte_of_mask(self.matter, image, mask, self.band) for mask in masks], list(scores)
