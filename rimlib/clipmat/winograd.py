"""A 3x3 convolution on a CPU with a quarter of the multiplications, for answers that need no gradient.

Not in the paper; after Winograd and Lavin. Four outputs in a line of a convolution with three taps need six
multiplications, not twelve, when both sides are first taken through the values of polynomials at six points; in two
directions 36 instead of 144 for a tile of 4x4 outputs. The points are 0, ±3/4, ±3/2 and infinity: with ±1 and ±2, the usual
ones, float32 loses three times as much. The answer differs from the plain convolution by its rounding, some 1e-6 of the
largest value.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cached_property, lru_cache, partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from rimlib.clipmat import compiled, loops

STRIP = 24576  # tiles times channels at a time, so that what is between the steps stays in the cache


class Convolution:
    """A 3x3 convolution that is ready to be used many times: `weight` (O, C, 3, 3), `bias` (O,)."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor):
        self.weight = weight.contiguous(memory_format=torch.channels_last)
        self.bias = bias

    @cached_property
    def taps(self) -> torch.Tensor:
        """The weights at Winograd's points, (36, C, O): four times their size."""
        outputs, inputs = self.weight.shape[:2]
        return (taps_matrix() @ self.weight.permute(2, 3, 1, 0).reshape(9, -1)).view(36, inputs, outputs)

    def gains(self, height: int, width: int) -> bool:
        """Is Winograd's way quicker for a map of this size? With few channels or few tiles the changes cost what they save."""
        outputs, inputs = self.weight.shape[:2]
        return inputs >= 96 and outputs >= 32 and height * width >= 1024

    def __call__(self, x: torch.Tensor, relu: bool = False) -> torch.Tensor:
        """`conv2d(x, weight, bias, padding=1)`, then ReLU if asked. `x`: (B, C, H, W), as `usable` says.

        Returns (B, O, H, W) in channels-last memory.
        """
        height, width = x.shape[-2:]
        if x.shape[1] != self.weight.shape[1] or not self.gains(height, width):  # of the first, torch says what is wrong
            x = F.conv2d(x, self.weight, self.bias, padding=1)
            return x.relu_() if relu else x
        return self.of_tiles([partial(loops.tiles_of_map, image) for image in pixels(x)], height, width, relu)

    def of_sum(self, small: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """ReLU of the same of `x` (B, C, 2h, 2w) plus `small` (B, C, h, w) enlarged by 2 bilinearly; the sum never exists."""
        sums = [partial(loops.tiles_of_sum, *pair) for pair in zip(pixels(small), pixels(x), strict=True)]
        return self.of_tiles(sums, *x.shape[-2:], relu=True)

    def of_tiles(self, maps: list[Callable], height: int, width: int, relu: bool) -> torch.Tensor:
        out = compiled.empty(len(maps), height, width, len(self.bias))
        for tiles, result in zip(maps, out):
            self.by_strips(tiles, result, relu)
        return out.permute(0, 3, 1, 2)

    def by_strips(self, tiles: Callable, out: torch.Tensor, relu: bool = False, add: Callable[[int, np.ndarray], None] | None = None) -> None:
        """The same of one map, into `out`, float32 (H, W, O), contiguous, a few rows of tiles at a time.

        The map need never exist whole: `tiles(first, columns, changed, start, stop)` gives its tiles, as `loops.tiles_of_map`
        does. `add(first, rows)`, where there is one, writes what joins rows `first`, first + 1, … of the result before ReLU.
        """
        height, width, outputs = out.shape
        taps, bias, result = self.taps, self.bias.contiguous().numpy(), out.numpy()
        rows, columns = -(-height // 4), -(-width // 4)
        # Not fewer tiles than outputs: else the weights, which each strip reads, would be more than what they meet.
        together = min(rows, max(1, max(STRIP // taps.shape[1], outputs) // columns))
        for first in range(0, rows, together):
            count = min(together, rows - first) * columns
            changed = space("in", count, 36, taps.shape[1])
            products = space("out", 36, count, outputs)
            compiled.share(partial(tiles, first, columns, changed), count)
            torch.bmm(torch.from_numpy(changed).transpose(0, 1), taps, out=torch.from_numpy(products))
            if add:
                add(4 * first, result[4 * first : 4 * (first + together)])
            compiled.share(partial(loops.tiles_out, products, bias, result, first, columns, add is not None, relu), count)


def pixels(x: torch.Tensor) -> np.ndarray:
    """(B, C, H, W) as (B, H, W, C), contiguous."""
    return x.permute(0, 2, 3, 1).contiguous().numpy()


_spaces = threading.local()


def space(name: str, *shape: int) -> np.ndarray:
    """Memory for what is between two steps, float32, not emptied: the same each time, for asking for it anew takes long."""
    size, flat = int(np.prod(shape)), getattr(_spaces, name, None)
    if flat is None or flat.size < size:
        flat = np.empty(size, np.float32)
        setattr(_spaces, name, flat)
    return flat[:size].reshape(shape)


@lru_cache(maxsize=1)
def taps_matrix() -> torch.Tensor:
    """(36, 9): the values at each pair of points of the polynomial whose coefficients are the taps, over Lagrange's denominators."""
    points = [0.0, *(sign * float(point) for point in (loops.A, loops.B) for sign in (1, -1))]
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
            nn.Conv2d(inputs, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(),
            nn.Conv2d(out, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(),
        )
        self._kept = Kept()

    def train(self, mode: bool = True):
        self._kept.forget()
        return super().train(mode)

    def forward(self, x: torch.Tensor, more: torch.Tensor | None = None) -> torch.Tensor:
        """`x`: (B, inputs, H, W). Returns (B, out, H, W). With `more` (B, inputs, 2H, 2W), the same of `more` plus `x` enlarged by 2."""
        quick = not self.training and compiled.usable(x)
        if quick:
            first, second = self._kept.get(self, lambda: [Convolution(*folded(self[at], self[at + 1])) for at in (0, 3)])
            # What does not fit goes to torch, which repeats a batch of one, or says what is wrong.
            channels = self[0].in_channels
            fits = more is not None and x.shape[1] == channels and more.shape == (len(x), channels, 2 * x.shape[2], 2 * x.shape[3])
            if fits and first.gains(*more.shape[-2:]):
                return second(first.of_sum(x, more), relu=True)
        if more is not None:
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False) + more
        return second(first(x, relu=True), relu=True) if quick else super().forward(x)
