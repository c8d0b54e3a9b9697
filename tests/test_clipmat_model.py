"""CLIPMat's parts against the paper's equations and Table 11, and the model as a whole."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from rimlib import profile as profiles
from rimlib.clipmat import CLIPMat, ImageFeatures, Output
from rimlib.clipmat.collaboration import collaborate, confidence
from rimlib.clipmat.decoders import DetailsDecoder, SemanticDecoder
from rimlib.clipmat.losses import clipmat_loss
from rimlib.clipmat.model import TextFeatures
from rimlib.clipmat.popup import Attention, PlainFusion, TextDrivenPopup
from rimlib.errors import RimError

SIZE = 64
PROFILE = profiles.load("tiny", model__image_size=SIZE, model__text_length=16)


def build(**changes):
    torch.manual_seed(0)
    return CLIPMat.from_profile(replace(PROFILE, model=replace(PROFILE.model, **changes)), weights="random")


@pytest.fixture(scope="module")
def model():
    return build().eval()


@pytest.mark.parametrize("residual", [False, True])
def test_the_popup_is_cross_attention_then_self_attention(residual):
    """What each submodule is given and gives, Eq. 1-5; the attention itself has the next test."""
    torch.manual_seed(0)
    popup = TextDrivenPopup(12, 10, width=16, heads=4, dropout=0.1, out=6, residual=residual).eval()
    calls = {}
    for name, module in popup.named_children():
        module.register_forward_hook(lambda _, given, out, name=name: calls.__setitem__(name, (given, out)))
    found = popup(torch.randn(2, 1 + 9, 12), torch.randn(2, 5, 10))
    assert list(calls) == ["norm_visual", "norm_text", "cross_attn", "self_attn", "out"]
    (x_v, x_t, _), crossed = calls["cross_attn"]
    assert x_v is calls["norm_visual"][1] and x_t is calls["norm_text"][1]
    (queries, memory), refined = calls["self_attn"]
    torch.testing.assert_close(queries, crossed + x_v if residual else crossed)
    assert queries is memory
    torch.testing.assert_close(calls["out"][0][0], queries + refined)
    for token, (row, column) in ((1, (0, 0)), (6, (1, 2)), (9, (2, 2))):  # the class token is left out
        torch.testing.assert_close(found[:, :, row, column], calls["out"][1][:, token])


@pytest.mark.parametrize("length", [5, 300])  # the explicit and the fused form
def test_attention_is_torchs(length):
    torch.manual_seed(0)
    ours, torchs = Attention(16, heads=4, dropout=0.0), torch.nn.MultiheadAttention(16, 4, batch_first=True)
    torchs.in_proj_weight.data = torch.cat([ours.query.weight, ours.memory.weight]).detach()
    torch.nn.init.zeros_(torchs.in_proj_bias)
    torchs.out_proj = ours.project
    queries, memory = torch.randn(2, 10, 16), torch.randn(2, length, 16)
    out, weights = torchs(queries, memory, memory, average_attn_weights=False)
    torch.testing.assert_close(ours(queries, memory), out, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(ours.weights(queries, memory), weights, atol=1e-6, rtol=1e-5)


def test_plain_fusion_depends_on_the_text():
    fusion = PlainFusion(12, 10, width=16, out=6)
    visual, text = torch.randn(1, 10, 12), torch.randn(2, 5, 10)
    one, other = fusion(visual, text[:1]), fusion(visual, text[1:])
    assert one.shape == (1, 6, 3, 3) and (one - other).abs().max() > 1e-3


def sizes_of(decoder, *inputs):
    """The shape that each call of a child gave, in order."""
    calls = []
    for name, module in decoder.named_modules():
        if name and name.count(".") == name.startswith("stages."):
            module.register_forward_hook(lambda _, __, out, name=name: calls.append((name, tuple(out.shape[1:]))))
    return decoder(*inputs), calls


def test_semantic_decoder_is_table_11():
    out, calls = sizes_of(SemanticDecoder(64, 32).eval(), torch.randn(2, 64, 4, 4))
    assert out.shape == (2, 3, 64, 64)
    assert calls == [
        ("d2", (32, 4, 4)),
        ("upsample", (32, 16, 16)),
        ("d1", (32, 16, 16)),
        ("upsample", (32, 64, 64)),
        ("d0", (3, 64, 64)),
    ]


def test_details_decoder_is_table_11():
    decoder = DetailsDecoder([768, 384, 192, 96], [384, 192, 96, 32]).eval()
    details = [torch.randn(1, channels, side, side) for channels, side in zip((768, 384, 192, 96), (4, 8, 16, 32))]
    given = {}
    for number, stage in enumerate(decoder.stages):
        stage.register_forward_hook(lambda _, inputs, out, number=number: given.__setitem__(number, (inputs[0], out)))
    text = torch.randn(1, 768, 4, 4)
    out, calls = sizes_of(decoder, details, text)
    assert out.shape == (1, 1, 64, 64)
    assert [size for name, size in calls if name == "upsample"] == [
        (channels, side, side) for channels, side in zip((384, 192, 96, 32), (8, 16, 32, 64))
    ]
    assert given[0][0].equal(details[0] + text)
    for number in (1, 2, 3):  # each level joins the upsampled output of the stage before it
        torch.testing.assert_close(given[number][0] - details[number], decoder.upsample(given[number - 1][1]))


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


def test_three_steps_are_one_and_shapes_are_as_documented(model):
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
        {"score_map": False},
        {"tsp": False},
        {"mde": False},
        {"post_context": False},
        {"details_text": False},
        {"details_width": 16},
        {"coordinates": True, "popup_layers": 2},
        {"coordinates": True, "score_map": False},
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
    """Two images, each with a sentence for its left and its right half: only the words differ."""
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


def test_output_is_three_maps_and_the_score_map():
    assert Output._fields == ("trimap_logits", "detail", "alpha", "score_map")
    assert build(score_map=False)(torch.rand(1, 3, SIZE, SIZE), torch.ones(1, 16, dtype=torch.int64)).score_map is None


def test_the_score_map_is_clips_own_similarity():
    """Logits are scaled cosines of CLIP's projected patches and its text embedding; the class token gets none."""
    from rimlib.additions.score_map import BIAS, SCALE, ScoreMap
    from rimlib.clipmat.clip_weights import create_clip

    clip, tokenizer = create_clip(PROFILE.model, "random")
    score_map = ScoreMap(clip.visual.proj, clip.text_projection, 16)
    visual, tokens = torch.randn(2, 1 + 9, 192), tokenizer(["the dog", "the red cat"])
    whole = F.pad(tokens, (0, clip.context_length - tokens.shape[1]))
    with torch.no_grad():
        words = clip.eval().encode_text(whole, normalize=True)
        sentence = CLIPMat(PROFILE.model, clip, tokenizer).encode_text(tokens).sentence
        logits, embedding = score_map(visual, sentence)
    assert logits.shape == (2, 1, 3, 3) and embedding.shape == (2, 10, 16)
    assert (embedding[:, 0] == 0).all() and (embedding[:, 1:] != 0).any()
    patch = F.normalize(visual[1, 1 + 5] @ score_map.visual_proj, dim=-1)
    assert logits[1, 0, 1, 2].item() == pytest.approx(SCALE * (patch @ words[1]).item() + BIAS, abs=1e-4)


