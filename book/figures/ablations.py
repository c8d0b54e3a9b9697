"""Draw `results/figures/ablations.png`: the mattes of a few scenes by each training of Table 3.

python book/figures/ablations.py --runs runs/experiments
"""

import argparse
import io
from pathlib import Path

import matplotlib.pyplot as plt
from PIL import Image

from rimlib import profile, show
from rimlib.clipmat.model import CLIPMat
from rimlib.experiments.table3 import PAPERS
from rimlib.prediction.predictor import MattingPredictor
from rimlib.refmatte.example import example
from rimlib.repository import repository

SCENES = ((18, 0), (16, 1), (22, 0))  # of `seen`: the scene, and an entity of it
SEED = 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, default=repository() / "runs" / "experiments")
    runs, base = parser.parse_args().runs, profile.load("tiny")
    predictors = [
        MattingPredictor(CLIPMat.load(runs / change.folder(base, SEED)), refiner=None, threshold=0) for change in PAPERS
    ]
    cells, titles = [], []
    for number, entity in SCENES:
        scene = example(number, "seen")
        keyword = scene.keywords[entity]
        cells.append(scene.image)
        for predictor in predictors:
            predictor.set_image(scene.image)
            cells.append(predictor.predict(base.evaluate.template.format(keyword=keyword)).alpha)
        titles += [f"“{keyword}”", *(change.what for change in PAPERS)]
    figure = show.grid(cells, titles, columns=1 + len(PAPERS))
    path = repository() / "results" / "figures" / "ablations.png"
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=95, bbox_inches="tight")
    plt.close(figure)
    Image.open(buffer).convert("RGB").quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)


if __name__ == "__main__":
    main()
