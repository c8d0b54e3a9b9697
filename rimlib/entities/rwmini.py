"""RW-mini: a small real-world test set, photographs with two or three things, animals or people in each.

The counterpart of RefMatte-RW100 in its layout: `image/`, `mask/`, `refmatte_rw100_label.json`, `eval_index_expression.json`. What was
made by hand stands in text files beside them: `selection.csv` (which photographs of which packages), `trimaps/` (outlines and brush
strokes as numbers) and the label file (four sentences for each entity: basic, absolute, relative, free). `rebuild` makes pictures and
mattes again from these and the packages.

Paper: Sec. 3.3, S2.3 and S2.4 (RefMatte-RW100); Datasheet A.2 (no person can be known).
"""

from __future__ import annotations

import csv
import io
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from rimlib.entities import starter, trimaps
from rimlib.entities.clean import blur_faces
from rimlib.errors import RimError
from rimlib.io import files, images
from tools import qrc

FOLDER = Path(__file__).parent.parent / "rwmini"
LABELS, EVALUATED, MANIFEST = "refmatte_rw100_label.json", "eval_index_expression.json", "manifest.json"
QUALITY = 88  # of JPEG
WRITTEN = ("selection.csv", LABELS, EVALUATED, "trimaps")  # by hand; copied as they are


def labels(folder: str | Path = FOLDER) -> dict[str, dict]:
    """The rows of the label file by mask id: image_name, expressions, kinds, keyword, entity_kind, eval_index."""
    return files.read_json(Path(folder) / LABELS)


