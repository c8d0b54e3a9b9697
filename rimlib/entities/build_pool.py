"""Many cut-outs become a pool: foregrounds estimated, labels found, all in one folder of the shipped pool's format.

Paper: Sec. 3.1. Each entity's foreground is computed once and stored as `entities/NAME.png`; what is known of it stays
in `parts/`, so that a call that was stopped goes on, and a changed table of corrections costs no new foreground.
`pool.json` is written last: a folder without it is not finished.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeVar

from rimlib.entities import annotate as annotation
from rimlib.entities import corrections as tables
from rimlib.entities.auto_labels import AutoLabeller, Reason
from rimlib.entities.cutout_cache import Job, run_jobs
from rimlib.entities.entity import ATTRIBUTES, Background, Entity
from rimlib.entities.sources.common import BackgroundFile, CutoutFiles, Source
from rimlib.entities.sources.long_tail import LEAST, long_tailed
from rimlib.errors import RimError
from rimlib.io import files, images
from rimlib.matting.foreground import METHODS

PARTS = ("entities", "backgrounds")
FILE_KEYS = ("file", "height", "width", "sha256")
Annotate = Callable[..., annotation.Annotation]
Item = TypeVar("Item", CutoutFiles, BackgroundFile)


@dataclass
class Result:
    """What a call made."""

    folder: Path
    entities: int = 0
    backgrounds: int = 0
    computed: int = 0  # cut-outs and backgrounds that this call read; the others were there from an earlier one
    left_out: list[str] = field(default_factory=list)  # a line for each that could not be used
    unused: list[str] = field(default_factory=list)  # names in the table of corrections that no source has
    # why automatic labels are missing, and for how many entities
    unlabelled: Counter[str] = field(default_factory=Counter)


def build(
    sources: list[Source],
    out: str | Path,
    corrections: str | Path | None = None,
    foreground: str = "cf",
    workers: int = 1,
    skip_bad: bool = False,
    long_tail: int = LEAST,
    labeller: AutoLabeller | None = None,
    annotate: Annotate = annotation.annotate,
    progress: bool = True,
) -> Result:
    """Make a pool of all cut-outs and backgrounds of some sources, or finish one that was begun.

    Args:
        sources: as from `sources.open_all`.
        out: the folder; new, empty, or begun by an earlier call. Nothing is written anywhere else.
        corrections: a CSV table, see `rimlib.entities.corrections`.
        foreground: `cf` or `ml` (see `foreground.estimate`), or `given`: the source's own foregrounds where it has
            them, else `cf`.
        workers: processes that read and estimate.
        skip_bad: leave out what can't be used, and list it; otherwise it is an error.
        long_tail: entities that a category needs to stay in the test split (`sources.long_tail`); 0 moves nothing.
        labeller: the networks that label; none by default.
        annotate: the function that annotates a cut-out.
        progress: whether to draw a bar.

    Raises:
        RimError: a cut-out that can't be used (its file is named), two of one name, an attribute that neither a network
            nor the table gives (`wanted.csv` in the folder lists all of these), or a folder that holds something else.
    """
    if foreground not in (*METHODS, "given"):
        raise RimError(f"foreground {foreground!r}: must be {', '.join(METHODS)} or given", setting="foreground")
    table = tables.read(corrections) if corrections is not None else {}
    result = Result(Path(out))
    cutouts = _by_name(_chosen(sources, table), "entity", skip_bad, result)
    backgrounds = _by_name([item for source in sources for item in source.backgrounds], "background", skip_bad, result)
    known = {cutout.name for source in sources for cutout in (*source.cutouts, *source.left_out)}
    result.unused = sorted(set(table) - known)
    _prepare(result.folder)
    items: list[CutoutFiles | BackgroundFile] = [*cutouts.values(), *backgrounds.values()]
    jobs = [Job(item, result.folder, foreground) for item in items]
    cached = [(job, job.cached()) for job in jobs]
    result.computed = sum(record is None for _, record in cached)
    if result.computed:
        (result.folder / "pool.json").unlink(missing_ok=True)
    rows: dict[str, dict] = {}
    background_rows: dict[str, dict] = {}
    wanted: dict[str, str] = {}
    for job, record in run_jobs(cached, workers, progress):
        item = job.item
        if isinstance(record, RimError):
            if not skip_bad:
                raise record
            result.left_out.append(f"{item.name}: {record}")
        elif isinstance(item, BackgroundFile):
            background_rows[item.name] = _background_row(item, record)
        else:
            words = {**item.known, **table.get(item.name, {})}
            try:
                rows[item.name] = _entity_row(job, item, record, words, labeller or AutoLabeller(), annotate, result)
            except RimError as error:
                wanted[item.name] = str(error)
    if wanted:
        _list_wanted(wanted, cutouts, skip_bad, result)
    if long_tail:
        rare = long_tailed({name: row["category"] for name, row in rows.items()}, long_tail)
        for name, row in rows.items():
            if row["category"] in rare and "split" not in {**cutouts[name].known, **table.get(name, {})}:
                row["split"] = "train"
    background_list = [background_rows[name] for name in backgrounds if name in background_rows]
    _finish(result, [rows[name] for name in cutouts if name in rows], background_list)
    return result


def _chosen(sources: list[Source], table: Mapping[str, Mapping[str, str]]) -> list[CutoutFiles]:
    """The cut-outs of all sources, after the column `keep` of the table."""

    def keep(cutout: CutoutFiles) -> str | None:
        return table.get(cutout.name, {}).get("keep")

    chosen = []
    for source in sources:
        chosen += [cutout for cutout in source.cutouts if keep(cutout) != "0"]
        chosen += [cutout for cutout in source.left_out if keep(cutout) == "1"]
    return chosen


def _by_name(items: list[Item], what: str, skip_bad: bool, result: Result) -> dict[str, Item]:
    """The items by name, refusing a name that two of them have; with `skip_bad` the first one keeps it."""
    first: dict[str, Item] = {}
    for item in items:
        if not re.fullmatch(r"[a-z0-9-]+", item.name):
            why = "may hold small letters, digits and - only, since it becomes a file's name"
            raise RimError(f"{item.path}: its {what} name {item.name!r} {why}", path=item.path)
        if item.name in first:
            line = f"{item.path}: is called {item.name}, and so is {first[item.name].path}; {what} names must differ"
            if not skip_bad:
                raise RimError(line, path=item.path)
            result.left_out.append(line)
        else:
            first[item.name] = item
    return first


def _prepare(out: Path) -> None:
    """Make the folders, refuse one that holds something else, and remove half-written files of a killed call."""
    if out.exists() and not out.is_dir():
        raise RimError(f"{out}: is a file; a folder is expected", path=out)
    if out.is_dir() and any(out.iterdir()) and not (out / "parts").is_dir():
        message = f"{out}: holds something that is no pool begun by this command; choose another or an empty folder"
        raise RimError(message, path=out)
    try:
        for folder in [out / part for part in PARTS] + [out / "parts" / part for part in PARTS]:
            folder.mkdir(parents=True, exist_ok=True)
            for rest in folder.iterdir():
                if files.PARTIAL.fullmatch(rest.name):
                    rest.unlink(missing_ok=True)
    except OSError as error:
        raise RimError(f"{out}: can't make this folder: {files.reason(error)}", path=out) from error


def _entity_row(
    job: Job,
    item: CutoutFiles,
    record: dict,
    words: dict[str, str],
    labeller: AutoLabeller,
    annotate: Annotate,
    result: Result,
) -> dict:
    """The row of `pool.json`; annotated again only where something changed, or where weights were missing."""
    kind = words.get("kind", item.kind)
    given = {column: words[column] for column in ATTRIBUTES if column in words}
    networks = [labeller.category, labeller.people, labeller.clothes, labeller.clip]
    inputs = json.dumps([record["stamp"], kind, item.weak_category, given, networks])
    digest = hashlib.sha256(inputs.encode()).hexdigest()
    labels = record.get("labels", [])
    if record.get("annotated_from") != digest or any(label["reason"] == Reason.NO_WEIGHTS for label in labels):
        foreground, alpha = images.read_cutout(result.folder / "entities" / record["file"])
        answer = annotate(item.name, kind, foreground, alpha, given, labeller, item.weak_category)
        record = {**record, "annotated_from": digest, **asdict(answer)}
        labels = record["labels"]
        files.write_json(job.record_path, record)
    missing = (Reason.NO_WEIGHTS, Reason.NOT_ASKED)
    result.unlabelled.update(label["message"] for label in labels if label["reason"] in missing)
    entity = Entity(
        name=item.name,
        kind=kind,
        split=words.get("split", item.split),
        wispy=words.get("wispy") == "1",
        person=words.get("person"),
        source=item.source,
        path=item.path,
        licence=item.licence,
        credit=item.credit,
        **record["values"],
    )
    return {**entity.to_dict(), "automatic": record["automatic"], **{key: record[key] for key in FILE_KEYS}}


def _background_row(item: BackgroundFile, record: dict) -> dict:
    row = Background(item.name, item.category, item.split, item.source, item.path, item.licence, item.credit)
    return {**asdict(row), **{key: record[key] for key in FILE_KEYS}}


def _list_wanted(wanted: dict[str, str], cutouts: dict[str, CutoutFiles], skip_bad: bool, result: Result) -> None:
    """Write a table of what is wanted, to be filled in."""
    rows = [asdict(cutout) for name, cutout in cutouts.items() if name in wanted]
    path = tables.write(result.folder / "wanted.csv", rows)
    if not skip_bad:
        how = f"{path} lists them, to be filled in and given as the table of corrections"
        first = next(iter(wanted.values()))
        raise RimError(f"{len(wanted)} entities lack an attribute; {how}. The first: {first}", path=path)
    result.left_out += [f"{name}: {line}" for name, line in wanted.items()]


def _finish(result: Result, entities: list[dict], backgrounds: list[dict]) -> None:
    """Credits, then `pool.json`."""
    if not entities and not backgrounds:
        first = f"; the first that was left out: {result.left_out[0]}" if result.left_out else ""
        raise RimError(f"{result.folder}: nothing is left to make a pool of{first}", path=result.folder)
    lines = [
        "# Credits",
        "",
        "Cut-outs were cropped and their foreground colours estimated. Each image keeps the terms of its source.",
        "",
        "| image | source | file | terms | credit |",
        "|---|---|---|---|---|",
    ]
    for row in (*entities, *backgrounds):
        cells = (str(row[key]).replace("|", "/") for key in ("name", "source", "path", "licence", "credit"))
        lines.append(f"| {' | '.join(cells)} |")
    files.write_atomically(result.folder / "CREDITS.md", "\n".join(lines) + "\n")
    index = {"entities": entities, "backgrounds": backgrounds, "left_out": result.left_out}
    files.write_json(result.folder / "pool.json", index)
    result.entities, result.backgrounds = len(entities), len(backgrounds)
