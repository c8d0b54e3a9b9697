"""How good a method's mattes are on a RefMatte data set.

Paper: Sec. 5.1, S4.2. A model sees its own square; its float matte is resized back and compared at the image's own
size. An image is encoded once for all its sentences. Whatever has `baselines.baseline.Method.predict` can be scored.
The command is `rim evaluate`; `queries` has the sentences, `stream` the order of the work, `rows` what lies on disk,
and `summary` the means.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from rimlib.clipmat import prompt
from rimlib.clipmat.refiner import Refiner
from rimlib.errors import RimError
from rimlib.evaluation.rows import Row, Rows, share_of
from rimlib.evaluation.stream import Scoring
from rimlib.evaluation.summary import summary
from rimlib.matting.trimap import kernel_for
from rimlib.profile import Profile
from rimlib.refmatte.dataset import RefMatte

REFINED = "refined"
SPLITS = {"seen": "seen", "unseen": "test"}  # known entities in new scenes, unknown ones: splits of the data set
ERRORS = ("sad", "mse", "mad", "sad_e", "mse_e", "mad_e")  # Paper: Tables 6 to 10
SCORES = ("entities", "localised", "chance", "iou", *ERRORS, "sad_in_band", "sad_ratio")


def evaluate(
    model: Any,
    refmatte: RefMatte,
    setting: str | None = None,
    limit: int | None = None,
    batch: int = 16,
    template: str = prompt.DEFAULT,
    every: bool = False,
    beside: bool = False,
    device: str | torch.device | None = None,
    progress: bool = False,
    profile: Profile | None = None,
    refiner: Refiner | None = None,
    edges: bool = True,
    workers: int = 0,
    mattes: str | Path | None = None,
    rows: Rows | None = None,
    rank: int = 0,
    world: int = 1,
    failures: bool = False,
) -> dict[str, Any]:
    """Score a method on a data set.

    Args:
        model: a CLIPMat, or any method of `baselines`.
        refmatte: a `RefMatte`, in one of the two settings.
        setting: if given, the data set is read in this one instead.
        limit: the first so many images.
        batch: images encoded together.
        template: of keywords, with {keyword} (Paper: Table 8).
        every: score each of an entity's expressions (Paper: Table 9), not its fixed one.
        beside: score each too, but count the fixed one in the headline, and all of them in `all` beside it.
        device: None is where the model is.
        progress: show a bar.
        profile: whose trimap kernel is the width of the true edge's band (None: the model's, or 25 pixels).
        refiner: score each matte after it too (Paper: Tables 2 and 6).
        edges: measure Grad, Conn and the error in the band; without them a matte takes a tenth of the time.
        workers: threads that read files and score, beside the model's.
        mattes: a folder for the predicted mattes, `<mask id>.png` at the image's size; with `every` in a folder for
            each number of a sentence, those of the refiner in `refined`.
        rows: where rows are kept as they come, and an interrupted evaluation goes on.
        rank: which of `world` processes this is: each scores its share of the images.
        world: how many processes share the images; without `rows`, the result is that of the share.
        failures: name the kind of each matte too (`matting.failures`), which reads the mattes of all of an image's
            entities.

    Returns:
        {"metrics": …, "rows": …}: one row for each matte scored, and `summary.summary` of them, with how the sentence
        was chosen that the headline counts (`scored_by`). `metrics` is empty, and `missing` how many images are, as
        long as other processes have not scored theirs.

    Raises:
        RimError: there is nothing to score, or a file cannot be used.
    """
    if setting is not None and setting != refmatte.setting:
        refmatte = RefMatte(refmatte.root, refmatte.split, setting)
    names = list(refmatte.image_names)[:limit]
    if not names:
        raise RimError(
            f"{refmatte.layout.labels}: no entity to score: {len(refmatte.image_names)} images, limit {limit}"
        )
    profile = profile or getattr(model, "profile", None)
    scoring = Scoring(
        *(model, refmatte, template, every or beside, refiner, lambda shape: band_kernel(shape, profile), edges),
        *(failures, None if mattes is None else Path(mattes), batch, device, workers),
    )
    everything = list(refmatte.image_names)
    found = {} if rows is None else rows.read(scoring.expected, everything)
    share = share_of(names, rank, world)
    for name, some in _scored(scoring, [name for name in share if name not in found], len(share), progress):
        if rows is None:
            found[name] = some
        else:
            rows.append(some)
    if rows is not None:
        rows.close()
        found = rows.read(scoring.expected, everything)
    flat = [row for name in names for row in found.get(name, ())]
    missing = 0 if rows is None else sum(name not in found for name in names)
    if missing:
        return {"metrics": {}, "rows": flat, "missing": missing}
    if rows is not None:
        rows.join(found)
    is_every = every and refmatte.setting == "expression"
    about: dict[str, Any] = {"setting": refmatte.setting, "split": refmatte.split, "scored_by": refmatte.scored_by}
    about |= {"scored_by": "all"} if is_every else {}
    if refmatte.setting == "keyword":
        about["keywords_read"] = refmatte.keywords_read  # from sentences, where the labels have none
    return {"metrics": {**about, **summary(flat, is_every)}, "rows": flat, "missing": 0}


def _scored(scoring: Scoring, names: list[str], total: int, progress: bool) -> Iterator[tuple[str, list[Row]]]:
    """Each of these images and its rows, the model in evaluation meanwhile."""
    was_training = scoring.model.training
    scoring.model.eval()
    done = total - len(names)
    try:
        with tqdm(total=total, initial=done, desc="evaluate", unit="image", disable=not progress) as bar:
            for some in scoring.rows(names):
                yield some[0]["image"], some
                bar.update()
    finally:
        scoring.model.train(was_training)


def scores(
    model: Any, data: str | Path, profile: Profile, progress: bool = False, limit: int | None = None
) -> dict[str, dict]:
    """The `SCORES` of a method in both settings and on both `SPLITS` of a data set, by both names.

    `profile` is the model's, or that whose template and band are used; `limit` the first so many images of each.
    """
    sets = sets_of(data, ("keyword", "expression"))
    return scores_on(sets, model, profile, progress=progress, limit=limit)


def sets_of(data: str | Path, settings: Sequence[str]) -> dict[str, RefMatte]:
    """Both `SPLITS` of a data set in some settings, by both names: "keyword, seen"."""
    return {f"{one}, {label}": RefMatte(data, split, one) for label, split in SPLITS.items() for one in settings}


def scores_on(sets: dict[str, RefMatte], model: Any, profile: Profile, **given: Any) -> dict[str, dict[str, float]]:
    """The `SCORES` of a method on some data sets, by name; after a refiner too, as "NAME, refined".

    `given` are further arguments of `evaluate`; see also `scores`.
    """
    found = {}
    for name, refmatte in sets.items():
        row = evaluate(model, refmatte, template=prompt.template(profile), profile=profile, **given)["metrics"]
        found[name] = {key: round(row[key], 4) for key in SCORES}
        if "refined" in row:
            found[f"{name}, {REFINED}"] = {key: round(row["refined"][key], 4) for key in SCORES}
    return found


def band_kernel(shape: Sequence[int], profile: Profile | None) -> int:
    """The width of the true edge's band: the training's kernel, brought to an image's size."""
    if profile is None:
        return 25
    train = profile.train
    share = 1.0 if train.trimap_at == "image" else max(shape) / profile.model.image_size
    return kernel_for(train.trimap_kernel * share)
