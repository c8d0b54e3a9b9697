"""Annotation: the machine proposes, the table decides, both are kept, and a gap is an error that names the entity and the column."""

import numpy as np
import pytest

from rimlib.entities import starter
from rimlib.entities.annotate import COLUMNS, annotate, starter_annotations
from rimlib.entities.entity import Entity
from rimlib.entities.propose import Proposers
from rimlib.errors import RimError

CRIMSON = (220, 20, 60)


def cutout(color=CRIMSON):
    alpha = np.zeros((40, 30), np.float32)
    alpha[5:35, 5:25] = 1
    return np.full((40, 30, 3), color, np.uint8), alpha


def clip(*endings, share=0.9):
    """Proposers whose CLIP finds the sentences with these ends."""

    def score(picture, sentences):
        hits = np.array([float(sentence.endswith(endings)) for sentence in sentences])
        return (share * hits + (1 - share) / len(sentences)).astype(np.float32)

    return Proposers(category="clip", people="clip", clothes="clip", scorer=score)


def test_the_machine_proposes_and_nobody_corrects():
    found = annotate("a", "animal", *cutout(), {}, clip("an owl"))
    assert found.values == {
        "category": "owl",
        "color": "crimson",
        "salient": True,
        "transparent": False,
        "gender": None,
        "age_group": None,
        "clothes": None,
    }
    assert found.proposed == found.values and "category: clip says owl (0.90)" in found.said
    Entity(name="a", kind="animal", **found.values)


def test_the_table_decides_and_the_proposal_is_kept():
    found = annotate(
        "a",
        "thing",
        *cutout(),
        {"category": "Crystal Ball", "color": "teal", "transparent": "1", "note": "x", "clothes": ""},
        clip("a ball"),
    )
    assert [found.values[column] for column in ("category", "color", "transparent", "salient")] == [
        "crystal ball",
        "teal",
        True,
        True,
    ]
    assert (found.proposed["category"], found.proposed["color"], found.proposed["transparent"]) == (
        "ball",
        "crimson",
        False,
    )
    assert "category: ball corrected to crystal ball" in found.said and "transparent: no corrected to yes" in found.said


def test_salient_and_transparent_follow_the_decided_category():
    assert annotate("a", "thing", *cutout(), {"category": "smoke"}, clip("a ball")).values["transparent"] is True
    found = annotate("a", "thing", *cutout(), {"category": "smoke", "salient": "1", "transparent": "no"})
    assert (found.values["salient"], found.values["transparent"]) == (True, False)
    assert (found.proposed["salient"], found.proposed["transparent"]) == (False, True)


def test_a_person_has_six_attributes():
    found = annotate("p", "person", *cutout(), {}, clip("an old man", "wearing a coat"))
    assert found.values == {
        "category": "human",
        "color": "crimson",
        "salient": True,
        "transparent": False,
        "gender": "male",
        "age_group": "senior",
        "clothes": "coat",
    }
    corrected = annotate(
        "p",
        "person",
        *cutout(),
        {"gender": "Female", "age": "child", "clothes": "lace"},
        clip("an old man", "wearing a coat"),
    )
    assert [corrected.values[column] for column in ("gender", "age_group", "clothes")] == ["female", "child", "lace"]
    assert [corrected.proposed[column] for column in ("gender", "age_group", "clothes")] == ["male", "senior", "coat"]
    Entity(name="p", kind="person", **corrected.values)


def test_without_weights_the_table_stands_and_the_lines_say_so(tmp_path, monkeypatch):
    from rimlib.entities import zeroshot

    monkeypatch.setattr(zeroshot, "_cached", lambda repository: None)
    row = {"gender": "female", "age_group": "adult", "clothes": "dress"}
    found = annotate("p", "person", *cutout(), row, Proposers(people="levi", clothes="clip", folder=tmp_path))
    assert [found.proposed[column] for column in ("category", "gender", "age_group", "clothes")] == [None] * 4
    assert sum("no weights for" in line and line.endswith("the table's word stands") for line in found.said) == 3
    assert {column: found.values[column] for column in row} == row


@pytest.mark.parametrize(
    "kind, row, column",
    [
        ("thing", {}, "category"),
        ("person", {"age": "adult", "clothes": "suit"}, "gender"),
        ("person", {"gender": "male", "clothes": "suit"}, "age_group"),
        ("person", {"gender": "male", "age": "adult"}, "clothes"),
    ],
)
def test_a_gap_names_the_entity_and_the_column(kind, row, column):
    with pytest.raises(RimError, match=f"^some-name: nobody says its {column} .*no machine is asked.*column {column}$"):
        annotate("some-name", kind, *cutout(), row)


@pytest.mark.parametrize(
    "row, words",
    [
        ({"color": "reddish"}, "color has 'reddish'; it must be a CSS3"),
        ({"gender": "man"}, "gender has 'man'"),
        ({"age_group": "old"}, "age_group has 'old'"),
        ({"salient": "maybe"}, "salient has 'maybe'"),
    ],
)
def test_a_correction_that_cannot_be_is_refused(row, words):
    with pytest.raises(RimError, match=f"some-name: .*{words}"):
        annotate("some-name", "thing", *cutout(), {"category": "ball", **row})


def test_an_empty_matte_and_a_wrong_kind_are_refused():
    foreground, alpha = cutout()
    with pytest.raises(RimError, match="some-name: its matte is empty"):
        annotate("some-name", "thing", foreground, alpha * 0, {"category": "ball"})
    with pytest.raises(RimError, match="some-name: kind must be"):
        annotate("some-name", "human", foreground, alpha, {})


@pytest.mark.parametrize(
    "weak, machine, category",
    [
        ("insect", "a butterfly", "butterfly"),  # a kind of it: more exact
        ("insect", "a ball", "insect"),  # something else: the source knows better
        ("glass_ice", None, "glass"),
        ("rhinoceros", None, "rhino"),
        ("astrolabe", None, "astrolabe"),
        ("motion", "a ball", "ball"),
        ("hair_easy", "a wig", "wig"),
        (None, "a ball", "ball"),
    ],
)
def test_the_sources_word(weak, machine, category):
    kind = "animal" if category in ("butterfly", "rhino", "insect") else "thing"
    proposers = clip(machine) if machine else None
    if (weak, machine) == ("insect", "a ball"):
        kind = "thing"
    assert annotate("a", kind, *cutout(), {}, proposers, weak).values["category"] == category
    assert (
        annotate("a", kind, *cutout(), {"category": "thingamajig"}, proposers, weak).values["category"] == "thingamajig"
    )


def test_a_class_that_says_only_how_it_is_matted_is_no_category():
    with pytest.raises(RimError, match="nobody says its category"):
        annotate("a", "thing", *cutout(), {}, None, "motion")


def test_the_shipped_pools_corrections_are_those_of_its_index():
    rows = starter_annotations()
    pool = starter.load()
    assert len(rows) == 3 * len(pool) and {row["column"] for row in rows} == {"color", "salient", "transparent"} <= set(
        COLUMNS
    )
    for row in rows:
        final = getattr(pool[row["name"]], row["column"])
        assert final == (row["proposed"] if row["corrected"] is None else row["corrected"])
        assert row["corrected"] is None or row["corrected"] != row["proposed"]
    corrected = [row for row in rows if row["corrected"] is not None]
    assert 0.02 < len(corrected) / len(rows) < 0.3
    assert {row["name"]: row["corrected"] for row in corrected if row["column"] == "transparent"}["fly-house"] is True
