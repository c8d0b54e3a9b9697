"""What a method costs at the paper's sizes: parameters, and multiplications for one picture of 512 x 512 and one sentence.

Counted, not estimated: the networks are built and run on torch's meta device, which follows shapes through every operation and
computes nothing. Convolutions and products of matrices count, attention's among them; norms and resizing do not.
"""

from __future__ import annotations

import contextlib
from typing import NamedTuple
from unittest import mock

import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from rimlib import profile as profiles
from rimlib.baselines import clipseg, grounded_tiny, mdetr_weights, vitmatte
from rimlib.baselines.mdetr import MDETR
from rimlib.clipmat.model import CLIPMat
from rimlib.errors import RimError

SIDE = 512  # Paper: S4.1
DETECTOR_SIDE, SEGMENTER_SIDE = 800, 1024  # what Grounding DINO's and SAM 2's own processors make of such a picture
WORDS = 22  # tokens of the sentence, its start and end among them


class Cost(NamedTuple):
    """`parameters`; `macs`: multiplications, each with its addition; `learning`: parameters that training changes; none of a pipeline's."""

    parameters: int
    macs: int
    learning: int


class Count(TorchDispatchMode):
    """In its `with` block, `macs` adds up what runs."""

    def __init__(self):
        super().__init__()
        self.macs = 0

    def __torch_dispatch__(self, operation, types, arguments=(), named=None):
        if operation is torch.ops.aten._local_scalar_dense.default:
            return True  # some look whether all of a mask is set, or sizes agree; there are no values here, so yes
        result = operation(*arguments, **(named or {}))
        count = flop_registry.get(operation._overloadpacket)
        if count is not None:
            self.macs += count(*arguments, **(named or {}), out_val=result) // 2  # it counts additions too
        return result


def costs(method: str) -> dict[str, Cost]:
    """The networks that a method goes through, by name, at the paper's sizes. Raises RimError for a method that is not known.

    >>> [f"{part}: {cost.parameters / 1e6:.1f} M, {cost.macs / 1e9:.0f} GMAC" for part, cost in costs("clipseg").items()]
    ['CLIPSeg: 150.7 M, 109 GMAC']
    """
    if method not in _PARTS:
        raise RimError(f"method {method!r}: its cost is not known; there are {', '.join(_PARTS)}")
    return {part: measure(*make()) for part, make in _PARTS[method].items()}


def measure(network: torch.nn.Module, run) -> Cost:
    """`network`: on the meta device; `run`: calls it."""
    network.eval()
    # There is no autocast on this device, and torch refuses the question.
    with torch.no_grad(), mock.patch("torch.is_autocast_enabled", lambda kind=None: False), Count() as count:
        run()
    return Cost(
        sum(value.numel() for value in network.parameters()),
        count.macs,
        sum(value.numel() for value in network.parameters() if value.requires_grad),
    )


def _clipmat():
    with torch.device("meta"):
        model = CLIPMat.from_profile(profiles.load("paper-b16"), "random")

    def run():
        with contextlib.ExitStack() as stack:
            for name, literal in AS_WRITTEN.items():
                stack.enter_context(mock.patch(name, literal))
            model(_meta(1, 3, SIDE, SIDE), _tokens(WORDS))

    return model, run


def _convolve(x: torch.Tensor, weight: torch.Tensor, scale: int, bias: torch.Tensor | None = None) -> torch.Tensor:
    return F.conv2d(F.interpolate(x, scale_factor=scale, mode="bilinear"), weight, bias, padding=1)


def _pool(images: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, window: int) -> torch.Tensor:
    return F.max_pool2d(F.conv2d(images, weight, bias), window)


# CLIPMat is counted as Table 11 writes it; what is in use gives the same with fewer products.
AS_WRITTEN = {
    "rimlib.clipmat.details.maxpool_projection": _pool,
    "rimlib.clipmat.details.convolve_upsampled": _convolve,
    "rimlib.clipmat.decoders.convolve_upsampled": _convolve,
}


def _clipseg():
    from transformers import CLIPSegForImageSegmentation

    with torch.device("meta"):
        model = clipseg.CLIPSeg(CLIPSegForImageSegmentation(clipseg.config("paper")))
    return model, lambda: model.forward_tokens(_meta(1, 3, SIDE, SIDE), _tokens(WORDS))


def _mdetr():
    with torch.device("meta"):
        model = MDETR("paper", *mdetr_weights.towers("paper"))
    padding = torch.zeros(1, WORDS, dtype=torch.bool, device="meta")
    return model, lambda: model.forward_tokens(_meta(1, 3, SIDE, SIDE), _tokens(WORDS), padding).alpha


def _detector():
    with torch.device("meta"):
        model = (
            grounded_tiny.detector("paper")[0].to("meta").requires_grad_(False)
        )  # one of its parameters does not follow the context
    return model, lambda: model(
        pixel_values=_meta(1, 3, DETECTOR_SIDE, DETECTOR_SIDE),
        input_ids=_tokens(WORDS),
        attention_mask=_tokens(WORDS) > 0,
    )


def _segmenter():
    with torch.device("meta"):
        model = grounded_tiny.segmenter("paper")[0].requires_grad_(False)
    return model, lambda: model(
        pixel_values=_meta(1, 3, SEGMENTER_SIDE, SEGMENTER_SIDE), input_boxes=_meta(1, 1, 4), multimask_output=False
    )


def _vitmatte():
    from transformers import VitMatteForImageMatting

    with torch.device("meta"):
        model = VitMatteForImageMatting(vitmatte.config("paper")).requires_grad_(False)
    return model, lambda: model(pixel_values=_meta(1, 4, SIDE, SIDE))


def _meta(*shape: int) -> torch.Tensor:
    return torch.ones(shape, device="meta")


def _tokens(length: int) -> torch.Tensor:
    return torch.ones(1, length, dtype=torch.int64, device="meta")


_PARTS = {
    "clipmat": {"CLIPMat": _clipmat},
    "clipseg": {"CLIPSeg": _clipseg},
    "mdetr": {"MDETR": _mdetr},
    "grounded": {"Grounding DINO": _detector, "SAM 2": _segmenter, "ViTMatte": _vitmatte},
    "clipseg+vitmatte": {"CLIPSeg": _clipseg, "ViTMatte": _vitmatte},
}
