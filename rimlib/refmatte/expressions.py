"""The four sentences of an entity: basic, absolute, and two relative ones.

Paper: Sec. 3.2, Tables 3 and 4. A `Claim` (noun, attributes, place) is drawn first and then realised as a sentence, so
that what a sentence means is always known: `referents` finds the entities of the scene that a claim fits.

Not in the paper: the short forms that people type ("the left dog", "second cup from the right"), and nouns for a whole
kind ("the animal on the left"). A `Wording` gives their shares; the paper's has neither.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from rimlib.entities.entity import Entity
from rimlib.entities.synonyms import kind_words, nouns
from rimlib.matting import relations
from rimlib.matting.relations import RELATIONS
from rimlib.refmatte.claims import Claim, Scene, Sentence
from rimlib.refmatte.phrases import THING_ATTRIBUTES, realise

KINDS = ("basic", "absolute", "relative", "relative")  # Table 9 calls the last two RPE-1 and RPE-2
PERSON_ATTRIBUTES = ("gender", "age_group", "transparent", "salient")  # Table 3's att 0 to 3 …
GARMENT = ("color", "clothes")  # … and 4 to 5, which are always included
_LIKELIHOOD = {"color": 1.3, "transparent": 0.6, "salient": 0.6}  # of being included, next to the others' 0.8


@dataclass(frozen=True)
class Wording:
    """How often sentences use what."""

    attribute_rate: float = 0.7  # scales the chance of each attribute to be included; from 2 on each is certain
    short_forms: float = 0.0  # share of sentences in the forms that people type (the paper: none)
    wider_words: float = 0.0  # share of nouns that are words for a kind (the paper: none)


PLAIN = Wording()


def generate(scene: Scene, index: int, rng: Random, wording: Wording = PLAIN) -> list[Sentence]:
    """The four sentences of entity `index` of a scene: basic, absolute, and the short and the long relative one.

    At least one attribute is always included, except in short forms.
    """
    return [
        basic(scene, index, rng, wording),
        absolute(scene, index, rng, wording),
        relative(scene, index, rng, wording, long=False),  # RPE-1 is the shorter form, RPE-2 the one with "which is"
        relative(scene, index, rng, wording, long=True),
    ]


def basic(scene: Scene, index: int, rng: Random, wording: Wording) -> Sentence:
    """Noun and attributes; in the short form few or none."""
    if is_short(rng, wording):
        return realise(briefly(scene.entities[index], rng, wording), "basic", rng, bare=True)
    return realise(describe(scene.entities[index], rng, wording), "basic", rng)


def absolute(scene: Scene, index: int, rng: Random, wording: Wording) -> Sentence:
    """With the place in the image."""
    name = _place(scene, index)
    if is_short(rng, wording):
        forms = relations.order_forms(name, 1, len(scene.entities))
        claim = replace(briefly(scene.entities[index], rng, wording), relation=name, phrase=rng.choice(forms), rank=1)
        return realise(claim, "absolute", rng, bare=True)
    phrase = rng.choice(RELATIONS[name].absolute)
    claim = replace(describe(scene.entities[index], rng, wording), relation=name, phrase=phrase)
    return realise(claim, "absolute", rng)


def relative(scene: Scene, index: int, rng: Random, wording: Wording, long: bool) -> Sentence:
    """With the relation to another entity, in one of the paper's two lengths."""
    other = rng.choice([other for other in range(len(scene.entities)) if other != index])
    name = relation_between(scene, index, other)
    if is_short(rng, wording):
        about, what = (briefly(scene.entities[one], rng, wording) for one in (index, other))
        claim = replace(about, relation=name, phrase=rng.choice(RELATIONS[name].short), other=what)
        return realise(claim, "relative", rng, bare=True)
    claim = replace(
        describe(scene.entities[index], rng, wording),
        relation=name,
        phrase=rng.choice(RELATIONS[name].relative),
        other=describe(scene.entities[other], rng, wording),
    )
    return realise(claim, "relative", rng, long)


def is_short(rng: Random, wording: Wording) -> bool:
    """Drawn: whether a sentence has a short form."""
    return bool(wording.short_forms) and rng.random() < wording.short_forms  # the paper's plan draws no number for it


def describe(entity: Entity, rng: Random, wording: Wording = PLAIN) -> Claim:
    """A noun and some of the entity's attributes (all of them at an `attribute_rate` of 2 or more)."""
    rate = wording.attribute_rate
    words = nouns(entity)
    noun = _noun(entity, rng, wording)
    names = PERSON_ATTRIBUTES if entity.kind == "person" else THING_ATTRIBUTES
    chosen = [name for name in names if rng.random() < rate * _LIKELIHOOD.get(name, 0.8)]
    if entity.kind == "person":
        chosen += GARMENT
    else:
        chosen = chosen or ["color"]
        if entity.color in noun.split():  # never "the orange orange": another noun, or no colour
            others = [word for word in words if entity.color not in word.split()]
            noun = rng.choice(others) if others else noun
            chosen = chosen if others else [name for name in chosen if name != "color"]
    return Claim(noun, tuple((name, getattr(entity, name)) for name in chosen))


def briefly(entity: Entity, rng: Random, wording: Wording) -> Claim:
    """A noun as people type it: alone, or with a colour or a garment."""
    noun = _noun(entity, rng, wording)
    if rng.random() >= 0.5 * wording.attribute_rate or entity.color in noun.split():
        return Claim(noun, ())
    names = GARMENT if entity.kind == "person" else ("color",)
    return Claim(noun, tuple((name, getattr(entity, name)) for name in names))


def _noun(entity: Entity, rng: Random, wording: Wording) -> str:
    """Its category, a synonym, or in a share of cases a word for its kind."""
    words = nouns(entity)
    noun = words[0] if rng.random() < 0.4 else rng.choice(words)
    if wording.wider_words and rng.random() < wording.wider_words:
        return rng.choice(kind_words(entity))
    return noun


def relation_between(scene: Scene, index: int, other: int) -> str:
    """The relation in which `index` stands to `other`, most often the scene's own; every pair of a scene has one."""
    for name in _by_priority(scene):
        if name != "middle" and relations.holds(
            name, scene.boxes[index], scene.boxes[other], scene.depths[index], scene.depths[other]
        ):
            return name
    raise ValueError("no relation holds between two entities of a scene")


def _place(scene: Scene, index: int) -> str:
    for name in _by_priority(scene):
        if relations.holds_in_image(name, index, list(scene.boxes), list(scene.depths)):
            return name
    raise ValueError("an entity has no place in the image")


def _by_priority(scene: Scene) -> list[str]:
    """The scene's own relations first, then the middle between them, then what happens to be true as well."""
    first = [*scene.arrangement, "middle"]
    return first + [name for name in ("front", "behind", "left", "right", "top", "bottom") if name not in first]
