"""The training samples: a RefMatte data set at the model's size, in memory, and batches of it.

Paper: Sec. 5.1: images are resized to the model's square. Decoding and shrinking is done once and kept beside the
data; a batch then costs milliseconds.
"""

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rimlib.errors import RimError
from rimlib.io.files import read_json, write_json
from rimlib.io.images import read_image, read_matte, resize
from rimlib.training import augment

# A trimap's grey levels as the classes of the semantic decoder: background, unknown, foreground.
CLASSES = np.zeros(256, np.uint8)
CLASSES[[128, 255]] = 1, 2


class Samples:
    """A RefMatte data set in the expression setting as arrays of one size.

    refmatte: a `RefMatte` (expression setting: every image, every entity); size: S, pixels; limit: take the first so
    many images; cache: keep the arrays in `.cache` in the data set's folder; progress: show a bar while decoding.
    Raises RimError where the data set has no image.

    images: uint8 (N, S, S, 3); mattes: uint8 (M, S, S); image_of: int64 (M,), the image of each matte;
    members: for each image, the numbers of its mattes; sentences: for each matte, a dict of its expressions with the
    kind of each (those that single it out, where the data says which do); keywords: for each matte, its category;
    alone: bool (M,), whether no other entity of the image has the same keyword; nothing: for each image, the sentences that fit
    nothing in it, (text, whether it is a keyword), where the data set has any.
    """

    def __init__(
        self,
        refmatte,
        size: int,
        limit: int | None = None,
        cache: bool = True,
        progress: bool = False,
        workers: int = -1,
    ):
        names = list(refmatte.image_names)[:limit]
        if not names:
            raise RimError(f"{getattr(refmatte, 'root', 'data')}: the data set has no image to train on")
        groups = [refmatte.targets_of(name) for name in names]
        targets = [target for group in groups for target in group]
        self.size, self.fingerprint = size, refmatte.fingerprint
        self.image_names, self.targets = names, targets
        self.image_of = np.repeat(np.arange(len(names)), [len(group) for group in groups])
        self.members = np.split(np.arange(len(targets)), np.cumsum([len(group) for group in groups])[:-1])
        self.sentences = [_clear_sentences(target) for target in targets]
        self.keywords = [target.keyword for target in targets]
        self.alone = np.array([_keyword_clear(target, group) for group in groups for target in group], dtype=bool)
        self.nothing = [
            [(row["sentence"], row.get("wrong") == "keyword") for row in refmatte.no_target.get(name, ())]
            for name in names
        ]
        self.images, self.mattes = _arrays(
            refmatte, names, [target.mask_id for target in targets], size, cache, progress, workers
        )

    def __len__(self) -> int:
        """The number of images."""
        return len(self.image_names)

    def batch(
        self,
        rng: np.random.Generator,
        images: int = 16,
        sentences: int = 2,
        keyword_share: float = 0.4,
        flip: float = 0.5,
        noise: float = 0.5,
        trimap_kernel: int = 7,
        templates=("{keyword}",),
        no_target: float = 0.0,
    ) -> "Batch":
        """Draw a batch: B images and k sentences of each, of k different entities where the image has them.

        rng: decides everything, so a seed gives the batch again; images: B; sentences: k; keyword_share: of the
        sentences that are keywords (only where a keyword names one entity of the image), each put into one of
        `templates`; flip: probability that picture, mattes and words are mirrored; noise: probability of each
        photometric change; trimap_kernel: pixels at the model's size; no_target: of the sentences that fit nothing, whose matte is
        empty (only where the image has such).
        """
        from rimlib.matting.trimap import trimap_from_alpha

        chosen = rng.choice(len(self), size=images, replace=images > len(self))
        pictures = np.empty((images, self.size, self.size, 3), np.uint8)
        mattes = np.empty((images * sentences, self.size, self.size), np.uint8)
        trimaps = np.empty_like(mattes)
        texts: list[str] = []
        for place, image in enumerate(chosen):
            flipped = rng.random() < flip
            picture = augment.photometric(self.images[image], rng, noise)
            pictures[place] = picture[:, ::-1] if flipped else picture
            asked = rng.permutation(self.members[image])[:sentences]
            # An image of fewer entities is asked about the same one again, in other words where it has them.
            for turn, target in enumerate(np.resize(asked, sentences)):
                row = place * sentences + turn
                if self.nothing[image] and rng.random() < no_target:
                    mattes[row], trimaps[row] = 0, 0
                    texts.append(self._text_of_nothing(image, rng, flipped, templates))
                    continue
                matte = self.mattes[target]
                mattes[row] = matte[:, ::-1] if flipped else matte
                trimaps[row] = CLASSES[trimap_from_alpha(np.float32(1 / 255) * mattes[row], trimap_kernel)]
                texts.append(
                    self._text(target, rng, keyword_share, flipped, templates, taken=texts[place * sentences :])
                )
        return Batch(pictures, np.repeat(np.arange(images), sentences), texts, mattes, trimaps)

    def _text(self, target, rng, keyword_share, flipped, templates, taken) -> str:
        if self.alone[target] and rng.random() < keyword_share:
            return templates[rng.integers(len(templates))].format(keyword=self.keywords[target])
        options = list(self.sentences[target])
        if flipped:
            options = [augment.mirror_words(sentence) for sentence in options]
        options = [sentence for sentence in options if sentence not in taken] or options
        return options[rng.integers(len(options))]

    def _text_of_nothing(self, image, rng, flipped, templates) -> str:
        text, is_keyword = self.nothing[image][rng.integers(len(self.nothing[image]))]
        if is_keyword:
            return templates[rng.integers(len(templates))].format(keyword=text)
        return augment.mirror_words(text) if flipped else text


