"""What the readers of data sets share: cut-outs that are not decoded yet, pairing of files, and checks.

Paper: Sec. 3.1. Nothing here decodes an image unless `deep` is set: pairing needs names, sizes need headers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from rimlib.entities.sources.names import safe
from rimlib.entities.sources.report import Report
from rimlib.errors import RimError
from rimlib.io import files, images

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif")


@dataclass(frozen=True)
class CutoutFiles:
    """One object cut out of one image, as a data set holds it: file names, no pixels."""

    name: str  # `[a-z0-9-]+`, unique, begins with the source's name
    kind: str
    split: str
    source: str
    path: str  # the matte (or RGBA file) as it is named inside the data set, for credits and messages
    alpha: Path | None  # the matte's file; None where it is the alpha channel of `foreground`
    image: Path | None = None  # the photograph with its background, or None
    # the colours alone, as the source gives them, or None. At least one of the two is set
    foreground: Path | None = None
    licence: str = ""
    credit: str = ""
    group: str | None = None  # the folder or class of the data set that it is in
    # the same where it names an object ("glass_ice", not "texture_holed"), a hint for the annotation
    weak_category: str | None = None
    # the cells of a checked table, by the columns of a table of corrections
    known: dict[str, str] = field(default_factory=dict, compare=False)
    faces: tuple[tuple[int, int, int, int], ...] = ()  # boxes (left, top, right, bottom) in pixels, to be blurred
    clean: bool = False  # whether specks and hard edges are to be cleaned (`rimlib.entities.clean`)

    @property
    def matte(self) -> Path:
        """The file that holds the alpha."""
        return self.files()[-1]

    def files(self) -> list[Path]:
        """All files that its pixels come from."""
        return [path for path in (self.image, self.foreground, self.alpha) if path is not None]


@dataclass(frozen=True)
class BackgroundFile:
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
    """The result of a reader; `left_out` by a filter, of which a table of corrections can bring some back."""

    name: str
    report: Report
    cutouts: list[CutoutFiles] = field(default_factory=list)
    backgrounds: list[BackgroundFile] = field(default_factory=list)
    left_out: list[CutoutFiles] = field(default_factory=list)


@dataclass(frozen=True)
class Part:
    """Folders, named from the root of a data set, whose files belong together by their stems."""

    split: str
    mattes: str
    images: str | None = None
    foregrounds: str | None = None
    optional: bool = False  # a missing folder of foregrounds is listed, not refused
    # public, paper: how many the public release has, and how many the paper used
    public: int | None = None
    paper: int | None = None
    group: str | None = None


def root_of(folder: str | Path, names: tuple[str, ...], inside: Iterable[str]) -> Path:
    """The folder itself, or the one of the data set's own name in it, whichever holds one of the folders `inside`."""
    folder = Path(folder)
    if not folder.is_dir():
        raise RimError(f"{folder}: no such folder; the data set {names[0]} is expected there", path=folder)
    inside = tuple(inside)
    for root in (folder, *(folder / name for name in names), *(folder / name / name for name in names)):
        if any((root / part).is_dir() for part in inside):
            return root
    return folder


def listing(part: str, report: Report, folders: bool = False) -> dict[str, Path]:
    """The images of a folder by their stems, in order of name; what is no image or has a strange name is reported.

    `part`: the folder's name inside the data set. `folders`: whether folders in it are expected, and not odd. Raises
    RimError where there is no such folder.
    """
    folder = report.root / part
    if not folder.is_dir():
        message = f"{report.root}: a part of {report.source} is missing: the folder {part}/ was expected in it"
        raise RimError(message, path=folder)
    found: dict[str, Path] = {}
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise RimError(f"{folder}: cannot be listed: {files.reason(error)}", path=folder) from error
    for path in paths:
        shown = report.shown(path)
        if re.match(r"\.[^.]", path.name) or path.name == "Thumbs.db" or (folders and path.is_dir()):
            continue
        if path.suffix.lower() not in ENDINGS or not path.is_file():
            report.odd.append(f"{shown}: {'a folder' if path.is_dir() else 'no image'}, passed over")
        elif path.stem in found:
            report.odd.append(f"{shown}: has the name of {found[path.stem].name}, passed over")
        else:
            found[path.stem] = path
            if strange := sorted(set(re.findall(r"[^\w.+()-]|\.\.", path.stem))):
                report.odd.append(f"{shown!r}: its name has {strange}; it is called {safe(path.stem)} here")
    return found


