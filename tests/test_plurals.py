"""Plurals are made and unmade by one module, each the other's reverse."""

import json
from pathlib import Path

import pytest

from rimlib.entities import synonyms
from rimlib.plurals import plural_of, singular_of
from rimlib.understanding import parse

BY_HAND = """lighthouse/lighthouses warehouse/warehouses superhero/superheroes hoodie/hoodies magpie/magpies taxi/taxis
    bookshelf/bookshelves kiwi/kiwis menu/menus businessman/businessmen grandchild/grandchildren bus/buses
    box/boxes glove/gloves olive/olives horse/horses vase/vases rose/roses shoe/shoes toe/toes axe/axes
    canoe/canoes iris/irises suitcase/suitcases walrus/walruses octopus/octopuses tortoise/tortoises
    moustache/moustaches prize/prizes bench/benches tv/tvs bush/bushes tie/ties pie/pies movie/movies
    cherry/cherries key/keys hero/heroes piano/pianos tree/trees ski/skis policewoman/policewomen lens/lenses
    gas/gases dress/dresses torch/torches quiz/quizzes nurse/nurses cheese/cheeses human/humans sleeve/sleeves
    mouse/mice spouse/spouses cause/causes snowman/snowmen emu/emus house/houses circus/circuses
    campus/campuses necktie/neckties horseshoe/horseshoes headache/headaches penknife/penknives"""


@pytest.mark.parametrize("pair", BY_HAND.split())
def test_words_that_people_use(pair):
    one, many = pair.split("/")
    assert (singular_of(many), singular_of(one)) == (one, one)
    assert parse(f"the {many}").target.plural and parse(f"the {many}").target.noun == one
    assert not parse(f"the {one}").target.plural


def test_each_noun_of_the_data_engine_comes_back_from_its_plural():
    table = json.loads((Path(synonyms.__file__).parent / "categories.json").read_text(encoding="utf-8"))
    nouns = {noun for row in table.values() for noun in (*row["names"], *row["wider"], *row.get("kinds", ()))}
    words = {noun.partition(" of ")[0].split()[-1] for noun in nouns if synonyms.number(noun) == "one"}
    wrong = {word: singular_of(plural_of(word)) for word in words if singular_of(plural_of(word)) != word}
    assert wrong == {"glass": "glasses"} and len(words) > 500  # "the glasses" are a pair of them
    assert {word for word in words if singular_of(word) != word} == {"candelabra"}  # plural and singular
