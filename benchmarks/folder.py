"""How many photographs of a folder are matted a second, and does memory stay where it is?

    python benchmarks/folder.py                  # 100 images of 2 megapixels: some minutes on two CPU cores
    python benchmarks/folder.py --images 20 --method grounded --weights weights

The images are composed scenes of the shipped photographs, enlarged. `rim matte --cutout` runs on a quarter of them and
then on all, in processes of their own; the peaks of memory are the operating system's figures. The last line is one
JSON object:

    images_per_second   from the second image on: of the time that all took longer than the quarter
    seconds             of all of them, from the start of Python to the last file
    peak_gib            of all of them
    growth_gib          that peak less the one of a quarter of the images: near 0, whatever their number
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from large import log, run

from rimlib.io import images
from rimlib.refmatte.example import example


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=100, help="how many (default: 100)")
    parser.add_argument("--width", type=int, default=1732, help="pixels (default: 1732)")
    parser.add_argument("--height", type=int, default=1155, help="pixels (default: 1155)")
    options, more = parser.parse_known_args()  # what is left is for rim matte
    counts = max(1, options.images // 4), options.images
    measured = []
    with tempfile.TemporaryDirectory() as folder:
        for part in range(2):
            source = Path(folder) / f"images-{part}"
            for number in range(counts[part]):
                scene = example(number % 12)
                large = images.resize(scene.image, (options.height, options.width))
                images.write_image(source / f"{number:04}.jpg", large, durable=False)
            out = str(Path(folder) / f"out-{part}")
            command = [sys.executable, "-m", "rimlib", "matte", str(source), "the animal", "--cutout", "-o", out, *more]
            peak, seconds, _ = run(command)
            log(f"{counts[part]} images: {seconds:.1f} s, {peak:.2f} GiB")
            measured.append((peak, seconds))
    (quarter, first), (peak, seconds) = measured
    values = {
        "images_per_second": round((counts[1] - counts[0]) / (seconds - first), 2),
        "seconds": round(seconds, 1),
        "peak_gib": round(peak, 2),
        "growth_gib": round(peak - quarter, 3),
        "images": counts[1],
        "megapixels": round(options.width * options.height / 1e6, 2),
        "load": [round(value, 1) for value in os.getloadavg()],
    }
    print(json.dumps(values))
    return 0


if __name__ == "__main__":
    sys.exit(main())
