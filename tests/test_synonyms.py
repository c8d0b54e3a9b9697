"""The words for entities: the table holds together, has what the paper has, and WordNet is read from any database."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from rimlib.entities import starter, synonyms
from rimlib.entities.entity import AGE_GROUPS, GENDERS, Entity
from rimlib.errors import RimError
from tools import wordnet

TABLE = json.loads((Path(synonyms.__file__).parent / "categories.json").read_text(encoding="utf-8"))
AM2K = (
    "alpaca antelope bear camel cat cattle deer dog elephant giraffe horse kangaroo leopard lion monkey rabbit "
    "rhinoceros sheep tiger zebra"
).split()
PAPER = (
    "human",
    "flower",
    "plant",
    "alpaca",
    "cat",
    "dandelion",
    "flame",
    "fire",
    "net",
    "leaves",
    "smog",
    "plastic bag",
    "vase",
    "glass",
    "spider web",
    "animal",
)  # of its figures and captions; "animal" is a wider word
OWL = Entity(name="owl", kind="animal", category="owl", color="white")
PERSON = Entity(
    name="p", kind="person", category="human", color="red", gender="female", age_group="adult", clothes="dress"
)


def people():
    return [replace(PERSON, gender=gender, age_group=age) for gender in GENDERS for age in AGE_GROUPS]


@pytest.mark.parametrize("category", TABLE)
def test_a_row_holds_together(category):
    row = TABLE[category]
    nouns = [*row["names"], *row["wider"]]
    assert set(row) <= {"names", "wider", "metres", "plural", "mass", "also"}
    assert row["names"][0] == category and len(set(nouns)) == len(nouns)
    assert all(re.fullmatch(r"[a-z][a-z' -]*[a-z]", noun) for noun in nouns)
    assert set(row.get("plural", ())) | set(row.get("mass", ())) <= set(nouns) and not set(row.get("plural", ())) & set(
        row.get("mass", ())
    )
    assert row["metres"] > 0 and not set(row.get("also", ())) & set(nouns)


def test_a_noun_has_one_number_in_all_rows():
    for category, row in TABLE.items():
        for noun in (*row["names"], *row["wider"]):
            expected = "plural" if noun in row.get("plural", ()) else "mass" if noun in row.get("mass", ()) else "one"
            assert synonyms.number(noun) == expected, (category, noun)


def test_wider_words_are_closed():
    """What an owl is, by way of "bird", the row of the owl has too; else "animal" would mean a bird and not an owl."""
    for category, row in TABLE.items():
        for word in row["wider"]:
            missing = set(TABLE.get(word, {"wider": ()})["wider"]) - set(row["names"]) - set(row["wider"])
            assert not missing, (category, word, missing)


def test_a_category_of_its_own_is_no_mere_name_of_another_but_by_design():
    """Two categories that share names both ways mean the same; the paper's lists have these pairs."""
    twins = {
        frozenset((one, other)) for one in TABLE for other in TABLE[one]["names"] if other != one and other in TABLE
    }
    assert twins == {
        frozenset(pair) for pair in (("cobweb", "spider web"), ("fire", "flame"), ("leaf", "leaves"), ("rock", "stone"))
    }


def test_every_animal_is_an_animal_and_a_creature():
    for category in TABLE:
        animal = "animal" in TABLE[category]["wider"]
        assert animal == ("creature" in TABLE[category]["wider"]), category
        assert synonyms.kind_of(category) == ("person" if category == "human" else "animal" if animal else "thing")
    assert {synonyms.kind_of(synonyms.category_of(name)) for name in AM2K} == {"animal"}


def test_all_categories_of_the_pool_and_the_paper_are_in_the_table():
    for entity in starter.load().entities:
        assert entity.category in TABLE, entity.category
        assert synonyms.kind_of(entity.category) == entity.kind, entity.name
    for word in (*AM2K, *PAPER):
        assert synonyms.category_of(word) or any(word in row["wider"] for row in TABLE.values()), word


