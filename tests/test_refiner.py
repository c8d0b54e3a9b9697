"""P3M's network with a coarse alpha, its checkpoints, and images of any size through it."""

import json
import pickle
import tracemalloc

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from rimlib.clipmat.p3m import P3MNet, unpool
from rimlib.clipmat.refiner import FORMAT, Refiner, trimap_of
from rimlib.errors import RimError
from rimlib.io import images, weights
from rimlib.matting import tiles
from rimlib.matting.pyramid import own_size, steps
from rimlib.refmatte.example import example

SMALL = {"widths": (4, 4, 6, 8, 8), "blocks": (1, 1, 1, 1)}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def threads():
    """Sets torch's number of threads for one test."""
    yield torch.set_num_threads
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    return Refiner(**SMALL).eval()


@pytest.fixture(scope="module")
def shipped():
    return Refiner.shipped()


@pytest.fixture(scope="module")
def scene():
    return example(2, canvas=(384, 512))


def coarse_of(scene, size=(96, 128)):
    return images.resize(scene.mattes[0], size)


# The network


def test_at_its_own_widths_it_is_p3m():
    """The published network has 38,965,060 parameters; a fourth channel adds one to each of 64 kernels of 7 x 7."""
    count = lambda net: sum(value.numel() for value in net.parameters())
    with torch.device("meta"):
        assert count(P3MNet(3)) == 38_965_060
        assert count(P3MNet(4)) == 38_965_060 + 64 * 7 * 7
        assert (
            sum(value.numel() for value in P3MNet(3).encoder.parameters()) == 21_284_672
        )  # ResNet-34 without its classifier


def test_shapes(small):
    output = small(torch.rand(2, 3, 64, 96), torch.rand(2, 1, 64, 96))
    assert output.trimap_logits.shape == (2, 3, 64, 96) and output.detail.shape == output.alpha.shape == (2, 1, 64, 96)
    assert [side.shape for side in output.sides] == [(2, 3, 64, 96)] * 3
    assert 0 <= output.alpha.min() and output.alpha.max() <= 1
    unknown = output.trimap_logits.argmax(dim=1, keepdim=True) == 1
    torch.testing.assert_close(output.alpha[unknown], output.detail[unknown])


def test_every_part_is_used(small):
    output = small(torch.rand(1, 3, 64, 64), torch.rand(1, 1, 64, 64))
    loss = output.trimap_logits.square().sum() + output.detail.sum() + sum(side.square().sum() for side in output.sides)
    loss.backward()
    unused = [name for name, value in small.named_parameters() if value.grad is None or not value.grad.any()]
    small.zero_grad(set_to_none=True)
    assert all(name.endswith(".bias") for name in unused), unused  # a ReLU may be off everywhere


def test_unpooling_returns_a_value_to_the_maximum_of_its_pool():
    net = P3MNet(1, **SMALL).eval()
    features, indices = net.encoder(torch.rand(1, 1, 32, 32))
    pooled, index = torch.nn.functional.max_pool2d(features[0], 3, 2, 1, return_indices=True)
    torch.testing.assert_close(index, indices[0])
    back = unpool(pooled, indices[0])
    there = back != 0
    torch.testing.assert_close(back[there], features[0][there])
    assert there.any() and not there.all()


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_unpooling_with_two_threads_is_that_of_one_thread(layout, threads):
    """Value and gradient are those of torch's own unpooling on one thread, where overlapping pools write in order."""
    x = torch.rand(1, 16, 128, 128).to(memory_format=layout)
    pooled, indices = torch.nn.functional.max_pool2d(x, 3, 2, 1, return_indices=True)
    assert (indices[..., 1:] == indices[..., :-1]).any()  # else there is nothing to decide
    values, weight = torch.randn_like(pooled).requires_grad_(), torch.randn_like(x)
    expected = torch.nn.functional.max_unpool2d(values, indices, 2, 2)
    (gradient,) = torch.autograd.grad((expected * weight).sum(), values)
    threads(2)
    for _ in range(20):
        found = unpool(values, indices)
        assert torch.equal(found, expected) and found.is_contiguous(memory_format=layout)
        assert torch.equal(torch.autograd.grad((found * weight).sum(), values)[0], gradient)


def test_a_tile_is_refined_to_the_same_matte_each_time(shipped, scene, threads):
    """With two threads, 20 times: equal to the last bit."""
    threads(2)
    image, coarse = scene.image[:128, :128], coarse_of(scene, scene.mattes[0].shape)[:128, :128]
    first = shipped.refine_tile(image, coarse)
    assert all(np.array_equal(shipped.refine_tile(image, coarse), first) for _ in range(20))


