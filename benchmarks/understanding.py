"""Are sentences understood, and is the right one of several alike things chosen? What is that worth?

    python benchmarks/understanding.py [SENTENCES]

Plans scenes of the data engine, half of them of look-alikes, and asks for each entity by its sentences. An oracle
stands for a detector that knows words and nothing of place: it returns all true instances of a noun phrase, with their
boxes and, where two overlap, their visible mattes. The last line is one JSON object:

engine_right: share of the data engine's sentences (20,000) that are resolved to the one entity they mean.
depth_right: engine_right where a depth model tells what is in front, and not the mattes.
unparsed: share of them that the grammar has no reading for.
several_right: share of its words for several entities at once ("both dogs") that are resolved to just these.
everyday_right: the same for the sentences of `tests/everyday.yaml`.
held_out_right: the same for those of `tests/everyday_held_out.yaml`, for which the grammar was never changed.
place_ignored: engine_right when the oracle's first instance of the whole noun phrase is taken.
jitter_right: engine_right when each edge of a box is off by up to 10 % and one instance in ten is missed or doubled.
milliseconds: of processor time for one sentence, parsed and chosen, without the oracle.
"""

import json
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np

from rimlib.entities import starter
from rimlib.entities.entity import AGE_GROUPS, GENDERS, Entity
from rimlib.entities.synonyms import kind_words, nouns, perhaps
from rimlib.profile import load
from rimlib.refmatte import plan
from rimlib.refmatte.composite import blend, matte_on_canvas
from rimlib.refmatte.plan import ScenePlan
from rimlib.understanding import Instance, Phrase, choose, parse, phrases, words

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

SENTENCES = 20_000
AGES = {"young": "child", "teenage": "teenager"}
CANVAS = (480, 640)  # height and width of a scene in pixels
WORN = ("wearing ", "with ", "in ", "dressed in ")
JITTER, UNSURE = 0.1, 0.1
EVERYDAY, HELD_OUT = "everyday.yaml", "everyday_held_out.yaml"


def main() -> None:
    total = int(sys.argv[1]) if len(sys.argv) > 1 else SENTENCES
    print(json.dumps({**measure(total), "everyday_right": everyday(), "held_out_right": everyday(HELD_OUT)}))


def measure(total: int, show: int = 0) -> dict:
    """The numbers of the data engine's sentences; prints the first `show` that went wrong."""
    pool, rng = starter.load(), Random(7)
    count: Counter[str] = Counter()
    seconds = 0.0
    for one, wide in scenes(pool, total):
        entities, seen = [pool[name] for name in one.entities], instances(one, pool)
        for text, right, kind in asked(one):
            if kind == "engine" and count["engine"] >= total:
                continue
            started = time.process_time()
            question = parse(text)
            seconds += time.process_time() - started
            wanted = phrases(question)
            exact = {phrase.text: oracle(phrase, entities, wide) for phrase in wanted}
            found = {name: [seen[index] for index in fits] for name, fits in exact.items()}
            started = time.process_time()
            choice = choose(question, found, CANVAS)
            seconds += time.process_time() - started
            chosen = {exact[question.target.text][index] for index in choice.chosen}
            count[kind] += 1
            count[f"{kind} right"] += chosen == right
            if chosen != right and show > 0:
                show -= 1
                print(f"{text!r}: {sorted(chosen)}, not {sorted(right)}: {choice.message}; {exact}; {one.relation}")
            if kind != "engine":
                continue
            deep = {
                name: [replace(seen[index], depth=float(one.placements[index].depth)) for index in fits]
                for name, fits in exact.items()
            }
            choice = choose(question, deep, CANVAS)
            count["depth"] += {exact[question.target.text][index] for index in choice.chosen} == right
            count["unparsed"] += not question.understood
            count["first"] += exact[question.target.text][:1] == sorted(right)
            shaken = {name: shake([(index, seen[index]) for index in fits], rng) for name, fits in exact.items()}
            choice = choose(question, {name: [box for _, box in pairs] for name, pairs in shaken.items()}, CANVAS)
            count["jitter"] += {shaken[question.target.text][index][0] for index in choice.chosen} == right
        if count["engine"] >= total:
            break
    engine = count["engine"]
    return {
        "sentences": engine,
        "engine_right": count["engine right"] / engine,
        "depth_right": count["depth"] / engine,
        "unparsed": count["unparsed"] / engine,
        "several_right": count["several right"] / max(count["several"], 1),
        "place_ignored": count["first"] / engine,
        "jitter_right": count["jitter"] / engine,
        "milliseconds": round(1000 * seconds / (engine + count["several"]), 3),
    }


