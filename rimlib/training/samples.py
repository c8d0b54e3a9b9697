"""The training samples: a RefMatte data set, image by image, at the model's size.

Paper: Sec. 5.1: images are resized to the model's square and changed at random. A sample is one image and some
sentences of it; all that is random in it follows from the seed, the epoch and the image, so that neither the number of
workers nor of devices matters. Nothing here grows with the pixels of the set, so that 45,000 images are as good as
450.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from rimlib.errors import RimError
from rimlib.matting.relations import mirror
from rimlib.profile import Train
from rimlib.refmatte.dataset import RefMatte
from rimlib.refmatte.format import Target
from rimlib.refmatte.labels import Targets
from rimlib.sentences import normalise
from rimlib.training import augment, cache
from rimlib.training.batches import Key
from rimlib.training.pixels import Arrays, Files
from rimlib.training.sample import Batch, Sample
from rimlib.training.scene import Scene


class Samples(Dataset[Sample]):
    """A RefMatte data set as a map from keys to samples; `DataLoader` workers index it.

    Args:
        refmatte: the data set. In its keyword setting each sentence is a keyword, whatever `keyword_share` is.
        settings: how many sentences of an image, which, the changes of an image, the trimaps, and the cache.
        size: S, pixels.
        seed: of all that is random.
        templates: that a keyword is put into, one of them at random.
        limit: take the first images only.
        where: the cache, in place of that of the settings.
        progress: show a bar while the cache is made, by `workers` processes.

    Raises:
        RimError: there is no image; later, one that cannot be read.
    """

    def __init__(
        self,
        refmatte: RefMatte,
        settings: Train,
        size: int,
        seed: int = 1,
        templates: Sequence[str] = ("{keyword}",),
        limit: int | None = None,
        where: str | None = None,
        progress: bool = False,
        workers: int = -1,
    ):
        self.image_names = refmatte.image_names[:limit]
        if not self.image_names:
            raise RimError(f"{refmatte.root}: the data set has no image to train on", path=refmatte.root)
        self.refmatte, self.settings, self.size, self.seed = refmatte, settings, size, seed
        self.templates, self.fingerprint = tuple(templates), refmatte.fingerprint
        at_image = settings.trimap_kernel if settings.trimap_at == "image" else None
        where = settings.cache if where is None else where
        # What RSSN does needs the full-size files.
        where = "never" if settings.augmentation == "rssn" else where
        self.folder = cache.prepare(refmatte, self.image_names, size, at_image, where, progress, workers)
        # Where an image's mattes begin in the arrays.
        counts = [refmatte.labels.count(name) for name in self.image_names] if self.folder else []
        self.firsts = np.concatenate([[0], np.cumsum(counts, dtype=int)])

    def __len__(self) -> int:
        """The number of images."""
        return len(self.image_names)

    @property
    def targets(self) -> Sequence[Target]:
        """All entities of the images."""
        return Targets(self.refmatte.labels, self.image_names)

    def __getstate__(self) -> dict[str, Any]:
        """What a worker is sent: paths and labels, no pixels."""
        return {name: value for name, value in self.__dict__.items() if name != "arrays"}

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """Those of the cache, opened by each process for itself."""
        return cache.open_arrays(self.folder) if self.folder else {}

    def scene(self, index: int) -> Scene:
        """What an image shows, by the labels."""
        name = self.image_names[index]
        targets = self.refmatte.targets_of(name)
        none, many = self.refmatte.no_target.get(name, ()), self.refmatte.several.get(name, ())
        return Scene(
            targets,
            [(row["sentence"], row.get("wrong") == "keyword") for row in none],
            [(row["sentence"], tuple(number - 1 for number in row["entities"])) for row in many],
        )

    def pixels(self, index: int) -> Files | Arrays:
        """The image and its mattes at size S, read when they are needed."""
        settings = self.settings
        if self.folder:
            return Arrays(self.arrays, index, int(self.firsts[index]), settings.trimap_kernel)
        layout, name = self.refmatte.layout, self.image_names[index]
        mattes = [layout.mask(target.mask_id) for target in self.refmatte.targets_of(name)]
        denoised = layout.images.with_name(f"{layout.images.name}_denoised")
        at_image = settings.trimap_at == "image"
        return Files(layout.image(name), mattes, self.size, settings.trimap_kernel, at_image, denoised)

    def __getitem__(self, key: Key) -> Sample:
        """The sample of an image in an epoch. Raises RimError, naming a file that cannot be read."""
        return self._sample(key, np.random.default_rng([self.seed, key.epoch, key.index]))

    @staticmethod
    def collate(samples: Sequence[Sample]) -> Batch:
        """A batch of samples of equally many sentences."""
        names, images, texts, mattes, trimaps, grounding = zip(*samples)
        index = np.repeat(np.arange(len(samples)), [len(part) for part in texts])
        arrays = np.stack(images), index, np.concatenate(mattes), np.concatenate(trimaps)
        first, second, third, fourth = map(torch.from_numpy, arrays)
        said = [text for part in texts for text in part]
        return Batch(list(names), first, second, said, third, fourth, any(grounding))

    def _sample(self, key: Key, rng: np.random.Generator) -> Sample:
        settings, scene, pixels = self.settings, self.scene(key.index), self.pixels(key.index)
        grounding = key.step < settings.grounding_steps
        count = settings.grounding_sentences if grounding else settings.sentences
        flipped = rng.random() < settings.flip
        texts: list[str] = []
        entities: list[tuple[int, ...]] = []  # of each sentence
        needed: set[int] = set()  # entities without which one of the sentences could be untrue
        # An image of fewer entities has one of them again, in other words where the entity has them.
        for which in np.resize(rng.permutation(len(scene.targets))[:count], count).tolist():
            if scene.no_target and rng.random() < settings.no_target:
                text, is_keyword = scene.no_target[rng.integers(len(scene.no_target))]
                texts.append(self._keyword(text, rng) if is_keyword else mirror(text) if flipped else text)
                entities.append(())
                continue
            if settings.several and scene.several and rng.random() < settings.several:
                text, some = scene.several[rng.integers(len(scene.several))]
                texts.append(text)
                entities.append(some)
                needed.update(some)
                continue
            share = 1.0 if self.refmatte.setting == "keyword" else settings.keyword_share
            entities.append((which,))
            keywords = scene.keywords(which)
            if keywords and rng.random() < share:
                # Of one alone nothing is drawn: data without such words have the samples that they always had.
                keyword = keywords[rng.integers(len(keywords))] if len(keywords) > 1 else keywords[0]
                texts.append(self._keyword(keyword, rng))
                needed.add(which)
                continue
            options = scene.sentences(which, settings.all_sentences)
            free = [text for text in options if (mirror(text) if flipped else text) not in texts] or list(options)
            text = free[rng.integers(len(free))]
            texts.append(mirror(text) if flipped else text)
            needed.update([which] if options[text] == "basic" else range(len(scene.targets)))
        image, window = self._image(pixels, scene, needed, rng)
        mattes = np.stack([self._union(pixels.matte, some, window) for some in entities])
        trimaps = np.stack([self._union(pixels.trimap, some, window) for some in entities])
        step = -1 if flipped else 1
        image = np.ascontiguousarray(image[:, ::step])
        texts = [normalise(text) for text in texts]  # as a model is asked
        name = self.image_names[key.index]
        return Sample(name, image, texts, mattes[..., ::step], trimaps[..., ::step], grounding)

    def _union(self, of: Callable[..., np.ndarray], entities: tuple[int, ...], window: Any) -> np.ndarray:
        """The mattes or the trimaps of some entities as one, uint8 (S, S): the largest value of each pixel."""
        union = np.zeros((self.size, self.size), np.uint8)
        for which in entities:
            union = np.maximum(union, of(which, window))
        return union

    def _image(
        self, pixels: Files | Arrays, scene: Scene, needed: set[int], rng: np.random.Generator
    ) -> tuple[np.ndarray, Any]:
        """The image, changed, and the window of it that it shows."""
        settings = self.settings
        if settings.augmentation == "light" or isinstance(pixels, Arrays):
            return augment.photometric(pixels.image(), rng, settings.noise), None
        window = None
        if settings.crops:
            boxes = [box for which in sorted(needed) if (box := pixels.box(which))]
            window = augment.crop(pixels.shape, boxes, settings.crops, rng)
        denoised, blurred, noisy = rng.random(3) < settings.noise
        image = pixels.image(window, denoised)
        if blurred:
            covered = np.zeros((self.size, self.size), np.uint16)
            for which in range(len(scene.targets)):
                covered += pixels.matte(which, window)
            height, width = pixels.shape if window is None else window[2:]
            blur = rng.choice(augment.BLURS) * self.size
            extent = max(1, round(blur / height)), max(1, round(blur / width))
            image = augment.blur_background(image, np.minimum(covered, 255).astype(np.uint8), extent)
        return (augment.add_noise(image, rng) if noisy else image), window

    def _keyword(self, keyword: str, rng: np.random.Generator) -> str:
        return self.templates[rng.integers(len(self.templates))].format(keyword=keyword)
