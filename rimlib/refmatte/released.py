"""The released RefMatte and RefMatte-RW100 folders: where what is, in every form that copies of them have.

    RefMatte/RefMatte/{train,test}/{img,mask}     refmatte_{train,test}_label.json   in, below or above that folder
    RefMatte_RW_100/{image,mask}                  refmatte_rw100_label.json          eval_index_expression.json

Paper: Sec. 3.3. The label file is keyed by mask id. The evaluation index holds which of an entity's sentences is
scored; it is keyed by image name, in some copies by mask id. Data sets that are built here have the first form, our
small real-world set the second.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rimlib.errors import RimError
from rimlib.io import files, names
from rimlib.io.entries import NoObject, entries

INNER = ("", "RefMatte", "RefMatte/RefMatte", "RefMatte_RW_100", "RefMatte-RW100", "RefMatte_RW100")
IMAGE_ENDINGS = (".jpg", ".png", ".jpeg", ".JPG", ".PNG")
MASK_ENDINGS = (".png", ".jpg", ".PNG")
RW100 = ("rw100", "test")  # names that the real-world set's only split goes by
REAL_LABELS = "refmatte_rw100_label.json"  # of real-world sets, whose sentences people wrote
EVAL_INDEX = "eval_index_expression.json"


@dataclass(frozen=True)
class Layout:
    """Where the files of one split are."""

    labels: Path  # the label file
    images: Path  # a folder, as masks
    masks: Path
    eval_index: dict[str, int] = field(default_factory=dict)  # image name or mask id → the sentence that is scored

    def image(self, name: str) -> Path:
        """The file of an image, which need not exist. Raises RimError for a name that leads elsewhere."""
        return names.find_by_stem(self.images, plain(name, self.labels), IMAGE_ENDINGS)

    def mask(self, mask_id: str) -> Path:
        """The matte of a mask id, as `image`."""
        return names.find_by_stem(self.masks, plain(mask_id, self.labels), MASK_ENDINGS)

    def scored(self, mask_id: str, image_name: str) -> int | None:
        """Which sentence of an entity is scored, or None where the index does not have it."""
        return self.eval_index.get(mask_id, self.eval_index.get(image_name))


def locate(root: str | Path, split: str, need_images: bool = True) -> Layout:
    """Find a split in a folder: the data set's own, the one above it, or the split's own.

    Args:
        root: the folder.
        split: `train`, `test`, another one of our own such as `seen`, or `rw100` (`test` of a real-world set).
        need_images: whether the folders of images and mattes must be there; sentences need the label file alone.

    Raises:
        RimError: no label file, or its folder of images or masks is missing.
    """
    root = _folder(root)
    plain(split, root)
    incomplete: list[tuple[Layout, RimError]] = []
    for folder, inner, name in _forms(root, split):
        labels = next((place / name for place in _places(folder) if (place / name).is_file()), None)
        if labels is None:
            continue
        layout = Layout(labels, folder / inner, folder / "mask", _eval_index(labels, folder))
        missing = next((part for part in (layout.images, layout.masks) if not part.is_dir()), None)
        if missing is None:
            return layout
        message = f"{labels}: its folder {missing} is missing; {inner}/ and mask/ were expected in {folder}"
        incomplete.append((layout, RimError(message, path=missing)))
    if incomplete and need_images:
        raise incomplete[0][1]
    if incomplete:
        return incomplete[0][0]
    path = root / f"refmatte_{split}_label.json"
    raise RimError(
        f"{path}{' or refmatte_rw100_label.json' if split in RW100 else ''}: not found; a data set in RefMatte's "
        f"layout has one label file for each split (by `rim build`), with {split}/img and {split}/mask beside it",
        path=path,
    )


def splits(root: str | Path) -> list[str]:
    """The splits that a folder has label files for: `train`, `seen`, `test`, `rw100`, others after them by name.

    Raises:
        RimError: there is no such folder, or none in it.
    """
    root = _folder(root)
    paths = (path.name for inner in INNER if (root / inner).is_dir() for path in (root / inner).iterdir())
    found = {match.group(1) for name in paths if (match := re.fullmatch(r"refmatte_(\w+)_label\.json", name))}
    if not found:
        raise RimError(
            f"{root}: no refmatte_<split>_label.json here; a data set in RefMatte's layout is expected", path=root
        )
    known = ("train", "seen", "test", "rw100")
    return sorted(found, key=lambda name: (known.index(name) if name in known else len(known), name))


def read_rows(layout: Layout) -> dict[str, dict]:
    """The label file's entries, keyed by mask id, in one form whatever the copy's is.

    `image_name` is without its ending, `expressions` a list of texts, and `eval_index` the position that the evaluation
    index gives. All other keys stay as they are; `keyword` may be missing.

    Raises:
        RimError: broken JSON; an entry without sentences or image name, or with a name that is no plain file name.
    """
    return {mask_id: row for mask_id, row, _, _ in iterate_rows(layout)}


def iterate_rows(layout: Layout) -> Iterator[tuple[str, dict, int, int]]:
    """As `read_rows`, one after the other: mask id, entry, and where in the file it stands, for `row_of`."""
    path, seen = layout.labels, set()
    try:
        for key, row, start, end in entries(path):
            mask_id, row = row_of(layout, key, row)
            if mask_id in seen:
                raise RimError(f"{path}: the entry {key!r} was there before; a mask has one entry", path=path)
            seen.add(mask_id)
            yield mask_id, row, start, end
    except NoObject:
        seen.clear()
    if not seen:  # or is broken
        table = files.read_json(path)
        found = "nothing in it" if isinstance(table, dict) else f"{type(table).__name__}: {str(table)[:40]}"
        raise RimError(f"{path}: expected an object with one entry for each mask, found {found}", path=path)


def row_of(layout: Layout, key: str, row: Any) -> tuple[str, dict]:
    """Mask id and entry, as `read_rows` has them, of what stands in the file. Raises RimError as it does."""
    path = layout.labels
    mask_id, wrong = _without_ending(plain(key, path)), ""
    image_name, given = (row.get("image_name"), row.get("expressions")) if isinstance(row, dict) else ("", "")
    texts = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    if not isinstance(row, dict):
        wrong = f"must be an object with image_name and expressions, found {type(row).__name__}"
    elif not isinstance(image_name, str) or not image_name:
        wrong = f"has no image_name, found {image_name!r}"
    elif not texts or not all(isinstance(text, str) for text in texts):
        wrong = f"needs expressions, a list of texts, found {given!r}"
    if wrong:
        raise RimError(f"{path}: the entry {key!r} {wrong}", path=path)
    row = {**row, "image_name": _without_ending(plain(image_name, path)), "expressions": texts}
    scored = layout.scored(mask_id, row["image_name"])
    if scored is not None:
        if not 0 <= scored < len(texts):
            index = path.parent / EVAL_INDEX
            raise RimError(
                f"{index}: the index of {mask_id!r} is {scored}; it has {len(texts)} expressions, counted from 0",
                path=index,
            )
        row["eval_index"] = scored
    return mask_id, row


def plain(name: object, where: Path) -> str:
    """The name, if it is one that stays in its folder. Raises RimError that names the file it stands in."""
    if not isinstance(name, str) or name in ("", ".", "..") or any(letter in "/\\\0" for letter in name):
        raise RimError(f"{where}: {name!r} is not a plain file name; slashes and '..' are refused", path=where)
    return name


def _folder(root: str | Path) -> Path:
    if not Path(root).is_dir():
        raise RimError(f"{root}: no such folder; a data set in RefMatte's layout is expected there", path=root)
    return Path(root)


def _forms(root: Path, split: str) -> Iterator[tuple[Path, str, str]]:
    """The folders that may hold the split's images and mattes, the name of the one of images, and the label file's."""
    if root.absolute().name == split:
        yield root, "img", f"refmatte_{split}_label.json"
    if split != "rw100":
        yield from ((root / inner / split, "img", f"refmatte_{split}_label.json") for inner in INNER)
    if split in RW100:
        yield from ((root / inner, "image", REAL_LABELS) for inner in INNER)


def _places(folder: Path) -> tuple[Path, ...]:
    """Where a label file or an evaluation index may lie: with the folder of images, and one or two above."""
    folder = folder.absolute()
    return folder, folder.parent, folder.parent.parent


def _without_ending(name: str) -> str:
    stem, dot, ending = name.rpartition(".")
    return stem if dot and stem and f".{ending.lower()}" in IMAGE_ENDINGS else name


def _eval_index(labels: Path, folder: Path) -> dict[str, int]:
    path = next((place / EVAL_INDEX for place in (labels.parent, folder) if (place / EVAL_INDEX).is_file()), None)
    if path is None:
        return {}
    table = files.read_json(path)
    if not isinstance(table, dict):
        raise RimError(
            f"{path}: expected an object that gives each image name a position, found {type(table).__name__}", path=path
        )
    index = {}
    for name, value in table.items():
        if isinstance(value, bool) or not (isinstance(value, int) or isinstance(value, str) and value.isdecimal()):
            raise RimError(
                f"{path}: the entry {name!r} must be the position of a sentence, a whole number, found {value!r}",
                path=path,
            )
        index[_without_ending(name)] = int(value)
    return index
