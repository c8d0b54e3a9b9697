"""The paper's Table 9: SAD of CLIPMat (ViT-B/16) by the kind of sentence, and what its numbers show.

Paper: Sec. S4.3.2, Table 9. Basic, absolute and relative sentences are its BE, APE and RPE; of RefMatte's two relative
ones RPE-1 is the shorter. The paper calls relative sentences more informative, since their errors are the lowest.
"""

from typing import Any

from rimlib.experiments import paper

DATA = {"expression": "RefMatte test", "RW100": "RefMatte-RW100"}


def rows() -> list[dict[str, Any]]:
    """The table, a row for each data set and kind of sentence, with the ratio to the basic sentence's error."""
    basic = {row["scored on"]: row["sad"] for row in paper.table(9) if row["kind"] == "basic"}
    return [
        {
            "data": DATA[row["scored on"]],
            "kind": row["kind"],
            "sad": row["sad"],
            "to_basic": round(row["sad"] / basic[row["scored on"]], 3),
        }
        for row in paper.table(9)
    ]


def findings() -> dict[str, float]:
    """Differences of SAD between kinds of sentences, which say how far the table carries.

    Only one of them is a difference of meaning alone that a sentence adds: `short_to_long` compares two forms of the
    same claim, so whatever it is due to, it is not to the relation.

    >>> findings()["short_to_long"] > findings()["basic_to_long"]
    True
    """
    here, real = ({row["kind"]: row["sad"] for row in paper.table(9) if row["scored on"] == data} for data in DATA)
    differences = {
        "basic_to_absolute": here["basic"] - here["absolute"],
        "basic_to_short": here["basic"] - here["relative-short"],
        "basic_to_long": here["basic"] - here["relative-long"],
        "short_to_long": here["relative-long"] - here["relative-short"],
        "real_basic_to_absolute": real["basic"] - real["absolute"],
        "real_basic_to_relative": real["basic"] - real["relative"],
        "real_absolute_to_relative": real["absolute"] - real["relative"],
    }
    return {name: round(value, 2) for name, value in differences.items()}
