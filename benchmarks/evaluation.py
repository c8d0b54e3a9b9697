"""How many mattes of the paper's size are scored in a second on one core, and does memory grow with the data set?

    python benchmarks/evaluation.py                   # a minute or two on one core
    python benchmarks/evaluation.py --images 2500     # as many images as RefMatte's test set: ten minutes

The mattes have 1080 x 1620 pixels, 1.75 megapixels; their number is planned, their pixels are those of a few files
under many names. The method that is scored costs next to nothing. The last line is one JSON object:

    score               mattes a second, scoring alone: `plain` SAD, MSE, MAD and IoU; `band` with the error in the
                        transition band, 81 pixels wide; `all` with Grad and Conn too; `all_shared` the same for a
                        truth that four sentences share (CPU seconds of this process, median)
    evaluate            mattes a second of the whole evaluation on one core, files read and rows written: `plain` as by
                        `rim evaluate --no-edges`, and `all` (CPU seconds)
    sums_share          the three sums alone, in float64 by NumPy over the whole arrays, over `plain`
    memory_growth       memory held after all images over that after the first tenth, less 1
    peak_bytes          the most memory that the process has held
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import psutil
import torch

from rimlib import provenance
from rimlib.baselines.baseline import FixedSizeMethod, MatteLogits
from rimlib.evaluation.evaluate import evaluate
from rimlib.evaluation.rows import Rows
from rimlib.io.images import resize, write_image, write_matte
from rimlib.matting import metrics
from rimlib.refmatte.dataset import RefMatte

SHAPE, BAND = (1080, 1620), 81
FILES = 6


class Middle(FixedSizeMethod):
    """A soft disc in the middle, whatever the sentence."""

    name, image_size = "middle", 512

    def __init__(self) -> None:
        super().__init__()
        self.anchor = torch.nn.Parameter(torch.zeros(1))
        far = torch.hypot(*torch.meshgrid(*[torch.arange(512.0) - 256] * 2, indexing="ij"))
        self.logits = ((150 - far) / 3)[None, None]  # (1, 1, S, S)

    def forward(self, images: torch.Tensor, sentences: list[str], image_index: object = None) -> MatteLogits:
        """See `FixedSizeMethod`."""
        return MatteLogits(self.logits.expand(len(sentences), -1, -1, -1))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=200, help="of the data set (default: 200)")
    parser.add_argument("--rounds", type=int, default=7, help="of scoring alone (default: 7)")
    options = parser.parse_args()
    if options.images < 20 or options.rounds < 1:
        parser.error("--images: 20 or more; --rounds: 1 or more")
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    score, share = time_scoring(options.rounds)
    with tempfile.TemporaryDirectory() as folder:
        refmatte = planned(Path(folder) / "data", options.images)
        some = max(20, options.images // 10)
        speed = {
            "all": time_evaluation(refmatte, Path(folder) / "all.json", some, edges=True)[0],
            "plain": time_evaluation(refmatte, Path(folder) / "plain.json", some, edges=False)[0],
        }
        _, growth = time_evaluation(refmatte, Path(folder) / "memory.json", options.images, edges=False)
        rows = len((Path(folder) / "memory.rows.jsonl").read_text().splitlines())
    print(
        json.dumps(
            {
                "score": score,
                "evaluate": speed,
                "sums_share": share,
                "memory_growth": growth,
                "peak_bytes": provenance.peak_memory()["process"],
                "images": options.images,
                "rows": rows,
                "load": [round(value, 1) for value in os.getloadavg()],
            }
        )
    )
    return 0


def blob(x: float, y: float, radius: float, soft: float, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """A matte with a wavy outline and an edge so many pixels wide."""
    down, right = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    far = np.hypot(right - x, down - y) - radius * (1 + 0.2 * np.sin(7 * np.arctan2(down - y, right - x)))
    return np.clip(0.5 - far / soft, 0, 1)


def time_scoring(rounds: int) -> tuple[dict[str, float], float]:
    """Mattes a second of scoring alone, and the share of the three sums."""
    true = (np.rint(255 * blob(800, 540, 330, 14)) / 255).astype(np.float32)
    pred = resize(resize(blob(830, 540, 320, 20), (512, 512)), SHAPE)
    truth = metrics.Truth(true)

    def sums() -> None:
        difference = pred.astype(np.float64) - true
        np.abs(difference).sum(), np.square(difference).mean(), np.abs(difference).mean()

    seconds = {
        "plain": cpu(rounds, lambda: metrics.score(pred, true, None, False)),
        "band": cpu(rounds, lambda: metrics.score(pred, true, BAND, False)),
        "all": cpu(rounds, lambda: metrics.score(pred, true, BAND)),
        "all_shared": cpu(rounds, lambda: [metrics.score(pred, truth, BAND) for _ in range(4)]) / 4,
    }
    return {name: round(1 / value, 1) for name, value in seconds.items()}, round(
        cpu(rounds, sums) / seconds["plain"], 2
    )


def cpu(rounds: int, run: Callable[[], object]) -> float:
    """Median CPU seconds of a call."""
    spent = []
    for _ in range(rounds + 1):
        started = time.process_time()
        run()
        spent.append(time.process_time() - started)
    return median(spent[1:])


def planned(root: Path, count: int) -> RefMatte:
    """A test split of so many images with two or three entities each, in the released layout."""
    rng = np.random.default_rng(0)
    stock = root / "stock"
    grain = rng.normal(0, 3, (*SHAPE, 1))
    for number in range(FILES):
        image = np.clip(rng.integers(60, 200, 3) + grain, 0, 255).astype(np.uint8)
        write_image(stock / f"{number}.jpg", image)
        write_matte(stock / f"{number}.png", blob(400 + 150 * number, 540, 150 + 40 * number, 14))
    rows = {}
    for folder in ("img", "mask"):
        (root / "test" / folder).mkdir(parents=True)
    for number in range(count):
        name = f"rim_test_{number:08x}"
        os.link(stock / f"{number % FILES}.jpg", root / "test/img" / f"{name}.jpg")
        for entity in range(1, 3 + number % 2):
            mask_id = f"{name}_{entity}"
            os.link(stock / f"{(number + entity) % FILES}.png", root / "test/mask" / f"{mask_id}.png")
            rows[mask_id] = {"image_name": name, "expressions": ["the thing"] * 4, "eval_index": number % 4}
    (root / "refmatte_test_label.json").write_text(json.dumps(rows))
    return RefMatte(root, "test")


def time_evaluation(refmatte: RefMatte, out: Path, count: int, edges: bool) -> tuple[float, float]:
    """Mattes a second of the first `count` images, and by how much memory has grown after their first tenth."""
    held, process = [], psutil.Process()

    class Watched(Rows):
        def append(self, rows: list) -> None:
            super().append(rows)
            held.append(process.memory_info().rss)

    started = time.process_time()
    found = evaluate(Middle(), refmatte, limit=count, edges=edges, rows=Watched(out, {}), batch=16)
    seconds = time.process_time() - started
    print(
        f"{count} images, edges {edges}: {seconds:.1f} CPU s, load {os.getloadavg()[0]:.1f}",
        file=sys.stderr,
        flush=True,
    )
    tenth = max(17, len(held) // 10)  # after the first step, whose images are all in memory
    growth = max(held[-tenth:]) / max(held[:tenth]) - 1
    return round(len(found["rows"]) / seconds, 1), round(growth, 3)


if __name__ == "__main__":
    sys.exit(main())
