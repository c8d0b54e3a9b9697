"""What the matte of a sentence answers: yes, nothing here, or ambiguous; and why.

Not in the paper, where every sentence means one entity. A model that is given "the dog" and two dogs covers both, or
the half of each: then its matte has separate parts of comparable size. Where the sentence means several ("both dogs"),
several parts are right.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from rimlib.errors import RimError
from rimlib.plurals import SINGULAR, UNCHANGED
from rimlib.understanding import Question, each, parse

# The least area of a part that counts, as a share of the largest one's. In 80 scenes of look-alikes four true unions in
# five have such a second part, and of 385 true mattes of one entity one.
COMPARABLE = 0.25


class Answer(StrEnum):
    """What a result has found."""

    YES = "yes"
    AMBIGUOUS = "ambiguous"
    NOTHING = "nothing"


class Reason(StrEnum):
    """Why the answer is not a plain yes. Programs read it; the message of a result is for people."""

    NO_FIT = "nothing fits"  # the score is below the threshold, or no instance is the one that is meant
    UNKNOWN_NOUN = "unknown noun"  # the model was not trained on the noun, or on any word of the sentence
    ONLY_EXCLUDED = "only excluded"  # the sentence names only what is not meant
    NOTHING_LEFT = "nothing left"  # of what was found, after others were taken out or its edge was moved
    SEVERAL_PARTS = "several parts"  # the matte has them, and the sentence means one thing
    EQUAL = "fit equally"  # two instances do


def answer(alpha: np.ndarray, sentence: str) -> Answer:
    """Whether a matte that is not empty, float32 (H, W) in [0, 1], is a plain answer: `YES` or `AMBIGUOUS`.

    >>> two = np.zeros((9, 20), np.float32)
    >>> two[2:7, 2:7] = two[2:7, 12:16] = 1
    >>> [answer(matte, text).value for matte, text in ((two, "the dog"), (two, "the dogs"), (two[:, :9], "the dog"))]
    ['ambiguous', 'yes', 'yes']
    """
    return Answer.AMBIGUOUS if parts(alpha) > 1 and not means_several(sentence) else Answer.YES


def parts(alpha: np.ndarray) -> int:
    """How many separate parts of comparable size a matte has, cut at one half.

    >>> alpha = np.zeros((9, 20), np.float32)
    >>> alpha[2:7, 2:7] = alpha[2:7, 12:16] = alpha[0, 19] = 1
    >>> parts(alpha), parts(0 * alpha)
    (2, 0)
    """
    return len(separate(alpha)[2])


def separate(alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """The connected parts of a matte, float32 (H, W) in [0, 1], cut at one half.

    Returns:
        The number of each pixel's part, int32 (H, W), 0 where there is none; OpenCV's left, top, width, height and area
        of each number, int32 (n, 5); and the numbers of the parts of comparable size.
    """
    import cv2

    _, numbers, stats, _ = cv2.connectedComponentsWithStats((alpha > 0.5).view(np.uint8), connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]  # the first is the background
    large = [index + 1 for index, area in enumerate(areas) if area >= COMPARABLE * areas.max()]
    return numbers, stats, large


def means_several(sentence: str) -> bool:
    """Does a sentence mean more than one, by its reading (`rimlib.understanding`)?

    "The glasses" may, as all nouns whose plural has no form of its own: nothing is called ambiguous that could be
    right. A sentence without a reading means one.

    >>> [means_several(text) for text in ("both dogs", "people", "the white dogs on the left", "the glasses")]
    [True, True, True, True]
    >>> [means_several(text) for text in ("the dog by the trees", "the bus", "the left dog", "a dog and a cat")]
    [False, False, False, True]
    """
    try:
        question = parse(sentence)
    except RimError:  # no word in it
        return False
    if not question.understood:
        return False
    return len(each(question)) > 1 or any(map(_is_of_several, each(question)))


def _is_of_several(question: Question) -> bool:
    last = question.target.noun.rsplit(" ", 1)[-1]
    return question.count != 1 or question.target.plural or last in SINGULAR or last in UNCHANGED
