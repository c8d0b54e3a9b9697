"""How quickly does the paper's model train on this device, and how much of the device is used?

    python benchmarks/gpu.py                        # on a GPU: minutes; on a CPU: one step of each way
    python benchmarks/gpu.py --profile paper-l14

The model of a `paper-*` profile begins with random weights and takes steps on random images and tokens that lie on the
device, in the precision that `auto` chooses: the data's speed is `benchmarks/training.py`'s. The paper trains ViT-B/16
in about a day on two A100, some 26 images a second. The last line is one JSON object:

    ways                for fast and literal details, with and without torch.compile: images a second, seconds of a
                        step, and peak of memory in GiB
    share_of_peak       operations of the literal model's step (forward and backward), as torch counts them, for each
                        second of the quickest way, over what the device can do in that precision; null where its peak
                        is not known
    largest_batch       images of a step, of the doubled batches, that fit into the memory
    not_measured        what could not be measured here, and why
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from statistics import median
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from rimlib import fast
from rimlib import profile as profiles
from rimlib.clipmat import CLIPMat
from rimlib.clipmat.losses import clipmat_loss
from rimlib.device import pick_device
from rimlib.fast.losses import laplacian_losses
from rimlib.training import clipmat
from rimlib.training.loop import autocast, precision

PEAK = {"A100": 312e12, "H100": 989e12, "H200": 989e12, "B200": 2250e12, "L40": 181e12, "RTX 4090": 165e12}  # bfloat16
WAYS = {
    "fast": (True, False),
    "literal": (False, False),
    "fast, compiled": (True, True),
    "literal, compiled": (False, True),
}
ON_CPU = ("fast", "literal")  # torch.compile takes minutes there for nothing that a training needs


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--profile", default="paper-b16", choices=[name for name in profiles.names() if "paper" in name]
    )
    parser.add_argument("--steps", type=int, default=20, help="timed, after three (on a GPU)")
    parser.add_argument("--device", help="such as cuda or cpu (the best one here)")
    options = parser.parse_args()
    if options.steps < 1:
        parser.error(f"--steps {options.steps}: must be at least 1")
    profile, device = profiles.load(options.profile), pick_device(options.device)
    on_gpu = device.type == "cuda"
    images, steps, ways = (profile.train.images, options.steps, list(WAYS)) if on_gpu else (1, 1, list(ON_CPU))
    found: dict[str, Any] = {"device": name_of(device), "dtype": precision(device), "images": images}
    found["ways"] = {name: timed(profile, device, images, steps, *WAYS[name]) for name in ways}
    if on_gpu:
        quickest = max(row["images_per_second"] for row in found["ways"].values())
        peak = next((value for name, value in PEAK.items() if name in found["device"]), None)
        used = operations(profile, device) * quickest
        found |= {
            "share_of_peak": round(used / peak, 3) if peak else None,
            "largest_batch": largest(profile, device, images),
        }
        found["not_measured"] = {} if peak else {"share_of_peak": "the peak of this device is not known here"}
    else:
        why = "needs a GPU"
        found["not_measured"] = {name: why for name in ("compiled", "share_of_peak", "largest_batch", "batch of 12")}
    print(json.dumps(found))
    return 0


def name_of(device: torch.device) -> str:
    """The card's own name."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


class Training:
    """A model that takes steps on one batch."""

    def __init__(self, profile: profiles.Profile, device: torch.device, images: int, cheap: bool, compiled: bool):
        torch.manual_seed(0)
        settings, size = profile.train, profile.model.image_size
        self.device, self.weights = device, settings.losses
        model = CLIPMat.from_profile(profile, "random").to(device).train()
        fast.optimize(model, cheap)
        self.optimizer = torch.optim.Adam(clipmat.groups(model, settings), fused=True)
        self.model: Any = torch.compile(model) if compiled else model
        shape = (images * settings.sentences, 1, size, size)
        self.images = torch.rand(images, 3, size, size, device=device).contiguous(memory_format=torch.channels_last)
        self.tokens = model.tokenizer(["the salient dog on the left"] * shape[0]).to(device)
        self.index = torch.arange(images, device=device).repeat_interleave(settings.sentences)
        self.mattes = torch.rand(shape, device=device)
        self.trimaps = torch.randint(0, 3, (shape[0], size, size), device=device)

    def losses(self) -> torch.Tensor:
        """The forward pass."""
        with autocast(self.device):
            output = self.model(self.images, self.tokens, self.index)
        return clipmat_loss(output, self.mattes, self.trimaps, self.weights, laplacian_losses)["total"]

    def step(self) -> None:
        """Forward, backward, and a change of the weights."""
        self.optimizer.zero_grad(set_to_none=True)
        self.losses().backward()
        self.optimizer.step()


def timed(
    profile: profiles.Profile, device: torch.device, images: int, steps: int, cheap: bool, compiled: bool
) -> dict[str, float]:
    """Images a second, seconds of a step, and peak of memory."""
    training, on_gpu = Training(profile, device, images, cheap, compiled), device.type == "cuda"
    if on_gpu:
        for _ in range(3):  # kernels are chosen, a model is compiled
            training.step()
        torch.cuda.reset_peak_memory_stats(device)
    seconds = []
    for _ in range(steps):
        started = time.perf_counter()
        training.step()
        if on_gpu:
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - started)
    row = {"images_per_second": round(images / median(seconds), 2), "seconds": round(median(seconds), 4)}
    return {**row, "peak_gib": round(torch.cuda.max_memory_allocated(device) / 2**30, 2)} if on_gpu else row


def operations(profile: profiles.Profile, device: torch.device) -> float:
    """Multiplications and additions of a step for one image, of the literal model."""
    training = Training(profile, device, 1, cheap=False, compiled=False)
    with FlopCounterMode(display=False) as count:
        training.losses().backward()
    return float(count.get_total_flops())


def largest(profile: profiles.Profile, device: torch.device, images: int) -> int:
    """The largest doubled batch that fits, with the fast details."""
    fits = 0
    while True:
        try:
            Training(profile, device, images, cheap=True, compiled=False).step()
        except torch.cuda.OutOfMemoryError:
            return fits
        finally:
            torch.cuda.empty_cache()
        fits, images = images, 2 * images


if __name__ == "__main__":
    sys.exit(main())
