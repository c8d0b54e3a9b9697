"""Zero-shot classification by a CLIP: which of these sentences fits the image best.

Paper: Sec. 3.1 takes a classifier of garments and a detector of 80 classes; a CLIP, which the paper uses for its model
only, can have all of our categories. The model comes from open_clip, the weights from a file: safetensors in a folder,
or the hub's cache.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rimlib.entities.find_weights import NoWeights, find
from rimlib.errors import RimError

CLIP = "ViT-B-16-quickgelu"  # OpenAI's weights need the name with QuickGELU
TEXTS = 64  # sentences in a batch
Scorer = Callable[[np.ndarray, Sequence[str]], np.ndarray]


class ZeroShot:
    """A scorer: image uint8 (H, W, 3) and sentences → probabilities float32 (len(sentences),), which sum to 1.

    Args:
        model: an open_clip model in evaluation mode.
        preprocess: PIL image → float (3, S, S).
        tokenizer: sentences → int64 (N, L).

    The text features of a list of sentences are computed once and kept.
    """

    def __init__(self, model: Any, preprocess: Callable, tokenizer: Callable):
        self.model, self.preprocess, self.tokenizer = model, preprocess, tokenizer
        self._texts: dict[tuple[str, ...], Any] = {}

    def __call__(self, image: np.ndarray, sentences: Sequence[str]) -> np.ndarray:
        """The probability of each sentence."""
        import torch
        from PIL import Image

        with torch.inference_mode():
            pixels = self.preprocess(Image.fromarray(image))[None]
            features = self.model.encode_image(pixels, normalize=True)  # (1, D)
            logits = self.model.logit_scale.exp() * features @ self._text(tuple(sentences)).T  # (1, N)
            return logits.softmax(dim=-1)[0].float().numpy()

    def _text(self, sentences: tuple[str, ...]) -> Any:
        import torch

        if sentences not in self._texts:
            batches = (list(sentences[start : start + TEXTS]) for start in range(0, len(sentences), TEXTS))
            parts = [self.model.encode_text(self.tokenizer(batch), normalize=True) for batch in batches]
            self._texts[sentences] = torch.cat(parts)  # (N, D)
        return self._texts[sentences]


def load(name: str = CLIP, folder: str | Path | None = None) -> ZeroShot:
    """The CLIP of this open_clip name with weights from `folder/NAME.safetensors`, or from the hub's cache.

    Raises:
        NoWeights: they are in neither.
        RimError: a name that open_clip does not know, or a file that does not fit.
    """
    import open_clip

    if name not in open_clip.list_models():
        raise RimError(f"clip {name!r}: open_clip has no such model; {CLIP!r} is one that it has", setting="clip")
    path = _weights(name, folder)
    try:
        model, _, preprocess = open_clip.create_model_and_transforms(name, pretrained=str(path))
    except Exception as error:  # torch and safetensors raise many kinds for a file that is broken or of another model
        raise RimError(f"{path}: not the weights of {name} ({type(error).__name__}: {error})", path=path) from error
    return ZeroShot(model.eval(), preprocess, open_clip.get_tokenizer(name))


def _weights(name: str, folder: str | Path | None) -> Path:
    import open_clip

    repository = (open_clip.get_pretrained_cfg(name, "openai") or {}).get("hf_hub", "").strip("/")
    how = f"put the weights there as {name}.safetensors"
    if repository:
        how += f", or fetch them once with `hf download {repository} open_clip_model.safetensors`"
    try:
        return find((f"{name}.safetensors",), [folder], how)
    except NoWeights:
        cached = cached_weights(repository) if repository else None
        if cached is None:
            raise
        return cached


def cached_weights(repository: str) -> Path | None:
    """The weights of an open_clip repository in the hub's cache."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repository, "open_clip_model.safetensors")
    return Path(found) if isinstance(found, str) else None