class Step(torch.nn.Module):
    """One of a model's three steps as a module of its own, tensors in and tensors out, as export needs it."""

    def __init__(self, model, run):
        super().__init__()
        self.model, self.run = model, run

    def forward(self, *tensors):
        return self.run(self.model, *tensors)


def test_each_step_can_be_exported():
    model = CLIPMat.shipped().eval()
    image = torch.rand(1, 3, model.image_size, model.image_size)
    tokens = model.tokenize(["the red dog"])

    def encode_image(model, images):
        features = model.encode_image(images)
        return features.tokens, *features.details

    def encode_text(model, tokens):
        return tuple(part for part in vars(model.encode_text(tokens)).values() if part is not None)

    def matte(model, tokens, level4, level3, level2, level1, *text):  # of the text the padding too, where it is masked
        details = [level4, level3, level2, level1]
        return tuple(model.matte(ImageFeatures(tokens, [], details), TextFeatures(*text)))

    inputs = {encode_image: (image,), encode_text: (tokens,)}
    with torch.no_grad():
        inputs[matte] = (*encode_image(model, image), *encode_text(model, tokens))
        for run, given in inputs.items():
            exported = torch.export.export(Step(model, run), given).module()
            for found, wanted in zip(exported(*given), run(model, *given)):
                torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)


def test_coordinates_tell_left_from_right():
    model = build(coordinates=True, popup_layers=1).eval()
    tokens = model.tokenize(["the left dog"])
    model.backbone.visual.positional_embedding.data.zero_()
    places = model.coordinates.project.weight.data
    drawn = places.clone()
    alike = torch.rand(1, 3, SIZE, 1).expand(-1, -1, -1, SIZE).contiguous()  # each column is the same

    def sides() -> torch.Tensor:
        visual, text = model.encode_image(alike).tokens, model.encode_text(tokens)
        popup = model.popup(visual, text.tokens, model.coordinates(visual), text.padding)
        return (popup[..., 0] - popup[..., -1]).abs().max()

    with torch.inference_mode():
        assert sides() > 1e-2
        places.zero_()
        assert sides() < 1e-4
        places.copy_(drawn)
        assert sides() > 1e-2