def test_nouns_begin_with_the_category_and_never_repeat():
    for entity in [*starter.load().entities, *people()]:
        nouns = synonyms.nouns(entity)
        assert nouns[0] == entity.category and len(set(nouns)) == len(nouns)
        assert all(synonyms.denotes(noun, entity) for noun in nouns)
    assert synonyms.nouns(replace(OWL, category="astrolabe")) == ("astrolabe",)


def test_people_have_the_words_of_table_2():
    table2 = {
        ("female", "child"): "baby girl, little girl, girl",
        ("male", "child"): "baby boy, little boy, boy",
        ("female", "teenager"): "girl, teenager, adolescent, miss, missy, young lady, young woman",
        ("male", "teenager"): "boy, teenager, adolescent",
        ("female", "adult"): "woman, lady",
        ("male", "adult"): "man",
        ("female", "senior"): "old woman, senior citizen, pensioner",
        ("male", "senior"): "old man, senior citizen, pensioner",
    }
    for person in people():
        own = table2[(person.gender, person.age_group)].split(", ")
        assert set(synonyms.nouns(person)) == {
            *own,
            "human",
            "human being",
            "citizen",
            "person",
            "individual",
            "mortal",
        }
    assert not synonyms.denotes("man", PERSON) and synonyms.number("man") == "one"


def test_words_mean_what_they_should():
    assert synonyms.denotes("bird", OWL) and not synonyms.denotes("owl", replace(OWL, category="bird"))
    for word, not_for in (
        ("coach", "bus"),
        ("hen", "chicken"),
        ("ape", "monkey"),
        ("hare", "rabbit"),
        ("herb", "plant"),
        ("lamb", "sheep"),
        ("snail", "slug"),
        ("brute", "alpaca"),
        ("toadstool", "mushroom"),
        ("ox", "cow"),
        ("cattle", "cow"),
    ):
        assert word not in synonyms.words(not_for)
    assert "beast" in synonyms.words("alpaca") and "beast" not in synonyms.words("mouse")


@pytest.mark.parametrize(
    "number, nouns",
    [
        (
            "one",
            [
                "dog",
                "sheep",
                "fire",
                "glass",
                "leaf",
                "owl",
                "bunch of grapes",
                "pair of pliers",
                "cloth",
                "astrolabe",
                "cup of tea",
            ],
        ),
        (
            "plural",
            [
                "leaves",
                "binoculars",
                "field glasses",
                "pliers",
                "scissors",
                "grapes",
                "fumes",
                "fireworks",
                "dry leaves",
            ],
        ),
        (
            "mass",
            [
                "smoke",
                "smog",
                "lightning",
                "hair",
                "foliage",
                "bubble wrap",
                "water",
                "lace",
                "corn",
                "dew",
                "thick smoke",
            ],
        ),
    ],
)
def test_number(number, nouns):
    assert {noun: synonyms.number(noun) for noun in nouns} == dict.fromkeys(nouns, number)


def test_metres():
    order = ["coin", "mouse", "cat", "dog", "horse", "elephant", "bus", "building", "moon"]
    sizes = [synonyms.metres(replace(OWL, category=category)) for category in order]
    assert sizes == sorted(sizes) and sizes[0] < 0.1 and 4 < sizes[5] < 8
    assert synonyms.metres(replace(PERSON, age_group="child")) < 1.3 < synonyms.metres(PERSON) < 2
    assert synonyms.metres(replace(OWL, category="astrolabe")) == 0.5


def test_words_of_other_data_sets_name_our_categories():
    for word, category in (
        ("cattle", "cow"),
        ("rhinoceros", "rhino"),
        ("smoke_cloud", "smoke"),
        ("glass_ice", "glass"),
        ("plant_leaf", "leaf"),
        ("cloud smog", "smog"),
        ("Potted Plant", "plant"),
        ("t-shirt", "t-shirt"),
        ("gull", "seagull"),
    ):
        assert synonyms.category_of(word) == category
    assert synonyms.category_of("bird of prey") is None  # wider words name nothing


