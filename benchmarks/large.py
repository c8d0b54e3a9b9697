"""What does a matte of a 40 megapixel photograph cost: how much memory, how many seconds?

    python benchmarks/large.py                  # a few minutes on two CPU cores
    python benchmarks/large.py --width 4000 --height 2500

The image is synthetic: a scene of the shipped photographs, enlarged to 8000 x 5000 pixels with a photograph's grain,
stored as JPEG. `rim matte` runs on it in processes of its own, from the start of Python to the written file; the peak
of memory is the operating system's figure. The last line is one JSON object:

    peak_gib, seconds   of `rim matte` as it stands: refined, where a refiner is shipped (then `refined` is true)
    *_plain             of `rim matte --no-refine`
    *_cutout            of `rim matte --cutout`, which estimates foreground colours and writes RGBA
    *_composite         of `rim matte --background white`, written as JPEG
    *_options           of a cut-out with its edge moved and feathered, cropped, another sentence taken out, of an
                        image in a colour profile of its own
    largest_gib         the largest of the five

`cpu_seconds` beside `seconds` is the processor's time, which a busy machine changes less.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import ImageCms

from rimlib.io import images
from rimlib.io.metadata import Metadata
from rimlib.refmatte.example import example

RUNS = {"": (), "_plain": ("--no-refine",), "_cutout": ("--cutout",), "_composite": ("--background", "white")}
RUNS["_options"] = ("--cutout", "--grow", "2", "--feather", "3", "--crop", "5%", "--without", "the tree")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=int, default=8000, help="pixels (default: 8000)")
    parser.add_argument("--height", type=int, default=5000, help="pixels (default: 5000)")
    options = parser.parse_args()
    measured, peaks = {}, []
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "large.jpg"
        sentence = make(image, (options.height, options.width))
        log(f"{image.stat().st_size / 1e6:.0f} MB of JPEG, “{sentence}”")
        for name, extra in RUNS.items():
            out = Path(folder) / ("out.jpg" if name == "_composite" else "out.png")
            source = in_a_profile(image) if name == "_options" else image
            command = [sys.executable, "-m", "rimlib", "matte", str(source), sentence, "-o", str(out), *extra]
            peak, seconds, cpu = run([*command, "--threshold", "0"])
            written = out.stat().st_size / 1e6
            log(f"rim matte {' '.join(extra)}: {peak:.2f} GiB, {seconds:.1f} s, {cpu:.1f} s CPU, {written:.1f} MB")
            measured |= {
                f"peak_gib{name}": round(peak, 2),
                f"seconds{name}": round(seconds, 1),
                f"cpu_seconds{name}": round(cpu, 1),
            }
            peaks.append(peak)
            out.unlink()
    from rimlib.prediction.predictor import shipped_refiner

    print(
        json.dumps(
            {
                **measured,
                "largest_gib": round(max(peaks), 2),
                "refined": shipped_refiner() is not None,
                "megapixels": options.width * options.height / 1e6,
                "load": [round(value, 1) for value in os.getloadavg()],
            }
        )
    )
    return 0


def make(path: Path, size: tuple[int, int]) -> str:
    """Write the image of a dozen with the largest entity that the shipped model finds; returns its sentence."""
    from rimlib.prediction.predictor import MattingPredictor

    predictor, best, share = MattingPredictor.shipped(refiner=None), None, 0.0
    for number in range(12):
        scene = example(number, canvas=tuple(length // 10 for length in size))
        predictor.set_image(scene.image)
        for result in predictor.predict_many([f"the {keyword}" for keyword in scene.keywords]):
            if result.found and result.alpha.mean() > share:
                best, share = result, result.alpha.mean()
    large = images.resize(best.image, size)
    rng = np.random.default_rng(0)
    for row in range(0, size[0], 100):  # as fine as a photograph's, so that the file is as large as one's
        part = large[row : row + 100]
        part[:] = np.clip(part + rng.normal(0, 8, part.shape), 0, 255)
    images.write_image(path, large)
    return best.sentence


def in_a_profile(path: Path) -> Path:
    """The image as a JPEG in a profile that is not called sRGB, so that its colours are converted."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    other = profile.replace("sRGB".encode("utf-16-be"), "sXYZ".encode("utf-16-be"))
    result = path.with_name("profile.jpg")
    images.write_image(result, path, metadata=Metadata(profile=other))
    return result


def run(command: list[str]) -> tuple[float, float, float]:
    """GiB that a command's process held at most, its seconds, and those of the processor."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with status {process.returncode}")
    peak = usage.ru_maxrss / 2 ** (30 if sys.platform == "darwin" else 20)
    return peak, time.perf_counter() - started, usage.ru_utime + usage.ru_stime


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
