"""The released RefMatte and RefMatte-RW100 folders: where what is, in every form that copies of them have.

    RefMatte/RefMatte/{train,test}/{img,mask}     refmatte_{train,test}_label.json   in that folder, below it or above it
    RefMatte_RW_100/{image,mask}                  refmatte_rw100_label.json          eval_index_expression.json

Paper: Sec. 3.3. The label file is keyed by mask id. The evaluation index says which of an entity's sentences is scored; it is keyed by
image name, in some copies by mask id. Data sets that are built here have the first form, our small real-world set the second.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from rimlib.errors import RimError
from rimlib.io import files
from rimlib.io.images import size_of

INNER = ("", "RefMatte", "RefMatte/RefMatte", "RefMatte_RW_100", "RefMatte-RW100", "RefMatte_RW100")
IMAGE_ENDINGS = (".jpg", ".png", ".jpeg", ".JPG", ".PNG")
MASK_ENDINGS = (".png", ".jpg", ".PNG")
RW100 = ("rw100", "test")  # names that the real-world set's only split goes by
EVAL_INDEX = "eval_index_expression.json"


@dataclass(frozen=True)
class Layout:
    """Where one split of a data set keeps what.

    Attributes:
        labels: the label file. images, masks: folders.
        eval_index: image name or mask id → position of the sentence that is scored; empty where there is no such file.
    """

    labels: Path
    images: Path
    masks: Path
    eval_index: dict[str, int] = field(default_factory=dict)

    def image(self, name: str) -> Path:
        """The picture of an image name. It need not exist: reading it says so. Raises RimError for a name that leads elsewhere."""
        return _existing(self.images, plain(name, self.labels), IMAGE_ENDINGS)

    def mask(self, mask_id: str) -> Path:
        """The matte of a mask id, as `image`."""
        return _existing(self.masks, plain(mask_id, self.labels), MASK_ENDINGS)

    def scored(self, mask_id: str, image_name: str) -> int | None:
        """Which sentence of an entity is scored, or None where the index doesn't say."""
        return self.eval_index.get(mask_id, self.eval_index.get(image_name))


def locate(root: str | Path, split: str, pictures: bool = True) -> Layout:
    """Find a split in a folder: the data set's own, the one above it, or the split's own.

    Args:
        split: `train`, `test`, another one of our own such as `seen`, or `rw100` (for a real-world set `test` means the same).
        pictures: whether the folders of pictures and mattes must be there; a label file alone is enough to read sentences.

    Raises:
        RimError: no label file, or its folder of images or masks is missing; it says what was expected where.
    """
    root = Path(root)
    plain(split, root)
    if not root.is_dir():
        raise RimError(f"{root}: no such folder; a data set in RefMatte's layout is expected there")
    incomplete: list[tuple[Layout, str]] = []
    for folder, inner, name in _forms(root, split):
        labels = next((place / name for place in _places(folder) if (place / name).is_file()), None)
        if labels is None:
            continue
        layout = Layout(labels, folder / inner, folder / "mask", _eval_index(labels, folder))
        missing = next((part for part in (layout.images, layout.masks) if not part.is_dir()), None)
        if missing is None:
            return layout
        incomplete.append(
            (layout, f"{labels}: its folder {missing} is missing; {inner}/ and mask/ were expected in {folder}")
        )
    if incomplete and pictures:
        raise RimError(incomplete[0][1])
    if incomplete:
        return incomplete[0][0]
    names = f"{root / f'refmatte_{split}_label.json'}" + (" or refmatte_rw100_label.json" if split in RW100 else "")
    raise RimError(
        f"{names}: not found; a data set in RefMatte's layout has one label file for each split (`rim build` makes one), "
        f"with {split}/img and {split}/mask beside it"
    )


def splits(root: str | Path) -> list[str]:
    """The splits that a folder has label files for: `train`, `seen`, `test`, `rw100`, others after them by name.

    Raises:
        RimError: there is no such folder, or none in it.
    """
    if not Path(root).is_dir():
        raise RimError(f"{root}: no such folder; a data set in RefMatte's layout is expected there")
    found = {
        match.group(1)
        for inner in INNER
        if (Path(root) / inner).is_dir()
        for path in (Path(root) / inner).iterdir()
        if (match := re.fullmatch(r"refmatte_(\w+)_label\.json", path.name))
    }
    if not found:
        raise RimError(f"{root}: no refmatte_<split>_label.json here; a data set in RefMatte's layout is expected")
    known = ("train", "seen", "test", "rw100")
    return sorted(found, key=lambda name: (known.index(name) if name in known else len(known), name))


