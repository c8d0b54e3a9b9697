"""The machine's half of the annotation: what networks say of a cut-out, and where they say nothing, why.

Paper: Sec. 3.1, "a semi-automatic strategy": a machine proposes, a person checks. `annotate` is the other half.
No weights are fetched here. Where those of a proposer are not on this machine its proposal is None, with a line that says what to do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rimlib.entities import propose_category, propose_people, zeroshot
from rimlib.entities.color import color_name, dominant_color
from rimlib.entities.find_weights import NoWeights
from rimlib.entities.zeroshot import Scorer
from rimlib.errors import RimError

CHOICES = {"category": ("maskrcnn", "clip"), "people": ("levi", "clip"), "clothes": ("clip",)}
GROUND = 128  # cut-outs are shown to the networks on grey


@dataclass(frozen=True)
class Proposal:
    """A value, or None, and a line about it."""

    value: str | None
    said: str


@dataclass
class Proposers:
    """Which machines are asked, and where their weights are.

    Attributes:
        category: `maskrcnn`, `clip` or None (nobody is asked).
        people: `levi`, `clip` or None; gender and age group.
        clothes: `clip` or None.
        folder: where weights lie; torch's and the hub's caches are looked through besides.
        clip: open_clip's name of the model.
        scorer: a zero-shot scorer to use instead of loading one.

    Networks are loaded when they are first asked, once.
    """

    category: str | None = None
    people: str | None = None
    clothes: str | None = None
    folder: str | Path | None = None
    clip: str = zeroshot.CLIP
    scorer: Scorer | None = None
    _loaded: dict[str, object] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if getattr(self, name) not in (None, *choices):
                raise RimError(
                    f"proposers: {name} must be {' or '.join(choices)} or nothing, found {getattr(self, name)!r}"
                )

    def propose_category(self, kind: str, foreground: np.ndarray, alpha: np.ndarray) -> Proposal:
        """The category of a cut-out: foreground uint8 (H, W, 3), alpha float32 (H, W)."""

        def ask() -> Proposal:
            picture, matte = shown(foreground, alpha)
            if self.category == "maskrcnn":
                found = propose_category.by_maskrcnn(self._network("maskrcnn"), picture, matte)
            else:
                found = propose_category.by_clip(self._network("clip"), picture, kind)
            best = next(iter(found), None)
            if best is None or found[best] < propose_category.SURE:
                least = f", at best {best} ({found[best]:.2f})" if best else ""
                return Proposal(None, f"category: {self.category} recognises nothing{least}")
            return Proposal(best, f"category: {self.category} says {best} ({found[best]:.2f})")

        return self._ask("category", self.category, ask)

    def propose_people(self, foreground: np.ndarray, alpha: np.ndarray) -> dict[str, Proposal]:
        """Gender and age group of a person."""

        def ask() -> dict[str, Proposal]:
            if self.people == "levi":
                answer = propose_people.by_levi(
                    self._network("levi"), propose_people.head(over_ground(foreground, alpha), alpha)
                )
            else:
                answer = propose_people.by_clip(self._network("clip"), shown(foreground, alpha)[0])
            return {
                column: Proposal(value, f"{column}: {self.people} says {value} ({share:.2f})")
                for column, (value, share) in answer.items()
            }

        answer = self._ask("people", self.people, ask)
        if isinstance(answer, Proposal):
            return {
                column: Proposal(None, answer.said.replace("people:", f"{column}:", 1))
                for column in ("gender", "age_group")
            }
        return answer

    def propose_clothes(self, foreground: np.ndarray, alpha: np.ndarray) -> Proposal:
        """The garment of a person."""

        def ask() -> Proposal:
            value, share = propose_people.garment(self._network("clip"), shown(foreground, alpha)[0])
            return Proposal(value, f"clothes: {self.clothes} says {value} ({share:.2f})")

        return self._ask("clothes", self.clothes, ask)

    def propose_color(self, foreground: np.ndarray, alpha: np.ndarray) -> Proposal:
        """The colour of a cut-out; this needs no weights."""
        value = color_name(dominant_color(foreground, alpha))
        return Proposal(value, f"color: the most frequent colour is {value}")

    def _ask(self, column: str, machine: str | None, ask: Callable):
        if machine is None:
            return Proposal(None, f"{column}: no machine is asked")
        try:
            return ask()
        except NoWeights as error:
            return Proposal(None, f"{column}: no weights for {machine} ({error}); the table's word stands")

    def _network(self, name: str):
        """The network, loaded once; or the error of the first try, raised again."""
        if name == "clip" and self.scorer is not None:
            return self.scorer
        if name not in self._loaded:
            load = {
                "maskrcnn": propose_category.load_maskrcnn,
                "levi": propose_people.load_levi,
                "clip": lambda folder: zeroshot.load(self.clip, folder),
            }[name]
            try:
                self._loaded[name] = load(self.folder)
            except NoWeights as error:
                self._loaded[name] = error
        if isinstance(self._loaded[name], NoWeights):
            raise self._loaded[name]
        return self._loaded[name]


def over_ground(foreground: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The cut-out on grey, uint8 (H, W, 3)."""
    cover = alpha[:, :, None]  # (H, W, 1)
    return np.round(foreground * cover + GROUND * (1 - cover)).astype(np.uint8)


def shown(foreground: np.ndarray, alpha: np.ndarray, side: int = 640) -> tuple[np.ndarray, np.ndarray]:
    """What the networks see: the cut-out on grey with a margin of a tenth, its longer side `side` at most, and its matte."""
    import cv2

    height, width = alpha.shape
    scale = min(1.0, side / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    picture, matte = over_ground(foreground, alpha), alpha.astype(np.float32)
    if scale < 1:
        picture, matte = (cv2.resize(array, size, interpolation=cv2.INTER_AREA) for array in (picture, matte))
    margin = max(size) // 10
    picture = cv2.copyMakeBorder(picture, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=(GROUND,) * 3)
    return picture, cv2.copyMakeBorder(matte, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=0)
