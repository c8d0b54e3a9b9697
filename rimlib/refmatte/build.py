"""Rendering a plan to disk: on one core, on all, or on many machines; a build that was stopped is resumed.

The plan is made first, one scene after the other, into the labels and the jobs that the renderer needs. Its hash stands
in `plan.json`: a folder that was begun from another plan is refused. Then chunks of scenes are rendered, each from its
jobs and from a small pool that holds what they use. Files are written whole or not at all, so a scene whose files are
there is done. The labels and the manifest come last.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from tqdm import tqdm  # plain text, which papermill can pass on to the terminal

from rimlib.entities import drawn, starter, synonyms
from rimlib.entities.pool import Pool
from rimlib.entities.recolor import with_recolored
from rimlib.errors import RimError
from rimlib.io import files
from rimlib.profile import Data, Profile
from rimlib.refmatte import manifest, released
from rimlib.refmatte import plan as planning
from rimlib.refmatte.folder import exclusive, reject_links_outside, remove_partial_files
from rimlib.refmatte.jobs import RenderJob, RenderPlan
from rimlib.refmatte.manifest import WORK, Row
from rimlib.refmatte.workers import Task, render_all
from rimlib.repository import repository

_LAST_BYTES = {".jpg": b"\xff\xd9", ".png": b"IEND\xaeB\x60\x82"}


def pool_of(settings: Data, pool: Pool | None = None) -> Pool:
    """What scenes are made of: the pool that the settings name, or another one, with its recoloured variants."""
    return with_recolored(open_pool(settings.pool) if pool is None else pool, settings.recolored)


def open_pool(name: str) -> Pool:
    """The pool that `profile.data.pool` names."""
    if name == "drawn":
        return drawn.load()
    return starter.load() if name == "starter" else starter.load(name)


def folder_of(profile: Profile, parent: str | Path | None = None) -> Path:
    """Where a profile's data set lives: `data/<profile>-<8 hex of its data settings>`, or below another parent."""
    mark = hashlib.sha256(repr(profile.data).encode()).hexdigest()[:8]
    return Path(parent or repository() / "data") / f"{profile.name}-{mark}"


def build_or_open(
    profile: Profile,
    folder: str | Path = "",
    splits: tuple[str, ...] = ("train", "seen", "test"),
    workers: int = 1,
    progress: bool = True,
) -> tuple[Path, tuple[str, ...]]:
    """The data set of a chapter: the profile's, made or finished, or one that `rim build` did not make, as it is.

    Args:
        profile: what is made, in `folder_of(profile)`, where no folder is named.
        folder: where it is made, or a RefMatte that is there.
        splits: those that are wanted; what is made has only those of `plan.SPLITS`.
        workers: as `build` has it.
        progress: alike.

    Returns:
        The folder, and which of the splits it has. Raises RimError, as `build`, and where it has none.
    """
    folder = Path(folder or folder_of(profile))
    if (folder / "plan.json").exists() or not folder.is_dir() or not any(folder.iterdir()):
        splits = tuple(split for split in splits if split in planning.SPLITS)
        return build(profile.data, folder, splits, workers, progress=progress), splits
    there = released.splits(folder)
    found = tuple(split for split in splits if split in there)
    if not found:
        raise RimError(f"{folder}: it has {', '.join(there)}, and none of {', '.join(splits)}", path=folder)
    return folder, found


def build(
    settings: Data,
    root: str | Path,
    splits: tuple[str, ...] = ("train", "seen", "test"),
    workers: int = 1,
    pool: Pool | None = None,
    progress: bool = True,
    dask: str | None = None,
) -> Path:
    """Make a data set in RefMatte's layout, or resume or repair one that was begun.

    Args:
        settings: `profile.data`.
        root: the folder; made when missing. One that holds anything else, or another plan's data, is refused.
        splits: those to make.
        workers: processes; -1 for all cores. Any number gives the same bytes.
        pool: what scenes are made of; the one that the settings name if None.
        progress: whether to show bars.
        dask: address of a Dask scheduler, whose workers render instead. They must see `root` under the same path.

    Returns:
        The folder.

    Raises:
        RimError: a folder that is refused or in use, a setting, image or file that cannot be used, a full disk.
    """
    root = Path(root).absolute()
    if workers < 1 and workers != -1:
        raise RimError(f"workers: 1 or more is expected, or -1 for all cores, found {workers}", setting="workers")
    for split in splits:
        planning.count(settings, split)  # refuses an unknown split
    pool = pool_of(settings, pool)
    _note_categories(pool)
    with exclusive(root):
        stamp = _begin(root, settings, pool, splits)
        for split in splits:
            _build_split(root, RenderPlan(root / WORK, split, settings, pool), stamp, workers, dask, progress)
    return root


def _note_categories(pool: Pool) -> None:
    for category in synonyms.unknown(pool.categories()):
        names = [entity.name for entity in pool.entities if entity.category == category]
        print(
            f"note: the category {category!r} ({len(names)} entities, such as {names[0]}) has no synonyms in "
            "rimlib/entities/categories.json; sentences use the word alone",
            file=sys.stderr,
        )


