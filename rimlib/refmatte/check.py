"""Do the files of a data set and its labels fit together? For released data sets, which have no manifest."""

from __future__ import annotations

import os
from pathlib import Path

from rimlib.errors import RimError
from rimlib.io import files, names
from rimlib.io.images import size_of
from rimlib.refmatte import masks, released
from rimlib.refmatte.released import IMAGE_ENDINGS

READ = 20  # so many masks are read: what is stored in another way is so in all of them


def check(layout: released.Layout, sizes: bool = False) -> list[str]:
    """What does not fit together, a line for each file; empty if all is well.

    Args:
        layout: the split.
        sizes: open each file's header too, and compare a mask's size with its image's; read some masks' values.

    Raises:
        RimError: as `released.read_rows`.
    """
    rows = released.read_rows(layout)
    image_files, mask_files = _stems(layout.images), _stems(layout.masks)
    wrong, whole = [], []
    for mask_id, row in rows.items():
        name, mask_id = names.same_name(row["image_name"]), names.same_name(mask_id)
        if name not in image_files:
            wrong.append(f"{layout.images / name}.jpg: not found; {layout.labels.name} names it for the mask {mask_id}")
        if mask_id not in mask_files:
            wrong.append(f"{layout.masks / mask_id}.png: not found; {layout.labels.name} has an entry for it")
        if sizes and name in image_files and mask_id in mask_files:
            path = layout.mask(mask_id)
            try:
                image, mask = size_of(layout.image(name)), size_of(path)
            except RimError as error:
                wrong.append(str(error))
                continue
            if image != mask:
                wrong.append(f"{path}: {mask[0]} x {mask[1]} pixels, its image {name} has {image[0]} x {image[1]}")
            else:
                whole.append(path)
    wrong += [line for path in masks.evenly(whole, READ) if (line := _refusal(path))]
    named = {names.same_name(row["image_name"]) for row in rows.values()}
    for folder, stems, used, what in (
        (layout.images, image_files, named, "an image without a mask"),
        (layout.masks, mask_files, {*map(names.same_name, rows)}, "a mask without an entry"),
    ):
        wrong += [f"{folder / stems[stem]}: {what} in {layout.labels.name}" for stem in sorted(stems.keys() - used)]
    return wrong


def _refusal(path: Path) -> str:
    """Why a mask cannot be used; empty where it can."""
    try:
        masks.read(path)
    except RimError as error:
        return str(error)
    return ""


def _stems(folder: Path) -> dict[str, str]:
    """Stem, in the form of `names.same_name`, → file name of the images in a folder."""
    try:
        found = sorted(os.listdir(folder))
    except OSError as error:
        raise RimError(f"{folder}: cannot be listed: {files.reason(error)}", path=folder) from error
    images = (name for name in found if not name.startswith(".") and Path(name).suffix.lower() in IMAGE_ENDINGS)
    return {names.same_name(Path(name).stem): name for name in images}
