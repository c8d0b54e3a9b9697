"""Build RW-mini's images and mattes again from the packages and the drawn trimaps.

python -m tools.build_rwmini --root / --out DIR
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
from pathlib import Path

import numpy as np

from rimlib.entities import rwmini, selection
from rimlib.entities.clean import blur_faces
from rimlib.errors import RimError
from rimlib.io import files, images
from tools import qrc, trimaps

QUALITY = 88  # of JPEG
WRITTEN = ("selection.csv", rwmini.LABELS, rwmini.EVALUATED, "trimaps")  # by hand; copied as they are


def build(root: str | Path, out: str | Path, folder: str | Path = rwmini.FOLDER) -> dict:
    """Make images and mattes; returns `rwmini.stats`.

    Args:
        root: as in `selection.locate`.
        out: the folder to write; replaced as a whole, and only when all went well.
        folder: where the selection, the trimaps and the labels are.

    Raises:
        RimError: a photograph is missing; the message names the package to install.
    """
    folder = Path(folder)
    rows = rwmini.selection(folder)
    with files.replace_folder(out) as new:
        for name in WRITTEN:
            (shutil.copytree if (folder / name).is_dir() else shutil.copy)(folder / name, new / name)
        for row in rows:
            path = new / "image" / f"{row['name']}.jpg"
            images.write_image(path, photograph(row, Path(root)), QUALITY)
            image = images.read_image(path)  # mattes belong to what ships
            for mask_id, alpha in mattes(image, load_trimaps(row["name"], new)).items():
                images.write_matte(new / "mask" / f"{mask_id}.png", alpha)
        files.write_atomically(new / "CREDITS.md", credits_text(rows))
        seal(new)
    return rwmini.stats(out)


def photograph(row: dict[str, str], root: Path) -> np.ndarray:
    """The photograph of a row, rotated, cropped, made smaller and with blurred faces, uint8 (H, W, 3)."""
    path = selection.locate(row, root)
    image = images.read_image(io.BytesIO(qrc.read(path, row["inside"])) if row["inside"] else path)
    image = np.rot90(image, int(row["rotate"]) // 90)
    height, width = image.shape[:2]
    if row["crop"]:  # left, top, right, bottom as shares of the image
        left, top, right, bottom = (float(number) for number in row["crop"].split())
        image = image[round(top * height) : round(bottom * height), round(left * width) : round(right * width)]
    scale = int(row["longer_side"]) / max(image.shape[:2])
    if scale < 1:
        image = images.resize(image, (round(image.shape[0] * scale), round(image.shape[1] * scale)))
    return blur_faces(np.ascontiguousarray(image), selection.face_boxes(row["faces"]))  # pixels of the shipped image


def load_trimaps(image_name: str, folder: str | Path = rwmini.FOLDER) -> dict[str, np.ndarray]:
    """The trimaps of one image by mask id, each uint8 (H, W) of 0, 128 and 255.

    What certainly is one entity certainly isn't another, so it becomes background in the others' trimaps.

    Raises:
        RimError: a drawing is missing or broken, or two drawings claim a pixel as certain.
    """
    folder = Path(folder)
    height, width = images.read_image(folder / "image" / f"{image_name}.jpg").shape[:2]
    mask_ids = [mask_id for mask_id, row in rwmini.labels(folder).items() if row["image_name"] == image_name]
    drawings = {mask_id: trimaps.read(folder / "trimaps" / f"{mask_id}.json") for mask_id in mask_ids}
    drawn = {mask_id: trimaps.draw(drawing, height, width) for mask_id, drawing in drawings.items()}
    certain = sum((trimap == 255).astype(np.uint8) for trimap in drawn.values())
    if np.max(certain) > 1:
        row, column = np.argwhere(certain > 1)[0]
        both = f"two of {', '.join(mask_ids)} have pixel {column},{row} as certain; one must leave it open"
        raise RimError(f"{folder / 'trimaps'}: {both}", path=folder / "trimaps")
    return {
        mask_id: np.where((certain == 1) & (trimap != 255), 0, trimap).astype(np.uint8)
        for mask_id, trimap in drawn.items()
    }


def mattes(image: np.ndarray, drawn: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Closed-form mattes of an image's entities, float32 (H, W) each, that nowhere sum above 1.

    Args:
        image: uint8 (H, W, 3).
        drawn: trimaps by mask id, uint8 (H, W).
    """
    alphas = {mask_id: trimaps.matte(image, trimap) for mask_id, trimap in drawn.items()}
    total = np.maximum(1, sum(alphas.values()))  # each was solved alone; where two claim one pixel they share it
    return {mask_id: alpha / total for mask_id, alpha in alphas.items()}


def seal(folder: str | Path = rwmini.FOLDER) -> Path:
    """Write `manifest.json` anew, for instance after a sentence was changed."""
    folder = Path(folder)
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != rwmini.MANIFEST]
    names = sorted(path.relative_to(folder).as_posix() for path in paths)
    return files.write_json(folder / rwmini.MANIFEST, {name: files.sha256(folder / name) for name in names})


def credits_text(rows: list[dict[str, str]]) -> str:
    """The text of CREDITS.md."""
    lines = [
        "# Credits of RW-mini",
        "",
        "Photographs, not composites. Each keeps the licence of its source. "
        "Mattes, trimaps and sentences were made for this set and",
        "carry their image's licence. Licences are those of `/usr/share/doc/PACKAGE/copyright`; "
        "for the images of GCompris, which",
        "that file does not list one by one, those of the `README` beside each image inside its resource collection.",
        "",
        "| image | author | licence | Debian package | file | origin | changes |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        name = row["inside"].rsplit("/", 1)[-1] if row["inside"] else ""
        place = row["path"].rsplit("/", 1)[-1] + (f", {name}" if name else "")
        cells = (row["name"], row["credit"], row["licence"], row["source"], place, f"<{row['origin']}>", row["changes"])
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Build RW-mini's images and mattes again.")
    parser.add_argument("--root", default="/", metavar="FOLDER", help="where the packages are (default: /)")
    parser.add_argument("--out", required=True, metavar="DIR", help="the folder to write")
    options = parser.parse_args()
    try:
        counted = build(options.root, options.out)
    except RimError as error:
        print(f"build_rwmini: error: {error}", file=sys.stderr)
        return 2
    print(f"{options.out}: {counted['images']} images, {counted['entities']} entities")
    return 0


if __name__ == "__main__":
    sys.exit(main())
