"""One picture and one sentence in, one matte out.

The picture is encoded once (`set_image`); each sentence after that costs a fraction. The model sees a square of its own size; its matte
is enlarged to the picture's, by the refiner where there is one, which works tile by tile where the details are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

from rimlib.errors import RimError
from rimlib.io import images
from rimlib.predict import prompts as words
from rimlib.predict.cutout import LEAST
from rimlib.predict.result import Result


class NothingFound(UserWarning):
    """The sentence fits nothing in the picture; the matte is empty."""


class Matting:
    """A model that is asked about one picture at a time.

    Args:
        model: a `CLIPMat`.
        device: such as "cpu"; a GPU if there is one and None is given.
        refiner: "shipped", the one that comes with rimlib; None, no refining; or an object with
            `refine(picture uint8 (H, W, 3), alpha float32 (h, w)) -> float32 (H, W)`. It is used for what was found in a picture that is
            larger than the model's square: a smaller one has no details that the model did not see.
        threshold: a score below it counts as nothing found; 0 keeps every matte. `collaboration.THRESHOLD` if None.

    Raises:
        RimError: a threshold outside [0, 1].

    Example:
        >>> matting = Matting.shipped()                     # doctest: +SKIP
        >>> matting.set_image("street.jpg")                 # doctest: +SKIP
        >>> matting.matte("the brown dog").alpha            # doctest: +SKIP
    """

    def __init__(self, model, device: str | None = None, refiner="shipped", threshold: float | None = None):
        import torch

        from rimlib.clipmat import prompt
        from rimlib.clipmat.collaboration import THRESHOLD

        self.threshold = THRESHOLD if threshold is None else threshold
        if not 0 <= self.threshold <= 1:
            raise RimError(f"threshold is {self.threshold}; a score goes from 0 to 1")
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.model = model.eval().to(self.device)
        self.refiner = (
            shipped_refiner(str(self.device)) if isinstance(refiner, str) and refiner == "shipped" else refiner
        )
        self.template = prompt.template(model.profile) if model.profile else prompt.DEFAULT  # of keywords
        self._features, self._picture = None, None

    @classmethod
    def shipped(cls, profile_name: str = "tiny", device: str | None = None, **options) -> Matting:
        """With the checkpoint that ships with rimlib; `options` as above."""
        from rimlib.clipmat.model import CLIPMat

        return cls(CLIPMat.shipped(profile_name), device, **options)

    def set_image(self, picture) -> None:
        """Encode a picture (a path, a Pillow image, an array or a tensor, see `rimlib.io.images`).

        Raises:
            RimError: the picture can't be read. The one before then stays.
        """
        import torch

        picture = images.read_image(picture)
        side = self.model.image_size
        square = torch.from_numpy(images.resize(picture, (side, side))).to(self.device)
        with torch.inference_mode():
            self._features = self.model.encode_image(square.permute(2, 0, 1)[None].float() / 255)  # (1, 3, S, S)
        self._picture = picture

    def matte(self, sentence: str) -> Result:
        """The matte of what a sentence speaks of, in the picture of `set_image`.

        A keyword, one or two words without an article, is put into the model's template first. A sentence longer than the model reads
        is cut, with a `CutSentence` warning.

        Raises:
            RimError: no picture yet, or no word in the sentence.
        """
        return self.mattes([sentence])[0]

    def mattes(self, sentences: Sequence[str]) -> list[Result]:
        """Several sentences on the picture. Each result holds maps of the picture's size: for many on a large one, see `ask`."""
        return list(self.ask(sentences))

    def ask(self, sentences: Sequence[str] | words.Asked) -> Iterator[Result]:
        """The results one after the other, in bounded memory if none is kept; what `read` gave may be asked again of other pictures."""
        if self._features is None:
            raise RimError("no picture yet; call set_image first")
        asked = sentences if isinstance(sentences, words.Asked) else self.read(sentences)
        return self._answers(asked, self._features, self._picture)

    def read(self, sentences: Sequence[str]) -> words.Asked:
        """Encode sentences, once for any number of pictures. Raises RimError for one without words."""
        return words.read(self.model, sentences, self.template)

    def _answers(self, asked: words.Asked, features, picture: np.ndarray) -> Iterator[Result]:
        import torch

        for texts, said in asked.groups:
            index = torch.zeros(len(texts), dtype=torch.int64, device=self.device)
            with torch.inference_mode():
                output = self.model.matte(features.select(index), said)
                trimaps = output.trimap_logits.argmax(dim=1).byte().cpu().numpy()  # (n, S, S)
                alphas, scores = output.alpha[:, 0].float().cpu().numpy(), output.score.tolist()
            del output  # its maps would stay while the caller works with the results
            for answer in zip(texts, alphas, scores, trimaps):
                yield self._result(picture, *answer)

    def _result(
        self, picture: np.ndarray, sentence: str, alpha: np.ndarray, score: float, trimap: np.ndarray
    ) -> Result:
        import cv2

        size = picture.shape[:2]
        trimap = cv2.resize(
            np.array([0, 128, 255], np.uint8)[trimap], size[::-1], interpolation=cv2.INTER_NEAREST
        )  # (H, W)
        found = score >= self.threshold and alpha.max() >= LEAST
        if found and self.refiner is not None and max(size) > self.model.image_size:
            raw = self.refiner.refine(picture, alpha)
        else:
            raw = images.resize(alpha, size)
        if found:
            return Result(raw, score, trimap, True, "", raw, picture, sentence)
        message = f"nothing in this picture fits “{words.short(sentence)}” (score {score:.2f})"
        return Result(np.zeros(size, np.float32), score, trimap, False, message, raw, picture, sentence)


