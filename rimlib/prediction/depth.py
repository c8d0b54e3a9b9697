"""Which of two things is nearer, by a depth model: it decides what is in front, where a user names one.

Without it front and behind go by who owns an overlap, by the lower edge and by the size (`rimlib.understanding`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from rimlib.errors import RimError, require
from rimlib.io import public
from rimlib.io.from_folder import load
from rimlib.io.public import NotHere
from rimlib.prediction.parts import DEPTH
from rimlib.prediction.parts import DEPTH_NAME as NAME

# By type of model, what its `predicted_depth` is; of depth_pro it becomes a distance in the post-processing alone.
_INVERSE = ("dpt", "depth_pro")
_DISTANCE = ("glpn", "zoedepth")


class Nearness:
    """A depth model, as the nearness of each pixel.

    Args:
        net: a model of transformers for depth estimation.
        processor: its image processor.

    Raises:
        RimError: a kind of model of which it is not known whether its numbers grow towards the viewer or away.
    """

    def __init__(self, net: Any, processor: Any):
        self.net, self.processor = net, processor
        self.sign = _sign(net.config)

    @classmethod
    def load(cls, name: str | Path, weights: str | Path | None = None, device: Any = "cpu") -> Nearness:
        """A depth model: "depth-anything", which `rim download` fetches, or a folder with another one.

        weights: a folder in which to look for the first one before the hub's cache. Raises RimError.
        """
        transformers = require("transformers", "baselines")
        folder = Path(name) if Path(name).is_dir() else _folder(str(name), weights)
        net = load(transformers.AutoModelForDepthEstimation, folder)
        return cls(net.to(device), load(transformers.AutoImageProcessor, folder, weights=False))

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Float32 (H, W) of an image, uint8 (H, W, 3): larger is nearer."""
        import torch
        import torch.nn.functional as F

        device = next(self.net.parameters()).device
        # An image of one row looks like one with its channels first.
        inputs = self.processor(images=image, input_data_format="channels_last", return_tensors="pt")
        pixels = inputs["pixel_values"].to(device)
        with torch.inference_mode():
            depth = self.net(pixel_values=pixels).predicted_depth[:, None].float()  # (1, 1, h, w)
            depth = F.interpolate(depth, image.shape[:2], mode="bilinear", align_corners=False)
        return self.sign * depth[0, 0].cpu().numpy()


def _sign(config: Any) -> int:
    """1 where a model's numbers grow towards the viewer (inverse depth), -1 where they are a distance."""
    kind = config.model_type
    if kind == "depth_anything":  # it exists in both
        return -1 if config.depth_estimation_type == "metric" else 1
    if kind in _DISTANCE or kind in _INVERSE:
        return -1 if kind in _DISTANCE else 1
    known = ", ".join(["depth_anything", *_INVERSE, *_DISTANCE])
    message = f"depth model of the type {kind!r}: whether its numbers grow towards the viewer is not known here"
    raise RimError(f"{message}; types that are: {known}", setting="depth")


def _folder(name: str, weights: str | Path | None) -> Path:
    if name != NAME:
        raise RimError(f"depth model {name!r}: must be {NAME}, or a folder with another one", setting="depth")
    for place in (weights, None):
        try:
            return public.find(DEPTH, place)
        except NotHere:
            continue
    message = f"{NAME}: its weights are not on this machine ({DEPTH.repository}, {DEPTH.megabytes} MB)"
    raise RimError(f"{message}; run `rim download {NAME}` once where a network is", setting="depth")
