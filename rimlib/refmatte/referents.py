"""Which entities of a scene a sentence fits: exactly one, when asked for, or none at all.

The paper does not check this: two women of one scene can share every attribute (Sec. 3.2 has no such step). Here every
sentence knows its referents; `speak_uniquely` re-draws those that fit more than one, and `speak_of_nothing` makes sentences
that fit none, for a model to learn to answer with an empty matte.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from rimlib.entities.color import color_distance
from rimlib.entities.entity import GENDERS, Entity
from rimlib.entities.synonyms import denotes, nouns
from rimlib.matting import relations
from rimlib.matting.relations import RELATIONS
from rimlib.refmatte.expressions import Claim, Scene, Sentence, describe, say, speak

WRONG = ("stranger", "attribute", "relation", "keyword")  # what is untrue in a sentence that fits nothing
FAR_APART = 40.0  # CIELAB distance of two colours that nobody takes for each other


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
    return any(
        _fits(claim.other, other, scene)
        and relations.relative_holds(
            claim.phrase,
            claim.relation,
            scene.boxes[index],
            scene.boxes[other],
            scene.depths[index],
            scene.depths[other],
        )
        for other in range(len(scene.entities))
        if other != index
    )


def speak_uniquely(scene: Scene, index: int, rng: Random, fullness: float = 0.7, tries: int = 12) -> list[Sentence]:
    """Four sentences that each single out entity `index`, as far as words can.

    A sentence that fits more is drawn again, with more attributes each time; the last tries say all of them. Entities that
    no words can tell apart stay ambiguous in the basic sentence: the plan then draws other entities.
    """
    chosen: list[Sentence | None] = [None] * 4
    for attempt in range(tries):
        fuller = min(1.0, fullness + 0.1 * attempt) if attempt < tries - 4 else 2.0  # 2: every attribute is certain
        for position, sentence in enumerate(speak(scene, index, rng, fuller)):
            if chosen[position] is None or referents(chosen[position].claim, scene) != {index}:
                chosen[position] = sentence
        if all(referents(sentence.claim, scene) == {index} for sentence in chosen):
            break
    return chosen


def speak_of_nothing(
    scene: Scene, strangers: list[Entity], rng: Random, shown: frozenset[str] = frozenset(), tries: int = 20
) -> Sentence | None:
    """A sentence that could be about this scene and fits nothing in it; its `kind` says what is wrong with it.

    `stranger`: it describes an entity that is not there; `keyword`: so does a category alone. `attribute`: one that is there, with a
    colour, garment or gender that it has not. `relation`: one that is there, on the wrong side of another.

    Args:
        strangers: entities to borrow words from.
        shown: words for what the background shows; no sentence speaks of these.

    Returns:
        None when `tries` sentences in a row were true of something.
    """
    wrong = rng.choice(WRONG)
    for attempt in range(tries):
        if attempt and attempt % 5 == 0:
            wrong = rng.choice(WRONG)  # this scene has no such sentence, it seems
        four = speak(scene, rng.randrange(len(scene.entities)), rng)
        stranger = rng.choice(strangers)
        if wrong == "keyword":
            claim = Claim(stranger.category, ())
        elif wrong == "stranger":
            claim = describe(stranger, rng, 0.7)
        elif wrong == "attribute":
            claim = _with_wrong_attribute(rng.choice(four).claim, stranger, rng)
        else:
            claim = _on_the_wrong_side(rng.choice(four[1:]).claim, rng)
        if claim is not None and claim.noun not in shown and not referents(claim, scene):
            return Sentence(claim.noun, wrong, claim) if wrong == "keyword" else say(claim, wrong, rng)
    return None


def _with_wrong_attribute(claim: Claim, stranger: Entity, rng: Random) -> Claim | None:
    said = dict(claim.attributes)
    changes = (
        {"color": stranger.color}
        if "color" in said and color_distance(said["color"], stranger.color) > FAR_APART
        else {}
    )
    if "clothes" in said and stranger.clothes not in (None, said["clothes"]):
        changes["clothes"] = stranger.clothes
    if "gender" in said:
        changes["gender"] = GENDERS[1 - GENDERS.index(said["gender"])]
    if not changes or (changes.get("color") or "-") in claim.noun.split():
        return None
    name = rng.choice(sorted(changes))
    # "the male woman" would be no sentence: a changed gender needs a noun that any person has
    noun = "person" if name == "gender" else claim.noun
    return replace(
        claim,
        noun=noun,
        attributes=tuple((key, changes[key] if key == name else value) for key, value in claim.attributes),
    )


def _on_the_wrong_side(claim: Claim, rng: Random) -> Claim | None:
    opposite = RELATIONS[claim.relation].opposite
    if opposite is None:
        return None
    relation = RELATIONS[opposite]
    words = [
        phrase
        for phrase in (relation.absolute if claim.other is None else relation.relative)
        if phrase not in relation.vague
    ]
    return replace(claim, relation=opposite, phrase=rng.choice(words))


def keyword_is_clear(scene: Scene) -> bool:
    """Does each entity's category mean it alone? Scenes where it does make the keyword setting (Paper: Sec. 3.3)."""
    return all(sum(denotes(entity.category, other) for other in scene.entities) == 1 for entity in scene.entities)


def can_be_told_apart(entities: list[Entity]) -> bool:
    """Is there a sentence without a place for each of the entities that fits no other of them?"""

    def lost(one: Entity, other: Entity) -> bool:
        alike = all(
            getattr(one, name) == getattr(other, name)
            for name in ("color", "salient", "transparent", "gender", "age_group", "clothes")
        )
        return alike and all(denotes(noun, other) for noun in nouns(one))

    return not any(lost(one, other) for one in entities for other in entities if one is not other)
