"""One image and one sentence in, one matte out.

The image is encoded once (`set_image`); each sentence after that costs a fraction. The model sees a square of its own
size; its matte is enlarged to the image's, by the refiner where there is one, which works tile by tile where the
details are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rimlib.errors import RimError
from rimlib.io import images
from rimlib.matting.adjust import LEAST
from rimlib.prediction import by_place, prompts
from rimlib.prediction.answer import Answer, Reason, answer
from rimlib.prediction.prompts import EncodedText
from rimlib.prediction.result import Result
from rimlib.prediction.unknown import Refusal, left_out, refusal
from rimlib.sentences import short
from rimlib.understanding.vocabulary import Vocabulary

if TYPE_CHECKING:
    from rimlib.clipmat.model import CLIPMat, ImageFeatures
    from rimlib.clipmat.refiner import Refiner


class MattingPredictor:
    """A model that answers sentences about one image at a time.

    Args:
        model: a `CLIPMat`.
        device: such as "cpu"; the best one here if None.
        refiner: "shipped", the one that comes with rimlib; None, no refining; or a `Refiner`. It refines what was found
            in an image larger than the model's square: a smaller one has no details that the model did not see.
        threshold: a score below it counts as nothing found; 0 keeps every matte. If None, that of the checkpoint's
            calibration (see `additions.calibration`), or `collaboration.THRESHOLD` where it has none.
        by_place: of a matte in several parts keep those that the place, the order or the size in the sentence means
            (see `by_place`). Otherwise the matte is the model's own.
        known: refuse nouns that the model was not trained on, where its card names those that it was (see
            `understanding.vocabulary`). Otherwise the score alone decides, as in all that measures a model.

    Raises:
        RimError: a threshold outside [0, 1], or a device that is not here.

    Example:
        >>> predictor = MattingPredictor.shipped()            # doctest: +SKIP
        >>> predictor.set_image("street.jpg")                 # doctest: +SKIP
        >>> predictor.predict("the brown dog").alpha          # doctest: +SKIP
    """

    def __init__(
        self,
        model: CLIPMat,
        device: str | None = None,
        refiner: Any = "shipped",
        threshold: float | None = None,
        by_place: bool = False,
        known: bool = True,
    ):
        from rimlib import fast
        from rimlib.additions.calibration import Calibration
        from rimlib.clipmat.collaboration import THRESHOLD
        from rimlib.device import pick_device, use_one_thread_after_fork

        use_one_thread_after_fork()
        self.calibration = Calibration.of(model.card)
        self.threshold = self.calibration.threshold if self.calibration else THRESHOLD
        if threshold is not None:
            self.threshold = threshold
        if not 0 <= self.threshold <= 1:
            raise RimError(f"threshold is {self.threshold}; a score goes from 0 to 1", setting="threshold")
        self.device = pick_device(device)
        self.by_place, self.known = by_place, known
        self.vocabulary = Vocabulary.of(model.card)
        self.model = fast.optimize(model).eval().to(self.device)
        self.refiner = shipped_refiner(str(self.device)) if isinstance(refiner, str) else refiner
        self._features: ImageFeatures | None = None
        self._image: np.ndarray | None = None
        self._opacity: np.ndarray | None = None

    @classmethod
    def shipped(cls, profile_name: str = "tiny", device: str | None = None, **options: Any) -> MattingPredictor:
        """With the checkpoint that ships with rimlib; `options` as above."""
        from rimlib.clipmat.model import CLIPMat

        return cls(CLIPMat.shipped(profile_name), device, **options)

    def another(self, threshold: float | None = None) -> MattingPredictor:
        """A predictor of the same networks, for an image of its own. Raises RimError for a threshold as the class."""
        given = self.threshold if threshold is None else threshold
        return MattingPredictor(self.model, str(self.device), self.refiner, given, self.by_place, self.known)

    def set_image(self, source: Any) -> None:
        """Encode an image: a path, a Pillow image, an array or a tensor (see `rimlib.io.images`).

        Where the image is transparent, its mattes are at most as opaque.

        Raises:
            RimError: the image cannot be read. The one before then stays.
        """
        import torch

        image, opacity = images.read_visible(source)
        side = self.model.image_size
        square = torch.from_numpy(images.resize(image, (side, side))).to(self.device)
        with torch.inference_mode():
            self._features = self.model.encode_image(square.permute(2, 0, 1)[None].float() / 255)  # (1, 3, S, S)
        self._image, self._opacity = image, opacity

    def encode_text(self, sentences: Sequence[str]) -> EncodedText:
        """Encode sentences, once for any number of images. Raises RimError as `predict` does."""
        return self._encode(sentences)

    def predict(self, sentence: str) -> Result:
        """The matte of what a sentence refers to, in the image of `set_image`.

        Case, punctuation, quotes, the article and a "please" make no difference (see `sentences.canonical`). A sentence
        longer than the model reads is cut, with a `CutSentence` warning.

        Raises:
            RimError: no image yet, or no word in the sentence.
        """
        return next(self._results(self._encode([sentence])))

    def predict_many(self, sentences: Sequence[str] | EncodedText) -> Iterator[Result]:
        """The results of several sentences, one after the other, in bounded memory if none of them is kept.

        Raises:
            RimError: as `predict`, at the call and not at the first result.
        """
        return self._results(sentences if isinstance(sentences, EncodedText) else self._encode(sentences))

    def _encode(self, sentences: Sequence[str]) -> EncodedText:
        return prompts.encode(self.model, sentences, stacklevel=3)  # the caller of a public method

    def _results(self, text: EncodedText) -> Iterator[Result]:
        if self._features is None or self._image is None:
            raise RimError("no image yet; call set_image first")
        # Those of now: set_image may be called in between.
        return self._forward(text, self._features, self._image, self._opacity)

    def _forward(
        self, text: EncodedText, features: ImageFeatures, image: np.ndarray, opacity: np.ndarray | None
    ) -> Iterator[Result]:
        import torch

        for sentences, text_features in text.groups:
            index = torch.zeros(len(sentences), dtype=torch.int64, device=self.device)
            with torch.inference_mode():
                output = self.model.matte(features.select(index), text_features)
                trimaps = output.trimap_logits.argmax(dim=1).byte().cpu().numpy()  # (n, S, S)
                alphas, scores = output.alpha[:, 0].float().cpu().numpy(), output.score.tolist()
            del output  # its maps would stay while the caller works with the results
            for maps in zip(sentences, alphas, scores, trimaps):
                yield self._result(image, opacity, *maps)

    def _result(
        self,
        image: np.ndarray,
        opacity: np.ndarray | None,
        sentence: str,
        alpha: np.ndarray,
        score: float,
        trimap: np.ndarray,
    ) -> Result:
        import cv2

        if self.calibration:
            score = float(self.calibration(score))
        size = image.shape[:2]
        levels = np.array([0, 128, 255], np.uint8)[trimap]
        trimap = cv2.resize(levels, size[::-1], interpolation=cv2.INTER_NEAREST)  # (H, W)
        refused = self._refusal(sentence)
        found = score >= self.threshold and alpha.max() >= LEAST and not refused
        if found and self.refiner is not None and max(size) > self.model.image_size:
            raw = self.refiner.refine(image, alpha)
        else:
            raw = images.resize(alpha, size)
        if opacity is not None:
            raw = np.minimum(raw, opacity)
        if found:
            answered = answer(raw, sentence) if self.calibration else Answer.YES
            reason = Reason.SEVERAL_PARTS if answered == Answer.AMBIGUOUS else None
            result = Result(raw, score, trimap, answered, "", raw, image, sentence, reason, opacity)
            result = result.changed(raw, "where the image is not transparent")
            result = by_place.keep_meant(result) if self.by_place else result
            unknown = left_out(sentence, self.vocabulary if self.known else None) if result.found else ""
            return replace(result, message="; ".join(filter(None, (result.message, unknown))))
        message = f"nothing in this image fits “{short(sentence)}” (score {score:.2f})"
        reason, message = refused or Refusal(Reason.NO_FIT, message)
        empty = np.zeros(size, np.float32)
        return Result(empty, score, trimap, Answer.NOTHING, message, raw, image, sentence, reason, opacity)

    def _refusal(self, sentence: str) -> Refusal | None:
        """Why a sentence is not answered, whatever the score; a threshold of 0 keeps every matte."""
        return refusal(sentence, self.vocabulary if self.known else None) if self.threshold > 0 else None


def shipped_refiner(device: str = "cpu") -> Refiner | None:
    """The refiner that comes with rimlib, or None where there is none."""
    from rimlib.clipmat import refiner

    if not (refiner.CHECKPOINTS / "refiner-tiny.safetensors").is_file():
        return None
    return refiner.Refiner.shipped().to(device)
