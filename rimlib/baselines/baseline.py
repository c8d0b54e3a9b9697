"""The interface of every method, CLIPMat and the baselines: an image and sentences go in, mattes come out.

Paper: Sec. 5.1, S4.1. `Method` is the interface. The network of a `FixedSizeMethod` takes squares of one size; a
`TrainableMethod` is one of these that can be trained here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import nn

from rimlib.errors import RimError
from rimlib.io import weights
from rimlib.io.images import read_image, resize
from rimlib.sentences import TOGETHER, as_list
from rimlib.sentences import normalise as normalise_text  # `normalise` below is of images

SIZES = ("tiny", "paper")
FORMAT = "rimlib-baseline-1"


class Method(nn.Module):
    """A method of referring image matting. A subclass sets `name` and has `predict_image`, or `predict`."""

    name: str

    def mattes(self, image: Any, sentences: list[str]) -> np.ndarray:
        """The mattes of several sentences, float32 (n, H, W) in [0, 1].

        Args:
            image: uint8 (H, W, 3), or any source that `images.read_image` takes.
            sentences: one that is longer than the method reads is cut.

        Raises:
            RimError: an image or a sentence that cannot be used.
        """
        image, sentences = read_image(image), [normalise_text(sentence) for sentence in as_list(sentences)]
        was_training = self.training
        self.eval()
        try:
            alphas, _ = self.predict([image], [0] * len(sentences), sentences)
        finally:
            self.train(was_training)
        return np.stack([np.clip(resize(alpha, image.shape[:2]), 0, 1) for alpha in alphas])  # (n, H, W)

    def predict(
        self, images: list[np.ndarray], index: list[int], sentences: list[str]
    ) -> tuple[list[np.ndarray], np.ndarray]:
        """Mattes and scores of sentences about several images; what evaluation calls.

        Args:
            images: uint8 (H, W, 3) each.
            index: the number of each sentence's image.
            sentences: n texts.

        Returns:
            For each sentence a matte, float32 in [0, 1], of the method's own size or of the image's; and the
            confidences that the image contains the referent, float32 (n,) in [0, 1].
        """
        mattes: list[np.ndarray] = [np.empty(0)] * len(sentences)
        scores = np.zeros(len(sentences), np.float32)
        for number, image in enumerate(images):
            mine = [place for place, of in enumerate(index) if of == number]
            if mine:
                for place, matte, score in zip(mine, *self.predict_image(image, [sentences[place] for place in mine])):
                    mattes[place], scores[place] = matte, score
        return mattes, scores

    def predict_image(self, image: np.ndarray, sentences: list[str]) -> tuple[list[np.ndarray], list[float]]:
        """Mattes and scores of one image."""
        raise NotImplementedError

    @property
    def device(self) -> torch.device:
        """Where its parameters are."""
        return next(self.parameters()).device


class MatteLogits(NamedTuple):
    """A network's prediction for B sentences: the logits of their mattes, float32 (B, 1, S, S)."""

    logits: torch.Tensor

    @property
    def alpha(self) -> torch.Tensor:
        """(B, 1, S, S) in [0, 1]."""
        return self.logits.sigmoid()

    @property
    def score(self) -> torch.Tensor:
        """The largest alpha of the matte, (B,)."""
        return self.alpha.detach().amax(dim=(1, 2, 3))


class FixedSizeMethod(Method):
    """A method whose network takes square images. A subclass sets `image_size` (S) and has `forward`.

    `forward(images, sentences, image_index=None)` returns a prediction with `alpha` (B, 1, S, S) and `score` (B,), both
    in [0, 1]. images: float (B, 3, S, S) in [0, 1];
    sentences: texts; image_index: int64 (len(sentences),), the image of each sentence; without it the first sentence is
    about the first image, and so on.
    """

    image_size: int

    def predict(
        self, images: list[np.ndarray], index: list[int], sentences: list[str]
    ) -> tuple[list[np.ndarray], np.ndarray]:
        """See `Method.predict`. Mattes are (S, S); an image is encoded once for all its sentences of a forward pass."""
        squares = np.stack([resize(image, (self.image_size,) * 2) for image in images])  # (B, S, S, 3)
        together = max(1, int(TOGETHER * 512**2 / self.image_size**2))
        mattes, scores = [], []
        for start in range(0, len(sentences), together):
            part = slice(start, start + together)
            used, place = np.unique(index[part], return_inverse=True)
            batch = torch.from_numpy(squares[used]).to(self.device).permute(0, 3, 1, 2).float() / 255  # (B', 3, S, S)
            with torch.inference_mode():
                # In float32 on every device, so that scores are comparable.
                found = self(batch, list(sentences[part]), torch.from_numpy(place).to(self.device))
                mattes += list(found.alpha[:, 0].float().cpu().numpy())
                scores.append(found.score.float().cpu().numpy())
        return mattes, np.concatenate(scores)


class TrainableMethod(FixedSizeMethod):
    """A baseline that learns from the same samples as CLIPMat: images (B, 3, S, S), mattes (B, 1, S, S), texts.

    A subclass sets `about` (plain values that `from_settings` needs to build it again) and has
    `loss(prediction, alpha_true)`, which returns scalars: "total" and its parts.
    """

    about: dict[str, Any]

    def trainable_parameters(self) -> list[nn.Parameter]:
        """Without those of frozen encoders."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def save(self, path: str | Path) -> Path:
        """Write all weights to a .safetensors file that `from_settings(size, path)` takes. Raises RimError."""
        path = Path(path)
        if path.suffix != ".safetensors":
            raise RimError(f"{path}: weights cannot be stored with this ending; expected .safetensors", path=path)
        return weights.write(path, self.state_dict(), {"format": FORMAT, "name": self.name, **self.about})

    def load(self, path: str | Path) -> None:
        """Load the weights of a file that `save` wrote, which must have exactly these names and shapes."""
        self.load_state_dict(weights.read_tensors(path, self.state_dict()))


def read_header(path: str | Path, name: str, size: str) -> dict[str, Any]:
    """The header of a baseline's weights. Raises RimError for those of another method or size."""
    header = weights.read_header(path, FORMAT)
    found = header.get("name"), header.get("size")
    if found != (name, size):
        message = f"{path}: weights of {found[0]} in size {found[1]}, not of {name} in size {size}"
        raise RimError(message, path=path)
    return header


def check_size(name: str, size: str) -> None:
    """Raise RimError for a size that is not of `SIZES`."""
    if size not in SIZES:
        raise RimError(f"size {size!r} of {name}: must be one of {', '.join(SIZES)}", setting="size")


def no_public_weights(name: str, instead: str = "") -> RimError:
    """The error for public weights of a model that only exists here; instead: other values of `weights`, and "or"."""
    return RimError(
        f"{name} in size tiny: a configuration of rimlib's own, so it has no public weights; give a .safetensors file "
        f"of a training here, or {instead}weights='random'",
        setting="weights",
    )


def normalise(images: torch.Tensor) -> torch.Tensor:
    """Images (B, 3, H, W) in [0, 1], less ImageNet's mean colour, by its deviation: as every baseline takes them."""
    statistics = (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD)
    mean, std = (torch.tensor(values, dtype=images.dtype, device=images.device).view(3, 1, 1) for values in statistics)
    return (images - mean) / std
