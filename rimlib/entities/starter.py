"""The shipped pool: real photographs of single things, animals and people, cut out, with credits.

`selection.csv` and `backgrounds.csv` say which pictures of which Debian packages and Python wheels were chosen and what
a person saw in each; `rebuild` makes the pool from the installed packages, `load` reads what it made.
A colour in the table corrects the machine's: a person's colour is spoken as that of the garment, while the most frequent one of the
picture may be the trousers'. Faces are made unrecognisable on the way, as the paper asks of its pool (Sec. 3.1, Datasheet A.2).
"""

from __future__ import annotations

import csv
import io
import shutil
import tempfile
from collections import Counter, defaultdict
from functools import partial
from pathlib import Path

import numpy as np

from rimlib.entities.clean import blur_faces, clean_cutout
from rimlib.entities.color import color_name, dominant_color
from rimlib.entities.entity import Background, Entity
from rimlib.entities.pool import Pool
from rimlib.errors import RimError
from rimlib.io import files, images

FOLDER = Path(__file__).parent.parent / "starter"
LONGER_SIDE = 384  # pixels of a shipped cut-out
BACKGROUND_WIDTH = 480
QUALITY = 82  # of WebP's colours; alpha is kept without loss
TEST_PEOPLE = 5  # persons whose pictures are all kept for the test split
BACKGROUND_TEST_STEP = 6  # every sixth background is a test background


def load(folder: str | Path = FOLDER) -> Pool:
    """The shipped pool, or another one that `rebuild` made."""
    folder = Path(folder)
    index = files.read_json(folder / "pool.json")
    entities = [Entity.from_dict(row) for row in index["entities"]]
    backgrounds = [
        Background(**{key: row[key] for key in row if key in Background.__dataclass_fields__})
        for row in index["backgrounds"]
    ]
    sizes = {
        row["name"]: (row["height"], row["width"]) for row in index["entities"] if "height" in row and "width" in row
    }
    digests = {
        row["name"]: row["sha256"] for part in ("entities", "backgrounds") for row in index[part] if "sha256" in row
    }
    # Endings, not paths: the readers travel to other processes with every small part of the pool.
    endings = {
        part: tuple(sorted({_file(folder, part, row).suffix for row in index[part]}))
        for part in ("entities", "backgrounds")
    }
    return Pool(
        entities,
        backgrounds,
        partial(_read_entity, folder, endings["entities"]),
        partial(_read_background, folder, endings["backgrounds"]),
        sizes,
        digests,
    )


def _file(folder: Path, part: str, row: dict) -> Path:
    """The picture of a row. Its key `file` is its name with an ending, where that is not the shipped pool's `.webp`."""
    name = row.get("file", f"{row['name']}.webp")
    if name not in {row["name"] + ending for ending in (".webp", ".png", ".jpg")}:
        raise RimError(
            f"{folder / 'pool.json'}: the row {row['name']!r} has the file {name!r}; {row['name']}.png (or .webp, .jpg) is expected"
        )
    return folder / part / name


def _read_entity(folder: Path, endings: tuple[str, ...], entity: Entity) -> tuple[np.ndarray, np.ndarray]:
    return images.read_cutout(_existing(folder / "entities", entity.name, endings))


def _read_background(folder: Path, endings: tuple[str, ...], background: Background) -> np.ndarray:
    return images.read_image(_existing(folder / "backgrounds", background.name, endings))


def _existing(folder: Path, name: str, endings: tuple[str, ...]) -> Path:
    paths = [folder / (name + ending) for ending in endings]
    return next((path for path in paths[:-1] if path.is_file()), paths[-1])


def stats(folder: str | Path = FOLDER) -> dict:
    """What the pool holds, counted from the files themselves.

    Keys: entities, categories, people (pictures), persons, animals, things, transparent (or wispy), backgrounds,
    test_entities, bytes.
    """
    folder = Path(folder)
    pool = load(folder)
    people = pool.of("person")
    return {
        "entities": len(pool),
        "categories": len(pool.categories()),
        "people": len(people),
        "persons": len({entity.person for entity in people}),
        "animals": len(pool.of("animal")),
        "things": len(pool.of("thing")),
        "transparent": sum(entity.transparent or entity.wispy for entity in pool.entities),
        "backgrounds": len(pool.backgrounds),
        "test_entities": len(pool.of(split="test")),
        "bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
    }


def show(path: str | Path, folder: str | Path = FOLDER) -> Path:
    """Draw a contact sheet of all cut-outs, people first, and write it to `path` (PNG, JPEG or WebP)."""
    from rimlib.show import contact_sheet

    pool = load(folder)
    order = sorted(
        pool.entities,
        key=lambda entity: (("person", "animal", "thing").index(entity.kind), entity.category, entity.name),
    )
    images.write_image(path, contact_sheet([pool.cutout(entity.name) for entity in order], columns=20))
    return Path(path)


def verify(folder: str | Path = FOLDER) -> list[str]:
    """Names of files that are missing or differ from the hash that `pool.json` holds; empty if all is well."""
    folder = Path(folder)
    index = files.read_json(folder / "pool.json")
    wrong = []
    for part in ("entities", "backgrounds"):
        for row in index[part]:
            path = _file(folder, part, row)
            if not path.is_file() or files.sha256(path) != row["sha256"]:
                wrong.append(str(path))
    return wrong


