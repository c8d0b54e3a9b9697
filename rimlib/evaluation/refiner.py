"""How much better the refiner makes mattes.

Paper: S4.2, Table 6: errors with and without the refiner. Two sorts of coarse mattes are refined: predictions of a
CLIPMat, and the degraded truth (see `training.coarse`), which separates an edge in the wrong place from a wrong entity.
"""

from typing import Any

import numpy as np
from tqdm import tqdm

from rimlib.clipmat.model import CLIPMat
from rimlib.clipmat.refiner import Refiner
from rimlib.evaluation.evaluate import band_kernel
from rimlib.evaluation.stream import predict
from rimlib.io.images import resize
from rimlib.matting import metrics
from rimlib.refmatte.dataset import RefMatte
from rimlib.training.coarse import degrade

MEASURES = ("sad", "mse", "mad", "sad_in_band", "iou")
RATIOS = {  # name: (which mattes, which measure)
    "sad_ratio": ("all", "sad"),
    "sad_ratio_localised": ("localised", "sad"),
    "sad_ratio_degraded": ("degraded", "sad"),
    "band_ratio_localised": ("localised", "sad_in_band"),
    "band_ratio_degraded": ("degraded", "sad_in_band"),
}


def scores(
    refiner: Refiner, model: CLIPMat, refmatte: RefMatte, limit: int | None = None, progress: bool = False
) -> dict[str, dict[str, Any]]:
    """Mean errors before and after refining, on the first `limit` images of a data set.

    Returns:
        For each sort of mattes (`all` of the model's predictions, the `localised` ones of them, and the `degraded`
        truth) how many there are, and the means of `MEASURES` before and after.
    """
    rng = np.random.default_rng(1)
    rows: dict[str, list[tuple[dict, dict]]] = {"all": [], "localised": [], "degraded": []}
    names = list(refmatte.image_names)[:limit]
    for name in tqdm(names, desc=f"refine {refmatte.split}", unit="image", disable=not progress):
        image, targets = refmatte.image(name), refmatte.targets_of(name)
        truths = [refmatte.matte(target.mask_id) for target in targets]
        sentences = [refmatte.sentence(target) for target in targets]
        predicted, _ = predict(model, [image], [0] * len(targets), sentences)
        kernel = band_kernel(truths[0].shape, model.profile)
        for number, truth in enumerate(truths):
            degraded = degrade(truth, rng, truths[:number] + truths[number + 1 :])
            for coarse, label in ((predicted[number], "all"), (degraded, "degraded")):
                before = metrics.score(resize(coarse, truth.shape), truth, kernel)
                rows[label].append((before, metrics.score(refiner.refine(image, coarse), truth, kernel)))
                if label == "all" and before["localised"]:
                    rows["localised"].append(rows["all"][-1])
    found: dict[str, dict[str, Any]] = {label: {"mattes": len(pairs)} for label, pairs in rows.items()}
    for label, pairs in rows.items():
        for when, part in zip(("before", "after"), zip(*pairs)):
            found[label][when] = {key: round(float(np.mean([row[key] for row in part])), 5) for key in MEASURES}
    return found


def ratios(found: dict[str, dict[str, Any]]) -> dict[str, dict[str, float]]:
    """After over before, of each of `RATIOS`, for each split's `scores`. Below 1 is better."""
    return {
        name: {
            split: round(rows[label]["after"][measure] / rows[label]["before"][measure], 4)
            for split, rows in found.items()
            if rows[label]["mattes"]
        }
        for name, (label, measure) in RATIOS.items()
    }
