"""Rendering a plan to disk: on one core, on all, or on many machines; stopped at any moment, it goes on where it was.

The plan is made first, one scene after the other, into the labels and the orders that the renderer needs. Its hash stands in
`plan.json`: a folder that was begun from another plan is refused. Then chunks of scenes are rendered, each from its orders and
from a small pool that holds what they use, and the journal notes what is in place. The labels and the manifest come last.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from rimlib.entities import synonyms
from rimlib.entities.pool import Pool
from rimlib.errors import RimError
from rimlib.io import files
from rimlib.profile import Data
from rimlib.refmatte import manifest
from rimlib.refmatte import plan as planning
from rimlib.refmatte.folder import alone, stays_in, sweep
from rimlib.refmatte.jobs import Orders
from rimlib.refmatte.manifest import WORK
from rimlib.refmatte.render import render  # noqa: F401  (render: where one scene is wanted without files)
from rimlib.refmatte.workers import render_all


def open_pool(name: str) -> Pool:
    """The pool that `profile.data.pool` names."""
    from rimlib.entities import starter

    if name == "drawn":
        from rimlib.entities import drawn

        return drawn.load()
    return starter.load() if name == "starter" else starter.load(name)


def folder_of(profile, parent: str | Path | None = None) -> Path:
    """Where a profile's data set lives: `data/<profile>-<8 hex of its data settings>` of the repository, or below `parent`."""
    from rimlib.repository import repository

    mark = hashlib.sha256(repr(profile.data).encode()).hexdigest()[:8]
    return Path(parent or repository() / "data") / f"{profile.name}-{mark}"


def build(
    settings: Data,
    root: str | Path,
    splits: tuple[str, ...] = ("train", "seen", "test"),
    workers: int = 1,
    pool: Pool | None = None,
    progress: bool = True,
    dask: str | None = None,
) -> Path:
    """Make a data set in RefMatte's layout, or finish or repair one that was begun.

    Args:
        settings: `profile.data`.
        root: the folder; made when missing. One that holds anything else, or another plan's data, is refused.
        workers: processes; -1 for all cores. Any number gives the same bytes.
        dask: address of a Dask scheduler, whose workers render instead. They must see `root` under the same path.

    Returns:
        The folder.

    Raises:
        RimError: a folder that is refused or in use, a setting, picture or file that cannot be used, a full disk.
    """
    root = Path(root).absolute()
    if workers < 1 and workers != -1:
        raise RimError(f"workers: 1 or more is expected, or -1 for all cores, found {workers}")
    for split in splits:
        planning.count(settings, split)  # refuses a split that there is not
    pool = pool or open_pool(settings.pool)
    _note_categories(pool)
    with alone(root):
        stamp = _begin(root, settings, pool, splits)
        for split in splits:
            _build_split(root, split, Orders(root / WORK, split, settings, pool), stamp, workers, dask, progress)
    return root


def _note_categories(pool: Pool) -> None:
    for category in synonyms.unknown(pool.categories()):
        names = [entity.name for entity in pool.entities if entity.category == category]
        print(
            f"note: the category {category!r} ({len(names)} entities, such as {names[0]}) has no synonyms in rimlib/entities/categories.json; "
            "sentences use the word alone",
            file=sys.stderr,
        )


def _begin(root: Path, settings: Data, pool: Pool, splits: tuple[str, ...]) -> dict:
    """`plan.json`, made or compared."""
    made_from = {"pool": pool.fingerprint(), "settings": hashlib.sha256(repr(settings).encode()).hexdigest()}
    stamp = manifest.stamp_of(root)
    if stamp is None and (root / "plan.json").is_file():
        raise _other_plan(root)
    if stamp is None or not any(stamp["splits"].values()):  # nothing was planned yet, so nothing is lost
        stamp = {**made_from, "splits": {}}
    if {key: stamp.get(key) for key in made_from} != made_from:
        raise _other_plan(root)
    stamp["splits"] = {
        name: stamp["splits"].get(name) for name in planning.SPLITS if name in splits or name in stamp["splits"]
    }
    files.write_json(root / "plan.json", stamp)
    return stamp


