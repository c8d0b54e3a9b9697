"""The four sentences of an entity: basic, absolute, and two relative ones.

Paper: Sec. 3.2, Tables 3 and 4. A sentence is made as a `Claim` (noun, attributes, place) and spoken from it, so that the
engine always knows what it said: `referents` asks a claim which entities of the scene it fits.
"""
from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from rimlib.entities.entity import Entity
from rimlib.entities.synonyms import nouns
from rimlib.refmatte import relations
from rimlib.refmatte.relations import RELATIONS, Box

KINDS = ("basic", "absolute", "relative", "relative")   # Table 9 calls the last two RPE-1 and RPE-2
PICTURE = ("photo", "image", "picture")
PERSON_TEMPLATES = ("with the {wear}", "wearing the {wear}", "in the {wear}", "who is dressed in {wear}")   # Table 3
PERSON_ATTRIBUTES = ("gender", "age_group", "transparent", "salient")
THING_ATTRIBUTES = ("color", "transparent", "salient")


@dataclass(frozen=True)
class Scene:
    """What sentences are made from: entities, boxes and depths, in one order."""

    entities: tuple[Entity, ...]
    boxes: tuple[Box, ...]
    depths: tuple[int, ...]


@dataclass(frozen=True)
class Claim:
    """What a sentence says of its entity.

    Attributes:
        noun: one of the entity's nouns.
        attributes: names of the entity's attributes that are spoken, with their values.
        relation, phrase: the place and its words, or None.
        other: the claim about the related entity; None with a relation means the picture.
    """

    noun: str
    attributes: tuple[tuple[str, object], ...]
    relation: str | None = None
    phrase: str | None = None
    other: "Claim | None" = None


@dataclass(frozen=True)
class Sentence:
    """A sentence, its kind, and the claim that it makes."""

    text: str
    kind: str
    claim: Claim


def speak(scene: Scene, index: int, rng: np.random.Generator, fullness: float = 0.7) -> list[Sentence]:
    """The four sentences of entity `index` of a scene.

    Args:
        fullness: chance of each attribute to be spoken; at least one always is.
    """
    first = describe(scene.entities[index], rng, fullness)
    second = describe(scene.entities[index], rng, fullness)
    place = _place(scene, index, rng)
    sentences = [Sentence(_phrase(first, scene.entities[index], rng), "basic", first),
                 _with_place(second, scene.entities[index], *place, None, None, rng, "absolute")]
    others = [other for other in range(len(scene.entities)) if other != index]
    for long in (False, True):   # RPE-1 is the shorter form, RPE-2 the one with "which is"
        other = others[rng.integers(len(others))]
        claim = describe(scene.entities[index], rng, fullness)
        related = describe(scene.entities[other], rng, fullness)
        relation = relation_between(scene, index, other)
        words = RELATIONS[relation].relative
        phrase = words[rng.integers(len(words))]
        sentences.append(_with_place(claim, scene.entities[index], relation, phrase, related, scene.entities[other], rng, "relative", long))
    return sentences


def describe(entity: Entity, rng: np.random.Generator, fullness: float) -> Claim:
    """A noun and some of the entity's attributes (all of them with fullness 1)."""
    words = nouns(entity)
    noun = words[0] if rng.uniform() < 0.4 else words[rng.integers(len(words))]
    names = PERSON_ATTRIBUTES if entity.kind == "person" else THING_ATTRIBUTES
    chosen = [name for name in names if rng.uniform() < fullness * _weight(name)]
    if entity.kind == "person":
        chosen += ["color", "clothes"]           # Table 3: the garment and its colour are always said
    elif not chosen:
        chosen = ["color"]
    return Claim(noun, tuple((name, getattr(entity, name)) for name in chosen))


def _weight(name: str) -> float:
    return {"color": 1.3, "transparent": 0.6, "salient": 0.6}.get(name, 0.8)


def relation_between(scene: Scene, index: int, other: int) -> str:
    """The relation in which `index` stands to `other`; every pair of a laid-out scene has one."""
    for name in ("front", "behind", "left", "right", "top", "bottom"):
        if relations.holds(name, scene.boxes[index], scene.boxes[other], scene.depths[index], scene.depths[other]):
            return name
    raise ValueError("no relation holds between two entities of a scene")