def _begin(root: Path, settings: Data, pool: Pool, splits: tuple[str, ...]) -> dict:
    """`plan.json`, made or compared: pool, settings and version of the engine decide every plan."""
    made_from = {
        "engine": planning.version(settings),
        "pool": pool.fingerprint(),
        "settings": hashlib.sha256(repr(settings).encode()).hexdigest(),
    }
    stamp = manifest.stamp_of(root)
    if stamp is None and (root / "plan.json").is_file():
        raise _other_plan(root)
    if stamp is None or not any(stamp["splits"].values()):  # nothing was planned yet, so nothing is lost
        stamp = {**made_from, "splits": {}}
    if {key: stamp.get(key, 1) for key in made_from} != made_from:  # the first version wrote none
        raise _other_plan(root)
    known = stamp["splits"]
    stamp["splits"] = {name: known.get(name) for name in planning.SPLITS if name in splits or name in known}
    files.write_json(root / "plan.json", stamp)
    return stamp


def _build_split(root: Path, jobs: RenderPlan, stamp: dict, workers: int, dask: str | None, progress: bool) -> None:
    split = jobs.split
    listed = manifest.read(root, split)
    rows: dict[str, Row] = {path: (size, digest) for path, (size, digest) in (listed or {"files": {}})["files"].items()}
    if listed is None or not all(manifest.has_size(root / path, size) for path, (size, _) in rows.items()):
        plan = jobs.write(progress)
        known = stamp["splits"][split] or plan
        if {**known, **plan} != known:
            raise _other_plan(root)
        stamp["splits"][split] = known
        files.write_json(root / "plan.json", stamp)
        for folder in (root / split / "img", root / split / "mask"):
            folder.mkdir(parents=True, exist_ok=True)
            reject_links_outside(root, folder)
        _render(root, jobs, known["scenes"], rows, workers, dask, progress)
        remove_partial_files(root, split)
        _finish(root, jobs, known, rows)
    jobs.remove()


def _render(
    root: Path, jobs: RenderPlan, total: int, rows: dict[str, Row], workers: int, dask: str | None, progress: bool
) -> None:
    """Render the scenes that are not done; what is written joins `rows`, those of an earlier manifest."""
    done = {job.name for job in jobs if _is_done(root, jobs.split, job, rows)}
    canvas, noted = (jobs.settings.height, jobs.settings.width), False

    def tasks() -> Iterator[Task]:
        for chunk in jobs.pending(done):
            entities, backgrounds = (name for job in chunk for name in job.entities), (job.background for job in chunk)
            yield jobs.pool.only(entities, backgrounds), chunk, root, jobs.split, canvas

    bar = tqdm(desc=f"scenes of {jobs.split}", total=total, initial=len(done), unit="scene", disable=not progress)
    with bar:
        for chunk in render_all(tasks(), workers, dask):
            last = chunk[-1].files[-1][0]
            if not (root / last).is_file():
                raise RimError(
                    f"{root}: {last} was written by a worker and is not here; all machines of a cluster must share "
                    "this folder",
                    path=root / last,
                )
            scene = max(chunk, key=lambda scene: scene.enlarged)
            if not noted and scene.enlarged > 1:
                noted = True
                bar.write(
                    f"note: the background of {scene.name} is smaller than the scene and was enlarged "
                    f"{scene.enlarged:.2f} times; others may be too",
                    file=sys.stderr,
                )
            rows.update(row for scene in chunk for row in scene.files)
            bar.update(len(chunk))


def _is_done(root: Path, split: str, job: RenderJob, rows: dict[str, Row]) -> bool:
    """Are the files of a scene there, and whole?"""
    return all(
        manifest.has_size(root / path, rows[path][0]) if path in rows else _is_whole(root / path)
        for path in job.files(split)
    )


def _is_whole(path: Path) -> bool:
    """Does an image end as its format does? After a power cut a name can be there without all of its bytes."""
    try:
        with open(path, "rb") as stream:
            stream.seek(-8, os.SEEK_END)
            return stream.read().endswith(_LAST_BYTES[path.suffix]) and not path.is_symlink()
    except OSError:
        return False


def _finish(root: Path, jobs: RenderPlan, plan: dict, rows: dict[str, Row]) -> None:
    """The labels, and when all is on the disk, the manifest; what an earlier call wrote is hashed here."""
    labels = [path.name for path in jobs.labels]
    for name in labels:
        os.replace(jobs.folder / name, root / name)
        rows[name] = manifest.row_of(root / name)
    os.sync()
    paths = chain(labels, (path for job in jobs for path in job.files(jobs.split)))
    manifest.write(root, jobs.split, plan, ((path, rows.get(path) or manifest.row_of(root / path)) for path in paths))


def _other_plan(root: Path) -> RimError:
    return RimError(
        f"{root}: holds a data set made from another plan (other settings, another pool, or another version of the "
        "engine); choose another folder or delete this one",
        path=root,
    )
