"""`choose`: which of the instances that an engine found a question means, by their boxes and mattes.

What the question excludes goes first, then what stands in no relation that it names, and then the order decides: side,
size, nearness. Where a relation is neither clearly true nor clearly untrue, it removes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

from rimlib.errors import RimError
from rimlib.matting import arrangement
from rimlib.matting.arrangement import Seen
from rimlib.sentences import short
from rimlib.understanding import messages, ordering
from rimlib.understanding.instances import Choice, Instance
from rimlib.understanding.question import Condition, Question, bare

SAME = 0.6  # intersection over union of two boxes of one thing
TRUE, UNTRUE = 0.15, -0.4  # a relation of this clearness holds; of this one it does not
ALIKE = 0.1  # difference of two that fit equally
GRADED = frozenset(("near", "far", "on", "inside", "of"))  # of these the one that fits best is meant
Found = Mapping[str, Sequence[Instance]]


def choose(question: Question, found: Found, size: tuple[int, int]) -> Choice:
    """Decide which of the target's instances a question means. What is `joined` to it is left to the caller (`each`).

    Args:
        question: of `parse`.
        found: the instances of each phrase of `phrases(question)`, by its text.
        size: height and width of the image in pixels.

    Raises:
        RimError: a phrase of the question was not looked for.
    """
    return _Chooser(question, found, size).choose()


class _Chooser:
    def __init__(self, question: Question, found: Found, size: tuple[int, int]):
        if question.target.text not in found:
            raise RimError(f"found: {question.target.text!r} was not looked for; ask for every phrase of `phrases`")
        self.question, self.found, self.size = question, found, size
        self.instances = found[question.target.text]
        self.seen = [_seen(one) for one in self.instances]
        self.fit = {index: 0.0 for index in range(len(self.seen))}  # how well relations hold, of those that are left
        self.remarks: list[str] = []
        self.left_out: tuple[int, ...] = ()

    def choose(self) -> Choice:
        question, count = self.question, len(self.instances)
        if not count:
            return self._choice((), "")
        if not question.understood:
            best = max(self.fit, key=lambda index: self.instances[index].score)
            return self._choice((best,), "")
        if reason := ordering.contradiction(question):
            return self._choice((), reason)
        self._exclude()
        if not self.fit:
            return self._choice((), "all of them are excluded")
        placed = [one for one in question.conditions if not one.others]
        for condition in question.conditions:
            if condition.others:
                placed += self._relate(condition)
                if not self.fit:
                    return self._choice((), f"none is {messages.related(condition)}")
        if placed and question.conditions:
            return self._in_order(placed)
        return self._best()

    def _best(self) -> Choice:
        """Of those that are left the surest, or all of them where several are meant."""
        question = self.question
        left = sorted(self.fit, key=lambda index: (-round(self.fit[index], 2), -self.instances[index].score))
        if question.count is None:
            return self._choice(tuple(left), self._kept(len(left)))
        chosen, rest = left[: question.count], left[question.count :]
        also = tuple(index for index in rest if self.fit[chosen[-1]] - self.fit[index] < ALIKE)
        if also:
            scores = " and ".join(f"{self.instances[index].score:.2f}" for index in (chosen[-1], *also)[:3])
            reason = f"{len(also) + question.count} fit equally; kept the surest (scores {scores})"
            return self._choice(tuple(chosen), reason, also)
        return self._choice(tuple(chosen), self._kept(len(chosen)))

    def _kept(self, count: int) -> str:
        related = [one for one in self.question.conditions if one.others]
        if not related or len(self.instances) - len(self.left_out) == count:
            return ""
        return "kept " + (
            messages.kept(related[-1], count) if count == 1 else f"{count} {messages.related(related[-1])}"
        )

    def _in_order(self, placed: list[Condition]) -> Choice:
        left = list(self.fit)
        picked = ordering.pick(placed, [self.seen[index] for index in left], self.question, self.size)
        chosen, also = (tuple(left[at] for at in places) for places in (picked.chosen, picked.also))
        every = self.found.get(self.question.target.noun, ()) if bare(self.question) else ()
        if not chosen and len(every) > len(left):  # "the tan coin second from the left" may count all coins
            picked = ordering.pick(placed, [_seen(one) for one in every], self.question, self.size)
            counted = [every[at].box for at in picked.chosen]
            chosen = tuple(
                index for index in left if any(arrangement.iou(self.seen[index].box, box) > SAME for box in counted)
            )
            also = ()
        reason = picked.reason
        if also:
            scores = " and ".join(f"{self.instances[index].score:.2f}" for index in (*chosen, *also)[:3])
            reason += f", though another is hardly less so (scores {scores})"
        return self._choice(chosen, reason, also)

    def _exclude(self) -> None:
        for question in self.question.excluded:
            removed = self._meant(question)
            same = [
                index
                for index in self.fit
                if any(arrangement.iou(self.seen[index].box, other.box) > SAME for other in removed)
            ]
            if same and len(same) == len(self.fit) and question.target.text != self.question.target.text:
                # The engine takes all of them for both: those stay that it is surer of as what is wanted.
                best = max(other.score for other in removed)
                same = [index for index in same if self.instances[index].score <= best]
            self.left_out += tuple(same)
            self.fit = {index: value for index, value in self.fit.items() if index not in same}

    def _meant(self, question: Question) -> list[Instance]:
        """The instances that another noun phrase of the question may mean."""
        choice = choose(question, self.found, self.size)
        instances = self.found[question.target.text]
        return [instances[index] for index in (*choice.chosen, *choice.also)]

    def _relate(self, condition: Condition) -> list[Condition]:
        """Keep those for which a relation may hold; what is returned is to decide about the target instead."""
        others = [self._meant(other) for other in condition.others]
        names = [messages.called(other.target) for other, meant in zip(condition.others, others) if not meant]
        if names and condition.name != "without":
            self.remarks.append(f"no {names[0]} found, so its place was not compared")
            return []
        clear = {index: self._clearness(condition, index, others) for index in self.fit}
        if condition.negated:
            clear = {index: -value for index, value in clear.items()}
        best = max(clear.values())
        if condition.name in GRADED:
            limit = 0.75 * best if best > 0 else 1.25 * best
        else:
            limit = TRUE if best > TRUE else UNTRUE
        self.fit = {index: value + clear[index] for index, value in self.fit.items() if clear[index] >= limit}
        if len(self.fit) > 1 and all(len(self.found[other.target.text]) < 2 for other in condition.others):
            # "the cup near the plate on the left": with one plate the place can only tell the cups apart.
            inner = [one for other in condition.others for one in other.conditions]
            return [one for one in inner if not one.others and one.name not in arrangement.COMPARED]
        return []

    def _clearness(self, condition: Condition, index: int, others: list[list[Instance]]) -> float:
        name, one = condition.name, self.seen[index]
        near = [
            [
                Seen(other.box, other.alpha, other.depth)
                for other in meant
                if arrangement.iou(one.box, other.box) <= SAME
            ]
            for meant in others
        ]
        if name == "without":
            return -1.0 if any(self._owner(other) == index for other in near[0]) else 1.0
        if name == "between":
            pairs = product(*near) if len(near) > 1 else [(a, b) for a in near[0] for b in near[0] if a is not b]
            return max((arrangement.between(one, first, second) for first, second in pairs), default=0.0)
        if name == "of":
            return max((_belongs(one, other) for other in near[0]), default=0.0)
        values = [arrangement.clearness(name, one, other) for other in near[0]]
        if name in GRADED:
            return max(values, default=0.0)
        together = min if condition.others[0].target.plural else max
        # Of two that stand on that side, the nearer one is meant.
        return together(values, default=0.0) + 0.2 * max(
            (arrangement.closeness(one.box, other.box) for other in near[0]), default=0.0
        )

    def _owner(self, thing: Seen) -> int:
        """Of all the target's instances the one that a thing belongs to; -1 where it is far from each."""
        clear = [_belongs(thing, one) for one in self.seen]
        best = max(clear)
        return clear.index(best) if best > 0.5 else -1

    def _choice(self, chosen: tuple[int, ...], reason: str, also: tuple[int, ...] = ()) -> Choice:
        said = [messages.found(self.question, len(self.instances))]
        if self.left_out:
            said.append(f"{len(self.left_out)} left out")
        said += [reason] if reason else []
        said += self.remarks
        if self.question.part and chosen:
            said.append(f"parts are not resolved: {short(self.question.part)} left aside, the whole kept")
        if self.question.count and 0 < len(chosen) < self.question.count:
            said.append(f"{self.question.count} were asked for")
        said += [note for note in self.question.notes]
        return Choice(chosen, bool(also), also, "; ".join(said), self.left_out)


def _seen(instance: Instance) -> Seen:
    return Seen(instance.box, instance.alpha, instance.depth)


def _belongs(one: Seen, owner: Seen) -> float:
    """What belongs to somebody lies in their box, or close to it."""
    inside = arrangement.clearness("inside", one, owner)
    return 0.5 * inside + 0.5 * arrangement.closeness(one.box, owner.box)
