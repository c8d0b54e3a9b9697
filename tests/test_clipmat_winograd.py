"""The quick ways on a CPU against torch's own: convolutions by Winograd, pooling by compiled loops, work shared among threads."""

import copy
import pickle
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import literal
from rimlib.clipmat import compiled, details, loops, winograd
from rimlib.clipmat.decoders import upsample
from rimlib.clipmat.details import DetailsExtractor, maxpool_projection
from rimlib.clipmat.upsampled import UpsampledConvolution, convolve_upsampled
from rimlib.clipmat.winograd import Convolution, Kept, TwoConvolutions, folded
from rimlib.errors import RimError


@pytest.fixture(params=[1, 2])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("size", [(32, 32), (33, 38), (40, 34)])
@pytest.mark.parametrize("relu", [False, True])
def test_a_convolution_is_torchs_at_any_size(size, relu, threads):
    torch.manual_seed(0)
    x, weight, bias = torch.randn(2, 100, *size), torch.randn(97, 100, 3, 3) / 30, torch.randn(97)
    convolution = Convolution(weight, bias)
    assert convolution.gains(*size)
    expected = F.conv2d(x, weight, bias, padding=1)
    with torch.inference_mode():
        ours = convolution(x, relu=relu)
    assert ours.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(ours, expected.relu() if relu else expected, atol=2e-5, rtol=0)


def test_strips_join(monkeypatch):
    """A map taller than a strip: what one strip leaves in the shared memory must not reach the next."""
    x, weight = torch.randn(1, 96, 50, 40), torch.randn(96, 96, 3, 3) / 30
    outs = []
    for size in (10, 10_000, 1_000_000):
        monkeypatch.setattr(winograd, "STRIP", size)
        with torch.inference_mode():
            Convolution(torch.randn(96, 96, 3, 3), torch.zeros(96))(torch.full((1, 96, 64, 64), 9.0))  # leaves its traces
            outs.append(Convolution(weight, torch.zeros(96))(x))
    torch.testing.assert_close(outs[0], F.conv2d(x, weight, padding=1), atol=2e-5, rtol=0)
    assert all(torch.equal(outs[0], out) for out in outs)


def test_what_is_added_joins_before_relu():
    x, weight, bias = torch.randn(1, 96, 34, 32), torch.randn(96, 96, 3, 3) / 30, torch.randn(96)
    more = torch.randn(34, 32, 96)

    def add(first, rows):
        rows[:] = more[first : first + len(rows)].numpy()

    with torch.inference_mode():
        out = torch.empty(34, 32, 96)
        tiles = partial(loops.tiles_of_map, winograd.pixels(x)[0])
        Convolution(weight, bias).by_strips(tiles, out, relu=True, add=add)
    expected = (F.conv2d(x, weight, bias, padding=1)[0].permute(1, 2, 0) + more).relu()
    torch.testing.assert_close(out, expected, atol=2e-5, rtol=0)


def test_small_maps_and_few_channels_go_to_torch(monkeypatch):
    monkeypatch.setattr(Convolution, "by_strips", lambda *_, **__: pytest.fail("not worth it"))
    x, weight, bias = torch.randn(1, 8, 20, 20), torch.randn(4, 8, 3, 3), torch.randn(4)
    torch.testing.assert_close(Convolution(weight, bias)(x), F.conv2d(x, weight, bias, padding=1))


def test_it_is_for_answers_on_a_cpu_in_float32_only():
    x = torch.zeros(1)
    assert not compiled.usable(x)  # a gradient may be asked for
    with torch.no_grad():
        assert compiled.usable(x) and not compiled.usable(x.double()) and not compiled.usable(x.to("meta"))
        with torch.autocast("cpu", torch.bfloat16):
            assert not compiled.usable(x)


def trained(module):
    """Norms that do something."""
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            for value in (part.running_mean, part.weight.data, part.bias.data):
                torch.nn.init.normal_(value, 0.5)
            part.running_var.uniform_(0.5, 2)
    return module.eval()


def test_a_norm_joins_its_convolution():
    convolution, norm = torch.nn.Conv2d(5, 7, 3, padding=1, bias=False), trained(torch.nn.Sequential(torch.nn.BatchNorm2d(7)))[0]
    x = torch.randn(2, 5, 9, 9)
    torch.testing.assert_close(F.conv2d(x, *folded(convolution, norm), padding=1), norm(convolution(x)), atol=1e-5, rtol=1e-5)


