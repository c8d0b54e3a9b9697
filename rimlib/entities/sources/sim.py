"""SIM, the Semantic Image Matting set (SIMD): 20 classes of matting patterns. Paper: Table S1, 271 training and 41 test foregrounds.

The split is that of the list of its own test scenes, `SIMD_composition_test_filelist.txt` (lines "class:foreground:background"),
looked for in the folder and the one above it; `train/` and `test/` with the classes in them are read too. A foreground may lie in
two classes: its second name is listed, and it is used once. `hair_easy` and `hair_hard` are people, and are left out.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rimlib.entities.sources import public
from rimlib.entities.sources.common import Cutting, Part, Source, pair, root_of
from rimlib.entities.sources.report import Count, Report
from rimlib.errors import RimError
from rimlib.io import files

CLASSES = (
    "defocus",
    "fire",
    "fur",
    "glass_ice",
    "hair_easy",
    "hair_hard",
    "insect",
    "motion",
    "net",
    "plant_flower",
    "plant_leaf",
    "plant_tree",
    "plastic_bag",
    "sharp",
    "smoke_cloud",
    "spider_web",
    "texture_holed",
    "texture_smooth",
    "water_drop",
    "water_spray",
)
PEOPLE = ("hair_easy", "hair_hard")
LOOKS = (
    "defocus",
    "fur",
    "motion",
    "sharp",
    "texture_holed",
    "texture_smooth",
)  # classes that say how a matte looks, not what it is of
TEST_LIST = "SIMD_composition_test_filelist.txt"
LAYOUT = public.Layout(
    mark="sim",
    title="SIM",
    roots=("SIMD", "SIM"),
    kind="thing",
    licence="SIMD terms; a part of it on request from Adobe",
    credit="Sun et al., Semantic image matting, CVPR 2021",
    people=False,
    least=512,
    parts=(Part("train", "", paper=271), Part("test", "", paper=41)),
)


def read(folder: str | Path, deep: bool = False, least: int | None = None) -> Source:
    """SIMD/<class>/{alpha,fg}, or SIMD/{train,test}/<class>/{alpha,fg}. See `public.read`.

    Raises:
        RimError: no class folder at all, or one without its alpha/ or fg/.
    """
    root = root_of(folder, LAYOUT.roots, [prefix + name for prefix in ("", "train/", "test/") for name in CLASSES])
    report = Report(LAYOUT.title, str(root))
    listed = _test_list(root)
    cuttings: list[Cutting] = []
    counts, reasons, seen = [], {}, {}
    parted = [split for split in ("train", "test") if any((root / split / name).is_dir() for name in CLASSES)]
    for split in parted or [""]:
        for name in CLASSES:
            where = f"{split}/{name}" if split else name
            if not (root / where).is_dir():
                report.missing.append(f"{where}/: no such folder of a class")
                continue
            part = Part(split or "train", f"{where}/alpha", foregrounds=f"{where}/fg", group=name)
            found = pair(LAYOUT.mark, LAYOUT.kind, root, part, report, LAYOUT.title, LAYOUT.licence, LAYOUT.credit)
            if not split:
                found = [
                    replace(item, split="test" if item.name in listed.get(name, ()) else "train") for item in found
                ]
            counts.append(Count(where, len(found)))
            for cutting in found:
                if name in PEOPLE:
                    reasons[cutting.path] = "a person, by its class"
                elif cutting.name in seen:
                    reasons[cutting.path] = f"the same foreground as {seen[cutting.name]}"
                else:
                    seen[cutting.name] = cutting.path
            cuttings += [replace(item, weak_category=None if name in (*PEOPLE, *LOOKS) else name) for item in found]
    if not counts:
        raise RimError(
            f"{root}: a part of SIM is missing: folders of its classes, such as {CLASSES[0]}/alpha and {CLASSES[0]}/fg, were expected"
        )
    if not parted and not listed:
        report.notes.append(f"{TEST_LIST} is not there; every picture counts as a training picture")
    report.odd += [
        f"{TEST_LIST}: names {name}/{stem}, and there is no such matte"
        for name, stems in listed.items()
        for stem in sorted(stems - {item.name for item in cuttings if item.group == name})
    ]
    return public.finish(LAYOUT, root, report, cuttings, counts, deep, least, reasons)


def check(folder: str | Path, deep: bool = False) -> Report:
    return read(folder, deep).report


def _test_list(root: Path) -> dict[str, set[str]]:
    """The stems of the test foregrounds of each class."""
    path = next((folder / TEST_LIST for folder in (root, root.parent) if (folder / TEST_LIST).is_file()), None)
    if path is None:
        return {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RimError(
            f"{path}: cannot be read: {files.reason(error) if isinstance(error, OSError) else 'it is not text'}"
        ) from error
    found: dict[str, set[str]] = {}
    for number, line in enumerate(lines, 1):
        fields = line.split(":")
        if len(fields) != 3:
            raise RimError(f"{path}, line {number}: expected class:foreground:background, found {line[:80]!r}")
        found.setdefault(fields[0], set()).add(Path(fields[1]).stem)
    return found
