"""The drawn pool: its alpha is exact, its images depend on name and seed alone, and they are what their names mean."""

import hashlib
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest

from rimlib.entities import color, drawn, painters
from rimlib.errors import RimError
from rimlib.io.images import resize

SIZE = 64


@pytest.fixture(scope="module")
def pool():
    return drawn.load(size=SIZE)


def test_what_the_pool_holds(pool):
    assert len(pool) == 3 * len(drawn.CATEGORIES) == 24
    assert pool.categories() == sorted(drawn.CATEGORIES)
    for entity in pool.entities:
        assert re.fullmatch("[a-z0-9-]+", entity.name) and entity.kind == "thing"
        assert (entity.transparent, entity.wispy) == drawn.CATEGORIES[entity.category][:2]
        assert entity.color in drawn.CATEGORIES[entity.category][2]
    assert pool.categories("train") == pool.categories("test") == pool.categories()
    assert {entity.category for entity in pool.entities if entity.transparent} == {"smoke", "glass", "bubble"}
    assert len(pool.backgrounds) == 4 and pool.backgrounds_of("test") and pool.backgrounds_of("train")


def test_variants_of_a_category_differ_in_colour_and_shape(pool):
    for category in drawn.CATEGORIES:
        alike = [entity for entity in pool.entities if entity.category == category]
        assert len({entity.color for entity in alike}) == 3
        assert len({pool.cutout(entity.name)[1].tobytes() for entity in alike}) == 3


@pytest.mark.parametrize("size", [16, 33])
@pytest.mark.parametrize("category", drawn.CATEGORIES)
def test_shapes_ranges_and_an_empty_border(category, size):
    for seed in range(2):
        foreground, alpha = drawn.draw(category, drawn.CATEGORIES[category][2][0], size, seed)
        assert foreground.shape == (size, size, 3) and foreground.dtype == np.uint8
        assert alpha.shape == (size, size) and alpha.dtype == np.float32
        assert alpha.min() == 0 and 0.3 < alpha.max() <= 1 and alpha.mean() > 0.03
        if size > 16:  # nothing is cut off by the edge
            assert max(alpha[0].max(), alpha[-1].max(), alpha[:, 0].max(), alpha[:, -1].max()) < 0.02


@pytest.mark.parametrize("background", [(0, 0, 0), (255, 255, 255), (20, 200, 90)])
@pytest.mark.parametrize("category", drawn.CATEGORIES)
def test_alpha_is_exact(category, background, monkeypatch):
    """Laying the matte on a background gives what laying each point on it and then taking the mean gives."""
    seen = []
    finish = painters._finish
    monkeypatch.setattr(
        painters, "_finish", lambda *points, **options: seen.append((points, options)) or finish(*points, **options)
    )
    foreground, alpha = drawn.draw(category, drawn.CATEGORIES[category][2][0], 32)
    (paint, opacity), options = seen[0]
    samples = options.get("samples", painters.SAMPLES)
    points = np.clip(paint, 0, 255) * opacity[..., None] + np.array(background) * (1 - opacity[..., None])
    naive = np.zeros((32, 32, 3))
    for y in range(32):
        for x in range(32):
            naive[y, x] = points[y * samples : (y + 1) * samples, x * samples : (x + 1) * samples].mean(axis=(0, 1))
    composite = foreground * alpha[..., None] + np.array(background) * (1 - alpha[..., None])
    assert np.abs(composite - naive).max() <= 0.51  # the foreground is rounded to whole levels


@pytest.mark.parametrize("points", [1, 3, 5, 7, 9])
def test_a_strand_covers_the_share_of_a_pixel_that_it_is_wide(points):
    size = 256
    line = np.array([[[0.2, 0.5], [0.5, 0.5], [0.8, 0.5]]])
    _, alpha = painters._strands(
        size, line, np.array([[points / painters.SAMPLES]]), np.ones((1, 3)), np.array([200.0, 100, 50])
    )
    assert alpha[:, 128].sum() == pytest.approx(points / painters.SAMPLES)
    assert alpha[:, 20].sum() == 0


@pytest.mark.parametrize("category", drawn.CATEGORIES)
def test_the_size_changes_nothing_but_the_resolution(category):
    name = drawn.CATEGORIES[category][2][0]
    large, small = drawn.draw(category, name, 256, 5)[1], drawn.draw(category, name, 128, 5)[1]
    # Strands cannot be thinner than a point, which is twice as wide in the small image.
    assert np.abs(resize(large, (128, 128)) - small).mean() < (0.03 if drawn.CATEGORIES[category][1] else 0.005)


