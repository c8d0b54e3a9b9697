"""The nouns that a training meets, from the same table that the sentences of its scenes are made of.

Of scenes that the data engine composed the entities are known, and so all words for them; of other data sets the
keywords and the nouns of the sentences are.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from rimlib.entities import synonyms
from rimlib.entities.entity import PERSON_ATTRIBUTES, Entity
from rimlib.entities.pool import Pool
from rimlib.refmatte import keywords
from rimlib.refmatte.format import Target
from rimlib.understanding.vocabulary import Vocabulary


def of_pool(pool: Pool, wide: bool) -> Vocabulary:
    """The nouns of what a pool has for training; with the words for a kind where sentences have them."""
    return _with_kinds(word for entity in pool.of(split="train") for word in _words(entity, wide))


def of_targets(targets: Iterable[Target]) -> Vocabulary:
    """The nouns of a data set's training images: what keywords and sentences call the entities.

    >>> row = {"entity_kind": "animal", "attributes": {"color": "white"}}
    >>> ours, read = Target("a", "i", "owl", ("the bird",), extra=row), Target("b", "i", "vuvuzela", ("the red horn",))
    >>> sorted(of_targets([ours, read]).nouns)
    ['animal', 'bird', 'bird of prey', 'creature', 'horn', 'owl', 'vuvuzela']
    """
    return _with_kinds(word for target in targets for word in _of_target(target))


def _of_target(target: Target) -> Iterable[str]:
    kind, more = target.extra.get("entity_kind"), target.extra.get("attributes")
    if kind and more and target.keyword:
        about = tuple(more.get(name, "") for name in PERSON_ATTRIBUTES)
        return _of_ours(kind, target.keyword, about, "nouns" in target.extra)
    return (*_of_category(target.keyword), *map(keywords.noun_of, target.expressions))


@cache
def _of_ours(kind: str, category: str, about: tuple[str, ...], wide: bool) -> tuple[str, ...]:
    gender, age_group, clothes = about
    return _words(Entity("", kind, category, "", gender=gender, age_group=age_group, clothes=clothes), wide)


@cache
def _of_category(category: str) -> tuple[str, ...]:
    if category == keywords.HUMAN:
        return tuple(keywords.people())
    return synonyms.words(category) if category else ()


def _words(entity: Entity, wide: bool) -> tuple[str, ...]:
    """With what a person is called by gender and age: "the adult"."""
    people = (entity.gender or "", entity.age_group or "") if entity.kind == "person" else ()
    return (*synonyms.nouns(entity), *people, *(synonyms.kind_words(entity) if wide else ()))


def _with_kinds(found: Iterable[str]) -> Vocabulary:
    """With what the table calls the things that are none of these nouns."""
    nouns = frozenset(filter(None, found))
    kinds: dict[str, str] = {}
    for category in synonyms.categories():
        kind = synonyms.kind_of(category)
        if kind == "person":
            continue
        wider = [word for word in synonyms.kind_words(Entity("", kind, category, "")) if word in nouns]
        for name in synonyms.names(category) if wider else ():
            if name not in nouns:
                kinds.setdefault(name, wider[0])
    return Vocabulary(nouns, kinds)
