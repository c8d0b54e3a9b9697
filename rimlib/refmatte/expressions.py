"""The four sentences of an entity: basic, absolute, and two relative ones.

Paper: Sec. 3.2, Tables 3 and 4. A `Claim` (noun, attributes, place) is drawn first and then realised as a sentence, so
that what a sentence means is always known: `referents` finds the entities of the scene that a claim fits.

Not in the paper: the short forms that people type ("the left dog", "second cup from the right"), and nouns for a whole
kind ("the animal on the left"). A `Wording` gives their shares; the paper's has neither.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from random import Random

from rimlib.entities.entity import GENDERS, Entity
from rimlib.entities.synonyms import indefinite, kind_words, nouns, number
from rimlib.matting import relations
from rimlib.matting.relations import RELATIONS, Box

KINDS = ("basic", "absolute", "relative", "relative")  # Table 9 calls the last two RPE-1 and RPE-2
IMAGE_NOUNS = ("photo", "image", "picture")
PERSON_ATTRIBUTES = ("gender", "age_group", "transparent", "salient")  # Table 3's att 0 to 3 …
GARMENT = ("color", "clothes")  # … and 4 to 5, which are always included
THING_ATTRIBUTES = ("color", "transparent", "salient")
WEARING = (
    "with the {garment}",
    "wearing the {garment}",
    "in the {garment}",
    "who is dressed in {a_garment}",
)  # Table 3
_LIKELIHOOD = {"color": 1.3, "transparent": 0.6, "salient": 0.6}  # of being included, next to the others' 0.8
_AGE = {"child": "young", "teenager": "teenage", "adult": "adult", "senior": "senior"}
ADJECTIVES = (  # and colours
    *(*GENDERS, *_AGE.values()),
    *(f"{no}{name}" for name in ("transparent", "salient") for no in ("", "non-")),
)
_GENDERED = re.compile(r"\b(girl|boy|woman|man|lady|miss|missy)\b")
_AGED = re.compile(r"\b(baby|little|girl|boy|teenager|adolescent|young|old|senior|pensioner|miss|missy)\b")


@dataclass(frozen=True)
class Wording:
    """How often sentences use what."""

    attribute_rate: float = 0.7  # scales the chance of each attribute to be included; from 2 on each is certain
    short_forms: float = 0.0  # share of sentences in the forms that people type (the paper: none)
    wider_words: float = 0.0  # share of nouns that are words for a kind (the paper: none)


PLAIN = Wording()


@dataclass(frozen=True)
class Scene:
    """What sentences are made from."""

    entities: tuple[Entity, ...]
    boxes: tuple[Box, ...]  # of each entity, as depths
    depths: tuple[int, ...]
    arrangement: tuple[str, str] = ("left", "right")  # the two relations that the scene was laid out by
    wide: bool = False  # a noun means all of its kind: "plant" a rose too


@dataclass(frozen=True)
class Claim:
    """The meaning of a sentence."""

    noun: str  # one of the entity's nouns
    attributes: tuple[tuple[str, object], ...]  # names and values of those that the sentence includes
    relation: str = ""  # the place, if any
    phrase: str = ""  # its words
    other: Claim | None = None  # about the related entity; None with a relation means the image
    rank: int = 0  # the how-manieth from the side `relation`, among those alike; then `phrase` is a form with {noun}


@dataclass(frozen=True)
class Sentence:
    """A sentence, its kind, and the claim that it realises."""

    text: str
    kind: str
    claim: Claim


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
    if is_short(rng, wording):
        name = _place(scene, index)
        forms = relations.order_forms(name, 1, len(scene.entities))
        claim = replace(briefly(scene.entities[index], rng, wording), relation=name, phrase=rng.choice(forms), rank=1)
        return realise(claim, "absolute", rng, bare=True)
    name = _place(scene, index)
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
    noun = words[0] if rng.random() < 0.4 else rng.choice(words)
    noun = _wider(noun, entity, rng, wording)
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
    words = nouns(entity)
    noun = _wider(words[0] if rng.random() < 0.4 else rng.choice(words), entity, rng, wording)
    if rng.random() >= 0.5 * wording.attribute_rate or entity.color in noun.split():
        return Claim(noun, ())
    names = GARMENT if entity.kind == "person" else ("color",)
    return Claim(noun, tuple((name, getattr(entity, name)) for name in names))


def _wider(noun: str, entity: Entity, rng: Random, wording: Wording) -> str:
    """The noun, or in a share of cases a word for its kind."""
    if wording.wider_words and rng.random() < wording.wider_words:
        return rng.choice(kind_words(entity))
    return noun


def realise(claim: Claim, kind: str, rng: Random, long: bool | None = None, bare: bool = False) -> Sentence:
    """Put a claim into words, in one of the two forms of the paper ("the red dog", "the dog which is red").

    `kind` labels the sentence; `long` is the form, drawn when None. A claim with a rank has neither, nor one that is
    `bare`, which may go without its article too: "left dog".
    """
    bare = bare or bool(claim.rank)
    text = _short_phrase(claim, rng) if bare else _noun_phrase(claim, rng, long)
    if claim.other is not None:
        text += f" {claim.phrase} " + (
            _short_phrase(claim.other, rng) if bare else _noun_phrase(claim.other, rng, long)
        )
    elif claim.relation and not claim.rank:
        text += f" {claim.phrase} the {rng.choice(IMAGE_NOUNS)}"
    return Sentence(text, kind, claim)


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


def _noun_phrase(claim: Claim, rng: Random, long: bool | None) -> str:
    attributes = dict(claim.attributes)
    if long is None:
        long = rng.random() < 0.5
    adjectives = _adjectives(claim.noun, attributes)
    if "clothes" in attributes:
        return _person(claim.noun, adjectives, f"{attributes['color']} {attributes['clothes']}", long, rng)
    if long and adjectives:
        verb = "are" if number(claim.noun) == "plural" else "is"
        pronoun = rng.choice(("which", "that"))
        return f"{_article(claim.noun, claim.noun, rng)} {pronoun} {verb} {_join(adjectives)}"
    return _article(" ".join(filter(None, (_join(adjectives), claim.noun))), claim.noun, rng)


def _short_phrase(claim: Claim, rng: Random) -> str:
    """As "the brown dog", "brown dog", and with a rank "the brown dog on the left"."""
    attributes = dict(claim.attributes)
    noun = " ".join(filter(None, (_join(_adjectives(claim.noun, attributes)), claim.noun)))
    if "clothes" in attributes:
        noun += f" in {rng.choice(('the', ''))} {attributes['color']} {attributes['clothes']}"
    form = claim.phrase if claim.rank else "{noun}"
    text = " ".join(form.format(noun=noun).split())
    return text if rng.random() < 0.1 else f"the {text}"


def _person(noun: str, adjectives: list[str], garment: str, long: bool, rng: Random) -> str:
    """Table 3's four forms; the long one with "who is" for attributes is ours, since the table has none for people."""
    wearing = rng.choice(WEARING).format(garment=garment, a_garment=_with_article(garment))
    if not (long and adjectives):
        return _article(" ".join(filter(None, (_join(adjectives), noun, wearing))), noun, rng)
    if wearing.startswith(("with ", "in ")):
        return f"{_article(noun, noun, rng)} {wearing} who is {_join(adjectives)}"
    return f"{_article(noun, noun, rng)} who is {_join([*adjectives, wearing.removeprefix('who is ')])}"  # one for both


