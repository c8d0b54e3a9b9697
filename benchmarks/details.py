"""What does the details extractor cost in training, against the same written down literally?

    python benchmarks/details.py                    # ViT-B/16 at 512 x 512, a batch of two: three minutes on two CPU cores

Literally (tests/literal.py) the picture becomes 384 channels at full size for each of the four levels, and is pooled then. Each
round times both, forward and backward, one after the other; peak memory is that of a process of its own for each, less what it held
before (Linux). The last line is one JSON object:

    time_ratio          ours over the literal one, the median of the rounds' ratios (bar: 0.5)
    memory_ratio        the same of the peaks of memory (bar: 0.35)
    max_error           largest difference of outputs, of the levels' gradients and of the weights' gradients, each over the largest
                        value of its kind (bar: 1e-5; the outputs are normalised, up to 5). What float32 cannot decide is left
                        out: gradients at ReLU's kink; and ties between pixels are made exact
    errors              these three

`--step` times instead a whole training step of the profile's model, with its peak of memory; `--step --literal` the same with the
literal extractor.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from statistics import median

import torch

from rimlib import profile as profiles
from rimlib.clipmat import CLIPMat
from rimlib.clipmat.details import DetailsExtractor
from rimlib.clipmat.losses import clipmat_loss
from rimlib.training.loop import autocast

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
import literal  # noqa: E402

BATCH, SIZE, WIDTH = 2, 512, 768
CHANNELS = {4: 768, 3: 384, 2: 192, 1: 96}  # Table 11


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--step", action="store_true", help="a whole training step instead")
    parser.add_argument("--literal", action="store_true", help="--step with the literal extractor")
    parser.add_argument("--profile", default="paper-b16", choices=profiles.names(), help="of --step")
    parser.add_argument("--alone", choices=("ours", "literal"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error(f"--rounds {options.rounds}: must be at least 1")
    if options.step:
        return step(profiles.load(options.profile), options.rounds, options.literal)
    modules, levels, images, wanted = given()
    runs = {
        "ours": lambda module, level: module(level, images),
        "literal": lambda module, level: literal.extract(module, level, images),
    }
    if options.alone:
        return alone(lambda: once(runs[options.alone], modules, levels, wanted))
    clear = away_from_kink(modules, levels, images, wanted)
    tensors = {name: once(run, modules, levels, clear) for name, run in runs.items()}
    del clear
    differences = [(ours - theirs).abs().max().item() for ours, theirs in zip(tensors["ours"], tensors["literal"])]
    sizes = [theirs.abs().max().item() for theirs in tensors["literal"]]
    del tensors
    kinds = [range(4), range(4, 8), range(8, len(sizes))]  # outputs, gradients of the levels, gradients of the weights
    errors = [max(differences[i] for i in kind) / max(sizes[i] for i in kind) for kind in kinds]
    seconds = {name: [] for name in runs}
    for _ in range(options.rounds):
        for name, run in runs.items():
            started = time.perf_counter()
            once(run, modules, levels, wanted)
            seconds[name].append(time.perf_counter() - started)
    peaks = {
        name: float(
            subprocess.run(
                [sys.executable, __file__, "--alone", name], check=True, capture_output=True, text=True
            ).stdout
        )
        for name in runs
    }
    for name in runs:
        print(f"{name:8} median {median(seconds[name]):.2f} s, peak {peaks[name] / 2**20:.0f} MiB")
    print(f"{torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}")
    print(
        json.dumps(
            {
                "time_ratio": round(median(a / b for a, b in zip(seconds["ours"], seconds["literal"])), 3),
                "memory_ratio": round(peaks["ours"] / peaks["literal"], 3),
                "max_error": float(f"{max(errors):.2g}"),
                "errors": [float(f"{error:.2g}") for error in errors],
            }
        )
    )
    return 0


def given():
    """The four extractors, the levels, a picture with edges, and the gradients that come back: the same each time."""
    torch.manual_seed(0)
    modules = [DetailsExtractor(level, WIDTH, WIDTH // 2, out) for level, out in CHANNELS.items()]
    for module in modules:
        module.to(memory_format=torch.channels_last)
        for value in module.norm_image.parameters():
            value.data = rounded(value.data)
    grid = SIZE // 16
    levels = [torch.randn(BATCH, grid, grid, WIDTH).permute(0, 3, 1, 2).requires_grad_() for _ in modules]
    images = rounded(torch.rand(BATCH, 3, SIZE, SIZE)).contiguous(memory_format=torch.channels_last)
    wanted = [torch.randn(BATCH, out, SIZE >> level, SIZE >> level) for level, out in CHANNELS.items()]
    return modules, levels, images, wanted


def rounded(values: torch.Tensor) -> torch.Tensor:
    """To multiples of 1/256, so that products of two are exact, and of two pixels with the same answer both ways take the first."""
    return (256 * values).round() / 256


def away_from_kink(modules, levels, images, wanted) -> list[torch.Tensor]:
    """The gradients without those that come back to an output next to ReLU's kink, where rounding decides whether they pass."""
    with torch.no_grad():
        return [
            gradient * (literal.extract(module, level, images) > 1e-3)
            for module, level, gradient in zip(modules, levels, wanted)
        ]


def once(run, modules, levels, wanted) -> list[torch.Tensor]:
    """Forward and backward through all levels. Returns the four outputs, then all gradients."""
    outputs = [run(module, level) for module, level in zip(modules, levels)]
    inputs = [*levels, *(value for module in modules for value in module.parameters())]
    gradients = torch.autograd.grad(outputs, inputs, wanted)
    return [*(output.detach() for output in outputs), *gradients]


def alone(work) -> int:
    """Prints by how many bytes `work` raises this process's memory at its peak (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten, that of the process before too
    before = peak_of_process()
    work()
    print(peak_of_process() - before)
    return 0


def peak_of_process() -> int:
    """Bytes of memory that this process has held at most."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])


def step(profile, rounds: int, literally: bool = False) -> int:
    """One step of training, batch of two: seconds, peak of memory, images a second."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    model = CLIPMat.from_profile(profile, "random").to(device).train()
    if literally:
        for module in model.extractors:
            module.forward = partial(literal.extract, module)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    size = profile.model.image_size
    images, tokens = (
        torch.rand(BATCH, 3, size, size, device=device),
        model.tokenize(["the red dog", "the woman on the left"]),
    )
    alpha, trimap = (
        torch.rand(BATCH, 1, size, size, device=device),
        torch.randint(0, 3, (BATCH, size, size), device=device),
    )

    def work():
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
    print(
        json.dumps(
            {
                "profile": profile.name,
                "device": device.type,
                "seconds": round(median(spent), 3),
                "peak_gib": round(peak / 2**30, 2),
                "images_per_second": round(BATCH / median(spent), 3),
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
