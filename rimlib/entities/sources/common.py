"""What the readers of public data sets share: cut-outs not yet read, pairing of files, and checks.

Paper: Sec. 3.1. Nothing here decodes a whole picture unless `deep` is asked for: pairing needs names, sizes need headers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rimlib.entities.sources.names import safe
from rimlib.entities.sources.report import Report
from rimlib.errors import RimError
from rimlib.io import files, images
from rimlib.io.images import size_of

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif")


@dataclass(frozen=True)
class Cutting:
    """One thing cut out of one picture, as a data set holds it: file names, no pixels.

    Attributes:
        name: `[a-z0-9-]+`, unique, begins with the source's mark.
        kind: `person`, `animal` or `thing`.
        split: `train` or `test`.
        picture: the photograph with its background, or None.
        foreground: the colours alone, as the source gives them, or None. At least one of the two is set.
        alpha: the matte's file; None where it is the alpha channel of `foreground`.
        path: the matte (or RGBA file) as it is named inside the data set, for credits and messages.
        group: what a folder or an index of the data set says of it. weak_category: the same, where that is a word for a thing, a hint for
            the annotation ("glass_ice" is one, "texture_holed" is none).
        known: what a checked table already says, by the columns of a table of corrections.
        faces: boxes (left, top, right, bottom) in pixels, to be blurred.
        clean: whether specks and hard edges are to be mended (`rimlib.entities.clean`).
    """

    name: str
    kind: str
    split: str
    source: str
    path: str
    alpha: Path | None
    picture: Path | None = None
    foreground: Path | None = None
    licence: str = ""
    credit: str = ""
    group: str | None = None
    weak_category: str | None = None
    known: dict[str, str] = field(default_factory=dict, compare=False)
    faces: tuple[tuple[int, int, int, int], ...] = ()
    clean: bool = False

    def files(self) -> list[Path]:
        """All files that its pixels come from."""
        return [path for path in (self.picture, self.foreground, self.alpha) if path is not None]


@dataclass(frozen=True)
class Backdrop:
    """A photograph to compose scenes on, as a data set holds it."""

    name: str
    split: str
    source: str
    path: str
    file: Path
    category: str = ""
    licence: str = ""
    credit: str = ""


@dataclass
class Source:
    """What a reader gives: cut-outs, backgrounds, the report, and the cut-outs that a filter left out (`keep=1` brings them back)."""

    mark: str
    report: Report
    cuttings: list[Cutting] = field(default_factory=list)
    backdrops: list[Backdrop] = field(default_factory=list)
    left_out: list[Cutting] = field(default_factory=list)


@dataclass(frozen=True)
class Part:
    """Folders, named from the root of a data set, whose files belong together by their stems.

    optional: a missing folder of foregrounds is listed, not refused.
    """

    split: str
    mattes: str
    pictures: str | None = None
    foregrounds: str | None = None
    optional: bool = False
    public: int | None = None
    paper: int | None = None
    group: str | None = None


def root_of(folder: str | Path, names: tuple[str, ...], inside: Iterable[str]) -> Path:
    """The folder itself, or the one of the data set's own name in it, whichever holds one of the folders `inside`."""
    folder = Path(folder)
    if not folder.is_dir():
        raise RimError(f"{folder}: no such folder; the data set {names[0]} is expected there")
    inside = tuple(inside)
    for root in (folder, *(folder / name for name in names), *(folder / name / name for name in names)):
        if any((root / part).is_dir() for part in inside):
            return root
    return folder


def need(root: Path, part: str, title: str) -> Path:
    """A sub-folder that the data set can't be used without. Raises RimError that says which was expected where."""
    if not (root / part).is_dir():
        raise RimError(f"{root}: a part of {title} is missing: the folder {part}/ was expected in it")
    return root / part


def listing(folder: Path, root: Path, report: Report, folders: bool = False) -> dict[str, Path]:
    """The pictures of a folder by their stems, in order of name; what is no picture or has a strange name goes to the report.

    folders: whether folders in it are expected, and not odd.
    """
    found: dict[str, Path] = {}
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise RimError(f"{folder}: cannot be listed: {files.reason(error)}") from error
    for path in paths:
        shown = path.relative_to(root).as_posix()
        if re.match(r"\.[^.]", path.name) or path.name == "Thumbs.db" or (folders and path.is_dir()):
            continue
        if path.suffix.lower() not in ENDINGS or not path.is_file():
            report.odd.append(f"{shown}: {'a folder' if path.is_dir() else 'no picture'}, passed over")
        elif path.stem in found:
            report.odd.append(f"{shown}: has the name of {found[path.stem].name}, passed over")
        else:
            found[path.stem] = path
            if strange := sorted({_spoken(letter) for letter in re.findall(r"[^\w.+()-]|\.\.", path.stem)}):
                report.odd.append(f"{shown!r}: its name has {', '.join(strange)}; it is called {safe(path.stem)} here")
    return found


