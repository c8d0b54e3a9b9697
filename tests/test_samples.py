import threading
import time

import numpy as np
import pytest

from rimlib.errors import RimError
from rimlib.io.files import write_json
from rimlib.io.images import resize
from rimlib.matting.relations import mirror
from rimlib.profile import Train
from rimlib.refmatte import format
from rimlib.refmatte.dataset import RefMatte
from rimlib.training import augment, loop
from rimlib.training.pairs import Pairs
from rimlib.training.samples import Samples

SIZE = 48


@pytest.fixture(scope="module")
def samples(scenes):
    return Samples(RefMatte(scenes), SIZE, cache=False)


def draw(samples, seed, templates=("{keyword}",), **changes):
    """A batch without changes of light and without keywords, but for `changes`."""
    settings = {"sentences": 2, "keyword_share": 0.0, "flip": 0.0, "noise": 0.0, "no_target": 0.0, "trimap_kernel": 7}
    return samples.batch(np.random.default_rng(seed), Train(**{**settings, **changes}), templates)


def test_arrays_are_the_files_at_the_models_size(samples, scenes):
    refmatte = RefMatte(scenes)
    assert samples.images.shape == (12, SIZE, SIZE, 3) and samples.mattes.shape == (24, SIZE, SIZE)
    for number in (0, 7):
        assert np.array_equal(
            samples.images[number], resize(refmatte.image(refmatte.image_names[number]), (SIZE, SIZE))
        )
        for target in samples.members[number]:
            matte = resize(refmatte.matte(samples.targets[target].mask_id), (SIZE, SIZE))
            assert np.abs(samples.mattes[target] / 255 - matte).max() <= 0.5 / 255 + 1e-6


def test_a_batch_asks_about_different_entities_in_true_words(samples):
    batch = draw(samples, 0, ("a photo of a {keyword}",), images=8, keyword_share=0.5, flip=0.5, noise=0.5)
    assert batch.images.shape == (8, SIZE, SIZE, 3) and batch.mattes.shape == batch.trimaps.shape == (16, SIZE, SIZE)
    assert batch.image_index.tolist() == [number for number in range(8) for _ in range(2)]
    for number in range(8):
        first, second = batch.texts[2 * number : 2 * number + 2]
        assert ("disc" in first.split()[:5]) != ("disc" in second.split()[:5])
    assert any(text.startswith("a photo of a") for text in batch.texts)
    for row, text in enumerate(batch.texts):
        centre = (np.arange(SIZE) * (batch.mattes[row].sum(axis=0) / batch.mattes[row].sum())).sum()
        if "left" in text:
            assert centre < SIZE / 2
        if "right" in text:
            assert centre > SIZE / 2


def test_a_flip_mirrors_image_matte_and_words(samples):
    straight, flipped = (draw(samples, 3, images=6, sentences=1, flip=flip) for flip in (0.0, 1.0))
    assert np.array_equal(flipped.images, straight.images[:, :, ::-1])
    assert np.array_equal(flipped.mattes, straight.mattes[:, :, ::-1])
    assert flipped.texts == [mirror(text) for text in straight.texts] != straight.texts


def test_the_same_seed_gives_the_same_batch(samples):
    first, again, other = (draw(samples, seed, images=4, flip=0.5, noise=0.5) for seed in (5, 5, 6))
    assert np.array_equal(first.images, again.images) and first.texts == again.texts
    assert not np.array_equal(first.images, other.images)


def test_trimaps_are_classes_around_the_matte(samples):
    batch = draw(samples, 0, images=4, trimap_kernel=3)
    assert set(np.unique(batch.trimaps)) == {0, 1, 2}
    assert (batch.mattes[batch.trimaps == 0] == 0).all() and (batch.mattes[batch.trimaps == 2] == 255).all()


def test_tensors_are_scaled_and_in_the_models_layout(samples):
    batch = draw(samples, 0, images=3)
    tensors = batch.on("cpu")
    assert tensors["images"].shape == (3, 3, SIZE, SIZE) and tensors["mattes"].shape == (6, 1, SIZE, SIZE)
    assert tensors["trimaps"].shape == (6, SIZE, SIZE)
    assert np.allclose(tensors["images"].permute(0, 2, 3, 1).numpy() * 255, batch.images)
    assert 0 <= tensors["mattes"].min() and tensors["mattes"].max() == 1


def test_a_sentence_that_fits_nothing_has_an_empty_matte(make_scenes, tmp_path):
    root = make_scenes(tmp_path / "set", 4)
    name = RefMatte(root).image_names[1]
    write_json(
        format.no_target_path(root, "train"),
        {
            name: [
                {"sentence": "the square on the left", "wrong": "stranger"},
                {"sentence": "square", "wrong": "keyword"},
            ]
        },
    )
    samples = Samples(RefMatte(root), SIZE, cache=False)
    plain, drawn = (
        draw(samples, 1, ("a photo of a {keyword}",), images=4, flip=flip, no_target=share, keyword_share=0.4)
        for flip, share in ((0.0, 0.0), (1.0, 1.0))
    )
    assert not any("square" in text for text in plain.texts)
    for row, text in enumerate(drawn.texts):
        assert ("square" in text) == (drawn.mattes[row].max() == 0) == (drawn.trimaps[row].max() == 0)
    found = {text for text in drawn.texts if "square" in text}
    assert found and found <= {"the square on the right", "a photo of a square"}  # mirrored with the image


