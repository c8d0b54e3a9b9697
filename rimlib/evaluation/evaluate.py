"""How good a method's mattes are on a RefMatte data set.

Paper: Sec. 5.1, S4.2. A model sees its own square; its float matte is resized back and compared at the image's own
size. An image is encoded once for all its sentences. Whatever has `baselines.baseline.Method.predict` can be scored.

    python -m rimlib.evaluation.evaluate --model run/clipmat.safetensors --data DATA --setting keyword
    python -m rimlib.evaluation.evaluate --method clipseg --size tiny --model run/clipseg.safetensors --data DATA
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from rimlib import baselines
from rimlib import profile as profiles
from rimlib.baselines.clipmat import PROFILES, CLIPMatMethod
from rimlib.clipmat import prompt
from rimlib.device import pick_device
from rimlib.io.images import resize
from rimlib.matting import metrics
from rimlib.matting.trimap import kernel_for
from rimlib.profile import Profile
from rimlib.refmatte.dataset import RefMatte
from rimlib.refmatte.format import Target
from rimlib.training import loop, record

SPLITS = {"seen": "seen", "unseen": "test"}  # known entities in new scenes, unknown ones: splits of the data set
SCORES = ("entities", "localised", "chance", "iou", "sad", "sad_in_band", "mse", "mad", "sad_e", "sad_ratio")


def evaluate(
    model: Any,
    refmatte: RefMatte,
    setting: str | None = None,
    limit: int | None = None,
    batch: int = 16,
    template: str = prompt.DEFAULT,
    every: bool = False,
    device: str | torch.device | None = None,
    progress: bool = False,
    profile: Profile | None = None,
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
        device: None is where the model is.
        progress: show a bar.
        profile: whose trimap kernel is the width of the true edge's band (None: the model's, or 25 pixels).

    Returns:
        {"metrics": …, "rows": …}: one row for each sentence scored, and of them `metrics.summarise`, with `by_sentence`
        (see `format.KINDS`), `by_entity` (person, animal, thing) and `chance`, the localisation of a guess among
        the entities of the scene.

    Raises:
        RimError: there is nothing to score.
    """
    if setting is not None and setting != refmatte.setting:
        refmatte = RefMatte(refmatte.root, refmatte.split, setting)
    names = list(refmatte.image_names)[:limit]
    profile = profile or getattr(model, "profile", None)
    rows, was_training = [], model.training
    model.eval()
    try:
        with tqdm(total=len(names), desc="evaluate", unit="image", disable=not progress) as bar:
            for start in range(0, len(names), batch):
                part = names[start : start + batch]
                rows += _score_images(model, refmatte, part, template, every, device, profile)
                bar.update(len(part))
    finally:
        model.train(was_training)
    summary = metrics.summarise(rows)
    if refmatte.setting == "expression":
        summary["by_sentence"] = metrics.by(rows, "sentence_kind")
    summary["by_entity"] = metrics.by(rows, "entity_kind")
    about = {"setting": refmatte.setting, "split": refmatte.split, "scored_by": "all" if every else refmatte.scored_by}
    return {"metrics": {**about, **summary}, "rows": rows}


def scores(model: Any, data: str | Path, profile: Profile, progress: bool = False) -> dict[str, dict]:
    """The `SCORES` of a method in both settings and on both `SPLITS` of a data set, by both names.

    `profile` is the model's, or that whose template and band are used.
    """
    given: dict[str, Any] = {"template": prompt.template(profile), "profile": profile, "progress": progress}
    found = {}
    for label, split in SPLITS.items():
        for setting in ("keyword", "expression"):
            row = evaluate(model, RefMatte(data, split, setting), **given)["metrics"]
            found[f"{setting}, {label}"] = {key: round(row[key], 4) for key in SCORES}
    return found


def predict(
    model: Any, images: list[np.ndarray], index: list[int], sentences: list[str], device: Any = None
) -> tuple[list[np.ndarray], np.ndarray]:
    """Mattes of a CLIPMat or any method of `baselines` at its own size, and scores; see `Method.predict`.

    Args:
        model: it is moved to `device`, if that is given.
        images: uint8 (H, W, 3), any sizes.
        index: for each sentence, its image's number.
        sentences: texts.
        device: of torch.
    """
    method = model if hasattr(model, "predict") else CLIPMatMethod(model)
    if device is not None:
        method.to(device)
    with torch.inference_mode():
        return method.predict(images, index, sentences)


