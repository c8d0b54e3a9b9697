"""One cut-out and what is known of it.

Paper: Sec. 3.1: every entity has an entry-level category, a colour and the two attributes salient and
transparent; a person has gender, age group and clothes besides.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

from rimlib.errors import RimError

ATTRIBUTES = ("category", "color", "salient", "transparent", "gender", "age_group", "clothes")
# all that a sentence can say of an entity itself; the last three are a person's
KINDS = ("person", "animal", "thing")
GENDERS = ("female", "male")
AGE_GROUPS = ("child", "teenager", "adult", "senior")  # Paper: Table 2; "15-20" is called teenager here


@dataclass(frozen=True)
class Entity:
    """A foreground that scenes are composed of.

    Attributes:
        name: unique id, `[a-z0-9-]+`.
        kind: `person`, `animal` or `thing` (plants are things), the three parts of the paper's 5:1:1.
        category: the entry-level name, what people say first; `human` for all people.
        color: nearest CSS3 colour name of the most frequent colour.
        salient, transparent: Paper: S2.2.
        wispy: the matte is hard (hair, smoke, branches); not in the paper, for choosing pictures.
        gender, age_group, clothes: people only.
        person: an id shared by all pictures of one person, so that a split never shares a person.
        split: `train` or `test`.
        source, path, licence, credit: where the picture comes from.
    """

    name: str
    kind: str
    category: str
    color: str
    salient: bool = True
    transparent: bool = False
    wispy: bool = False
    gender: str | None = None
    age_group: str | None = None
    clothes: str | None = None
    person: str | None = None
    split: str = "train"
    source: str = ""
    path: str = ""
    licence: str = ""
    credit: str = ""

    def __post_init__(self) -> None:
        def refuse(key: str, wanted: str) -> None:
            raise RimError(f"entity {self.name!r}: {key} must be {wanted}, found {getattr(self, key)!r}")

        if self.kind not in KINDS:
            refuse("kind", " or ".join(KINDS))
        if not self.category:
            refuse("category", "a word")
        if self.split not in ("train", "test"):
            refuse("split", "train or test")
        if self.kind == "person":
            if self.gender not in GENDERS:
                refuse("gender", " or ".join(GENDERS))
            if self.age_group not in AGE_GROUPS:
                refuse("age_group", " or ".join(AGE_GROUPS))
            if not self.clothes:
                refuse("clothes", "a garment")

    def looks(self) -> tuple:
        """The values of `ATTRIBUTES`; two entities with the same values can't be told apart by what they are."""
        return tuple(getattr(self, name) for name in ATTRIBUTES)

    def to_dict(self) -> dict:
        return {key: value for key, value in asdict(self).items() if value is not None}

    @classmethod
    def from_dict(cls, values: dict) -> Entity:
        known = {item.name for item in fields(cls)}
        return cls(**{key: value for key, value in values.items() if key in known})


@dataclass(frozen=True)
class Background:
    """A photograph to compose scenes on. `category` is one or two words for the place, `shows` the categories of things that can be
    seen in it, so that no sentence about another such thing is thought to fit one entity, or nothing.
    """

    name: str
    category: str = ""
    split: str = "train"
    source: str = ""
    path: str = ""
    licence: str = ""
    credit: str = ""
    shows: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "shows", tuple(self.shows))  # a list when it was read from JSON