def pair(part: Part, report: Report, **facts: Any) -> list[CutoutFiles]:
    """The cut-outs of one part: mattes joined by their stems with images, foregrounds, or both.

    `facts`: kind, source, licence and credit of all of them. Raises RimError where a folder is missing.
    """
    mattes = listing(part.mattes, report)
    others: dict[str, dict[str, Path]] = {}
    for what, where in (("image", part.images), ("foreground", part.foregrounds)):
        if where and what == "foreground" and part.optional and not (report.root / where).is_dir():
            report.missing.append(f"{where}/: no such folder; foregrounds will be estimated")
        elif where:
            paths = others[what] = listing(where, report)
            for one, other, text in (
                (mattes, paths, f"a matte without its {what} in {where}/"),
                (paths, mattes, f"a {what} file without its matte in {part.mattes}/"),
            ):
                report.missing += [f"{report.shown(one[stem])}: {text}" for stem in one if stem not in other]
    facts |= {"split": part.split, "group": part.group}
    cutouts = []
    for stem, path in mattes.items():
        found: dict[str, Any] = {what: paths.get(stem) for what, paths in others.items()}
        if found.get("image", found.get("foreground")):
            cutouts.append(CutoutFiles(name=stem, path=report.shown(path), alpha=path, **found, **facts))
    return cutouts


def take(
    source: Source,
    cutouts: list[CutoutFiles],
    names: dict[str, str] | None = None,
    least: int = 0,
    deep: bool = False,
    refuse: Callable[[CutoutFiles], str | None] = lambda cutout: None,
) -> None:
    """Name the cut-outs (by path), check them (all pixels if `deep`), and add them to the source.

    Left out is one whose shorter side has fewer than `least` pixels, or for which `refuse` has a reason.
    """
    sizes = check_sizes(cutouts, source.report)
    if deep:
        check_pixels([cutout for cutout in cutouts if cutout in sizes], source.report)
    for cutout in cutouts:
        named = cutout if names is None else replace(cutout, name=names[cutout.path])
        why, (height, width) = refuse(cutout), sizes.get(cutout, (least, least))
        if why is None and min(height, width) < least:
            why = f"{height} x {width} pixels; the shorter side must have {least}"
        (source.left_out if why else source.cutouts).append(named)
        if why:
            source.report.left_out.append(f"{cutout.path} ({named.name}): {why}")


def check_sizes(cutouts: list[CutoutFiles], report: Report) -> dict[CutoutFiles, tuple[int, int]]:
    """The size of each cut-out's matte, by headers; files that can't be read or don't fit it are reported."""
    sizes = {}
    for cutout in cutouts:
        try:
            found = {path: images.size_of(path) for path in cutout.files()}
        except RimError as error:
            report.odd.append(str(error))
            continue
        height, width = sizes[cutout] = found[cutout.matte]
        its = f"pixels, its matte has {height} x {width}"
        odd = {path: size for path, size in found.items() if size != (height, width)}
        report.odd += [f"{report.shown(path)}: {size[0]} x {size[1]} {its}" for path, size in odd.items()]
    return sizes


def check_pixels(cutouts: list[CutoutFiles], report: Report) -> None:
    """Decode everything; what can't be decoded and mattes that cut nothing out go to the report."""
    for cutout in cutouts:
        try:
            _, _, alpha = read_pixels(cutout)
        except RimError as error:
            report.odd.append(str(error))
            continue
        if alpha.min() >= 1:
            report.odd.append(f"{cutout.path}: its alpha is 1 everywhere; nothing was cut out")
        elif np.isin(alpha, (0, 1)).all():
            report.odd.append(f"{cutout.path}: a hard mask (0 and 1 only), no matte")


def read_pixels(cutout: CutoutFiles) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray]:
    """The image and the foreground (uint8 (H, W, 3), or None where the source has none) and the alpha (float32 (H, W)).

    Raises RimError, naming the file, where it can't be read, the sizes differ, or alpha is empty.
    """
    foreground: np.ndarray | None
    if cutout.alpha is None:
        foreground, alpha = images.read_cutout(cutout.foreground)
    else:
        alpha = images.read_matte(cutout.alpha)
        foreground = None if cutout.foreground is None else images.read_image(cutout.foreground)
    image = None if cutout.image is None else images.read_image(cutout.image)
    for path, array in ((cutout.image, image), (cutout.foreground, foreground)):
        if array is not None and array.shape[:2] != alpha.shape:
            own, other = (f"{height} x {width}" for height, width in (array.shape[:2], alpha.shape))
            raise RimError(f"{path}: {own} pixels, its matte {cutout.matte} has {other}", path=path)
    if not (alpha > 0.02).any():
        raise RimError(f"{cutout.matte}: its alpha is empty; nothing would be visible", path=cutout.matte)
    return image, foreground, alpha
