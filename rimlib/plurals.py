"""Singular and plural of English nouns: the one home of both.

`plural_of` makes regular plurals and has the irregular ones by hand. `singular_of` turns them round: it knows no
lexicon, so that the endings that two singulars share ("houses", "buses") are decided by the more common one, and the
others are listed.
"""

from __future__ import annotations

import re

IRREGULAR = {
    **{"person": "people", "man": "men", "woman": "women", "child": "children", "mouse": "mice", "goose": "geese"},
    **{"knife": "knives", "leaf": "leaves", "loaf": "loaves", "scarf": "scarves", "wolf": "wolves", "tooth": "teeth"},
    **{"potato": "potatoes", "tomato": "tomatoes", "mango": "mangoes", "buffalo": "buffaloes", "chili": "chilies"},
    **{"candelabrum": "candelabra", "cactus": "cacti", "fungus": "fungi", "foot": "feet", "ox": "oxen"},
    **{"louse": "lice", "half": "halves", "calf": "calves", "wife": "wives", "life": "lives", "shelf": "shelves"},
    **{"hoof": "hooves", "thief": "thieves", "elf": "elves", "sheaf": "sheaves", "dwarf": "dwarves"},
    **{"quiz": "quizzes", "passerby": "passersby"},
}
UNCHANGED = frozenset(
    """sheep deer bison moose elk fish jellyfish starfish shrimp squid fowl guineafowl peafowl aircraft spacecraft
    watercraft""".split()
)
# One thing with the ending of a plural, or a pair that is one: "the left scissors" is one of them.
SINGULAR = frozenset(
    """gas lens canvas rhinoceros scissors glasses jeans trousers pants shorts binoculars goggles sunglasses headphones
    earphones pliers tweezers tongs pyjamas pajamas leggings overalls clothes series species atlas christmas pancreas
    always news physics barracks stairs alias cosmos thermos asbestos tights shears mars texas headquarters""".split()
)
# Compounds of these have their plural: "businessmen", "grandchildren", "bookshelves", "woodlice".
_COMPOUNDS = (
    "woman man child person mouse goose knife leaf loaf wolf tooth foot louse half calf wife shelf thief".split()
)
NO_COMPOUNDS = frozenset("human german roman shaman caiman talisman ottoman cayman".split())
_NO_PLURALS = frozenset("omen specimen abdomen stamen ramen cyclamen dolmen regimen".split())
# What ends in -ie, -oe, -che, -xe, -us, -is and so on, against the rule for its plural's ending.
_ENDINGS = (
    r"(?:hood|magp|bowt|neckt|potp|mov|cook|zomb|self|brown|smooth|gen|hipp|rook|coll|calor|cut|food|goal|prair|budg"
    r"|pix|newb|book|lass|talk|ones|bean|vegg|road|aunt|pink|group|junk|freeb|cadd|menager|dogg|sweet|eyr"
    r"|rotisser|patisser|bird|boog|walk)ie|(?:cow)?pie|tie|lie|die",
    r"[a-z]*shoe|(?:tip|mistle)?toe|canoe|hoe|foe|doe|oboe|floe|roe|sloe|aloe|backhoe",
    r"(?:head|tooth|stomach|heart|back|ear|belly)?ache|mou?stache|cache|avalanche|niche|quiche|brioche|cliche|creche|porsche|gouache|cartouche",
    r"(?:pick|battle|pole)?axe|muse|fuse|cause|pause|clause|excuse|recluse|use|abuse|hypotenuse",
    r"iris|trellis|ibis|mantis|pelvis|clematis|portcullis|metropolis|amaryllis|[a-z]*(?:buzz|fizz|jazz)|waltz|quartz|topaz",
)
_KEPT = re.compile("|".join(_ENDINGS))
_OF_I_AND_U = frozenset(
    """taxi kiwi ski bikini corgi alibi safari zucchini khaki sari wiki bonsai samurai yeti okapi mini deli salami
    tsunami emoji panini martini tiki rabbi ravioli jacuzzi spaghetti graffiti sushi biscotti origami tamari
    pepperoni macaroni menu emu gnu guru tutu haiku zebu caribou bayou plateau bureau chateau gateau
    kudu tofu kinkajou bijou tiramisu tzu""".split()
)


def plural_of(word: str) -> str:
    """Several of what one word means.

    >>> [plural_of(word) for word in ("dog", "knife", "cherry", "sheep", "snowman", "human", "lighthouse")]
    ['dogs', 'knives', 'cherries', 'sheep', 'snowmen', 'humans', 'lighthouses']
    """
    if word in UNCHANGED:
        return word
    if word in IRREGULAR:
        return IRREGULAR[word]
    for one in _COMPOUNDS:
        if word.endswith(one) and word not in NO_COMPOUNDS:
            return word.removesuffix(one) + IRREGULAR[one]
    if re.search(r"(s|x|z|ch|sh)$", word):
        return f"{word}es"
    return re.sub(r"(?<=[^aeiou])y$", "ie", word) + "s"


def singular_of(word: str) -> str:
    """One of what a plural means; a singular stays.

    >>> [singular_of(word) for word in ("dogs", "lighthouses", "superheroes", "hoodies", "taxis", "businessmen", "bus")]
    ['dog', 'lighthouse', 'superhero', 'hoodie', 'taxi', 'businessman', 'bus']
    """
    if word in SINGULAR or word in UNCHANGED or word in _NO_PLURALS:
        return word
    if word in _ONE:
        return _ONE[word]
    for one in _COMPOUNDS:
        if word.endswith(IRREGULAR[one]) and one != "half":
            return word.removesuffix(IRREGULAR[one]) + one
    stem = word[:-1]
    if not word.endswith("s") or word.endswith("ss") or re.fullmatch("[a-z]?[aeiouy]s", word):
        return word
    if word.endswith(("us", "is")):
        return stem if stem in _OF_I_AND_U else word
    if word.endswith("es") and word[:-2] in SINGULAR or _KEPT.fullmatch(word[:-2]):
        return word[:-2]
    if _KEPT.fullmatch(stem):
        return stem
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if re.search(r"(?:x|ch|sh|ss|[^o]us|[^aeiou]o)es$", word):
        return word[:-2]
    return stem


_ONE = {many: one for one, many in IRREGULAR.items()}
