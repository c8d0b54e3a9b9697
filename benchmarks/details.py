"""What the details extractor costs in training: `rimlib.fast` against the literal module.

    python benchmarks/details.py                    # ViT-B/16 at 512 x 512, a batch of two: minutes on two CPU cores

The literal module makes a map of 384 channels at full size for each of the four levels, and pools it then. Each round
times both, forward and backward, one after the other; peak memory is that of a process of its own for each, less what
it held before (Linux). The last line is one JSON object:

    time_ratio          fast over literal, the median of the rounds' ratios (bar: 0.5)
    memory_ratio        the same of the peaks of memory (bar: 0.35)
    max_error           largest difference of fast from the literal module with float64 convolutions: of outputs, of the
                        levels' gradients and of the weights' gradients, each over the largest value of its kind
                        (bar: 1e-5; the outputs are normalised, up to 5). In float32 the literal module's convolutions
                        lose more than that themselves without AVX-512. Left out are gradients at ReLU's kink, where
                        rounding decides; ties between pixels are made exact
    errors              these three
    literal_errors      the same three of the literal module in float32: what rounding alone amounts to here

`--step` times instead a whole training step of the profile's model, with its peak of memory; `--step --literal` the
same with the literal model.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch

from rimlib import fast
from rimlib import profile as profiles
from rimlib.clipmat import CLIPMat
from rimlib.clipmat.details import DetailsExtractor
from rimlib.clipmat.losses import clipmat_loss
from rimlib.training.loop import autocast

BATCH, SIZE, WIDTH = 2, 512, 768
CHANNELS = {4: 768, 3: 384, 2: 192, 1: 96}  # Table 11
WAYS = ("fast", "literal")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--step", action="store_true", help="a whole training step instead")
    parser.add_argument("--literal", action="store_true", help="--step with the literal model")
    parser.add_argument("--profile", default="paper-b16", choices=profiles.names(), help="of --step")
    parser.add_argument("--alone", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error(f"--rounds {options.rounds}: must be at least 1")
    if options.step:
        return step(profiles.load(options.profile), options.rounds, options.literal)
    modules, levels, images, upstream = given()
    if options.alone:
        fast.optimize(modules, options.alone == "fast")
        return alone(lambda: once(modules, levels, images, upstream))
    errors = errors_of(modules, levels, images, upstream)
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(options.rounds):
        for name in WAYS:
            fast.optimize(modules, name == "fast")
            started = time.perf_counter()
            once(modules, levels, images, upstream)
            seconds[name].append(time.perf_counter() - started)
    command = [sys.executable, __file__, "--alone"]
    peaks = {
        name: float(subprocess.run([*command, name], check=True, capture_output=True, text=True).stdout)
        for name in WAYS
    }
    for name in WAYS:
        print(f"{name:8} median {median(seconds[name]):.2f} s, peak {peaks[name] / 2**20:.0f} MiB")
    print(
        f"{torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}"
    )
    found = {
        "time_ratio": round(median(a / b for a, b in zip(seconds["fast"], seconds["literal"])), 3),
        "memory_ratio": round(peaks["fast"] / peaks["literal"], 3),
        "max_error": float(f"{max(errors['fast']):.2g}"),
        "errors": [float(f"{error:.2g}") for error in errors["fast"]],
        "literal_errors": [float(f"{error:.2g}") for error in errors["literal"]],
    }
    print(json.dumps(found))
    return 0


def given() -> tuple[torch.nn.ModuleList, list[torch.Tensor], torch.Tensor, list[torch.Tensor]]:
    """The four extractors, the levels, an image with edges, and the gradients that come back: the same each time."""
    torch.manual_seed(0)
    modules = torch.nn.ModuleList(DetailsExtractor(level, WIDTH, WIDTH // 2, out) for level, out in CHANNELS.items())
    for module in modules:
        module.to(memory_format=torch.channels_last)
        for value in module.norm_image.parameters():
            value.data = rounded(value.data)
    grid = SIZE // 16
    levels = [torch.randn(BATCH, grid, grid, WIDTH).permute(0, 3, 1, 2).requires_grad_() for _ in modules]
    images = rounded(torch.rand(BATCH, 3, SIZE, SIZE)).contiguous(memory_format=torch.channels_last)
    upstream = [torch.randn(BATCH, out, SIZE >> level, SIZE >> level) for level, out in CHANNELS.items()]
    return modules, levels, images, upstream


def rounded(values: torch.Tensor) -> torch.Tensor:
    """To multiples of 1/256: products of two are exact, and of two equal pixels both ways take the first."""
    return (256 * values).round() / 256


def once(
    modules: torch.nn.ModuleList, levels: list[torch.Tensor], images: torch.Tensor, upstream: list[torch.Tensor]
) -> list[torch.Tensor]:
    """Forward and backward through all levels. Returns the four outputs, then all gradients."""
    outputs = [module(level, images) for module, level in zip(modules, levels)]
    gradients = torch.autograd.grad(outputs, [*levels, *modules.parameters()], upstream)
    return [*(output.detach() for output in outputs), *gradients]


def errors_of(
    modules: torch.nn.ModuleList, levels: list[torch.Tensor], images: torch.Tensor, upstream: list[torch.Tensor]
) -> dict[str, list[float]]:
    """Differences of both ways from the literal module with float64 convolutions, over the largest of each kind."""
    absolute: dict[str, list[list[float]]] = {name: [[], [], []] for name in WAYS}
    largest: list[list[float]] = [[], [], []]
    for module, level, gradient in zip(modules, levels, upstream):  # one at a time: float64 takes twice the memory
        fast.optimize(module, False).double()
        module.norm.float()  # torch's own sums in all three
        to_single = module.norm.register_forward_pre_hook(lambda _, given: (given[0].float(),))
        exact = level.detach().double().requires_grad_()
        output = module(exact, images.double())
        gradient = gradient * (output > 1e-3)  # not next to ReLU's kink, where rounding decides whether it passes
        gradients = torch.autograd.grad(output, [exact, *module.parameters()], gradient)
        reference = [output.detach(), *gradients]
        to_single.remove()
        del output, gradients
        for kind, value in enumerate_kinds(reference):
            largest[kind].append(value.abs().max().item())
        module.float()
        for name in WAYS:
            single = torch.nn.ModuleList([fast.optimize(module, name == "fast")])
            found = once(single, [level], images, [gradient])
            for (kind, value), other in zip(enumerate_kinds(reference), found):
                absolute[name][kind].append((value - other).abs().max().item())
    return {name: [max(one) / max(size) for one, size in zip(kinds, largest)] for name, kinds in absolute.items()}


def enumerate_kinds(tensors: list[torch.Tensor]) -> list[tuple[int, torch.Tensor]]:
    """Of one level: 0 for the output, 1 for the level's gradient, 2 for those of the weights."""
    return [(min(number, 2), tensor) for number, tensor in enumerate(tensors)]


