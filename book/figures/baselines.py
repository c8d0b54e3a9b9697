"""Draw `results/figures/baselines.png`: mattes of the tiny baselines on a few scenes, by the weights of two trainings.

python book/figures/baselines.py --clipseg run/clipseg.safetensors --mdetr run/mdetr.safetensors
"""

import argparse
import io

import matplotlib.pyplot as plt
from PIL import Image

from rimlib import baselines, show
from rimlib.refmatte.example import example
from rimlib.repository import repository

SCENES = (("seen", 18, 0), ("seen", 16, 1), ("seen", 22, 0), ("test", 8, 0))  # split, scene, entity
EXPRESSION = 0  # of an entity's four


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clipseg", required=True, help="weights that rim train-baseline stored")
    parser.add_argument("--mdetr", required=True, help="weights that rim train-baseline stored")
    options = parser.parse_args()
    methods = [
        baselines.get("clipmat", "tiny"),
        baselines.get("clipseg", "tiny", options.clipseg),
        baselines.get("mdetr", "tiny", options.mdetr),
    ]
    cells, titles = [], []
    for split, number, entity in SCENES:
        scene = example(number, split)
        sentence = scene.expressions[entity][EXPRESSION]
        cells += [scene.image, scene.mattes[entity], *(method.mattes(scene.image, [sentence])[0] for method in methods)]
        titles += [f"“{sentence}”", "truth", "CLIPMat", "CLIPSeg", "MDETR"]
    figure = show.grid(cells, titles, columns=5)
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
