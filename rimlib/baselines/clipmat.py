"""CLIPMat behind the interface of the baselines, so that evaluation and figures take every method by its name."""

from __future__ import annotations

import torch

from rimlib import profile as profiles
from rimlib.baselines.baseline import FixedSizeMethod, check_size
from rimlib.clipmat.model import CLIPMat, Output
from rimlib.errors import RimError

PROFILES = {"tiny": "tiny", "paper": "paper-b16"}


class CLIPMatMethod(FixedSizeMethod):
    """A CLIPMat as a `Method`."""

    name = "clipmat"

    def __init__(self, model: CLIPMat):
        super().__init__()
        self.model, self.image_size = model, model.image_size
        self.train(model.training)

    @classmethod
    def from_settings(cls, size: str = "paper", weights: str | None = None) -> CLIPMatMethod:
        """A CLIPMat of one size.

        Args:
            size: "tiny" or "paper".
            weights: None for the trained model that ships (of size tiny only), "clip" or "random" of the encoders of an
                untrained one, or the .safetensors file of a trained one.

        Raises:
            RimError: no such size or weights.
        """
        check_size(cls.name, size)
        if weights is None and size == "paper":
            raise RimError(
                "clipmat in size paper: no weights of it are published; train it (rim train --profile paper-b16) and "
                "give its .safetensors file, or weights='clip' or weights='random' for an untrained one",
                setting="weights",
            )
        if weights is None:
            return cls(CLIPMat.shipped(PROFILES[size]))
        if weights in ("clip", "random"):
            return cls(CLIPMat.from_profile(profiles.load(PROFILES[size]), weights).eval())
        return cls(CLIPMat.load(weights))

    @property
    def profile(self) -> profiles.Profile | None:
        """Of the model."""
        return self.model.profile

    def forward(self, images: torch.Tensor, sentences: list[str], image_index: torch.Tensor | None = None) -> Output:
        """See `FixedSizeMethod`."""
        return self.model(images, self.model.tokenize(sentences, truncate=True), image_index)