def band_kernel(shape: Sequence[int], profile: Profile | None) -> int:
    """The width of the true edge's band: the training's kernel, brought to an image's size."""
    if profile is None:
        return 25
    train = profile.train
    share = 1.0 if train.trimap_at == "image" else max(shape) / profile.model.image_size
    return kernel_for(train.trimap_kernel * share)


def _score_images(
    model: Any, refmatte: RefMatte, names: list[str], template: str, every: bool, device: Any, profile: Profile | None
) -> list[dict[str, Any]]:
    queries = [
        (number, target, sentence, kind)
        for number, name in enumerate(names)
        for target in refmatte.targets_of(name)
        for sentence, kind in _sentences(refmatte, target, template, every)
    ]
    index, sentences = [query[0] for query in queries], [query[2] for query in queries]
    alphas, confidences = predict(model, [refmatte.image(name) for name in names], index, sentences, device)
    truths = {target.mask_id: refmatte.matte(target.mask_id) for _, target, _, _ in queries}
    rows: list[dict[str, Any]] = []
    for (number, target, sentence, kind), alpha, confidence in zip(queries, alphas, confidences):
        true, name = truths[target.mask_id], names[number]
        row: dict[str, Any] = {"image": name, "mask_id": target.mask_id, "sentence": sentence, "sentence_kind": kind}
        row |= {"entity_kind": target.extra.get("entity_kind"), "keyword": target.keyword}
        row |= {"score": float(confidence), "chance": 1 / len(refmatte.targets_of(name))}
        rows.append({**row, **metrics.score(resize(alpha, true.shape), true, band_kernel(true.shape, profile))})
    return rows


def _sentences(refmatte: RefMatte, target: Target, template: str, every: bool) -> list[tuple[str, str]]:
    """(sentence, kind) pairs of this target in the data set's setting."""
    if refmatte.setting == "keyword":
        return [(template.format(keyword=target.keyword), "keyword")]
    if every:
        return list(zip(target.expressions, target.kinds))
    return [(target.evaluated, target.kinds[target.scored])]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m rimlib.evaluation.evaluate", description="Score a method on a RefMatte data set."
    )
    parser.add_argument("--method", default="clipmat", choices=baselines.METHODS)
    parser.add_argument("--size", default="tiny", choices=tuple(PROFILES), help="of a method other than clipmat")
    parser.add_argument("--model", help="trained weights (the shipped CLIPMat, or a baseline's public ones)")
    parser.add_argument("--data", required=True, help="folder of the data set")
    parser.add_argument("--split", default="test")
    parser.add_argument("--setting", default="expression", choices=("expression", "keyword"))
    parser.add_argument("--limit", type=int, help="the first so many images")
    parser.add_argument("--every", action="store_true", help="score every expression of an entity, not its fixed one")
    parser.add_argument("--out", help="write a run record to this JSON file")
    options = parser.parse_args(arguments)

    def work() -> dict[str, Any]:
        model, device = baselines.get(options.method, options.size, options.model), pick_device()
        profile = getattr(model, "profile", None) or profiles.load(PROFILES[options.size])
        refmatte = RefMatte(options.data, options.split, options.setting)
        data, stages = {"fingerprint": refmatte.fingerprint, "split": options.split}, record.Stages()
        run = record.new("evaluate", profile, method=options.method, data=data)
        given = {"limit": options.limit, "every": options.every, "batch": profile.evaluate.batch, "device": device}
        with stages("evaluation"):
            found = evaluate(
                model, refmatte, template=prompt.template(profile), profile=profile, progress=True, **given
            )
        if options.out:
            record.write(options.out, record.finish(run, stages, found["metrics"], device, dtype="float32"))
        return found["metrics"]

    return loop.run_command(work, options.out)


if __name__ == "__main__":
    sys.exit(main())
