"""Claims put into words: the paper's two forms, and those that people type.

Paper: Sec. 3.2, Tables 3 and 4: "the red dog", "the dog which is red". The short forms, "the red dog on the left" and
"red dog", are not in it.
"""

from __future__ import annotations

import re
from random import Random

from rimlib.entities.entity import GENDERS
from rimlib.entities.synonyms import indefinite, number
from rimlib.refmatte.claims import Claim, Sentence

IMAGE_NOUNS = ("photo", "image", "picture")
THING_ATTRIBUTES = ("color", "transparent", "salient")
WEARING = (
    "with the {garment}",
    "wearing the {garment}",
    "in the {garment}",
    "who is dressed in {a_garment}",
)  # Table 3
_AGE = {"child": "young", "teenager": "teenage", "adult": "adult", "senior": "senior"}
ADJECTIVES = (  # and colours
    *(*GENDERS, *_AGE.values()),
    *(f"{no}{name}" for name in ("transparent", "salient") for no in ("", "non-")),
)
_GENDERED = re.compile(r"\b(girl|boy|woman|man|lady|miss|missy)\b")
_AGED = re.compile(r"\b(baby|little|girl|boy|teenager|adolescent|young|old|senior|pensioner|miss|missy)\b")


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