def selection(folder: str | Path = FOLDER) -> list[dict]:
    """The chosen photographs: name, package, path, what was changed, licence, credit."""
    with open(Path(folder) / "selection.csv", newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def load_trimaps(image_name: str, folder: str | Path = FOLDER) -> dict[str, np.ndarray]:
    """The trimaps of one picture by mask id, each uint8 (H, W) of 0, 128 and 255.

    What is surely one entity is surely not another, so it becomes background in the others' trimaps.

    Raises:
        RimError: a drawing is missing or broken, or two drawings are both sure of a pixel.
    """
    folder = Path(folder)
    height, width = images.read_image(folder / "image" / f"{image_name}.jpg").shape[:2]
    mask_ids = [mask_id for mask_id, row in labels(folder).items() if row["image_name"] == image_name]
    drawn = {
        mask_id: trimaps.draw(trimaps.read(folder / "trimaps" / f"{mask_id}.json"), height, width)
        for mask_id in mask_ids
    }
    sure = sum((trimap == 255).astype(np.uint8) for trimap in drawn.values())
    if sure.max() > 1:
        row, column = np.argwhere(sure > 1)[0]
        raise RimError(
            f"{folder / 'trimaps'}: two of {', '.join(mask_ids)} are sure of pixel {column},{row}; one must leave it open"
        )
    return {
        mask_id: np.where((sure == 1) & (trimap != 255), 0, trimap).astype(np.uint8)
        for mask_id, trimap in drawn.items()
    }


def mattes(picture: np.ndarray, drawn: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Closed-form mattes of a picture's entities, float32 (H, W) each, that nowhere sum above 1.

    Args:
        picture: uint8 (H, W, 3). drawn: trimaps by mask id, uint8 (H, W).
    """
    alphas = {mask_id: trimaps.matte(picture, trimap) for mask_id, trimap in drawn.items()}
    # each was solved alone; where two claim one pixel they share it
    total = np.maximum(1, sum(alphas.values()))
    return {mask_id: alpha / total for mask_id, alpha in alphas.items()}


def stats(folder: str | Path = FOLDER) -> dict:
    """Pictures, entities (and how many of each kind), sentences, their mean length in words, bytes of the whole folder."""
    folder = Path(folder)
    rows = labels(folder)
    sentences = [sentence for row in rows.values() for sentence in row["expressions"]]
    kinds = Counter(row["entity_kind"] for row in rows.values())
    return {
        "pictures": len({row["image_name"] for row in rows.values()}),
        "entities": len(rows),
        "people": kinds["person"],
        "animals": kinds["animal"],
        "things": kinds["thing"],
        "categories": len({row["keyword"] for row in rows.values()}),
        "sentences": len(sentences),
        "mean_words": sum(len(sentence.split()) for sentence in sentences) / len(sentences),
        "bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
    }


def verify(folder: str | Path = FOLDER) -> list[str]:
    """Files that are missing or differ from the hash that `manifest.json` holds; empty if all is well."""
    folder = Path(folder)
    return [
        str(folder / name)
        for name, digest in files.read_json(folder / MANIFEST).items()
        if not (folder / name).is_file() or files.sha256(folder / name) != digest
    ]


def seal(folder: str | Path = FOLDER) -> Path:
    """Write `manifest.json` anew, after a sentence was changed, say."""
    folder = Path(folder)
    names = sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST
    )
    return files.write_json(folder / MANIFEST, {name: files.sha256(folder / name) for name in names})


def show(path: str | Path, folder: str | Path = FOLDER, height: int = 200) -> Path:
    """Draw a sheet, a row for each picture: the picture, its mattes as coloured veils, each cut-out on a checkerboard.

    Args:
        path: PNG, JPEG or WebP. height: pixels of a row.
    """
    from rimlib.show import PALETTE, over

    folder, rows, lines = Path(folder), labels(folder), []
    for name in dict.fromkeys(row["image_name"] for row in rows.values()):
        picture = images.read_image(folder / "image" / f"{name}.jpg")
        veiled, cells = picture, []
        for index, mask_id in enumerate(mask_id for mask_id, row in rows.items() if row["image_name"] == name):
            alpha = images.read_matte(folder / "mask" / f"{mask_id}.png")
            window = np.s_[_span(alpha, 1), _span(alpha, 0)]
            cells.append(_to_height(over(picture[window], alpha[window]), height))
            hue = np.array([int(PALETTE[index][start : start + 2], 16) for start in (1, 3, 5)], np.uint8)
            veiled = over(np.broadcast_to(hue, picture.shape), 0.6 * alpha, veiled)
        lines.append(np.hstack([_to_height(picture, height), _to_height(veiled, height), *cells]))
    width = max(line.shape[1] for line in lines)
    sheet = [np.pad(line, ((0, 4), (0, width - line.shape[1]), (0, 0)), constant_values=255) for line in lines]
    images.write_image(path, np.vstack(sheet))
    return Path(path)


def rebuild(root: str | Path = "/", out: str | Path = FOLDER, folder: str | Path = FOLDER) -> dict:
    """Make pictures and mattes again from the packages they were chosen from; returns `stats`.

    Args:
        root: as in `starter.rebuild`: where the Debian packages are installed, or a folder that holds them unpacked.
        out: the folder to write; replaced as a whole, and only when all went well.
        folder: where the selection, the trimaps and the labels are.

    Raises:
        RimError: a photograph is missing; the message names the package to install.
    """
    root, out, folder = Path(root), Path(out), Path(folder)
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        for name in WRITTEN:
            (shutil.copytree if (folder / name).is_dir() else shutil.copy)(folder / name, work / name)
        rows = selection(folder)
        for row in rows:
            files.write_atomically(_parent(work / "image" / f"{row['name']}.jpg"), _jpeg(row, root))
            picture = images.read_image(work / "image" / f"{row['name']}.jpg")  # mattes belong to what ships
            for mask_id, alpha in mattes(picture, load_trimaps(row["name"], work)).items():
                images.write_matte(_parent(work / "mask" / f"{mask_id}.png"), alpha)
        files.write_atomically(work / "CREDITS.md", _credits(rows))
        seal(work)
        old = work.with_name(work.name + "-old")
        if out.exists():
            out.rename(old)
        work.chmod(0o755)
        work.rename(out)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return stats(out)


def _span(alpha: np.ndarray, axis: int, margin: int = 8) -> slice:
    seen = np.flatnonzero((alpha > 0.02).any(axis=axis))
    return slice(max(0, seen[0] - margin), seen[-1] + 1 + margin)


def _to_height(picture: np.ndarray, height: int) -> np.ndarray:
    return images.resize(picture, (height, max(1, round(height * picture.shape[1] / picture.shape[0]))))


def _parent(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    return path


def _jpeg(row: dict, root: Path) -> bytes:
    from PIL import Image

    path = starter.locate(row, root)
    picture = images.read_image(Image.open(io.BytesIO(qrc.read(path, row["inside"]))) if row["inside"] else path)
    picture = np.rot90(picture, int(row["rotate"]) // 90)
    height, width = picture.shape[:2]
    if row["crop"]:  # left, top, right, bottom as shares of the picture
        left, top, right, bottom = (float(number) for number in row["crop"].split())
        picture = picture[round(top * height) : round(bottom * height), round(left * width) : round(right * width)]
    scale = int(row["longer_side"]) / max(picture.shape[:2])
    if scale < 1:
        picture = images.resize(picture, (round(picture.shape[0] * scale), round(picture.shape[1] * scale)))
    picture = np.ascontiguousarray(picture)
    if row["faces"]:  # pixels of the shipped picture
        picture = blur_faces(picture, [tuple(int(number) for number in box.split()) for box in row["faces"].split(";")])
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def _credits(rows: list[dict]) -> str:
    lines = [
        "# Credits of RW-mini",
        "",
        "Photographs, not composites. Each keeps the licence of its source. Mattes, trimaps and sentences were made for this set and",
        "carry their picture's licence. Licences are those of `/usr/share/doc/PACKAGE/copyright`; for the pictures of GCompris, which",
        "that file does not list one by one, those of the `README` beside each picture inside its resource collection.",
        "",
        "| picture | author | licence | Debian package | file | origin | changes |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        name = row["inside"].rsplit("/", 1)[-1] if row["inside"] else ""
        place = row["path"].rsplit("/", 1)[-1] + (f", {name}" if name else "")
        lines.append(
            f"| {row['name']} | {row['credit']} | {row['licence']} | {row['source']} | {place} | <{row['origin']}> | {row['changes']} |"
        )
    return "\n".join(lines) + "\n"
