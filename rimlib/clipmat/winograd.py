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
from functools import cached_property, lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

STRIP = 64  # tiles at a time, so that what is between the steps stays in the cache


def usable(x: torch.Tensor) -> bool:
    """Is `x` on a CPU, in float32, where no gradient and no other type is asked for?"""
    return (x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_grad_enabled()
            and not torch.is_autocast_enabled("cpu"))


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
        return min(self.weight.shape[:2]) >= 96 and height * width >= 1024

    def __call__(self, x: torch.Tensor, relu: bool = False) -> torch.Tensor:
        """`conv2d(x, weight, bias, padding=1)`, then ReLU if asked. `x`: (B, C, H, W), as `usable` says.

        Returns (B, O, H, W) in channels-last memory.
        """
        height, width = x.shape[-2:]
        if not self.gains(height, width):
            x = F.conv2d(x, self.weight, self.bias, padding=1)
            return x.relu_() if relu else x
        out = torch.empty(len(x), height, width, len(self.bias))  # (B, H, W, O)
        for image, result in zip(x.permute(0, 2, 3, 1).contiguous().numpy(), out):
            self.on_rows(lambda strip, first: copy_rows(image, strip, first), result, relu)
        return out.permute(0, 3, 1, 2)

    def on_rows(self, fill: Callable[[np.ndarray, int], None], out: torch.Tensor, relu: bool = False, add: bool = False) -> None:
        """The same of one map, into `out`, float32 (H, W, O), contiguous; with `add` what stands there joins it before ReLU.

        The map need never exist whole: `fill(strip, first)` writes its rows `first`, first + 1, … into `strip`
        (rows, 1 + W + more, C) from column 1 on, and leaves rows that the map does not have.
        """
        from rimlib.clipmat import compiled

        height, width, outputs = out.shape
        taps, bias = self.taps, self.bias.contiguous().numpy()
        rows, columns = -(-height // 4), -(-width // 4)
        together = min(rows, max(1, STRIP // columns))
        strip = space("strip", 4 * together + 2, 4 * columns + 2, taps.shape[1])
        strip[:, 0], strip[:, width + 1:], strip[0] = 0, 0, 0  # what is outside the map
        for first in range(0, rows, together):
            count = min(together, rows - first)
            strip[max(0, height - 4 * first + 1):] = 0
            fill(strip, 4 * first - 1)
            before, after = (space(name, 36, count * columns, channels) for name, channels in zip(("in", "out"), taps.shape[1:]))
            compiled.share(lambda a, b: compiled.tiles_in(strip, before, columns, a, b), count * columns)
            torch.bmm(torch.from_numpy(before), taps, out=torch.from_numpy(after))
            compiled.share(lambda a, b: compiled.tiles_out(after, bias, out.numpy(), first, columns, add, relu, a, b), count * columns)


_spaces = threading.local()


def space(name: str, *shape: int) -> np.ndarray:
    """Memory for what is between two steps, float32, not emptied: the same each time, for asking for it anew takes long."""
    size, flat = int(np.prod(shape)), getattr(_spaces, name, None)
    if flat is None or flat.size < size:
        flat = np.empty(size, np.float32)
        setattr(_spaces, name, flat)
    return flat[:size].reshape(shape)


def copy_rows(image: np.ndarray, strip: np.ndarray, first: int) -> None:
    """A `fill` of `Convolution.on_rows` for a map (H, W, C) that exists."""
    low, high = max(first, 0), min(first + len(strip), len(image))
    strip[low - first : high - first, 1 : 1 + image.shape[1]] = image[low:high]


@lru_cache(maxsize=1)
def taps_matrix() -> torch.Tensor:
    """(36, 9): the values at each pair of points of the polynomial whose coefficients are the taps, over Lagrange's denominators."""
    from rimlib.clipmat.compiled import A, B

    points = [0.0, float(A), -float(A), float(B), -float(B)]
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

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`x`: (B, inputs, H, W). Returns (B, out, H, W)."""
        if self.training or not usable(x):
            return super().forward(x)
        first, second = self._kept.get(self, lambda: [Convolution(*folded(self[at], self[at + 1])) for at in (0, 3)])
        return second(first(x, relu=True), relu=True)