def read_rows(layout: Layout) -> dict[str, dict]:
    """The label file's entries, keyed by mask id, in one form whatever the copy's is.

    `image_name` is without its ending, `expressions` a list of texts, and `eval_index` the position that the evaluation index gives. All
    other keys are kept as they are; `keyword` may be missing.

    Raises:
        RimError: broken JSON; an entry without sentences or image name, or with a name that is no plain file name; the entry is named.
    """
    path = layout.labels
    table = files.read_json(path)
    if not isinstance(table, dict) or not table:
        raise RimError(
            f"{path}: expected an object with one entry for each mask, found {type(table).__name__} of length {len(table)}"
            if isinstance(table, (dict, list, str))
            else f"{path}: expected an object with one entry for each mask, found {table!r}"
        )
    rows = {}
    for key, row in table.items():
        if not isinstance(row, dict):
            raise RimError(
                f"{path}: the entry {key!r} must be an object with image_name and expressions, found {type(row).__name__}"
            )
        mask_id = _without_ending(plain(key, path))
        image_name = row.get("image_name")
        if not isinstance(image_name, str) or not image_name:
            raise RimError(f"{path}: the entry {key!r} has no image_name, found {image_name!r}")
        texts = row.get("expressions")
        texts = [texts] if isinstance(texts, str) else texts
        if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
            raise RimError(f"{path}: the entry {key!r} needs expressions, a list of texts, found {texts!r}")
        if mask_id in rows:
            raise RimError(f"{path}: the entry {key!r} was there before; a mask has one entry")
        row = {**row, "image_name": _without_ending(plain(image_name, path)), "expressions": texts}
        scored = layout.scored(mask_id, row["image_name"])
        if scored is not None:
            if not 0 <= scored < len(texts):
                raise RimError(
                    f"{path.parent / EVAL_INDEX}: the index of {mask_id!r} is {scored}; it has {len(texts)} expressions, counted from 0"
                )
            row["eval_index"] = scored
        rows[mask_id] = row
    return rows


def check(layout: Layout, sizes: bool = False) -> list[str]:
    """What does not fit together, a line for each file; empty if all is well.

    sizes: open each file's header too, and compare a mask's size with its image's.

    Raises:
        RimError: as `read_rows`.
    """
    rows = read_rows(layout)
    pictures, masks = _stems(layout.images), _stems(layout.masks)
    wrong = []
    for mask_id, row in rows.items():
        name = row["image_name"]
        if name not in pictures:
            wrong.append(f"{layout.images / name}.jpg: not found; {layout.labels.name} names it for the mask {mask_id}")
        if mask_id not in masks:
            wrong.append(f"{layout.masks / mask_id}.png: not found; {layout.labels.name} has an entry for it")
        if sizes and name in pictures and mask_id in masks:
            try:
                found = [size_of(path) for path in (layout.image(name), layout.mask(mask_id))]
            except RimError as error:
                wrong.append(str(error))
                continue
            if found[0] != found[1]:
                wrong.append(
                    f"{layout.mask(mask_id)}: {found[1][0]} x {found[1][1]} pixels, its image {name} has {found[0][0]} x {found[0][1]}"
                )
    named = {row["image_name"] for row in rows.values()}
    wrong += [
        f"{layout.images / pictures[stem]}: an image without a mask in {layout.labels.name}"
        for stem in sorted(pictures.keys() - named)
    ]
    wrong += [
        f"{layout.masks / masks[stem]}: a mask without an entry in {layout.labels.name}"
        for stem in sorted(masks.keys() - rows.keys())
    ]
    return wrong


def plain(name: str, where: Path) -> str:
    """The name, if it is one that stays in its folder. Raises RimError that names the file it stands in."""
    if not isinstance(name, str) or name in ("", ".", "..") or any(letter in "/\\\0" for letter in name):
        raise RimError(f"{where}: {name!r} is not a plain file name; slashes and '..' are refused")
    return name


def _forms(root: Path, split: str):
    """The folders that may hold the split's pictures and mattes, how the one of pictures is called, and the label file's name."""
    if root.absolute().name == split:
        yield root, "img", f"refmatte_{split}_label.json"
    if split != "rw100":
        yield from ((root / inner / split, "img", f"refmatte_{split}_label.json") for inner in INNER)
    if split in RW100:
        yield from ((root / inner, "image", "refmatte_rw100_label.json") for inner in INNER)


def _places(folder: Path) -> tuple[Path, ...]:
    """Where a label file or an evaluation index may lie: with the pictures' folders, and one or two above."""
    folder = folder.absolute()
    return folder, folder.parent, folder.parent.parent


def _without_ending(name: str) -> str:
    stem, dot, ending = name.rpartition(".")
    return stem if dot and stem and f".{ending.lower()}" in IMAGE_ENDINGS else name


def _existing(folder: Path, name: str, endings: tuple[str, ...]) -> Path:
    return next(
        (path for path in (folder / (name + ending) for ending in endings) if path.is_file()),
        folder / (name + endings[0]),
    )


def _stems(folder: Path) -> dict[str, str]:
    """Stem → file name of the pictures in a folder."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise RimError(f"{folder}: cannot be listed: {files.reason(error)}") from error
    return {
        Path(name).stem: name
        for name in names
        if not name.startswith(".") and Path(name).suffix.lower() in IMAGE_ENDINGS
    }


def _eval_index(labels: Path, folder: Path) -> dict[str, int]:
    path = next((place / EVAL_INDEX for place in (labels.parent, folder) if (place / EVAL_INDEX).is_file()), None)
    if path is None:
        return {}
    table = files.read_json(path)
    if not isinstance(table, dict):
        raise RimError(
            f"{path}: expected an object that gives each image name a position, found {type(table).__name__}"
        )
    index = {}
    for name, value in table.items():
        if isinstance(value, bool) or not (isinstance(value, int) or isinstance(value, str) and value.isdecimal()):
            raise RimError(
                f"{path}: the entry {name!r} must be the position of a sentence, a whole number, found {value!r}"
            )
        index[_without_ending(name)] = int(value)
    return index
