"""One picture and one sentence in, one matte out: NumPy around the torch model.

The picture is encoded once (`set_image`); each sentence after that costs a fraction. The model sees a square of its own size;
the matte is resized back to the picture's.
"""
from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from rimlib import images
from rimlib.errors import RimError


@dataclass(frozen=True)
class Result:
    """What a sentence found.

    Attributes:
        alpha: float32 (H, W) in [0, 1], at the picture's own size.
        score: in [0, 1], how sure the model is that something fits the sentence; 0 for an empty matte.
        trimap: uint8 (H, W), 0 background, 128 unknown, 255 foreground: what the semantic decoder said, enlarged without
            smoothing.
    """

    alpha: np.ndarray
    score: float
    trimap: np.ndarray


class Matting:
    """A model that is asked about one picture at a time.

    Example:
        >>> matting = Matting.shipped()                     # doctest: +SKIP
        >>> matting.set_image("street.jpg")                 # doctest: +SKIP
        >>> matting.matte("the dog on the left").alpha      # doctest: +SKIP
    """

    def __init__(self, model, device: str | None = None):
        import torch

        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.model = model.eval().to(self.device)
        self._features = None
        self._size: tuple[int, int] | None = None

    @classmethod
    def shipped(cls, profile_name: str = "tiny", device: str | None = None) -> "Matting":
        """With the checkpoint that ships with rimlib."""
        from rimlib.clipmat.model import CLIPMat

        return cls(CLIPMat.shipped(profile_name), device)

    def set_image(self, picture) -> None:
        """Encode a picture (a path, a Pillow image or an array, see `images.read_picture`).

        Raises:
            RimError: the picture can't be read.
        """
        import torch

        picture = images.read_picture(picture)
        side = self.model.image_size
        square = images.resize(picture, (side, side))
        tensor = torch.from_numpy(square).to(self.device).permute(2, 0, 1)[None].float() / 255  # (1, 3, S, S)
        with torch.inference_mode():
            self._features = self.model.encode_image(tensor)
        self._size = picture.shape[:2]

    def matte(self, sentence: str) -> Result:
        """The matte of what a sentence speaks of, in the picture of `set_image`.

        A sentence longer than the model reads is cut, with a warning.

        Raises:
            RimError: no picture yet, or no word in the sentence.
        """
        return self.mattes([sentence])[0]

    def mattes(self, sentences: list[str]) -> list[Result]:
        """Several sentences at once."""
        import cv2
        import torch

        if self._features is None:
            raise RimError("no picture yet; call set_image first")
        tokens = self.model.tokenize([_readable(sentence) for sentence in sentences], truncate=True)
        for sentence, row in zip(sentences, tokens):
            if row[-1] != 0 and len(self.model.tokenizer.decode(row)) < len(sentence.strip()) - 1:
                warnings.warn(f"the sentence is longer than the model reads and was cut after {self.model.tokenizer.decode(row)[-40:]!r}", stacklevel=3)
        index = torch.zeros(len(sentences), dtype=torch.int64, device=self.device)
        with torch.inference_mode():
            output = self.model.matte(self._features.select(index), self.model.encode_text(tokens))
        results = []
        for alpha, score, logits in zip(output.alpha[:, 0], output.score, output.trimap_logits):
            matte = np.clip(images.resize(alpha.float().cpu().numpy(), self._size), 0, 1)
            trimap = np.array([0, 128, 255], np.uint8)[logits.argmax(dim=0).cpu().numpy()]
            trimap = cv2.resize(trimap, self._size[::-1], interpolation=cv2.INTER_NEAREST)
            results.append(Result(matte, float(score), trimap))
        return results


def matte(picture, sentence: str) -> np.ndarray:
    """The alpha matte of what `sentence` speaks of in `picture`, float32 (H, W) in [0, 1], by the shipped model.

    To ask several sentences of one picture, make a `Matting` and keep it.
    """
    matting = Matting.shipped()
    matting.set_image(picture)
    return matting.matte(sentence).alpha


def _readable(sentence) -> str:
    if not isinstance(sentence, str):
        raise RimError(f"sentence: expected text, found {type(sentence).__name__}")
    if not sentence.strip():
        raise RimError("sentence: it is empty; write what to cut out, such as \"the dog on the left\"")
    return " ".join(sentence.split())
