"""A data set whose entities are asked for by kind and place: "the animal", "the object on the left".

Not in the paper. Photographs show things whose words no training had; that something is an animal and stands on the
left can be understood all the same. The questions are made from what every label file has (kind and keyword) and from
the mattes, in the same way for composed scenes as for photographs, so that scores on both can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path

from rimlib.entities.entity import Entity
from rimlib.entities.synonyms import kind_words
from rimlib.errors import RimError
from rimlib.evaluation import questions
from rimlib.evaluation.questions import KINDS, Shown
from rimlib.refmatte.dataset import RefMatte
from rimlib.refmatte.format import Target


class ByKind(RefMatte):
    """A split whose targets have questions by kind and place in place of their expressions.

    Every question is scored (`evaluate(…, every=True)`). A target about which there is none keeps its place with no
    expression, since its matte is one that an answer may be of; an image without any question is left out.

    Args:
        root: as of `RefMatte`.
        split: as of `RefMatte`.

    Raises:
        RimError: as of `RefMatte`; there is no question; later, where a label has no kind of entity.
    """

    def __init__(self, root: str | Path, split: str = "train"):
        super().__init__(root, split, "expression")
        self.image_names = [name for name in self.image_names if any(one.expressions for one in self._asked[name])]
        if not self.image_names:
            message = f"{self.layout.labels}: no entity can be told from the others by its kind and place"
            raise RimError(message, path=self.layout.labels)

    @property
    def targets(self) -> Sequence[Target]:
        """The targets of all images."""
        return [target for name in self.image_names for target in self._asked[name]]

    def targets_of(self, image_name: str) -> list[Target]:
        """The targets of one image."""
        return self._asked[image_name]

    @property
    def scored_by(self) -> str:
        """Every question is scored."""
        return "all"

    @cached_property
    def _asked(self) -> dict[str, list[Target]]:
        return {name: self._questions(super(ByKind, self).targets_of(name)) for name in self.labels.image_names}

    def _questions(self, targets: Sequence[Target]) -> list[Target]:
        shown = [Shown(kinds_of(entity_of(one)), questions.core(self.matte(one.mask_id))) for one in targets]
        found = questions.questions(shown)
        mine = [[one for one in found if one.entity == number] for number in range(len(targets))]
        return [
            replace(
                target,
                expressions=tuple(one.sentence for one in asked),
                kinds=tuple(one.form for one in asked),
                extra={},
            )
            for target, asked in zip(targets, mine)
        ]


def kinds_of(entity: Entity) -> tuple[str, ...]:
    """The words for its kind that are asked by.

    >>> kinds_of(Entity("a", "animal", "owl", "white"))
    ('animal', 'bird')
    """
    words = kind_words(entity)
    return tuple(word for word in KINDS if word in words)


def entity_of(target: Target) -> Entity:
    """An entity as far as its label's kind and keyword go; what else it is, is in no question.

    Raises RimError where the label has no kind of entity.
    """
    kind = target.extra.get("entity_kind")
    if kind is None:
        raise RimError(f"{target.mask_id}: its label has no entity_kind, by which it could be asked for")
    entity = partial(Entity, target.mask_id, str(kind), target.keyword, "gray")
    return entity(gender="female", age_group="adult", clothes="clothes") if kind == "person" else entity()
