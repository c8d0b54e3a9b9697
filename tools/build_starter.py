"""Build the shipped pool again from the packages that its images come from.

python -m tools.build_starter --root / --out DIR
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from rimlib.entities import salience, selection, starter
from rimlib.entities.clean import blur_faces, clean_cutout
from rimlib.entities.color import color_name, dominant_color
from rimlib.entities.entity import Entity
from rimlib.entities.pool import Pool
from rimlib.errors import RimError
from rimlib.io import files, images

LONGER_SIDE = 384  # pixels of a shipped cut-out
BACKGROUND_WIDTH = 480
QUALITY = 82  # of WebP's colours; alpha is kept without loss


def build(root: str | Path, out: str | Path, tables: str | Path = selection.FOLDER) -> Pool:
    """Make the pool from its tables and the installed packages.

    Args:
        root: as in `selection.locate`.
        out: the folder to write; replaced as a whole, and only when all went well.
        tables: where `selection.csv` and `backgrounds.csv` are.

    Raises:
        RimError: an image is missing; the message names the package to install.
    """
    found = [(row, selection.locate(row, Path(root))) for row in selection.cutouts(tables)]
    places = [(row, selection.locate(row, Path(root))) for row in selection.backgrounds(tables)]
    with files.replace_folder(out) as new:
        entities = [make_entity(row, path, new / "entities") for row, path in found]
        backgrounds = [make_background(row, path, new / "backgrounds") for row, path in places]
        files.write_json(new / "pool.json", {"entities": entities, "backgrounds": backgrounds})
        for name in ("selection.csv", "backgrounds.csv"):
            shutil.copy(Path(tables) / name, new / name)
        files.write_atomically(new / "CREDITS.md", credits_text(entities, backgrounds))
    return starter.load(out)


def make_entity(row: dict[str, str], path: Path, folder: Path) -> dict:
    """Write one cut-out; returns its row of `pool.json`."""
    foreground, alpha = images.read_cutout(path)
    foreground = blur_faces(foreground, selection.face_boxes(row["faces"]))
    foreground, alpha = clean_cutout(foreground, alpha, LONGER_SIDE)
    target = folder / f"{row['name']}.webp"
    write_webp(target, np.dstack([foreground, np.round(alpha * 255).astype(np.uint8)]))
    foreground, alpha = images.read_cutout(target)  # the colour is that of what ships
    automatic = color_name(dominant_color(foreground, alpha))
    entity = Entity(
        **{key: row[key] for key in ("name", "kind", "category", "split", "source", "path", "licence", "credit")},
        **{key: row[key] == "1" for key in ("salient", "transparent", "wispy")},
        **{key: row[key] or None for key in ("gender", "clothes", "person")},
        age_group=row["age"] or None,
        color=row["color"] or automatic,
    )
    height, width = alpha.shape
    facts = {"color_automatic": automatic, "height": height, "width": width, "sha256": files.sha256(target)}
    return {**entity.to_dict(), **facts}


def make_background(row: dict[str, str], path: Path, folder: Path) -> dict:
    """Write one background; returns its row of `pool.json`."""
    image = images.read_image(path)
    size = (round(image.shape[0] * BACKGROUND_WIDTH / image.shape[1]), BACKGROUND_WIDTH)
    target = folder / f"{row['name']}.webp"
    write_webp(target, images.resize(image, size))
    facts = {"height": size[0], "width": size[1], "sha256": files.sha256(target)}
    kept = {key: row[key] for key in ("split", "source", "path", "licence", "credit")}
    return {"name": row["name"], "category": row["category"], "shows": row["shows"].split(), **kept, **facts}


def write_webp(path: Path, pixels: np.ndarray) -> None:
    """Write RGB or RGBA, uint8 (H, W, 3 or 4), as the pool's files are: smaller than `images.write_cutout` does."""
    from PIL import Image

    image = Image.fromarray(pixels)
    files.write_atomically(
        path, lambda stream: image.save(stream, "WEBP", quality=QUALITY, alpha_quality=100, method=6)
    )


def automatic_labels(folder: str | Path = selection.FOLDER) -> list[dict[str, object]]:
    """The pool's automatic labels: a row for each entity and column that has one, color, salient and transparent.

    Keys: name, category, column, automatic, corrected (None where the automatic label stands). Categories, genders,
    ages and garments were written by an annotator who looked at each image; no network proposed any.
    """
    rows: list[dict[str, object]] = []
    for row in files.read_json(Path(folder) / "pool.json")["entities"]:
        salient, transparent = salience.by_lists(row["category"])
        labels = {"color": row["color_automatic"], "salient": salient, "transparent": transparent}
        for column, label in labels.items():
            corrected = None if row[column] == label else row[column]
            facts = {"name": row["name"], "category": row["category"], "column": column}
            rows.append({**facts, "automatic": label, "corrected": corrected})
    return rows


def credits_text(entities: list[dict], backgrounds: list[dict]) -> str:
    """The text of CREDITS.md."""
    lines = [
        "# Credits of the shipped images",
        "",
        "Every image was cropped, made smaller and stored as WebP; faces were blurred. "
        "Each keeps the licence of its source.",
        "",
    ]
    for title, rows in (("Cut-outs", entities), ("Backgrounds", backgrounds)):
        licences = Counter(row["licence"] for row in rows).most_common()
        lines += [f"## {title}", ""]
        lines += [f"{len(rows)} images: {', '.join(f'{count} {licence}' for licence, count in licences)}.", ""]
        lines += ["| image | package | file | licence | credit |", "|---|---|---|---|---|"]
        for row in rows:
            file, credit = row["path"].rsplit("/", 1)[-1], row["credit"].replace("|", "/")
            lines.append(f"| {row['name']} | {row['source']} | {file} | {row['licence']} | {credit} |")
        lines.append("")
    return "\n".join(lines)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Build the shipped pool again.")
    parser.add_argument("--root", default="/", metavar="FOLDER", help="where the packages are (default: /)")
    parser.add_argument("--out", required=True, metavar="DIR", help="the folder to write")
    options = parser.parse_args()
    try:
        pool = build(options.root, options.out)
    except RimError as error:
        print(f"build_starter: error: {error}", file=sys.stderr)
        return 2
    print(f"{options.out}: {len(pool)} entities, {len(pool.backgrounds)} backgrounds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
