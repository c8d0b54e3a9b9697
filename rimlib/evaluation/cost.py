"""Cost of a method: parameters, and multiplications for one image and one sentence.

`costs` is at the paper's sizes, 512 x 512 pixels; `of_model` of any model at its own.

Counted, not estimated: the networks are built and run on torch's meta device, which follows shapes through every
operation and computes nothing. Convolutions and products of matrices count, attention's among them; norms and resizing
do not. CLIPMat is counted as the paper writes it; `rimlib.fast` needs fewer products.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from rimlib import profile as profiles
from rimlib.baselines import clipseg, grounded_tiny, mdetr_weights, vitmatte
from rimlib.baselines.mdetr import MDETR
from rimlib.baselines.sam3 import Sam3
from rimlib.clipmat.model import CLIPMat
from rimlib.errors import RimError

SIDE = 512  # Paper: S4.1
# Sizes that the processors of Grounding DINO, SAM 2 and SAM 3 give to such an image:
DETECTOR_SIDE, SEGMENTER_SIDE, SAM3_SIDE = 800, 1024, 1008
WORDS = 22  # tokens of the sentence, its start and end among them


class Cost(NamedTuple):
    """Cost of a network."""

    parameters: int
    macs: int  # multiplications, each with its addition
    learning: int  # parameters that training changes; none of a pipeline's

    @property
    def gflops(self) -> float:
        """Billions of multiplications and additions."""
        return round(2 * self.macs / 1e9, 3)


class _AllSet(TorchDispatchMode):
    """Answers with True where a network branches on a value (whether all of a mask is set): meta tensors have none."""

    def __torch_dispatch__(self, operation: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if operation is torch.ops.aten._local_scalar_dense.default:
            return True
        return operation(*args, **(kwargs or {}))


def costs(method: str) -> dict[str, Cost]:
    """Costs of a method's networks at the paper's sizes, by name. Raises RimError for an unknown method.

    >>> [f"{cost.parameters / 1e6:.1f} M, {cost.macs / 1e9:.0f} GMAC" for cost in costs("clipseg").values()]
    ['150.7 M, 109 GMAC']
    """
    if method not in _PARTS:
        raise RimError(f"method {method!r}: its cost is not known; there are {', '.join(_PARTS)}", setting="method")
    return {part: measure(*make()) for part, make in _PARTS[method].items()}


def measure(network: nn.Module, run: Callable[[], object]) -> Cost:
    """Cost of a network on the meta device, in evaluation, and of a call `run` of it."""
    network.eval()
    with torch.no_grad(), _AllSet(), FlopCounterMode(display=False) as count:
        run()
    learning = sum(value.numel() for value in network.parameters() if value.requires_grad)
    macs = count.get_total_flops() // 2  # it counts additions too
    return Cost(sum(value.numel() for value in network.parameters()), macs, learning)


def of_model(model: Any) -> Cost:
    """Cost of a CLIPMat, a CLIPSeg or an MDETR as it is, for one image of its own size and one sentence.

    >>> of_model(CLIPMat.from_profile(profiles.load("tiny"), "random")).macs > 1e8
    True
    """
    network = copy.deepcopy(getattr(model, "model", model)).to("meta")  # a `CLIPMatMethod` has its CLIPMat there
    return measure(*_part(network, network.image_size))


def of_refiner(refiner: nn.Module, height: int, width: int) -> Cost:
    """Cost of a refiner, for one image of a size."""
    network = copy.deepcopy(refiner).to("meta")
    sides = [side + -side % 32 for side in (height, width)]
    return measure(network, lambda: network(_meta(1, 3, *sides), _meta(1, 1, *sides)))


Part = tuple[nn.Module, Callable[[], object]]


def _meta(*shape: int) -> torch.Tensor:
    return torch.ones(shape, device="meta")


TOKENS = torch.ones(1, WORDS, dtype=torch.int64, device="meta")


def _part(model: Any, side: int = SIDE) -> Part:
    """A model on the meta device, and its call for an image of `side` and a sentence."""
    image = _meta(1, 3, side, side)
    if isinstance(model, MDETR):
        padding = torch.zeros(1, WORDS, dtype=torch.bool, device="meta")
        return model, lambda: model.forward_tokens(image, TOKENS, padding).alpha
    return model, lambda: getattr(model, "forward_tokens", model)(image, TOKENS)


def _clipmat() -> Part:
    with torch.device("meta"):
        return _part(CLIPMat.from_profile(profiles.load("paper-b16"), "random"))


def _clipseg() -> Part:
    from transformers import CLIPSegForImageSegmentation

    with torch.device("meta"):
        return _part(clipseg.CLIPSeg(CLIPSegForImageSegmentation(clipseg.config("paper"))))


def _mdetr() -> Part:
    with torch.device("meta"):
        return _part(MDETR("paper", *mdetr_weights.towers("paper")))


def _detector() -> Part:
    with torch.device("meta"):  # one of its parameters does not follow the context, hence `to`
        model = grounded_tiny.detector("paper")[0].to("meta").requires_grad_(False)
    given = {"pixel_values": _meta(1, 3, DETECTOR_SIDE, DETECTOR_SIDE), "input_ids": TOKENS}
    return model, lambda: model(**given, attention_mask=TOKENS > 0)


def _segmenter() -> Part:
    with torch.device("meta"):
        model = grounded_tiny.segmenter("paper")[0].requires_grad_(False)
    image, boxes = _meta(1, 3, SEGMENTER_SIDE, SEGMENTER_SIDE), _meta(1, 1, 4)
    return model, lambda: model(pixel_values=image, input_boxes=boxes, multimask_output=False)


def _sam3() -> Part:
    with torch.device("meta"):  # not all of its parameters follow the context, hence `to`
        model = Sam3.random("paper").net.to("meta").requires_grad_(False)
    image = _meta(1, 3, SAM3_SIDE, SAM3_SIDE)
    return model, lambda: model(pixel_values=image, input_ids=TOKENS, attention_mask=TOKENS)


def _vitmatte() -> Part:
    from transformers import VitMatteForImageMatting

    with torch.device("meta"):
        model = VitMatteForImageMatting(vitmatte.config("paper")).requires_grad_(False)
    return model, lambda: model(pixel_values=_meta(1, 4, SIDE, SIDE))


_PARTS: dict[str, dict[str, Callable[[], Part]]] = {
    "clipmat": {"CLIPMat": _clipmat},
    "clipseg": {"CLIPSeg": _clipseg},
    "mdetr": {"MDETR": _mdetr},
    "grounded": {"Grounding DINO": _detector, "SAM 2": _segmenter, "ViTMatte": _vitmatte},
    "sam3": {"SAM 3": _sam3, "ViTMatte": _vitmatte},
    "clipseg+vitmatte": {"CLIPSeg": _clipseg, "ViTMatte": _vitmatte},
}