def _adjectives(noun: str, attributes: dict) -> list[str]:
    """The words for the attributes, without what the noun implies already ("female woman", "child girl")."""
    words = []
    for name in ("gender", "age_group", *THING_ATTRIBUTES):
        if name not in attributes or (name == "color" and "clothes" in attributes):  # a person's is the garment's
            continue
        if (name == "gender" and _GENDERED.search(noun)) or (name == "age_group" and _AGED.search(noun)):
            continue
        if name in ("transparent", "salient"):
            words.append(name if attributes[name] else f"non-{name}")
        else:
            words.append(_AGE.get(attributes[name], attributes[name]))
    return words


def _join(words: list[str]) -> str:
    return " and ".join(words) if len(words) < 3 else ", ".join(words[:-1]) + f", and {words[-1]}"


def _article(text: str, noun: str, rng: Random) -> str:
    """The text after "the", sometimes after "a" or "an" (the paper's the/a), but not before a plural or a mass noun."""
    if rng.random() < 0.85 or number(noun) != "one":
        return f"the {text}"
    return f"{indefinite(text)} {text}"


def _with_article(garment: str) -> str:
    """Put "a" or "an" before a garment that is counted: "a blue dress", but "blue jeans"."""
    return garment if re.search(r"[^s]s$", garment) else f"{indefinite(garment)} {garment}"
