"""Which entities of a scene a sentence fits, and drawing sentences until they fit one only.

The paper does not check this: two women of one scene can share every attribute (PAPER: Sec. 3.2 has no such step). Here every
sentence knows its referents, and `speak_uniquely` re-draws those that fit more than one.
"""
from __future__ import annotations

import numpy as np

from rimlib.entities.synonyms import denotes
from rimlib.refmatte import relations
from rimlib.refmatte.expressions import Claim, Scene, Sentence, speak


def referents(claim: Claim, scene: Scene) -> set[int]:
    """Indices of the entities that a claim fits: noun, attributes and place all true.

    A relative claim fits an entity if any other one that fits its second half stands in that relation to it.
    """
    return {index for index in range(len(scene.entities)) if _fits(claim, index, scene)}


def _fits(claim: Claim, index: int, scene: Scene) -> bool:
    entity = scene.entities[index]
    if not denotes(claim.noun, entity) or any(getattr(entity, name) != value for name, value in claim.attributes):
        return False
    if claim.relation is None:
        return True
    if claim.other is None:
        return relations.holds_in_picture(claim.relation, index, list(scene.boxes), list(scene.depths))
    return any(_fits(claim.other, other, scene)
               and relations.relative_holds(claim.phrase, claim.relation, scene.boxes[index], scene.boxes[other],
                                            scene.depths[index], scene.depths[other])
               for other in range(len(scene.entities)) if other != index)


def speak_uniquely(scene: Scene, index: int, rng: np.random.Generator, tries: int = 12) -> list[Sentence]:
    """Four sentences that each single out entity `index`, as far as words can.

    A sentence that fits more is drawn again, with more attributes each time; the last tries say all of them. Only
    entities alike in everything that can be said (`Entity.looks`) stay ambiguous, in the basic sentence.
    """
    chosen: list[Sentence | None] = [None] * 4
    for attempt in range(tries):
        fullness = min(1.0, 0.7 + 0.1 * attempt) if attempt < tries - 4 else 2.0   # 2: every attribute is certain
        drawn = speak(scene, index, rng, fullness)
        for position, sentence in enumerate(drawn):
            if chosen[position] is None or referents(chosen[position].claim, scene) != {index}:
                chosen[position] = sentence
        if all(referents(sentence.claim, scene) == {index} for sentence in chosen):
            break
    return chosen


def keyword_is_clear(scene: Scene) -> bool:
    """Does each entity's category mean it alone? Scenes where it does make the keyword setting (Paper: Sec. 3.3)."""
    return all(sum(denotes(entity.category, other) for other in scene.entities) == 1 for entity in scene.entities)
