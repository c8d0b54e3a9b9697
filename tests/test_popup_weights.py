"""Attention weights of the pop-up: the ones that can be looked at are the ones that the output is made of."""

import pytest
import torch

from rimlib.clipmat.popup import Attention, TextDrivenPopup


@pytest.fixture
def attention():
    torch.manual_seed(0)
    return Attention(16, heads=4, dropout=0.5).eval()


def test_the_weights_mix_the_values_into_what_forward_gives(attention):
    queries, memory = 3 * torch.randn(2, 9, 16), 3 * torch.randn(2, 5, 16)
    weights = attention.weights(queries, memory)
    assert weights.shape == (2, 4, 9, 5) and weights.min() >= 0
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 4, 9))
    values = attention.memory(memory)[..., 16:].view(2, 5, 4, 4)  # (B, L, heads, D/heads)
    mixed = torch.einsum("bhnl,blhd->bnhd", weights, values).flatten(2)
    torch.testing.assert_close(attention.project(mixed), attention(queries, memory), atol=1e-5, rtol=1e-5)


def test_a_long_memory_that_the_fused_kernel_reads_has_the_same_weights(attention):
    queries, memory = torch.randn(1, 3, 16), torch.randn(1, 300, 16)
    values = attention.memory(memory)[..., 16:].view(1, 300, 4, 4)
    mixed = torch.einsum("bhnl,blhd->bnhd", attention.weights(queries, memory), values).flatten(2)
    torch.testing.assert_close(attention.project(mixed), attention(queries, memory), atol=1e-5, rtol=1e-5)


def test_dropout_does_not_touch_the_weights(attention):
    queries, memory = torch.randn(2, 9, 16), torch.randn(2, 5, 16)
    assert attention.train().weights(queries, memory).equal(attention.eval().weights(queries, memory))


def test_a_popups_weights_are_of_its_aligned_tokens_and_the_score_embedding():
    torch.manual_seed(0)
    popup = TextDrivenPopup(12, 10, width=16, heads=4, dropout=0.1, out=6).eval()
    visual, text, embedding = torch.randn(2, 1 + 9, 12), torch.randn(2, 5, 10), torch.randn(2, 1 + 9, 16)
    aligned, words = popup.norm_visual(visual), popup.norm_text(text)
    assert popup.cross_attention_weights(visual, text).equal(popup.cross_attn.weights(aligned, words))
    shifted = popup.cross_attention_weights(visual, text, embedding)
    assert shifted.equal(popup.cross_attn.weights(aligned + embedding, words)) and shifted.shape == (2, 4, 10, 5)
    assert (shifted - popup.cross_attention_weights(visual, text)).abs().max() > 1e-3
