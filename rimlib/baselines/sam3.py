"""SAM 3: all instances of a noun phrase, boxes and masks, in one pass (Carion et al., 2025).

The network is transformers'. It takes a noun phrase ("red car"), not a sentence, and gives every instance of it; which
one is meant, something else decides. `Sam3` has the instances; `Sam3Matting` takes the best one of a whole sentence,
and is what `rim evaluate` scores. The RIM paper has no such row.
"""

from __future__ import annotations

import string
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from rimlib.baselines.baseline import Method, check_size
from rimlib.baselines.vitmatte import BAND, Matter, ViTMatte, matte_of_mask
from rimlib.errors import RimError, require
from rimlib.io import hub

PUBLIC = "facebook/sam3"
LENGTH = 32  # tokens of a phrase
THRESHOLD = 0.5  # of an instance's score; the one of its authors' demonstration


class Instances(NamedTuple):
    """Instances of a phrase, the best first.

    boxes: float32 (n, 4), left, top, right, bottom in [0, 1]; scores: float32 (n,) in [0, 1]; masks: logits, float32
    (n, h, w), of the network's own size.
    """

    boxes: np.ndarray
    scores: np.ndarray
    masks: torch.Tensor


class Sam3:
    """The network and its processor.

    Args:
        net: transformers' Sam3Model.
        processor: transformers' Sam3Processor.
    """

    def __init__(self, net: Any, processor: Any):
        self.net, self.processor = net.eval(), processor

    @classmethod
    def random(cls, size: str = "tiny") -> Sam3:
        """With random weights: a small one that runs anywhere, or one of the public size. Raises RimError."""
        check_size("sam3", size)
        transformers = _transformers()
        tokenizer = letter_tokenizer()
        if size == "paper":
            config, images = transformers.Sam3Config(), transformers.Sam3ImageProcessor()
        else:
            config, images = _tiny_config(len(tokenizer), tokenizer), transformers.Sam3ImageProcessor(size=_square(112))
        return cls(transformers.Sam3Model(config), transformers.Sam3Processor(images, tokenizer))

    @classmethod
    def public(cls) -> Sam3:
        """With the public weights, from the hub or its cache. Raises RimError where they cannot be had."""
        transformers = _transformers()
        processor = hub.load_pretrained(transformers.Sam3Processor, PUBLIC, weights=False)
        return cls(hub.load_pretrained(transformers.Sam3Model, PUBLIC), processor)

    @property
    def device(self) -> torch.device:
        """Where its parameters are."""
        return next(self.net.parameters()).device

    def encode(self, image: np.ndarray) -> Any:
        """The features of an image, uint8 (H, W, 3), for any number of phrases."""
        # An image of one row looks like one with its channels first.
        inputs = self.processor(images=image, input_data_format="channels_last", return_tensors="pt")
        pixels = inputs["pixel_values"].to(self.device)
        with torch.inference_mode():
            return self.net.get_vision_features(pixels)

    def is_cut(self, phrase: str) -> bool:
        """Whether a phrase is longer than the network reads."""
        return len(self.processor.tokenizer(phrase)["input_ids"]) > LENGTH

    def instances(self, features: Any, phrase: str, least: float = 0.0) -> Instances:
        """All instances of a phrase with a score of at least `least`.

        A score is the network's for the instance times its score for the phrase being in the image at all.
        """
        text = self.processor.tokenizer(
            phrase, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt"
        ).to(self.device)
        with torch.inference_mode():
            output = self.net(vision_embeds=features, **{name: text[name] for name in ("input_ids", "attention_mask")})
            scores = output.pred_logits[0].sigmoid()
            if output.presence_logits is not None:
                scores = scores * output.presence_logits[0].sigmoid()
            scores, order = scores.float().sort(descending=True)
            order = order[scores >= least]
        boxes = output.pred_boxes[0, order].float().clamp(0, 1).cpu().numpy()
        return Instances(boxes, scores[: len(order)].cpu().numpy(), output.pred_masks[0, order].float().cpu())


