"""Regions and their captions for the pre-training of the small CLIP, made of the training scenes.

Not in the paper, which starts from OpenAI's CLIP: a small image encoder has no such weights, so it learns here what the
words of the scenes look like. Whole images against captions teach it little in minutes (see `contrast`), so each
entity's own patches are contrasted with its caption.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rimlib.io.images import resize
from rimlib.matting.relations import mirror
from rimlib.refmatte.format import Target
from rimlib.training import augment
from rimlib.training.samples import Samples
from rimlib.training.scene import Scene

KEYWORDS = 0.5  # of the captions: a keyword in a template, not a sentence of the scene
Claim = tuple[str, str]  # what a caption is true of: a keyword or a cut-out


@dataclass
class Regions:
    """A batch: images, the regions in them, and a caption of each region.

    Attributes:
        images: uint8 (B, S, S, 3).
        weights: float32 (R, h, w), the share of each region in each patch, each summing to 1.
        image_index: int64 (R,), the image of each region.
        texts: R captions.
        positives: bool (R, R), whether text j describes region i too, such as "a photo of a dog" each dog.
    """

    images: np.ndarray
    weights: np.ndarray
    image_index: np.ndarray
    texts: list[str]
    positives: np.ndarray


class Pairs:
    """Draws batches of regions from the training scenes; `templates` are of keywords, `grid` is patches a side."""

    def __init__(self, samples: Samples, templates: Sequence[str], grid: int):
        self.samples, self.templates, self.grid = samples, tuple(templates), grid

    def batch(self, rng: np.random.Generator, images: int = 32, flip: float = 0.5, noise: float = 0.5) -> Regions:
        """Draw B `images` and caption all their entities; `flip` and `noise` are probabilities, as in `Samples`."""
        samples = self.samples
        pixels = np.empty((images, samples.size, samples.size, 3), np.uint8)
        weights, index, texts = [], [], []
        true: list[set[Claim]] = []  # of each region …
        claims: list[Claim | None] = []  # … and what each caption claims
        for row, image in enumerate(rng.choice(len(samples), size=images, replace=images > len(samples))):
            flipped = rng.random() < flip
            shown = samples.pixels(image)
            changed = augment.photometric(shown.image(), rng, noise)
            pixels[row] = changed[:, ::-1] if flipped else changed
            scene = samples.scene(image)
            for which in range(len(scene.targets)):
                matte = resize(shown.matte(which), (self.grid, self.grid)).astype(np.float32)
                if not matte.any():  # thinner than a level of grey: nothing to look at
                    continue
                text, claim = self._caption(scene, which, rng)
                weights.append((matte[:, ::-1] if flipped else matte) / matte.sum())
                index.append(row)
                texts.append(mirror(text) if flipped else text)
                true.append({self._keyword(scene.targets[which]), self._entity(scene.targets[which])})
                claims.append(claim)
        described = np.array([[claim in row for claim in claims] for row in true])  # (R, R)
        same = np.unique(texts, return_inverse=True)[1]
        positives = described | (same[:, None] == same[None, :])
        return Regions(pixels, np.stack(weights), np.array(index), texts, positives)

    def scenes(self, size: int) -> tuple[np.ndarray, list[str]]:
        """The first `size` scenes and a basic sentence of one entity of each, always the same: images and texts."""
        images = [self.samples.pixels(index).image() for index in range(size)]
        return np.stack(images), [self.samples.scene(index).targets[0].expressions[0] for index in range(size)]

    def _caption(self, scene: Scene, which: int, rng: np.random.Generator) -> tuple[str, Claim | None]:
        """A caption, and what it claims without a place (None if it has one)."""
        target = scene.targets[which]
        if target.keyword and rng.random() < KEYWORDS:
            return self.templates[rng.integers(len(self.templates))].format(keyword=target.keyword), self._keyword(
                target
            )
        options = scene.sentences(which)
        text = list(options)[rng.integers(len(options))]
        return text, self._entity(target) if options[text] == "basic" else None

    def _keyword(self, target: Target) -> Claim:
        return "keyword", target.keyword

    def _entity(self, target: Target) -> Claim:
        """The cut-out, where the data name it: it returns in many scenes."""
        return "entity", target.extra.get("entity", target.mask_id)
