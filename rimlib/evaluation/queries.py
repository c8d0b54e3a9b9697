"""Which sentences of an image are put to a model, and what is known of each beforehand.

Paper: Sec. 3.3, S4.3.2 and S4.3.3: a keyword goes into a template; of an entity's expressions one is scored, the fixed
one of the evaluation index (`Target.scored` is the rule). Scoring every expression gives Table 9.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from rimlib.matting.relations import ARRANGEMENTS, RELATIONS
from rimlib.refmatte.dataset import RefMatte
from rimlib.refmatte.format import Target
from rimlib.sentences import normalise


class Query(NamedTuple):
    """One sentence about one entity."""

    target: Target
    number: int  # of the sentence among the entity's; 0 for a keyword
    sentence: str  # as the model reads it: of an expression, `normalise`d as in training
    kind: str  # "keyword", or as in `format.KINDS`
    scored: bool  # is it the one of its entity that the headline counts


def queries_of(refmatte: RefMatte, image: str, template: str, every: bool = False) -> list[Query]:
    """The queries of an image.

    Args:
        refmatte: in one of the two settings.
        image: its name.
        template: of keywords, with {keyword}.
        every: each expression of an entity, not the scored one alone.
    """
    found = []
    for target in refmatte.targets_of(image):
        if refmatte.setting == "keyword":
            found.append(Query(target, 0, template.format(keyword=target.keyword), "keyword", True))
            continue
        for number, (text, kind) in enumerate(zip(target.expressions, target.kinds)):
            if every or number == target.scored:
                found.append(Query(target, number, normalise(text), kind, number == target.scored))
    return found


def facts(query: Query, targets: Sequence[Target]) -> dict[str, Any]:
    """What a row has beside its measures; `targets` are those of the image."""
    target = query.target
    return {
        "image": target.image_name,
        "mask_id": target.mask_id,
        "sentence_number": query.number,
        "sentence": query.sentence,
        "sentence_kind": query.kind,
        "scored": query.scored,
        "keyword": target.keyword,
        "entity_kind": target.extra.get("entity_kind"),
        "relation": relation_of(targets),
        "transparent": is_transparent(target),
        "entities_in_image": len(targets),
        "chance": 1 / len(targets),
    }


def relation_of(targets: Sequence[Target]) -> str | None:
    """How an image's entities stand, such as "left/right": by its label, or read from the relative sentences.

    None where the label does not say and the sentences name none, or several.

    >>> relation_of([Target("a_1", "a", "cat", ("the cat", "a cat", "the cat behind the dog"))])
    'front/behind'
    """
    given = targets[0].extra.get("relation")
    if isinstance(given, str) and given:
        return given
    texts = (
        text
        for target in targets
        for text, kind in zip(target.expressions, target.kinds)
        if kind.startswith("relative")
    )
    named = {_arrangement(phrase) for text in texts for phrase in _phrases().findall(text.lower())}
    return named.pop() if len(named) == 1 else None


def is_transparent(target: Target) -> bool | None:
    """Whether an entity is transparent: by its label, or by the words of its sentences; None where neither has it.

    >>> is_transparent(Target("a_1", "a", "jar", ("the non-salient and transparent jar",)))
    True
    """
    attributes = target.extra.get("attributes")
    given = attributes.get("transparent") if isinstance(attributes, dict) else None
    if isinstance(given, bool):
        return given
    words = {word for text in target.expressions for word in re.findall(r"\b(?:non-)?transparent\b", text.lower())}
    return words == {"transparent"} if len(words) == 1 else None


def _arrangement(phrase: str) -> str:
    return next("/".join(pair) for pair in ARRANGEMENTS for name in pair if phrase in _plain(name))


def _plain(name: str) -> list[str]:
    """A relation's phrases before another entity, without those that hold for either side."""
    return [phrase for phrase in RELATIONS[name].relative if phrase not in RELATIONS[name].vague]


@cache
def _phrases() -> re.Pattern[str]:
    phrases = {phrase for pair in ARRANGEMENTS for name in pair for phrase in _plain(name)} - {"on", "over"}
    return re.compile(r"\b(" + "|".join(map(re.escape, sorted(phrases, key=len, reverse=True))) + r")\b")
