"""The layout on disk: that of the released RefMatte, with more keys.

    root/train/img/rim_train_<8 hex>.jpg   root/train/mask/rim_train_<8 hex>_<k>.png   root/refmatte_train_label.json

The label file is keyed by mask id: {"image_name", "expressions": [4 strings], …}. Unknown keys are kept, and a
string where a list is expected is accepted, since released copies differ. What a release lacks has a rule: the
keyword (see `keywords`), the kind of each sentence (Paper: Table 9 by their order) and which of them is scored.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from rimlib.entities.entity import ATTRIBUTES, Entity
from rimlib.entities.pool import Pool
from rimlib.errors import RimError
from rimlib.io import files
from rimlib.refmatte import keywords, released
from rimlib.refmatte.plan import ScenePlan

KINDS = ("basic", "absolute", "relative-short", "relative-long")  # Paper: Table 9's BE, APE, RPE-1, RPE-2
REAL_KINDS = ("basic", "absolute", "relative", "free")  # of the real-world sets: BE, APE, RPE, FREE
LABELLED = tuple(name for name in ATTRIBUTES if name != "category")  # the category is the keyword


@dataclass(frozen=True)
class Target:
    """One entity of one image, to be found by its sentences."""

    mask_id: str  # the name of its matte's file, without the ending
    image_name: str
    keyword: str  # the entry-level category, or "" where the data set has none
    expressions: tuple[str, ...]
    kinds: tuple[str, ...] = KINDS  # of each expression
    extra: dict = field(default_factory=dict, compare=False)  # all other keys of the label file
    keyword_read: bool = False  # the keyword stands in no label, but was read from the sentences

    @property
    def scored(self) -> int:
        """Which expression is scored: the one that the evaluation index or the label gives, else an even draw.

        The paper's scores on RefMatte's test set are the mean of its four kinds (Tables 6 and 9), as an even draw
        gives. It is by a hash of the mask id, so that it is the same for everybody.

        >>> counted = [Target(f"rim_{n}_1", f"rim_{n}", "", ("a", "b", "c", "d")).scored for n in range(4000)]
        >>> [counted.count(position) for position in range(4)]
        [1045, 995, 1015, 945]
        """
        given = self.extra.get("eval_index")
        if given is None:
            given = int.from_bytes(hashlib.sha256(self.mask_id.encode()).digest()[:8], "big")
        return int(given) % len(self.expressions)

    @property
    def evaluated(self) -> str:
        """The expression that is scored."""
        return self.expressions[self.scored]

    @property
    def indexed(self) -> bool:
        """Whether the data give the expression that is scored; else it is drawn."""
        return self.extra.get("eval_index") is not None


def label_path(root: Path, split: str) -> Path:
    """Where the sentences of a split are."""
    return Path(root) / f"refmatte_{split}_label.json"


def image_path(root: Path, split: str, image_name: str) -> Path:
    """Where an image is."""
    return Path(root) / split / "img" / f"{image_name}.jpg"


def mask_path(root: Path, split: str, mask_id: str) -> Path:
    """Where a matte is."""
    return Path(root) / split / "mask" / f"{mask_id}.png"


def no_target_path(root: Path, split: str) -> Path:
    """Where the sentences of a split are that fit nothing in their image."""
    return Path(root) / f"refmatte_{split}_no_target.json"


def several_path(root: Path, split: str) -> Path:
    """Where the sentences of a split are that mean several entities of their image at once."""
    return Path(root) / f"refmatte_{split}_several.json"


LABEL_FILES = (label_path, no_target_path, several_path)  # of a split


def labels_of(scene: ScenePlan, entities: list[Entity]) -> dict[str, dict]:
    """The rows of the label file for one scene, whose entities are given in its order."""
    rows = {}
    for index, (four, entity) in enumerate(zip(scene.sentences, entities)):
        place = scene.placements[index]
        rows[f"{scene.name}_{index + 1}"] = {
            "image_name": scene.name,
            "expressions": [sentence.text for sentence in four],
            "kinds": [sentence.kind for sentence in four],
            "keyword": entity.category,
            "keyword_clear": scene.keyword_clear,
            "entity": scene.entities[index],
            "entity_kind": entity.kind,
            "attributes": {name: getattr(entity, name) for name in LABELLED if getattr(entity, name) is not None},
            "relation": scene.relation,
            "box": [place.left, place.top, place.width, place.height],
            "depth": place.depth,
            "fits": [[position + 1 for position in fits] for fits in scene.fits[index]],
            "eval_index": scene.evaluated[index],
            "background": scene.background,
            **({"nouns": list(scene.nouns[index])} if scene.nouns else {}),
        }
    return rows


def targets_of(scene: ScenePlan, entities: list[Entity]) -> list[Target]:
    """The same as targets: what reading the scene's labels would give."""
    return [target_of(mask_id, row) for mask_id, row in labels_of(scene, entities).items()]