def scenes(pool, total: int):
    """Scenes of the paper's sentences, of short forms and wider words, and of look-alikes, in turn."""
    sizes = {"data__groups_train": max(1, total // 2000), "data__extra_train": total // 8}
    sizes |= {"data__groups_test": max(1, total // 2000), "data__extra_test": total // 8}
    sizes |= {"data__height": CANVAS[0], "data__width": CANVAS[1]}
    ways = (
        ("train", {"data__unique": True}),
        ("train", {"data__unique": True, "data__short_forms": 0.7, "data__wider_words": 0.2}),
        ("alike", {"data__lookalikes": 0.5, "data__short_forms": 0.5, "data__wider_words": 0.2}),
        ("alike", {"data__lookalikes": 0.5}),
    )
    started = [
        (plan.scenes(pool, load("tiny", **sizes, **way).data, split), bool(way.get("data__wider_words")))
        for split, way in ways
    ]
    while True:
        for some, wide in started:
            yield next(some), wide


def asked(one: ScenePlan):
    """Sentences of a scene, the entities that they mean, and their kind."""
    for index, four in enumerate(one.sentences):
        for sentence in four:
            yield sentence.text, {index}, "engine"
    for text, meant in one.several:
        if " " in text:  # a bare "dogs" may be any number of them
            yield text, set(meant), "several"


def instances(one: ScenePlan, pool) -> list[Instance]:
    """Each entity's box, with its visible matte where two overlap."""
    boxes = [place.box for place in one.placements]
    alphas: list[np.ndarray | None] = [None] * len(boxes)
    if one.relation == "front/behind":
        layers = [
            np.dstack([np.zeros((*alpha.shape, 3)), alpha]) for _, alpha in (pool.cutout(name) for name in one.entities)
        ]
        layers = [(layer * 65535).astype(np.uint16) for layer in layers]
        _, visible = blend(np.zeros((*CANVAS, 3), np.uint8), layers, list(one.placements), CANVAS, list(one.mirrored))
        alphas = [
            matte_on_canvas(alpha, place, CANVAS) / np.float32(255) for alpha, place in zip(visible, one.placements)
        ]
    return [Instance(box, 0.9, alpha) for box, alpha in zip(boxes, alphas)]


def oracle(phrase: Phrase, entities: list[Entity], wide: bool) -> list[int]:
    """The entities of which a noun phrase is true."""
    return [index for index, entity in enumerate(entities) if is_true(phrase, entity, wide)]


def is_true(phrase: Phrase, entity: Entity, wide: bool) -> bool:
    before = [word for word in phrase.attributes if not word.startswith(WORN)]
    worn = [word for word in phrase.attributes if word.startswith(WORN)]
    own = {
        words.singular(noun)[0] for noun in (*nouns(entity), *((*kind_words(entity), *perhaps(entity)) if wide else ()))
    }
    for start in range(len(before) + 1):  # "young woman" may be a noun with its own meaning, or two words
        compound = words.singular(" ".join((*before[start:], phrase.noun)))[0]
        if compound in all_nouns() or start == len(before):
            return compound in own and all(map(lambda word: has(entity, word), [*before[:start], *worn]))
    return False


_NOUNS: set[str] = set()


def all_nouns() -> set[str]:
    if not _NOUNS:
        for entity in starter.load().entities:
            _NOUNS.update(words.singular(noun)[0] for noun in (*nouns(entity), *kind_words(entity)))
    return _NOUNS


def has(entity: Entity, word: str) -> bool:
    """Is an attribute of a phrase true of an entity?"""
    if word.startswith(WORN):
        color, _, garment = next(
            word.removeprefix(start) for start in sorted(WORN, key=len)[::-1] if word.startswith(start)
        ).partition(" ")
        return entity.color == color and entity.clothes == garment
    if word in GENDERS:
        return entity.gender == word
    if AGES.get(word, word) in AGE_GROUPS:
        return entity.age_group == AGES.get(word, word)
    if word.removeprefix("non-") in ("transparent", "salient"):
        return getattr(entity, word.removeprefix("non-")) is not word.startswith("non-")
    return entity.color == word


def shake(fits: list[tuple[int, Instance]], rng: Random) -> list[tuple[int, Instance]]:
    """Boxes as a detector finds them: edges off, and one in ten missed or doubled."""
    found = []
    for index, one in fits:
        drawn = rng.random()
        times = 0 if drawn < UNSURE / 2 else 2 if drawn < UNSURE else 1
        for _ in range(times):
            left, top, right, bottom = one.box
            width, height = right - left, bottom - top
            off = [rng.uniform(-JITTER, JITTER) for _ in range(4)]
            box = (left + off[0] * width, top + off[1] * height, right + off[2] * width, bottom + off[3] * height)
            found.append((index, Instance(box, rng.uniform(0.3, 0.9), one.alpha)))
    return found


def everyday(scenes: str = EVERYDAY) -> float:
    from test_understanding_everyday import answer, asked, read

    results = [answer(sentence, scene)[0] == right for sentence, scene, right in asked(read(scenes))]
    return sum(results) / len(results)


if __name__ == "__main__":
    main()
