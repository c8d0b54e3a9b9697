"""What a sentence means: a claim about an entity of a scene.

Paper: Sec. 3.2. A claim is drawn before it is put into words, so that no sentence is ever parsed.
"""

from __future__ import annotations

from dataclasses import dataclass

from rimlib.entities.entity import Entity
from rimlib.matting.relations import Box


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
