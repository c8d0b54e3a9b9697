"""The category of a cut-out: by Mask R-CNN's detections on the matte, or by CLIP's best sentence.

Paper: Sec. 3.1, "the pre-trained Mask RCNN detector with a ResNet-50-FPN backbone [...] to automatically detect and
    label the category
names for each foreground instance". torchvision's has COCO's 80 classes; CLIP scores all categories of our table.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from rimlib.entities import synonyms
from rimlib.entities.find_weights import find
from rimlib.entities.zeroshot import Scorer

COCO_NAMES = {"mouse": "computer mouse"}  # COCO's word is our animal's
SURE = 0.2  # a category of less than this is none


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


def by_maskrcnn(model: Any, image: np.ndarray, alpha: np.ndarray) -> dict[str, float]:
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


def by_clip(scorer: Scorer, image: np.ndarray, kind: str) -> dict[str, float]:
    """CLIP's probability of "a photo of a …" for each of the table's categories of this kind, the best first."""
    categories = [category for category in synonyms.categories() if synonyms.kind_of(category) == kind]
    scores = scorer(image, [f"a photo of {synonyms.with_article(category)}" for category in categories])
    return dict(sorted(zip(categories, map(float, scores)), key=lambda item: -item[1]))


def coco_categories() -> list[str | None]:
    """Our category for each of torchvision's 91 labels; None for the background and the gaps."""
    from torchvision.models.detection import MaskRCNN_ResNet50_FPN_Weights

    labels = MaskRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"]
    return [COCO_NAMES.get(label) or synonyms.category_of(label) for label in labels]
