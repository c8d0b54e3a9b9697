"""The annotation of a cut-out: automatic labels, corrected by a table that an annotator fills in; both are kept.

Paper: Sec. 3.1: "automatically detect and label the category names for each foreground instance and then manually check
and correct them"; "a semi-automatic strategy is adopted in retrieving such attributes". Three attributes for every
entity, six for a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from rimlib.entities import salience, synonyms
from rimlib.entities.auto_labels import AutoLabeller, Label
from rimlib.entities.entity import AGE_GROUPS, ATTRIBUTES, GENDERS, KINDS, PERSON_ATTRIBUTES
from rimlib.errors import RimError

COARSE = frozenset(
    "animal, defocus, fur, furniture, hair easy, hair hard, motion, other, portrait, sharp, texture holed, "
    "texture smooth, transparent".split(", ")
)  # classes of AIM-500 and SIM that name how an object is matted, or too little, and not what it is
YES, NO = ("1", "yes", "true"), ("0", "no", "false")


@dataclass(frozen=True)
class Annotation:
    """What is known of a cut-out and where it comes from."""

    values: dict[str, object]  # the seven attributes as `Entity` takes them; None for what only a person has
    automatic: dict[str, object]  # the automatic label of each attribute, None where there is none
    labels: tuple[Label, ...] = ()  # the labels of networks and of the pixels, with their messages and reasons
    remarks: tuple[str, ...] = ()  # lines about corrections and about words without synonyms

    @property
    def messages(self) -> list[str]:
        """All lines about it."""
        return [*(label.message for label in self.labels), *self.remarks]


def annotate(
    name: str,
    kind: str,
    foreground: np.ndarray,
    alpha: np.ndarray,
    corrections: Mapping[str, str] | None = None,
    labeller: AutoLabeller | None = None,
    weak_category: str | None = None,
) -> Annotation:
    """Category and attributes of one cut-out.

    Paper: Sec. 3.1, S2.2. A correction overrides all. Without one, the source's own word for the category
    (`weak_category`) overrides the automatic one, unless that is a kind of it: "butterfly" makes "insect" more exact.

    Args:
        name: of the cut-out, for messages.
        kind: `person`, `animal` or `thing`.
        foreground: uint8 (H, W, 3) RGB.
        alpha: float32 (H, W) in [0, 1].
        corrections: column → text; empty texts and other columns are passed over; `age` is read as `age_group`.
        labeller: the networks; none by default.
        weak_category: the source's word.

    Raises:
        RimError: a correction that cannot be, an empty matte, or an attribute (`setting`) without a value.
    """
    if kind not in KINDS:
        raise RimError(f"{name}: kind must be {' or '.join(KINDS)}, found {kind!r}", setting="kind")
    if not float(alpha.max(initial=0)) > 0:
        raise RimError(f"{name}: its matte is empty; an entity needs an opaque pixel", setting="alpha")
    table = _read_row(name, corrections or {})
    labels = (labeller or AutoLabeller()).label(kind, foreground, alpha)
    automatic: dict[str, object] = {**dict.fromkeys(ATTRIBUTES), **{label.column: label.value for label in labels}}
    found = automatic["category"]
    category = table.get("category") or _best(weak_category, found if isinstance(found, str) else None)
    category = "human" if kind == "person" else category
    if isinstance(category, str):
        automatic["salient"], automatic["transparent"] = salience.by_lists(category)
    values = dict.fromkeys(ATTRIBUTES) | {"category": category}
    for column in ATTRIBUTES:
        if column in PERSON_ATTRIBUTES and kind != "person":
            continue
        if column != "category":
            values[column] = table.get(column, automatic[column])
        if values[column] is None:
            why = "; ".join(label.message for label in labels if label.column == column) or "it has no automatic label"
            raise RimError(
                f"{name}: its {column} is not known ({why}); write it into the table's column {column}", setting=column
            )
    remarks = [
        f"category: {word!r} has no synonyms in categories.json; sentences use the word alone"
        for word in synonyms.unknown([str(category)])
    ]
    remarks += [
        f"{column}: {_text(automatic[column])} corrected to {_text(value)}"
        for column, value in table.items()
        if automatic[column] not in (None, value)
    ]
    return Annotation(values, automatic, tuple(labels), tuple(remarks))


def _best(weak: str | None, automatic: str | None) -> str | None:
    """The source's word as our category, or the automatic one where the source has none or a wider one."""
    word = (weak or "").replace("_", " ").strip().lower()
    if not word or word in COARSE:
        return automatic
    ours = synonyms.category_of(word) or word
    return automatic if automatic and ours in synonyms.words(automatic) else ours


def _read_row(name: str, corrections: Mapping[str, str]) -> dict[str, object]:
    """The corrections that are not empty, each checked and as `Entity` takes it, in the order of `ATTRIBUTES`."""
    row = {column: str(corrections.get(column) or "").strip().lower() for column in ATTRIBUTES}
    row["age_group"] = row["age_group"] or str(corrections.get("age") or "").strip().lower()
    choices = {"salient": YES + NO, "transparent": YES + NO, "gender": GENDERS, "age_group": AGE_GROUPS}
    table: dict[str, object] = {}
    for column, value in row.items():
        allowed = _colors() if column == "color" else choices.get(column, (value,))
        if value and value not in allowed:
            wanted = "a CSS3 colour name such as darkseagreen" if column == "color" else " or ".join(allowed)
            raise RimError(f"{name}: the table's column {column} has {value!r}; it must be {wanted}", setting=column)
        if value:
            table[column] = value in YES if column in ("salient", "transparent") else value
    return table


@cache
def _colors() -> tuple[str, ...]:
    import webcolors

    return tuple(webcolors.names("css3"))


def _text(value: object) -> str:
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)
