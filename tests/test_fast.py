"""The cheaper siblings against the literal modules: the same values, the same gradients, the same parameters."""

import copy
import pickle
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from rimlib import fast
from rimlib import profile as profiles
from rimlib.clipmat import CLIPMat, losses
from rimlib.clipmat.decoders import DetailsDecoder, SemanticDecoder, Upsample
from rimlib.clipmat.details import DetailsExtractor
from rimlib.clipmat.losses import clipmat_loss
from rimlib.clipmat.model import ImageFeatures, TextFeatures
from rimlib.fast import losses as fast_losses
from rimlib.fast import ops as fast_ops

TINY = profiles.load("tiny", model__image_size=64, model__text_length=16, model__dropout=0.0)
PAPER_PADDING = replace(TINY, model=replace(TINY.model, mask_padding=False))
TOLERANCE = 1e-5
WIDTHS = {"tiny": (192, 32, (96, 64, 32, 16)), "b16": (768, 384, (768, 384, 192, 96))}  # Dv, of a branch, D_4 to D_1


def randomised(module: torch.nn.Module, training: bool) -> torch.nn.Module:
    """Norms that do something, and a projection of images whose ties are exact."""
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            for value in (part.running_mean, part.weight.data, part.bias.data):
                torch.nn.init.normal_(value, 0.5)
            part.running_var.uniform_(0.5, 2)
        if isinstance(part, DetailsExtractor):
            for value in part.norm_image.parameters():
                value.data = (256 * value.data).round() / 256
    return module.train(training)


def both_ways(module: torch.nn.Module, inputs: list[torch.Tensor], call) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """(fast, literal) of the output, of the gradients of inputs and parameters, and of the buffers."""
    found, state, upstream = {}, copy.deepcopy(module.state_dict()), None
    for enabled in (False, True):
        module.load_state_dict(state)
        fast.optimize(module, enabled)
        output = call(module)
        if upstream is None:
            upstream = torch.randn_like(output) * (output.abs() > 1e-3)  # not at ReLU's kink, where rounding decides
        leaves = [*inputs, *(value for value in module.parameters() if value.numel())]
        gradients = torch.autograd.grad(output, leaves, upstream, allow_unused=True, materialize_grads=True)
        buffers = [value.clone().float() for value in module.buffers()]
        found[enabled] = [output.detach(), *gradients, *buffers]
    fast.optimize(module, False)
    return list(zip(found[True], found[False]))


