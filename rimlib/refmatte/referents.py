"""Which entities of a scene a sentence fits: exactly one, when this is wanted, or none at all.

The paper does not check this: two women of one scene can share every attribute (Sec. 3.2 has no such step). Here every
sentence has its referents; `generate_unique` draws again those that fit more than one, and `generate_no_target` makes
sentences that fit none, so that a model can learn to answer them with an empty matte.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from rimlib.entities.color import color_distance
from rimlib.entities.entity import ATTRIBUTES, GENDERS, Entity
from rimlib.entities.synonyms import denotes, denotes_widely, kind_words, nouns, number, plural
from rimlib.matting import relations
from rimlib.matting.relations import RELATIONS
from rimlib.refmatte.claims import Claim, Scene, Sentence
from rimlib.refmatte.expressions import PLAIN, Wording, briefly, describe, generate, is_short
from rimlib.refmatte.phrases import realise

WRONG = ("stranger", "attribute", "relation", "keyword")  # what is untrue in a sentence that fits nothing
FAR_APART = 40.0  # CIELAB distance of two colours that cannot be mistaken for each other


def referents(claim: Claim, scene: Scene) -> set[int]:
    """Indices of the entities that a claim fits: noun, attributes and place all true.

    A relative claim fits an entity if any other one that fits its second half stands in that relation to it.
    """
    return {index for index in range(len(scene.entities)) if fits(claim, index, scene)}


def fits(claim: Claim, index: int, scene: Scene) -> bool:
    """Is a claim true of entity `index` of a scene?"""
    entity = scene.entities[index]
    meant = denotes_widely if scene.wide else denotes
    if not meant(claim.noun, entity) or any(getattr(entity, name) != value for name, value in claim.attributes):
        return False
    if not claim.relation:
        return True
    if claim.rank:
        return relations.comes(claim.relation, claim.rank, index, compared(claim, scene), scene.boxes, scene.depths)
    if claim.other is None:
        return relations.holds_in_image(claim.relation, index, list(scene.boxes), list(scene.depths))
    boxes, depths = scene.boxes, scene.depths
    return any(
        fits(claim.other, other, scene)
        and relations.relative_holds(
            claim.phrase, claim.relation, boxes[index], boxes[other], depths[index], depths[other]
        )
        for other in range(len(scene.entities))
        if other != index
    )


def compared(claim: Claim, scene: Scene) -> list[int]:
    """The entities among which a claim with a rank has its order: those that its noun and attributes fit.

    Where they fit one alone, a side is meant among all entities of the scene; a size compares only what is alike.
    """
    plain = replace(claim, relation="", phrase="", rank=0)
    alike = sorted(referents(plain, scene))
    return alike if len(alike) > 1 or claim.relation in relations.SIZES else list(range(len(scene.entities)))


def generate_unique(
    scene: Scene,
    index: int,
    rng: Random,
    wording: Wording = PLAIN,
    tries: int = 12,
    draw: Callable[[Scene, int, Random, Wording], list[Sentence]] = generate,
) -> list[Sentence]:
    """Four sentences that each single out entity `index`, as far as words can.

    A sentence that fits more is drawn again, with more attributes each time and with all of them in the last tries.
    Entities that no words can distinguish stay ambiguous in the basic sentence: the plan then draws other entities.
    `draw` makes the four that are looked at.
    """

    def is_unique(sentence: Sentence) -> bool:
        return referents(sentence.claim, scene) == {index}

    chosen: list[Sentence] = []
    for attempt in range(tries):
        rate = min(1.0, wording.attribute_rate + 0.1 * attempt) if attempt < tries - 4 else 2.0  # 2: every attribute
        drawn = draw(scene, index, rng, replace(wording, attribute_rate=rate))
        chosen = [old if is_unique(old) else new for old, new in zip(chosen, drawn)] or drawn
        if all(map(is_unique, chosen)):
            break
    return chosen


def generate_no_target(
    scene: Scene,
    distractors: list[Entity],
    rng: Random,
    shown: frozenset[str] = frozenset(),
    wording: Wording = PLAIN,
    tries: int = 20,
) -> Sentence | None:
    """A sentence that could be about this scene and fits nothing in it; its `kind` is what is wrong with it.

    `stranger`: the description of an entity that is not there; `keyword`: the category of one. `attribute`: an entity
    that is there, with a colour, garment or gender that it has not. `relation`: one that is there, on the wrong side of
    another.

    Words are borrowed from `distractors`; no sentence uses `shown`, the words for what the background shows. None when
    `tries` sentences in a row were true of something.
    """
    wrong = rng.choice(WRONG)
    for attempt in range(tries):
        if attempt and attempt % 5 == 0:
            wrong = rng.choice(WRONG)  # this scene seems to have no such sentence
        four = generate(scene, rng.randrange(len(scene.entities)), rng, wording)
        distractor = rng.choice(distractors)
        claim: Claim | None
        if wrong == "keyword":
            claim = Claim(distractor.category, ())
        elif wrong == "stranger":
            claim = _stranger(distractor, four, rng, wording)
        elif wrong == "attribute":
            claim = _with_wrong_attribute(rng.choice(four).claim, distractor, rng)
        else:
            claim = _on_the_wrong_side(rng.choice(four[1:]).claim, rng)
        if claim is not None and claim.noun not in shown and not referents(claim, scene):
            return Sentence(claim.noun, wrong, claim) if wrong == "keyword" else realise(claim, wrong, rng)
    return None


def _stranger(distractor: Entity, four: list[Sentence], rng: Random, wording: Wording) -> Claim:
    """A description of an entity that is not there; in a short form with a place in which something else stands."""
    if not is_short(rng, wording):
        return describe(distractor, rng, replace(wording, wider_words=0.0))
    said = briefly(distractor, rng, replace(wording, wider_words=0.0))
    place = rng.choice(four).claim
    return replace(said, relation=place.relation, phrase=place.phrase, rank=1) if place.rank else said


def _with_wrong_attribute(claim: Claim, distractor: Entity, rng: Random) -> Claim | None:
    included = dict(claim.attributes)
    changes: dict[str, str] = {}
    if "color" in included and color_distance(included["color"], distractor.color) > FAR_APART:
        changes["color"] = distractor.color
    if "clothes" in included and distractor.clothes not in (None, included["clothes"]):
        changes["clothes"] = distractor.clothes
    if "gender" in included:
        changes["gender"] = GENDERS[1 - GENDERS.index(included["gender"])]
    if not changes or (changes.get("color") or "-") in claim.noun.split():
        return None
    name = rng.choice(sorted(changes))
    # "the male woman" would be no sentence: a changed gender needs a noun that any person has
    noun = "person" if name == "gender" else claim.noun
    attributes = tuple((key, changes[key] if key == name else value) for key, value in claim.attributes)
    return replace(claim, noun=noun, attributes=attributes)


def _on_the_wrong_side(claim: Claim, rng: Random) -> Claim | None:
    opposite = RELATIONS[claim.relation].opposite
    if not opposite:
        return None
    relation = RELATIONS[opposite]
    if claim.rank:
        return replace(claim, relation=opposite, phrase=rng.choice(relations.order_forms(opposite, 1, 2)), rank=1)
    phrases = relation.absolute if claim.other is None else relation.relative
    return replace(
        claim, relation=opposite, phrase=rng.choice([phrase for phrase in phrases if phrase not in relation.vague])
    )


def keyword_is_clear(scene: Scene) -> bool:
    """Does each entity's category mean it alone? Scenes where it does make the keyword setting (Paper: Sec. 3.3)."""
    return all(sum(denotes(entity.category, other) for other in scene.entities) == 1 for entity in scene.entities)


