"""Engines of public models: all instances in an image of each noun phrase, with boxes, scores and masks.

Which instance a sentence means `reasoned` decides. A mask is made when it is first used: mostly, boxes decide.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from rimlib.errors import RimError
from rimlib.matting.boxes import is_group

if TYPE_CHECKING:
    from rimlib.baselines.clipseg import CLIPSeg
    from rimlib.baselines.grounded import Grounded
    from rimlib.baselines.sam3 import Sam3

Box = tuple[float, float, float, float]
MOST = 50  # instances of a phrase, the best
LEAST = 0.05  # a score below it is noise
OVERLAP = 0.7  # of two boxes of a phrase with a larger IoU, one is the other's double
SPECK = 0.05  # a part of a mask smaller than this share of the largest one is no instance


class Found:
    """One instance, as `understanding.choose` takes it.

    Args:
        box: left, top, right, bottom in pixels of the engine's image.
        score: in [0, 1].
        mask: makes its mask, bool (H, W).
        depth: gives its nearness.
    """

    def __init__(
        self, box: Box, score: float, mask: Callable[[], np.ndarray], depth: Callable[[Found], float] | None = None
    ):
        self.box, self.score = box, score
        self._mask, self._depth = mask, depth

    @cached_property
    def alpha(self) -> np.ndarray:
        """Its mask, float32 (H, W) of {0, 1}, made when it is first looked at."""
        return self._mask().astype(np.float32)

    @cached_property
    def depth(self) -> float | None:
        """Larger is nearer; None without a depth model."""
        return None if self._depth is None else self._depth(self)


class Engine:
    """An engine; a subclass sets `name` and `threshold` and has `is_cut`, `_encode` and `_look`.

    Attributes:
        threshold: the least score that counts as found, by default.
        depth: gives the nearness of an instance of an image, see `depth.Nearness`; or None.
    """

    name: str
    threshold: float
    depth: Any = None

    def __init__(self) -> None:
        self._image: np.ndarray | None = None
        self._found: dict[str, list[Found]] = {}
        self._features: Any = None
        self._near: Any = None
        self._nouns: Mapping[str, str] = {}

    def another(self) -> Engine:
        """An engine of the same networks, for an image of its own."""
        other = copy.copy(self)
        Engine.__init__(other)
        return other

    def set_image(self, image: np.ndarray) -> None:
        """Take an image, uint8 (H, W, 3); what was found in the one before is forgotten."""
        self._image, self._features, self._found, self._near = image, None, {}, None

    def instances(self, phrases: Sequence[str], nouns: Mapping[str, str] | None = None) -> dict[str, list[Found]]:
        """For each phrase its instances, the best first, and weak ones too: a threshold is the caller's.

        nouns: each phrase's head, "man" of "man in red shirt", where words have scores. RimError without an image.
        """
        self._nouns = nouns or {}
        if self._image is None:
            raise RimError("no image yet; call set_image first")
        for phrase in phrases:
            if phrase not in self._found:
                if self._features is None:
                    self._features = self._encode(self._image)
                self._found[phrase] = self._look(self._image, self._features, phrase)[:MOST]
        return {phrase: self._found[phrase] for phrase in phrases}

    def is_cut(self, phrase: str) -> bool:
        """Whether a phrase is longer than the engine reads, and so cut."""
        raise NotImplementedError

    def _encode(self, image: np.ndarray) -> Any:
        raise NotImplementedError

    def _look(self, image: np.ndarray, features: Any, phrase: str) -> list[Found]:
        raise NotImplementedError

    def _found_at(self, box: Any, score: Any, mask: Callable[[], np.ndarray]) -> Found:
        """An instance with the depth of the engine's depth model, which sees an image once, when it is needed."""
        left, top, right, bottom = map(float, box)
        return Found((left, top, right, bottom), float(score), mask, self._nearness if self.depth else None)

    def _nearness(self, found: Found) -> float:
        if self._near is None:
            self._near = self.depth(self._image)  # (H, W)
        inside = found.alpha > 0.5
        if not inside.any():
            left, top, right, bottom = (int(edge) for edge in found.box)
            inside[top : bottom + 1, left : right + 1] = True
        return float(np.median(self._near[inside]))


