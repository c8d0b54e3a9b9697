"""Gender, age group and garment of a person, as a machine sees them.

Paper: Sec. 3.1: gender and age by the networks of Levi and Hassner [16], the age group from the predicted ages by Table 2; the garment by a
classifier of clothes [27]. The networks see a face, 227 × 227, through OpenCV's DNN module; a CLIP answers all three without training.
What a machine sees of a stranger's gender and age is a guess about a picture, often wrong: the table of corrections decides.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rimlib.entities import caffe
from rimlib.entities.find_weights import find
from rimlib.entities.synonyms import with_article
from rimlib.entities.zeroshot import Scorer
from rimlib.errors import RimError

GENDERS = ("male", "female")  # in the networks' order, as the ages
AGES = ("0-2", "4-6", "8-12", "15-20", "25-32", "38-43", "48-53", "60-100")
AGE_GROUP = {
    "0-2": "child",
    "4-6": "child",
    "8-12": "child",
    "15-20": "teenager",
    "25-32": "adult",
    "38-43": "adult",
    "48-53": "adult",
    "60-100": "senior",
}  # Paper: Table 2, whose "youth" is our teenager
MEAN = (78.4263377603, 87.7689143744, 114.895847746)  # of the networks' training faces, blue green red
GARMENTS = (
    "t-shirt",
    "shirt",
    "blouse",
    "tank top",
    "sweater",
    "hoodie",
    "cardigan",
    "vest",
    "jacket",
    "blazer",
    "coat",
    "suit",
    "dress",
    "skirt",
    "jersey",
    "uniform",
    "costume",
    "robe",
    "swimsuit",
    "jumpsuit",
    "wedding dress",
    "apron",
    "scarf",
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


def load_levi(folder: str | Path | None) -> tuple:
    """The two networks, (gender, age), from `gender_net` and `age_net` in the folder, as `.onnx` or as the published `.caffemodel`.

    Raises NoWeights where one is missing, RimError for a file that cannot be read.
    """
    how = "name a folder with the Levi–Hassner networks, gender_net and age_net, as published (.caffemodel) or as .onnx"
    return tuple(
        _read(find((f"{name}.onnx", f"{name}.caffemodel"), [folder], how)) for name in ("gender_net", "age_net")
    )


def by_levi(networks: tuple, face: np.ndarray) -> dict[str, tuple[str, float]]:
    """Gender and age group with their probabilities, from a face uint8 (H, W, 3) RGB."""
    import cv2

    blob = cv2.dnn.blobFromImage(
        np.ascontiguousarray(face[:, :, ::-1]), 1.0, (caffe.SIDE, caffe.SIDE), MEAN
    )  # (1, 3, 227, 227) BGR
    answers = []
    for network, size in zip(networks, (len(GENDERS), len(AGES))):
        network.setInput(blob)
        scores = network.forward().reshape(-1)
        if len(scores) != size:
            raise RimError(
                f"a Levi–Hassner network gives {len(scores)} numbers instead of {size}; gender_net and age_net may be exchanged"
            )
        answers.append(scores)
    gender, age = (int(scores.argmax()) for scores in answers)
    return {
        "gender": (GENDERS[gender], float(answers[0][gender])),
        "age_group": (AGE_GROUP[AGES[age]], float(answers[1][age])),
    }


def head(foreground: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The square where a standing person's head is: at the top of the matte, a fifth of a tall one, more of a short one.

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


def by_clip(scorer: Scorer, picture: np.ndarray) -> dict[str, tuple[str, float]]:
    """Gender and age group with their probabilities, from CLIP's answer to "a photo of an old man" and the like."""
    scores = scorer(picture, [f"a photo of {words}" for words in PEOPLE.values()])
    shares = dict(zip(PEOPLE, map(float, scores)))
    answer = {}
    for place, column in enumerate(("gender", "age_group")):
        sums: dict[str, float] = {}
        for key, share in shares.items():
            sums[key[place]] = sums.get(key[place], 0.0) + share
        best = max(sums, key=sums.get)
        answer[column] = (best, sums[best])
    return answer


def garment(scorer: Scorer, picture: np.ndarray) -> tuple[str, float]:
    """The garment that CLIP sees on a person, with its probability."""
    scores = scorer(picture, [f"a photo of a person wearing {with_article(word)}" for word in GARMENTS])
    best = int(np.argmax(scores))
    return GARMENTS[best], float(scores[best])


def _read(path: Path):
    import cv2

    try:
        data = caffe.to_onnx(path) if path.suffix == ".caffemodel" else path.read_bytes()
        return cv2.dnn.readNetFromONNX(np.frombuffer(data, np.uint8))
    except (cv2.error, OSError) as error:
        raise RimError(f"{path}: OpenCV cannot read this network ({error})") from error