# offset: lexicographer's file, names, hypernyms; the files are 5 animal, 6 artifact, 18 person, 4 act, 3 Tops
SENSES = {
    100: (3, ["animal", "brute", "creature"], []),
    200: (5, ["bird"], [100]),
    300: (5, ["owl", "bird_of_minerva"], [200]),
    400: (18, ["owl", "wise_guy"], []),
    500: (4, ["owl", "owling"], []),
}


@pytest.fixture
def database(tmp_path):
    """A WordNet of five senses without `lexnames`, as Debian ships it."""
    for part in ("adj", "adv", "verb"):
        for name in (f"data.{part}", f"index.{part}", f"{part}.exc"):
            (tmp_path / name).write_text("")
    (tmp_path / "noun.exc").write_text("owls owl\n")
    data, offsets, lines = "  1 header\n", {}, []
    for key in SENSES:  # each line's length does not depend on the offsets in it
        offsets[key] = len(data) + sum(map(len, lines))
        lines.append(sense(key, dict.fromkeys(SENSES, 0)))
    (tmp_path / "data.noun").write_text(data + "".join(sense(key, offsets) for key in SENSES))
    index = []
    for word in sorted({name for _, names, _ in SENSES.values() for name in names}):
        found = [offsets[key] for key, (_, names, _) in SENSES.items() if word in names]
        index.append(f"{word} n {len(found)} 1 @ {len(found)} 0 {' '.join(f'{offset:08d}' for offset in found)}  \n")
    (tmp_path / "index.noun").write_text("".join(index))
    return tmp_path


def sense(key, offsets):
    file, names, above = SENSES[key]
    words = " ".join(f"{name} 0" for name in names)
    pointers = "".join(f" @ {offsets[other]:08d} n 0000" for other in above)
    return f"{offsets[key]:08d} {file:02d} n {len(names):02x} {words} {len(above):03d}{pointers} | meaning  \n"


def test_candidates_are_names_of_concrete_senses(database):
    assert wordnet.candidates("owl", database) == ["bird of minerva", "wise guy"]  # an act is no image's name
    assert wordnet.hypernyms("owl", database) == ["bird", "animal", "brute", "creature"]
    assert wordnet.candidates("astrolabe", database) == []


def test_the_proposal_stands_beside_the_tables_decision(database):
    (row,) = wordnet.compare(["owl"], database)
    assert row == {
        "category": "owl",
        "candidate": ["bird of minerva", "wise guy", "bird", "animal", "brute", "creature"],
        "kept": ["bird", "animal", "creature"],
        "dropped": ["bird of minerva", "wise guy"],
        "added": ["bird of prey"],
    }


def test_lexnames_are_in_wordnets_order():
    assert len(wordnet.LEXNAMES) == 45 and wordnet.LEXNAMES[5] == "noun.animal" and wordnet.LEXNAMES[29] == "verb.body"
    assert (
        wordnet.LEXNAMES[3] == "noun.Tops"
        and wordnet.LEXNAMES[20] == "noun.plant"
        and set(wordnet.CONCRETE) < set(wordnet.LEXNAMES)
    )


def test_no_wordnet_is_an_error_with_what_to_install(tmp_path, monkeypatch):
    nltk = pytest.importorskip("nltk")
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    monkeypatch.setattr(wordnet, "DEBIAN", str(tmp_path / "none"))
    wordnet._reader.cache_clear()
    for folder in (None, tmp_path):
        with pytest.raises(RimError) as caught:
            wordnet.candidates("owl", folder)
        assert caught.value.path == (wordnet.DEBIAN if folder is None else str(folder)) and "wordnet-base" in str(
            caught.value
        )
    (tmp_path / "data.noun").write_text("not a database\n")
    with pytest.raises(RimError) as caught:
        wordnet.candidates("owl", tmp_path)
    assert caught.value.path == str(tmp_path)
