"""Each loss against its formula written out with loops, and the trimap against OpenCV."""

import math
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from rimlib.clipmat import losses, trimap
from rimlib.errors import RimError


def blur(x, kernel, mode):
    """x: (H, W) float64 array."""
    padded = np.pad(x, 2, mode=mode)
    return sum(kernel[i, j] * padded[i : i + x.shape[0], j : j + x.shape[1]] for i in range(5) for j in range(5))


def naive_gfm(x):
    g = [math.exp(-(i**2) / 2) ** 2 for i in range(-2, 3)]
    kernel = np.array([[a + b for b in g] for a in g])
    kernel /= kernel.sum()
    levels = []
    for _ in range(5):
        smooth = blur(x, kernel, "edge")
        levels.append(x - smooth)
        height, width = smooth.shape[0] // 2, smooth.shape[1] // 2
        x = smooth[: 2 * height, : 2 * width].reshape(height, 2, width, 2).mean((1, 3))
    return [*levels, x]


def naive_vitmatte(x):
    line = np.array([1, 4, 6, 4, 1]) / 16
    kernel = np.outer(line, line)
    levels = []
    for _ in range(5):
        small = blur(x, kernel, "reflect")[::2, ::2]
        spread = np.zeros_like(x)
        spread[::2, ::2] = 4 * small
        levels.append(x - blur(spread, kernel, "reflect"))
        x = small
    return levels


@pytest.mark.parametrize("size", [96, 160])
def test_gfm_laplacian_of_both_pyramids(size):
    p, a = np.random.default_rng(0).random((2, 2, size, size))
    expected = np.mean([sum(abs(x - y).mean() for x, y in zip(naive_gfm(one), naive_gfm(other))) for one, other in zip(p, a)])
    found = losses.laplacian_loss(torch.tensor(p)[:, None], torch.tensor(a)[:, None])
    assert found.item() == pytest.approx(expected, rel=1e-9)


def test_vitmatte_laplacian_of_both_pyramids():
    p, a = np.random.default_rng(0).random((2, 96, 128))
    expected = sum(2**i * abs(x - y).mean() for i, (x, y) in enumerate(zip(naive_vitmatte(p), naive_vitmatte(a)))) / 5
    found = losses.laplacian_loss(torch.tensor(p)[None, None], torch.tensor(a)[None, None], variant="vitmatte")
    assert found.item() == pytest.approx(expected, rel=1e-9)


def test_the_two_laplacian_losses_are_not_one_thing():
    p, a = torch.rand(2, 1, 1, 64, 64)
    assert abs(losses.laplacian_loss(p, a) / losses.laplacian_loss(p, a, variant="vitmatte") - 1) > 0.1
    with pytest.raises(RimError, match="gfm"):
        losses.laplacian_loss(p, a, variant="other")
    with pytest.raises(RimError, match="multiples of 32"):
        losses.laplacian_loss(p[..., :48], a[..., :48], variant="vitmatte")


def test_alpha_losses_by_their_formulas():
    p, a = torch.rand(2, 3, 1, 16, 16, dtype=torch.float64)
    w = (torch.rand(3, 1, 16, 16) > 0.5).double()
    total = sum(math.sqrt((u * (x - y)) ** 2 + 1e-12) for u, x, y in zip(w.flatten().tolist(), p.flatten().tolist(), a.flatten().tolist()))
    assert losses.alpha_loss(p, a, w).item() == pytest.approx(total / (w.sum().item() + 1))
    assert losses.alpha_loss(p, a).item() == pytest.approx((p - a).abs().mean().item(), rel=1e-6)


def test_nothing_unknown_gives_a_finite_loss():
    p, a = torch.rand(2, 1, 1, 32, 32)
    assert losses.alpha_loss(p, a, torch.zeros_like(p)).item() < 1e-2


def test_all_parts_add_up_and_weights_are_named():
    torch.manual_seed(0)
    output = SimpleNamespace(trimap_logits=torch.randn(2, 3, 32, 32), detail=torch.rand(2, 1, 32, 32), alpha=torch.rand(2, 1, 32, 32),
                             match=torch.randn(2, 1, 4, 4))
    true, classes = torch.rand(2, 1, 32, 32), torch.randint(0, 3, (2, 32, 32))
    parts = losses.clipmat_loss(output, true, classes)
    assert set(parts) == {"total", *losses.PARTS}
    assert parts["total"].item() == pytest.approx(sum(parts[name].item() for name in losses.PARTS), rel=1e-5)
    unknown = (classes == 1)[:, None].float()
    assert parts["laplacian_unknown"].item() == pytest.approx(losses.laplacian_loss(output.detail * unknown, true * unknown).item(), rel=1e-5)
    assert parts["ce"].item() == pytest.approx(F.nll_loss(output.trimap_logits.log_softmax(1), classes).item(), rel=1e-5)
    only = losses.clipmat_loss(output, true, classes, dict.fromkeys(losses.PARTS, 0.0) | {"ce": 2.0})
    assert only["total"].item() == pytest.approx(2 * parts["ce"].item(), rel=1e-5)
    share = true.view(2, 1, 4, 8, 4, 8).mean(dim=(3, 5))                     # of the truth in each patch
    p = output.match.sigmoid()
    assert parts["match"].item() == pytest.approx(-(share * p.log() + (1 - share) * (1 - p).log()).mean().item(), rel=1e-4)
    output.match = None
    assert set(losses.clipmat_loss(output, true, classes)) == {"total", *losses.PARTS} - {"match"}
    with pytest.raises(RimError, match="laplacian_unknown"):
        losses.clipmat_loss(output, true, classes, {"ce": 1.0})


def alphas(count=6, size=40):
    rng = np.random.default_rng(3)
    soft = [cv2.GaussianBlur((rng.random((size, size)) > 0.6).astype(np.float32) * 3 - 1, (0, 0), 4) for _ in range(count)]
    flat = [np.zeros((size, size)), np.ones((size, size)), np.eye(size)]
    return np.stack([*(np.clip(8 * x, 0, 1) for x in soft), *flat]).astype(np.float32)


@pytest.mark.parametrize("kernel", [1, 3, 5, 7, 9, 15, 25, 31])
def test_the_batched_trimap_is_opencvs(kernel):
    assert trimap.ellipse_widths(kernel) == cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (kernel, kernel)).sum(1).tolist()
    batch = alphas()
    classes = trimap.trimaps_from_alphas(torch.from_numpy(batch)[:, None], kernel).numpy()
    for alpha, ours in zip(batch, classes, strict=True):
        assert (np.array([0, 128, 255])[ours] == trimap.trimap_from_alpha(alpha, kernel)).all()


def test_the_trimap_by_looking_at_each_pixel():
    alpha, kernel = alphas(1)[0], 7
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (kernel, kernel))
    found = trimap.trimap_from_alpha(alpha, kernel)
    for row in range(alpha.shape[0]):
        for column in range(alpha.shape[1]):
            near = [round(255 * alpha[row + i - 3, column + j - 3]) for i in range(7) for j in range(7)
                    if ellipse[i, j] and 0 <= row + i - 3 < alpha.shape[0] and 0 <= column + j - 3 < alpha.shape[1]]
            assert found[row, column] == (0 if max(near) == 0 else 255 if min(near) == 255 else 128)


@pytest.mark.parametrize("kernel", [0, 4, -3])
def test_a_kernel_without_a_centre_is_refused(kernel):
    with pytest.raises(RimError, match="odd"):
        trimap.trimaps_from_alphas(torch.zeros(1, 1, 8, 8), kernel)