@pytest.mark.parametrize("category", drawn.CATEGORIES)
def test_transparent_things_are_seen_through_and_others_are_not(category):
    transparent, wispy, names = drawn.CATEGORIES[category]
    alpha = drawn.draw(category, names[0], 256, 1)[1]
    inside = alpha[alpha > 0.02]
    partial = float(((inside > 0.05) & (inside < 0.95)).mean())
    if transparent:
        assert partial > 0.6
    if wispy and not transparent:
        assert alpha.max() == 1
        ys, xs = np.nonzero(alpha > 0.02)
        disc = np.sqrt(4 * np.pi * len(ys))  # the outline of a disc as large
        assert ((alpha > 0.05) & (alpha < 0.95)).sum() > 1.5 * disc


@pytest.mark.parametrize("category", drawn.CATEGORIES)
def test_the_colour_is_the_one_that_the_entity_names(category):
    import webcolors

    for seed, name in enumerate(drawn.CATEGORIES[category][2]):
        found = color.dominant_color(*drawn.draw(category, name, SIZE, seed))
        lab = color._lab(np.array([[found, tuple(webcolors.name_to_rgb(name))]], np.uint8))[0]
        assert np.linalg.norm(lab[0] - lab[1]) < 22, (name, found)


def test_an_image_depends_on_name_and_seed_alone(pool):
    again = drawn.load(size=SIZE)
    for entity in reversed(again.entities[::5]):  # another order
        for first, second in zip(pool.cutout(entity.name), again.cutout(entity.name)):
            assert (first == second).all()
    other = drawn.load(size=SIZE, seed=1)
    assert [entity.name for entity in other.entities] == [entity.name for entity in pool.entities]
    for entity in other.entities[::3]:
        assert (other.cutout(entity.name)[1] != pool.cutout(entity.name)[1]).any()
    for background in pool.backgrounds:
        assert (again.background(background.name) == pool.background(background.name)).all()
        assert (other.background(background.name) != pool.background(background.name)).any()


def test_another_process_draws_the_same(pool):
    program = (
        "import sys; sys.path[:] = eval(sys.argv[1]); from rimlib.entities import drawn; import hashlib\n"
        f"pool = drawn.load(size={SIZE})\n"
        "alphas = [pool.cutout(name)[1].tobytes() for name in ('drawn-net-0', 'drawn-smoke-2')]\n"
        "print([hashlib.sha256(alpha).hexdigest() for alpha in alphas], [entity.color for entity in pool.entities])"
    )
    alphas = [pool.cutout(name)[1].tobytes() for name in ("drawn-net-0", "drawn-smoke-2")]
    here = f"{[hashlib.sha256(alpha).hexdigest() for alpha in alphas]} {[entity.color for entity in pool.entities]}"
    for salt in "12":
        run = subprocess.run(
            [sys.executable, "-c", program, repr(sys.path)],
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": salt},
        )
        assert run.stdout.strip() == here, run.stderr


def test_nothing_is_drawn_before_it_is_needed_nor_twice(monkeypatch):
    calls = []
    monkeypatch.setattr(drawn, "draw", lambda category, *_: calls.append(category) or (None, None))
    lazy = drawn.load()
    assert calls == []
    lazy.cutout("drawn-glass-1")
    lazy.cutout("drawn-glass-1")
    assert calls == ["glass"]


def test_the_pool_travels_to_other_processes(pool):
    assert (
        pickle.loads(pickle.dumps(drawn.load(size=SIZE))).cutout("drawn-net-1")[1] == pool.cutout("drawn-net-1")[1]
    ).all()


def test_backgrounds_are_images(pool):
    for background in pool.backgrounds:
        pixels = pool.background(background.name)
        assert pixels.dtype == np.uint8 and pixels.shape == (SIZE * 3 // 2, SIZE * 2, 3)
        assert pixels.std(axis=(0, 1)).min() > 5


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: drawn.load(size=8), "size is 8"),
        (lambda: drawn.load(variants=0), "variants is 0"),
        (lambda: drawn.draw("fog", "teal"), "'fog'"),
        (lambda: drawn.draw("net", "tealish"), "'tealish'"),
    ],
)
def test_refusals_name_the_setting(call, words):
    with pytest.raises(RimError) as caught:
        call()
    assert words in str(caught.value) and "\n" not in str(caught.value)
