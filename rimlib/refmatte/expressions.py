"""The four sentences of an entity: basic, absolute, and two relative ones.

Paper: Sec. 3.2, Tables 3 and 4. A sentence is made as a `Claim` (noun, attributes, place) and spoken from it, so that the
engine always knows what it said: `referents` asks a claim which entities of the scene it fits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from random import Random

from rimlib.entities.entity import GENDERS, Entity
from rimlib.entities.synonyms import indefinite, nouns, number
from rimlib.matting import relations
from rimlib.matting.relations import RELATIONS, Box

KINDS = ("basic", "absolute", "relative", "relative")  # Table 9 calls the last two RPE-1 and RPE-2
PICTURE = ("photo", "image", "picture")
PERSON_ATTRIBUTES = ("gender", "age_group", "transparent", "salient")  # Table 3's att 0 to 3 …
GARMENT = ("color", "clothes")  # … and 4 to 5, which are always said
THING_ATTRIBUTES = ("color", "transparent", "salient")
WEARING = (
    "with the {garment}",
    "wearing the {garment}",
    "in the {garment}",
    "who is dressed in {a_garment}",
)  # Table 3
_LIKELIHOOD = {"color": 1.3, "transparent": 0.6, "salient": 0.6}  # of being spoken, next to the others' 0.8
_AGE = {"child": "young", "teenager": "teenage", "adult": "adult", "senior": "senior"}
ADJECTIVES = (
    *GENDERS,
    *_AGE.values(),
    *(f"{no}{name}" for name in ("transparent", "salient") for no in ("", "non-")),
)  # and colours
_GENDERED = re.compile(r"\b(girl|boy|woman|man|lady|miss|missy)\b")
_AGED = re.compile(r"\b(baby|little|girl|boy|teenager|adolescent|young|old|senior|pensioner|miss|missy)\b")


@dataclass(frozen=True)
class Scene:
    """What sentences are made from: entities, boxes and depths, in one order, and the two relations that they were laid out by."""

    entities: tuple[Entity, ...]
    boxes: tuple[Box, ...]
    depths: tuple[int, ...]
    arrangement: tuple[str, str] = ("left", "right")


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
    other: Claim | None = None


@dataclass(frozen=True)
class Sentence:
    """A sentence, its kind, and the claim that it makes."""

    text: str
    kind: str
    claim: Claim


def speak(scene: Scene, index: int, rng: Random, fullness: float = 0.7) -> list[Sentence]:
    """The four sentences of entity `index` of a scene: basic, absolute, and the short and the long relative one.

    Args:
        fullness: chance of each attribute to be spoken; at least one always is.
    """
    entity = scene.entities[index]
    sentences = [say(describe(entity, rng, fullness), "basic", rng)]
    relation, phrase = _place(scene, index, rng)
    sentences.append(say(replace(describe(entity, rng, fullness), relation=relation, phrase=phrase), "absolute", rng))
    others = [other for other in range(len(scene.entities)) if other != index]
    for long in (False, True):  # RPE-1 is the shorter form, RPE-2 the one with "which is"
        other = rng.choice(others)
        relation = relation_between(scene, index, other)
        words = RELATIONS[relation].relative
        claim = replace(
            describe(entity, rng, fullness),
            relation=relation,
            phrase=rng.choice(words),
            other=describe(scene.entities[other], rng, fullness),
        )
        sentences.append(say(claim, "relative", rng, long))
    return sentences


def describe(entity: Entity, rng: Random, fullness: float) -> Claim:
    """A noun and some of the entity's attributes (all of them with a fullness of 2 or more)."""
    words = nouns(entity)
    noun = words[0] if rng.random() < 0.4 else rng.choice(words)
    if entity.kind == "person":
        chosen = [name for name in PERSON_ATTRIBUTES if rng.random() < fullness * _LIKELIHOOD.get(name, 0.8)] + list(
            GARMENT
        )
    else:
        chosen = [name for name in THING_ATTRIBUTES if rng.random() < fullness * _LIKELIHOOD.get(name, 0.8)] or [
            "color"
        ]
        if entity.color in noun.split():  # nobody says "the orange orange": another noun, or no colour
            others = [word for word in words if entity.color not in word.split()]
            noun = rng.choice(others) if others else noun
            chosen = chosen if others else [name for name in chosen if name != "color"]
    return Claim(noun, tuple((name, getattr(entity, name)) for name in chosen))