def write_labels(root: Path, split: str, scenes: Iterable[ScenePlan], pool: Pool) -> None:
    """Write the label file of a split, scene by scene, and a file of its no-target sentences where it has any."""
    no_target: dict[str, list[dict]] = {}
    several: dict[str, list[dict]] = {}

    def rows() -> Iterator[tuple[str, dict]]:
        for scene in scenes:
            if scene.no_target:
                untrue = [{"sentence": sentence.text, "wrong": sentence.kind} for sentence in scene.no_target]
                no_target[scene.name] = untrue
            if scene.several:
                meant = [(text, [index + 1 for index in entities]) for text, entities in scene.several]
                several[scene.name] = [{"sentence": text, "entities": entities} for text, entities in meant]
            yield from labels_of(scene, [pool[name] for name in scene.entities]).items()

    def pour(stream: BinaryIO) -> None:
        before = "{"
        for mask_id, row in rows():
            stream.write(f"{before}\n{json.dumps(mask_id)}: {json.dumps(row, ensure_ascii=False)}".encode())
            before = ","
        stream.write(b"{}\n" if before == "{" else b"\n}\n")

    files.write_atomically(label_path(root, split), pour)
    for path, found in ((no_target_path(root, split), no_target), (several_path(root, split), several)):
        if found:
            files.write_json(path, found)


def read_several(root: Path, split: str) -> dict[str, list[dict]]:
    """The sentences that mean several entities, by image name: {"sentence", "entities"} each, counted from 1."""
    path = several_path(root, split)
    rows = _read_sentences(path)
    if not all(row.get("entities") and isinstance(row["entities"], list) for many in rows.values() for row in many):
        raise RimError(f"{path}: expected the numbers of its entities beside each sentence, from 1", path=path)
    return rows


def read_no_target(root: Path, split: str) -> dict[str, list[dict]]:
    """The sentences that fit nothing, by image name: {"sentence", "wrong"} each; empty where a data set has none."""
    return _read_sentences(no_target_path(root, split))


def _read_sentences(path: Path) -> dict[str, list[dict]]:
    if not path.is_file():
        return {}
    rows = files.read_json(path)
    if not isinstance(rows, dict) or not all(
        isinstance(row, dict) and isinstance(row.get("sentence"), str) for many in rows.values() for row in many
    ):
        raise RimError(
            f"{path}: expected a list of sentences for each image name, each an object with a sentence", path=path
        )
    return rows


def target_of(mask_id: str, row: dict, labels: Path | None = None) -> Target:
    """The target of an entry of the label file, as `released` gives it. Raises RimError for kinds that do not fit."""
    texts, real = tuple(row["expressions"]), labels is not None and labels.name == released.REAL_LABELS
    extra = {key: value for key, value in row.items() if key not in ("image_name", "expressions", "kinds", "keyword")}
    kinds = kinds_of(mask_id, row, labels)
    keyword, read = keywords.of_row(row), False
    if not keyword and not real:  # what people wrote follows no template
        keyword = keywords.of_sentences(texts)
        read = bool(keyword)
    return Target(mask_id, row["image_name"], keyword, texts, kinds, extra, read)


def kinds_of(mask_id: str, row: dict, labels: Path | None = None) -> tuple[str, ...]:
    """The kind of each expression; the two relative ones of a scene are the short and the long one, in this order.

    Raises RimError where the entry names others than one for each.
    """
    given, count = row.get("kinds"), len(row["expressions"])
    if not given:
        real = labels is not None and labels.name == released.REAL_LABELS
        known = REAL_KINDS if real else KINDS
        return (*known[:count], *["free" if real else "other"] * (count - len(known)))
    if not isinstance(given, list) or len(given) != count or not all(isinstance(kind, str) for kind in given):
        found = f"the entry {mask_id!r} has the kinds {given!r} for {count} expressions"
        raise RimError(f"{labels}: {found}; one name for each is expected", path=labels)
    lengths = iter(("relative-short", "relative-long"))
    both = given.count("relative") == 2
    return tuple(next(lengths) if both and kind == "relative" else kind for kind in given)
