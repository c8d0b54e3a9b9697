"""The matting refiner: an image and a coarse alpha in, a better alpha out, at the image's own size.

Paper: Sec. 5.1 and S4.1 ("coarse map-based matting"), Table 6: P3M's network with the coarse alpha as a fourth channel,
an optional last stage after any model. How an image of any size is refined is in `pyramid`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from rimlib.clipmat.collaboration import collaborate
from rimlib.clipmat.p3m import BLOCKS, WIDTHS, P3MNet
from rimlib.clipmat.resnet_weights import load_encoder
from rimlib.errors import RimError
from rimlib.io.weights import CHECKPOINTS, read_header, read_tensors, write
from rimlib.matting import pyramid, tiles
from rimlib.profile import Profile

FORMAT, FILE = "rimlib-refiner-1", "refiner.safetensors"
MEAN, STD = (0.485, 0.456, 0.406, 0.5), (0.229, 0.224, 0.225, 0.25)  # ImageNet's, as in P3M; of the alpha, ours
CERTAIN = 5.0  # the logit of a class where the coarse alpha leaves no doubt


class Output(NamedTuple):
    """What the refiner gives, all float32."""

    trimap_logits: torch.Tensor  # (B, 3, H, W): background, unknown, foreground
    detail: torch.Tensor  # (B, 1, H, W) in [0, 1], meant for the unknown region
    alpha: torch.Tensor  # (B, 1, H, W) in [0, 1]
    sides: Sequence[torch.Tensor] = ()  # the trimap logits of the three dBFI, for the loss
    score_map: None = None  # of CLIPMat's output, with which this one shares its loss


class Refiner(nn.Module):
    """P3M's network on an image and a coarse alpha.

    Args:
        widths: of the network's five sizes.
        blocks: of the encoder's four stages.
        follow: both outputs are corrections of the coarse alpha, and begin at none: a thin network that learns for
            minutes needs that. P3M's, and so the paper's, is without it.
    """

    def __init__(self, widths: Sequence[int] = WIDTHS, blocks: Sequence[int] = BLOCKS, follow: bool = False):
        super().__init__()
        self.settings = {"widths": list(widths), "blocks": list(blocks), "follow": follow}
        self.follow = follow
        self.net = P3MNet(4, widths, blocks)
        for parameter in self.net.head_parameters() if follow else ():
            nn.init.zeros_(parameter)
        self.to(memory_format=torch.channels_last)

    @classmethod
    def from_profile(cls, profile: Profile) -> Refiner:
        """An untrained one of the sizes in the profile's `refiner`, with the weights of its encoder that this names."""
        settings = profile.refiner
        refiner = cls(settings.widths, settings.blocks, settings.follow)
        if settings.encoder != "random":
            load_encoder(refiner.net.encoder, settings.encoder)
        return refiner

    @classmethod
    def shipped(cls) -> Refiner:
        """The trained one that comes with the package."""
        return cls.load(shipped_file())

    @classmethod
    def load(cls, path: str | Path) -> Refiner:
        """A saved one, in evaluation mode on the CPU; RimError for anything that is not a whole refiner."""
        path = Path(path) / FILE if Path(path).is_dir() else Path(path)
        settings = read_header(path, FORMAT).get("settings")
        if not _fits(settings):
            raise RimError(f"{path}: its header must have widths (5), blocks (4) and follow of a refiner", path=path)
        with torch.device("meta"):  # no memory is taken before the file is known to fit
            refiner = cls(**settings)
        refiner.load_state_dict(read_tensors(path, refiner.state_dict()), assign=True)
        return refiner.to(memory_format=torch.channels_last).eval()

    def save(self, path: str | Path, half: bool = True, **card: Any) -> Path:
        """Write the weights and a JSON beside them; returns the path. Raises RimError.

        Args:
            path: a folder, or a name that ends in .safetensors.
            half: store float16.
            card: the model card, anything that JSON can hold.
        """
        path = Path(path) if Path(path).suffix == ".safetensors" else Path(path) / FILE
        header = {"format": FORMAT, "settings": self.settings, "card": card}
        return write(path, self.state_dict(), header, half, beside=True)

    def forward(self, images: torch.Tensor, coarse: torch.Tensor) -> Output:
        """One step at one size.

        Args:
            images: float (B, 3, H, W) in [0, 1], H and W multiples of 32.
            coarse: float (B, 1, H, W) in [0, 1].
        """
        if images.shape[2] % 32 or images.shape[3] % 32 or coarse.shape != (len(images), 1, *images.shape[2:]):
            raise RimError(
                f"images {tuple(images.shape)} and coarse {tuple(coarse.shape)}: the refiner takes (B, 3, H, W) and "
                "(B, 1, H, W), H and W multiples of 32",
                setting="images",
            )
        x = normalise(torch.cat([images, coarse], dim=1))  # (B, 4, H, W)
        trimap_logits, logits, sides = self.net(x.contiguous(memory_format=torch.channels_last))
        trimap_logits, logits = trimap_logits.float(), logits.float()
        if self.follow:
            trimap_logits, logits = trimap_logits + trimap_of(coarse), logits + coarse.clamp(0.02, 0.98).logit()
        detail = logits.sigmoid()
        return Output(trimap_logits, detail, collaborate(trimap_logits, detail), [side.float() for side in sides])

    def refine(
        self, image: np.ndarray, alpha: np.ndarray, progress: bool = False, tile: int = tiles.TILE
    ) -> np.ndarray:
        """A coarse matte, refined at the image's size: float32 (H, W) in [0, 1]; see `pyramid.refine`.

        >>> image = np.zeros((60, 80, 3), np.uint8)
        >>> Refiner((8, 8, 8, 8, 8), follow=True).eval().refine(image, np.zeros((30, 40), np.float32)).shape
        (60, 80)
        """
        return pyramid.refine(self.refine_tile, image, alpha, tile, progress)

    @torch.inference_mode()
    def refine_tile(self, image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        """`forward` of one image, uint8 (H, W, 3), and its alpha, float32 (H, W), of any size: padded to 32."""
        height, width = alpha.shape
        more, device = ((0, -height % 32), (0, -width % 32)), next(self.parameters()).device
        images = torch.from_numpy(np.pad(image, (*more, (0, 0)), mode="edge")).to(device)
        coarse = torch.from_numpy(np.pad(alpha, more, mode="edge")).to(device)
        output = self(images.permute(2, 0, 1)[None].float() / 255, coarse[None, None])
        return output.alpha[0, 0, :height, :width].cpu().numpy()


def shipped_file() -> Path:
    """The weights of the trained refiner that comes with the package."""
    return CHECKPOINTS / "refiner-tiny.safetensors"


def trimap_of(coarse: torch.Tensor, reach: int = 4) -> torch.Tensor:
    """The trimap of a coarse alpha, (B, 1, H, W) in [0, 1], as logits (B, 3, H, W) of background, unknown, foreground.

    Certain where all pixels up to `reach` away are 0, or all 1; unknown at an edge and in between.
    """
    high = F.max_pool2d(coarse, 2 * reach + 1, stride=1, padding=reach)
    low = 1 - F.max_pool2d(1 - coarse, 2 * reach + 1, stride=1, padding=reach)
    background, foreground = (1 - high).square(), low.square()
    return CERTAIN * torch.cat([background, 1 - background - foreground, foreground], dim=1)


def normalise(x: torch.Tensor) -> torch.Tensor:
    """Image and alpha, (B, 4, H, W) in [0, 1], less their means, divided by their standard deviations."""
    mean, std = (torch.tensor(values, dtype=x.dtype, device=x.device).view(4, 1, 1) for values in (MEAN, STD))
    return (x - mean) / std


def _fits(settings: Any) -> TypeGuard[dict[str, Any]]:
    """Whether a header's settings are a refiner's, with sizes that can be built."""
    if not isinstance(settings, dict) or set(settings) != {"widths", "blocks", "follow"}:
        return False
    lists = [settings["widths"], settings["blocks"]]
    return [len(one) for one in lists if isinstance(one, list)] == [5, 4] and all(
        isinstance(value, int) and 0 < value <= 4096 for one in lists for value in one
    )
