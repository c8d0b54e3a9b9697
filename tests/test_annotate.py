"""Annotation: automatic labels, corrected by a table, both kept; a gap is an error that names entity and attribute."""

import numpy as np
import pytest

from rimlib.entities.annotate import annotate
from rimlib.entities.auto_labels import AutoLabeller, Reason
from rimlib.entities.entity import Entity
from rimlib.errors import RimError

CRIMSON = (220, 20, 60)


def cutout(color=CRIMSON):
    alpha = np.zeros((40, 30), np.float32)
    alpha[5:35, 5:25] = 1
    return np.full((40, 30, 3), color, np.uint8), alpha


def clip(*endings, share=0.9):
    """A labeller whose CLIP finds the sentences with these ends."""

    def score(image, sentences):
        hits = np.array([float(sentence.endswith(endings)) for sentence in sentences])
        return (share * hits + (1 - share) / len(sentences)).astype(np.float32)

    return AutoLabeller(category="clip", people="clip", clothes="clip", scorer=score)


def test_automatic_labels_without_corrections():
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
    assert found.automatic == found.values
    assert [(label.column, label.value, label.reason) for label in found.labels] == [
        ("category", "owl", None),
        ("color", "crimson", None),
    ]
    Entity(name="a", kind="animal", **found.values)


def test_the_table_decides_and_the_automatic_label_is_kept():
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
    assert (found.automatic["category"], found.automatic["color"], found.automatic["transparent"]) == (
        "ball",
        "crimson",
        False,
    )
    corrected = [line for line in found.remarks if "corrected" in line]
    assert [line.split(":")[0] for line in corrected] == ["category", "color", "transparent"]
    assert set(found.remarks) < set(found.messages) and len(found.messages) == 2 + len(found.remarks)


def test_salient_and_transparent_follow_the_decided_category():
    assert annotate("a", "thing", *cutout(), {"category": "smoke"}, clip("a ball")).values["transparent"] is True
    found = annotate("a", "thing", *cutout(), {"category": "smoke", "salient": "1", "transparent": "no"})
    assert (found.values["salient"], found.values["transparent"]) == (True, False)
    assert (found.automatic["salient"], found.automatic["transparent"]) == (False, True)


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
    assert [corrected.automatic[column] for column in ("gender", "age_group", "clothes")] == ["male", "senior", "coat"]
    Entity(name="p", kind="person", **corrected.values)


def test_without_weights_the_table_stands_and_the_reason_is_kept(tmp_path, monkeypatch):
    from rimlib.entities import zeroshot

    monkeypatch.setattr(zeroshot, "cached_weights", lambda repository: None)
    row = {"gender": "female", "age_group": "adult", "clothes": "dress"}
    found = annotate("p", "person", *cutout(), row, AutoLabeller(people="levi", clothes="clip", folder=tmp_path))
    assert [found.automatic[column] for column in ("category", "gender", "age_group", "clothes")] == [None] * 4
    reasons = {label.column: label.reason for label in found.labels}
    assert reasons == {**dict.fromkeys(row, Reason.NO_WEIGHTS), "color": None}
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
    with pytest.raises(RimError, match="^some-name: ") as caught:
        annotate("some-name", kind, *cutout(), row)
    assert caught.value.setting == column


@pytest.mark.parametrize("row", [{"color": "reddish"}, {"gender": "man"}, {"age_group": "old"}, {"salient": "maybe"}])
def test_a_correction_that_cannot_be_is_refused(row):
    (column, value) = next(iter(row.items()))
    with pytest.raises(RimError, match=f"^some-name: .*{value!r}") as caught:
        annotate("some-name", "thing", *cutout(), {"category": "ball", **row})
    assert caught.value.setting == column


def test_an_empty_matte_and_a_wrong_kind_are_refused():
    foreground, alpha = cutout()
    with pytest.raises(RimError, match="^some-name: ") as caught:
        annotate("some-name", "thing", foreground, alpha * 0, {"category": "ball"})
    assert caught.value.setting == "alpha"
    with pytest.raises(RimError, match="^some-name: ") as caught:
        annotate("some-name", "human", foreground, alpha, {})
    assert caught.value.setting == "kind"


@pytest.mark.parametrize(
    "weak, automatic, category",
    [
        ("insect", "a butterfly", "butterfly"),  # a kind of it: more exact
        ("insect", "a ball", "insect"),  # something else: the source decides
        ("glass_ice", None, "glass"),
        ("rhinoceros", None, "rhino"),
        ("astrolabe", None, "astrolabe"),
        ("motion", "a ball", "ball"),
        ("hair_easy", "a wig", "wig"),
        (None, "a ball", "ball"),
    ],
)
def test_the_sources_word(weak, automatic, category):
    kind = "animal" if category in ("butterfly", "rhino", "insect") else "thing"
    labeller = clip(automatic) if automatic else None
    if (weak, automatic) == ("insect", "a ball"):
        kind = "thing"
    assert annotate("a", kind, *cutout(), {}, labeller, weak).values["category"] == category
    assert (
        annotate("a", kind, *cutout(), {"category": "thingamajig"}, labeller, weak).values["category"] == "thingamajig"
    )


def test_a_class_of_a_kind_of_matte_is_no_category():
    with pytest.raises(RimError) as caught:
        annotate("a", "thing", *cutout(), {}, None, "motion")
    assert caught.value.setting == "category"
