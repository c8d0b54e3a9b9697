"""The matting refiner: a picture and a coarse alpha in, a better alpha out, at the picture's own size.

Paper: Sec. 5.1 and S4.1 ("coarse map-based matting"), Table 6: P3M's network with the coarse alpha as a fourth channel, an
optional last stage after any model. Ours besides: a large picture is refined in steps, each of twice the size of the one
before, and by tiles where the alpha is not plainly 0 or 1.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from rimlib.clipmat.checkpoint import open_safetensors, read_tensors
from rimlib.clipmat.collaboration import collaborate
from rimlib.clipmat.p3m import BLOCKS, WIDTHS, P3MNet
from rimlib.errors import RimError
from rimlib.io.files import write_atomically, write_json
from rimlib.io.images import resize
from rimlib.matting import tiles

FORMAT = "rimlib-refiner-1"
CHECKPOINTS = Path(__file__).parent.parent / "checkpoints"
MEAN, STD = (
    (0.485, 0.456, 0.406, 0.5),
    (0.229, 0.224, 0.225, 0.25),
)  # of ImageNet's pictures, as in P3M; of the coarse alpha, ours
SURE = 5.0  # the logit of a class that the coarse alpha has no doubt about
LOST = 0.02  # a coarse alpha is as sharp as its size when halving it changes its edges by more than this, on average


class Output(NamedTuple):
    """What the refiner says, all float32: `trimap_logits` (B, 3, H, W); `detail` (B, 1, H, W) in [0, 1], meant for the unknown
    region; `alpha` (B, 1, H, W) in [0, 1]; `sides`: the trimap logits of the three dBFI, which only training looks at.
    """

    trimap_logits: torch.Tensor
    detail: torch.Tensor
    alpha: torch.Tensor
    sides: Sequence[torch.Tensor] = ()
    match = None  # of CLIPMat's output, with which this one shares its loss


class Refiner(nn.Module):
    """`widths`, `blocks`: of the network, P3M's by default.

    `follow`: both answers begin at what the coarse alpha says, and the network's two last convolutions say what to change; they begin
    at zero, so that an untrained one changes nothing. A thin network that learns for minutes needs that; P3M's, and so the paper's,
    has it not.
    """

    def __init__(self, widths: Sequence[int] = WIDTHS, blocks: Sequence[int] = BLOCKS, follow: bool = False):
        super().__init__()
        self.settings = {"widths": list(widths), "blocks": list(blocks), "follow": follow}
        self.follow = follow
        self.net = P3MNet(4, widths, blocks)
        for last in (self.net.semantic["d0"][-1], self.net.matting["last"]) if follow else ():
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 4, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 4, 1, 1), persistent=False)
        self.to(memory_format=torch.channels_last)

    @classmethod
    def from_profile(cls, profile) -> Refiner:
        """An untrained one of the sizes in the profile's `refiner`."""
        settings = profile.refiner
        return cls(settings.widths, settings.blocks, settings.follow)

    @classmethod
    def shipped(cls) -> Refiner:
        """The trained one that comes with the package."""
        return cls.load(CHECKPOINTS / "refiner-tiny.safetensors")

    @classmethod
    def load(cls, path: str | Path) -> Refiner:
        """A saved one, in evaluation mode on the CPU. Raises RimError for anything that is not a whole checkpoint of a refiner."""
        path = Path(path)
        path = path / "refiner.safetensors" if path.is_dir() else path
        if not path.exists():
            raise RimError(f"{path}: no such checkpoint")
        refiner = cls(**_settings(path))
        refiner.load_state_dict(read_tensors(path, refiner.state_dict()))
        return refiner.eval()

    def save(self, path: str | Path, half: bool = True, **card) -> Path:
        """Write the weights to `path` (a folder, or a name that ends in .safetensors) and a JSON beside them.

        `half`: in float16; `card`: what the model card should say, anything that JSON can hold. Raises RimError, for a weight too large
        for float16 too. Returns the path.
        """
        from safetensors.torch import save as to_bytes

        path = Path(path)
        path = path if path.suffix == ".safetensors" else path / "refiner.safetensors"
        about = {"format": FORMAT, "settings": self.settings, "card": card}
        try:
            text = json.dumps(about)
        except (TypeError, ValueError) as error:
            raise RimError(f"{path}: the model card cannot be written as JSON ({error})") from None
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.state_dict().items()}
        if half:
            tensors = {
                name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()
            }
            if large := [
                name for name, tensor in tensors.items() if tensor.is_floating_point() and tensor.isinf().any()
            ]:
                raise RimError(f"{path}: {large[0]} holds more than float16 can; store it with half=False")
        write_atomically(path, to_bytes(tensors, metadata={"rimlib": text}))
        write_json(path.with_suffix(".json"), about)
        return path

    def forward(self, images: torch.Tensor, coarse: torch.Tensor) -> Output:
        """`images`: float (B, 3, H, W) in [0, 1]; `coarse`: float (B, 1, H, W) in [0, 1]; H and W multiples of 32."""
        if images.shape[2] % 32 or images.shape[3] % 32 or coarse.shape != (len(images), 1, *images.shape[2:]):
            raise RimError(
                f"images {tuple(images.shape)} and coarse {tuple(coarse.shape)}: the refiner takes (B, 3, H, W) and "
                "(B, 1, H, W), H and W multiples of 32"
            )
        x = (torch.cat([images, coarse], dim=1) - self.mean) / self.std  # (B, 4, H, W)
        trimap_logits, logits, sides = self.net(x.contiguous(memory_format=torch.channels_last))
        trimap_logits, logits = trimap_logits.float(), logits.float()
        if self.follow:
            trimap_logits, logits = trimap_logits + trimap_of(coarse), logits + coarse.clamp(0.02, 0.98).logit()
        detail = logits.sigmoid()
        return Output(trimap_logits, detail, collaborate(trimap_logits, detail), [side.float() for side in sides])

    def refine(
        self, picture: np.ndarray, alpha: np.ndarray, progress: bool = False, tile: int = tiles.TILE
    ) -> np.ndarray:
        """A coarse matte, refined at the picture's size: float32 (H, W) in [0, 1].

        `picture`: uint8 (H, W, 3); `alpha`: float (h, w) in [0, 1], of any size: what a model gave, or that enlarged. What lies far
        from every edge of the coarse matte stays as it was. `progress`: show a bar for each step; `tile`: side of a tile in pixels,
        a multiple of 32. Raises RimError.

        >>> picture = np.zeros((60, 80, 3), np.uint8)
        >>> Refiner(widths=(8, 8, 8, 8, 8), follow=True).eval().refine(picture, np.zeros((30, 40), np.float32)).shape
        (60, 80)
        """
        picture, alpha = _checked(picture, alpha)
        for size in steps(picture.shape[:2], own_size(alpha)):
            small = picture if size == picture.shape[:2] else resize(picture, size)
            alpha = resize(alpha, size) if alpha.shape != size else alpha
            self._refine_at(small, alpha, tile, f"refine at {size[1]} x {size[0]}" if progress else None)
        return alpha

    def _refine_at(self, picture: np.ndarray, alpha: np.ndarray, tile: int, progress: str | None) -> None:
        """One step, in place: where the matte is in question, by tiles."""
        weight = tiles.near(alpha)
        work = lambda rows, columns: self._tile(picture[rows, columns], alpha[rows, columns])
        refined = tiles.run(work, alpha.shape, weight, tile, progress=progress)
        for row in range(0, len(alpha), 256):  # a part at a time: each line makes copies in float32
            part = slice(row, row + 256)
            alpha[part] += np.float32(1 / 255) * weight[part] * (refined[part] - alpha[part])

    @torch.inference_mode()
    def _tile(self, picture: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        height, width = alpha.shape
        more = ((0, -height % 32), (0, -width % 32))
        device = self.mean.device
        images = (
            torch.from_numpy(np.pad(picture, (*more, (0, 0)), mode="edge")).to(device).permute(2, 0, 1)[None].float()
            / 255
        )  # (1, 3, H, W)
        coarse = torch.from_numpy(np.pad(alpha, more, mode="edge")).to(device)[None, None]  # (1, 1, H, W)
        return self(images, coarse).alpha[0, 0, :height, :width].cpu().numpy()


def trimap_of(coarse: torch.Tensor, reach: int = 4) -> torch.Tensor:
    """The trimap that a coarse alpha speaks for, as logits (B, 3, H, W) of background, unknown, foreground.

    `coarse`: (B, 1, H, W) in [0, 1]. Sure where all pixels up to `reach` away are 0, or all 1; unknown at an edge and where there is doubt.
    """
    high = F.max_pool2d(coarse, 2 * reach + 1, stride=1, padding=reach)
    low = 1 - F.max_pool2d(1 - coarse, 2 * reach + 1, stride=1, padding=reach)
    background, foreground = (1 - high).square(), low.square()
    return SURE * torch.cat([background, 1 - background - foreground, foreground], dim=1)


def steps(size: tuple[int, int], coarse: tuple[int, int]) -> list[tuple[int, int]]:
    """The sizes at which a matte is refined: the first has two to four times the longer side of the coarse one, then they double.

    >>> steps((960, 1280), (128, 128))
    [(240, 320), (480, 640), (960, 1280)]
    """
    sizes = [tuple(size)]
    while max(sizes[0]) >= 4 * max(coarse) and min(sizes[0]) >= 64:
        sizes.insert(0, tuple(-(-length // 2) for length in sizes[0]))
    return sizes


def own_size(alpha: np.ndarray) -> tuple[int, int]:
    """The size that a matte was made at, as far as can be seen: halved as long as its edges do not change by that.

    A matte of 128 pixels that was enlarged to a thousand says no more than it did, and must be refined from where it came.
    """
    while min(alpha.shape) >= 64:
        half = resize(alpha, tuple(-(-length // 2) for length in alpha.shape))
        change = np.abs(resize(half, alpha.shape) - alpha)
        edges = (alpha > tiles.PLAIN) & (alpha < 1 - tiles.PLAIN) | (change > tiles.PLAIN)
        if edges.any() and change[edges].mean() > LOST:
            break
        alpha = half
    return alpha.shape


def _checked(picture, alpha) -> tuple[np.ndarray, np.ndarray]:
    if (
        not isinstance(picture, np.ndarray)
        or picture.dtype != np.uint8
        or picture.ndim != 3
        or picture.shape[2] != 3
        or not picture.size
    ):
        found = f"{getattr(picture, 'dtype', type(picture).__name__)} {getattr(picture, 'shape', '')}"
        raise RimError(f"picture: expected uint8 (H, W, 3), found {found}; see rimlib.io.images.read_image")
    alpha = np.asarray(alpha)
    if alpha.ndim != 2 or alpha.dtype.kind != "f" or not alpha.size:
        raise RimError(f"alpha: expected float (h, w) in [0, 1], found {alpha.dtype} {alpha.shape}")
    if not np.isfinite(alpha).all():
        raise RimError("alpha: it holds values that are not numbers; expected float (h, w) in [0, 1]")
    return picture, np.clip(alpha, 0, 1).astype(np.float32)  # a copy: what the caller gave must not change


def _settings(path: Path) -> dict:
    """The network's sizes, from the header of a refiner's checkpoint."""
    with open_safetensors(path) as file:
        text = (file.metadata() or {}).get("rimlib")
    try:
        about = json.loads(text) if text else {}
    except json.JSONDecodeError:
        about = {}
    if not isinstance(about, dict) or about.get("format") != FORMAT or not isinstance(about.get("settings"), dict):
        raise RimError(f"{path}: not a refiner's checkpoint (its header does not say {FORMAT})")
    settings = about["settings"]
    numbers = lambda name, count: (
        isinstance(settings.get(name), list)
        and len(settings[name]) == count
        and all(isinstance(value, int) and 0 < value <= 4096 for value in settings[name])
    )
    if set(settings) != {"widths", "blocks", "follow"} or not numbers("widths", 5) or not numbers("blocks", 4):
        raise RimError(
            f"{path}: its header's settings are not those of a refiner: widths (5), blocks (4) and follow are expected"
        )
    return settings