def assert_equal(pairs: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
    """Output and buffers to `TOLERANCE` of their own largest value, gradients to that of all gradients."""
    largest = max(literal.abs().max().item() for _, literal in pairs[1:])
    for ours, literal in pairs:
        torch.testing.assert_close(ours, literal, atol=TOLERANCE * max(1.0, largest), rtol=0)
    torch.testing.assert_close(*pairs[0], atol=TOLERANCE * pairs[0][1].abs().max().item(), rtol=0)


@pytest.mark.parametrize("widths", ["tiny", "b16"])
@pytest.mark.parametrize("level", [1, 2, 3, 4])
@pytest.mark.parametrize("training", [True, False])
def test_a_details_extractor(level, widths, training):
    torch.manual_seed(0)
    image_width, width, outs = WIDTHS[widths]
    module = randomised(DetailsExtractor(level, image_width, width, outs[4 - level]), training)
    visual, images = torch.randn(2, image_width, 3, 4, requires_grad=True), torch.randint(0, 256, (2, 3, 48, 64)) / 256
    images[:, :, :16] = 0.25  # a flat region: every pixel of a window is the largest
    assert_equal(both_ways(module, [visual], lambda module: module(visual, images)))


@pytest.mark.parametrize("training", [True, False])
def test_a_semantic_decoder(training):
    torch.manual_seed(0)
    module, x = randomised(SemanticDecoder(64, 32), training), torch.randn(2, 64, 3, 4, requires_grad=True)
    assert_equal(both_ways(module, [x], lambda module: module(x)))


@pytest.mark.parametrize("widths", ["tiny", "b16"])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("count", [4, 1])
def test_a_details_decoder(widths, training, count):
    torch.manual_seed(0)
    channels = WIDTHS[widths][2]
    module = randomised(DetailsDecoder(channels, (*channels[1:], 16)), training)
    levels = [torch.randn(1, width, 2 << number, 2 << number) for number, width in enumerate(channels[:count])]
    text = torch.randn(2, channels[0], 2, 2)
    inputs = [value.requires_grad_() for value in (*levels, text)]
    assert_equal(both_ways(module, inputs, lambda module: module(levels, text)))


@pytest.fixture
def model() -> CLIPMat:
    torch.manual_seed(0)
    return randomised(CLIPMat.from_profile(TINY, "random"), True)


def loss_of(model: CLIPMat) -> torch.Tensor:
    torch.manual_seed(1)
    images, tokens = torch.randint(0, 256, (2, 3, 64, 64)) / 256, model.tokenize(["the red dog", "the net", "a vase"])
    classes = torch.randint(0, 3, (3, 64, 64))
    output = model(images, tokens, torch.tensor([0, 1, 1]))
    return clipmat_loss(output, (classes / 2)[:, None], classes)["total"]


def test_a_whole_model_learns_the_same(model):
    pairs = both_ways(model, [], loss_of)
    largest = max(literal.abs().max().item() for _, literal in pairs[1:])
    for ours, literal in pairs:
        torch.testing.assert_close(ours, literal, atol=2e-4 * largest, rtol=0)  # through many layers


@pytest.mark.parametrize("index", [[0, 0, 1, 1, 2, 2], [0, 1, 2], [0, 1, 1, 2], [0, 1, 0, 1, 2, 2]])
@pytest.mark.parametrize("switch", ["", "tsp", "score_map", "details_text", "coordinates"])
def test_sentences_of_an_image_share_its_features(index, switch):
    torch.manual_seed(0)
    settings = replace(TINY.model, popup_layers=1, **{switch: not getattr(TINY.model, switch)} if switch else {})
    model = randomised(CLIPMat.from_profile(replace(TINY, model=settings), "random"), True).double()
    images, tokens = (
        torch.rand(3, 3, 64, 64).double(),
        model.tokenize([f"the {number} dogs" for number in range(len(index))]),
    )
    features, text = model.encode_image(images), model.encode_text(tokens)
    leaves = [
        value.detach().requires_grad_() for value in (features.tokens, *features.details, text.tokens, text.sentence)
    ]

    def call(model: CLIPMat) -> torch.Tensor:
        image, words = ImageFeatures(leaves[0], [], leaves[1:5]), TextFeatures(*leaves[5:], text.padding)
        output = model.matte(image, words, torch.tensor(index))
        scores = [] if output.score_map is None else [output.score_map.flatten()]
        return torch.cat([output.trimap_logits.flatten(), output.detail.flatten(), *scores])

    assert_equal(both_ways(model, leaves, call))


@pytest.mark.parametrize("context", [8, 0])
def test_the_text_encoder_without_padding(context):
    torch.manual_seed(0)
    settings = replace(TINY.model, context=context)
    model = CLIPMat.from_profile(replace(TINY, model=settings), "random").train()
    torch.nn.init.normal_(model.context.vectors)
    tokens = model.tokenize(["the red dog", "a", "the small brown vase left of the violin", "a net"])
    visual = torch.randn(4, 17, 192)

    def call(model: CLIPMat) -> torch.Tensor:
        text, popup = model.encode_text(tokens), model.popup
        fused = popup.cross_attn(popup.norm_visual(visual), popup.norm_text(text.tokens), text.padding)
        return torch.cat([text.tokens[~text.padding].flatten(), text.sentence.flatten(), fused.flatten()])

    assert_equal(both_ways(model, [], call))
    place = torch.arange(16 + context)
    assert torch.equal(model.encode_text(tokens).padding, (place > tokens.argmax(dim=1, keepdim=True)) & (place < 16))
    longest = int(tokens.argmax(dim=1).max()) + 1
    assert fast.optimize(model).encode_text(tokens).tokens.shape == (4, longest + context, 192)


def test_padding_matters_to_nothing_where_it_is_masked():
    torch.manual_seed(0)
    images = torch.rand(2, 3, 64, 64)
    for settings, same in ((TINY, True), (PAPER_PADDING, False)):
        model = CLIPMat.from_profile(settings, "random").eval()
        tokens = model.tokenize(["the red dog", "a net"])
        other = torch.where(tokens == 0, 5, tokens)
        with torch.inference_mode():
            one, two = (model(images, each).trimap_logits for each in (tokens, other))
        assert (not (tokens == other).all()) and torch.allclose(one, two, atol=1e-6) is same


@pytest.mark.parametrize("size", [(64, 64), (70, 95)])
def test_the_laplacian_losses(size):
    torch.manual_seed(0)
    maps = [torch.randn(3, 1, *size, requires_grad=True) for _ in range(2)]
    outputs = [torch.stack(module.laplacian_losses(maps)) for module in (fast_losses, losses)]
    torch.testing.assert_close(*outputs, atol=TOLERANCE * outputs[1].max().item(), rtol=0)
    ours, literal = (torch.cat(torch.autograd.grad(output @ torch.tensor([1.0, -2.0]), maps)) for output in outputs)
    torch.testing.assert_close(ours, literal, atol=TOLERANCE * literal.abs().max().item(), rtol=0)


def test_parameters_are_shared_and_the_way_back_is_open(model):
    before, kinds = dict(model.state_dict(keep_vars=True)), [type(module) for module in model.modules()]
    assert fast.optimize(model) is model
    after = model.state_dict(keep_vars=True)
    assert before.keys() == after.keys() and all(before[name] is after[name] for name in after)
    changed = [new for new, old in zip(model.modules(), kinds) if type(new) is not old]
    assert len(changed) == 15  # the model, four levels, two decoders and their six blocks, the score map, TSP
    assert all(isinstance(module, old) for module, old in zip(model.modules(), kinds))
    assert [type(module) for module in fast.optimize(fast.optimize(model), False).modules()] == kinds


def test_a_copy_of_a_fast_model_is_fast(model):
    for twin in (copy.deepcopy(fast.optimize(model).details), pickle.loads(pickle.dumps(model.details))):
        assert type(twin) is fast.FastDetailsDecoder


def test_gradients_of_images_are_those_of_the_literal_module():
    torch.manual_seed(0)
    module, visual = randomised(DetailsExtractor(2, 8, 4, 4), True), torch.randn(1, 8, 2, 2)
    images = torch.rand(1, 3, 32, 32, requires_grad=True)
    assert_equal(both_ways(module, [images], lambda module: module(visual, images)))


def test_in_bfloat16_the_projection_is_near():
    images, projection = torch.rand(2, 3, 32, 32), torch.nn.Conv2d(3, 8, 1)
    expected = F.max_pool2d(projection(images), 4)
    with torch.autocast("cpu", torch.bfloat16):
        ours = fast_ops.maxpool_projection(images, projection, 4)
    assert ours.dtype == torch.bfloat16 and (ours - expected).abs().max() < 0.05
    (wanted,) = torch.autograd.grad(expected.sum(), projection.weight)
    (found,) = torch.autograd.grad(ours.float().sum(), projection.weight)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, wanted, atol=1.0, rtol=0.05)


