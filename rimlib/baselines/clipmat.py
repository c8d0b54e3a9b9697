"""CLIPMat behind the interface of its rivals, so that a table or a picture can go through all methods by name."""

from __future__ import annotations

import torch

from rimlib import profile as profiles
from rimlib.baselines.baseline import Square, check_size
from rimlib.clipmat.model import CLIPMat, Output
from rimlib.errors import RimError

PROFILES = {"tiny": "tiny", "paper": "paper-b16"}


class Ours(Square):
    """`model`: a CLIPMat."""

    name = "clipmat"

    def __init__(self, model: CLIPMat):
        super().__init__()
        self.model, self.image_size = model, model.image_size
        self.train(model.training)

    @classmethod
    def from_settings(cls, size: str = "paper", weights: str | None = None) -> Ours:
        """`weights`: None for the trained model that ships (of size tiny only), "clip" or "random" of a fresh one's encoders, or the
        .safetensors file of a trained one. Raises RimError where they cannot be had.
        """
        check_size(cls.name, size)
        if weights is None and size == "paper":
            raise RimError(
                "clipmat in size paper: nobody has published its weights; train it (python -m rimlib.training.clipmat --profile "
                "paper-b16) and give its .safetensors file, or ask for weights='clip' or weights='random' and an untrained one"
            )
        if weights is None:
            return cls(CLIPMat.shipped(PROFILES[size]))
        if weights in ("clip", "random"):
            return cls(CLIPMat.from_profile(profiles.load(PROFILES[size]), weights).eval())
        return cls(CLIPMat.load(weights))

    @property
    def profile(self):
        return self.model.profile

    def forward(self, images: torch.Tensor, sentences: list[str], image_index: torch.Tensor | None = None) -> Output:
        """See `Square`."""
        return self.model(images, self.model.tokenize(sentences, truncate=True), image_index)
