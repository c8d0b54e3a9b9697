"""Reading a data set in RefMatte's layout, ours or the released one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from rimlib.errors import RimError
from rimlib.io import files, images
from rimlib.profile import Train
from rimlib.refmatte import manifest, masks, released
from rimlib.refmatte.format import Target, read_no_target, read_several, several_path
from rimlib.refmatte.labels import Labels, Targets
from rimlib.refmatte.statistics import Tally, keywords_clear, tally

SETTINGS = ("expression", "keyword")


class RefMatte:
    """One split of a data set, in one of the two settings of the paper (Sec. 3.3).

    Args:
        root: the folder that holds `refmatte_<split>_label.json`, or the one above it.
        split: `train`, `test`, ours: `seen`, or `rw100` for a real-world set.
        setting: `keyword` leaves out images in which a keyword means more than one entity.

    Raises:
        RimError: the folder or its label file is missing or broken, or `rim build` has not finished the split.
    """

    def __init__(self, root: str | Path, split: str = "train", setting: str = "expression"):
        if setting not in SETTINGS:
            raise RimError(f"setting {setting!r}: must be {' or '.join(SETTINGS)}", setting="setting")
        self.root, self.split, self.setting = Path(root), split, setting
        manifest.require_complete(self.root, split)
        self.layout = released.locate(self.root, split, need_images=False)
        self.labels = Labels(self.layout)
        self.image_names: list[str] = self.labels.image_names
        if setting == "keyword":
            self.image_names = [name for name in self.image_names if keywords_clear(self.targets_of(name))]
            if not self.image_names:
                everything = Targets(self.labels, self.labels.image_names)
                why = "means one entity alone" if any(target.keyword for target in everything) else "is known"
                raise RimError(
                    f"{self.layout.labels}: it has no image in which each entity's keyword {why}, and the keyword "
                    "setting takes those alone; take the setting expression",
                    path=self.layout.labels,
                    setting="setting",
                )

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def targets(self) -> Sequence[Target]:
        """The targets of all images, each read from the label file when it is taken."""
        return Targets(self.labels, self.image_names)

    def targets_of(self, image_name: str) -> list[Target]:
        """The targets of one image."""
        return self.labels.targets_of(image_name)

    def sentence(self, target: Target) -> str:
        """The text of the setting for this target: its keyword, or its one scored expression."""
        return target.keyword if self.setting == "keyword" else target.evaluated

    @property
    def scored_by(self) -> str:
        """How the text is chosen that is scored: "keyword", "index", or the even draw "hash of the mask id"."""
        if self.setting == "keyword":
            return "keyword"
        found = {target.indexed for target in self.targets}
        return " and ".join(
            name for is_given, name in ((True, "index"), (False, "hash of the mask id")) if is_given in found
        )

    @property
    def keywords_read(self) -> int:
        """How many keywords stand in no label and were read from the sentences (see `keywords`)."""
        return sum(target.keyword_read for target in self.targets)

    def image(self, image_name: str) -> np.ndarray:
        """An image, uint8 (H, W, 3)."""
        return images.read_image(self.layout.image(image_name))

    def matte(self, mask_id: str) -> np.ndarray:
        """A matte, float32 (H, W) in [0, 1]; see `masks.read`."""
        return masks.read(self.layout.mask(mask_id))

    @cached_property
    def no_target(self) -> dict[str, list[dict]]:
        """Sentences that fit nothing in their image, by image name; empty where the data set has none."""
        return read_no_target(self.root, self.split)

    @cached_property
    def several(self) -> dict[str, list[dict]]:
        """Sentences that mean several entities of their image, by image name; empty where the data set has none.

        Raises RimError for numbers that are not of the image's entities.
        """
        found = read_several(self.root, self.split)
        for name, rows in found.items():
            there = range(1, self.labels.count(name) + 1) if name in self.labels else ()
            for row in rows:
                if not all(number in there for number in row["entities"]):
                    path, wanted = several_path(self.root, self.split), f"from 1 to {len(there)}"
                    problem = f"{name!r} has the entities {row['entities']} in {row['sentence']!r}; they are {wanted}"
                    raise RimError(f"{path}: {problem}", path=path)
        return found

    @cached_property
    def statistics(self) -> Tally:
        """Counts of the split as it is in the label file, whatever the setting."""
        return tally(map(self.targets_of, self.labels.image_names))

    @cached_property
    def fingerprint(self) -> str:
        """The sha256 of the label file: another plan gives another one."""
        return files.sha256(self.layout.labels)


def training_set(data: str | Path | RefMatte, settings: Train) -> RefMatte:
    """The images that a training takes: in the keyword setting those alone whose keywords are clear.

    Paper: Sec. 3.3, S2.3: 30,391 of the 45,000. Raises RimError, also where there is none.
    """
    if not isinstance(data, RefMatte):
        return RefMatte(data, "train", "keyword" if settings.setting == "keyword" else "expression")
    if settings.setting == "keyword" and data.setting != "keyword":
        return RefMatte(data.root, data.split, "keyword")
    return data
