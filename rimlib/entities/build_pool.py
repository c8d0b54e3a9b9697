"""Many cut-outs become a pool: foregrounds estimated, words found, everything in one folder in the shipped pool's format.

Paper: Sec. 3.1. Each entity's foreground is computed once and kept as `entities/NAME.png`; what is known of it stays in `parts/`, so that
a call that was stopped goes on, and a changed table of corrections costs no new foreground. `pool.json` is written last: a folder
without it is not finished.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rimlib.entities import corrections as tables
from rimlib.entities.cutout_cache import job, make
from rimlib.entities.entity import Background, Entity
from rimlib.entities.sources.common import Backdrop, Cutting, Source
from rimlib.entities.sources.long_tail import LEAST, long_tailed
from rimlib.errors import RimError
from rimlib.io import files, images
from rimlib.matting.foreground import METHODS


@dataclass
class Gathered:
    """What a call made.

    Attributes:
        computed: cut-outs and backgrounds that this call read; the others were there from an earlier one.
        left_out: a line for each that could not be used. unused: names in the table of corrections that no source has.
        said: which proposals could not be had and why, and for how many entities.
    """

    folder: Path
    entities: int = 0
    backgrounds: int = 0
    computed: int = 0
    left_out: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    said: Counter = field(default_factory=Counter)


def gather(
    sources: list[Source],
    out: str | Path,
    corrections: str | Path | None = None,
    foreground: str = "cf",
    workers: int = 1,
    skip_bad: bool = False,
    long_tail: int = LEAST,
    proposers=None,
    annotate: Callable | None = None,
    progress: bool = True,
) -> Gathered:
    """Make a pool of all cut-outs and backgrounds of some sources, or finish one that was begun.

    Args:
        out: the folder; new, empty, or begun by an earlier call. Nothing is written anywhere else.
        corrections: a CSV table, see `rimlib.entities.corrections`.
        foreground: `cf` or `ml` (see `foreground.estimate`), or `given`: the source's own foregrounds where it has them, else `cf`.
        workers: processes that read and estimate.
        skip_bad: leave out what can't be used, and list it; otherwise it is an error.
        long_tail: entities that a category needs to stay in the test split (`sources.move_long_tail`); 0 moves nothing.
        proposers, annotate: the machines, and the function that asks them (default: `rimlib.entities.annotate`).

    Raises:
        RimError: a cut-out that can't be used (its file is named), two of one name, a word that neither machine nor table gives
            (`wanted.csv` in the folder lists all of these), or a folder that holds something else.
    """
    if foreground not in (*METHODS, "given"):
        raise RimError(f"foreground {foreground!r}: must be {', '.join(METHODS)} or given")
    if annotate is None:
        from rimlib.entities import annotate as module

        annotate, proposers = module.annotate, module.Proposers() if proposers is None else proposers
    table = tables.read(corrections) if corrections is not None else {}
    result = Gathered(Path(out))
    cuttings = _one_each([*_chosen(sources, table)], "entity", skip_bad, result)
    backdrops = _one_each([item for source in sources for item in source.backdrops], "background", skip_bad, result)
    result.unused = sorted(
        set(table) - {cutting.name for source in sources for cutting in (*source.cuttings, *source.left_out)}
    )
    _prepare(result.folder)
    jobs = [job(item, result.folder, foreground) for item in (*cuttings, *backdrops)]
    result.computed = sum(kept is None for *_, kept in jobs)
    if result.computed:
        (result.folder / "pool.json").unlink(missing_ok=True)
    rows: dict[str, dict[str, dict]] = {"entities": {}, "backgrounds": {}}
    wanted: dict[str, str] = {}
    for item, made in _run(jobs, workers, progress):
        if isinstance(made, RimError):
            if not skip_bad:
                raise made
            result.left_out.append(f"{item.name}: {made}")
        elif isinstance(item, Backdrop):
            rows["backgrounds"][item.name] = _background_row(item, made)
        else:
            try:
                rows["entities"][item.name] = _annotated(
                    item, made, result, {**item.known, **table.get(item.name, {})}, proposers, annotate
                )
            except RimError as error:
                wanted[item.name] = str(error)
    if wanted:
        _ask_for(wanted, cuttings, skip_bad, result)
    entities = [rows["entities"][item.name] for item in cuttings if item.name in rows["entities"]]
    if long_tail:
        fixed = {item.name for item in cuttings if "split" in {**item.known, **table.get(item.name, {})}}
        rare = long_tailed({row["name"]: row["category"] for row in entities}, long_tail)
        for row in entities:
            if row["category"] in rare and row["name"] not in fixed:
                row["split"] = "train"
    _finish(
        result, entities, [rows["backgrounds"][item.name] for item in backdrops if item.name in rows["backgrounds"]]
    )
    return result


def _chosen(sources: list[Source], table: dict[str, dict[str, str]]) -> Iterator[Cutting]:
    for source in sources:
        yield from (cutting for cutting in source.cuttings if table.get(cutting.name, {}).get("keep") != "0")
        yield from (cutting for cutting in source.left_out if table.get(cutting.name, {}).get("keep") == "1")


def _one_each(items: list, what: str, skip_bad: bool, result: Gathered) -> list:
    """The items, refusing a name that two of them have; with `skip_bad` the first one keeps it."""
    first: dict[str, object] = {}
    for item in items:
        if not re.fullmatch(r"[a-z0-9-]+", item.name):
            raise RimError(
                f"{item.path}: its {what} name {item.name!r} may hold small letters, digits and - only, since it becomes a file's name"
            )
        if item.name in first:
            line = f"{item.path}: is called {item.name}, and so is {first[item.name].path}; the {what} names of all sources must differ"
            if not skip_bad:
                raise RimError(line)
            result.left_out.append(line)
        else:
            first[item.name] = item
    return list(first.values())


def _prepare(out: Path) -> None:
    """Make the folders, refuse one that holds something else, and remove half-written files of a call that was killed."""
    if out.exists() and not out.is_dir():
        raise RimError(f"{out}: is a file; a folder is expected")
    if out.is_dir() and any(out.iterdir()) and not (out / "parts").is_dir():
        raise RimError(
            f"{out}: holds something that is no pool begun by this command; choose another folder, or an empty one"
        )
    try:
        for name in ("parts/entities", "parts/backgrounds", "entities", "backgrounds"):
            (out / name).mkdir(parents=True, exist_ok=True)
            for rest in (out / name).glob(".*.part"):
                rest.unlink(missing_ok=True)
    except OSError as error:
        raise RimError(f"{out}: can't make this folder: {files.reason(error)}") from error


def _run(jobs: list[tuple], workers: int, progress: bool) -> Iterator[tuple]:
    """(item, record or the error) of each job, in whatever order they are done."""
    from joblib import Parallel, delayed
    from tqdm import tqdm  # plain text, which papermill can pass on to the terminal

    todo = [task for task in jobs if task[-1] is None]
    with tqdm(
        total=len(jobs), initial=len(jobs) - len(todo), desc="cut-outs and backgrounds", disable=not progress
    ) as bar:
        yield from ((task[0], task[-1]) for task in jobs if task[-1] is not None)
        done = (
            Parallel(n_jobs=workers, return_as="generator_unordered")(delayed(make)(*task[:-1]) for task in todo)
            if workers > 1
            else (make(*task[:-1]) for task in todo)
        )
        for pair in done:
            bar.update()
            yield pair


def _annotated(
    cutting: Cutting, record: dict, result: Gathered, words: dict[str, str], proposers, annotate: Callable
) -> dict:
    """The row of `pool.json` for one cut-out; the machines are asked again only where something changed."""
    kind = words.get("kind", cutting.kind)
    asked = {column: words[column] for column in tables.WORDS if column in words}
    machines = [getattr(proposers, name, None) for name in ("category", "people", "clothes", "clip")]
    question = hashlib.sha256(
        json.dumps([record["stamp"], kind, cutting.weak_category, asked, machines]).encode()
    ).hexdigest()
    if record.get("question") != question or any(
        "no weights" in line for line in record["said"]
    ):  # they may be there by now
        foreground, alpha = images.read_cutout(result.folder / "entities" / record["file"])
        answer = annotate(cutting.name, kind, foreground, alpha, asked, proposers, cutting.weak_category)
        record = {
            **record,
            "question": question,
            "values": answer.values,
            "proposed": answer.proposed,
            "said": answer.said,
        }
        files.write_json(result.folder / "parts" / "entities" / f"{cutting.name}.json", record)
    result.said.update(line for line in record["said"] if ": no weights" in line or ": no machine" in line)
    entity = Entity(
        name=cutting.name,
        kind=kind,
        split=words.get("split", cutting.split),
        wispy=words.get("wispy") == "1",
        person=words.get("person"),
        source=cutting.source,
        path=cutting.path,
        licence=cutting.licence,
        credit=cutting.credit,
        **record["values"],
    )
    return {
        **entity.to_dict(),
        "proposed": record["proposed"],
        **{key: record[key] for key in ("file", "height", "width", "sha256")},
    }


def _background_row(backdrop: Backdrop, record: dict) -> dict:
    row = asdict(
        Background(
            backdrop.name,
            backdrop.category,
            backdrop.split,
            backdrop.source,
            backdrop.path,
            backdrop.licence,
            backdrop.credit,
        )
    )
    return {**row, **{key: record[key] for key in ("file", "height", "width", "sha256")}}


def _ask_for(wanted: dict[str, str], cuttings: list[Cutting], skip_bad: bool, result: Gathered) -> None:
    rows = [
        {"name": item.name, "path": item.path, "weak_category": item.weak_category or "", "kind": item.kind}
        for item in cuttings
        if item.name in wanted
    ]
    path = tables.write(result.folder / "wanted.csv", rows)
    if not skip_bad:
        raise RimError(
            f"{len(wanted)} entities lack a word; {path} lists them, to be filled in and given as the table of corrections. "
            f"The first: {next(iter(wanted.values()))}"
        )
    result.left_out += [f"{name}: {line}" for name, line in wanted.items()]


def _finish(result: Gathered, entities: list[dict], backgrounds: list[dict]) -> None:
    """Credits, then `pool.json`."""
    if not entities and not backgrounds:
        raise RimError(
            f"{result.folder}: nothing is left to make a pool of"
            + (f"; the first that was left out: {result.left_out[0]}" if result.left_out else "")
        )
    lines = [
        "# Credits",
        "",
        "Cut-outs were cropped and their foreground colours estimated. Each picture keeps the terms of its source.",
        "",
        "| picture | source | file | terms | credit |",
        "|---|---|---|---|---|",
    ]
    lines += [
        "| "
        + " | ".join(str(row[key]).replace("|", "/") for key in ("name", "source", "path", "licence", "credit"))
        + " |"
        for row in (*entities, *backgrounds)
    ]
    files.write_atomically(result.folder / "CREDITS.md", "\n".join(lines) + "\n")
    files.write_json(
        result.folder / "pool.json", {"entities": entities, "backgrounds": backgrounds, "left_out": result.left_out}
    )
    result.entities, result.backgrounds = len(entities), len(backgrounds)
