"""What does a matte of a 40 megapixel photograph cost by the other methods: how much memory, how many seconds?

    python benchmarks/methods.py                      # grounded and clipseg; some twenty minutes on two CPU cores
    python benchmarks/methods.py --methods sam3       # needs 12 GB of memory
    python benchmarks/methods.py --width 2000 --height 1250

No weights are needed: the networks have the public ones' sizes and random weights, and do all of their work. Random
weights find nothing, so what they find is replaced by a disc that fills half of the image: its edge is matted at the
image's own size, tile by tile. Each method runs in a process of its own; the peak of memory is the operating system's
figure, the networks and the cut-out's colours in it. The last line is one JSON object: peak_gib, seconds and
cpu_seconds of each method, and what its networks alone take (weights_gib).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time

import numpy as np


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", nargs="+", default=["grounded", "clipseg"], help="(default: grounded clipseg)")
    parser.add_argument("--width", type=int, default=8000, help="pixels (default: 8000)")
    parser.add_argument("--height", type=int, default=5000, help="pixels (default: 5000)")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    size = (options.height, options.width)
    if options.one:
        print(json.dumps(one(options.methods[0], size)))
        return 0
    measured = {}
    for name in options.methods:
        command = [sys.executable, __file__, "--one", "--methods", name]
        command += ["--height", str(size[0]), "--width", str(size[1])]
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        if os.waitstatus_to_exitcode(status):
            raise SystemExit(f"{name} ended with status {os.waitstatus_to_exitcode(status)}")
        measured[name] = {
            "peak_gib": round(usage.ru_maxrss / 2 ** (30 if sys.platform == "darwin" else 20), 2),
            "seconds": round(time.perf_counter() - started, 1),
            "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
            **json.loads(said.splitlines()[-1]),
        }
        print(name, measured[name], file=sys.stderr, flush=True)
    print(json.dumps({**measured, "megapixels": size[0] * size[1] / 1e6, "load": os.getloadavg()[0]}))
    return 0


def one(name: str, size: tuple[int, int]) -> dict[str, float]:
    """One sentence about one image, by a method with random weights of the public sizes."""
    import torch

    from rimlib.baselines.vitmatte import ViTMatte
    from rimlib.prediction.reasoned import ReasonedPredictor

    torch.manual_seed(0)
    engine = engine_of(name)
    matter = ViTMatte.from_settings("paper", "random")
    networks = {"grounded": ("detector", "segmenter"), "sam3": ("net",), "clipseg": ("net",)}[name]
    modules = [getattr(engine.method, part) for part in networks] + [matter]
    weights = sum(tensor.numel() * tensor.element_size() for module in modules for tensor in module.parameters())
    rng = np.random.default_rng(0)
    image = np.empty((*size, 3), np.uint8)
    for row in range(0, size[0], 100):
        image[row : row + 100] = rng.integers(0, 256, image[row : row + 100].shape, dtype=np.uint8)
    predictor = ReasonedPredictor(engine, matter, threshold=0)
    predictor.set_image(image)
    look = engine._look

    def disc(image: np.ndarray, features: object, phrase: str) -> list:
        found = look(image, features, phrase)[:1]
        found[0].alpha  # noqa: B018  (the mask is made, as it would be)
        height, width = image.shape[:2]
        y, x = np.mgrid[:height, :width]
        mask = np.hypot(y - height / 2, x - width / 2) < 0.4 * min(height, width)
        found[0].alpha = mask.astype(np.float32)
        return found

    engine._look = disc
    result = predictor.predict("the dog")
    assert result.found and result.alpha.shape == size
    result.cutout()
    return {"weights_gib": round(weights / 2**30, 2)}


def engine_of(name: str) -> object:
    """A method's engine, with random weights of the public sizes."""
    from rimlib.baselines import grounded_tiny
    from rimlib.baselines.clipseg import CLIPSeg
    from rimlib.baselines.grounded import Grounded
    from rimlib.baselines.sam3 import Sam3
    from rimlib.prediction import engines

    if name == "grounded":
        parts = grounded_tiny.detector("paper"), grounded_tiny.segmenter("paper")
        return engines.GroundedEngine(Grounded(*parts, matter=None))
    if name == "sam3":
        return engines.Sam3Engine(Sam3.random("paper"))
    return engines.CLIPSegEngine(CLIPSeg.from_settings("paper", "random", image_size=352))


if __name__ == "__main__":
    sys.exit(main())