class Sam3Matting(Method):
    """SAM 3's best instance of a sentence → automatic trimap → matting network.

    The sentence goes to the network whole, as in `grounded`, which is not what it is made for; what `rim matte --method
    sam3` runs takes the sentence apart first and lets geometry decide among all instances.

    Args:
        sam3: the network and its processor.
        matter: image and trimap → matte.
        threshold: a sentence whose best instance has a lower score finds nothing, and its matte is empty.
        band: see `vitmatte.automatic_trimap`.
    """

    name = "sam3"

    def __init__(self, sam3: Sam3, matter: Matter, threshold: float = THRESHOLD, band: float = BAND):
        super().__init__()
        self.sam3, self.net, self.matter = sam3, sam3.net, matter
        self.threshold, self.band = threshold, band
        self.eval()

    @classmethod
    def from_settings(cls, size: str = "paper", weights: str | None = None) -> Sam3Matting:
        """With the public weights (None) of both parts, or "random" ones. Raises RimError."""
        check_size(cls.name, size)
        if weights == "random":
            return cls(Sam3.random(size), ViTMatte.from_settings(size, "random"))
        if weights is not None:
            message = f"weights {weights!r} of sam3: it is not trained here; leave them out for the public ones"
            raise RimError(f"{message}, or use weights='random'", setting="weights")
        if size == "tiny":
            message = "sam3 in size tiny: it only tests the pipeline and has no public weights"
            raise RimError(f"{message}; use weights='random'", setting="weights")
        return cls(Sam3.public(), ViTMatte.from_settings(size))

    def predict_image(self, image: np.ndarray, sentences: list[str]) -> tuple[list[np.ndarray], list[float]]:
        """See `Method.predict_image`; the score is the network's. The image is encoded once."""
        features, found, scores = self.sam3.encode(image), [], []
        for sentence in sentences:
            best = self.sam3.instances(features, sentence)
            scores.append(float(best.scores[0]))
            mask = np.zeros(image.shape[:2], bool)
            if scores[-1] >= self.threshold:
                mask = enlarged(best.masks[0], image.shape[:2])
            found.append(matte_of_mask(self.matter, image, mask, self.band))
        return found, scores


def enlarged(logits: torch.Tensor, size: tuple[int, ...]) -> np.ndarray:
    """The mask of an instance's logits, (h, w), at an image's size, bool (H, W)."""
    large = F.interpolate(logits[None, None], size, mode="bilinear", align_corners=False)  # (1, 1, H, W)
    return (large[0, 0] > 0).numpy()


def _transformers() -> Any:
    """Transformers, if it has SAM 3. Raises RimError."""
    transformers = require("transformers", "baselines")
    if not hasattr(transformers, "Sam3Model"):
        found = transformers.__version__
        raise RimError(f"sam3 needs transformers 5 or newer, found {found}: pip install 'rimlib[baselines]'")
    return transformers


def letter_tokenizer() -> Any:
    """CLIP's tokenizer with a vocabulary of single letters."""
    letters = sorted(set(string.ascii_lowercase + string.digits + string.punctuation))
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    return require("transformers", "baselines").CLIPTokenizer(vocab=vocabulary, merges=[])


def _square(side: int) -> dict[str, int]:
    return {"height": side, "width": side}


def _tiny_config(words: int, tokenizer: Any) -> Any:
    vit = {"model_type": "sam3_vit_model", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    vit |= {"num_attention_heads": 2, "image_size": 112, "window_size": 4, "global_attn_indexes": [1]}
    vision = {"backbone_config": vit | {"pretrain_image_size": 56}, "fpn_hidden_size": 32}
    vision |= {"backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]]}
    text = {"model_type": "clip_text_model", "vocab_size": words, "hidden_size": 32, "intermediate_size": 64}
    text |= {"projection_dim": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": LENGTH}
    text |= {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")}
    layers = {"hidden_size": 32, "num_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    return require("transformers", "baselines").Sam3Config(
        vision_config=vision,
        text_config=text,
        geometry_encoder_config=layers,
        detr_encoder_config=layers,
        detr_decoder_config=layers | {"num_queries": 10},
        mask_decoder_config={"hidden_size": 32, "num_attention_heads": 2},
    )
