"""The quick ways on a CPU against torch's own: convolutions by Winograd, pooling by compiled loops, work shared among threads."""

import copy
import pickle
from functools import partial

import literal
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from rimlib.clipmat import compiled, details, loops, winograd
from rimlib.clipmat.decoders import upsample
from rimlib.clipmat.details import DetailsExtractor, maxpool_projection
from rimlib.clipmat.upsampled import UpsampledConvolution, convolve_upsampled
from rimlib.clipmat.winograd import Convolution, Kept, TwoConvolutions, folded
from rimlib.clipmat.winograd_loops import Source
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


@pytest.mark.parametrize("size, outputs", [((100, 96), 32), ((16, 400), 33), ((16, 16), 200)])
def test_groups_of_tiles_join(size, outputs, threads):
    """More tiles than a group holds, rows of tiles longer than a group, groups that begin within a row; panels of outputs, the last not full."""
    torch.manual_seed(0)
    x, weight, bias = torch.randn(1, 48, *size), torch.randn(outputs, 48, 3, 3) / 20, torch.randn(outputs)
    with torch.inference_mode():
        torch.testing.assert_close(
            Convolution(weight, bias)(x), F.conv2d(x, weight, bias, padding=1), atol=2e-5, rtol=0
        )


@pytest.mark.parametrize("size", [(10, 5), (3, 40)])
def test_what_is_added_joins_before_relu(size, threads):
    torch.manual_seed(0)
    small, weight, bias = torch.randn(2, 7, *size), torch.randn(96, 100, 3, 3) / 30, torch.randn(96)
    other, height, width = torch.randn(96, 7, 3, 3) / 8, 4 * size[0], 4 * size[1]
    x = torch.randn(2, 100, height, width)
    expected = (F.conv2d(x, weight, bias, padding=1) + F.conv2d(upsample(small, 4), other, padding=1)).relu()
    with torch.inference_mode():
        added = [UpsampledConvolution(other, 4)(one) for one in small]
        out = Convolution(weight, bias).of_maps(
            [Source(image) for image in winograd.pixels(x)], height, width, True, added
        )
    torch.testing.assert_close(out, expected, atol=2e-5, rtol=0)


def test_what_is_not_a_number_stays_so():
    x, convolution = torch.zeros(1, 48, 16, 16), Convolution(torch.ones(32, 48, 3, 3), torch.zeros(32))
    x[0, 3, 5, 5] = float("nan")
    with torch.inference_mode():
        assert convolution(x, relu=True)[0, :, 5, 5].isnan().all()


def test_small_maps_and_few_channels_go_to_torch(monkeypatch):
    monkeypatch.setattr(Convolution, "of_maps", lambda *_, **__: pytest.fail("not worth it"))
    for inputs, outputs, side in ((47, 96, 20), (96, 31, 20), (96, 96, 15)):
        x, weight, bias = torch.randn(1, inputs, side, side), torch.randn(outputs, inputs, 3, 3), torch.randn(outputs)
        with torch.inference_mode():
            torch.testing.assert_close(
                Convolution(weight, bias)(x), F.conv2d(x, weight, bias, padding=1), atol=1e-4, rtol=1e-4
            )


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
    convolution, norm = (
        torch.nn.Conv2d(5, 7, 3, padding=1, bias=False),
        trained(torch.nn.Sequential(torch.nn.BatchNorm2d(7)))[0],
    )
    x = torch.randn(2, 5, 9, 9)
    torch.testing.assert_close(
        F.conv2d(x, *folded(convolution, norm), padding=1), norm(convolution(x)), atol=1e-5, rtol=1e-5
    )


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
            torch.testing.assert_close(
                convolve_upsampled(x, weight[:few], scale, bias[:few]), expected[:, :few], atol=1e-5, rtol=1e-5
            )
        torch.testing.assert_close(
            convolve_upsampled(x, weight[:2], scale), (expected - bias[:, None, None])[:, :2], atol=1e-5, rtol=1e-5
        )
        rows = np.full((scale * size[0], scale * size[1], 9), np.nan, np.float32)
        compiled.share(partial(loops.enlarge_rows, UpsampledConvolution(weight, scale)(x[1]), rows), len(rows))
        torch.testing.assert_close(
            torch.from_numpy(rows), (expected - bias[:, None, None])[1].permute(1, 2, 0), atol=1e-5, rtol=1e-5
        )


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
        for visual, images in (
            ((1, 200, 4, 4), (1, 3, 96, 96)),
            ((1, 200, 4, 4), (1, 1, 64, 64)),
            ((2, 200, 4, 4), (3, 3, 64, 64)),
        ):
            with pytest.raises((RuntimeError, RimError)):
                extract(torch.zeros(visual), torch.zeros(images))
        for small, more in (
            ((1, 100, 16, 16), (1, 100, 48, 48)),
            ((1, 101, 16, 16), (1, 101, 32, 32)),
            ((2, 100, 16, 16), (3, 100, 32, 32)),
        ):
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
