"""What the model found of a sentence in an image: a matte, its score, and what can be made of the two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from rimlib.errors import RimError
from rimlib.matting import adjust, composition
from rimlib.prediction import cutout
from rimlib.prediction.answer import Answer, Reason, parts
from rimlib.sentences import short


@dataclass(frozen=True, eq=False)
class Result:
    """The prediction for one sentence, at the image's own size.

    Attributes:
        alpha: float32 (H, W) in [0, 1]; 0 everywhere if nothing was found.
        score: confidence that the image contains the referent, in [0, 1], near 0 for an empty matte; where the
            checkpoint has a calibration, the probability of it.
        trimap: uint8 (H, W), 0 background, 128 unknown, 255 foreground: the argmax of the semantic decoder, enlarged
            without smoothing; of other methods than CLIPMat the automatic one.
        answer: "yes", "nothing" where nothing was found, or "ambiguous" where the matte has several parts of comparable
            size, as "the dog" has of two dogs (see `answer`); this last one only of a model whose score is calibrated.
            Of a method that reasons, where two instances fit equally well.
        message: for people, why the matte is empty; if something was found, what was done ("2 × dog found; kept the one
            farther left"), or which of several things the model was not trained on; else empty.
        raw: the matte as the model gave it, whatever its score, float32 (H, W). `alpha` is the same array if something
            was found and neither `less` nor `adjust` changed it; they leave `raw` as it is.
        image: uint8 (H, W, 3), or None in a result that was not made by a predictor.
        sentence: with single spaces.
        reason: why the answer is no plain yes; None where it is.
        opacity: float32 (H, W) in [0, 1], how opaque the image itself is, or None where it is everywhere: no matte of
            it is more opaque.
        uncropped: of a result of `crop`, what it was cropped from, and the rows and columns of it.
    """

    alpha: np.ndarray = field(repr=False)
    score: float
    trimap: np.ndarray = field(repr=False)
    answer: Answer = Answer.YES
    message: str = ""
    raw: np.ndarray | None = field(default=None, repr=False)
    image: np.ndarray | None = field(default=None, repr=False)
    sentence: str = ""
    reason: Reason | None = None
    opacity: np.ndarray | None = field(default=None, repr=False)
    uncropped: tuple[Result, tuple[slice, slice]] | None = field(default=None, repr=False)

    @property
    def found(self) -> bool:
        """Whether there is a matte that shows something, of a sentence that is not refused.

        Its score reaches the threshold: the calibration's, or `collaboration.THRESHOLD`.
        """
        return self.answer != Answer.NOTHING

    def without(self, *others: Result) -> Result:
        """The matte less what other sentences found in the same image, such as a dog without its leash.

        Others that found nothing take nothing. Where nothing remains the result is empty, with a message.
        """
        found = [other for other in others if other.found]
        if not found:
            return self
        return self.less(np.maximum.reduce([other.alpha for other in found]), [other.sentence for other in found])

    def less(self, taken: np.ndarray, sentences: Sequence[str]) -> Result:
        """As `without`, of the union of what `sentences` found, float32 (H, W)."""
        if not self.found:
            return self
        rest = adjust.without(self.alpha, taken)
        names = " and ".join(f"“{short(sentence)}”" for sentence in sentences)
        return self.changed(np.zeros_like(self.alpha) if rest is None else rest, f"without {names}")

    def changed(self, alpha: np.ndarray, how: str) -> Result:
        """The result with another matte, float32 (H, W), and what follows from it: `answer`, `reason` and `message`.

        how: what was done, for the message where nothing remains: "without “the leash”".
        """
        if not self.found:
            return replace(self, alpha=alpha)
        if alpha.max(initial=0) < adjust.LEAST:
            message = f"nothing of “{short(self.sentence)}” remains {how}"
            state = {"answer": Answer.NOTHING, "reason": Reason.NOTHING_LEFT, "message": message}
            return replace(self, alpha=np.zeros_like(self.alpha), **state)  # type: ignore[arg-type]
        if self.reason == Reason.SEVERAL_PARTS and parts(self.alpha) > 1 >= parts(alpha):
            return replace(self, alpha=alpha, answer=Answer.YES, reason=None)
        return replace(self, alpha=alpha)

    def adjust(self, grow: int = 0, feather: float = 0) -> Result:
        """The matte with its edge moved out by `grow` pixels (in, below 0), then soft over `feather` to each side.

        Where nothing remains the result is empty, with a message.
        Raises RimError for more than `adjust.FARTHEST` of either, and a feather below 0.
        """
        adjust.check_pixels("grow", grow, -adjust.FARTHEST)
        adjust.check_pixels("feather", feather, 0)
        alpha = self.alpha
        if grow:
            alpha = adjust.grow(alpha, round(grow))
        if feather:
            alpha = adjust.feather(alpha, feather)
        alpha = alpha if self.opacity is None else np.minimum(alpha, self.opacity)
        return self.changed(alpha, f"when its edge is moved by {grow:g} pixels and feathered over {feather:g}")

    def crop(self, margin: int | float | str = 0) -> Result:
        """The window around what is visible of the matte; all of it where nothing is.

        margin: pixels, or per cent of the window's longer side such as "5%", as far as the image reaches. Raises
        RimError for anything else.
        """
        window = adjust.window(self.alpha, margin)
        names = ("alpha", "trimap", "raw", "image", "opacity")
        parts: dict[str, Any] = {
            name: None if (whole := getattr(self, name)) is None else whole[window] for name in names
        }
        return replace(self, **parts, uncropped=(self, window))

    def cutout(self) -> tuple[np.ndarray, np.ndarray]:
        """The referent alone: its own colours, uint8 (H, W, 3), estimated where the image mixes them, and its alpha.

        What `images.write_cutout` takes. Under alpha 0 its colours go on for some pixels, and then it is black.
        """
        if self.uncropped is not None:  # the colours are estimated with more of what was around
            whole, window = self.uncropped
            foreground, alpha = whole.cutout()
            return foreground[window], alpha[window]
        if self.image is None:
            raise RimError("this result has no image to cut from; take one from a MattingPredictor", setting="image")
        return cutout.colors(self.image, self.alpha), self.alpha

    def over(self, background: Any) -> np.ndarray:
        """The referent on another background, uint8 (H, W, 3).

        background: a colour such as "light grey", "#2a6f97" or (42, 111, 151), or an image: a path, a Pillow image, an
        array or a tensor; the largest centred part of this image's shape is taken. Raises RimError for what is neither.
        """
        foreground, alpha = self.cutout()
        return composition.over(foreground, alpha, cutout.background(background, alpha.shape))
