"""The dense backbone against open_clip, which defines what CLIP is."""

import copy
from dataclasses import replace

import open_clip
import pytest
import torch
import torch.nn.functional as F

from rimlib import profile
from rimlib.clipmat import backbone
from rimlib.clipmat.attention import attend
from rimlib.clipmat.backbone import Backbone, create_clip, resize_visual
from rimlib.errors import RimError

SETTINGS = profile.load("tiny").model


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    return create_clip(SETTINGS)


@pytest.mark.parametrize("training", [True, False])
def test_the_class_token_projected_is_clips_image_embedding(tiny, training):
    clip = copy.deepcopy(tiny[0]).train(training)
    images = torch.randn(2, 3, SETTINGS.image_size, SETTINGS.image_size)
    projection, expected = clip.visual.proj, clip.encode_image(images)
    tokens, levels = Backbone(clip, SETTINGS.image_size).encode_image(images)
    torch.testing.assert_close(tokens[:, 0] @ projection, expected, atol=1e-5, rtol=0)
    side = SETTINGS.image_size // 16
    assert tokens.shape == (2, 1 + side * side, 192) and [level.shape for level in levels] == [(2, 192, side, side)] * 4


def test_levels_are_the_outputs_of_four_equal_groups_of_blocks(tiny):
    clip = copy.deepcopy(tiny[0])
    images = torch.randn(1, 3, SETTINGS.image_size, SETTINGS.image_size)
    expected = clip.visual.forward_intermediates(images, indices=[1, 3, 5, 7])["image_intermediates"]
    _, levels = Backbone(clip, SETTINGS.image_size).encode_image(images)
    for ours, theirs in zip(levels, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("context", [0, 8])
def test_the_end_of_text_projected_is_clips_text_embedding_whatever_the_context(tiny, context):
    clip, tokenizer = copy.deepcopy(tiny[0]), tiny[1]
    tokens = tokenizer(["the dog", "the red flower on the left of the brown dog"])
    projection = clip.text_projection
    whole = F.pad(tokens, (0, clip.context_length - tokens.shape[1]))  # open_clip wants its full length
    expected = clip.encode_text(whole)
    features = Backbone(clip, SETTINGS.image_size).encode_text(tokens, torch.randn(context, 192))
    assert features.shape == (2, SETTINGS.text_length + context, 192)
    at_end = features[torch.arange(2), tokens.argmax(1)]
    torch.testing.assert_close(at_end @ projection, expected, atol=1e-5, rtol=0)


def test_the_context_reads_the_words(tiny):
    features = Backbone(copy.deepcopy(tiny[0]), SETTINGS.image_size)
    context = torch.randn(8, 192)
    first, second = features.encode_text(tiny[1](["the dog", "the cat"]), context)[:, -1]
    assert (first - second).abs().max() > 1e-3


def test_more_words_than_positions_are_refused(tiny):
    encoder = Backbone(copy.deepcopy(tiny[0]), SETTINGS.image_size)
    tokens = torch.zeros(1, encoder.context_length - 7, dtype=torch.int64)
    with pytest.raises(RimError, match="text positions"):
        encoder.encode_text(tokens, torch.randn(8, 192))


@pytest.mark.parametrize("image_size", [96, 224])
def test_positions_are_resized_as_open_clip_resizes_them(tiny, image_size):
    clip = copy.deepcopy(tiny[0])
    config = open_clip.get_model_config("rim-tiny")
    config["vision_cfg"]["image_size"] = image_size
    config["text_cfg"]["vocab_size"] = clip.vocab_size
    state, other = clip.state_dict(), open_clip.CLIP(**config)
    open_clip.model.resize_pos_embed(state, other)
    resize_visual(clip.visual, image_size)
    torch.testing.assert_close(clip.visual.positional_embedding.data, state["visual.positional_embedding"], atol=1e-6, rtol=0)


def test_a_patch_of_14_becomes_16_and_answers_alike():
    """A smooth picture, enlarged from patches of 14 to patches of 16, gets about the same embeddings."""
    torch.manual_seed(0)
    visual = open_clip.transformer.VisionTransformer(56, 14, 32, 1, 1, 4.0)
    small = F.interpolate(torch.randn(1, 3, 5, 5), size=56, mode="bicubic", antialias=True)
    large = F.interpolate(small, size=64, mode="bicubic", antialias=True)
    before = visual.conv1(small)
    resize_visual(visual, 64)
    after = visual.conv1(large)
    assert visual.conv1.kernel_size == (16, 16) and after.shape == before.shape
    assert F.cosine_similarity(before.flatten(), after.flatten(), dim=0) > 0.98


@pytest.mark.parametrize("causal", [True, False])
def test_attention_written_out_is_the_fused_one(causal):
    q, k, v = torch.randn(3, 2, 4, 9, 16)
    torch.testing.assert_close(attend(q, k, v, causal), F.scaled_dot_product_attention(q, k, v, is_causal=causal),
                               atol=1e-6, rtol=1e-5)


def test_long_sequences_use_the_fused_kernel(monkeypatch):
    called = []
    real = F.scaled_dot_product_attention
    monkeypatch.setattr(F, "scaled_dot_product_attention", lambda *a, **k: called.append(1) or real(*a, **k))
    attend(*torch.randn(3, 1, 1, 300, 8))
    assert called


def test_unknown_names_and_missing_weights_are_refused(monkeypatch, tmp_path):
    with pytest.raises(RimError, match="rim-tiny"):
        create_clip(replace(SETTINGS, backbone="ViT-nowhere"))
    with pytest.raises(RimError, match="'clip'.*'random'"):
        create_clip(SETTINGS, weights="laion")
    monkeypatch.setattr(backbone, "CHECKPOINTS", tmp_path)
    with pytest.raises(RimError, match="rim-tiny-clip.safetensors.*pretrain"):
        create_clip(SETTINGS, weights="clip")


def test_weights_that_cannot_be_fetched_are_an_error_and_never_random(monkeypatch):
    def offline(*args, **kwargs):
        raise OSError("no route to host")
    monkeypatch.setattr(open_clip, "create_model", offline)
    with pytest.raises(RimError, match="ViT-B-16-quickgelu.*no route to host"):
        create_clip(replace(SETTINGS, backbone="ViT-B-16-quickgelu"), weights="clip")


def test_shipped_weights_of_another_image_size_are_resized(monkeypatch, tmp_path, tiny):
    from safetensors.torch import save_file

    save_file({name: value.contiguous() for name, value in tiny[0].state_dict().items()}, tmp_path / "rim-tiny-clip.safetensors")
    monkeypatch.setattr(backbone, "CHECKPOINTS", tmp_path)
    for weights in ("clip", tmp_path / "rim-tiny-clip.safetensors"):
        clip, _ = create_clip(replace(SETTINGS, image_size=96), weights=weights)
        assert clip.visual.positional_embedding.shape == (37, 192)
        torch.testing.assert_close(clip.visual.conv1.weight, tiny[0].visual.conv1.weight)