def test_two_convolutions_answer_alike_with_and_without_gradient():
    block, x = trained(TwoConvolutions(100, 96)), torch.randn(1, 100, 32, 32)
    expected = block(x).detach()
    with torch.inference_mode():
        torch.testing.assert_close(block(x), expected, atol=5e-5, rtol=1e-4)


@pytest.mark.parametrize("channels, size", [(8, (3, 4)), (100, (16, 17)), (100, (19, 16))])
def test_two_convolutions_of_a_sum_that_never_exists(channels, size, threads):
    torch.manual_seed(0)
    block = trained(TwoConvolutions(channels, 97))
    small, more = torch.randn(2, channels, *size), torch.randn(2, channels, 2 * size[0], 2 * size[1])
    expected = upsample(small, 2) + more
    for part in block:
        expected = part(expected)
    torch.testing.assert_close(block(small, more), expected, atol=5e-5, rtol=1e-4)  # with a gradient
    with torch.inference_mode():
        torch.testing.assert_close(block(small, more), expected.detach(), atol=5e-5, rtol=1e-4)


def test_one_level_serves_several_sentences():
    """The decoder adds one picture's level to as many maps as there are sentences."""
    block, small, more = trained(TwoConvolutions(100, 97)), torch.randn(3, 100, 16, 16), torch.randn(1, 100, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(block(small, more), block(small, more.expand(3, -1, -1, -1)), atol=5e-5, rtol=1e-4)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize("size", [(1, 2), (4, 7)])
def test_an_enlarged_map_is_convolved_by_rows(scale, size, threads):
    torch.manual_seed(0)
    x, weight, bias = torch.randn(2, 5, *size), torch.randn(9, 5, 3, 3), torch.randn(9)
    expected = F.conv2d(upsample(x, scale), weight, bias, padding=1)
    with torch.inference_mode():
        for few in (1, 3):
            torch.testing.assert_close(convolve_upsampled(x, weight[:few], scale, bias[:few]), expected[:, :few], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(convolve_upsampled(x, weight[:2], scale), (expected - bias[:, None, None])[:, :2], atol=1e-5, rtol=1e-5)
        rows = np.full((3, scale * size[1], 9), np.nan, np.float32)  # some rows from the middle
        last = scale * size[0] - 3
        for first in range(max(0, last) + 1):
            part = rows[: scale * size[0]]
            UpsampledConvolution(weight, scale)(x[1])(first, part)
            wanted = (expected - bias[:, None, None])[1, :, first : first + len(part)].permute(1, 2, 0)
            torch.testing.assert_close(torch.from_numpy(part), wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("level, grid", [(1, 3), (1, 4), (2, 9), (3, 16), (4, 32), (1, 1)])
def test_an_extractor_without_gradient_is_the_literal_one(level, grid, threads):
    torch.manual_seed(0)
    extract = trained(DetailsExtractor(level, image_width=200, width=100, out=96))
    visual, images = torch.randn(2, 200, grid, grid), torch.rand(2, 3, 16 * grid, 16 * grid)
    expected = literal.extract(extract, visual, images).detach()
    with torch.inference_mode():
        torch.testing.assert_close(extract(visual, images), expected, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("level", [1, 3])
@pytest.mark.parametrize("out", [5, 96])
def test_a_picture_that_is_not_square(level, out):
    extract = trained(DetailsExtractor(level, image_width=200, width=100, out=out))
    visual, images = torch.randn(1, 200, 4, 7), torch.rand(1, 3, 64, 112)
    expected = literal.extract(extract, visual, images).detach()
    with torch.inference_mode():
        torch.testing.assert_close(extract(visual, images), expected, atol=2e-5, rtol=1e-5)


def test_sizes_that_do_not_fit_are_an_error_and_not_read_past_their_end():
    extract, block = trained(DetailsExtractor(1, image_width=200, width=100, out=96)), trained(TwoConvolutions(100, 97))
    with torch.inference_mode():
        for visual, images in (((1, 200, 4, 4), (1, 3, 96, 96)), ((1, 200, 4, 4), (1, 1, 64, 64)), ((2, 200, 4, 4), (3, 3, 64, 64))):
            with pytest.raises((RuntimeError, RimError)):
                extract(torch.zeros(visual), torch.zeros(images))
        for small, more in (((1, 100, 16, 16), (1, 100, 48, 48)), ((1, 101, 16, 16), (1, 101, 32, 32)), ((2, 100, 16, 16), (3, 100, 32, 32))):
            with pytest.raises(RuntimeError):
                block(torch.zeros(small), torch.zeros(more))
        with pytest.raises(RuntimeError):
            block(torch.zeros(1, 101, 32, 32))


@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_in_training_values_and_gradients_are_the_literal_ones(level, threads):
    torch.manual_seed(0)
    extract = DetailsExtractor(level, image_width=12, width=6, out=5)
    for value in extract.norm_image.parameters():
        value.data = (256 * value.data).round() / 256  # and so that ties of different pixels are exact
    visual = torch.randn(2, 12, 4, 4, requires_grad=True)
    images = torch.randint(0, 256, (2, 3, 64, 64)) / 256
    inputs = [visual, *extract.parameters()]
    outputs = [extract(visual, images), literal.extract(extract, visual, images)]
    gradient = torch.randn_like(outputs[0]) * (outputs[1] > 1e-3)  # not at ReLU's kink, where rounding decides
    torch.testing.assert_close(*outputs, atol=1e-5, rtol=1e-5)
    ours, theirs = (torch.autograd.grad(output, inputs, gradient) for output in outputs)
    largest = max(one.abs().max().item() for one in theirs)
    for mine, their in zip(ours, theirs):
        torch.testing.assert_close(mine, their, atol=1e-5 * largest, rtol=0)


@pytest.mark.parametrize("window", [2, 16])
def test_the_way_for_other_devices_finds_the_same_winners(window, monkeypatch):
    images = torch.randint(0, 4, (2, 3, 32, 48)) / 4  # many ties
    weight, bias = torch.randn(10, 3, 1, 1, requires_grad=True), torch.randn(10, requires_grad=True)

    def values_and_gradients():
        y = maxpool_projection(images, weight, bias, window)
        return [y, *torch.autograd.grad((y * torch.arange(y.numel()).view(y.shape)).sum(), (weight, bias))]

    compiled_ones = values_and_gradients()
    monkeypatch.setattr(details, "_winners_on_cpu", details._winners)
    monkeypatch.setattr(details, "_sums_on_cpu", details._sums)
    for ours, theirs in zip(compiled_ones, values_and_gradients()):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_what_is_kept_follows_the_weights(tmp_path):
    block, x = trained(TwoConvolutions(4, 4)), torch.randn(1, 4, 8, 8)
    with torch.inference_mode():
        before = block(x)
    torch.nn.init.normal_(block[0].weight)  # as an optimiser or a checkpoint changes it
    with torch.inference_mode():
        after = block(x)
    assert (before - after).abs().max() > 1e-3
    torch.testing.assert_close(after, block(x).detach(), atol=1e-5, rtol=1e-4)
    for twin in (copy.deepcopy(block), pickle.loads(pickle.dumps(block))):
        assert twin._kept._value is None  # the weights that were made ready stay behind
        with torch.inference_mode():
            torch.testing.assert_close(twin(x), after)


def test_it_is_made_once():
    made, module, kept = [], torch.nn.Conv2d(1, 1, 1), Kept()
    for _ in range(3):
        kept.get(module, lambda: made.append(1))
    with torch.no_grad():
        module.weight.add_(1)
    kept.get(module, lambda: made.append(1))
    assert len(made) == 2


def test_a_switch_to_training_and_back_forgets_it():
    block, x = trained(TwoConvolutions(4, 4)), torch.randn(1, 4, 8, 8)
    extract = trained(DetailsExtractor(1, image_width=4, width=2, out=4))
    visual, images = torch.randn(1, 4, 2, 2), torch.rand(1, 3, 32, 32)
    for module, inputs, weight in ((block, (x,), block[0].weight), (extract, (visual, images), extract.mix.weight)):
        with torch.inference_mode():
            before = module(*inputs)
            module.train()
            weight.data.neg_()  # which torch does not count
            assert (before - module.eval()(*inputs)).abs().max() > 1e-3


@pytest.mark.parametrize("team", [True, False])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_work_is_shared_whole(team, count, threads, monkeypatch):
    if not team:
        monkeypatch.setattr(compiled, "torch_team", lambda: None)
    done = np.zeros(count, int)

    def work(start, stop):
        done[start:stop] += 1

    compiled.share(work, count)
    assert (done == 1).all()


@pytest.mark.parametrize("team", [True, False])
def test_an_error_in_any_thread_arrives(team, monkeypatch):
    if not team:
        monkeypatch.setattr(compiled, "torch_team", lambda: None)
    with pytest.raises(ZeroDivisionError):
        compiled.share(lambda start, stop: 1 // start, 4)