@pytest.mark.parametrize("window", [2, 8])
def test_slices_join(window, monkeypatch):
    monkeypatch.setattr(
        fast_ops, "_parts", lambda pixels, channels: [slice(start, start + 7) for start in range(0, len(pixels), 7)]
    )
    torch.manual_seed(0)
    images, projection = torch.rand(2, 3, 32, 48), torch.nn.Conv2d(3, 10, 1)
    outputs = [fast_ops.maxpool_projection(images, projection, window), F.max_pool2d(projection(images), window)]
    torch.testing.assert_close(*outputs, atol=1e-6, rtol=0)
    upstream = torch.randn_like(outputs[0])
    ours, wanted = (torch.autograd.grad(output, projection.parameters(), upstream) for output in outputs)
    torch.testing.assert_close(ours, wanted, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("window", [2, 16])
def test_without_gradients_it_is_pooled_by_stripes(window, monkeypatch):
    monkeypatch.setattr(fast_ops, "STRIPE", 20)  # of 16 rows at most
    images, projection = torch.rand(2, 3, 48, 32), torch.nn.Conv2d(3, 10, 1)
    with torch.inference_mode():
        found = fast_ops.maxpool_projection(images, projection, window)
    torch.testing.assert_close(found, F.max_pool2d(projection(images), window), atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [(40, 24), (7, 50), (1, 3)])
def test_the_gradient_of_a_convolution_by_stripes(size, monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    monkeypatch.setattr(fast_ops, "LARGE", 2)  # then a stripe is one row
    torch.manual_seed(0)
    x, weight = torch.randn(2, 5, *size, requires_grad=True), torch.randn(6, 5, 3, 3, requires_grad=True)
    outputs = [fast_ops.convolve_exactly(x, weight), F.conv2d(x, weight, padding=1)]
    assert type(outputs[0].grad_fn) is not type(outputs[1].grad_fn)
    torch.testing.assert_close(*outputs, atol=1e-6, rtol=1e-6)
    upstream = torch.randn_like(outputs[0])
    found, wanted = (torch.autograd.grad(output, (x, weight), upstream) for output in outputs)
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("scale", [1, 2, 4, 8])
@pytest.mark.parametrize("outputs", [3, 9])
def test_a_convolution_of_an_upsampled_map_borders_included(scale, outputs):
    torch.manual_seed(0)
    x = torch.randn(2, 5, 4, 6, dtype=torch.float64, requires_grad=True)
    layer = torch.nn.Conv2d(5, outputs, 3, padding=1).double()
    inputs = (x, layer.weight, layer.bias)
    expected = layer(Upsample(scale)(x))
    ours = fast_ops.convolve_upsampled(x, layer.weight, scale, layer.bias)
    torch.testing.assert_close(
        ours, expected, atol=1e-12, rtol=1e-12
    )  # the weights of upsampling are multiples of 1/16
    upstream = torch.randn_like(expected)
    found, wanted = (torch.autograd.grad(output, inputs, upstream) for output in (ours, expected))
    torch.testing.assert_close(found, wanted, atol=1e-11, rtol=1e-11)


def test_after_inference_mode_it_can_still_be_trained_with():
    fast_ops.shifted_upsampling.cache_clear()
    x, weight = torch.randn(1, 2, 3, 3), torch.randn(1, 2, 3, 3, requires_grad=True)
    with torch.inference_mode():
        fast_ops.convolve_upsampled(x, weight, 2)
    fast_ops.convolve_upsampled(x, weight, 2).sum().backward()
    assert weight.grad is not None


def test_sizes_that_do_not_fit_are_an_error():
    module = fast.optimize(DetailsExtractor(1, image_width=20, width=10, out=9)).eval()
    for visual, images in (
        ((1, 20, 4, 4), (1, 3, 96, 96)),
        ((1, 20, 4, 4), (1, 1, 64, 64)),
        ((1, 20, 4, 4), (1, 3, 65, 64)),
    ):
        with pytest.raises(RuntimeError):
            module(torch.zeros(visual), torch.zeros(images))


def test_the_model_needs_no_compiler():
    code = "import sys, rimlib.fast; print(sorted({'numba', 'llvmlite'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_switched_off_mde_stays_as_it_is():
    settings = replace(TINY, model=replace(TINY.model, mde=False))
    model = CLIPMat.from_profile(settings, "random")
    kinds = [type(module) for module in model.extractors]
    assert [type(module) for module in fast.optimize(model).extractors] == kinds


@pytest.mark.parametrize("index", [[0, 0, 1, 1], [0, 1, 1]])
def test_the_semantic_half_alone_is_that_of_the_whole_model(index):
    torch.manual_seed(0)
    model = fast.optimize(randomised(CLIPMat.from_profile(TINY, "random"), True)).eval()
    images, tokens = torch.rand(2, 3, 64, 64), model.tokenize([f"the {number} dogs" for number in range(len(index))])
    with torch.inference_mode():
        whole = model(images, tokens, torch.tensor(index))
        trimap_logits, score_map = model.ground(images, tokens, torch.tensor(index))
    torch.testing.assert_close(trimap_logits, whole.trimap_logits, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(score_map, whole.score_map, atol=1e-4, rtol=1e-4)