def alone(work: Callable[[], object]) -> int:
    """Print by how many bytes `work` raises this process's memory at its peak (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is reset, that of the process before too
    before = peak_of_process()
    work()
    print(peak_of_process() - before)
    return 0


def peak_of_process() -> int:
    """Bytes of memory that this process has held at most."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])


def step(profile: profiles.Profile, rounds: int, literally: bool = False) -> int:
    """One step of training, batch of two: seconds, peak of memory, images a second."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    model = fast.optimize(CLIPMat.from_profile(profile, "random"), not literally).to(device).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    size = profile.model.image_size
    images = torch.rand(BATCH, 3, size, size, device=device)
    tokens = model.tokenize(["the red dog", "the woman on the left"])
    alpha = torch.rand(BATCH, 1, size, size, device=device)
    trimap = torch.randint(0, 3, (BATCH, size, size), device=device)

    def work() -> None:
        with autocast(device):
            output = model(images, tokens)
        clipmat_loss(output, alpha, trimap, profile.train.losses)["total"].backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if device.type == "cuda":
            torch.cuda.synchronize()

    if device.type == "cpu":
        Path("/proc/self/clear_refs").write_text("5")
    work()
    spent = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        spent.append(time.perf_counter() - started)
    peak = torch.cuda.max_memory_allocated() if device.type == "cuda" else peak_of_process()
    found = {
        "profile": profile.name,
        "device": device.type,
        "seconds": round(median(spent), 3),
        "peak_gib": round(peak / 2**30, 2),
        "images_per_second": round(BATCH / median(spent), 3),
    }
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
