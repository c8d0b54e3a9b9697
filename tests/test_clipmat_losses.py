"""Each loss against its formula written out with loops, and the trimap against OpenCV."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from rimlib.clipmat import losses
from rimlib.errors import RimError
from rimlib.training.pixels import CLASSES


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


@pytest.mark.parametrize("size", [96, 160])
def test_gfm_laplacian_of_both_pyramids(size):
    p, a = np.random.default_rng(0).random((2, 2, size, size))
    expected = np.mean(
        [sum(abs(x - y).mean() for x, y in zip(naive_gfm(one), naive_gfm(other))) for one, other in zip(p, a)]
    )
    found = losses.laplacian_loss(torch.tensor(p)[:, None], torch.tensor(a)[:, None])
    assert found.item() == pytest.approx(expected, rel=1e-9)


def test_alpha_losses_by_their_formulas():
    p, a = torch.rand(2, 3, 1, 16, 16, dtype=torch.float64)
    w = (torch.rand(3, 1, 16, 16) > 0.5).double()
    total = sum(
        math.sqrt((u * (x - y)) ** 2 + 1e-12)
        for u, x, y in zip(w.flatten().tolist(), p.flatten().tolist(), a.flatten().tolist())
    )
    assert losses.alpha_loss(p, a, w).item() == pytest.approx(total / (w.sum().item() + 1))
    assert losses.alpha_loss(p, a).item() == pytest.approx((p - a).abs().mean().item(), rel=1e-6)


def test_the_alpha_loss_of_the_whole_image_is_rounded_at_zero():
    p, a = torch.rand(2, 1, 1, 4, 4, dtype=torch.float64)
    p[..., :2] = a[..., :2]  # half of it is right to the last digit, which costs a millionth each
    expected = sum(math.sqrt((x - y) ** 2 + 1e-12) for x, y in zip(p.flatten().tolist(), a.flatten().tolist())) / 16
    assert losses.alpha_loss(p, a).item() == pytest.approx(expected, rel=1e-12)
    assert losses.alpha_loss(a, a).item() == pytest.approx(1e-6, rel=1e-9)
    a.requires_grad_()
    losses.alpha_loss(a, p).backward()
    assert a.grad.isfinite().all() and (a.grad[..., :2] == 0).all()


def test_several_laplacian_losses_in_one_pass_are_as_each_alone():
    p, a = torch.rand(2, 2, 1, 64, 64, dtype=torch.float64)
    w = (torch.rand(2, 1, 64, 64) > 0.5).double()
    found = losses.laplacian_losses([w * (p - a), p - a])
    expected = [losses.laplacian_loss(w * p, w * a).item(), losses.laplacian_loss(p, a).item()]
    assert [value.item() for value in found] == pytest.approx(expected, rel=1e-9)


def test_the_levels_of_the_pyramid_are_those_written_out():
    x = np.random.default_rng(4).random((64, 96))
    levels = list(losses.laplacian_pyramid(torch.tensor(x)[None, None]))
    assert len(levels) == losses.LEVELS + 1
    for found, expected in zip(levels, naive_gfm(x), strict=True):
        np.testing.assert_allclose(found[0, 0].numpy(), expected, atol=1e-12)


def test_the_kernel_by_its_formula():
    """Of five taps, the sum 1: g(i)^2 + g(j)^2."""
    g = [math.exp(-(i**2) / 2) for i in (-2, -1, 0, 1, 2)]
    whole = sum(a**2 + b**2 for a in g for b in g)
    kernel = losses.gfm_kernel(torch.float64, torch.device("cpu"))[0, 0]
    torch.testing.assert_close(kernel, torch.tensor([[(a**2 + b**2) / whole for b in g] for a in g]).double())


def test_the_cross_entropy_pixel_by_pixel():
    """Of the trimap's three classes, on logits, unweighted; the trimap's grey levels are the classes 0, 1, 2."""
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    grey = np.random.default_rng(0).choice([0, 128, 255], (2, 32, 32)).astype(np.uint8)
    total = 0.0
    for b in range(2):
        for y in range(32):
            for x in range(32):
                scores = [math.exp(value) for value in logits[b, :, y, x].tolist()]
                total -= math.log(scores[{0: 0, 128: 1, 255: 2}[int(grey[b, y, x])]] / sum(scores))
    one = torch.zeros(2, 1, 32, 32, dtype=torch.float64)
    output = SimpleNamespace(trimap_logits=logits, detail=one, alpha=one, score_map=None)
    found = losses.clipmat_loss(output, one, torch.from_numpy(CLASSES[grey].astype(np.int64)))
    assert found["ce"].item() == pytest.approx(total / (2 * 32 * 32), rel=1e-12)


def test_each_decoder_is_scored_where_the_paper_scores_it():
    """Sec. 4.4: the details where the trimap is unknown, the matte everywhere; the semantic decoder by the trimap."""
    torch.manual_seed(0)
    true, classes = torch.rand(1, 1, 32, 32), torch.zeros(1, 32, 32, dtype=torch.int64)
    classes[:, 8:16], classes[:, 16:] = 1, 2
    output = SimpleNamespace(
        trimap_logits=torch.randn(1, 3, 32, 32),
        detail=torch.rand(1, 1, 32, 32),
        alpha=torch.rand(1, 1, 32, 32),
        score_map=None,
    )
    before = losses.clipmat_loss(output, true, classes)

    def moved(name, rows):
        value = getattr(output, name).clone()
        value[..., rows, :] += 0.25 * torch.rand_like(value[..., rows, :])
        after = losses.clipmat_loss(SimpleNamespace(**{**vars(output), name: value}), true, classes)
        return {
            part
            for part in before
            if part != "total" and not torch.isclose(before[part], after[part], rtol=1e-6, atol=0)
        }

    unknown, known = slice(8, 16), slice(16, 32)
    assert moved("detail", unknown) == {"alpha_unknown", "laplacian_unknown"} and moved("detail", known) == set()
    assert moved("alpha", unknown) == moved("alpha", known) == {"alpha", "laplacian"}
    assert moved("trimap_logits", known) == moved("trimap_logits", unknown) == {"ce"}


def test_nothing_unknown_gives_a_finite_loss():
    p, a = torch.rand(2, 1, 1, 32, 32)
    assert losses.alpha_loss(p, a, torch.zeros_like(p)).item() < 1e-2


def test_all_parts_add_up_and_weights_are_named():
    torch.manual_seed(0)
    output = SimpleNamespace(
        trimap_logits=torch.randn(2, 3, 32, 32),
        detail=torch.rand(2, 1, 32, 32),
        alpha=torch.rand(2, 1, 32, 32),
        score_map=torch.randn(2, 1, 4, 4),
    )
    true, classes = torch.rand(2, 1, 32, 32), torch.randint(0, 3, (2, 32, 32))
    parts = losses.clipmat_loss(output, true, classes)
    assert set(parts) == {"total", *losses.PARTS}
    assert parts["total"].item() == pytest.approx(sum(parts[name].item() for name in losses.PARTS), rel=1e-5)
    unknown = (classes == 1)[:, None].float()
    assert parts["laplacian_unknown"].item() == pytest.approx(
        losses.laplacian_loss(output.detail * unknown, true * unknown).item(), rel=1e-5
    )
    assert parts["ce"].item() == pytest.approx(
        F.nll_loss(output.trimap_logits.log_softmax(1), classes).item(), rel=1e-5
    )
    only = losses.clipmat_loss(output, true, classes, dict.fromkeys(losses.PARTS, 0.0) | {"ce": 2.0})
    assert only["total"].item() == pytest.approx(2 * parts["ce"].item(), rel=1e-5)
    share = true.view(2, 1, 4, 8, 4, 8).mean(dim=(3, 5))  # of the truth in each patch
    p = output.score_map.sigmoid()
    assert parts["score_map"].item() == pytest.approx(
        -(share * p.log() + (1 - share) * (1 - p).log()).mean().item(), rel=1e-4
    )
    output.score_map = None
    assert set(losses.clipmat_loss(output, true, classes)) == {"total", *losses.PARTS} - {"score_map"}
    with pytest.raises(RimError, match="laplacian_unknown"):
        losses.clipmat_loss(output, true, classes, {"ce": 1.0})
