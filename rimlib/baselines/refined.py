"""Any rival's mask, made a matte: mask → automatic trimap → ViTMatte.

CLIPSeg with this behind it is the shortest pipeline of public parts that gives a matte.
"""

from __future__ import annotations

import numpy as np

from rimlib.baselines.baseline import Method
from rimlib.baselines.clipseg import CLIPSeg
from rimlib.baselines.vitmatte import BAND, ViTMatte, matte_of_mask
from rimlib.io.images import resize


class Refined(Method):
    """`rival`: whose mattes are taken for masks where they are over a half, at the picture's size; `matter`: picture and trimap → matte; `band`:
    see `vitmatte.automatic_trimap`.
    """

    def __init__(self, rival: Method, matter, band: float = BAND):
        super().__init__()
        self.rival, self.matter, self.band = rival, matter, band
        self.name = f"{rival.name}+vitmatte"

    @classmethod
    def from_settings(cls, size: str = "paper", weights: str | None = None) -> Refined:
        """CLIPSeg before ViTMatte. `weights`: None for the public ones of both, "random" for both; anything else is CLIPSeg's,
        and ViTMatte has its public ones, or random ones in size tiny, where it has no others. Raises RimError.
        """
        random = weights == "random" or weights is not None and size == "tiny"
        rival, matter = CLIPSeg.from_settings(size, weights), ViTMatte.from_settings(size, "random" if random else None)
        return cls(rival, matter).eval()

    def ask(self, picture: np.ndarray, sentences: list[str]) -> tuple[list[np.ndarray], list[float]]:
        """See `Method.ask`; the score is the rival's."""
        mattes, scores = self.rival.predict([picture], [0] * len(sentences), sentences)
        masks = [resize(matte, picture.shape[:2]) > 0.5 for matte in mattes]
        return [matte_of_mask(self.matter, picture, mask, self.band) for mask in masks], list(scores)