@pytest.mark.parametrize(
    "images_shape, coarse_shape",
    [((1, 3, 64, 60), (1, 1, 64, 60)), ((1, 3, 64, 64), (1, 1, 64, 32)), ((2, 3, 32, 32), (1, 1, 32, 32))],
)
def test_shapes_that_do_not_fit_are_refused(small, images_shape, coarse_shape):
    with pytest.raises(RimError) as caught:
        small(torch.rand(images_shape), torch.rand(coarse_shape))
    assert caught.value.setting == "images"


def test_an_untrained_one_that_follows_gives_the_coarse_alpha_back():
    refiner = Refiner(**SMALL, follow=True).eval()
    coarse = torch.zeros(1, 1, 64, 64)
    coarse[..., 20:40, 20:44] = 1
    coarse = torch.nn.functional.avg_pool2d(coarse, 5, stride=1, padding=2)
    output = refiner(torch.rand(1, 3, 64, 64), coarse)
    torch.testing.assert_close(output.trimap_logits, trimap_of(coarse), atol=0, rtol=0)
    torch.testing.assert_close(output.detail, coarse.clamp(0.02, 0.98))
    assert (output.alpha - coarse).abs().max() < 0.021


# Checkpoints


def test_it_comes_back_as_it_was(small, tmp_path):
    path = small.save(tmp_path / "run", half=False, data="none")
    assert path.name == "refiner.safetensors" and json.loads(path.with_suffix(".json").read_text())["card"] == {
        "data": "none"
    }
    x = torch.rand(1, 3, 32, 32), torch.rand(1, 1, 32, 32)
    again = Refiner.load(tmp_path / "run")
    assert not again.training
    torch.testing.assert_close(again(*x).alpha, small(*x).alpha, atol=0, rtol=0)
    half = Refiner.load(small.save(tmp_path / "half.safetensors"))
    assert {value.dtype for value in half.parameters()} == {torch.float32}
    assert (tmp_path / "half.safetensors").stat().st_size < path.stat().st_size


def rewrite(path, change=lambda tensors: None, about=None):
    tensors = load_file(path)
    change(tensors)
    settings = {"widths": list(SMALL["widths"]), "blocks": list(SMALL["blocks"]), "follow": False}
    save_file(
        tensors, path, metadata={"rimlib": json.dumps(about or {"format": FORMAT, "settings": settings, "card": {}})}
    )


def refuse(path, message):
    with pytest.raises(RimError, match=message) as caught:
        Refiner.load(path)
    assert caught.value.path == str(path)


def test_what_is_no_refiner_is_refused(small, tmp_path):
    path = small.save(tmp_path)
    whole = path.read_bytes()
    for change, message in (
        (lambda t: t.pop("net.matting.last.bias"), "missing.*matting.last.bias"),
        (lambda t: t.update(other=torch.zeros(1)), "do not belong.*other"),
        (lambda t: t.update({"net.matting.last.bias": torch.zeros(2)}), r"has shape \(2,\), the model has \(1,\)"),
    ):
        path.write_bytes(whole)
        rewrite(path, change)
        refuse(path, message)
    path.write_bytes(whole)
    rewrite(path, about={"format": "rimlib-clipmat-1", "settings": {}})
    refuse(path, f"'rimlib-clipmat-1', expected '{FORMAT}'")
    for settings in (
        {},
        {"widths": [1, 2], "blocks": [1, 1, 1, 1], "follow": False},
        {"widths": [10**9] * 5, "blocks": [1] * 4, "follow": False},
        {"widths": "abcde", "blocks": [1] * 4, "follow": False},
        {"widths": [4] * 5, "blocks": [10**9] * 4, "follow": False},
        {"widths": [4] * 5, "blocks": [1] * 4, "follow": False, "more": 1},
    ):
        path.write_bytes(whole)
        rewrite(path, about={"format": FORMAT, "settings": settings})
        refuse(path, "its header must have widths")
    path.write_bytes(pickle.dumps({"a": 1}))
    refuse(path, "pickle")
    path.unlink()
    refuse(path, "no such file")


def test_what_cannot_be_stored_is_refused(small, tmp_path):
    with pytest.raises(RimError, match="card"):
        small.save(tmp_path, thing=object())
    large = Refiner(**SMALL)
    large.net.matting["last"].bias.data.fill_(1e6)
    with pytest.raises(RimError, match="net.matting.last.bias .*float16"):
        large.save(tmp_path)
    assert not list(tmp_path.iterdir())


# Images


def test_steps_double_until_the_image():
    assert steps((240, 320), (80, 80)) == [(120, 160), (240, 320)]
    assert steps((240, 320), (240, 320)) == [(240, 320)] == steps((240, 320), (60, 81))
    assert steps((24, 32), (240, 320)) == [(24, 32)]
    many = steps((5477, 7303), (96, 128))
    assert many[-1] == (5477, 7303) and 256 <= max(many[0]) < 512
    assert all(abs(2 * a - b) <= 1 for before, after in zip(many, many[1:]) for a, b in zip(before, after))
    assert steps((1, 5000), (1, 10)) == [(1, 5000)]