def bare_nouns(scene: Scene, index: int) -> tuple[str, ...]:
    """The words that mean entity `index` alone, without an attribute."""
    entity = scene.entities[index]
    words = (*nouns(entity), *kind_words(entity)) if scene.wide else nouns(entity)
    return tuple(word for word in dict.fromkeys(words) if referents(Claim(word, ()), scene) == {index})


def plurals(scene: Scene) -> dict[str, tuple[int, ...]]:
    """Words for several entities at once ("the dogs", "both dogs"), each with those that it means."""
    found: dict[str, tuple[int, ...]] = {}
    words = [noun for entity in scene.entities for noun in (*nouns(entity), *kind_words(entity))]
    for noun in dict.fromkeys(words):
        meant = tuple(sorted(referents(Claim(noun, ()), scene)))
        if len(meant) > 1 and number(noun) == "one":
            many = plural(noun)
            counted = ("both", "the two") if len(meant) == 2 else ("all", "all the", "the three")
            found.update((f"{before} {many}".strip(), meant) for before in ("", "the", *counted))
    return found


def can_be_told_apart(entities: list[Entity]) -> bool:
    """Is there a sentence without a place for each of the entities that fits no other of them?"""
    visible = [name for name in ATTRIBUTES if name != "category"]  # nouns are compared by what they denote

    def confused(one: Entity, other: Entity) -> bool:
        alike = all(getattr(one, name) == getattr(other, name) for name in visible)
        return alike and all(denotes(noun, other) for noun in nouns(one))

    return not any(confused(one, other) for one in entities for other in entities if one is not other)
