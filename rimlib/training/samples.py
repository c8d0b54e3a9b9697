"""The training samples: a RefMatte data set at the model's size, in memory, and batches of it.

Paper: Sec. 5.1: images are resized to the model's square. `cache` keeps them so; a batch then costs milliseconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from rimlib.errors import RimError
from rimlib.matting.relations import mirror
from rimlib.matting.trimap import trimap_from_alpha
from rimlib.profile import Train
from rimlib.refmatte.dataset import RefMatte
from rimlib.refmatte.format import Target
from rimlib.training import augment
from rimlib.training.cache import shrunk_arrays

# A trimap's grey levels as the classes of the semantic decoder: background, unknown, foreground.
CLASSES = np.zeros(256, np.uint8)
CLASSES[[128, 255]] = 1, 2


class Samples:
    """A RefMatte data set in the expression setting as arrays of one size.

    The first `limit` images are taken, at `size` (S) pixels; `cache` keeps the arrays in the data set's folder,
    `workers` processes decode. Raises RimError where there is no image.

    Attributes:
        images: uint8 (N, S, S, 3).
        mattes: uint8 (M, S, S).
        members: for each image, the numbers of its mattes.
        sentences: for each matte, its expressions with the kind of each (those that single it out, where the data
            name them).
        keywords: for each matte, its category.
        keyword_unique: bool (M,), whether no other entity of the image has the same keyword.
        no_target: for each image, the sentences that fit nothing in it: (text, whether it is a keyword).
    """

    def __init__(
        self,
        refmatte: RefMatte,
        size: int,
        limit: int | None = None,
        cache: bool = True,
        progress: bool = False,
        workers: int = -1,
    ):
        names = list(refmatte.image_names)[:limit]
        if not names:
            raise RimError(f"{refmatte.root}: the data set has no image to train on", path=refmatte.root)
        groups = [refmatte.targets_of(name) for name in names]
        targets = [target for group in groups for target in group]
        self.size, self.fingerprint = size, refmatte.fingerprint
        self.image_names, self.targets = names, targets
        self.members = np.split(np.arange(len(targets)), np.cumsum([len(group) for group in groups])[:-1])
        self.sentences = [_clear_sentences(target) for target in targets]
        self.keywords = [target.keyword for target in targets]
        self.keyword_unique = np.array([_keyword_unique(target, group) for group in groups for target in group], bool)
        rows = [refmatte.no_target.get(name, ()) for name in names]
        self.no_target = [[(row["sentence"], row.get("wrong") == "keyword") for row in part] for part in rows]
        mask_ids = [target.mask_id for target in targets]
        self.images, self.mattes = shrunk_arrays(refmatte, names, mask_ids, size, cache, progress, workers)

    def __len__(self) -> int:
        """The number of images."""
        return len(self.image_names)

    def batch(self, rng: np.random.Generator, settings: Train, templates: tuple[str, ...] = ("{keyword}",)) -> "Batch":
        """Draw a batch: B images and k sentences of each, of k different entities where the image has them.

        Args:
            rng: decides everything, so a seed gives the batch again.
            settings: `images` B, `sentences` k, and with which probability a sentence is a keyword (if that names one
                entity of the image), fits nothing (if the image has such a one), and an image is changed.
            templates: that a keyword is put into, one of them at random.
        """
        images, sentences = settings.images, settings.sentences
        chosen = rng.choice(len(self), size=images, replace=images > len(self))
        batch = np.empty((images, self.size, self.size, 3), np.uint8)
        mattes = np.empty((images * sentences, self.size, self.size), np.uint8)
        trimaps = np.empty_like(mattes)
        texts: list[str] = []
        for place, image in enumerate(chosen):
            flipped = rng.random() < settings.flip
            pixels = augment.photometric(self.images[image], rng, settings.noise)
            batch[place] = pixels[:, ::-1] if flipped else pixels
            targets = rng.permutation(self.members[image])[:sentences]
            # An image of fewer entities has one of them again, in other words where the entity has them.
            for turn, target in enumerate(np.resize(targets, sentences)):
                row = place * sentences + turn
                if self.no_target[image] and rng.random() < settings.no_target:
                    mattes[row], trimaps[row] = 0, 0
                    texts.append(self._no_target_text(image, rng, flipped, templates))
                    continue
                matte = self.mattes[target]
                mattes[row] = matte[:, ::-1] if flipped else matte
                trimaps[row] = CLASSES[trimap_from_alpha(np.float32(1 / 255) * mattes[row], settings.trimap_kernel)]
                if self.keyword_unique[target] and rng.random() < settings.keyword_share:
                    texts.append(templates[rng.integers(len(templates))].format(keyword=self.keywords[target]))
                else:
                    texts.append(self._expression(target, rng, flipped, texts[place * sentences :]))
        return Batch(batch, np.repeat(np.arange(images), sentences), texts, mattes, trimaps)

    def _expression(self, target: int, rng: np.random.Generator, flipped: bool, taken: list[str]) -> str:
        options = [mirror(sentence) if flipped else sentence for sentence in self.sentences[target]]
        options = [sentence for sentence in options if sentence not in taken] or options
        return options[rng.integers(len(options))]

    def _no_target_text(self, image: int, rng: np.random.Generator, flipped: bool, templates: tuple[str, ...]) -> str:
        text, is_keyword = self.no_target[image][rng.integers(len(self.no_target[image]))]
        if is_keyword:
            return templates[rng.integers(len(templates))].format(keyword=text)
        return mirror(text) if flipped else text


@dataclass
class Batch:
    """One step's samples, as NumPy arrays; `on(device)` gives the tensors that the model takes.

    Attributes:
        images: uint8 (B, S, S, 3).
        image_index: int64 (B k,), the image that each sentence is of.
        texts: B k sentences.
        mattes: uint8 (B k, S, S).
        trimaps: uint8 (B k, S, S), 0 background, 1 unknown, 2 foreground.
    """

    images: np.ndarray
    image_index: np.ndarray
    texts: list[str]
    mattes: np.ndarray
    trimaps: np.ndarray

    def on(self, device: str | torch.device) -> dict[str, torch.Tensor]:
        """The arrays as tensors on a device, scaled there: bytes travel faster.

        Returns:
            images: float32 (B, 3, S, S) in [0, 1], channels last in memory; image_index: int64 (B k,); mattes: float32
            (B k, 1, S, S) in [0, 1]; trimaps: int64 (B k, S, S).
        """

        def move(array: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(array).to(device, non_blocking=True)

        return {
            "images": move(self.images).permute(0, 3, 1, 2).float() / 255,  # (B, 3, S, S)
            "image_index": move(self.image_index),
            "mattes": move(self.mattes)[:, None].float() / 255,  # (B k, 1, S, S)
            "trimaps": move(self.trimaps).long(),
        }


def _clear_sentences(target: Target) -> dict[str, str]:
    """The sentences that fit this entity of the image alone (ours name which; the released ones do not), or all."""
    fits = target.extra.get("fits") or [[0]] * len(target.expressions)
    pairs = list(zip(target.expressions, target.kinds, fits))
    return {text: kind for text, kind, found in pairs if len(found) == 1} or {text: kind for text, kind, _ in pairs}


def _keyword_unique(target: Target, group: Sequence[Target]) -> bool:
    same = [other for other in group if other.keyword == target.keyword]
    return bool(target.keyword) and len(same) == 1 and target.extra.get("keyword_clear", True)
