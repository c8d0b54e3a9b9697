"""The datasheet's tables hold what is in the files: each is counted again."""

import re
from collections import Counter

import pytest

from rimlib import profile
from rimlib.entities import rwmini, starter
from rimlib.entities.entity import AGE_GROUPS, GENDERS
from rimlib.io import files
from rimlib.refmatte import paper_pool, plan
from rimlib.repository import repository
from tools import build_starter

TEXT = (repository() / "book" / "datasheet.md").read_text(encoding="utf-8")
SECTIONS = {
    "Motivation": 3,
    "Composition": 12,
    "Collection": 5,
    "Preprocessing, cleaning, labelling": 3,
    "Uses": 5,
    "Distribution": 6,
    "Maintenance": 6,
}  # Paper: Datasheet, A.1 to A.7


def table(mark: str) -> list[list[str]]:
    """The body of the table that stands under a comment `% counted: MARK`."""
    found = re.search(rf"^% counted: {mark}\n\n((?:\|.*\n)+)", TEXT, re.M)
    assert found, f"the datasheet has no table {mark!r}"
    return [
        [cell.strip().replace("`", "") for cell in line.strip().strip("|").split("|")]
        for line in found.group(1).splitlines()[2:]
    ]


def number(value: int) -> str:
    return f"{value:,}" if value else "–"


def licences() -> list[list[str]]:
    index = files.read_json(starter.FOLDER / "pool.json")
    counted = [
        Counter((row["source"], row["licence"]) for row in rows)
        for rows in (index["entities"], index["backgrounds"], shown())
    ]
    rows = [[*key, *(number(count[key]) for count in counted)] for key in sorted(set().union(*counted))]
    return [*rows, ["all", "", *(number(count.total()) for count in counted)]]


def shown() -> list[dict]:
    """The rows of RW-mini's selection whose images have labels."""
    used = {row["image_name"] for row in rwmini.labels().values()}
    return [row for row in rwmini.selection() if row["name"] in used]


def people() -> list[list[str]]:
    entities = starter.load().of("person")
    persons = {(entity.person, entity.age_group, entity.gender) for entity in entities}
    rows = []
    for age in AGE_GROUPS:
        for gender in GENDERS:
            images = sum((entity.age_group, entity.gender) == (age, gender) for entity in entities)
            rows.append([age, gender, number(images), number(sum((a, g) == (age, gender) for _, a, g in persons))])
    return [*rows, ["all", "", number(len(entities)), number(len({person for person, _, _ in persons}))]]


def sizes() -> list[list[str]]:
    """What there is: the pool by kind and split, the tiny data set, RW-mini, and the paper's."""
    pool, tiny, labels = starter.load(), profile.load("tiny").data, rwmini.labels()
    rows = [
        [f"shipped pool, {word}", *(number(len(pool.of(kind, split))) for split in ("train", "test"))]
        for kind, word in (("person", "images of people"), ("animal", "animals"), ("thing", "things"))
    ]
    rows.append(
        ["shipped pool, backgrounds", *(number(len(pool.backgrounds_of(split))) for split in ("train", "test"))]
    )
    rows.append(["scenes of the profile tiny", number(plan.count(tiny, "train")), number(plan.count(tiny, "test"))])
    rows += [
        ["RW-mini, photographs", "–", number(len({row["image_name"] for row in labels.values()}))],
        ["RW-mini, entities", "–", number(len(labels))],
        ["RW-mini, sentences", "–", number(sum(len(row["expressions"]) for row in labels.values()))],
    ]
    rows.append(
        ["full build, entities", *(number(sum(paper_pool.ENTITIES[split].values())) for split in ("train", "test"))]
    )
    rows.append(
        ["full build, scenes", *(number(plan.count(paper_pool.settings(), split)) for split in ("train", "test"))]
    )
    return rows


def automatic() -> list[list[str]]:
    rows = build_starter.automatic_labels()
    return [
        [
            column,
            number(sum(row["column"] == column for row in rows)),
            number(sum(row["column"] == column and row["corrected"] is not None for row in rows)),
        ]
        for column in ("color", "salient", "transparent")
    ]


@pytest.mark.parametrize(
    "mark, count", [("licences", licences), ("people", people), ("sizes", sizes), ("automatic", automatic)]
)
def test_a_table_is_what_the_files_hold(mark, count):
    wanted = count()
    assert table(mark) == wanted, "the table should be\n" + "\n".join(f"| {' | '.join(row)} |" for row in wanted)


def test_numbers_in_sentences():
    pool = starter.load()
    garments = Counter(entity.clothes for entity in pool.of("person"))
    assert f"{len(garments)} garments" in TEXT and f"{len(pool.categories())} categories" in TEXT
    assert all(garment in TEXT for garment in garments)
    most = Counter(entity.person for entity in pool.of("person")).most_common(1)[0][1]
    assert f"one of them in {most} images" in TEXT
    assert f"{len({row['source'] for row in shown()})} packages" in TEXT
    real = [row for row in rwmini.labels().values() if row["entity_kind"] == "person"]
    assert f"{len(real)} entities in {len({row['image_name'] for row in real})} photographs are people" in TEXT
    images = Counter(entity.source for entity in pool.of("person")).most_common(1)[0][1]
    assert f"{images} of their {len(pool.of('person'))} images come from one collection" in TEXT


def test_every_question_of_the_papers_datasheet_has_an_answer_of_our_own():
    parts = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S))
    seen = set()
    for title, questions in SECTIONS.items():
        numbers = re.findall(r"^\*\*(\d+)\. .+\*\*$", parts[title], re.M)
        assert numbers == [str(place + 1) for place in range(questions)], title
        for answer in re.split(r"^\*\*\d+\. .+\*\*$", parts[title], flags=re.M)[1:]:
            ours = re.split(r"\*The paper:\*", answer)[0].strip()  # the paper's answer alone would be none
            assert re.match(r"[-A-Z`%]", ours) and re.search(r"[.|)]$", ours), (title, answer)
            assert not re.search(r"\b(TODO|TBD|to be written|lorem)\b", ours, re.I) and ours not in seen, (
                title,
                answer,
            )
            seen.add(ours)


def test_every_licence_is_explained():
    known = (repository() / "LICENSES" / "README.md").read_text(encoding="utf-8")
    free = ("public-domain", "CC0-1.0")  # nothing is required
    for _, licence, *_ in licences()[:-1]:
        assert licence in free or f"| {licence} |" in known, licence