@dataclass
class Batch:
    """One step's samples, as NumPy arrays; `on(device)` gives the tensors that the model takes.

    images: uint8 (B, S, S, 3); image_index: int64 (B k,), the image that each sentence is of; texts: B k sentences;
    mattes: uint8 (B k, S, S); trimaps: uint8 (B k, S, S), 0 background, 1 unknown, 2 foreground.
    """

    images: np.ndarray
    image_index: np.ndarray
    texts: list[str]
    mattes: np.ndarray
    trimaps: np.ndarray

    def on(self, device) -> dict:
        """Images float32 (B, 3, S, S) in [0, 1], channels last in memory; image_index int64 (B k,); mattes float32
        (B k, 1, S, S) in [0, 1]; trimaps int64 (B k, S, S). Scaled on the device: bytes travel faster.
        """
        import torch

        move = lambda array: torch.from_numpy(array).to(device, non_blocking=True)
        return {
            "images": move(self.images).permute(0, 3, 1, 2).float() / 255,  # (B, 3, S, S)
            "image_index": move(self.image_index),
            "mattes": move(self.mattes)[:, None].float() / 255,  # (B k, 1, S, S)
            "trimaps": move(self.trimaps).long(),
        }


def _clear_sentences(target) -> dict[str, str]:
    """The sentences that fit this entity of the picture alone (ours say which; the released ones do not), or all."""
    fits = target.extra.get("fits") or [[0]] * len(target.expressions)
    pairs = list(zip(target.expressions, target.kinds, fits))
    return {text: kind for text, kind, found in pairs if len(found) == 1} or {text: kind for text, kind, _ in pairs}


def _keyword_clear(target, group) -> bool:
    same = [other for other in group if other.keyword == target.keyword]
    return bool(target.keyword) and len(same) == 1 and target.extra.get("keyword_clear", True)


def _arrays(refmatte, names, mask_ids, size, cache, progress, workers):
    """The shrunk images and mattes, from the folder beside the data where they are there already."""
    shapes = {"images": (len(names), size, size, 3), "mattes": (len(mask_ids), size, size)}
    mark = hashlib.sha256(json.dumps([size, names, mask_ids, _files_mark(refmatte)]).encode()).hexdigest()
    folder = Path(refmatte.root) / ".cache" / f"{refmatte.fingerprint[:16]}-{size}-{mark[:8]}"
    if cache and (folder / "index.json").exists() and read_json(folder / "index.json").get("mark") == mark:
        return tuple(np.load(folder / f"{name}.npy", mmap_mode="r") for name in shapes)
    partial = _room(folder, sum(np.prod(shape, dtype=np.int64) for shape in shapes.values())) if cache else None
    if partial is None:
        arrays = {name: np.empty(shape, np.uint8) for name, shape in shapes.items()}
    else:
        arrays = {
            name: np.lib.format.open_memmap(partial / f"{name}.npy", "w+", np.uint8, shape)
            for name, shape in shapes.items()
        }
    try:
        _decode(refmatte, names, mask_ids, *arrays.values(), progress, workers)
        if partial is not None:
            write_json(partial / "index.json", {"mark": mark, "size": size, "fingerprint": refmatte.fingerprint})
            shutil.rmtree(folder, ignore_errors=True)
            partial.rename(folder)
    except BaseException:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)
        raise
    return tuple(arrays.values())


def _room(folder: Path, count: int) -> Path | None:
    """A temporary folder with room for so many bytes; None on a read-only or full disk, which is no reason to stop."""
    partial = folder.with_name(f"{folder.name}.part-{os.getpid()}")
    try:
        partial.mkdir(parents=True, exist_ok=True)
        # Asked beforehand: writing past the end of the disk through a memory map kills the process.
        if shutil.disk_usage(partial).free > 1.02 * count + 2**26:
            return partial
        shutil.rmtree(partial, ignore_errors=True)
    except OSError:
        pass
    return None


def _decode(refmatte, names, mask_ids, images, mattes, progress, workers) -> None:
    """Fill the arrays, in several processes: reading a picture is mostly work inside Python's lock."""
    from joblib import Parallel, delayed
    from tqdm import tqdm  # plain text, which papermill can pass on to the terminal

    size, files = images.shape[1], 64
    pictures, masks = map(refmatte.layout.image, names), map(refmatte.layout.mask, mask_ids)
    jobs = [
        (array, read, wanted, start)
        for array, read, wanted in ((images, _small_image, list(pictures)), (mattes, _small_matte, list(masks)))
        for start in range(0, len(wanted), files)
    ]
    work = (
        delayed(_part)(number, read, wanted[start : start + files], size)
        for number, (_, read, wanted, start) in enumerate(jobs)
    )
    # A few files are read sooner than processes start.
    done = Parallel(n_jobs=workers if len(jobs) > 8 else 1, return_as="generator_unordered")(work)
    with tqdm(total=len(names) + len(mask_ids), desc=f"samples at {size} px", unit="file", disable=not progress) as bar:
        for number, part in done:
            array, _, _, start = jobs[number]
            array[start : start + len(part)] = part
            bar.update(len(part))


def _part(number, read, paths, size):
    return number, np.stack([read(path, (size, size)) for path in paths])


def _small_image(path, size):
    return resize(read_image(path), size)


def _small_matte(path, size):
    small = resize(read_matte(path), size)
    return np.rint(np.clip(small, 0, 1) * 255).astype(np.uint8)


def _files_mark(refmatte) -> list:
    """What tells a data set that was rendered again from the one before: its labels may be the same."""
    found = []
    for folder, folders, _ in os.walk(refmatte.root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if Path(folder).name in ("img", "image", "mask"):
            found.append([Path(folder).relative_to(refmatte.root).as_posix(), os.stat(folder).st_mtime_ns])
    return sorted(found)
