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
    assert set(row) <= {"names", "wider", "kinds", "perhaps", "metres", "plural", "mass", "also"}
    assert row["names"][0] == category and len(set(nouns)) == len(nouns)
    assert all(re.fullmatch(r"[a-z][a-z' -]*[a-z]", noun) for noun in nouns)
    assert set(row.get("plural", ())) | set(row.get("mass", ())) <= set(nouns) and not set(row.get("plural", ())) & set(
        row.get("mass", ())
    )
    groups = [*nouns, *row.get("kinds", ()), *row.get("perhaps", ())]
    assert len(set(groups)) == len(groups) and row.get("kinds") != [] and row.get("perhaps") != []
    assert not {"object", "thing", "person", "human"} & set(groups) or category == "human"
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


def test_kinds_are_closed_and_few_enough_to_be_understood():
    """What a mug is, by way of "cup", its row has too: a word for a group means each member, or may mean it."""
    for category, row in TABLE.items():
        for word in (*row["wider"], *row.get("kinds", ())):
            missing = set(TABLE.get(word, {}).get("kinds", ())) - set(row["names"]) - set(row["wider"])
            assert missing <= set(row.get("kinds", ())), (category, word, missing)
    kinds = {word for row in TABLE.values() for word in row.get("kinds", ())}
    assert kinds == {
        *("food", "furniture", "clothing", "piece of clothing", "jewelry", "container", "appliance"),
        *("electronic device", "sports equipment", "sea creature", "amphibian"),
    }
    used = kinds | {word for row in TABLE.values() for word in (*row["names"], *row["wider"])}
    assert {word for row in TABLE.values() for word in row.get("perhaps", ())} <= used


def test_words_for_groups():
    of = lambda category, kind="thing": synonyms.kind_words(Entity("a", kind, category, "red"))
    assert of("owl", "animal") == ("bird of prey", "bird", "animal", "creature")
    assert of("crab", "animal") == ("animal", "creature", "sea creature")
    assert of("t-shirt") == ("shirt", "garment", "piece of clothing", "clothing", "object", "thing")
    # What the table has no word for, and what it does not know.
    assert of("fence") == of("astrolabe") == ("object", "thing")
    assert of("quagga", "animal") == ("animal", "creature")
    for category, row in TABLE.items():
        if category != "human":
            words = of(category, synonyms.kind_of(category))
            assert set(row["wider"]) <= set(words) and len(set(words)) == len(words) >= 2
            assert ("object" in words) != ("animal" in words) and category not in words
    members = {word: {category for category in TABLE if word in of(category)} for word in ("vehicle", "instrument")}
    assert {"car", "airplane", "bicycle", "hot air balloon"} <= members["vehicle"] and "violin" in members["instrument"]
    assert not {"skateboard", "wheel"} & members["vehicle"] and "whistle" not in members["instrument"]


def test_people_are_called_by_age_and_gender_in_few_words():
    words = {(one.gender, one.age_group): set(synonyms.kind_words(one)) for one in people()}
    assert all({"person", "human"} <= found for found in words.values())
    for word, ages in (
        ("woman", "teenager adult senior"),
        ("lady", "teenager adult senior"),
        ("girl", "child teenager"),
    ):
        assert {key for key, found in words.items() if word in found} == {("female", age) for age in ages.split()}
    for word, ages in (("man", "teenager adult senior"), ("guy", "teenager adult senior"), ("boy", "child teenager")):
        assert {key for key, found in words.items() if word in found} == {("male", age) for age in ages.split()}
    assert {age for (_, age), found in words.items() if "child" in found} == {"child"}
    old = replace(PERSON, gender="male", age_group="senior")
    assert synonyms.denotes_widely("man", old) and not synonyms.denotes("man", old)
    assert synonyms.denotes_widely("pensioner", old) and not synonyms.denotes_widely("woman", old)
    assert synonyms.denotes_widely("kid", replace(PERSON, age_group="teenager"))  # some would


def test_a_word_for_a_group_may_mean_more_than_is_called_so():
    for word, category in (
        ("fruit", "tomato"),
        ("vehicle", "skateboard"),
        ("animal", "teddy bear"),
        ("drink", "glass"),
    ):
        entity = Entity("a", "thing", category, "red")
        assert synonyms.denotes_widely(word, entity) and word not in synonyms.kind_words(entity)
        assert not synonyms.denotes(word, entity)
    everyone = [*starter.load().entities, *people()]
    for entity in everyone:
        for noun in (*synonyms.nouns(entity), *synonyms.kind_words(entity), *synonyms.perhaps(entity)):
            assert synonyms.denotes_widely(noun, entity)
        assert not set(synonyms.perhaps(entity)) & {*synonyms.nouns(entity), *synonyms.kind_words(entity)}
        others = {"animal": "person", "person": "object", "thing": "creature"}
        assert not synonyms.denotes_widely(others[entity.kind], entity) or synonyms.perhaps(entity)


def test_the_papers_words_are_those_of_before():
    """`kinds` and `perhaps` are no nouns of the paper's plan."""
    for category, row in TABLE.items():
        assert synonyms.words(category) == tuple(dict.fromkeys((category, *row["names"], *row["wider"])))
    assert synonyms.nouns(Entity("a", "thing", "table", "red")) == ("table", "piece of furniture")


def test_plurals():
    """Each noun of the table, and of people: by the rule, or by hand here."""
    by_hand = {
        *("people men women children kids guys gentlemen snowmen mice geese woodlice wolves scarves knives").split(),
        *("leaves loaves potatoes tomatoes mangoes buffaloes chilies candelabra cacti fungi").split(),
    }
    unchanged = {
        *("sheep deer bison moose elk fish jellyfish starfish shrimp squid fowl guineafowl peafowl aircraft").split(),
        *("spacecraft", "watercraft"),
    }
    counted = {noun for row in TABLE.values() for noun in (*row["names"], *row["wider"], *row.get("kinds", ()))}
    counted |= {noun for one in people() for noun in (*synonyms.nouns(one), *synonyms.kind_words(one))}
    counted |= {"object", "thing"}
    seen = set()
    for noun in sorted(counted):
        found = synonyms.plural(noun)
        if synonyms.number(noun) != "one":
            assert found == noun
            continue
        head, _, rest = noun.partition(" of ")
        assert found.partition(" of ")[2] == rest
        word, many = head.split()[-1], found.partition(" of ")[0].split()[-1]
        if many in by_hand:
            seen.add(many)
        elif word in unchanged:
            assert many == word
            seen.add(word)
        elif word.endswith(("s", "x", "z", "ch", "sh")):
            assert many == f"{word}es", noun
        elif word.endswith("y") and word[-2] not in "aeiou":
            assert many == f"{word[:-1]}ies", noun
        else:
            assert many == f"{word}s", noun
            irregular = r"(?<!hu)man$|(mouse|goose|louse|child|person|fish|craft)$|[^aeiou]o$|fe?$"
            regular = "avocado flamingo hippo rhino piano cello violoncello giraffe".split()
            assert not re.search(irregular, word) or word in regular, noun
    assert seen == by_hand | unchanged, (by_hand | unchanged) ^ seen
    assert [synonyms.plural(noun) for noun in ("dog", "bunch of grapes", "smoke", "glasses", "astrolabe")] == [
        *("dogs", "bunches of grapes", "smoke", "glasses", "astrolabes")
    ]


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
