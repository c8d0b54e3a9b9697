"""ViTMatte: a matte from an image and a trimap. Yao et al., Information Fusion 2024; the network is transformers'.

It is the last step of `grounded` and of `refined`. It takes no labels, so it cannot be trained here; it takes any size
that is a multiple of 32, so images are padded to one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from rimlib.baselines.baseline import check_size
from rimlib.errors import RimError, require
from rimlib.io import hub
from rimlib.io.images import resize
from rimlib.matting.trimap import kernel_for, trimap_from_alpha

PUBLIC = "hustvl/vitmatte-small-composition-1k"
BAND = 0.03  # width of an automatic trimap's unknown band, as a share of the image's longer side
LARGEST = 1280  # pixels: a longer image is matted at this size, since attention grows with the fourth power of the side

Matter = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Image uint8 (H, W, 3) and trimap uint8 (H, W) → matte float32 (H, W)."""


class ViTMatte(nn.Module):
    """A matting network.

    Args:
        net: transformers' VitMatteForImageMatting.
        largest: longest side in pixels that it is given.
    """

    def __init__(self, net: nn.Module, largest: int = LARGEST):
        super().__init__()
        self.net, self.largest = net.eval(), largest

    @classmethod
    def from_settings(cls, size: str = "paper", weights: str | None = None) -> ViTMatte:
        """ViTMatte of one size.

        Args:
            size: "tiny" or "paper".
            weights: None for the public ones of ViTMatte-S, another hub name or a folder, or "random".

        Raises:
            RimError: no such size or weights.
        """
        kind = require("transformers", "baselines").VitMatteForImageMatting
        check_size("vitmatte", size)
        if weights == "random":
            return cls(kind(config(size)))
        if size == "tiny":
            message = "vitmatte in size tiny: it cannot be trained here and has no public weights; use weights='random'"
            raise RimError(message, setting="weights")
        return cls(hub.load_pretrained(kind, weights or PUBLIC))

    def forward(self, image: np.ndarray, trimap: np.ndarray) -> np.ndarray:
        """A matte, float32 (H, W) in [0, 1], 0 and 1 where the trimap is known.

        image: uint8 (H, W, 3); trimap: uint8 (H, W) of {0, 128, 255}.
        """
        import cv2

        shape = trimap.shape
        scale = min(1.0, self.largest / max(shape))
        small = tuple(max(1, round(length * scale)) for length in shape)
        given = trimap if small == shape else cv2.resize(trimap, small[::-1], interpolation=cv2.INTER_NEAREST)
        with torch.inference_mode():
            pixels = prepare(resize(image, small), given).to(next(self.parameters()).device)  # (1, 4, h', w')
            alpha = self.net(pixel_values=pixels).alphas[0, 0, : small[0], : small[1]].float().cpu().numpy()
        alpha = np.clip(resize(alpha, shape), 0, 1)
        return np.where(trimap == 128, alpha, (trimap == 255).astype(np.float32))


def prepare(image: np.ndarray, trimap: np.ndarray) -> torch.Tensor:
    """The network's input, float32 (1, 4, H', W'): colours in [-1, 1], and the trimap in [0, 1] as a fourth channel.

    Sides are padded with zeros to multiples of 32, below and at the right.
    """
    colours = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).float() / 255  # (3, H, W)
    given = torch.from_numpy(np.ascontiguousarray(trimap))[None].float() / 255  # (1, H, W)
    pixels = torch.cat([(colours - 0.5) / 0.5, given])[None]  # (1, 4, H, W)
    height, width = trimap.shape
    return F.pad(pixels, (0, -width % 32, 0, -height % 32))


def automatic_trimap(mask: np.ndarray, band: float = BAND) -> np.ndarray:
    """A trimap from a mask, uint8 (H, W) of {0, 128, 255}: a band along its edge is unknown.

    mask: bool (H, W); band: width of the unknown on either side together, as a share of the longer side.
    """
    import cv2

    scale = min(1.0, LARGEST / max(mask.shape))  # a wide ellipse on a large image takes minutes
    small = tuple(max(1, round(length * scale)) for length in mask.shape)
    kernel = kernel_for(band * max(small), least=3)
    trimap = trimap_from_alpha((resize(mask.astype(np.float32), small) >= 0.5).astype(np.float32), kernel)
    return cv2.resize(trimap, mask.shape[::-1], interpolation=cv2.INTER_NEAREST)


def matte_of_mask(matter: Matter, image: np.ndarray, mask: np.ndarray, band: float = BAND) -> np.ndarray:
    """Mask → trimap → matte, float32 (H, W); an empty mask gives an empty matte without a run of the network."""
    if not mask.any():
        return np.zeros(mask.shape, np.float32)
    return matter(image, automatic_trimap(mask, band))


def config(size: str) -> Any:
    """Transformers' configuration: `paper` is that of the public ViTMatte-S, `tiny` one of our own."""
    transformers = require("transformers", "baselines")
    shared = {"num_channels": 4, "use_relative_position_embeddings": True}
    if size == "paper":
        vit = {"hidden_size": 384, "num_attention_heads": 6, "image_size": 512, "window_size": 14}
        windowed, whole = [0, 1, 3, 4, 6, 7, 9, 10], [2, 5, 8, 11]
        convolutions = {"convstream_hidden_sizes": [48, 96, 192], "fusion_hidden_sizes": [256, 128, 64, 32]}
    else:
        vit = {"hidden_size": 32, "num_attention_heads": 2, "image_size": 64, "window_size": 4, "num_hidden_layers": 2}
        windowed, whole = [0], [1]
        convolutions = {"convstream_hidden_sizes": [8, 16, 32], "fusion_hidden_sizes": [32, 16, 8, 8]}
    blocks = {"window_block_indices": windowed, "residual_block_indices": whole}
    last = [f"stage{len(windowed) + len(whole)}"]
    backbone = transformers.VitDetConfig(**vit, **shared, **blocks, out_features=last)
    return transformers.VitMatteConfig(backbone_config=backbone, hidden_size=vit["hidden_size"], **convolutions)
