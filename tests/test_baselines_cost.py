"""What the methods cost: the count by formulas, the networks by numbers that others published."""

import pytest
import torch

from rimlib.baselines import METHODS
from rimlib.errors import RimError
from rimlib.evaluation import cost


def test_products_are_counted_by_formula():
    conv, linear = torch.nn.Conv2d(3, 8, 3, stride=2, padding=1, device="meta"), torch.nn.Linear(7, 5, device="meta")
    found = cost.measure(conv, lambda: conv(torch.ones(2, 3, 16, 12, device="meta")))
    assert found == (3 * 8 * 9 + 8, 2 * 8 * 6 * 8 * 27, 3 * 8 * 9 + 8)
    assert cost.measure(linear, lambda: linear(torch.ones(4, 7, device="meta"))).macs == 4 * 7 * 5
    q = torch.ones(2, 3, 10, 6, device="meta")  # (B, heads, N, D)
    attention = lambda: torch.nn.functional.scaled_dot_product_attention(q, q, q)
    assert cost.measure(linear.requires_grad_(False), attention) == (40, 2 * 3 * 2 * 10 * 10 * 6, 0)


def test_resnet_101_costs_as_much_as_torchvisions():
    from torchvision.models import ResNet101_Weights, resnet101

    with torch.device("meta"):
        trunk = resnet101()
    found = cost.measure(trunk, lambda: trunk(torch.ones(1, 3, 224, 224, device="meta")))
    assert found.macs / 1e9 == pytest.approx(ResNet101_Weights.IMAGENET1K_V1.meta["_ops"], abs=0.02)


def vit(width, blocks, tokens):
    """Products of a vision transformer's blocks: 12 width^2 for each token, and attention's two for each pair."""
    return blocks * (12 * tokens * width**2 + 2 * tokens**2 * width)


def test_the_papers_methods_are_their_parts():
    clipmat, clipseg = cost.costs("clipmat")["CLIPMat"], cost.costs("clipseg")["CLIPSeg"]
    towers = vit(768, 12, 1025) + 1024 * 768 * 3 * 256  # and the patches' embedding
    assert towers / 1e9 == pytest.approx(107, abs=1)
    # The text tower reads 22 tokens and, in CLIPMat, 8 learnable ones; the rest is decoders.
    assert 1e9 < clipseg.macs - towers - vit(512, 12, 22) < 3e9
    literal_mixes = sum(768 * out * 9 * (512 // 2**level) ** 2 for level, out in zip((4, 3, 2, 1), (768, 384, 192, 96)))
    assert literal_mixes / 1e9 == pytest.approx(81, abs=1)
    assert clipmat.macs > towers + vit(512, 12, 30) + literal_mixes + 15e9
    assert clipseg.parameters == 149_620_737 + 1_127_009 and clipseg.learning == 1_127_009
    mdetr = cost.costs("mdetr")["MDETR"]
    assert mdetr.parameters / 1e6 == pytest.approx(186.1, abs=0.1) and mdetr.learning / 1e6 == pytest.approx(
        19.6, abs=0.1
    )


def test_pipelines_are_counted_network_by_network():
    assert set(METHODS) == set(cost._PARTS)
    parts = cost.costs("clipseg+vitmatte")
    assert list(parts) == ["CLIPSeg", "ViTMatte"] and parts["ViTMatte"].parameters / 1e6 == pytest.approx(
        25.8, abs=0.05
    )
    assert parts["ViTMatte"].learning == 0
    with pytest.raises(RimError, match="method 'sam': its cost is not known; there are clipmat"):
        cost.costs("sam")


def test_sam3_is_of_the_size_that_its_authors_give():
    counted = cost.measure(*cost._sam3())
    assert 0.97 < counted.parameters / 848e6 <= 1 and counted.learning == 0, "848 M, with a tracker's"
    blocks = 32 * (4 * 1024 + 2 * 4736) * 1024 * 72**2  # of its image encoder, attention left out
    assert blocks < counted.macs < 2 * blocks


def test_the_detector_and_the_segmenter_run_without_values():
    parts = cost.costs("grounded")
    assert list(parts) == ["Grounding DINO", "SAM 2", "ViTMatte"] and all(part.macs > 5e10 for part in parts.values())
