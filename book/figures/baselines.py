"""Draw `results/figures/baselines.png`: mattes of a few scenes by those trainings of Table 2 that are there.

python book/figures/baselines.py --runs runs/experiments
"""

import argparse
import io
from pathlib import Path

import matplotlib.pyplot as plt
from PIL import Image

from rimlib import baselines, show
from rimlib.refmatte.example import example
from rimlib.repository import repository

SCENES = (("seen", 18, 0), ("seen", 16, 1), ("seen", 22, 0), ("test", 8, 0))  # split, scene, entity
EXPRESSION = 0  # of an entity's four


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, default=repository() / "runs" / "experiments")
    runs = parser.parse_args().runs
    stored = {
        "CLIPMat": runs / "tiny-seed1" / "clipmat.safetensors",
        "CLIPSeg": runs / "tiny-clipseg-seed1" / "clipseg.safetensors",
        "MDETR": runs / "tiny-mdetr-seed1" / "mdetr.safetensors",
    }
    methods = {name: baselines.get(name.lower(), "tiny", str(path)) for name, path in stored.items() if path.is_file()}
    cells, titles = [], []
    for split, number, entity in SCENES:
        scene = example(number, split)
        sentence = scene.expressions[entity][EXPRESSION]
        mattes = [method.mattes(scene.image, [sentence])[0] for method in methods.values()]
        cells += [scene.image, scene.mattes[entity], *mattes]
        titles += [f"“{sentence}”", "truth", *methods]
    figure = show.grid(cells, titles, columns=2 + len(methods))
    path = repository() / "results" / "figures" / "baselines.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=95, bbox_inches="tight")
    plt.close(figure)
    Image.open(buffer).convert("RGB").quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(
        path, optimize=True
    )  # half of the bytes


if __name__ == "__main__":
    main()
