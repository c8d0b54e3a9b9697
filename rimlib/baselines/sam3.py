"""SAM 3: all instances of a noun phrase, boxes and masks, in one pass (Carion et al., 2025).

The network is transformers'. It takes a noun phrase ("red car"), not a sentence, and gives every instance of it; which
one is meant, something else decides. The RIM paper has no such row.
"""

from __future__ import annotations

import string
from typing import Any, NamedTuple

import numpy as np
import torch

from rimlib.baselines.baseline import check_size
from rimlib.errors import RimError, require

PUBLIC = "facebook/sam3"
LENGTH = 32  # tokens of a phrase


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
        transformers = require("transformers", "baselines")
        if not hasattr(transformers, "Sam3Model"):
            found = transformers.__version__
            raise RimError(f"sam3 needs transformers 5 or newer, found {found}: pip install 'rimlib[baselines]'")
        tokenizer = letter_tokenizer()
        if size == "paper":
            config, images = transformers.Sam3Config(), transformers.Sam3ImageProcessor()
        else:
            config, images = _tiny_config(len(tokenizer), tokenizer), transformers.Sam3ImageProcessor(size=_square(112))
        return cls(transformers.Sam3Model(config), transformers.Sam3Processor(images, tokenizer))

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