def shipped_refiner(device: str = "cpu"):
    """The refiner that comes with rimlib, or None where there is none."""
    from rimlib.clipmat import refiner

    return (
        refiner.Refiner.shipped().to(device) if (refiner.CHECKPOINTS / "refiner-tiny.safetensors").is_file() else None
    )


def ask(picture, sentence: str | Sequence[str]) -> Result | list[Result]:
    """What the shipped model answers: a `Result`, or a list of them for a list of sentences.

    The model stays in memory for the next call. To ask again of the same picture, make a `Matting` and keep it: it also keeps what it has
    seen. Raises RimError.

    >>> import rimlib
    >>> rimlib.ask("street.jpg", "the dog").over("white")     # doctest: +SKIP
    """
    single = isinstance(sentence, str)
    sentences = [
        words.readable(one) for one in ([sentence] if single else words.listed(sentence))
    ]  # before anything is loaded
    kept = _shipped()
    matting = Matting(
        kept.model, refiner=kept.refiner
    )  # one of its own, so that calls do not meet each other's pictures
    matting.set_image(picture)
    results = matting.mattes(sentences)
    return results[0] if single else results


def matte(picture, sentence: str | Sequence[str]) -> np.ndarray:
    """The alpha matte of what `sentence` speaks of in `picture`, float32 (H, W) in [0, 1], by the shipped model; (n, H, W) for a list of n.

    Empty, with a `NothingFound` warning, where nothing fits. See `ask`, which has the score too. Raises RimError.
    """
    found = ask(picture, sentence)
    return _told(found).alpha if isinstance(found, Result) else np.stack([_told(result).alpha for result in found])


def cut_out(picture, sentence: str) -> tuple[np.ndarray, np.ndarray]:
    """What `sentence` speaks of in `picture`, without what is behind it: its own colours, uint8 (H, W, 3), and its alpha, as `matte`.

    >>> import rimlib
    >>> rimlib.write_cutout("dog.png", *rimlib.cut_out("street.jpg", "the dog"))    # doctest: +SKIP
    """
    return _told(ask(picture, words.readable(sentence))).cutout()


def _told(result: Result) -> Result:
    if not result.found:
        words.warn(result.message, NothingFound)
    return result


@lru_cache(1)
def _shipped() -> Matting:
    return Matting.shipped()
