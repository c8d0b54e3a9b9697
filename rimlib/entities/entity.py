"""One cut-out and what is known of it.

Paper: Sec. 3.1: every entity has an entry-level category, a colour and the two attributes salient and transparent; a
person has gender, age group and clothes besides.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

from rimlib.errors import RimError

KINDS = ("person", "animal", "thing")
GENDERS = ("female", "male")
AGE_GROUPS = ("child", "teenager", "adult", "senior")  # Paper: Table 2; "15-20" is called teenager here
PERSON_ATTRIBUTES = ("gender", "age_group", "clothes")
# What a sentence can name of an entity:
ATTRIBUTES = ("category", "color", "salient", "transparent", *PERSON_ATTRIBUTES)


@dataclass(frozen=True)
class Entity:
    """A foreground that scenes are composed of."""

    name: str  # unique id, `[a-z0-9-]+`
    kind: str  # `person`, `animal` or `thing` (plants are things), the three parts of the paper's 5:1:1
    category: str  # the entry-level name, the most usual one; `human` for all people
    color: str  # nearest CSS3 colour name of the most frequent colour
    # salient, transparent: Paper: S2.2
    salient: bool = True
    transparent: bool = False
    wispy: bool = False  # the matte is hard (hair, smoke, branches); not in the paper, for choosing images
    # gender, age_group, clothes: people only
    gender: str | None = None
    age_group: str | None = None
    clothes: str | None = None
    person: str | None = None  # an id shared by all images of one person, so that a split never shares a person
    split: str = "train"  # `train` or `test`
    # source, path, licence, credit: where the image comes from
    source: str = ""
    path: str = ""
    licence: str = ""
    credit: str = ""

    def __post_init__(self) -> None:
        rules: dict[str, tuple[str, ...]] = {"kind": KINDS, "category": (), "split": ("train", "test")}
        if self.kind == "person":
            rules |= {"gender": GENDERS, "age_group": AGE_GROUPS, "clothes": ()}
        for key, choices in rules.items():
            value = getattr(self, key)
            if not value or (choices and value not in choices):
                wanted = " or ".join(choices) or "a word"
                raise RimError(f"entity {self.name!r}: {key} must be {wanted}, found {value!r}", setting=key)

    def looks(self) -> tuple:
        """The values of `ATTRIBUTES`; two entities with the same values can't be distinguished by what they are."""
        return tuple(getattr(self, name) for name in ATTRIBUTES)

    def to_dict(self) -> dict:
        """The fields as plain values, without those that are None."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    @classmethod
    def from_dict(cls, values: dict) -> Entity:
        """The opposite of `to_dict`; other keys are passed over."""
        return cls(**{item.name: values[item.name] for item in fields(cls) if item.name in values})


@dataclass(frozen=True)
class Background:
    """A photograph to compose scenes on."""

    name: str
    category: str = ""  # one or two words for the place
    split: str = "train"
    source: str = ""
    path: str = ""
    licence: str = ""
    credit: str = ""
    # categories that can be seen in it, so that a sentence about another such object is not taken to fit one entity, or
    # none
    shows: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "shows", tuple(self.shows))  # a list when it was read from JSON

    @classmethod
    def from_dict(cls, values: dict) -> Background:
        """From the fields by name; other keys are passed over."""
        return cls(**{item.name: values[item.name] for item in fields(cls) if item.name in values})
