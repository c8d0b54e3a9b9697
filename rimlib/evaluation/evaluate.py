"""How good a method's mattes are on a RefMatte data set.

Paper: Sec. 5.1, S4.2. A model sees its own square; its float matte is resized back and compared at the image's own
size. An image is encoded once for all its sentences. Whatever has `baselines.rival.Method.predict` can be scored.

    python -m rimlib.evaluation.evaluate --model run/clipmat.safetensors --data DATA --setting keyword
    python -m rimlib.evaluation.evaluate --method clipseg --size tiny --model run/clipseg.safetensors --data DATA
"""

import argparse
import sys

import numpy as np
import torch

from rimlib import baselines
from rimlib import profile as profiles
from rimlib.baselines.clipmat import PROFILES, Ours
from rimlib.clipmat import prompt
from rimlib.io.images import resize
from rimlib.matting import metrics
from rimlib.matting.trimap import kernel_for
from rimlib.refmatte.dataset import RefMatte
from rimlib.training import loop, record


def evaluate(
    model,
    refmatte,
    setting=None,
    limit=None,
    batch=16,
    template=prompt.DEFAULT,
    every=False,
    device=None,
    progress=False,
    profile=None,
) -> dict:
    """Score a method on a data set.

    model: a CLIPMat, or any method of `baselines`; refmatte: a `RefMatte`, in one of the two settings; setting: if given, the
    data set is read in this one instead; limit: the first so many images; batch: images encoded together; template: of
    keywords, with {keyword} (Paper: Table 8); every: score each of an entity's expressions (Paper: Table 9), not its fixed one;
    device: None is where the model is; profile: whose trimap kernel says how wide the true edge's band is (None: the model's
    own; where it has none, 25 pixels).
    Returns {"metrics": …, "rows": …}: one row for each sentence scored, and of them `metrics.summarise`, with
    `by_sentence` (basic, absolute, relative), `by_entity` (person, animal, thing) and `chance`, the localisation of a
    guess among the entities of the scene. Raises RimError where there is nothing to score.
    """
    if setting is not None and setting != refmatte.setting:
        refmatte = RefMatte(refmatte.root, refmatte.split, setting)
    device = device or next(model.parameters()).device
    names = list(refmatte.image_names)[:limit]
    rows = []
    was_training = model.training
    model.to(device).eval()
    try:
        from tqdm import tqdm

        with torch.inference_mode(), tqdm(total=len(names), desc="evaluate", unit="image", disable=not progress) as bar:
            for start in range(0, len(names), batch):
                part = names[start : start + batch]
                rows += _score_images(
                    model, refmatte, part, template, every, device, profile or getattr(model, "profile", None)
                )
                bar.update(len(part))
    finally:
        model.train(was_training)
    summary = metrics.summarise(rows)
    if refmatte.setting == "expression":
        summary["by_sentence"] = metrics.by(rows, "sentence_kind")
    summary["by_entity"] = metrics.by(rows, "entity_kind")
    return {"metrics": {"setting": refmatte.setting, "split": refmatte.split, **summary}, "rows": rows}


def predict(model, pictures, index, sentences, device=None) -> tuple[list[np.ndarray], np.ndarray]:
    """Mattes at the method's own size, and scores.

    model: a CLIPMat, or any method of `baselines`; pictures: uint8 list of (H, W, 3), any sizes; index: for each sentence, its
    picture's number; sentences: texts; device: None is where the model is.
    Returns a float32 matte in [0, 1] for each sentence, (S, S) or as large as its picture, and the scores, float32 (sentences,).
    """
    method = model if hasattr(model, "predict") else Ours(model)
    return method.to(device or next(model.parameters()).device).predict(pictures, index, sentences)


def _score_images(model, refmatte, names, template, every, device, profile) -> list[dict]:
    pictures = [refmatte.image(name) for name in names]
    asked = [
        (number, target, sentence, kind)
        for number, name in enumerate(names)
        for target in refmatte.targets_of(name)
        for sentence, kind in _sentences(refmatte, target, template, every)
    ]
    numbers, _, sentences, _ = zip(*asked)
    alphas, scores = predict(model, pictures, list(numbers), list(sentences), device)
    truths = {target.mask_id: refmatte.matte(target.mask_id) for _, target, _, _ in asked}
    rows = []
    for (number, target, sentence, kind), alpha, score in zip(asked, alphas, scores):
        true = truths[target.mask_id]
        # The band of the training's kernel, brought to the image's size.
        kernel = 25
        if profile:
            kernel = kernel_for(profile.train.trimap_kernel * max(true.shape) / profile.model.image_size)
        rows.append(
            {
                "image": names[number],
                "mask_id": target.mask_id,
                "sentence": sentence,
                "sentence_kind": kind,
                "entity_kind": target.extra.get("entity_kind"),
                "keyword": target.keyword,
                "score": float(score),
                "chance": 1 / len(refmatte.targets_of(names[number])),
                **metrics.score(resize(alpha, true.shape), true, kernel),
            }
        )
    return rows


def _sentences(refmatte, target, template, every):
    """(sentence, kind) pairs that the data set's setting asks for this target."""
    if refmatte.setting == "keyword":
        return [(template.format(keyword=target.keyword), "keyword")]
    if every:
        return list(zip(target.expressions, target.kinds))
    scored = target.evaluated
    return [(scored, target.kinds[target.expressions.index(scored)])]


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m rimlib.evaluation.evaluate", description="Score a method on a RefMatte data set."
    )
    parser.add_argument("--method", default="clipmat", choices=baselines.METHODS)
    parser.add_argument(
        "--size", default="tiny", choices=tuple(PROFILES), help="of a method other than clipmat, which says its own"
    )
    parser.add_argument(
        "--model",
        help="weights that train or train_rival stored; without them the shipped CLIPMat, or a rival's public ones",
    )
    parser.add_argument("--data", required=True, help="folder of the data set")
    parser.add_argument("--split", default="test")
    parser.add_argument("--setting", default="expression", choices=("expression", "keyword"))
    parser.add_argument("--limit", type=int, help="the first so many images")
    parser.add_argument("--every", action="store_true", help="score every expression of an entity, not its fixed one")
    parser.add_argument("--out", help="write a run record to this JSON file")
    options = parser.parse_args(arguments)

    def work():
        model = baselines.get(options.method, options.size, options.model)
        profile = getattr(model, "profile", None) or profiles.load(PROFILES[options.size])
        device = loop.pick_device()
        refmatte = RefMatte(options.data, options.split, options.setting)
        stages = record.Stages()
        run = record.new(
            "evaluate",
            profile,
            method=options.method,
            data={"fingerprint": refmatte.fingerprint, "split": options.split},
        )
        with stages("evaluation"):
            result = evaluate(
                model,
                refmatte,
                limit=options.limit,
                every=options.every,
                device=device,
                progress=True,
                batch=profile.evaluate.batch,
                template=prompt.template(profile),
                profile=profile,
            )
        if options.out:
            record.write(options.out, record.finish(run, stages, result["metrics"], device, dtype="float32"))
        return result["metrics"]

    return loop.run_command(work, options.out)


if __name__ == "__main__":
    sys.exit(main())
