"""Any rival's mask, made a matte: mask → automatic trimap → ViTMatte.

CLIPSeg with this behind it is the shortest pipeline of public parts that gives a matte.
"""

from __future__ import annotations

import numpy as np

from rimlib.baselines.clipseg import CLIPSeg
from rimlib.baselines.rival import Rival
from rimlib.baselines.vitmatte import BAND, ViTMatte, matte_of_mask
from rimlib.images import read_picture


class Refined:
    """`rival`: whose mattes are taken for masks where they are over a half; `matter`: picture and trimap → matte; `band`:
    see `vitmatte.automatic_trimap`."""

    def __init__(self, rival: Rival, matter, band: float = BAND):
        self.rival, self.matter, self.band = rival, matter, band
        self.name = f"{rival.name}+vitmatte"

    @classmethod
    def from_settings(cls, size: str = "paper", weights: str | None = None) -> Refined:
        """CLIPSeg before ViTMatte. `weights`: None for the public ones of both, "random" for both; anything else is CLIPSeg's,
        and ViTMatte has its public ones, or random ones in size tiny, where it has no others. Raises RimError."""
        random = weights == "random" or weights is not None and size == "tiny"
        rival, matter = CLIPSeg.from_settings(size, weights), ViTMatte.from_settings(size, "random" if random else None)
        return cls(rival.to(matter.device), matter)

    def mattes(self, picture, sentences: list[str]) -> np.ndarray:
        """See `Rival.mattes`."""
        picture = read_picture(picture)
        masks = self.rival.mattes(picture, sentences) > 0.5  # (n, H, W)
        return np.stack([matte_of_mask(self.matter, picture, mask, self.band) for mask in masks])