def _build_split(
    root: Path, split: str, orders: Orders, stamp: dict, workers: int, dask: str | None, progress: bool
) -> None:
    known = stamp["splits"][split]
    if known and orders.head() != known["head"]:
        raise _other_plan(root)
    journal = manifest.journal_path(root, split)
    if not _is_complete(root, split):
        plan = orders.write(progress)
        if known and plan != known:
            raise _other_plan(root)
        stamp["splits"][split] = plan
        files.write_json(root / "plan.json", stamp)
        for folder in ("img", "mask"):
            path = root / split / folder
            path.mkdir(parents=True, exist_ok=True)
            stays_in(root, path)
        done = _done(root, split)
        _render(root, split, orders, done, plan["scenes"], workers, dask, progress)
        sweep(root, split)
        _finish(root, split, orders, done, plan)
    orders.remove()
    journal.unlink(missing_ok=True)


def _is_complete(root: Path, split: str) -> bool:
    """Is there a manifest, and are its files? If some are not, it becomes the journal of those that are."""
    listed = manifest.read(root, split)
    if listed is None:
        return False
    if manifest.is_whole(root, ([path, *row] for path, row in listed["files"].items())):
        return True
    scenes: dict[str, list] = {}
    for path, row in listed["files"].items():
        if path.startswith(f"{split}/"):
            name = Path(path).stem if "/img/" in path else Path(path).stem.rpartition("_")[0]
            scenes.setdefault(name, []).append([path, *row])
    files.write_atomically(
        manifest.journal_path(root, split), "".join(json.dumps([name, rows]) + "\n" for name, rows in scenes.items())
    )
    manifest.manifest_path(root, split).unlink()
    return False


def _done(root: Path, split: str) -> dict[str, int]:
    """The scenes whose files are in place → the start of their line in the journal, which is cut after its last good line."""
    done, end = {}, 0
    for start, end, name, rows in manifest.read_journal(root, split):
        if manifest.is_whole(root, rows):
            done[name] = start
    if (journal := manifest.journal_path(root, split)).is_file():
        os.truncate(journal, end)
    return done


def _render(
    root: Path,
    split: str,
    orders: Orders,
    done: dict[str, int],
    total: int,
    workers: int,
    dask: str | None,
    progress: bool,
) -> None:
    """Render what is left; each scene whose files are in place joins `done` and the journal."""
    from tqdm import tqdm  # plain text, which papermill can pass on to the terminal

    canvas, said = (orders.settings.height, orders.settings.width), False
    tasks = (
        (
            orders.pool.only(
                (name for order in chunk for name in order.entities), (order.background for order in chunk)
            ),
            chunk,
            root,
            split,
            canvas,
        )
        for chunk in orders.left(done)
    )
    with (
        open(manifest.journal_path(root, split), "ab") as journal,
        tqdm(desc=f"scenes of {split}", total=total, initial=len(done), unit="scene", disable=not progress) as bar,
    ):
        for chunk in render_all(tasks, workers, dask):
            if not (root / chunk[-1].files[-1][0]).is_file():
                raise RimError(
                    f"{root}: {chunk[-1].files[-1][0]} was written by a worker and is not here; all machines of a cluster "
                    "must share this folder"
                )
            if not said and (scene := max(chunk, key=lambda scene: scene.enlarged)).enlarged > 1:
                said = True
                tqdm.write(
                    f"note: the background of {scene.name} is smaller than the scene and was enlarged {scene.enlarged:.2f} times; "
                    "others may be too",
                    file=sys.stderr,
                )
            lines = [json.dumps([scene.name, scene.files]).encode() + b"\n" for scene in chunk]
            start = journal.tell()
            journal.writelines(lines)
            journal.flush()
            for scene, line in zip(chunk, lines):
                done[scene.name], start = start, start + len(line)
            bar.update(len(chunk))


def _finish(root: Path, split: str, orders: Orders, done: dict[str, int], plan: dict) -> None:
    """The labels, and when all is on the disk, the manifest."""
    labels = []
    for path in orders.labels:
        labels.append([path.name, path.stat().st_size, files.sha256(path)])
        os.replace(path, root / path.name)
    os.sync()

    def rows() -> Iterator[list]:
        yield from labels
        with open(manifest.journal_path(root, split), "rb") as journal:
            for order in orders:
                journal.seek(done[order.name])
                yield from json.loads(journal.readline())[1]

    manifest.write(root, split, plan, rows())


def _other_plan(root: Path) -> RimError:
    return RimError(
        f"{root}: holds a data set made from another plan (other settings, another pool, or another version of the engine); "
        "choose another folder or delete this one"
    )
