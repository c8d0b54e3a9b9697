"""The detectors and classifiers of the automatic labels: Mask R-CNN, the Levi–Hassner networks, and a zero-shot CLIP.

Paper: Sec. 3.1: categories by "the pre-trained Mask RCNN detector with a ResNet-50-FPN backbone", gender and age by the
networks of Levi and Hassner [16], the age group from the predicted ages by Table 2, the garment by a classifier of
clothes [27]. torchvision's Mask R-CNN has COCO's 80 classes; a CLIP classifies all of it without training. What a
classifier finds of a person's gender and age is a prediction, often wrong: corrections decide.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from rimlib.entities import synonyms
from rimlib.entities.entity import AGE_GROUPS, GENDERS
from rimlib.entities.find_weights import find
from rimlib.entities.zeroshot import Scorer
from rimlib.errors import RimError

COCO_NAMES = {"mouse": "computer mouse"}  # COCO's word is our animal's
SURE = 0.2  # a category of less than this is none
LEVI_GENDERS = GENDERS[::-1]  # in the network's order, as the ages
# The network's ages, 0-2, 4-6, 8-12, 15-20, 25-32, 38-43, 48-53, 60-100, in our groups. Paper: Table 2.
AGES = ("child", "child", "child", "teenager", "adult", "adult", "adult", "senior")
MEAN = (78.4263377603, 87.7689143744, 114.895847746)  # of the networks' training faces, blue green red
GARMENTS = tuple(
    "t-shirt, shirt, blouse, tank top, sweater, hoodie, cardigan, vest, jacket, blazer, coat, suit, dress, skirt, "
    "jersey, uniform, costume, robe, swimsuit, jumpsuit, wedding dress, apron, scarf".split(", ")
)
PHRASES = "a little girl, a little boy, a teenage girl, a teenage boy, a woman, a man, an old woman, an old man"
PEOPLE = dict(zip(product(AGE_GROUPS, GENDERS), PHRASES.split(", ")))
Network = Callable[[np.ndarray], np.ndarray]  # float32 (1, 3, 227, 227) BGR → probabilities (N,)


def load_maskrcnn(folder: str | Path | None = None) -> Any:
    """Torchvision's Mask R-CNN (ResNet-50-FPN, COCO_V1) with weights from the folder or from torch's cache.

    Raises:
        NoWeights: they are in neither; they are not fetched.
    """
    import torch
    from torchvision.models import detection

    name = Path(detection.MaskRCNN_ResNet50_FPN_Weights.COCO_V1.url).name
    how = 'torchvision.models.detection.maskrcnn_resnet50_fpn(weights="COCO_V1") fetches it into torch\'s cache once'
    path = find((name,), [folder, Path(torch.hub.get_dir()) / "checkpoints"], how)
    model = detection.maskrcnn_resnet50_fpn(weights=None, weights_backbone=None)
    model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return model.eval()


def category_by_maskrcnn(model: Any, image: np.ndarray, alpha: np.ndarray) -> dict[str, float]:
    """Our categories that Mask R-CNN finds on the matte, the best first.

    A detection counts with its score times its mask's soft intersection over union with alpha; those of one class are
    added, up to 1.

    Args:
        model: as from `load_maskrcnn`.
        image: uint8 (H, W, 3), the cut-out on a plain ground.
        alpha: float32 (H, W).
    """
    import torch

    with torch.inference_mode():
        found = model([torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).float() / 255])[0]
    shares: dict[str, float] = defaultdict(float)
    names = coco_categories()
    for label, score, mask in zip(found["labels"].tolist(), found["scores"].tolist(), found["masks"].numpy()):
        overlap = np.minimum(mask[0], alpha).sum() / max(float(np.maximum(mask[0], alpha).sum()), 1e-6)
        if category := names[label]:
            shares[category] += score * float(overlap)
    return dict(sorted(((name, min(share, 1.0)) for name, share in shares.items()), key=lambda item: -item[1]))


def category_by_clip(scorer: Scorer, image: np.ndarray, kind: str) -> dict[str, float]:
    """CLIP's probability of "a photo of a …" for each of the table's categories of this kind, the best first."""
    categories = [category for category in synonyms.categories() if synonyms.kind_of(category) == kind]
    scores = scorer(image, [f"a photo of {synonyms.with_article(category)}" for category in categories])
    return dict(sorted(zip(categories, map(float, scores)), key=lambda item: -item[1]))


def coco_categories() -> list[str | None]:
    """Our category for each of torchvision's 91 labels; None for the background and the gaps."""
    from torchvision.models.detection import MaskRCNN_ResNet50_FPN_Weights

    labels = MaskRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"]
    return [COCO_NAMES.get(label) or synonyms.category_of(label) for label in labels]


def load_levi(folder: str | Path | None) -> tuple[Network, Network]:
    """The networks `gender_net` and `age_net` of the folder, as `.onnx` or as the published `.caffemodel`.

    Raises:
        NoWeights: one is missing.
        RimError: a file that cannot be read.
    """
    how = "name a folder with the Levi–Hassner networks, gender_net and age_net, as published (.caffemodel) or as .onnx"
    gender, age = (find((f"{name}.onnx", f"{name}.caffemodel"), [folder], how) for name in ("gender_net", "age_net"))
    return _read(gender), _read(age)


def person_by_levi(networks: tuple[Network, Network], face: np.ndarray) -> dict[str, tuple[str, float]]:
    """Gender and age group with their probabilities, from a face uint8 (H, W, 3) RGB."""
    side = (227, 227)
    blob = cv2.dnn.blobFromImage(np.ascontiguousarray(face[:, :, ::-1]), 1.0, side, MEAN)  # (1, 3, 227, 227) BGR
    answers = {}
    for column, network, labels in zip(("gender", "age_group"), networks, (LEVI_GENDERS, AGES)):
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


def person_by_clip(scorer: Scorer, image: np.ndarray) -> dict[str, tuple[str, float]]:
    """Gender and age group with their probabilities, from CLIP's scores of "a photo of an old man" and the like."""
    scores = scorer(image, [f"a photo of {words}" for words in PEOPLE.values()])
    answers = {}
    for place, column in enumerate(("age_group", "gender")):
        sums: dict[str, float] = defaultdict(float)
        for labels, score in zip(PEOPLE, scores):
            sums[labels[place]] += float(score)
        answers[column] = max(sums.items(), key=lambda item: item[1])
    return answers


def garment_by_clip(scorer: Scorer, image: np.ndarray) -> tuple[str, float]:
    """The garment that CLIP finds on a person, with its probability."""
    scores = scorer(image, [f"a photo of a person wearing {synonyms.with_article(word)}" for word in GARMENTS])
    best = int(np.argmax(scores))
    return GARMENTS[best], float(scores[best])


def _read(path: Path) -> Network:
    if path.suffix == ".caffemodel":
        from rimlib.entities import levi_hassner  # it needs torch, which a worker that reads images does not

        return levi_hassner.load(path)
    try:
        net = cv2.dnn.readNetFromONNX(np.frombuffer(path.read_bytes(), np.uint8))
    except (cv2.error, OSError) as error:
        raise RimError(f"{path}: OpenCV cannot read this network ({error})", path=path) from error

    def run(blob: np.ndarray) -> np.ndarray:
        net.setInput(blob)
        return net.forward().reshape(-1)

    return run