def test_an_enlarged_matte_is_found_out(scene):
    sharp = scene.mattes[0]  # (384, 512)
    assert own_size(sharp) == sharp.shape
    small = images.resize(sharp, (48, 64))
    assert max(own_size(images.resize(small, (1536, 2048)))) <= 128
    assert max(own_size(np.zeros((512, 512), np.float32))) < 64


@pytest.mark.parametrize("size", [(1, 1), (31, 33), (64, 64), (37, 211), (150, 200)])
@pytest.mark.parametrize("coarse", [(1, 1), (128, 128), (37, 211)])
def test_any_size(small, size, coarse):
    rng = np.random.default_rng(0)
    image, alpha = rng.integers(0, 256, (*size, 3), np.uint8), rng.random(coarse, np.float32)
    before = alpha.copy()
    refined = small.refine(image, alpha)
    assert refined.shape == size and refined.dtype == np.float32 and 0 <= refined.min() and refined.max() <= 1
    np.testing.assert_array_equal(alpha, before)


def test_far_from_every_edge_the_matte_stays(small):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (400, 600, 3), np.uint8)
    alpha = np.zeros((400, 600), np.float32)
    alpha[:, 300:] = 1
    refined = small.refine(image, alpha)
    assert (refined[:, :230] == 0).all() and (refined[:, 370:] == 1).all()
    assert (refined[:, 290:310] != alpha[:, 290:310]).any()
    for value in (0, 1):
        np.testing.assert_array_equal(small.refine(image, np.full((40, 60), value, np.float32)), value)


@pytest.mark.parametrize(
    "image, alpha, setting",
    [
        (np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.float32), "image"),
        (np.zeros((8, 8, 3), np.float32), np.zeros((8, 8), np.float32), "image"),
        (np.zeros((0, 8, 3), np.uint8), np.zeros((8, 8), np.float32), "image"),
        ("photo.jpg", np.zeros((8, 8), np.float32), "image"),
        (np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8), "alpha"),
        (np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8, 1), np.float32), "alpha"),
        (np.zeros((8, 8, 3), np.uint8), np.full((8, 8), np.nan, np.float32), "alpha"),
    ],
)
def test_other_arrays_are_refused(small, image, alpha, setting):
    with pytest.raises(RimError) as caught:
        small.refine(image, alpha)
    assert caught.value.setting == setting


def test_memory_grows_with_the_image_only(small):
    """Arrays of at most 24 bytes for a pixel besides the image: 40 million pixels stay below a gibibyte."""
    height, width = 1024, 1536
    image = np.zeros((height, width, 3), np.uint8)
    alpha = np.zeros((height // 8, width // 8), np.float32)
    alpha[20:60, 30:90] = 1
    small.refine(image[:64, :64], alpha)  # what is made on the first call
    tracemalloc.start()
    small.refine(image, alpha)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 24 * height * width + 2**24


# The shipped one


def test_the_shipped_one_is_small_and_makes_a_coarse_matte_better(shipped, scene):
    path = weights.CHECKPOINTS / "refiner-tiny.safetensors"
    assert path.stat().st_size <= 1_200_000
    before = after = 0
    for truth in scene.mattes:
        coarse = images.resize(truth, (96, 128))
        before += np.abs(images.resize(coarse, truth.shape) - truth).sum()
        after += np.abs(shipped.refine(scene.image, coarse) - truth).sum()
    assert after < 0.8 * before


def test_no_seam_is_seen(shipped):
    """In tiles or whole: nearly the same everywhere, and no steeper along a tile's border than along other edges."""
    scene = example(2, canvas=(512, 768))
    coarse = images.resize(np.maximum.reduce(scene.mattes), (128, 192))
    whole = shipped.refine(scene.image, coarse, tile=768)
    apart = np.abs(shipped.refine(scene.image, coarse) - whole)  # tiles as they are for every image
    assert 0 < apart.max() < 0.05 and apart.mean() < 1e-5
    tiled = shipped.refine(scene.image, coarse, tile=256)  # more borders, and less around each pixel
    near = tiles.near(whole) > 0
    assert np.abs(tiled - whole)[near].mean() < 5e-4 and np.quantile(np.abs(tiled - whole)[near], 0.999) < 0.03
    steps_of = lambda alpha: np.abs(np.diff(alpha, axis=1))  # (H, W - 1)
    at = np.zeros_like(near)
    at[:, [side for cut in tiles.cuts(768, 256) for side in (cut.start, cut.stop) if 0 < side < 768]] = True
    at = at[:, 1:] & near[:, 1:]
    added = np.maximum(steps_of(tiled) - steps_of(whole), 0)  # a seam is a step that the whole has not
    assert added[at].mean() <= 1.5 * added[near[:, 1:]].mean() and added[at].max() < 0.02