def rebuild(root: str | Path = "/", out: str | Path = FOLDER) -> Pool:
    """Make the pool again from the packages it was chosen from.

    Args:
        root: where the Debian packages are installed (`/`), or a folder that holds each of them unpacked,
            `root/usr/share/…` or `root/x_NAME/usr/share/…`. Wheels are looked for on Python's path.
        out: the folder to write; replaced as a whole, and only when all went well.

    Raises:
        RimError: a picture is missing; the message names the package to install.
    """
    root, out = Path(root), Path(out)
    rows, background_rows = _read_selection("selection.csv"), _read_selection("backgrounds.csv")
    test = _test_split(rows)
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        (work / "entities").mkdir()
        (work / "backgrounds").mkdir()
        entities = [_make_entity(row, locate(row, root), work, row["name"] in test) for row in rows]
        backgrounds = [
            _make_background(row, locate(row, root), work, position % BACKGROUND_TEST_STEP == 0)
            for position, row in enumerate(background_rows)
        ]
        files.write_json(work / "pool.json", {"entities": entities, "backgrounds": backgrounds})
        for name in ("selection.csv", "backgrounds.csv", "CREDITS.md"):
            if (FOLDER / name).exists():
                shutil.copy(FOLDER / name, work / name)
        files.write_atomically(work / "CREDITS.md", _credits(entities, backgrounds))
        old = None
        if out.exists():
            old = work.with_name(work.name + "-old")
            out.rename(old)
        work.chmod(0o755)
        work.rename(out)
        if old:
            shutil.rmtree(old)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return load(out)


def _read_selection(name: str) -> list[dict]:
    with open(FOLDER / name, newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def _test_split(rows: list[dict]) -> set[str]:
    """Which entities are kept for testing: the last of every category of three or more, and whole persons."""
    of_category = defaultdict(list)
    persons = defaultdict(list)
    for row in rows:
        if row["kind"] == "person":
            persons[row["person"]].append(row["name"])
        else:
            of_category[row["category"]].append(row["name"])
    test = {sorted(names)[-1] for names in of_category.values() if len(names) >= 3}
    # people with two or three pictures: enough to test on, while training keeps those with many
    held = sorted(person for person in persons if 2 <= len(persons[person]) <= 3)[-TEST_PEOPLE:]
    return test | {name for person in held for name in persons[person]}


def locate(row: dict, root: Path) -> Path:
    candidates = [root / row["path"], root / f"x_{row['source']}" / row["path"]]
    if row["source"].startswith("scikit-"):
        import sysconfig

        candidates = [Path(sysconfig.get_paths()["purelib"]) / row["path"], root / row["source"] / row["path"]]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    how = f"pip install {row['source']}" if row["source"].startswith("scikit-") else f"apt-get install {row['source']}"
    raise RimError(f"{candidates[0]}: not found; it belongs to the package {row['source']} ({how})")


def _make_entity(row: dict, path: Path, work: Path, test: bool) -> dict:
    foreground, alpha = images.read_cutout(path)
    if row["faces"]:
        boxes = [tuple(int(round(float(number))) for number in box.split()) for box in row["faces"].split(";")]
        foreground = blur_faces(foreground, boxes)
    foreground, alpha = clean_cutout(foreground, alpha, LONGER_SIDE)
    target = work / "entities" / f"{row['name']}.webp"
    rgba = np.dstack([foreground, np.round(alpha * 255).astype(np.uint8)])
    files.write_atomically(target, _webp(rgba))
    foreground, alpha = images.read_cutout(target)  # the colour is that of what ships
    proposed = color_name(dominant_color(foreground, alpha))
    entity = Entity(
        name=row["name"],
        kind=row["kind"],
        category=row["category"],
        color=row["color"] or proposed,
        salient=row["salient"] == "1",
        transparent=row["transparent"] == "1",
        wispy=row["wispy"] == "1",
        gender=row["gender"] or None,
        age_group=row["age"] or None,
        clothes=row["clothes"] or None,
        person=row["person"] or None,
        split="test" if test else "train",
        source=row["source"],
        path=row["path"],
        licence=row["licence"],
        credit=row["credit"],
    )
    return {
        **entity.to_dict(),
        "color_proposed": proposed,
        "height": rgba.shape[0],
        "width": rgba.shape[1],
        "sha256": files.sha256(target),
    }


def _make_background(row: dict, path: Path, work: Path, test: bool) -> dict:
    picture = images.read_image(path)
    height = round(picture.shape[0] * BACKGROUND_WIDTH / picture.shape[1])
    picture = images.resize(picture, (height, BACKGROUND_WIDTH))
    target = work / "backgrounds" / f"{row['name']}.webp"
    files.write_atomically(target, _webp(picture))
    return {
        "name": row["name"],
        "category": row["category"],
        "shows": row["shows"].split(),
        "split": "test" if test else "train",
        "source": row["source"],
        "path": row["path"],
        "licence": row["licence"],
        "credit": row["credit"],
        "height": height,
        "width": BACKGROUND_WIDTH,
        "sha256": files.sha256(target),
    }


def _webp(array: np.ndarray) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "WEBP", quality=QUALITY, alpha_quality=100, method=6)
    return buffer.getvalue()


def _credits(entities: list[dict], backgrounds: list[dict]) -> str:
    lines = [
        "# Credits of the shipped pictures",
        "",
        "Every picture was cropped, made smaller and stored as WebP; faces were blurred. Each keeps the licence of its source.",
        "",
    ]
    for title, rows in (("Cut-outs", entities), ("Backgrounds", backgrounds)):
        counted = ", ".join(
            f"{count} {licence}" for licence, count in Counter(row["licence"] for row in rows).most_common()
        )
        lines += [
            f"## {title}",
            "",
            f"{len(rows)} pictures: {counted}.",
            "",
            "| picture | package | file | licence | credit |",
            "|---|---|---|---|---|",
        ]
        lines += [
            f"| {row['name']} | {row['source']} | {row['path'].rsplit('/', 1)[-1]} | {row['licence']} | {row['credit'].replace('|', '/')} |"
            for row in rows
        ]
        lines.append("")
    return "\n".join(lines)
