"""What can truly be said of an image: the sentences of its entities, by its labels."""

from __future__ import annotations

from dataclasses import dataclass, field

from rimlib.refmatte.format import Target


@dataclass(frozen=True)
class Scene:
    """The entities of an image, and the sentences that fit none or several of them.

    Attributes:
        targets: the entities.
        no_target: sentences that fit nothing: (text, whether it is a keyword).
        several: sentences that mean several: (text, their places in `targets`).
    """

    targets: list[Target]
    no_target: list[tuple[str, bool]]
    several: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)

    def sentences(self, which: int, every: bool = False) -> dict[str, str]:
        """An entity's expressions, each with its kind: those that fit it alone where the data name them, or `every`.

        Paper: Sec. 3.3 trains on all four, which are not checked.
        """
        target = self.targets[which]
        fits = target.extra.get("fits") or [[0]] * len(target.expressions)
        pairs = list(zip(target.expressions, target.kinds, fits))
        clear = {} if every else {text: kind for text, kind, found in pairs if len(found) == 1}
        return clear or {text: kind for text, kind, _ in pairs}

    def keywords(self, which: int) -> list[str]:
        """The bare words for an entity alone: its keyword, and as often any other that the data name.

        "bird" for an owl, "man" for a human, as people write; the paper's data name none.
        """
        own = [self.targets[which].keyword] if self.keyword_unique(which) else []
        nouns = list(self.targets[which].extra.get("nouns") or ())
        return own * max(1, len(nouns)) + nouns

    def keyword_unique(self, which: int) -> bool:
        """Whether no other entity of the image has the same keyword."""
        target = self.targets[which]
        same = [other for other in self.targets if other.keyword == target.keyword]
        return bool(target.keyword) and len(same) == 1 and target.extra.get("keyword_clear", True)
