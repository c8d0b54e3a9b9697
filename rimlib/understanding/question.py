"""What a sentence asks for, as a value: the noun phrases for an engine, and the conditions that geometry decides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Phrase:
    """A noun phrase that an engine is asked for; all its instances are wanted.

    Attributes:
        noun: the head in the singular with its compounds, such as "wine glass"; "object" where the sentence has a
            pronoun instead ("the left one").
        attributes: what an engine can see, in the order of the sentence: "red", "wooden", "in red shirt". Comparisons
            ("bigger") and places are conditions, and not here.
        plural: several are meant: "dogs", "both dogs".
        text: as it is asked: "red wine glass", "man in red shirt".
    """

    noun: str
    attributes: tuple[str, ...] = ()
    plural: bool = False
    text: str = ""


@dataclass(frozen=True)
class Condition:
    """One thing that is required of an instance besides its words.

    Attributes:
        name: a relation or a size of `matting.relations` (`left`, `right`, `top`, `bottom`, `front`, `behind`,
            `middle`, `larger`, `smaller`), or `near`, `far`, `on`, `inside`, `between`, `with`, `without`.
        others: what the instance is related to; none for a place in the image or an order among its like. `between`
            has one plural or two.
        rank: the how-manieth from that side, from 1; 0 for a place, or a relation, that has no order. Negative counts
            from the other end: the last is -1.
        negated: "not on the left".
        optional: only compares where several are found: "the big dog" is the dog where there is one.
        words: as they were written, for messages.
    """

    name: str
    others: tuple[Question, ...] = ()
    rank: int = 0
    negated: bool = False
    optional: bool = False
    words: str = ""


@dataclass(frozen=True)
class Question:
    """What a sentence asks for.

    Attributes:
        sentence: as typed, cleaned.
        understood: False where the grammar has no reading: `target.text` is the whole normalised sentence then, and an
            engine's best answer to it is the answer.
        target: what is wanted.
        conditions: all must hold, those that stand first in the sentence first.
        excluded: what is not wanted, though the words of the target may mean it.
        count: how many are meant: 1, 2 for "both", a number that is said; None for a plural without one.
        of: how many there are of which that many are meant, where the sentence says it: "the third of two".
        part: "tail" of "the dog's tail"; parts are not resolved, and the target is the dog.
        notes: remarks for the user, such as whose left is meant.
        named: False where the sentence names no thing, as "the left one" and "not the dog" do not.
        joined: further questions of the same sentence, "and the cat": the answer is the union over them and this one.
    """

    sentence: str
    understood: bool
    target: Phrase
    conditions: tuple[Condition, ...] = ()
    excluded: tuple[Question, ...] = ()
    count: int | None = 1
    of: int = 0
    part: str = ""
    notes: tuple[str, ...] = ()
    joined: tuple[Question, ...] = ()
    named: bool = True

    @property
    def only_excludes(self) -> bool:
        """Whether the sentence names what is not meant and nothing else, as "everything except the dog" does."""
        return not self.named and bool(self.excluded) and not self.conditions


def phrases(question: Question) -> tuple[Phrase, ...]:
    """All noun phrases that an engine must be asked for to answer a question, each text once, the target first."""
    found = {phrase.text: phrase for phrase in reversed(list(_phrases(question)))}
    return tuple(reversed(found.values()))


def each(question: Question) -> tuple[Question, ...]:
    """The question without what is joined to it, and each of the joined ones: the answer is their union."""
    return (replace(question, joined=()), *question.joined)


def bare(question: Question) -> Phrase | None:
    """The noun alone, where an order may count all of its kind: "the tan coin second from the left" of all coins."""
    counts = any(abs(condition.rank) > 1 for condition in question.conditions)
    noun = question.target.noun
    return Phrase(noun, (), True, noun) if counts and question.target.attributes else None


def _phrases(question: Question) -> Iterator[Phrase]:
    yield question.target
    if (every := bare(question)) is not None:
        yield every
    for condition in question.conditions:
        for other in condition.others:
            yield from _phrases(other)
    for other in (*question.excluded, *question.joined):
        yield from _phrases(other)
