"""An engine of public models, and the understanding of sentences: image once, sentences after it, as of a model.

A sentence is parsed, the engine finds all instances of its noun phrases, and geometry decides which of them is
meant (`rimlib.understanding`). What was decided is matted at the image's own size (`region`), the rest is not. A
sentence without a reading goes to the engine whole.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from rimlib.baselines.vitmatte import Matter
from rimlib.errors import RimError
from rimlib.io import images
from rimlib.prediction import region
from rimlib.prediction.answer import Answer, Reason
from rimlib.prediction.cutout import LEAST
from rimlib.prediction.engines import Engine, Found
from rimlib.prediction.prompts import CutSentence
from rimlib.prediction.result import Result
from rimlib.sentences import as_list, short
from rimlib.understanding import Instance, Question, choose, each, parse, phrases

WORKING = 1280  # pixels of the longer side of the image in which instances are found; engines see less


class Parsed(NamedTuple):
    """Sentences after parsing, for any number of images: each as it was given, and its question."""

    sentences: tuple[str, ...]
    questions: tuple[Question, ...]


class Decision(NamedTuple):
    """What a sentence means in an image: the instances, the score, and what was done."""

    chosen: tuple[Found, ...]
    score: float
    message: str
    ambiguous: bool


class ReasonedPredictor:
    """An engine that answers sentences about one image at a time; as `MattingPredictor` is used.

    Args:
        engine: which finds the instances.
        matter: the matting network.
        refine: matte at the image's own size; otherwise at `region.LARGEST` pixels, and enlarge.
        threshold: an instance with a lower score does not count; the engine's own if None. With 0 the engine's own
            holds where an instance reaches it, and elsewhere the best one of what is wanted counts.

    Raises:
        RimError: a threshold outside [0, 1].
    """

    def __init__(self, engine: Engine, matter: Matter, refine: bool = True, threshold: float | None = None):
        self.engine, self.matter, self.refine = engine, matter, refine
        self.threshold = engine.threshold if threshold is None else threshold
        if not 0 <= self.threshold <= 1:
            raise RimError(f"threshold is {self.threshold}; a score goes from 0 to 1", setting="threshold")
        self._image: np.ndarray | None = None
        self._opacity: np.ndarray | None = None
        self._size = (0, 0)  # of the image that the engine sees

    def another(self, threshold: float | None = None) -> ReasonedPredictor:
        """A predictor of the same networks, for an image of its own. Raises RimError for a threshold as the class."""
        given = self.threshold if threshold is None else threshold
        return ReasonedPredictor(self.engine.another(), self.matter, self.refine, given)

    def set_image(self, source: Any) -> None:
        """Take an image: a path, a Pillow image, an array or a tensor (see `rimlib.io.images`).

        Where the image is transparent, its mattes are at most as opaque.

        Raises:
            RimError: the image cannot be read. The one before then stays.
        """
        image, opacity = images.read_visible(source)
        scale = min(1.0, WORKING / max(image.shape))
        self._size = tuple(max(1, round(length * scale)) for length in image.shape[:2])  # type: ignore[assignment]
        self.engine.set_image(images.resize(image, self._size))
        self._image, self._opacity = image, opacity

    def encode_text(self, sentences: Sequence[str]) -> Parsed:
        """Parse sentences, once for any number of images. Raises RimError as `predict` does."""
        texts = tuple(as_list(sentences))
        return Parsed(texts, tuple(parse(text) for text in texts))

    def predict(self, sentence: str) -> Result:
        """The matte of what a sentence means, in the image of `set_image`; its message is what was done.

        Raises:
            RimError: no image yet, or no word in the sentence.
        """
        return next(self.predict_many([sentence]))

    def predict_many(self, sentences: Sequence[str] | Parsed) -> Iterator[Result]:
        """The results of several sentences, one after the other, in bounded memory if none of them is kept.

        Raises:
            RimError: as `predict`, at the call and not at the first result.
        """
        text = sentences if isinstance(sentences, Parsed) else self.encode_text(sentences)
        if self._image is None:
            raise RimError("no image yet; call set_image first")
        for sentence, question in zip(*text):
            for phrase in phrases(question):
                if self.engine.is_cut(phrase.text):
                    message = f"“{short(sentence)}” is longer than {self.engine.name} reads; its end was cut"
                    warnings.warn(message, CutSentence, stacklevel=2)
        return self._results(text, self._image, self._opacity)

    def _results(self, text: Parsed, image: np.ndarray, opacity: np.ndarray | None) -> Iterator[Result]:
        for sentence, question in zip(*text):
            yield self._result(sentence, self.decide(question), image, opacity)

    def decide(self, question: Question) -> Decision:
        """Which instances of the image are meant; none is matted."""
        nouns = {phrase.text: phrase.noun if question.understood else "" for phrase in phrases(question)}
        found = self.engine.instances(list(nouns), nouns)
        wanted = {part.target.text for part in each(question)}
        counted = {text: self._counted(instances, text in wanted) for text, instances in found.items()}
        looks = _looks_behind(question)
        seen = {text: [_instance(one, looks) for one in instances] for text, instances in counted.items()}
        chosen: list[Found] = []
        messages, ambiguous = [], False
        for part in each(question):  # "the dog and the cat": the union
            choice = choose(part, seen, self._size)
            instances = counted[part.target.text]
            chosen += [instances[number] for number in choice.chosen if instances[number] not in chosen]
            messages.append(choice.message)
            ambiguous |= choice.ambiguous
        best = max((one.score for one in found[question.target.text]), default=0.0)
        score = min((one.score for one in chosen), default=best)
        return Decision(tuple(chosen), score, "; ".join(messages), ambiguous)

    def _counted(self, found: list[Found], wanted: bool) -> list[Found]:
        """The instances whose score counts; a weak one only of what is wanted.

        What it is related to, and what is excluded, may well not be there.
        """
        threshold = self.threshold or self.engine.threshold
        counted = [one for one in found if one.score >= threshold]
        return counted or (found[:1] if wanted and not self.threshold else [])

    def _result(self, sentence: str, decision: Decision, image: np.ndarray, opacity: np.ndarray | None) -> Result:
        mask = np.zeros(self._size, bool)
        for one in decision.chosen:
            mask |= one.alpha > 0.5
        alpha, trimap = region.matte(self.matter, image, mask, self.refine)
        if opacity is not None:
            alpha = np.minimum(alpha, opacity)
        message = decision.message
        if decision.chosen and alpha.max() < LEAST:
            message = f"{message}, and its mask is empty"
            alpha[:] = 0
        answer, reason = Answer.YES, None
        if not decision.chosen or alpha.max() < LEAST:
            answer, reason = Answer.NOTHING, Reason.NO_FIT
        elif decision.ambiguous:
            answer, reason = Answer.AMBIGUOUS, Reason.EQUAL
        return Result(alpha, decision.score, trimap, answer, message, alpha, image, sentence, reason, opacity)


def _instance(found: Found, looks: bool) -> Instance:
    """As `choose` takes it; its mask is made only if it is looked at."""
    return Instance(found.box, found.score, found.alpha, found.depth) if looks else Instance(found.box, found.score)


def _looks_behind(question: Question) -> bool:
    """Whether a question compares what is in front: only then masks and depth decide, and otherwise boxes alone."""
    asked = [question, *question.excluded, *question.joined]
    conditions = [condition for one in asked for condition in one.conditions]
    return any(
        condition.name in ("front", "behind") or any(map(_looks_behind, condition.others)) for condition in conditions
    )
