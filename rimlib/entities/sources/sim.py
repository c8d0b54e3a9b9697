"""SIM, the Semantic Image Matting set (SIMD): 20 classes of matting patterns.

Paper: Table S1, 271 training and 41 test foregrounds. The split is that of the list of its own test scenes,
`SIMD_composition_test_filelist.txt` (lines "class:foreground:background"), looked for in the folder and the one above
it; `train/` and `test/` with the classes in them are read too. A foreground may lie in two classes: its second name is
listed, and it is used once. `hair_easy` and `hair_hard` are people, and are left out.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rimlib.entities.sources import public
from rimlib.entities.sources.common import Part, Source, pair, root_of
from rimlib.entities.sources.report import Count, Report
from rimlib.errors import RimError
from rimlib.io import files

PEOPLE = ("hair_easy", "hair_hard")
LOOKS = ("defocus", "fur", "motion", "sharp", "texture_holed", "texture_smooth")  # how a matte looks, not what it is of
OBJECTS = tuple(
    "fire glass_ice insect net plant_flower plant_leaf plant_tree plastic_bag smoke_cloud spider_web water_drop "
    "water_spray".split()
)
CLASSES = tuple(sorted((*PEOPLE, *LOOKS, *OBJECTS)))
TEST_LIST = "SIMD_composition_test_filelist.txt"


def read(folder: str | Path, deep: bool = False, least: int | None = None) -> Source:
    """SIMD/<class>/{alpha,fg}, or SIMD/{train,test}/<class>/{alpha,fg}. See `public.read`.

    Raises:
        RimError: no class folder at all, or one without its alpha/ or fg/.
    """
    layout = public.LAYOUTS["sim"]
    root = root_of(folder, layout.roots, [prefix + name for prefix in ("", "train/", "test/") for name in CLASSES])
    report = Report(layout.title, root)
    source = Source(layout.name, report)
    listed = _test_list(root)
    parted = [split for split in ("train", "test") if any((root / split / name).is_dir() for name in CLASSES)]
    places = [(split, name) for split in parted or [""] for name in CLASSES]
    cutouts, reasons = [], {}
    seen: dict[str, str] = {}
    for split, name in places:
        where = f"{split}/{name}" if split else name
        if not (root / where).is_dir():
            report.missing.append(f"{where}/: no such folder of a class")
            continue
        part = Part(split or "train", f"{where}/alpha", foregrounds=f"{where}/fg", group=name)
        found = pair(part, report, **layout.facts)
        report.counts.append(Count(where, len(found)))
        for cutout in found:
            if name in PEOPLE:
                reasons[cutout.path] = "a person, by its class"
            elif cutout.name in seen:
                reasons[cutout.path] = f"the same foreground as {seen[cutout.name]}"
            else:
                seen[cutout.name] = cutout.path
            test = cutout.split == "test" or (not split and cutout.name in listed.get(name, ()))
            word = name if name in OBJECTS else None
            cutouts.append(replace(cutout, split="test" if test else "train", weak_category=word))
    if not report.counts:
        raise RimError(
            f"{root}: a part of SIM is missing: folders of its classes, such as fire/alpha and fire/fg, were expected",
            path=root,
        )
    if not parted and not listed:
        report.notes.append(f"{TEST_LIST} is not there; every image counts as a training image")
    names = {(cutout.group, cutout.name) for cutout in cutouts}
    report.odd += [
        f"{TEST_LIST}: names {name}/{stem}, and there is no such matte"
        for name, stems in listed.items()
        for stem in sorted(stems)
        if (name, stem) not in names
    ]
    public.finish(layout, source, cutouts, deep, least, reasons)
    return source


def _test_list(root: Path) -> dict[str, set[str]]:
    """The stems of the test foregrounds of each class."""
    path = next((folder / TEST_LIST for folder in (root, root.parent) if (folder / TEST_LIST).is_file()), None)
    if path is None:
        return {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = files.reason(error) if isinstance(error, OSError) else "it is not text"
        raise RimError(f"{path}: cannot be read: {why}", path=path) from error
    found: dict[str, set[str]] = {}
    for number, line in enumerate(lines, 1):
        fields = line.split(":")
        if len(fields) != 3:
            message = f"{path}, line {number}: expected class:foreground:background, found {line[:80]!r}"
            raise RimError(message, path=path)
        found.setdefault(fields[0], set()).add(Path(fields[1]).stem)
    return found