def pair(
    mark: str, kind: str, root: Path, part: Part, report: Report, title: str, licence: str = "", credit: str = ""
) -> list[Cutting]:
    """The cut-outs of one part: mattes joined by their stems with pictures, foregrounds, or both.

    Raises:
        RimError: a folder is missing.
    """
    mattes = listing(need(root, part.mattes, title), root, report)
    others: dict[str, dict[str, Path]] = {}
    for what, where in (("picture", part.pictures), ("foreground", part.foregrounds)):
        if where is None:
            continue
        if what == "foreground" and part.optional and not (root / where).is_dir():
            report.missing.append(f"{where}/: no such folder; foregrounds will be estimated")
            continue
        others[what] = listing(need(root, where, title), root, report)
    for what, paths in others.items():
        where = part.pictures if what == "picture" else part.foregrounds
        report.missing += [
            f"{mattes[stem].relative_to(root).as_posix()}: a matte without a {what} in {where}/"
            for stem in mattes
            if stem not in paths
        ]
        report.missing += [
            f"{path.relative_to(root).as_posix()}: a {what} without a matte in {part.mattes}/"
            for stem, path in paths.items()
            if stem not in mattes
        ]
    main = "picture" if "picture" in others else "foreground"
    stems = [stem for stem in mattes if stem in others[main]]
    return [
        Cutting(
            name=stem,
            kind=kind,
            split=part.split,
            source=mark,
            path=mattes[stem].relative_to(root).as_posix(),
            alpha=mattes[stem],
            picture=others.get("picture", {}).get(stem),
            foreground=others.get("foreground", {}).get(stem),
            licence=licence,
            credit=credit,
            group=part.group,
        )
        for stem in stems
    ]


def check_sizes(cuttings: list[Cutting], root: Path, report: Report) -> dict[Cutting, tuple[int, int]]:
    """The size of each cut-out's matte, by headers; files that can't be read or don't fit their matte go to the report."""
    sizes = {}
    for cutting in cuttings:
        try:
            found = {path: size_of(path) for path in cutting.files()}
        except RimError as error:
            report.odd.append(str(error).replace(f"{root}/", "", 1))
            continue
        main = cutting.alpha or cutting.foreground
        sizes[cutting] = found[main]
        report.odd += [
            f"{path.relative_to(root).as_posix()}: {size[0]} x {size[1]} pixels, its matte has {found[main][0]} x {found[main][1]}"
            for path, size in found.items()
            if size != found[main]
        ]
    return sizes


def check_pixels(cuttings: list[Cutting], root: Path, report: Report) -> None:
    """Decode everything; what can't be decoded and mattes that cut nothing out go to the report."""
    for cutting in cuttings:
        try:
            _, _, alpha = read_pixels(cutting)
        except RimError as error:
            line = str(error).replace(f"{root}/", "", 1)
            if line not in report.odd:
                report.odd.append(line)
            continue
        if alpha.min() >= 1:
            report.odd.append(f"{cutting.path}: its alpha is 1 everywhere; nothing was cut out")
        elif np.isin(alpha, (0, 1)).all():
            report.odd.append(f"{cutting.path}: a hard mask (0 and 1 only), no matte")


def read_pixels(cutting: Cutting) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray]:
    """The picture and the foreground (uint8 (H, W, 3), or None where the source has none) and the alpha (float32 (H, W)).

    Raises:
        RimError: a file can't be read, the sizes differ, or alpha is empty; the file is named.
    """
    if cutting.alpha is None:
        foreground, alpha = images.read_cutout(cutting.foreground)
    else:
        alpha = images.read_matte(cutting.alpha)
        foreground = None if cutting.foreground is None else images.read_image(cutting.foreground)
    picture = None if cutting.picture is None else images.read_image(cutting.picture)
    matte = cutting.alpha or cutting.foreground
    for path, array in ((cutting.picture, picture), (cutting.foreground, foreground)):
        if array is not None and array.shape[:2] != alpha.shape:
            raise RimError(
                f"{path}: {array.shape[0]} x {array.shape[1]} pixels, its matte {matte} has {alpha.shape[0]} x {alpha.shape[1]}"
            )
    if not (alpha > 0.02).any():
        raise RimError(f"{matte}: its alpha is empty; nothing would be visible")
    return picture, foreground, alpha


def _spoken(letter: str) -> str:
    return {" ": "a space", "'": "a quote", '"': "a quote", "\\": "a backslash", "..": "'..'"}.get(letter, repr(letter))
