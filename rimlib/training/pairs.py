"""Regions and their captions for the pre-training of the small CLIP, made of the training scenes.

Not in the paper, which starts from OpenAI's CLIP: a small image encoder has no such weights, so it learns here what the
words of the scenes look like. Whole pictures against captions teach it little in minutes, since a scene is mostly
background and no caption speaks of that (see `contrast`); so each entity's own patches are held against its caption.
"""

from dataclasses import dataclass

import numpy as np

from rimlib.io.images import resize
from rimlib.training import augment
from rimlib.training.samples import Samples

KEYWORDS = 0.5  # of the captions: a keyword in a template, not a sentence of the scene


@dataclass
class Regions:
    """A batch: pictures, the regions in them, and a caption of each region.

    pictures: uint8 (B, S, S, 3); weights: float32 (R, h, w), the share of each region in each patch, each summing to 1;
    image_index: int64 (R,), the picture of each region; texts: R captions; also: bool (R, R), whether region i is
    truly described by text j, such as each dog by "a photo of a dog": no wrong answer then.
    """

    pictures: np.ndarray
    weights: np.ndarray
    image_index: np.ndarray
    texts: list[str]
    also: np.ndarray


class Pairs:
    """Draws batches of regions.

    samples: the training scenes; templates: of keywords, each with {keyword}; grid: patches along a side.
    """

    def __init__(self, samples: Samples, templates, grid: int):
        self.samples, self.templates, self.grid = samples, tuple(templates), grid

    def batch(self, rng: np.random.Generator, images: int = 32, flip: float = 0.5, noise: float = 0.5) -> Regions:
        """Draw pictures and caption all their entities.

        rng: decides everything; images: B; flip: probability that a picture and its words are mirrored; noise: of each
        photometric change.
        """
        samples = self.samples
        pictures = np.empty((images, samples.size, samples.size, 3), np.uint8)
        weights, index, texts, shown, said = [], [], [], [], []
        for row, image in enumerate(rng.choice(len(samples), size=images, replace=images > len(samples))):
            flipped = rng.random() < flip
            picture = augment.photometric(samples.images[image], rng, noise)
            pictures[row] = picture[:, ::-1] if flipped else picture
            for target in samples.members[image]:
                matte = resize(samples.mattes[target], (self.grid, self.grid)).astype(np.float32)
                if not matte.any():  # thinner than a level of grey: nothing to look at
                    continue
                text, claim = self._caption(target, rng)
                weights.append((matte[:, ::-1] if flipped else matte) / matte.sum())
                index.append(row)
                texts.append(augment.mirror_words(text) if flipped else text)
                shown.append({self._keyword(target), self._entity(target)})
                said.append(claim)
        also = np.array([[claim in row for claim in said] for row in shown])  # (R, R)
        same = np.unique(texts, return_inverse=True)[1]
        return Regions(pictures, np.stack(weights), np.array(index), texts, also | (same[:, None] == same[None, :]))

    def scenes(self, size: int):
        """The first `size` scenes and a basic sentence of one entity of each, always the same: (pictures, texts)."""
        first = [self.samples.members[image][0] for image in range(size)]
        return self.samples.images[:size], [self.samples.targets[target].expressions[0] for target in first]

    def _caption(self, target, rng):
        """A caption, and what it claims without saying where (None if it says where)."""
        if self.samples.keywords[target] and rng.random() < KEYWORDS:
            return self.templates[rng.integers(len(self.templates))].format(
                keyword=self.samples.keywords[target]
            ), self._keyword(target)
        options = list(self.samples.sentences[target])
        text = options[rng.integers(len(options))]
        return text, self._entity(target) if self.samples.sentences[target][text] == "basic" else None

    def _keyword(self, target):
        return "keyword", self.samples.keywords[target]

    def _entity(self, target):
        """The cut-out, where the data says which: it returns in many scenes."""
        known = self.samples.targets[target]
        return "entity", known.extra.get("entity", known.mask_id)