def _place(scene: Scene, index: int, rng: np.random.Generator) -> tuple[str, str]:
    for name in ("front", "behind", "middle", "left", "right", "top", "bottom"):
        if relations.holds_in_picture(name, index, list(scene.boxes), list(scene.depths)):
            words = RELATIONS[name].absolute
            return name, words[rng.integers(len(words))]
    raise ValueError("an entity has no place in the picture")


def _with_place(claim: Claim, entity: Entity, relation: str, phrase: str, other: Claim | None, other_entity: Entity | None,
                rng: np.random.Generator, kind: str, long: bool | None = None) -> Sentence:
    claim = Claim(claim.noun, claim.attributes, relation, phrase, other)
    text = _phrase(claim, entity, rng, long)
    if other is None:
        end = f"the {PICTURE[rng.integers(len(PICTURE))]}"
    else:
        end = _phrase(other, other_entity, rng, long)
    return Sentence(f"{text} {phrase} {end}", kind, claim)


def _phrase(claim: Claim, entity: Entity, rng: np.random.Generator, long: bool | None = None) -> str:
    """The noun phrase of a claim, in one of the two forms of the paper ("the red dog", "the dog which is red")."""
    said = dict(claim.attributes)
    adjectives = []
    for name in (PERSON_ATTRIBUTES if entity.kind == "person" else THING_ATTRIBUTES):
        if name in said:
            adjectives.append(_adjective(name, said[name]))
    # "female woman", "child girl": the noun has said it already
    adjectives = [word for word in adjectives if word not in claim.noun.split() and not (word in ("female", "male") and _gendered(claim.noun))
                  and not (word in ("child", "teenage", "adult", "senior") and _aged(claim.noun))]
    article = "the"
    if entity.kind == "person":
        template = PERSON_TEMPLATES[rng.integers(len(PERSON_TEMPLATES))]
        wear = template.format(wear=f"{said['color']} {said['clothes']}")
        if "the " not in wear:
            wear = wear.replace("dressed in ", f"dressed in {_a(said['color'])} ")
        head = f"{_listed(adjectives)} {claim.noun}" if adjectives else claim.noun
        return _article(f"{article} {head} {wear}", rng)
    if long is None:
        long = rng.uniform() < 0.5
    if not adjectives:
        return _article(f"{article} {claim.noun}", rng)
    if long:
        pronoun = ("which", "that")[rng.integers(2)]
        verb = "are" if claim.noun in ("leaves", "binoculars", "field glasses", "pliers", "cattle") else "is"
        return _article(f"{article} {claim.noun} {pronoun} {verb} {_listed(adjectives)}", rng)
    return _article(f"{article} {_listed(adjectives)} {claim.noun}", rng)


def _adjective(name: str, value) -> str:
    if name in ("transparent", "salient"):
        return name if value else f"non-{name}"
    return {"teenager": "teenage"}.get(value, value)


def _listed(words: list[str]) -> str:
    if len(words) < 3:
        return " and ".join(words)
    return ", ".join(words[:-1]) + f", and {words[-1]}"


def _gendered(noun: str) -> bool:
    return bool(re.search(r"\b(girl|boy|woman|man|lady|miss|missy)\b", noun))


def _aged(noun: str) -> bool:
    return bool(re.search(r"\b(baby|little|girl|boy|teenager|adolescent|young|old|senior|pensioner|miss|missy)\b", noun))


def _article(text: str, rng: np.random.Generator) -> str:
    """"the", or now and then "a"/"an" (the paper's the/a), never before a plural."""
    if rng.uniform() < 0.85 or re.search(r"\b(leaves|binoculars|glasses|pliers|cattle|foliage|smoke|smog|lightning|ginger|corn|maize|broccoli|hair)\b", text):
        return text
    rest = text.removeprefix("the ")
    return f"{_a(rest)} {rest}"


def _a(text: str) -> str:
    return "an" if text[0] in "aeiou" else "a"
