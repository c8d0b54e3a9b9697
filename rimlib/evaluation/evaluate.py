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
from rimlib.baselines.clipmat import PROFILES
from rimlib.baselines.clipmat import Ours as CLIPMatMethod
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
        profile: whose trimap kernel defines the width of the true edge's band (None: the model's own; where it has
            none, 25 pixels).

    Returns:
        {"metrics": …, "rows": …}: one row for each sentence scored, and of them `metrics.summarise`, with `by_sentence`
        (basic, absolute, relative), `by_entity` (person, animal, thing) and `chance`, the localisation of a guess among
        the entities of the scene.

    Raises:
        RimError: there is nothing to score.
    """
    if setting is not None and setting != refmatte.setting:
        refmatte = RefMatte(refmatte.root, refmatte.split, setting)
    names = list(refmatte.image_names)[:limit]
    profile = profile or getattr(model, "profile", None)
    rows: list[dict[str, Any]] = []
    was_training = model.training
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
    return {"metrics": {"setting": refmatte.setting, "split": refmatte.split, **summary}, "rows": rows}


def scores(model: Any, data: str | Path, profile: Profile, progress: bool = False) -> dict[str, dict]:
    """The `SCORES` of a method in both settings, on known entities in new scenes and on unknown ones, by both names.

    Args:
        model: a CLIPMat, or any method of `baselines`.
        data: the folder of a RefMatte data set with the splits `seen` and `test`.
        profile: of the model, or whose template and band are used.
        progress: show bars.
    """
    found = {}
    for label, split in SPLITS.items():
        for setting in ("keyword", "expression"):
            template = prompt.template(profile)
            refmatte = RefMatte(data, split, setting)
            row = evaluate(model, refmatte, template=template, profile=profile, progress=progress)["metrics"]
            found[f"{setting}, {label}"] = {key: round(row[key], 4) for key in SCORES}
    return found


def predict(
    model: Any,
    images: list[np.ndarray],
    index: list[int],
    sentences: list[str],
    device: str | torch.device | None = None,
) -> tuple[list[np.ndarray], np.ndarray]:
    """Mattes at the method's own size, and scores.

    Args:
        model: a CLIPMat, or any method of `baselines`.
        images: uint8 (H, W, 3), any sizes.
        index: for each sentence, its image's number.
        sentences: texts.
        device: None is where the model is.

    Returns:
        A float32 matte in [0, 1] for each sentence, (S, S) or as large as its image; the scores, float32 (sentences,).
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
    return kernel_for(profile.train.trimap_kernel * max(shape) / profile.model.image_size)


def _score_images(
    model: Any,
    refmatte: RefMatte,
    names: list[str],
    template: str,
    every: bool,
    device: str | torch.device | None,
    profile: Profile | None,
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
    rows = []
    for (number, target, sentence, kind), alpha, confidence in zip(queries, alphas, confidences):
        true = truths[target.mask_id]
        rows.append(
            {
                "image": names[number],
                "mask_id": target.mask_id,
                "sentence": sentence,
                "sentence_kind": kind,
                "entity_kind": target.extra.get("entity_kind"),
                "keyword": target.keyword,
                "score": float(confidence),
                "chance": 1 / len(refmatte.targets_of(names[number])),
                **metrics.score(resize(alpha, true.shape), true, band_kernel(true.shape, profile)),
            }
        )
    return rows


def _sentences(refmatte: RefMatte, target: Target, template: str, every: bool) -> list[tuple[str, str]]:
    """(sentence, kind) pairs of this target in the data set's setting."""
    if refmatte.setting == "keyword":
        return [(template.format(keyword=target.keyword), "keyword")]
    if every:
        return list(zip(target.expressions, target.kinds))
    scored = target.evaluated
    return [(scored, target.kinds[target.expressions.index(scored)])]


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
        model = baselines.get(options.method, options.size, options.model)
        profile = getattr(model, "profile", None) or profiles.load(PROFILES[options.size])
        device = pick_device()
        refmatte = RefMatte(options.data, options.split, options.setting)
        stages = record.Stages()
        data = {"fingerprint": refmatte.fingerprint, "split": options.split}
        run = record.new("evaluate", profile, method=options.method, data=data)
        given = {"limit": options.limit, "every": options.every, "batch": profile.evaluate.batch}
        with stages("evaluation"):
            found = evaluate(
                model,
                refmatte,
                template=prompt.template(profile),
                device=device,
                progress=True,
                profile=profile,
                **given,
            )["metrics"]
        if options.out:
            record.write(options.out, record.finish(run, stages, found, device, dtype="float32"))
        return found

    return loop.run_command(work, options.out)


if __name__ == "__main__":
    sys.exit(main())
