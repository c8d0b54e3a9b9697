"""The annotation of a cut-out: the machine proposes, the table of corrections decides, and both are kept.

Paper: Sec. 3.1: "automatically detect and label the category names for each foreground instance and then manually check and correct them";
"a semi-automatic strategy is adopted in retrieving such attributes". Three attributes for every entity, six for a person.

A table of corrections has one row for each cut-out and the columns below; an empty cell leaves the machine's word.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from rimlib.entities import salience, synonyms
from rimlib.entities.entity import AGE_GROUPS, GENDERS, KINDS
from rimlib.entities.propose import Proposers
from rimlib.errors import RimError
from rimlib.io import files

COLUMNS = ("category", "color", "salient", "transparent", "gender", "age_group", "clothes")
PERSON_ONLY = ("gender", "age_group", "clothes")
COARSE = (
    "animal",
    "defocus",
    "fur",
    "furniture",
    "hair easy",
    "hair hard",
    "motion",
    "other",
    "portrait",
    "sharp",
    "texture holed",
    "texture smooth",
    "transparent",
)  # classes of AIM-500 and SIM that say how a thing is matted, or too little, and not what it is
YES, NO = ("1", "yes", "true"), ("0", "no", "false")


@dataclass(frozen=True)
class Annotation:
    """What is known of a cut-out and where it comes from.

    Attributes:
        values: the seven columns as `Entity` takes them; None for what only a person has.
        proposed: what the machine said for each column; None where it said nothing.
        said: lines about it, such as missing weights and corrections.
    """

    values: dict[str, object]
    proposed: dict[str, object]
    said: list[str] = field(default_factory=list)


def annotate(
    cutting_name: str,
    kind: str,
    foreground: np.ndarray,
    alpha: np.ndarray,
    corrections: dict[str, str] | None = None,
    proposers: Proposers | None = None,
    weak_category: str | None = None,
) -> Annotation:
    """Category and attributes of one cut-out.

    Paper: Sec. 3.1, S2.2. A correction stands above all. Without one, the source's own word for the category (`weak_category`) stands above
    the machine's, unless the machine's is a kind of it: "butterfly" makes "insect" more exact.

    Args:
        foreground: uint8 (H, W, 3) RGB.
        alpha: float32 (H, W) in [0, 1].
        corrections: column → text; an empty text is no correction; other columns are passed over; `age` is read as `age_group`.

    Raises RimError, naming the cut-out and the column, for a correction that cannot be, an empty matte, and where nobody gives a value.
    """
    if kind not in KINDS:
        raise RimError(f"{cutting_name}: kind must be {' or '.join(KINDS)}, found {kind!r}")
    if not float(alpha.max(initial=0)) > 0:
        raise RimError(f"{cutting_name}: its matte is empty; an entity needs an opaque pixel")
    proposers = proposers or Proposers()
    table = _read_row(cutting_name, corrections or {})
    said: list[str] = []
    proposed: dict[str, object] = dict.fromkeys(COLUMNS)

    def take(column: str, proposal) -> None:
        proposed[column] = proposal.value
        said.append(proposal.said)

    if kind == "person":
        for column, proposal in proposers.propose_people(foreground, alpha).items():
            take(column, proposal)
        take("clothes", proposers.propose_clothes(foreground, alpha))
    else:
        take("category", proposers.propose_category(kind, foreground, alpha))
    take("color", proposers.propose_color(foreground, alpha))

    values: dict[str, object] = dict.fromkeys(COLUMNS)
    values["category"] = (
        "human" if kind == "person" else table.get("category") or _best(weak_category, proposed["category"])
    )
    if values["category"]:
        proposed["salient"], proposed["transparent"] = salience.propose(values["category"])
    for column in COLUMNS[1:]:
        if kind == "person" or column not in PERSON_ONLY:
            values[column] = table.get(column, proposed[column])
            if values[column] is None:
                break
    for column in COLUMNS if kind == "person" else COLUMNS[:4]:
        if values[column] is None:
            raise RimError(_nobody(cutting_name, column, said))
    said += [
        f"category: {word!r} has no synonyms in categories.json; sentences use the word alone"
        for word in synonyms.unknown([values["category"]])
    ]
    said += [
        f"{column}: {_text(proposed[column])} corrected to {_text(table[column])}"
        for column in COLUMNS
        if column in table and proposed[column] not in (None, table[column])
    ]
    return Annotation(values, proposed, said)


def starter_annotations(folder: str | Path | None = None) -> list[dict[str, object]]:
    """The shipped pool's annotations, one row for each entity and column that a machine proposed: color, salient, transparent.

    Keys: name, category, column, proposed, corrected (None where the proposal stands). The pool's categories, genders, ages and garments were
    written by a person who looked at each picture: its sources' own words were the proposals, and no network was asked.
    """
    from rimlib.entities import starter

    rows = []
    for row in files.read_json(Path(folder or starter.FOLDER) / "pool.json")["entities"]:
        salient, transparent = salience.propose(row["category"])
        for column, proposal in (("color", row["color_proposed"]), ("salient", salient), ("transparent", transparent)):
            rows.append(
                {
                    "name": row["name"],
                    "category": row["category"],
                    "column": column,
                    "proposed": proposal,
                    "corrected": None if row[column] == proposal else row[column],
                }
            )
    return rows


def _best(weak: str | None, machine: str | None) -> str | None:
    """The source's word as our category, or the machine's where the source has none or a wider one."""
    word = (weak or "").replace("_", " ").strip().lower()
    if not word or word in COARSE:
        return machine
    ours = synonyms.category_of(word) or word
    return machine if machine and ours in synonyms.words(machine) else ours


def _read_row(name: str, corrections: dict[str, str]) -> dict[str, object]:
    """The corrections that say something, each checked and as `Entity` takes it."""
    row = {column: str(corrections.get(column) or "").strip().lower() for column in COLUMNS}
    row["age_group"] = row["age_group"] or str(corrections.get("age") or "").strip().lower()
    table: dict[str, object] = {column: value for column, value in row.items() if value}
    for column in ("salient", "transparent"):
        if column in table:
            table[column] = _choice(name, column, table[column], (*YES, *NO)) in YES
    for column, choices in (("gender", GENDERS), ("age_group", AGE_GROUPS), ("color", _colors())):
        if column in table:
            _choice(name, column, table[column], choices)
    return table


def _choice(name: str, column: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        wanted = " or ".join(choices) if len(choices) < 10 else "a CSS3 colour name such as darkseagreen"
        raise RimError(f"{name}: the table's column {column} has {value!r}; it must be {wanted}")
    return value


@cache
def _colors() -> tuple[str, ...]:
    import webcolors

    return tuple(webcolors.names("css3"))


def _nobody(name: str, column: str, said: list[str]) -> str:
    reasons = [line for line in said if line.startswith(f"{column}:")]
    return f"{name}: nobody says its {column} ({'; '.join(reasons) or 'no machine was asked'}); write it into the table's column {column}"


def _text(value: object) -> str:
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