class GroundedEngine(Engine):
    """Grounding DINO finds boxes, and SAM 2 makes a mask of a box's object.

    SAM 2 encodes an image once; the detector encodes it again with every phrase, since its layers fuse the two.
    """

    name = "grounded"

    def __init__(self, method: Grounded):
        super().__init__()
        self.method, self.threshold = method, method.threshold

    def _encode(self, image: np.ndarray) -> dict[str, Any]:
        return {}  # SAM 2's features, when a mask is first wanted

    def _look(self, image: np.ndarray, features: dict[str, Any], phrase: str) -> list[Found]:
        boxes, scores = self.method.detect_all(image, phrase, OVERLAP, self._nouns.get(phrase, ""))

        def mask_of(box: np.ndarray) -> Callable[[], np.ndarray]:
            def mask() -> np.ndarray:
                if "sam" not in features:
                    features["sam"] = self.method.encode(image)
                return self.method.segment(features["sam"], box)

            return mask

        found = []
        for box, score in zip(boxes, scores):
            # A detector takes a group for one more instance; "the bigger dog" would be both.
            sure = boxes[(scores >= max(self.threshold, score / 2)) & (boxes != box).any(axis=1)]
            if score >= LEAST and not is_group(box, sure):
                found.append(self._found_at(box, score, mask_of(box)))
        return found

    def is_cut(self, phrase: str) -> bool:  # noqa: D102
        from rimlib.baselines.grounded import phrase as spelt

        words = self.method.detector_processor.tokenizer(spelt(phrase))["input_ids"]
        return len(words) > self.method.detector.config.max_text_len


class Sam3Engine(Engine):
    """SAM 3: an image is encoded once, and all instances of a phrase come in one pass."""

    name = "sam3"
    threshold = 0.5  # the one of its authors' demonstration

    def __init__(self, method: Sam3):
        super().__init__()
        self.method = method

    def _encode(self, image: np.ndarray) -> Any:
        return self.method.encode(image)

    def _look(self, image: np.ndarray, features: Any, phrase: str) -> list[Found]:
        from rimlib.baselines.sam3 import enlarged

        size = image.shape[:2]
        found = self.method.instances(features, phrase, LEAST)

        sides = np.array([size[1], size[0]] * 2, np.float32)
        return [
            self._found_at(box * sides, score, partial(enlarged, logits, size))
            for box, score, logits in list(zip(found.boxes, found.scores, found.masks))[:MOST]
        ]

    def is_cut(self, phrase: str) -> bool:  # noqa: D102
        return self.method.is_cut(phrase)


class CLIPSegEngine(Engine):
    """CLIPSeg makes one map of a phrase; its connected parts are the instances, so two that touch are one."""

    name = "clipseg"
    threshold = 0.5  # where the map is cut, as CLIPSeg's own mask is

    def __init__(self, method: CLIPSeg):
        super().__init__()
        self.method = method

    def _encode(self, image: np.ndarray) -> Any:
        import torch

        from rimlib.io.images import resize

        side = self.method.image_size
        square = torch.from_numpy(resize(image, (side, side))).to(self.method.device)  # (S, S, 3)
        with torch.inference_mode():
            return self.method.activations(square.permute(2, 0, 1)[None].float() / 255)  # each (1, 1+N, Dv)

    def _look(self, image: np.ndarray, features: Any, phrase: str) -> list[Found]:
        import cv2
        import torch

        from rimlib.io.images import resize

        tokens = self.method.tokenizer([phrase], truncate=True).to(self.method.device)
        with torch.inference_mode():
            alpha = self.method.decode(features, tokens, self.method.image_size).alpha[0, 0].cpu().numpy()  # (S, S)
        alpha = resize(alpha, image.shape[:2])
        level = min(self.threshold, float(alpha.max()) / 2)  # a weak answer has a place too
        _, labels, stats, _ = cv2.connectedComponentsWithStats((alpha > level).view(np.uint8), connectivity=8)
        areas = stats[1:, cv2.CC_STAT_AREA]  # the first is the background
        found = []
        for number in np.flatnonzero(areas >= SPECK * areas.max(initial=0)) + 1:
            left, top, width, height = stats[number, :4]
            score = alpha[top : top + height, left : left + width][
                labels[top : top + height, left : left + width] == number
            ].max()
            mask = partial(np.equal, labels, number)
            found.append(self._found_at((left, top, left + width, top + height), score, mask))
        return sorted(found, key=lambda one: -one.score)

    def is_cut(self, phrase: str) -> bool:  # noqa: D102
        return bool(self.method.tokenizer.cut(phrase)[1])
