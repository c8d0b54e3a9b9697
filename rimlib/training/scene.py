"""What can truly be said of an image: the sentences of its entities, by its labels."""

from __future__ import annotations

from dataclasses import dataclass

from rimlib.refmatte.format import Target


@dataclass(frozen=True)
class Scene:
    """The entities of an image, and the sentences that fit nothing in it: (text, whether it is a keyword)."""

    targets: list[Target]
    no_target: list[tuple[str, bool]]

    def sentences(self, which: int, every: bool = False) -> dict[str, str]:
        """An entity's expressions, each with its kind: those that fit it alone where the data name them, or `every`.

        Paper: Sec. 3.3 trains on all four, which are not checked.
        """
        target = self.targets[which]
        fits = target.extra.get("fits") or [[0]] * len(target.expressions)
        pairs = list(zip(target.expressions, target.kinds, fits))
        clear = {} if every else {text: kind for text, kind, found in pairs if len(found) == 1}
        return clear or {text: kind for text, kind, _ in pairs}

    def keyword_unique(self, which: int) -> bool:
        """Whether no other entity of the image has the same keyword."""
        target = self.targets[which]
        same = [other for other in self.targets if other.keyword == target.keyword]
        return bool(target.keyword) and len(same) == 1 and target.extra.get("keyword_clear", True)
