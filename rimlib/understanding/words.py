"""What the words of the grammar mean: sides, sizes, ordinals, numbers and relations; and nouns in the singular."""

from __future__ import annotations

import re

from rimlib.matting.relations import RELATIONS
from rimlib.plurals import singular_of

OBJECT = "object"  # what an engine is asked for where a sentence has a pronoun: "the left one"

SIDES = {  # the first of these words that is in a side gives its name
    **{"top left": "top left", "upper left": "top left", "bottom left": "bottom left", "lower left": "bottom left"},
    **{"top right": "top right", "upper right": "top right"},
    **{"bottom right": "bottom right", "lower right": "bottom right"},
    **{"back left": "behind left", "rear left": "behind left", "front left": "front left"},
    **{"back right": "behind right", "rear right": "behind right", "front right": "front right"},
    **{"left": "left", "right": "right", "middle": "middle", "center": "middle", "centre": "middle"},
    **{"central": "middle", "top": "top", "upper": "top", "high": "top"},
    **{"bottom": "bottom", "lower": "bottom", "lowest": "bottom"},
    **{"foreground": "front", "background": "behind", "front": "front", "back": "behind", "rear": "behind"},
    "hind": "behind",
}
SIZES = {
    **dict.fromkeys(("big", "large", "huge", "bigger", "larger", "biggest", "largest"), "larger"),
    **dict.fromkeys(("small", "little", "tiny", "smaller", "smallest", "tiniest"), "smaller"),
    **dict.fromkeys(("tall", "taller", "tallest"), "taller"),
    **dict.fromkeys(("short", "shorter", "shortest"), "shorter"),
}
PLAIN_SIZES = frozenset("big large huge small little tiny tall short".split())
NUMBERS = {
    word: number
    for number, word in enumerate(
        """two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
        eighteen nineteen twenty""".split(),
        2,
    )
}
ORDINALS = {
    word: number
    for number, word in enumerate(
        """first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth
        fifteenth sixteenth seventeenth eighteenth nineteenth twentieth""".split(),
        1,
    )
}
NEXT_TO_LAST = {"penultimate": -2, "next to last": -2, "last but one": -2, "last but two": -3, "last but three": -4}
PREPOSITIONS = {
    **dict.fromkeys(("on", "onto", "upon"), "on"),
    **dict.fromkeys(("above", "over"), "top"),
    **dict.fromkeys(("below", "beneath", "under", "underneath"), "bottom"),
    **dict.fromkeys(("behind", "on the other side of", "on the far side of"), "behind"),
    **dict.fromkeys(("in", "into", "inside", "inside of", "within"), "inside"),
}  # all others mean `near`

PARTS = frozenset(
    """tail head ear eye face hair leg arm hand foot paw nose mouth wing beak horn mane fur neck back chest belly hoof
    tongue tooth finger beard trunk antler shell fin snout muzzle wheel tyre tire door window roof handle lid leaf petal
    stem branch root seat screen keyboard button spout rim edge top bottom front side corner middle shadow""".split()
)
BODY = frozenset(
    """hand arm shoulder head neck mouth beak snout face back chest waist wrist finger foot paw leg knee lap ear eye
    nose hair""".split()
)
OWNS = frozenset("his her its their".split())
OWN = OWNS | frozenset("my your our".split())  # whose left and right are not the image's
GARMENTS = frozenset(
    """shirt t-shirt tshirt tee dress coat jacket hat cap suit trousers pants jeans shorts skirt sweater jumper hoodie
    jersey uniform costume top blouse vest gown scarf tie boots shoes sneakers socks gloves glasses sunglasses goggles
    helmet apron robe bikini swimsuit outfit clothes kimono sari pyjamas pajamas overalls raincoat cardigan tuxedo kilt
    leggings sweatshirt beanie hood mask armour armor veil""".split()
)
# Where something is, by words that name no thing with edges: these compare, and are not looked for.
SURROUNDINGS = {
    **dict.fromkeys(("ground", "floor"), "bottom"),
    **dict.fromkeys(("sky", "air", "ceiling"), "top"),
    "distance": "behind",
}
GROUNDS = frozenset(("background", "foreground"))  # places, or things of their own: "the background"
# What wears its number.
NUMBERED = frozenset(
    """player runner racer rider driver athlete swimmer cyclist skier goalkeeper jersey shirt bib car bus tram train
    taxi truck boat plane horse house room door gate platform track lane locker ball key building bike""".split()
)
GROUPS = frozenset("pair couple group bunch set row line crowd herd flock pile stack".split())


def side(words: str) -> str:
    """The relation that a side's words name: "far left" is `left`, "upper right-hand" is `top right`.

    >>> [side(words) for words in ("far left", "top-left", "hindmost", "centre", "uppermost")]
    ['left', 'top left', 'behind', 'middle', 'top']
    """
    plain = words.replace("-", " ")
    return next(name for word, name in SIDES.items() if word in plain)


def opposite(name: str) -> str:
    """Of a side or a size.

    >>> opposite("left"), opposite("taller"), opposite("top left"), opposite("middle")
    ('right', 'shorter', 'bottom right', '')
    """
    if name in ("taller", "shorter"):
        return "shorter" if name == "taller" else "taller"
    if " " in name:
        return " ".join(RELATIONS[word].opposite for word in name.split())
    return RELATIONS[name].opposite if name in RELATIONS else ""


def rank(words: str) -> int:
    """The number of an ordinal: "third" and "3rd" are 3, "last" is -1.

    >>> [rank(words) for words in ("second", "3rd", "last", "second to last", "last but two", "twelfth")]
    [2, 3, -1, -2, -3, 12]
    """
    plain = words.replace("-", " ")
    if plain in NEXT_TO_LAST:
        return NEXT_TO_LAST[plain]
    if plain.endswith("last"):
        return -ORDINALS.get(plain.split()[0], 1)
    last = plain.rsplit(" ", 1)[-1]
    return ORDINALS.get(last) or NUMBERS.get(last) or int(re.sub(r"\D", "", last) or 1)


def singular(noun: str) -> tuple[str, bool]:
    """A noun in the singular, and whether it was a plural; of a noun with "of" what stands before it is counted.

    >>> singular("wine glasses"), singular("cups of tea"), singular("bus"), singular("women"), singular("cherries")
    (('wine glass', True), ('cup of tea', True), ('bus', False), ('woman', True), ('cherry', True))
    """
    head, of, rest = noun.partition(" of ")
    before, space, word = head.rpartition(" ")
    one = singular_of(word)
    if word == "glasses" and before:  # "wine glasses"; alone it is a pair of them
        one = "glass"
    return before + space + one + of + rest, one != word
