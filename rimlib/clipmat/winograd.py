"""A 3x3 convolution on a CPU with a quarter of the multiplications, for answers that need no gradient.

Not in the paper; after Winograd and Lavin. Four outputs in a line of a convolution with three taps need six
multiplications, not twelve, when both sides are first taken through the values of polynomials at six points; in two
directions 36 instead of 144 for a tile of 4x4 outputs. The points are 0, ±3/4, ±3/2 and infinity: with ±1 and ±2, the usual
ones, float32 loses three times as much. The answer differs from the plain convolution by its rounding, some 1e-6 of the
largest value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache, partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from rimlib.clipmat import compiled, loops, winograd_loops
from rimlib.clipmat.panel import COLUMNS


class Convolution:
    """A 3x3 convolution that is ready to be used many times: `weight` (O, C, 3, 3), `bias` (O,)."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor):
        self.weight = weight.contiguous(memory_format=torch.channels_last)
        self.bias = bias

    @cached_property
    def taps(self) -> np.ndarray:
        """The weights at Winograd's points, four times their size: (36, P, C, COLUMNS) in P panels of outputs, the last filled up by zeros."""
        outputs, inputs = self.weight.shape[:2]
        taps = (taps_matrix() @ self.weight.permute(2, 3, 1, 0).reshape(9, -1)).view(36, inputs, outputs)
        panels = F.pad(taps, (0, -outputs % COLUMNS)).unflatten(2, (-1, COLUMNS))
        return panels.transpose(1, 2).contiguous().numpy()

    def gains(self, height: int, width: int) -> bool:
        """Is Winograd's way quicker for a map of this size? With few channels or few tiles the changes cost what they save."""
        outputs, inputs = self.weight.shape[:2]
        return inputs >= 48 and outputs >= 32 and height * width >= 256

    def __call__(self, x: torch.Tensor, relu: bool = False) -> torch.Tensor:
        """`conv2d(x, weight, bias, padding=1)`, then ReLU if asked. `x`: (B, C, H, W), as `compiled.usable` says.

        Returns (B, O, H, W) in channels-last memory.
        """
        height, width = x.shape[-2:]
        if x.shape[1] != self.weight.shape[1] or not self.gains(
            height, width
        ):  # of the first, torch says what is wrong
            x = F.conv2d(x, self.weight, self.bias, padding=1)
            return x.relu_() if relu else x
        return self.of_maps([winograd_loops.Source(image) for image in pixels(x)], height, width, relu)

    def of_sum(self, small: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """ReLU of the same of `x` (B, C, 2h, 2w) plus `small` (B, C, h, w) enlarged by 2 bilinearly; the sum never exists."""
        sums = [winograd_loops.Source(*pair) for pair in zip(pixels(x), pixels(small), strict=True)]
        return self.of_maps(sums, *x.shape[-2:], relu=True)

    def of_maps(
        self,
        maps: list[winograd_loops.Source],
        height: int,
        width: int,
        relu: bool,
        added: Sequence[loops.Enlarged] = (),
    ) -> torch.Tensor:
        """The convolution of maps, one for each picture, to (B, O, H, W); what `added` gives, if anything, joins before ReLU."""
        out = compiled.empty(len(maps), height, width, len(self.bias))
        taps, bias = self.taps, self.bias.contiguous().numpy()
        rows, columns = -(-height // 4), -(-width // 4)
        for source, more, result in zip(maps, added or [loops.Enlarged()] * len(maps), out.numpy(), strict=True):
            compiled.share(
                partial(winograd_loops.convolve, source, taps, bias, more, relu, result),
                rows if added else rows * columns,
            )
        return out.permute(0, 3, 1, 2)


def pixels(x: torch.Tensor) -> np.ndarray:
    """(B, C, H, W) as (B, H, W, C), contiguous."""
    return x.permute(0, 2, 3, 1).contiguous().numpy()


@lru_cache(maxsize=1)
def taps_matrix() -> torch.Tensor:
    """(36, 9): the values at each pair of points of the polynomial whose coefficients are the taps, over Lagrange's denominators."""
    points = [0.0, *(sign * float(point) for point in (winograd_loops.A, winograd_loops.B) for sign in (1, -1))]
    rows = []
    for point in points:
        below = np.prod([point - other for other in points if other != point])
        rows.append([point**power / below for power in range(3)])
    rows.append([0.0, 0.0, 1.0])  # infinity: the highest coefficient
    with torch.inference_mode(False):
        return torch.tensor(np.kron(rows, rows), dtype=torch.float32)


def folded(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight and bias of one convolution that does what these two, the first without a bias, do in evaluation."""
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    return convolution.weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale


class Kept:
    """What evaluation makes of a module's weights, kept until one of them changes.

    A change through `tensor.data` is not counted by torch and not seen here: call `forget`, as the modules do when they are
    switched between training and evaluation.
    """

    def __init__(self):
        self._mark, self._value = None, None

    def get(self, module: nn.Module, make: Callable):
        """`make()`, or what it gave the last time when the module's tensors are still the same."""
        tensors = [*module.parameters(), *module.buffers()]
        if any(tensor.is_inference() for tensor in tensors):  # these do not count their changes
            return make()
        mark = [(tensor.data_ptr(), tensor._version) for tensor in tensors]
        if mark != self._mark:
            self._mark, self._value = mark, make()
        return self._value

    def forget(self) -> None:
        self._mark = self._value = None

    def __deepcopy__(self, memo):
        return Kept()

    def __reduce__(self):
        return Kept, ()


class TwoConvolutions(nn.Sequential):
    """[conv 3x3 + BN + ReLU] x 2 (Table 11): `inputs` channels to `out`, sizes kept."""

    def __init__(self, inputs: int, out: int):
        super().__init__(
            nn.Conv2d(inputs, out, 3, padding=1, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(),
            nn.Conv2d(out, out, 3, padding=1, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(),
        )
        self._kept = Kept()

    def train(self, mode: bool = True):
        self._kept.forget()
        return super().train(mode)

    def forward(self, x: torch.Tensor, more: torch.Tensor | None = None) -> torch.Tensor:
        """`x`: (B, inputs, H, W). Returns (B, out, H, W). With `more` (B, inputs, 2H, 2W), the same of `more` plus `x` enlarged by 2."""
        quick = not self.training and compiled.usable(x)
        if quick:
            first, second = self._kept.get(
                self, lambda: [Convolution(*folded(self[at], self[at + 1])) for at in (0, 3)]
            )
            # What does not fit goes to torch, which repeats a batch of one, or says what is wrong.
            channels = self[0].in_channels
            fits = (
                more is not None
                and x.shape[1] == channels
                and more.shape == (len(x), channels, 2 * x.shape[2], 2 * x.shape[3])
            )
            if fits and first.gains(*more.shape[-2:]):
                return second(first.of_sum(x, more), relu=True)
        if more is not None:
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False) + more
        return second(first(x, relu=True), relu=True) if quick else super().forward(x)
