"""Automatic labels: what detectors and classifiers find of a cut-out, or the reason why there is none.

Paper: Sec. 3.1, "a semi-automatic strategy": networks label, an annotator checks. `annotate` is the other half. No
weights are fetched here. Where those of a network are not on this machine the label is None, with a message that names
what to do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from rimlib.entities import classifiers, zeroshot
from rimlib.entities.color import color_name, dominant_color
from rimlib.entities.find_weights import NoWeights
from rimlib.entities.zeroshot import Scorer
from rimlib.errors import RimError
from rimlib.matting.composition import over

NETWORKS = {"category": ("maskrcnn", "clip"), "people": ("levi", "clip"), "clothes": ("clip",)}
GROUND = 128  # networks are given cut-outs on grey
Found = dict[str, tuple[str, float]]  # column: value and probability


class Reason(StrEnum):
    """Why a label has no value."""

    NOT_ASKED = "no network chosen"
    NO_WEIGHTS = "no weights"
    UNSURE = "unsure"


@dataclass(frozen=True)
class Label:
    """The value of one attribute, or None and the reason; and a line about it for people."""

    column: str
    value: str | None
    message: str
    reason: Reason | None = None


@dataclass
class AutoLabeller:
    """Which networks label which attributes, and where their weights are.

    Networks are loaded when they are first needed, once.
    """

    category: str | None = None  # `maskrcnn`, `clip` or None
    people: str | None = None  # `levi`, `clip` or None; gender and age group
    clothes: str | None = None  # `clip` or None
    folder: str | Path | None = None  # where weights lie; torch's and the hub's caches are searched besides
    clip: str = zeroshot.CLIP  # open_clip's name of the model
    scorer: Scorer | None = None  # a zero-shot scorer to use instead of loading one
    _loaded: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, choices in NETWORKS.items():
            value = getattr(self, name)
            if value not in (None, *choices):
                raise RimError(f"{name} must be {' or '.join(choices)} or nothing, found {value!r}", setting=name)

    def label(self, kind: str, foreground: np.ndarray, alpha: np.ndarray) -> list[Label]:
        """All labels of a cut-out: the category, or a person's gender, age group and clothes; and the colour."""
        if kind == "person":
            first = [*self.label_person(foreground, alpha), self.label_clothes(foreground, alpha)]
        else:
            first = [self.label_category(kind, foreground, alpha)]
        return [*first, self.label_color(foreground, alpha)]

    def label_category(self, kind: str, foreground: np.ndarray, alpha: np.ndarray) -> Label:
        """The category of a cut-out: foreground uint8 (H, W, 3), alpha float32 (H, W)."""

        def run(network: Any) -> Found:
            image, matte = on_ground(foreground, alpha)
            if self.category == "maskrcnn":
                found = classifiers.category_by_maskrcnn(network, image, matte)
            else:
                found = classifiers.category_by_clip(network, image, kind)
            return {"category": next(iter(found.items()), ("nothing", 0.0))}

        return self._run(self.category, ("category",), run, least=classifiers.SURE)[0]

    def label_person(self, foreground: np.ndarray, alpha: np.ndarray) -> list[Label]:
        """Gender and age group of a person."""

        def run(network: Any) -> Found:
            if self.people == "levi":
                face = classifiers.head(over(foreground, alpha, GROUND), alpha)
                return classifiers.person_by_levi(network, face)
            return classifiers.person_by_clip(network, on_ground(foreground, alpha)[0])

        return self._run(self.people, ("gender", "age_group"), run)

    def label_clothes(self, foreground: np.ndarray, alpha: np.ndarray) -> Label:
        """The garment of a person."""

        def run(network: Any) -> Found:
            return {"clothes": classifiers.garment_by_clip(network, on_ground(foreground, alpha)[0])}

        return self._run(self.clothes, ("clothes",), run)[0]

    def label_color(self, foreground: np.ndarray, alpha: np.ndarray) -> Label:
        """The colour of a cut-out; this needs no weights."""
        value = color_name(dominant_color(foreground, alpha))
        return Label("color", value, f"color: the most frequent colour is {value}")

    def _run(
        self, name: str | None, columns: tuple[str, ...], run: Callable[[Any], Found], least: float = 0.0
    ) -> list[Label]:
        """The labels of a network, or the same reason for each; None where a probability is below `least`."""
        if name is None:
            why, reason = "no network was chosen for it", Reason.NOT_ASKED
            return [Label(column, None, f"{column}: {why}", reason) for column in columns]
        try:
            network = self._network(name)
        except NoWeights as error:
            why, reason = f"no weights for {name} ({error}); the table of corrections decides", Reason.NO_WEIGHTS
            return [Label(column, None, f"{column}: {why}", reason) for column in columns]
        labels = []
        for column, (value, share) in run(network).items():
            if share < least:
                message = f"{column}: {name} recognises nothing, at best {value} ({share:.2f})"
                labels.append(Label(column, None, message, Reason.UNSURE))
            else:
                labels.append(Label(column, value, f"{column}: {value} ({share:.2f}) by {name}"))
        return labels

    def _network(self, name: str) -> Any:
        """The network, loaded once; or the error of the first try, raised again."""
        if name == "clip" and self.scorer is not None:
            return self.scorer
        if name not in self._loaded:
            loaders = {"maskrcnn": classifiers.load_maskrcnn, "levi": classifiers.load_levi}
            try:
                self._loaded[name] = loaders.get(name, partial(zeroshot.load, self.clip))(self.folder)
            except NoWeights as error:
                self._loaded[name] = error
        if isinstance(self._loaded[name], NoWeights):
            raise self._loaded[name]
        return self._loaded[name]


def on_ground(foreground: np.ndarray, alpha: np.ndarray, side: int = 640) -> tuple[np.ndarray, np.ndarray]:
    """The networks' input: the cut-out on grey with a margin of a tenth, `side` pixels long at most, and its matte."""
    height, width = alpha.shape
    scale = min(1.0, side / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    arrays = [over(foreground, alpha, GROUND), alpha.astype(np.float32)]
    if scale < 1:
        arrays = [np.asarray(cv2.resize(array, size, interpolation=cv2.INTER_AREA)) for array in arrays]
    margin = max(size) // 10
    image = np.pad(arrays[0], ((margin,) * 2, (margin,) * 2, (0, 0)), constant_values=GROUND)
    return image, np.pad(arrays[1], margin)
