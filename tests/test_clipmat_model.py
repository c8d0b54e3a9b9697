"""CLIPMat's parts against the paper's equations and Table 11, and the model as a whole."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from rimlib import profile as profiles
from rimlib.clipmat import CLIPMat, Output
from rimlib.clipmat.collaboration import collaborate, confidence
from rimlib.clipmat.decoders import DetailsDecoder, SemanticDecoder, upsample
from rimlib.clipmat.losses import clipmat_loss
from rimlib.clipmat.popup import PlainFusion, TextDrivenPopup
from rimlib.errors import RimError

SIZE = 64
PROFILE = profiles.load("tiny", model__image_size=SIZE, model__text_length=16)


def build(**changes):
    torch.manual_seed(0)
    return CLIPMat.from_profile(replace(PROFILE, model=replace(PROFILE.model, **changes)), weights="random")


@pytest.fixture(scope="module")
def model():
    return build().eval()


@pytest.fixture(scope="module")
def paper():
    """Table 11 with the sizes of ViT-B/16, on an image of 64 pixels and a transformer of four thin layers."""
    return SemanticDecoder(64, 32).eval(), DetailsDecoder([768, 384, 192, 96], [384, 192, 96, 32]).eval()


@pytest.mark.parametrize("residual", [False, True])
def test_popup_is_equations_1_to_5(residual):
    torch.manual_seed(0)
    popup = TextDrivenPopup(12, 10, width=16, heads=4, dropout=0.1, out=6, residual=residual).eval()
    visual, text = torch.randn(2, 1 + 9, 12), torch.randn(2, 5, 10)

    def attention(module, queries, memory):
        q = module.query(queries).view(2, -1, 4, 4)
        k, v = module.memory(memory).view(2, -1, 2, 4, 4).unbind(2)
        weights = torch.einsum("bnhd,blhd->bhnl", q, k) / 2
        return module.project(torch.einsum("bhnl,blhd->bnhd", weights.softmax(-1), v).flatten(2))

    x_v, x_t = popup.norm_visual(visual), popup.norm_text(text)
    x_f = attention(popup.cross_attn, x_v, x_t) + (x_v if residual else 0)
    x_f = x_f + attention(popup.self_attn, x_f, x_f)
    expected = popup.out(x_f)[:, 1:].view(2, 3, 3, 6).permute(0, 3, 1, 2)
    torch.testing.assert_close(popup(visual, text), expected, atol=1e-5, rtol=1e-5)


def test_plain_fusion_hears_the_text():
    fusion = PlainFusion(12, 10, width=16, out=6)
    visual, text = torch.randn(1, 10, 12), torch.randn(2, 5, 10)
    one, other = fusion(visual, text[:1]), fusion(visual, text[1:])
    assert one.shape == (1, 6, 3, 3) and (one - other).abs().max() > 1e-3


def test_semantic_decoder_is_table_11(paper):
    decoder, x = paper[0], torch.randn(2, 64, 4, 4)
    y = upsample(decoder.d2(x), 4)
    assert y.shape == (2, 32, 16, 16)
    y = upsample(decoder.d1(y), 4)
    assert y.shape == (2, 32, 64, 64)
    torch.testing.assert_close(decoder(x), decoder.d0(y), atol=1e-5, rtol=1e-4)


def test_details_decoder_is_table_11(paper):
    decoder = paper[1]
    details = [torch.randn(1, channels, side, side) for channels, side in zip((768, 384, 192, 96), (4, 8, 16, 32))]
    text, x = torch.randn(1, 768, 4, 4), 0
    for detail, stage, channels in zip([details[0] + text, *details[1:]], decoder.stages, (384, 192, 96, 32)):
        x = upsample(stage(x + detail), 2)
        assert x.shape == (1, channels, 2 * detail.shape[-1], 2 * detail.shape[-1])
    torch.testing.assert_close(decoder(details, text), decoder.d0(x), atol=1e-5, rtol=1e-4)


def test_collaboration_by_the_argmax_and_without_gradient_to_it():
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 8, 8).round().requires_grad_()  # rounded: ties are among them
    detail = torch.rand(2, 1, 8, 8, requires_grad=True)
    alpha = collaborate(logits, detail)
    region = logits.argmax(1, keepdim=True)
    assert alpha.equal(torch.where(region == 1, detail, (region == 2).float()))
    alpha.sum().backward()
    assert logits.grad is None and detail.grad.equal((region == 1).float())


def test_confidence_of_nothing_and_of_a_sure_thing():
    logits = torch.zeros(3, 3, 4, 4)
    logits[0, 0] = 9  # background everywhere
    logits[1, 0], logits[1, :, 1, 1] = 9, torch.tensor([0.0, 0.0, 9.0])  # one sure pixel
    logits[2, 2] = 0.1
    score = confidence(logits)
    assert score[0] == 0 and score[1] > 0.99 and 0.6 < score[2] < 0.75


def test_three_steps_are_one_and_shapes_are_as_said(model):
    images, tokens = torch.rand(2, 3, SIZE, SIZE), model.tokenize(["the red dog", "the net", "a vase"])
    index = torch.tensor([0, 1, 1])
    with torch.inference_mode():
        whole = model(images, tokens, index)
        features, text = model.encode_image(images), model.encode_text(tokens)
        parts = [model.matte(features.select(index[i : i + 1]), text.select(slice(i, i + 1))) for i in range(3)]
    assert text.tokens.shape == (3, 16 + 8, 192) and text.sentence.shape == (3, 192)
    assert [detail.shape[1:] for detail in features.details] == [
        (channels, SIZE // 2**level, SIZE // 2**level)
        for channels, level in zip(PROFILE.model.details_channels, (4, 3, 2, 1))
    ]
    assert whole.trimap_logits.shape == (3, 3, SIZE, SIZE) and whole.alpha.shape == whole.detail.shape == (
        3,
        1,
        SIZE,
        SIZE,
    )
    assert whole.alpha.dtype == torch.float32 and 0 <= whole.alpha.min() and whole.alpha.max() <= 1
    for i, part in enumerate(parts):
        torch.testing.assert_close(part.detail[0], whole.detail[i], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(part.score[0], whole.score[i], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"match": False},
        {"tsp": False},
        {"mde": False},
        {"post_context": False},
        {"details_text": False},
        {"details_width": 16},
        {"tsp": False, "mde": False, "post_context": False, "pre_context": False},
    ],
)
def test_each_switch_gives_a_model_in_which_every_parameter_learns(changes):
    model = build(**changes).train()
    images, tokens = torch.rand(2, 3, SIZE, SIZE), model.tokenize(["the red dog", "the net"])
    output = model(images, tokens)
    sum(part.square().sum() for part in output[:2]).backward()
    idle = [name for name, parameter in model.named_parameters() if parameter.numel() and parameter.grad is None]
    assert not idle


def test_without_details_text_the_details_are_the_same_for_every_sentence():
    model = build(details_text=False).eval()
    images, tokens = torch.rand(1, 3, SIZE, SIZE), model.tokenize(["the red dog", "the net"])
    output = model(images, tokens, torch.tensor([0, 0]))
    torch.testing.assert_close(output.detail[0], output.detail[1])
    assert (output.trimap_logits[0] - output.trimap_logits[1]).abs().max() > 1e-6


def test_bfloat16_is_near_float32(model):
    images, tokens = torch.rand(1, 3, SIZE, SIZE), model.tokenize(["the red dog"])
    with torch.inference_mode():
        exact = model(images, tokens)
        with torch.autocast("cpu", torch.bfloat16):
            fast = model(images, tokens)
    assert fast.alpha.dtype == torch.float32
    assert (exact.detail - fast.detail).abs().max() < 0.05


def test_it_overfits_four_samples():
    """Two images, each asked for its left and its right half: only the words tell which."""
    model = build(dropout=0.0).train()
    images = torch.rand(2, 3, 8, 8).repeat_interleave(SIZE // 8, 2).repeat_interleave(SIZE // 8, 3)
    tokens = model.tokenize(["left", "right", "left", "right"])
    classes = torch.zeros(4, SIZE, SIZE, dtype=torch.int64)
    classes[0::2, 16:48, :24], classes[1::2, 16:48, 40:] = 2, 2
    classes[0::2, 16:48, 24:28], classes[1::2, 16:48, 36:40] = 1, 1
    alpha = (classes / 2.0)[:, None]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(60):
        loss = clipmat_loss(model(images, tokens, torch.tensor([0, 0, 1, 1])), alpha, classes)["total"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.inference_mode():
        found = model(images, tokens, torch.tensor([0, 0, 1, 1])).alpha
    assert (found - alpha).abs().mean() < 0.03


@pytest.mark.parametrize(
    "changes",
    [
        {"details_out": (96, 48, 99, 16)},
        {"popup_width": 130},
        {"image_size": 100},
        {"details_channels": (192, 96)},
        {"text_length": 75},  # the text encoder has fewer positions
    ],
)
def test_settings_that_do_not_fit_are_refused_before_anything_runs(changes):
    with pytest.raises(RimError, match=f"model.{next(iter(changes))}"):
        build(**changes)


def test_an_image_of_another_size_is_refused(model):
    with pytest.raises(RimError, match="64, 64"):
        model.encode_image(torch.rand(1, 3, 32, 32))


def test_output_is_three_maps_and_the_match():
    assert Output._fields == ("trimap_logits", "detail", "alpha", "match")
    assert build(match=False)(torch.rand(1, 3, SIZE, SIZE), torch.ones(1, 16, dtype=torch.int64)).match is None


def test_the_match_is_clips_own_measure():
    """Logits are scaled cosines of CLIP's projected patches and its text embedding, and the class token gets no hint."""
    from rimlib.clipmat.clip_weights import create_clip
    from rimlib.clipmat.score_map import BIAS, SCALE, Match

    clip, tokenizer = create_clip(PROFILE.model, "random")
    match = Match(clip.visual.proj, clip.text_projection, 16)
    visual, tokens = torch.randn(2, 1 + 9, 192), tokenizer(["the dog", "the red cat"])
    whole = F.pad(tokens, (0, clip.context_length - tokens.shape[1]))
    with torch.no_grad():
        words = clip.eval().encode_text(whole, normalize=True)
        sentence = CLIPMat(PROFILE.model, clip, tokenizer).encode_text(tokens).sentence
        logits, hint = match(visual, sentence)
    assert logits.shape == (2, 1, 3, 3) and hint.shape == (2, 10, 16)
    assert (hint[:, 0] == 0).all() and (hint[:, 1:] != 0).any()
    patch = F.normalize(visual[1, 1 + 5] @ match.visual_proj, dim=-1)
    assert logits[1, 0, 1, 2].item() == pytest.approx(SCALE * (patch @ words[1]).item() + BIAS, abs=1e-4)
