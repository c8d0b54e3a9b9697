"""Draw `start.png`, the picture at the top of the README: a scene, a sentence, its matte, and another background."""

from pathlib import Path

from rimlib import show
from rimlib.demo import examples
from rimlib.entities import starter
from rimlib.matting.composition import fit_background
from rimlib.prediction.predictor import MattingPredictor

SCENE, SENTENCE, PLACE = 0, 1, "bg-beach-malibu"


def main() -> None:
    pool = starter.load()
    example = examples(pool)[SCENE]
    sentence = example.sentences[SENTENCE]
    predictor = MattingPredictor.shipped()
    predictor.set_image(example.image)
    alpha = predictor.predict(sentence).alpha
    names = [background.name for background in pool.backgrounds]
    place = fit_background(pool.background(PLACE if PLACE in names else names[0]), alpha.shape)
    figure = show.grid(
        [example.image, alpha, show.over(example.image, alpha), show.over(example.image, alpha, place)],
        ["a picture", f"“{sentence}”", "cut out", "in another place"],
    )
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=100, bbox_inches="tight")


if __name__ == "__main__":
    main()
