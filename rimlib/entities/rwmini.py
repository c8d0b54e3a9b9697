"""RW-mini: a small real-world test set, photographs with two or three objects, animals or people in each.

The counterpart of RefMatte-RW100 in its layout: `image/`, `mask/`, `refmatte_rw100_label.json`,
`eval_index_expression.json`. What was made by hand stands in text files beside them: `selection.csv` (which photographs
of which packages), `trimaps/` (outlines and brush strokes as numbers) and the label file (four sentences for each
entity: basic, absolute, relative, free). `tools/build_rwmini.py` makes images and mattes again from these and the
packages.

Paper: Sec. 3.3, S2.3 and S2.4 (RefMatte-RW100); Datasheet A.2 (no person can be known).
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from rimlib.entities.selection import read_rows
from rimlib.io import files

FOLDER = Path(__file__).parent.parent / "rwmini"
LABELS, EVALUATED, MANIFEST = "refmatte_rw100_label.json", "eval_index_expression.json", "manifest.json"


def labels(folder: str | Path = FOLDER) -> dict[str, dict]:
    """The rows of the label file by mask id: image_name, expressions, kinds, keyword, entity_kind, eval_index."""
    return files.read_json(Path(folder) / LABELS)


def selection(folder: str | Path = FOLDER) -> list[dict[str, str]]:
    """The chosen photographs: name, package, path, what was changed, licence, credit."""
    return read_rows(Path(folder) / "selection.csv")


def stats(folder: str | Path = FOLDER) -> dict:
    """Images, entities (of each kind too), sentences, their mean length in words, bytes of the whole folder."""
    folder = Path(folder)
    rows = labels(folder)
    sentences = [sentence for row in rows.values() for sentence in row["expressions"]]
    kinds = Counter(row["entity_kind"] for row in rows.values())
    return {
        "images": len({row["image_name"] for row in rows.values()}),
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
    paths = {Path(folder) / name: digest for name, digest in files.read_json(Path(folder) / MANIFEST).items()}
    return [str(path) for path, digest in paths.items() if not path.is_file() or files.sha256(path) != digest]
