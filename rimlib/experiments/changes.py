"""How well a model does on changed sentences: the same images, with words blanked, swapped, shuffled or left out.

An image is encoded once for all its sentences, changed or not. A matte is *localised* if its IoU with the truth of the
sentence's entity is above one half. A sentence that a change leaves as it is (it names no side) is not counted, and
each change stands beside the same sentences as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import numpy as np
from tqdm import tqdm

from rimlib.evaluation.stream import predict, read_truth
from rimlib.evaluation.summary import interval
from rimlib.experiments.needed import LEVELS
from rimlib.experiments.wording import blanked, shuffled, swapped
from rimlib.io.images import resize
from rimlib.matting import metrics
from rimlib.refmatte.dataset import RefMatte
from rimlib.refmatte.format import Target
from rimlib.refmatte.masks import evenly

CHANGES = {
    "as it is": "the sentence",
    "blanked": "relation words left out",
    "swapped": "each side turned into its opposite",
    "shuffled": "the words in a random order",
    "noun": "the noun alone, in the template of keywords",
    "largest": "no sentence and no model: the largest entity",
}
Levels = dict[str, list[list[str]]]  # by image what decides each sentence of each entity, where that is known


def measure(
    model: Any,
    refmatte: RefMatte,
    template: str,
    images: int | None = None,
    seed: int = 1,
    batch: int = 16,
    levels: Levels | None = None,
    progress: bool = False,
) -> dict[str, Any]:
    """How often a model finds the entity of a sentence, as it is and changed.

    Args:
        model: a CLIPMat, or any method of `baselines`.
        refmatte: in the expression setting.
        template: of keywords, with {keyword}.
        images: so many, spread evenly over the data set; all if None.
        seed: of the random order of words.
        batch: images encoded together.
        levels: as `needed.levels_of`, by image name.
        progress: show a bar.

    Returns:
        Images and entities; `changes`, for each of `CHANGES` what `_summary` gives; and `by_need`, for what decides a
        sentence how often it is localised as it is, where `levels` has it.
    """
    names = evenly(refmatte.image_names, images or len(refmatte.image_names))
    rows: list[dict[str, Any]] = []
    with tqdm(total=len(names), desc="words", unit="image", disable=not progress) as bar:
        for start in range(0, len(names), batch):
            part = names[start : start + batch]
            rows += _rows(model, refmatte, part, template, seed, levels or {})
            bar.update(len(part))
    entities = {row["entity"] for row in rows}
    found = {change: _summary([row for row in rows if row["change"] == change]) for change in CHANGES}
    plain = [row for row in rows if row["change"] == "as it is"]
    return {
        "images": len(names),
        "entities": len(entities),
        "changes": {change: row for change, row in found.items() if row["sentences"]},
        "by_need": {
            level: _means(some) for level in LEVELS if (some := [row for row in plain if row["level"] == level])
        },
    }


def variants(target: Target, number: int, template: str, seed: int) -> dict[str, str]:
    """The sentence of an entity and its changes, without those that leave it as it is.

    >>> target = Target("a_1", "a", "dog", ("the dog on the left",))
    >>> variants(target, 0, "a photo of a {keyword}", seed=1)["noun"]
    'a photo of a dog'
    """
    text = target.expressions[number]
    found = {
        "as it is": text,
        "blanked": blanked(text),
        "swapped": swapped(text),
        "shuffled": shuffled(text, Random(f"{seed}/{target.mask_id}/{number}")),
        "noun": template.format(keyword=target.keyword) if target.keyword else text,
    }
    return {change: words for change, words in found.items() if words and (words != text or change == "as it is")}


def _rows(
    model: Any, refmatte: RefMatte, names: Sequence[str], template: str, seed: int, levels: Levels
) -> Iterator[dict[str, Any]]:
    """A row for each sentence of some images and each of its changes."""
    images = [refmatte.image(name) for name in names]
    targets = [refmatte.targets_of(name) for name in names]
    wanted: dict[tuple[int, str], None] = {}  # (image, text), each once
    for position, some in enumerate(targets):
        for target in some:
            for number in range(len(target.expressions)):
                wanted |= {(position, text): None for text in variants(target, number, template, seed).values()}
    alphas, _ = predict(model, images, [position for position, _ in wanted], [text for _, text in wanted])
    mattes = dict(zip(wanted, alphas))
    for position, (name, image, some) in enumerate(zip(names, images, targets)):
        truths = [metrics.Truth(read_truth(refmatte, target, image.shape[:2])) for target in some]
        hits = {
            text: [metrics.localised(resize(alpha, image.shape[:2]), truth) for truth in truths]
            for (where, text), alpha in mattes.items()
            if where == position
        }
        largest = int(np.argmax([truth.total for truth in truths]))
        for index, target in enumerate(some):
            yield from _of_entity(target, index, hits, largest, template, seed, levels.get(name))


def _of_entity(
    target: Target,
    index: int,
    hits: dict[str, list[bool]],
    largest: int,
    template: str,
    seed: int,
    levels: list[list[str]] | None,
) -> Iterator[dict[str, Any]]:
    """The rows of one entity; `hits` has for each text which of the image's entities its matte localises."""
    for number, kind in enumerate(target.kinds):
        texts = variants(target, number, template, seed)
        plain = hits[texts["as it is"]]
        known = {
            "image": target.image_name,
            "entity": target.mask_id,
            "kind": kind.partition("-")[0],  # both lengths of the relative ones
            "level": levels[index][number] if levels else None,
            "as_it_is": plain[index],
            "chance": 1 / len(plain),
        }
        for change, text in texts.items():
            mine = hits[text]
            other = any(hit for entity, hit in enumerate(mine) if entity != index)
            yield {**known, "change": change, "localised": mine[index], "other": other}
        yield {**known, "change": "largest", "localised": index == largest, "other": index != largest}


def _summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means of one change, with an interval over images, and by kind of sentence."""
    found: dict[str, Any] = _means(rows)
    found["interval"] = [round(value, 4) for value in interval(rows).get("localised", [])] if rows else []
    kinds = sorted({row["kind"] for row in rows})
    found["by_kind"] = {kind: _means([row for row in rows if row["kind"] == kind]) for kind in kinds}
    return found


def _means(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """How many sentences; the shares that find their entity, find it as they are, find another one; and chance."""
    names = ("localised", "as_it_is", "other", "chance")
    return {
        "sentences": len(rows),
        **{name: round(float(np.mean([row[name] for row in rows])), 4) if rows else None for name in names},
    }
