"""The shipped pool: real photographs of single objects, animals and people, cut out, with credits.

It was built by `tools/build_starter.py` from the tables that `selection` reads. Faces were made unrecognisable, as the
paper asks of its pool (Sec. 3.1, Datasheet A.2). `load` reads any pool of this format, also one that `build_pool` made.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from rimlib.entities.entity import KINDS, Background, Entity
from rimlib.entities.pool import Pool
from rimlib.entities.selection import FOLDER
from rimlib.errors import RimError
from rimlib.io import files, images, names

PARTS = ("entities", "backgrounds")


def load(folder: str | Path = FOLDER) -> Pool:
    """The shipped pool, or the one of another folder."""
    folder = Path(folder)
    index = files.read_json(folder / "pool.json")
    # Endings, not paths: the readers travel to other processes with every small part of the pool.
    endings = {part: tuple({_file(folder, part, row).suffix: None for row in index[part]}) for part in PARTS}
    return Pool(
        [Entity.from_dict(row) for row in index["entities"]],
        [Background.from_dict(row) for row in index["backgrounds"]],
        partial(_read_entity, folder, endings["entities"]),
        partial(_read_background, folder, endings["backgrounds"]),
        {row["name"]: (row["height"], row["width"]) for row in index["entities"] if "height" in row},
        {row["name"]: row["sha256"] for part in PARTS for row in index[part] if "sha256" in row},
    )


def stats(folder: str | Path = FOLDER) -> dict:
    """What the pool holds, counted from the files themselves.

    Keys: entities, categories, people (images), persons, animals, things, transparent (or wispy), backgrounds,
    test_entities, bytes.
    """
    folder = Path(folder)
    pool = load(folder)
    people, animals, things = (pool.of(kind) for kind in KINDS)
    return {
        "entities": len(pool),
        "categories": len(pool.categories()),
        "people": len(people),
        "persons": len({entity.person for entity in people}),
        "animals": len(animals),
        "things": len(things),
        "transparent": sum(entity.transparent or entity.wispy for entity in pool.entities),
        "backgrounds": len(pool.backgrounds),
        "test_entities": len(pool.of(split="test")),
        "bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
    }


def verify(folder: str | Path = FOLDER) -> list[str]:
    """Files that are missing or differ from the hash that `pool.json` holds; empty if all is well."""
    folder = Path(folder)
    index = files.read_json(folder / "pool.json")
    rows = [(_file(folder, part, row), row["sha256"]) for part in PARTS for row in index[part]]
    return [str(path) for path, digest in rows if not path.is_file() or files.sha256(path) != digest]


def _file(folder: Path, part: str, row: dict) -> Path:
    """The image of a row. Its key `file` is its name with an ending, where that is not the shipped pool's `.webp`."""
    name = row.get("file", f"{row['name']}.webp")
    if name not in {row["name"] + ending for ending in (".webp", ".png", ".jpg")}:
        index, expected = folder / "pool.json", f"{row['name']}.png (or .webp, .jpg) is expected"
        raise RimError(f"{index}: the row {row['name']!r} has the file {name!r}; {expected}", path=index)
    return folder / part / name


def _read_entity(folder: Path, endings: tuple[str, ...], entity: Entity) -> tuple[np.ndarray, np.ndarray]:
    return images.read_cutout(names.find_by_stem(folder / "entities", entity.name, endings))


def _read_background(folder: Path, endings: tuple[str, ...], background: Background) -> np.ndarray:
    return images.read_image(names.find_by_stem(folder / "backgrounds", background.name, endings))
