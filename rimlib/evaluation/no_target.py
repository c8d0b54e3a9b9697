"""Does a model say no to a sentence that fits nothing?

Not in the paper, whose sentences all fit something. The engine writes sentences that fit nothing in their picture (see
`refmatte.referents`); each picture is asked these and its own true ones, and the model's scores of the two are compared.
"""

import numpy as np
import torch

from rimlib.clipmat.collaboration import THRESHOLD
from rimlib.errors import RimError
from rimlib.evaluation.evaluate import predict

FOUND = 0.001  # share of a picture that a matte must cover to be more than empty


def refusal(
    model, refmatte, limit=None, batch: int = 16, template: str = "a photo of a {keyword}", device=None
) -> dict:
    """Compare a model's scores of sentences that fit something and of such that fit nothing.

    model: a CLIPMat; refmatte: a `RefMatte` in the expression setting, with no-target sentences; limit: the first so many images;
    batch: images encoded together; template: of sentences that are keywords.
    Returns fitting, nothing: how many sentences of each; auc: how often a true sentence has the higher score of a pair, ties half;
    kept: share of the true ones that are not refused; refused: share of the others that are, with `refused_<wrong>` for each kind; empty:
    share of the others whose matte is empty. Raises RimError where the data has no such sentence.
    """
    names = [name for name in list(refmatte.image_names)[:limit] if refmatte.no_target.get(name)]
    if not names:
        raise RimError(
            f"{refmatte.root}: the split {refmatte.split!r} has no sentences that fit nothing; build it with data.no_target above 0"
        )
    device = device or next(model.parameters()).device
    true, false, kinds, empty = [], [], [], []
    was_training = model.training
    model.to(device).eval()
    try:
        with torch.inference_mode():
            for start in range(0, len(names), batch):
                part = names[start : start + batch]
                asked = [
                    (number, refmatte.sentence(target), None)
                    for number, name in enumerate(part)
                    for target in refmatte.targets_of(name)
                ]
                asked += [
                    (number, _in_words(row, template), row.get("wrong", "unknown"))
                    for number, name in enumerate(part)
                    for row in refmatte.no_target[name]
                ]
                numbers, sentences, wrong = zip(*asked)
                alphas, scores = predict(
                    model, [refmatte.image(name) for name in part], list(numbers), list(sentences), device
                )
                for alpha, score, kind in zip(alphas, scores, wrong):
                    (true if kind is None else false).append(float(score))
                    if kind is not None:
                        kinds.append(kind)
                        empty.append(float((alpha > 0.5).mean()) < FOUND)
    finally:
        model.train(was_training)
    true, false, kinds = np.array(true), np.array(false), np.array(kinds)
    return {
        "fitting": len(true),
        "nothing": len(false),
        "auc": auc(true, false),
        "kept": float((true >= THRESHOLD).mean()),
        "refused": float((false < THRESHOLD).mean()),
        "empty": float(np.mean(empty)),
        **{f"refused_{kind}": float((false[kinds == kind] < THRESHOLD).mean()) for kind in sorted(set(kinds.tolist()))},
    }


def auc(higher: np.ndarray, lower: np.ndarray) -> float:
    """How often a value of the first array is above one of the second, ties counted half: 1 is perfect, 0.5 is chance.

    >>> auc(np.array([0.9, 0.4]), np.array([0.1, 0.4]))
    0.875
    """
    return float(((higher[:, None] > lower).mean() + (higher[:, None] >= lower).mean()) / 2)


def _in_words(row: dict, template: str) -> str:
    return template.format(keyword=row["sentence"]) if row.get("wrong") == "keyword" else row["sentence"]
