"""What a matte costs, relative to the CLIP towers that every method of the kind has.

    python benchmarks/forward.py                    # ViT-B/16 at 512 x 512, some minutes on two CPU cores
    python benchmarks/forward.py --profile paper-l14 --rounds 3

All weights are random: time does not depend on them. The model is `fast.optimize`d, as in prediction. Each round times
every candidate once, one after the other, and a ratio is the median of its rounds' ratios, so that a slow moment of a
shared machine falls on both sides. The last line is one JSON object:

    requery_ratio       a further sentence on the same image over the first (bar: 0.20)
    pipeline_ratio      the whole model over CLIPSeg (ViT-B/16) and ViTMatte-S at the same size (bar: 0.95)
    openclip_ratio      the two towers over open_clip's plain call on the same input (bar: 1.05)
    towers_ratio        the whole model, one image and one sentence, over its own image and text tower (bar: 1.75)
    literal_ratio       the whole literal model over the optimised one

On a GPU the same in bfloat16.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
import torch.nn.functional as F

from rimlib import fast
from rimlib import profile as profiles
from rimlib.baselines import clipseg, vitmatte
from rimlib.clipmat import CLIPMat
from rimlib.clipmat.backbone import normalise
from rimlib.clipmat.clip_weights import create_clip

SENTENCE = "the woman in the red dress who is left of the brown dog"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="paper-b16", choices=profiles.names())
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error(f"--rounds {options.rounds}: must be at least 1")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    candidates = build(profiles.load(options.profile), device)
    seconds = {name: [] for name in candidates}
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        for number in range(options.rounds + 1):
            for name, run in candidates.items():
                spent = timed(run, device)
                if number > 0:  # the first round also sets things up
                    seconds[name].append(spent)
    for name, values in seconds.items():
        spread = f"from {1000 * min(values):.1f} to {1000 * max(values):.1f}"
        print(f"{name:12} median {1000 * median(values):8.1f} ms, {spread}")

    def ratio(above: str, *below: str) -> float:
        return round(median(a / sum(b) for a, *b in zip(seconds[above], *(seconds[name] for name in below))), 3)

    print(f"{options.profile}, {device}, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}")
    print(
        json.dumps(
            {
                "requery_ratio": ratio("requery", "whole"),
                "pipeline_ratio": ratio("whole", "clipseg", "vitmatte"),
                "openclip_ratio": ratio("towers", "open_clip"),
                "towers_ratio": ratio("whole", "towers"),
                "literal_ratio": ratio("literal", "whole"),
                "rounds": options.rounds,
                "whole_seconds": round(median(seconds["whole"]), 3),
            }
        )
    )
    return 0


def build(profile: profiles.Profile, device: torch.device) -> dict[str, Callable[[], object]]:
    """What is timed, by name."""
    torch.manual_seed(0)
    model = fast.optimize(CLIPMat.from_profile(profile, "random")).eval().to(device)
    plain = create_clip(profile.model, "random")[0].eval().to(device)
    size = profile.model.image_size
    images = torch.rand(1, 3, size, size, device=device)
    tokens = model.tokenize([SENTENCE])
    whole_text = F.pad(tokens, (0, plain.context_length - tokens.shape[1]))  # open_clip takes all its positions
    features = []

    def first():
        features[:] = [model.encode_image(images)]
        return model.matte(features[0], model.encode_text(tokens))

    def literal():
        fast.optimize(model, False)
        model.matte(model.encode_image(images), model.encode_text(tokens))
        fast.optimize(model)

    def towers():
        model.backbone.encode_image(normalise(images))
        model.backbone.encode_text(tokens, model.context.vectors)

    def open_clip():
        plain.encode_image(normalise(images))
        plain.encode_text(whole_text)

    segment = clipseg.CLIPSeg.from_settings("paper", "random", image_size=size).eval().to(device)
    refine = vitmatte.ViTMatte.from_settings("paper", "random").eval().to(device)
    image, trimap = (
        np.random.default_rng(0).integers(0, 255, (size, size, 3), np.uint8),
        np.full((size, size), 128, np.uint8),
    )
    return {
        "towers": towers,
        "whole": first,
        "literal": literal,
        "requery": lambda: model.matte(features[0], model.encode_text(tokens)),
        "open_clip": open_clip,
        "clipseg": lambda: segment(images, [SENTENCE]),
        "vitmatte": lambda: refine(image, trimap),
    }


def timed(run: Callable[[], object], device: torch.device) -> float:
    """Seconds of one call."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    started = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
