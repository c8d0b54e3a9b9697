"""Of a matte in several parts, those that the place, the order or the size in the sentence means.

Not in the paper. A CLIPMat without an idea of "left" covers both of two dogs. Its matte then has two separate parts of
comparable size (see `answer`), and geometry can tell which of them is the left one. An option: the matte of the model
itself stays in `Result.raw`, and what the model understands is measured without it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rimlib.prediction.answer import Answer, Reason, separate
from rimlib.prediction.result import Result
from rimlib.understanding import Instance, Question, choose, parse


def keep_meant(result: Result) -> Result:
    """The result with the parts of its matte that its sentence means; itself where the sentence names no place.

    Only places, orders and sizes are looked at: of a relation to another thing ("left of the cat") it is not known
    where that thing is. The message tells what was done. Where no part fits, the matte stays.
    """
    question = _placed(parse(result.sentence))
    if question is None or not result.found:
        return result
    labels, parts = split(result.alpha)
    if len(parts) < 2:
        return result
    choice = choose(question, {question.target.text: parts}, result.alpha.shape)  # type: ignore[arg-type]
    if not choice.chosen:
        return replace(result, message=f"{choice.message}; all of it stays")
    kept = np.isin(labels, [index + 1 for index in choice.chosen])
    answer, reason = (Answer.AMBIGUOUS, Reason.EQUAL) if choice.ambiguous else (Answer.YES, None)
    alpha = np.where(kept, result.alpha, 0)
    return replace(result, alpha=alpha, message=choice.message, answer=answer, reason=reason)


def split(alpha: np.ndarray) -> tuple[np.ndarray, list[Instance]]:
    """The separate parts of comparable size of a matte, float32 (H, W) in [0, 1], cut at one half.

    Returns:
        For each pixel the number of the part that it belongs to, from 1, int32 (H, W): soft edges and small pieces are
        of the part that is nearest. And each part, without its matte: parts of one matte hide nothing of each other.

    >>> alpha = np.zeros((9, 20), np.float32)
    >>> alpha[2:7, 2:7] = alpha[2:7, 12:16] = 1
    >>> labels, parts = split(alpha)
    >>> [part.box for part in parts], int(labels[4, 8]), int(labels[4, 19])
    ([(2, 2, 7, 7), (12, 2, 16, 7)], 1, 2)
    """
    import cv2

    numbers, stats, large = separate(alpha)
    if not large:
        return np.zeros(alpha.shape, np.int32), []
    new = np.zeros(len(stats), np.int32)
    new[large] = np.arange(1, len(large) + 1)
    cores = new[numbers]
    _, nearest = cv2.distanceTransformWithLabels(
        (cores == 0).view(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    inside = cores > 0
    of_pixel = np.zeros(int(nearest.max()) + 1, np.int32)
    of_pixel[nearest[inside]] = cores[inside]
    parts = []
    for index in large:
        left, top, width, height = (int(value) for value in stats[index, :4])
        window = slice(top, top + height), slice(left, left + width)
        score = float(alpha[window][numbers[window] == index].mean())
        parts.append(Instance((left, top, left + width, top + height), score))
    return of_pixel[nearest], parts


def _placed(question: Question) -> Question | None:
    """The question with nothing but places, orders and sizes; None where it has none of them."""
    conditions = tuple(one for one in question.conditions if not one.others)
    if not question.understood or question.joined or not conditions:
        return None
    return replace(question, conditions=conditions, excluded=())
