"""Grounding DINO and SAM 2 with random weights: small ones that run anywhere, or the public ones' sizes."""

from __future__ import annotations

import string
from typing import Any

from rimlib.errors import require

LETTERS = string.ascii_lowercase + string.digits + string.punctuation


def detector(size: str) -> tuple[Any, Any]:
    """Grounding DINO and its processor, with a tokenizer of single letters."""
    transformers = require("transformers", "baselines")
    tokenizer = letter_tokenizer()
    if size == "paper":
        config, side = transformers.GroundingDinoConfig(), None
    else:
        side = {"shortest_edge": 64, "longest_edge": 96}
        swin = {"model_type": "swin", "embed_dim": 16, "depths": [1, 1, 1, 1], "num_heads": [1, 2, 2, 4]}
        bert = {"model_type": "bert", "vocab_size": len(tokenizer), "hidden_size": 32, "num_hidden_layers": 1}
        config = transformers.GroundingDinoConfig(
            backbone_config={**swin, "window_size": 4, "image_size": 64, "out_indices": [2, 3, 4]},
            text_config={**bert, "num_attention_heads": 2, "intermediate_size": 64, "max_position_embeddings": 128},
            d_model=32,
            encoder_layers=2,
            decoder_layers=2,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=64,
            decoder_ffn_dim=64,
            num_queries=10,
            max_text_len=128,
        )
    images = transformers.GroundingDinoImageProcessor(**({} if side is None else {"size": side}))
    processor = transformers.GroundingDinoProcessor(images, tokenizer)
    return transformers.GroundingDinoForObjectDetection(config), processor


def segmenter(size: str) -> tuple[Any, Any]:
    """SAM 2 and its processor; `paper` is the size of Hiera-S."""
    transformers = require("transformers", "baselines")
    hiera: dict[str, Any] = {"model_type": "sam2_hiera_det_model"}
    vision: dict[str, Any] = {"model_type": "sam2_vision_model", "backbone_config": hiera}
    if size == "paper":
        hiera |= {"blocks_per_stage": [1, 2, 11, 2], "global_attention_blocks": [7, 10, 13]}
        config, images = transformers.Sam2Config(vision_config=vision), transformers.Sam2ImageProcessor()
    else:
        side = 128
        hiera |= {"image_size": [side, side], "hidden_size": 16, "embed_dim_per_stage": [16, 32, 64, 128]}
        hiera |= {"blocks_per_stage": [1, 1, 2, 1], "num_attention_heads_per_stage": [1, 1, 2, 4]}
        hiera |= {"window_size_per_stage": [4, 4, 4, 4], "global_attention_blocks": [3]}
        vision |= {"backbone_channel_list": [128, 64, 32, 16], "fpn_hidden_size": 32}
        vision |= {"backbone_feature_sizes": [[side // 4] * 2, [side // 8] * 2, [side // 16] * 2]}
        decoder = {"hidden_size": 32, "mlp_dim": 64, "num_attention_heads": 2, "iou_head_hidden_dim": 32}
        prompts = {"hidden_size": 32, "image_size": side}
        config = transformers.Sam2Config(
            vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=decoder
        )
        images = transformers.Sam2ImageProcessor(size={"height": side, "width": side})
    return transformers.Sam2Model(config), transformers.Sam2Processor(images)


def letter_tokenizer() -> Any:
    """BERT's tokenizer with a vocabulary of single letters; the marks at which the detector splits keep BERT's ids."""
    words = {f"[unused{number}]": number for number in range(1100)}
    ids = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103, ".": 1012, "?": 1029}
    free = iter(range(200, 1000))
    ids |= {piece: next(free) for letter in LETTERS for piece in (letter, f"##{letter}") if piece not in ids}
    for piece, number in ids.items():
        del words[f"[unused{number}]"]
        words[piece] = number
    return require("transformers", "baselines").BertTokenizer(vocab=words)
