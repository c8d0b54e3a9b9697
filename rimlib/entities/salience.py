"""Salient and transparent by the paper's lists of words, looked up through a category's synonyms.

Paper: S2.2, "Definitions of transparent and salient entities": whatever has a listed word among its names is
transparent, or non-salient; "for all the other entities, we can easily define them as non-transparent ones or salient
ones". The lists are short (no bubble, no steam, no feather), so a table of corrections decides on both.
"""

from __future__ import annotations

from functools import cache

from rimlib.entities import synonyms

TRANSPARENT = tuple(
    "smoke, glass, water, gauze, lace, ice, bubble wrap, plastic bag, net, fire, flame, cloth, mesh bag, mesh, "
    "wine glass, ice cube, spider web, wine, cloud smog, veil, wedding dress, fishing net, cloth net, light, "
    "water drop, drip, dew, crystal stone, beer".split(", ")
)
NON_SALIENT = tuple(
    "smoke, water, gauze, lace, fire, flame, net, leaves, spider web, mesh, wine, smog, light, water spray".split(", ")
)


def by_lists(category: str) -> tuple[bool, bool]:
    """Whether a category is salient, and whether it is transparent.

    Wider words do not count: a silk scarf is a cloth to the table of synonyms, but no list names it.

    >>> by_lists("smoke"), by_lists("cobweb"), by_lists("dog"), by_lists("leaves")
    ((False, True), (False, True), (True, False), (False, False))
    """
    names = {category, synonyms.category_of(category) or category, *synonyms.names(category)}
    return not names & _meant(NON_SALIENT), bool(names & _meant(TRANSPARENT))


@cache
def _meant(listed: tuple[str, ...]) -> frozenset[str]:
    """The listed words and the categories that they name ("cloud smog" is our smog)."""
    return frozenset((*listed, *(synonyms.category_of(word) or word for word in listed)))
