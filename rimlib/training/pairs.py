"""Regions and their captions for the pre-training of the small CLIP, made of the training scenes.

Not in the paper, which starts from OpenAI's CLIP: a small image encoder has no such weights, so it learns here what the
words of the scenes look like. Whole images against captions teach it little in minutes (see `contrast`), so each
entity's own patches are contrasted with its caption.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rimlib.io.images import resize
from rimlib.matting.relations import mirror
from rimlib.refmatte.format import Target
from rimlib.training import augment
from rimlib.training.batches import Key
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


class Captions(NamedTuple):
    """An image and what its regions are: a list for each thing, with an item for each region."""

    image: np.ndarray  # uint8 (S, S, 3)
    weights: list[np.ndarray]
    texts: list[str]
    true: list[set[Claim]]  # of the region …
    claims: list[Claim | None]  # … and what its caption claims


class Pairs:
    """Regions of the training scenes, image by image, each with a caption.

    Args:
        samples: the scenes.
        templates: of keywords.
        grid: patches a side.
        seed: of all that is random.
        flip: the probability that an image is mirrored …
        noise: … and that it is changed, see `augment.photometric`.
    """

    def __init__(
        self, samples: Samples, templates: Sequence[str], grid: int, seed: int, flip: float = 0.5, noise: float = 0.5
    ):
        self.samples, self.templates, self.grid = samples, tuple(templates), grid
        self.seed, self.flip, self.noise = seed, flip, noise

    def __len__(self) -> int:
        """The number of images."""
        return len(self.samples)

    def __getitem__(self, key: Key) -> Captions:
        """An image in an epoch, and a caption for each of its entities."""
        rng = np.random.default_rng([self.seed, key.epoch, key.index])
        scene, shown, flipped = self.samples.scene(key.index), self.samples.pixels(key.index), rng.random() < self.flip
        image = augment.photometric(shown.image(), rng, self.noise)
        found = Captions(image[:, ::-1] if flipped else image, [], [], [], [])
        for which, target in enumerate(scene.targets):
            matte = resize(shown.matte(which), (self.grid, self.grid)).astype(np.float32)
            if not matte.any():  # thinner than a level of grey: nothing to look at
                continue
            text, claim = self._caption(scene, which, rng)
            found.weights.append((matte[:, ::-1] if flipped else matte) / matte.sum())
            found.texts.append(mirror(text) if flipped else text)
            found.true.append({self._keyword(target), self._entity(target)})
            found.claims.append(claim)
        return found

    @staticmethod
    def collate(samples: Sequence[Captions]) -> Regions:
        """A batch of images, with their R regions."""
        texts, true, claims, weights = (
            [item for sample in samples for item in getattr(sample, name)]
            for name in ("texts", "true", "claims", "weights")
        )
        index = np.repeat(np.arange(len(samples)), [len(sample.texts) for sample in samples])
        described = np.array([[claim in row for claim in claims] for row in true])  # (R, R)
        same = np.unique(texts, return_inverse=True)[1]
        positives = described | (same[:, None] == same[None, :])
        return Regions(np.stack([sample.image for sample in samples]), np.stack(weights), index, texts, positives)

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
