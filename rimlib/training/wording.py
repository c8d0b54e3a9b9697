"""What the sentences of a training are: some of them, to know their length, and the nouns that they have."""

from __future__ import annotations

from pathlib import Path

from rimlib.clipmat import prompt
from rimlib.clipmat.pretrained import trained_card
from rimlib.profile import Profile
from rimlib.refmatte.dataset import RefMatte
from rimlib.refmatte.vocabulary import of_targets
from rimlib.training.samples import Samples
from rimlib.understanding.vocabulary import Vocabulary


def vocabulary(samples: Samples, start: str | Path) -> Vocabulary | None:
    """The nouns of the samples, and of the training before where this one goes on from a trained model.

    start: as `CLIPMat.from_profile` takes it. None where that model does not name its nouns: they are not known then.
    """
    found, card = of_targets(samples.targets), trained_card(start)
    if card is None:
        return found
    before = Vocabulary.of(card)
    return None if before is None else found.joined(before)


def some_texts(refmatte: RefMatte, profile: Profile, most: int = 500) -> list[str]:
    """All sentences of at most so many entities, which lie evenly over a data set, in the longest template."""
    longest = max(prompt.templates(profile.model), key=len)
    targets = refmatte.targets
    found: list[str] = []
    for target in (targets[number] for number in range(0, len(targets), -(-len(targets) // most))):
        found += [] if profile.train.setting == "keyword" else target.expressions
        found += [longest.format(keyword=target.keyword)] if target.keyword and profile.train.keyword_share else []
    return found
