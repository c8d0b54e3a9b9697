"""Draw `start.png`, at the top of the README: look-alikes, a sentence about each of two, and their mattes."""

from pathlib import Path

from rimlib import show
from rimlib.entities import starter
from rimlib.matting.composition import fit_background
from rimlib.prediction.predictor import MattingPredictor
from rimlib.refmatte.example import example

SCENE, SENTENCES, PLACE = 20, ("the left ball", "the right ball"), "bg-beach-malibu"


def main() -> None:
    pool = starter.load()
    image = example(SCENE, "alike").image
    predictor = MattingPredictor.shipped()
    predictor.set_image(image)
    alphas = [predictor.predict(sentence).alpha for sentence in SENTENCES]
    place = fit_background(pool.background(PLACE), alphas[0].shape)
    figure = show.grid(
        [image, *(show.over(image, alpha) for alpha in alphas), show.over(image, alphas[-1], place)],
        ["an image", *(f"“{sentence}”" for sentence in SENTENCES), "in another place"],
    )
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=100, bbox_inches="tight")


if __name__ == "__main__":
    main()
