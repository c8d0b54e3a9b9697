"""What every method can do here, ours and its rivals: a picture and sentences go in, mattes come out.

Paper: Sec. 5.1, S4.1. `Method` is the interface. `Square` is a method whose network sees a square of its own size,
`Trainable` one of these that learns here.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from rimlib.errors import RimError
from rimlib.io import weights
from rimlib.io.images import read_image, resize

SIZES = ("tiny", "paper")
FORMAT = "rimlib-rival-1"
TOGETHER = (
    8  # sentences of 512 x 512 pixels that go through a network at once: 77 of them should not need 77 times the memory
)
MEAN, STD = (
    (0.485, 0.456, 0.406),
    (0.229, 0.224, 0.225),
)  # ImageNet's, which CLIPSeg, MDETR, Grounding DINO and SAM 2 all take


class Method(nn.Module):
    """A method of referring image matting. A subclass sets `name` and has `ask`, or `predict`."""

    name: str

    def mattes(self, picture, sentences: list[str]) -> np.ndarray:
        """`picture`: uint8 (H, W, 3), or any source that `images.read_image` takes; `sentences`: n texts; one that is longer
        than the method reads is cut.

        Returns float32 (n, H, W) in [0, 1]. Raises RimError for a picture or a sentence that cannot be used.
        """
        picture, sentences = read_image(picture), readable(sentences)
        was_training = self.training
        self.eval()
        try:
            found, _ = self.predict([picture], [0] * len(sentences), sentences)
        finally:
            self.train(was_training)
        return np.stack([np.clip(resize(alpha, picture.shape[:2]), 0, 1) for alpha in found])  # (n, H, W)

    def predict(
        self, pictures: list[np.ndarray], index: list[int], sentences: list[str]
    ) -> tuple[list[np.ndarray], np.ndarray]:
        """What evaluation asks for: several pictures, uint8 (H, W, 3), and for each sentence its picture's number.

        Returns for each sentence a matte, float32 in [0, 1], of the method's own size or of the picture's, and a score in [0, 1]:
        how sure it is that the sentence fits something, float32 (n,).
        """
        mattes, scores = [None] * len(sentences), np.zeros(len(sentences), np.float32)
        for number, picture in enumerate(pictures):
            mine = [place for place, of in enumerate(index) if of == number]
            if mine:
                for place, matte, score in zip(mine, *self.ask(picture, [sentences[place] for place in mine])):
                    mattes[place], scores[place] = matte, score
        return mattes, scores

    def ask(self, picture: np.ndarray, sentences: list[str]) -> tuple[list[np.ndarray], list[float]]:
        """Mattes and scores of one picture."""
        raise NotImplementedError

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device


class Answer(NamedTuple):
    """`logits`: float32 (B, 1, S, S), of the matte."""

    logits: torch.Tensor

    @property
    def alpha(self) -> torch.Tensor:
        """(B, 1, S, S) in [0, 1]."""
        return self.logits.sigmoid()

    @property
    def score(self) -> torch.Tensor:
        """How sure the model is that the sentence fits something, (B,) in [0, 1]: its surest pixel."""
        return self.alpha.detach().amax(dim=(1, 2, 3))


class Square(Method):
    """A method whose network sees every picture as a square. A subclass sets `image_size` (S) and has

        forward(images, sentences, image_index=None) -> an answer with `alpha` (B, 1, S, S) and `score` (B,)

    `images`: float (B, 3, S, S) in [0, 1]; `sentences`: list of texts; `image_index`: int64 (len(sentences),), the image
    that each sentence is about; without it the first sentence is about the first image, and so on.
    """

    image_size: int

    def predict(self, pictures, index, sentences):
        """See `Method.predict`. The mattes are (S, S). A picture is encoded once for all its sentences that go together."""
        small = np.stack([resize(picture, (self.image_size,) * 2) for picture in pictures])  # (B, S, S, 3)
        together = max(1, int(TOGETHER * 512**2 / self.image_size**2))
        mattes, scores = [], []
        for start in range(0, len(sentences), together):
            part = slice(start, start + together)
            used, place = np.unique(index[part], return_inverse=True)
            images = torch.from_numpy(small[used]).to(self.device).permute(0, 3, 1, 2).float() / 255  # (B', 3, S, S)
            with torch.inference_mode():
                # In float32 everywhere: a score should not hang on what the machine multiplies fastest.
                answer = self(images, list(sentences[part]), torch.from_numpy(place).to(self.device))
                mattes += list(answer.alpha[:, 0].float().cpu().numpy())
                scores.append(answer.score.float().cpu().numpy())
        return mattes, np.concatenate(scores)


class Trainable(Square):
    """A rival that learns from the same samples as CLIPMat: images (B, 3, S, S), mattes (B, 1, S, S), texts.

    A subclass sets `about` (plain values that `from_settings` needs to build it again), and has

        loss(answer, alpha_true) -> {"total": …, and its parts}, scalars
    """

    about: dict

    def learning(self) -> list[nn.Parameter]:
        """The parameters that training changes; frozen towers are not among them."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def save(self, path: str | Path) -> Path:
        """Write all weights to a .safetensors file that `from_settings(size, path)` takes. Raises RimError."""
        path = Path(path)
        if path.suffix != ".safetensors":
            raise RimError(f"{path}: weights cannot be stored with this ending; expected .safetensors", path=path)
        return weights.write(path, self.state_dict(), {"format": FORMAT, "name": self.name, **self.about})

    def read(self, path: str | Path) -> None:
        """Take the weights of a file that `save` wrote, which must have exactly these names and shapes."""
        self.load_state_dict(weights.read_tensors(path, self.state_dict()))


def read_header(path: str | Path, name: str, size: str) -> dict:
    """What a stored rival says of itself; RimError where there is none, or another's."""
    about = weights.read_header(path, FORMAT)
    if (about.get("name"), about.get("size")) != (name, size):
        raise RimError(
            f"{path}: weights of {about.get('name')} in size {about.get('size')}, not of {name} in size {size}",
            path=path,
        )
    return about


def readable(sentences) -> list[str]:
    """The sentences with single spaces. Raises RimError for what is not a list of texts with words in them."""
    if isinstance(sentences, str) or not len(sentences):
        raise RimError("sentences: expected a list of at least one sentence; write [sentence]")
    for sentence in sentences:
        if not isinstance(sentence, str) or not sentence.strip():
            raise RimError(f"sentence {sentence!r}: a sentence must be text with at least one word")
    return [" ".join(sentence.split()) for sentence in sentences]


def check_size(name: str, size: str) -> None:
    if size not in SIZES:
        raise RimError(f"size {size!r} of {name}: must be one of {', '.join(SIZES)}")


def none_published(name: str, also: str = "") -> RimError:
    """The error of asking for public weights of a model that is our own; `also`: what else can be asked for."""
    return RimError(
        f"{name} in size tiny: it is a configuration of our own and has no public weights; give a .safetensors "
        f"file that was trained here, or ask for {also}weights='random'"
    )


def normalise(images: torch.Tensor) -> torch.Tensor:
    """Images (B, 3, H, W) in [0, 1], less ImageNet's mean colour, by its deviation."""
    mean, std = (torch.tensor(values, dtype=images.dtype, device=images.device).view(3, 1, 1) for values in (MEAN, STD))
    return (images - mean) / std
