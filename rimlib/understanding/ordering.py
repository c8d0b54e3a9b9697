"""Orders among alike things: the left one, the second from the right, the biggest, those at the back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rimlib.matting import arrangement
from rimlib.matting.arrangement import COMPARED, Seen
from rimlib.understanding import messages, words
from rimlib.understanding.question import Condition, Question

DOUBTFUL = 0.12  # the clearness under which the first two in an order are told apart by chance
ELSEWHERE = -0.34  # the place in the image of the only one found: "on the left" in the right third


@dataclass(frozen=True)
class Picked:
    """Positions in the list that was ordered; `reason` for the message."""

    chosen: tuple[int, ...]
    also: tuple[int, ...] = ()
    reason: str = ""


def contradiction(question: Question) -> str:
    """Why no arrangement can satisfy a question; empty where one can.

    >>> contradiction(Question("", True, None, (Condition("left"), Condition("right"))))
    'nothing is on the left and on the right at once'
    """
    names = [one.name for one in question.conditions if not one.others and not one.negated and not one.optional]
    ranks = [one.rank for one in question.conditions]
    if question.of and max(ranks, default=0) > question.of:
        return f"there is no number {max(ranks)} of {question.of}"
    ranked = any(abs(rank) > 1 for rank in ranks)
    for name in names:
        parts = set(name.split())
        for other in names:
            clash = {words.opposite(part) for part in other.split()} & parts - {""}
            if clash and not ranked:
                return f"nothing is {_called(name)} and {_called(other)} at once"
    return ""


def pick(placed: Sequence[Condition], seen: Sequence[Seen], question: Question, size: tuple[int, int]) -> Picked:
    """Those of some instances that stand where the conditions want them; of one condition the first, of more the sum.

    Args:
        placed: conditions without another thing.
        seen: the instances that are left.
        question: for how many are meant.
        size: height and width of the image.
    """
    left = list(range(len(seen)))
    ranked = [one for one in placed if abs(one.rank) > 1 or one.rank == -1]
    negated = [one for one in placed if one.negated]
    plain = [one for one in placed if one not in ranked and not one.negated]
    if len(left) == 1:
        return _alone(plain, ranked, negated, seen[0], size)
    for one in negated:
        out = _side(one.name, left, seen, size)
        left = [index for index in left if index not in out]
    if not left:
        return Picked((), (), f"all of them are {_called(negated[0].name)}")
    if ranked:
        for one in plain:
            left = _side(one.name, left, seen, size)
        return _ranked(ranked[-1], left, seen, question)
    if not plain or len(left) == 1:
        return _all(left, question, f"kept what is not {_called(negated[0].name)}" if negated else "")
    if question.count is None:
        for one in plain:
            left = _side(one.name, left, seen, size)
        reason = f"kept {messages.some(plain[0].name, len(left))}" if len(left) < len(seen) else ""
        return Picked(tuple(left), (), reason)
    return _first(plain, left, seen, question, size)


def _alone(plain: list, ranked: list, negated: list, seen: Seen, size: tuple[int, int]) -> Picked:
    for one in ranked:
        if abs(one.rank) > 1:
            return Picked((), (), f"there is no {messages.ordinal(one.rank)} one")
    for one in plain:
        if one.name not in COMPARED and not one.optional and arrangement.in_image(one.name, seen.box, size) < ELSEWHERE:
            return Picked((), (), f"it is not {messages.place(one.name)}")
    for one in negated:
        if arrangement.in_image(one.name, seen.box, size) > -ELSEWHERE:
            return Picked((), (), f"it is {messages.place(one.name)}")
    return Picked((0,))


def _ranked(condition: Condition, left: list[int], seen: Sequence[Seen], question: Question) -> Picked:
    among = arrangement.order(condition.name, [seen[index] for index in left])
    row = [left[at] for at in among]
    rank, many = condition.rank, question.count or 1
    if abs(rank) > len(row):
        return Picked((), (), f"there is no {messages.ordinal(rank)} one")
    if many > 1:
        return Picked(tuple(row[-many:] if rank < 0 else row[rank - 1 : rank - 1 + many]))
    at = rank - 1 if rank > 0 else len(row) + rank
    also = [
        row[other]
        for other in (at - 1, at + 1)
        if 0 <= other < len(row)
        and abs(arrangement.clearness(condition.name, seen[row[at]], seen[row[other]])) < DOUBTFUL
    ]
    return Picked((row[at],), tuple(also), f"kept {messages.kept(condition, len(row))}")


def _first(
    plain: list[Condition], left: list[int], seen: Sequence[Seen], question: Question, size: tuple[int, int]
) -> Picked:
    count = question.count or 1
    if len(plain) == 1 and plain[0].name == "middle":
        row = [left[at] for at in arrangement.middle([seen[index] for index in left], size)]
        return Picked(tuple(row[:count]), (), f"kept {messages.kept(plain[0], len(left))}")
    total = {index: 0.0 for index in left}
    for one in plain:
        weight = 0.5 if one.optional and len(plain) > 1 else 1.0
        for index, value in _standing(one.name, left, seen, size).items():
            total[index] += weight * value
    row = sorted(left, key=lambda index: -total[index])
    chosen, rest = row[:count], row[count:]
    reason = "kept " + (messages.kept(plain[-1], len(left)) if count == 1 else messages.most(plain[-1].name, count))
    if not rest:
        return Picked(tuple(chosen), (), "")
    weights = sum(0.5 if one.optional and len(plain) > 1 else 1.0 for one in plain)
    also = [
        index
        for index in rest
        if (
            sum(arrangement.clearness(one.name, seen[chosen[-1]], seen[index]) for one in plain if one.name != "middle")
            < DOUBTFUL
        )
        and abs(total[chosen[-1]] - total[index]) < 2 * DOUBTFUL * weights
    ]
    return Picked(tuple(chosen), tuple(also) if count == 1 else (), reason)


def _standing(name: str, left: list[int], seen: Sequence[Seen], size: tuple[int, int]) -> dict[int, float]:
    """Of each how far it stands to that side among the others, in [-1, 1]."""
    if name == "middle":
        row = [left[at] for at in arrangement.middle([seen[index] for index in left], size)]
        return {index: 1 - 2 * at / (len(row) - 1) for at, index in enumerate(row)}
    return {
        index: sum(arrangement.clearness(name, seen[index], seen[other]) for other in left if other != index)
        / (len(left) - 1)
        for index in left
    }


def _side(name: str, left: list[int], seen: Sequence[Seen], size: tuple[int, int]) -> list[int]:
    """Those of several that stand on a side: in that half of the image, or else on that side of the widest gap."""
    if len(left) < 2:
        return left
    if name == "middle":
        return [left[arrangement.middle([seen[index] for index in left], size)[0]]]
    inside = [index for index in left if arrangement.in_image(name, seen[index].box, size) > 0]
    if inside and len(inside) < len(left):
        return inside
    row = [left[at] for at in arrangement.order(name, [seen[index] for index in left])]
    gaps = [arrangement.clearness(name, seen[one], seen[two]) for one, two in zip(row, row[1:])]
    return row[: gaps.index(max(gaps)) + 1]


def _all(left: list[int], question: Question, reason: str) -> Picked:
    if question.count is None or len(left) <= question.count:
        return Picked(tuple(left), (), reason)
    return Picked(tuple(left[: question.count]), tuple(left[question.count :]), reason)


def _called(name: str) -> str:
    return f"the {name} one" if name in COMPARED else messages.place(name)
