"""No-target rejection: AUC, true-positive and true-negative rate.

Not in the paper, whose sentences all fit something. The engine writes sentences that fit nothing in their image (see
`refmatte.referents`); a model's scores of these and of the image's own true sentences are compared.
"""

import dataclasses
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import torch

from rimlib.additions.calibration import Calibration
from rimlib.clipmat.collaboration import THRESHOLD
from rimlib.entities.pool import Pool
from rimlib.errors import RimError
from rimlib.evaluation.stream import predict
from rimlib.profile import Data
from rimlib.refmatte.dataset import RefMatte
from rimlib.refmatte.plan import count as planned
from rimlib.refmatte.plan import scenes
from rimlib.refmatte.render import render
from rimlib.sentences import canonical, normalise

EMPTY = 0.001  # share of an image that a matte must cover to be more than empty


class Scored(NamedTuple):
    """A model's scores of the true sentences of some images and of those that fit nothing there."""

    kind: np.ndarray  # (n,) texts: "" of a true sentence, else what is wrong with it
    score: np.ndarray  # (n,)
    covered: np.ndarray  # (n,) share of the image that the matte covers

    @property
    def true(self) -> np.ndarray:
        """Which sentences are true, bool (n,)."""
        return self.kind == ""


def scored(
    model: Any,
    refmatte: RefMatte,
    limit: int | None = None,
    batch: int = 16,
    template: str = "a photo of a {keyword}",
    device: str | torch.device | None = None,
) -> Scored:
    """Score the sentences of the images that have one which fits nothing.

    The arguments are those of `evaluate`; `refmatte` is in the expression setting. Raises RimError where the data has
    no such sentence.
    """
    names = [name for name in list(refmatte.image_names)[:limit] if refmatte.no_target.get(name)]
    if not names:
        text = f"{refmatte.root}: the split {refmatte.split!r} has no sentences that fit nothing; "
        hint = "build it with data.no_target above 0"
        raise RimError(text + hint, path=refmatte.root, setting="data.no_target")
    shots = ((refmatte.image(name), _queries(refmatte, name, template)) for name in names)
    return _scored(model, shots, batch, device)


def scored_anew(
    model: Any, pool: Pool, settings: Data, count: int = 200, batch: int = 16, device: str | torch.device | None = None
) -> Scored:
    """Score sentences of scenes that are in no split: those that would come after the plan of `seen`.

    A calibration is fitted on these, so that the data sets are free to measure it on. Sentences have the form in which
    people's are read (`sentences.canonical`).

    Args:
        model: see `evaluate`.
        pool: of the model's training.
        settings: its `data`, with sentences that fit nothing.
        count: how many scenes.
        batch: images encoded together.
        device: None is where the model is.
    """
    longer = dataclasses.replace(settings, extra_test=settings.extra_test + count)
    canvas = (settings.height, settings.width)

    def shots() -> Iterator[tuple[np.ndarray, list[tuple[str, str]]]]:
        for scene in islice(scenes(pool, longer, "seen"), planned(settings, "seen"), None):
            true = [(four[scored].text, "") for four, scored in zip(scene.sentences, scene.evaluated)]
            others = [(sentence.text, sentence.kind) for sentence in scene.no_target]
            image, _ = render(pool, scene, canvas)
            yield image, [(canonical(text), wrong) for text, wrong in (*true, *others)]

    return _scored(model, shots(), batch, device)


def _scored(model: Any, shots: Iterable[tuple[np.ndarray, list[tuple[str, str]]]], batch: int, device: Any) -> Scored:
    """Of images and their sentences, each with what is wrong with it."""
    rows: list[tuple[str, float, float]] = []
    was_training, rest = model.training, iter(shots)
    model.eval()
    try:
        while part := list(islice(rest, batch)):
            queries = [(number, *query) for number, (_, some) in enumerate(part) for query in some]
            index, sentences, kinds = (list(column) for column in zip(*queries))
            alphas, scores = predict(model, [image for image, _ in part], index, sentences, device)
            covered = [float((alpha > 0.5).mean()) for alpha in alphas]
            rows += zip(kinds, map(float, scores), covered)
    finally:
        model.train(was_training)
    return Scored(*(np.array(column) for column in zip(*rows)))


def no_target_rejection(model: Any, refmatte: RefMatte, *given: Any, **options: Any) -> dict[str, float]:
    """Compare a model's scores of sentences that fit something and of such that fit nothing; arguments as `scored`.

    Returns:
        fitting, no_target: how many sentences of each; auc: how often a true sentence has the higher score of a pair,
        ties half; true_positive_rate: share of the true ones whose score is at least the model's threshold, which is
        that of its calibration (`additions.calibration`), or `collaboration.THRESHOLD`;
        true_negative_rate: share of the others whose score is below it, also for each kind as
        `true_negative_rate_<wrong>`; empty: share of the others whose matte is empty.

    Raises:
        RimError: the data has no such sentence.
    """
    found = scored(model, refmatte, *given, **options)
    calibration, score, threshold = Calibration.of(getattr(model, "card", {})), found.score, THRESHOLD
    if calibration:
        score, threshold = calibration(score), calibration.threshold
    true, other = score[found.true], score[~found.true]
    kinds = np.unique(found.kind[~found.true]).tolist()
    rejected = {name: float((score[found.kind == name] < threshold).mean()) for name in kinds}
    return {
        "fitting": len(true),
        "no_target": len(other),
        "auc": auc(true, other),
        "true_positive_rate": float((true >= threshold).mean()),
        "true_negative_rate": float((other < threshold).mean()),
        "empty": float((found.covered[~found.true] < EMPTY).mean()),
        **{f"true_negative_rate_{name}": rate for name, rate in rejected.items()},
    }


def auc(higher: np.ndarray, lower: np.ndarray) -> float:
    """How often a value of the first array is above one of the second, ties counted half: 1 is perfect, 0.5 is chance.

    >>> auc(np.array([0.9, 0.4]), np.array([0.1, 0.4]))
    0.875
    """
    return float(((higher[:, None] > lower).mean() + (higher[:, None] >= lower).mean()) / 2)


def _queries(refmatte: RefMatte, name: str, template: str) -> list[tuple[str, str]]:
    """The sentences of an image and what is wrong with each: "" of those that fit something."""
    found = [(normalise(refmatte.sentence(target)), "") for target in refmatte.targets_of(name)]
    for row in refmatte.no_target[name]:
        wrong, text = row.get("wrong", "unknown"), row["sentence"]
        found.append((template.format(keyword=text) if wrong == "keyword" else normalise(text), wrong))
    return found
