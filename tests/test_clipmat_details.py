"""The thrifty forms of the model's large maps against the literal ones."""

import pytest
import torch
import torch.nn.functional as F

from rimlib.clipmat import details
from rimlib.clipmat.details import DetailsExtractor, maxpool_projection
from rimlib.clipmat.upsampled import convolve_upsampled


@pytest.mark.parametrize("window", [2, 4, 8, 16])
def test_projection_and_pooling_as_the_paper_writes_them(window, monkeypatch):
    monkeypatch.setattr(details, "parts", lambda length, device: [slice(a, a + 7) for a in range(0, length, 7)])
    torch.manual_seed(0)
    images = torch.rand(2, 3, 32, 48)
    images[:, :, :16] = 0.25  # a flat region: every pixel of a window is the largest
    weight, bias = torch.randn(10, 3, 1, 1, requires_grad=True), torch.randn(10, requires_grad=True)
    expected = F.max_pool2d(F.conv2d(images, weight, bias), window)
    gradient = torch.randn_like(expected)
    expected_gradients = torch.autograd.grad(expected, (weight, bias), gradient)
    ours = maxpool_projection(images, weight, bias, window)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=0)
    for mine, theirs in zip(torch.autograd.grad(ours, (weight, bias), gradient), expected_gradients):
        torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)


def test_projection_in_bfloat16_is_near():
    images, weight, bias = torch.rand(2, 3, 32, 32), torch.randn(8, 3, 1, 1, requires_grad=True), torch.randn(8)
    expected = F.max_pool2d(F.conv2d(images, weight, bias), 4)
    with torch.autocast("cpu", torch.bfloat16):
        ours = maxpool_projection(images, weight, bias, 4)
    assert ours.dtype == torch.bfloat16 and (ours - expected).abs().max() < 0.05
    (wanted,) = torch.autograd.grad(expected.sum(), weight)
    (found,) = torch.autograd.grad(ours.float().sum(), weight)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, wanted, atol=1.0, rtol=0.05)


@pytest.mark.parametrize("scale", [1, 2, 4, 8])
@pytest.mark.parametrize("outputs", [3, 9])
def test_convolution_of_an_upsampled_map_borders_included(scale, outputs):
    torch.manual_seed(0)
    x = torch.randn(2, 5, 4, 6, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(outputs, 5, 3, 3, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(outputs, dtype=torch.float64, requires_grad=True)
    large = F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)
    expected = F.conv2d(large, weight, bias, padding=1)
    ours = convolve_upsampled(x, weight, scale, bias)
    # float32's own rounding of the matrix of upsampling (its entries are multiples of 1/16, so there is none)
    torch.testing.assert_close(ours, expected, atol=1e-12, rtol=1e-12)
    gradient = torch.randn_like(expected)
    for mine, theirs in zip(
        torch.autograd.grad(ours, (x, weight, bias), gradient),
        torch.autograd.grad(expected, (x, weight, bias), gradient),
    ):
        torch.testing.assert_close(mine, theirs, atol=1e-11, rtol=1e-11)


def test_after_inference_mode_the_kept_matrices_can_still_be_trained_with():
    from rimlib.clipmat.upsampled import shifted_upsampling

    shifted_upsampling.cache_clear()
    x, weight = torch.randn(1, 2, 3, 3), torch.randn(1, 2, 3, 3, requires_grad=True)
    with torch.inference_mode():
        convolve_upsampled(x, weight, 2)
    convolve_upsampled(x, weight, 2).sum().backward()
    assert weight.grad is not None


@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_an_extractor_is_equations_6_to_9(level):
    torch.manual_seed(0)
    extract = DetailsExtractor(level, image_width=12, width=6, out=5).eval()
    torch.nn.init.normal_(extract.norm.running_mean)
    visual, images = torch.randn(2, 12, 4, 4), torch.rand(2, 3, 64, 64)
    x_v = F.interpolate(
        extract.norm_visual(visual), scale_factor=2 ** (4 - level), mode="bilinear", align_corners=False
    )  # Eq. 6
    x_m = F.max_pool2d(extract.norm_image(images), 2**level)  # Eq. 7
    x_f = torch.cat([x_v, x_m], dim=1)  # Eq. 8
    expected = F.relu(extract.norm(extract.mix(x_f)))  # Eq. 9
    assert expected.shape == (2, 5, 64 // 2**level, 64 // 2**level)
    torch.testing.assert_close(extract(visual, images), expected, atol=1e-5, rtol=1e-5)
