"""The words for an entity: synonyms of its category, and for people those of their age and gender.

Paper: Sec. 3.1 (synonyms from WordNet, checked by hand) and Table 2. `synonyms.json` is the checked table: `names` mean the
category itself, `wider` words mean more than it ("bird" for an owl). A category that the table lacks has its own name only.
"""
from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from rimlib.entities.entity import Entity

HUMAN = ("human being", "citizen", "person", "individual", "human", "mortal")   # Paper: S2.2, mass nouns made countable
BY_AGE = {   # Paper: Table 2, in our four groups
    ("female", "child"): ("baby girl", "little girl", "girl"),
    ("female", "teenager"): ("girl", "teenager", "adolescent", "miss", "missy", "young lady", "young woman"),
    ("female", "adult"): ("woman", "lady"),
    ("female", "senior"): ("old woman", "senior citizen", "pensioner"),
    ("male", "child"): ("baby boy", "little boy", "boy"),
    ("male", "teenager"): ("boy", "teenager", "adolescent"),
    ("male", "adult"): ("man",),
    ("male", "senior"): ("old man", "senior citizen", "pensioner"),
}


@cache
def _table() -> dict[str, dict[str, list[str]]]:
    return json.loads((Path(__file__).parent / "synonyms.json").read_text(encoding="utf-8"))


def nouns(entity: Entity) -> tuple[str, ...]:
    """The words that a sentence may use for an entity, its category first."""
    if entity.kind == "person":
        return ("human", *BY_AGE[(entity.gender, entity.age_group)], *(word for word in HUMAN if word != "human"))
    row = _table().get(entity.category, {"names": [entity.category], "wider": []})
    return tuple(dict.fromkeys((*row["names"], *row["wider"])))


def denotes(noun: str, entity: Entity) -> bool:
    """Can this noun mean this entity? "bird" can mean an owl, "owl" can't mean every bird."""
    return noun in nouns(entity)