def test_an_ambiguous_keyword_or_sentence_is_not_drawn(make_scenes, tmp_path):
    import json

    root = make_scenes(tmp_path, 2)
    label = root / "refmatte_train_label.json"
    rows = json.loads(label.read_text())
    for row in rows.values():
        row["keyword"] = "disc"
        row["fits"] = [[1, 2], [1], [1, 2], [1, 2]]
    label.write_text(json.dumps(rows))
    samples = Samples(RefMatte(root), 32, cache=False)
    texts = draw(samples, 0, images=8, keyword_share=1.0).texts
    assert all("most edge of the picture" in text for text in texts)


def test_one_entity_is_drawn_twice_in_other_words(make_scenes, tmp_path):
    import json

    root = make_scenes(tmp_path, 1)
    label = root / "refmatte_train_label.json"
    rows = json.loads(label.read_text())
    label.write_text(json.dumps(dict(list(rows.items())[:1])))
    texts = draw(Samples(RefMatte(root), 32, cache=False), 0, images=1, sentences=4, flip=1.0).texts
    assert len(set(texts)) == 4


def test_the_cache_is_used_and_a_new_rendering_refreshes_it(make_scenes, tmp_path, monkeypatch):
    from rimlib.training import cache as module

    root = make_scenes(tmp_path, 2)
    first = Samples(RefMatte(root), 32)
    monkeypatch.setattr(module, "read_image", None)  # reading a image again would fail
    assert np.array_equal(Samples(RefMatte(root), 32).images, first.images)
    assert [path.name for path in (root / ".cache").iterdir() if "part" in path.name] == []
    monkeypatch.undo()
    time.sleep(0.01)
    names = sorted((root / "train" / "img").iterdir())
    names[0].rename(tmp_path / "swap")
    names[1].rename(names[0])
    (tmp_path / "swap").rename(names[1])
    assert np.array_equal(Samples(RefMatte(root), 32).images, first.images[::-1])


def test_a_folder_that_cannot_be_written_is_used_without_a_cache(make_scenes, tmp_path):
    root = make_scenes(tmp_path, 1)
    (root / ".cache").write_text("a file where the folder would be")
    assert len(Samples(RefMatte(root), 32)) == 1


def test_photometric_changes_are_small_and_do_not_wrap():
    rng = np.random.default_rng(0)
    for level in (0, 255):
        image = np.full((32, 32, 3), level, np.uint8)
        changed = [augment.photometric(image, rng, share=1.0) for _ in range(20)]
        assert max(abs(int(part.mean()) - level) for part in changed) < 40
        assert max(np.abs(part.astype(int) - level).max() for part in changed) < 90
    image = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert np.array_equal(augment.photometric(image, rng, share=0.0), image)


def test_regions_know_which_captions_are_true_of_them(samples):
    pairs = Pairs(samples, ("a photo of a {keyword}",), grid=4)
    regions = pairs.batch(np.random.default_rng(0), 8, flip=0, noise=0)
    assert regions.images.shape == (8, SIZE, SIZE, 3)
    assert len(regions.texts) == len(regions.weights) == len(regions.image_index) == 16  # two entities in each image
    np.testing.assert_allclose(regions.weights.sum(axis=(1, 2)), 1, rtol=1e-5)
    assert regions.positives.diagonal()[[text.startswith("a photo") for text in regions.texts]].all()
    column = regions.texts.index("a photo of a disc")
    discs = [index for index, row in enumerate(regions.positives[:, column]) if row]
    assert 0 < len(discs) == 8, "the caption is true of the disc of every image, and of no box"


def test_a_flipped_region_lies_on_the_other_side(samples):
    pairs = Pairs(samples, ("a photo of a {keyword}",), grid=4)
    plain, flipped = (pairs.batch(np.random.default_rng(3), 4, flip=flip, noise=0) for flip in (0, 1))
    np.testing.assert_array_equal(plain.images[:, :, ::-1], flipped.images)
    np.testing.assert_allclose(plain.weights[..., ::-1], flipped.weights)
    assert [
        text.replace("left", "L").replace("right", "left").replace("L", "right") for text in plain.texts
    ] == flipped.texts


def test_batches_come_in_order_and_errors_reach_the_loop():
    def make(step):
        if step == 7:
            raise RimError("step 7 is broken")
        return step

    with loop.Prefetcher(make, first=4, depth=2) as batches:
        assert [next(batches) for _ in range(3)] == [4, 5, 6]
        with pytest.raises(RimError, match="step 7"):
            next(batches)


def test_the_background_thread_ends_and_makes_no_more_than_it_should():
    made = []
    with loop.Prefetcher(lambda step: made.append(step) or step, depth=3) as batches:
        assert next(batches) == 0
    assert 1 <= len(made) <= 4 and made == list(range(len(made)))
    assert not any(thread.name.startswith("prefetch") for thread in threading.enumerate())
