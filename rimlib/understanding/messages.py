"""What was done, in the words of a user."""

from __future__ import annotations

from rimlib.sentences import short
from rimlib.understanding.question import Condition, Phrase, Question

_PLACES = {"front left": "in front on the left", "front right": "in front on the right"}
_PLACES |= {"behind left": "at the back on the left", "behind right": "at the back on the right"}
_PLACES |= {"front": "in front", "behind": "at the back", "middle": "in the middle", "top": "at the top"}
_COMPARED = {"left": "farther left", "right": "farther right", "top": "higher up", "bottom": "lower down"}
_MOST = {"left": "farthest left", "right": "farthest right", "top": "highest up", "bottom": "lowest down"}
_SIZES = {"larger": "largest", "smaller": "smallest", "taller": "tallest", "shorter": "shortest"}
_NUMBERS = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", -1: "last"}


def found(question: Question, count: int) -> str:
    """As "2 × dog found".

    >>> from rimlib.understanding.question import Phrase
    >>> found(Question("the dogs", True, Phrase("dog", text="dog")), 0)
    'no dog found'
    """
    name = called(question.target)
    return f"{count} × {name} found" if count else f"no {name} found"


def called(phrase: Phrase) -> str:
    """The words of a phrase; the start of one that is a sentence of 10,000 characters."""
    return short(phrase.text)


def kept(condition: Condition, count: int) -> str:
    """How the one that a condition picks among `count` is called.

    >>> kept(Condition("left"), 2), kept(Condition("larger"), 3), kept(Condition("right", rank=2), 3)
    ('the one farther left', 'the largest', 'the second from the right')
    """
    name, rank = condition.name, condition.rank
    if condition.others:
        return f"the one {related(condition)}"
    if abs(rank) > 1 or rank == -1:
        number = ordinal(rank)
        return f"the {number} {_SIZES[name]}" if name in _SIZES else f"the {number} from the {side(name)}"
    if name in _SIZES:
        return f"the {name if count == 2 else _SIZES[name]}" + (" one" if count == 2 else "")
    if name in _COMPARED:
        return f"the one {(_COMPARED if count == 2 else _MOST)[name]}"
    return f"the one {place(name)}"


def place(name: str) -> str:
    """As "on the left", "at the top left".

    >>> place("left"), place("behind"), place("top left")
    ('on the left', 'at the back', 'at the top left')
    """
    return _PLACES.get(name, f"on the {name}" if name in ("left", "right") else f"at the {name}")


def side(name: str) -> str:
    """The side that an order counts from."""
    return {"behind": "back"}.get(name, name)


def related(condition: Condition) -> str:
    """As "left of the cat", "not near the tree"."""
    names = " and ".join(f"the {called(other.target)}" for other in condition.others)
    word = {"left": "left of", "right": "right of", "top": "above", "bottom": "below", "front": "in front of"}
    word |= {"larger": "larger than", "smaller": "smaller than", "taller": "taller than", "shorter": "shorter than"}
    word |= {"near": "nearest to", "far": "farthest from", "inside": "in"}
    return f"{'not ' if condition.negated else ''}{word.get(condition.name, condition.name)} {names}"


def ordinal(rank: int) -> str:
    """As "third", for a rank from 1; negative ones count from the end.

    >>> ordinal(3), ordinal(-1), ordinal(12), ordinal(22), ordinal(-3)
    ('third', 'last', '12th', '22nd', 'third to last')
    """
    if rank < -1:
        return f"{ordinal(-rank)} to last"
    ending = "th" if rank % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(rank % 10, "th")
    return _NUMBERS.get(rank) or f"{rank}{ending}"


def most(name: str, count: int) -> str:
    """As "the 2 farthest left", "the 3 largest"."""
    return f"the {count} {_MOST.get(name) or _SIZES.get(name) or place(name)}"


def some(name: str, count: int) -> str:
    """As "2 on the left", "the 3 larger ones"."""
    return f"the {count} {name}" if name in _SIZES else f"{count} {place(name)}"
