"""ViTMatte: a matte from a picture and a trimap. Yao et al., Information Fusion 2024; the network is transformers'.

It is the last step of `grounded` and of `refined`. It refuses labels, so it cannot be trained here; it takes any size that
is a multiple of 32, so pictures are filled up to one.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from rimlib.baselines.baseline import check_size
from rimlib.errors import RimError
from rimlib.io import hub
from rimlib.io.images import resize
from rimlib.matting.trimap import kernel_for, trimap_from_alpha

PUBLIC = "hustvl/vitmatte-small-composition-1k"
BAND = 0.03  # width of an automatic trimap's unknown band, as a share of the picture's longer side
LARGEST = (
    1280  # pixels: a longer picture is matted at this size, for attention over all of it grows with the fourth power
)


class ViTMatte(nn.Module):
    """`net`: transformers' VitMatteForImageMatting; `largest`: longest side in pixels that it is given."""

    def __init__(self, net, largest: int = LARGEST):
        super().__init__()
        self.net, self.largest = net.eval(), largest

    @classmethod
    def from_settings(cls, size: str = "paper", weights: str | None = None) -> ViTMatte:
        """`weights`: None for the public ones of ViTMatte-S, another hub name or a folder, or "random". Raises RimError."""
        from transformers import VitMatteForImageMatting

        check_size("vitmatte", size)
        if weights == "random":
            return cls(VitMatteForImageMatting(config(size)))
        if size == "tiny":
            raise RimError(
                "vitmatte in size tiny: it cannot be trained here and has no public weights; ask for weights='random'"
            )
        return cls(hub.load_pretrained(VitMatteForImageMatting, weights or PUBLIC))

    def forward(self, picture: np.ndarray, trimap: np.ndarray) -> np.ndarray:
        """`picture`: uint8 (H, W, 3); `trimap`: uint8 (H, W) of {0, 128, 255}.

        Returns float32 (H, W) in [0, 1]; it is 0 and 1 where the trimap is sure.
        """
        import cv2

        shape = trimap.shape
        scale = min(1.0, self.largest / max(shape))
        small = tuple(max(1, round(length * scale)) for length in shape)
        given = trimap if small == shape else cv2.resize(trimap, small[::-1], interpolation=cv2.INTER_NEAREST)
        with torch.inference_mode():
            pixels = prepare(resize(picture, small), given).to(next(self.parameters()).device)  # (1, 4, h', w')
            alpha = self.net(pixel_values=pixels).alphas[0, 0, : small[0], : small[1]].float().cpu().numpy()
        alpha = np.clip(resize(alpha, shape), 0, 1)
        return np.where(trimap == 128, alpha, (trimap == 255).astype(np.float32))


def prepare(picture: np.ndarray, trimap: np.ndarray) -> torch.Tensor:
    """What the network takes: colours in [-1, 1] and the trimap in [0, 1] as a fourth channel, float32 (1, 4, H', W'), sides filled
    up with zeros to multiples of 32, below and at the right.
    """
    colours = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1).float() / 255  # (3, H, W)
    given = torch.from_numpy(np.ascontiguousarray(trimap))[None].float() / 255  # (1, H, W)
    pixels = torch.cat([(colours - 0.5) / 0.5, given])[None]  # (1, 4, H, W)
    height, width = trimap.shape
    return F.pad(pixels, (0, -width % 32, 0, -height % 32))


def automatic_trimap(mask: np.ndarray, band: float = BAND) -> np.ndarray:
    """A trimap from a mask: what is near its edge is unknown.

    `mask`: bool (H, W); `band`: width of the unknown on either side together, as a share of the longer side.
    Returns uint8 (H, W) of {0, 128, 255}.
    """
    import cv2

    scale = min(1.0, LARGEST / max(mask.shape))  # a wide ellipse on a large picture takes minutes
    small = tuple(max(1, round(length * scale)) for length in mask.shape)
    kernel = kernel_for(band * max(small), least=3)
    trimap = trimap_from_alpha((resize(mask.astype(np.float32), small) >= 0.5).astype(np.float32), kernel)
    return cv2.resize(trimap, mask.shape[::-1], interpolation=cv2.INTER_NEAREST)


def matte_of_mask(matter, picture: np.ndarray, mask: np.ndarray, band: float = BAND) -> np.ndarray:
    """Mask → trimap → matte, float32 (H, W); an empty mask gives an empty matte and asks nobody."""
    if not mask.any():
        return np.zeros(mask.shape, np.float32)
    return matter(picture, automatic_trimap(mask, band))


def config(size: str):
    """Transformers' configuration: `paper` is that of the public ViTMatte-S, `tiny` one of our own."""
    from transformers import VitDetConfig, VitMatteConfig

    if size == "paper":
        vit = VitDetConfig(
            hidden_size=384,
            num_attention_heads=6,
            image_size=512,
            num_channels=4,
            window_size=14,
            window_block_indices=[0, 1, 3, 4, 6, 7, 9, 10],
            residual_block_indices=[2, 5, 8, 11],
            use_relative_position_embeddings=True,
            out_features=["stage12"],
        )
        return VitMatteConfig(
            backbone_config=vit,
            hidden_size=384,
            convstream_hidden_sizes=[48, 96, 192],
            fusion_hidden_sizes=[256, 128, 64, 32],
        )
    vit = VitDetConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=64,
        num_channels=4,
        window_size=4,
        window_block_indices=[0],
        residual_block_indices=[1],
        use_relative_position_embeddings=True,
        out_features=["stage2"],
    )
    return VitMatteConfig(
        backbone_config=vit, hidden_size=32, convstream_hidden_sizes=[8, 16, 32], fusion_hidden_sizes=[32, 16, 8, 8]
    )
