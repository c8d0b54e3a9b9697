"""Grounding DINO and SAM 2 with random weights: small ones that run anywhere, or the public ones' sizes."""

from __future__ import annotations

import string

LETTERS = string.ascii_lowercase + string.digits + string.punctuation


def detector(size: str) -> tuple:
    """Grounding DINO and its processor, with a tokenizer that spells words."""
    from transformers import (
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
        GroundingDinoImageProcessor,
        GroundingDinoProcessor,
    )

    words = spelling()
    if size == "paper":
        return GroundingDinoForObjectDetection(GroundingDinoConfig()), GroundingDinoProcessor(
            GroundingDinoImageProcessor(), words
        )
    config = GroundingDinoConfig(
        backbone_config={
            "model_type": "swin",
            "embed_dim": 16,
            "depths": [1, 1, 1, 1],
            "num_heads": [1, 2, 2, 4],
            "window_size": 4,
            "image_size": 64,
            "out_indices": [2, 3, 4],
        },
        text_config={
            "model_type": "bert",
            "vocab_size": len(words),
            "hidden_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 64,
            "max_position_embeddings": 128,
        },
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
    return (
        GroundingDinoForObjectDetection(config),
        GroundingDinoProcessor(GroundingDinoImageProcessor(size={"shortest_edge": 64, "longest_edge": 96}), words),
    )


def segmenter(size: str) -> tuple:
    """SAM 2 and its processor; `paper` is the size of Hiera-S."""
    from transformers import Sam2Config, Sam2ImageProcessor, Sam2Model, Sam2Processor

    if size == "paper":
        hiera = {
            "model_type": "sam2_hiera_det_model",
            "blocks_per_stage": [1, 2, 11, 2],
            "global_attention_blocks": [7, 10, 13],
        }
        vision = {"model_type": "sam2_vision_model", "backbone_config": hiera}
        return Sam2Model(Sam2Config(vision_config=vision)), Sam2Processor(Sam2ImageProcessor())
    side = 128
    hiera = {
        "model_type": "sam2_hiera_det_model",
        "image_size": [side, side],
        "hidden_size": 16,
        "blocks_per_stage": [1, 1, 2, 1],
        "embed_dim_per_stage": [16, 32, 64, 128],
        "num_attention_heads_per_stage": [1, 1, 2, 4],
        "window_size_per_stage": [4, 4, 4, 4],
        "global_attention_blocks": [3],
    }
    vision = {
        "model_type": "sam2_vision_model",
        "backbone_config": hiera,
        "backbone_channel_list": [128, 64, 32, 16],
        "backbone_feature_sizes": [[side // 4] * 2, [side // 8] * 2, [side // 16] * 2],
        "fpn_hidden_size": 32,
    }
    config = Sam2Config(
        vision_config=vision,
        prompt_encoder_config={"hidden_size": 32, "image_size": side},
        mask_decoder_config={"hidden_size": 32, "mlp_dim": 64, "num_attention_heads": 2, "iou_head_hidden_dim": 32},
    )
    return Sam2Model(config), Sam2Processor(Sam2ImageProcessor(size={"height": side, "width": side}))


def spelling():
    """BERT's tokenizer with a vocabulary of single letters; the marks that the detector splits sentences at have BERT's numbers."""
    from transformers import BertTokenizer

    words = {f"[unused{number}]": number for number in range(1100)}
    places = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103, ".": 1012, "?": 1029}
    free = iter(range(200, 1000))
    places |= {piece: next(free) for letter in LETTERS for piece in (letter, f"##{letter}") if piece not in places}
    for piece, number in places.items():
        del words[f"[unused{number}]"]
        words[piece] = number
    return BertTokenizer(vocab=words)
