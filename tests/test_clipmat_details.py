"""The details extractor, step by step, by what its own submodules give (Eq. 6-9)."""

import pytest
import torch

from rimlib.clipmat.details import DetailsExtractor

STEPS = ("norm_visual", "upsample", "norm_image", "maxpool", "mix", "norm")


def extract(
    level: int, visual: torch.Tensor, images: torch.Tensor, module: DetailsExtractor
) -> dict[str, torch.Tensor]:
    """What each submodule gives, in the order of the calls, and the result."""
    seen: dict[str, torch.Tensor] = {}
    for name in STEPS:
        getattr(module, name).register_forward_hook(lambda _, __, out, name=name: seen.__setitem__(name, out.detach()))
    seen["out"] = module(visual, images).detach()
    return seen


@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_every_step_is_a_submodule_that_hooks_see(level):
    module = DetailsExtractor(level, image_width=12, width=6, out=5)
    seen = extract(level, torch.randn(2, 12, 4, 4), torch.rand(2, 3, 64, 64), module)
    assert tuple(name for name in seen if name != "out") == STEPS
    side = 64 // 2**level
    assert seen["upsample"].shape == seen["maxpool"].shape == (2, 6, side, side)
    assert seen["norm_image"].shape == (2, 6, 64, 64)  # normalised at full resolution
    assert seen["out"].shape == (2, 5, side, side) and seen["out"].equal(seen["norm"].relu())


def test_the_image_is_normalised_before_it_is_pooled():
    """A channel of negative weights keeps the darkest pixel of a window; pooled first, it would keep the brightest."""
    module, images = DetailsExtractor(3, image_width=4, width=1, out=1), torch.rand(1, 3, 32, 32)
    torch.nn.init.constant_(module.norm_image.weight, -1.0)
    torch.nn.init.zeros_(module.norm_image.bias)
    pooled = extract(3, torch.randn(1, 4, 2, 2), images, module)["maxpool"]
    darkest = images.sum(1)[0].unfold(0, 8, 8).unfold(1, 8, 8).flatten(2).min(-1).values
    torch.testing.assert_close(pooled[0, 0], -darkest)


@pytest.mark.parametrize("channel", [2, 6 + 3])
def test_both_branches_are_concatenated_the_tokens_first(channel):
    module = DetailsExtractor(2, image_width=12, width=6, out=1).eval()
    torch.nn.init.zeros_(module.mix.weight)
    module.mix.weight.data[0, channel, 1, 1] = 1.0  # the pixel itself, of one channel
    seen = extract(2, torch.randn(1, 12, 4, 4), torch.rand(1, 3, 64, 64), module)
    branch = seen["upsample"][:, 2] if channel < 6 else seen["maxpool"][:, 3]
    torch.testing.assert_close(seen["mix"][:, 0], branch)