def say(claim: Claim, kind: str, rng: Random, long: bool | None = None) -> Sentence:
    """A sentence that makes a claim, in one of the two forms of the paper ("the red dog", "the dog which is red").

    Args:
        long: the form; drawn when None.
    """
    text = _phrase(claim, rng, long)
    if claim.other is not None:
        text += f" {claim.phrase} {_phrase(claim.other, rng, long)}"
    elif claim.relation is not None:
        text += f" {claim.phrase} the {rng.choice(PICTURE)}"
    return Sentence(text, kind, claim)


def relation_between(scene: Scene, index: int, other: int) -> str:
    """The relation in which `index` stands to `other`; every pair of a laid-out scene has one, most often the scene's own."""
    for name in _order(scene):
        if name != "middle" and relations.holds(
            name, scene.boxes[index], scene.boxes[other], scene.depths[index], scene.depths[other]
        ):
            return name
    raise ValueError("no relation holds between two entities of a scene")


def _place(scene: Scene, index: int, rng: Random) -> tuple[str, str]:
    for name in _order(scene):
        if relations.holds_in_picture(name, index, list(scene.boxes), list(scene.depths)):
            return name, rng.choice(RELATIONS[name].absolute)
    raise ValueError("an entity has no place in the picture")


def _order(scene: Scene) -> list[str]:
    """The scene's own relations first, then the middle between them, then what happens to be true as well."""
    first = [*scene.arrangement, "middle"]
    return first + [name for name in ("front", "behind", "left", "right", "top", "bottom") if name not in first]


def _phrase(claim: Claim, rng: Random, long: bool | None) -> str:
    said = dict(claim.attributes)
    if long is None:
        long = rng.random() < 0.5
    adjectives = _adjectives(claim.noun, said)
    if "clothes" in said:
        return _person(claim.noun, adjectives, f"{said['color']} {said['clothes']}", long, rng)
    if long and adjectives:
        verb = "are" if number(claim.noun) == "plural" else "is"
        pronoun = rng.choice(("which", "that"))
        return f"{_article(claim.noun, claim.noun, rng)} {pronoun} {verb} {_listed(adjectives)}"
    return _article(" ".join(filter(None, (_listed(adjectives), claim.noun))), claim.noun, rng)


def _person(noun: str, adjectives: list[str], garment: str, long: bool, rng: Random) -> str:
    """Table 3's four forms; the long one with "who is" for attributes is ours, since the table has none for people."""
    wearing = rng.choice(WEARING).format(garment=garment, a_garment=_one(garment))
    if not (long and adjectives):
        return _article(" ".join(filter(None, (_listed(adjectives), noun, wearing))), noun, rng)
    if wearing.startswith(("with ", "in ")):
        return f"{_article(noun, noun, rng)} {wearing} who is {_listed(adjectives)}"
    return f"{_article(noun, noun, rng)} who is {_listed([*adjectives, wearing.removeprefix('who is ')])}"  # one "who is" for both


def _adjectives(noun: str, said: dict) -> list[str]:
    """The words for the spoken attributes, without what the noun has said already ("female woman", "child girl")."""
    words = []
    for name in ("gender", "age_group", *THING_ATTRIBUTES):
        if name not in said or (name == "color" and "clothes" in said):  # a person's colour is the garment's
            continue
        if (name == "gender" and _GENDERED.search(noun)) or (name == "age_group" and _AGED.search(noun)):
            continue
        if name in ("transparent", "salient"):
            words.append(name if said[name] else f"non-{name}")
        else:
            words.append(_AGE.get(said[name], said[name]))
    return words


def _listed(words: list[str]) -> str:
    if len(words) < 3:
        return " and ".join(words)
    return ", ".join(words[:-1]) + f", and {words[-1]}"


def _article(text: str, noun: str, rng: Random) -> str:
    """The text after "the", or now and then after "a" or "an" (the paper's the/a), never so before a plural or a mass noun."""
    if rng.random() < 0.85 or number(noun) != "one":
        return f"the {text}"
    return f"{indefinite(text)} {text}"


def _one(garment: str) -> str:
    """ "a blue coat", "a blue dress", but "blue jeans"."""
    return garment if re.search(r"[^s]s$", garment) else f"{indefinite(garment)} {garment}"
