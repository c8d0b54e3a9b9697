"""Rendering a plan to disk, in parallel, so that it can be stopped at any moment and goes on where it was.

Pictures and mattes are written one by one, whole or not at all; the label file comes last, so that a folder with a label file
is complete. Each scene depends on its plan only: any number of processes gives the same bytes.
"""
from __future__ import annotations

import hashlib
from pathlib import Path

from rimlib import files, images
from rimlib.entities.pool import Pool
from rimlib.errors import RimError
from rimlib.profile import Data
from rimlib.refmatte import format, plan as planning
from rimlib.refmatte.composite import composite
from rimlib.refmatte.plan import ScenePlan

QUALITY = 92   # of the JPEG pictures


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


def build(settings: Data, root: str | Path, splits: tuple[str, ...] = ("train", "seen", "test"), workers: int = 1,
          pool: Pool | None = None, progress: bool = True) -> Path:
    """Make a data set in RefMatte's layout, or finish one that was begun.

    Args:
        settings: `profile.data`.
        root: the folder; made when missing. A folder with another plan's data is refused.
        workers: processes.

    Returns:
        The folder.
    """
    root = Path(root)
    pool = pool or open_pool(settings.pool)
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RimError(f"{root}: can't make this folder ({error.strerror})") from None
    stamp = {"pool": pool.fingerprint(), "settings": hashlib.sha256(repr(settings).encode()).hexdigest()}
    if (root / "plan.json").is_file():
        if files.read_json(root / "plan.json") != stamp:
            raise RimError(f"{root}: holds a data set made from another plan; choose another folder or delete this one")
    else:
        files.write_json(root / "plan.json", stamp)
    for split in splits:
        if not format.label_path(root, split).is_file():
            _build_split(pool, settings, root, split, workers, progress)
    return root


def _build_split(pool: Pool, settings: Data, root: Path, split: str, workers: int, progress: bool) -> None:
    from joblib import Parallel, delayed
    from tqdm import tqdm  # plain text, which papermill can pass on to the terminal

    scenes = planning.plan(pool, settings, split)
    for folder in ("img", "mask"):
        (root / split / folder).mkdir(parents=True, exist_ok=True)
    todo = [scene for scene in scenes if not _finished(root, split, scene)]
    chunks = [todo[start:start + 50] for start in range(0, len(todo), 50)]
    canvas = (settings.height, settings.width)
    run = Parallel(n_jobs=workers, return_as="generator") if workers > 1 else None
    jobs = (delayed(_render_chunk)(pool, chunk, root, split, canvas) for chunk in chunks)
    done = run(jobs) if run else (_render_chunk(pool, chunk, root, split, canvas) for chunk in chunks)
    with tqdm(total=len(scenes), initial=len(scenes) - len(todo), desc=f"scenes of {split}", unit="scene", disable=not progress) as bar:
        for count in done:
            bar.update(count)
    format.write_labels(root, split, scenes, pool)


def _finished(root: Path, split: str, scene: ScenePlan) -> bool:
    """The picture is written after its mattes, so it alone tells."""
    return format.image_path(root, split, scene.name).is_file()


def _render_chunk(pool: Pool, scenes: list[ScenePlan], root: Path, split: str, canvas: tuple[int, int]) -> int:
    for scene in scenes:
        picture, mattes = render(pool, scene, canvas)
        for index, alpha in enumerate(mattes):
            images.write_matte(format.mask_path(root, split, f"{scene.name}_{index + 1}"), alpha, durable=False)
        images.write_picture(format.image_path(root, split, scene.name), picture, quality=QUALITY, durable=False)
    return len(scenes)


def render(pool: Pool, scene: ScenePlan, canvas: tuple[int, int]):
    """The picture, uint8 (H, W, 3), and the visible alpha of each entity, float32 (H, W), of one planned scene."""
    return composite(pool.background(scene.background), [pool.cutout(name) for name in scene.entities], list(scene.placements),
                     canvas, list(scene.mirrored))
