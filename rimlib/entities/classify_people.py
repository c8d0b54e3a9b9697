"""Gender, age group and garment of a person by classifiers.

Paper: Sec. 3.1: gender and age by the networks of Levi and Hassner [16], the age group from the predicted ages by Table
    2; the garment by a
classifier of clothes [27]. The networks take a face, 227 × 227; a CLIP classifies all three without training. What a
classifier finds of a stranger's gender and age is a guess about an image, often wrong: the table of corrections
decides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from rimlib.entities.entity import GENDERS
from rimlib.entities.find_weights import find
from rimlib.entities.synonyms import with_article
from rimlib.entities.zeroshot import Scorer
from rimlib.errors import RimError

LEVI_GENDERS = GENDERS[::-1]  # in the network's order, as the ages
AGES = {
    "0-2": "child",
    "4-6": "child",
    "8-12": "child",
    "15-20": "teenager",
    "25-32": "adult",
    "38-43": "adult",
    "48-53": "adult",
    "60-100": "senior",
}  # the network's ages in our groups. Paper: Table 2, whose "youth" is our teenager
MEAN = (78.4263377603, 87.7689143744, 114.895847746)  # of the networks' training faces, blue green red
GARMENTS = tuple(
    "t-shirt, shirt, blouse, tank top, sweater, hoodie, cardigan, vest, jacket, blazer, coat, suit, dress, skirt, "
    "jersey, uniform, costume, robe, swimsuit, jumpsuit, wedding dress, apron, scarf".split(", ")
)
PEOPLE = {
    ("female", "child"): "a little girl",
    ("male", "child"): "a little boy",
    ("female", "teenager"): "a teenage girl",
    ("male", "teenager"): "a teenage boy",
    ("female", "adult"): "a woman",
    ("male", "adult"): "a man",
    ("female", "senior"): "an old woman",
    ("male", "senior"): "an old man",
}
Network = Callable[[np.ndarray], np.ndarray]  # float32 (1, 3, 227, 227) BGR → probabilities (N,)


def load_levi(folder: str | Path | None) -> tuple[Network, Network]:
    """The networks `gender_net` and `age_net` of the folder, as `.onnx` or as the published `.caffemodel`.

    Raises:
        NoWeights: one is missing.
        RimError: a file that cannot be read.
    """
    how = "name a folder with the Levi–Hassner networks, gender_net and age_net, as published (.caffemodel) or as .onnx"
    gender, age = (find((f"{name}.onnx", f"{name}.caffemodel"), [folder], how) for name in ("gender_net", "age_net"))
    return _read(gender), _read(age)


def by_levi(networks: tuple[Network, Network], face: np.ndarray) -> dict[str, tuple[str, float]]:
    """Gender and age group with their probabilities, from a face uint8 (H, W, 3) RGB."""
    side = (227, 227)
    blob = cv2.dnn.blobFromImage(np.ascontiguousarray(face[:, :, ::-1]), 1.0, side, MEAN)  # (1, 3, 227, 227) BGR
    answers = {}
    for column, network, labels in zip(("gender", "age_group"), networks, (LEVI_GENDERS, tuple(AGES.values()))):
        scores = network(blob)
        if len(scores) != len(labels):
            numbers = f"{len(scores)} numbers instead of {len(labels)}"
            raise RimError(f"a Levi–Hassner network gives {numbers}; gender_net and age_net may be exchanged")
        answers[column] = labels[int(scores.argmax())], float(scores.max())
    return answers


def head(foreground: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The square of a standing person's head: at the top of the matte, a fifth of a tall one, more of a short one.

    Cut-outs of people often have blurred faces, which detectors of faces miss; a person upside down is missed by this.
    """
    rows, columns = np.flatnonzero(alpha.max(axis=1) > 0.5), np.flatnonzero(alpha.max(axis=0) > 0.5)
    if not len(rows):
        return foreground
    height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    side = int(max(8, min(height, max(height * 0.2, min(width, height * 0.5) * 0.6))))
    top = int(rows[0])
    weight = alpha[top : top + side].sum(axis=0)
    middle = int(round(float((weight * np.arange(len(weight))).sum() / max(float(weight.sum()), 1e-6))))
    left = max(0, min(middle - side // 2, foreground.shape[1] - side))
    return foreground[top : top + side, left : left + side]


def by_clip(scorer: Scorer, image: np.ndarray) -> dict[str, tuple[str, float]]:
    """Gender and age group with their probabilities, from CLIP's scores of "a photo of an old man" and the like."""
    scores = scorer(image, [f"a photo of {words}" for words in PEOPLE.values()])
    answers = {}
    for place, column in enumerate(("gender", "age_group")):
        sums: dict[str, float] = defaultdict(float)
        for labels, score in zip(PEOPLE, scores):
            sums[labels[place]] += float(score)
        answers[column] = max(sums.items(), key=lambda item: item[1])
    return answers


def garment(scorer: Scorer, image: np.ndarray) -> tuple[str, float]:
    """The garment that CLIP finds on a person, with its probability."""
    scores = scorer(image, [f"a photo of a person wearing {with_article(word)}" for word in GARMENTS])
    best = int(np.argmax(scores))
    return GARMENTS[best], float(scores[best])


def _read(path: Path) -> Network:
    if path.suffix == ".caffemodel":
        import torch

        from rimlib.entities import levi_hassner

        network = levi_hassner.build(path)

        def run(blob: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                return network(torch.from_numpy(blob))[0].numpy()

        return run
    try:
        net = cv2.dnn.readNetFromONNX(np.frombuffer(path.read_bytes(), np.uint8))
    except (cv2.error, OSError) as error:
        raise RimError(f"{path}: OpenCV cannot read this network ({error})", path=path) from error

    def run_onnx(blob: np.ndarray) -> np.ndarray:
        net.setInput(blob)
        return net.forward().reshape(-1)

    return run_onnx
