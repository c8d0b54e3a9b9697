import pickle

import numpy as np
import pytest
import torch

from rimlib.errors import RimError
from rimlib.io.files import read_json, write_json
from rimlib.io.images import resize, write_image
from rimlib.matting.relations import mirror
from rimlib.profile import Train
from rimlib.refmatte import format
from rimlib.refmatte.dataset import RefMatte
from rimlib.training import augment
from rimlib.training.batches import Batches, Key, Loader
from rimlib.training.pairs import Pairs
from rimlib.training.samples import Samples

SIZE = 48


PLAIN = {"sentences": 2, "keyword_share": 0.0, "flip": 0.0, "noise": 0.0, "no_target": 0.0, "trimap_kernel": 7}
TEMPLATE = ("a photo of a {keyword}",)


def open_samples(root, templates=("{keyword}",), size=SIZE, seed=1, setting="expression", **changes):
    """Samples without changes of light and without keywords, but for `changes`."""
    settings = Train(**{**PLAIN, "cache": "never", **changes})
    return Samples(RefMatte(root, "train", setting), settings, size, seed, templates, workers=1)


def draw(samples, epoch=0, images=None):
    """The samples of the first images in an epoch, as a batch."""
    return Samples.collate([samples[Key(epoch, index, 0)] for index in range(images or len(samples))])


def test_arrays_are_the_files_at_the_models_size(scenes):
    refmatte, samples = RefMatte(scenes), open_samples(scenes)
    assert len(samples) == 12 and len(samples.targets) == 24 and samples.image_names == refmatte.image_names
    for number in (0, 7):
        name, pixels = refmatte.image_names[number], samples.pixels(number)
        assert np.array_equal(pixels.image(), resize(refmatte.image(name), (SIZE, SIZE)))
        for which, target in enumerate(refmatte.targets_of(name)):
            matte = resize(refmatte.matte(target.mask_id), (SIZE, SIZE))
            assert np.abs(pixels.matte(which) / 255 - matte).max() <= 0.5 / 255 + 1e-6


def test_a_batch_has_true_sentences_of_different_entities(scenes):
    samples = open_samples(scenes, TEMPLATE, keyword_share=0.5, flip=0.5, noise=0.5)
    batch = draw(samples)
    assert batch.images.shape == (12, SIZE, SIZE, 3) and batch.mattes.shape == batch.trimaps.shape == (24, SIZE, SIZE)
    assert batch.image_index.tolist() == [number for number in range(12) for _ in range(2)]
    for number in range(12):
        first, second = batch.texts[2 * number : 2 * number + 2]
        assert ("disc" in first.split()[:5]) != ("disc" in second.split()[:5])
    assert any(text.startswith("a photo of a") for text in batch.texts)
    assert_sides(batch)


def assert_sides(batch):
    """Words of a side are true of the mattes."""
    checked = 0
    for text, matte in zip(batch.texts, batch.mattes.numpy().astype(float)):
        centre = (np.arange(matte.shape[1]) * matte.sum(axis=0) / matte.sum()).sum()
        for side, lies_there in (("left", centre < matte.shape[1] / 2), ("right", centre > matte.shape[1] / 2)):
            if side in text:
                checked += 1
                assert lies_there, text
    assert checked > 5


def test_a_flip_mirrors_image_matte_and_words(scenes):
    straight, flipped = (draw(open_samples(scenes, sentences=1, flip=flip)) for flip in (0.0, 1.0))
    for name in ("images", "mattes", "trimaps"):
        assert torch.equal(getattr(flipped, name), getattr(straight, name).flip(2)), name
    assert flipped.texts == [mirror(text) for text in straight.texts] != straight.texts
    assert_sides(flipped)


def test_seed_epoch_and_index_decide_a_sample_and_nothing_else_does(scenes):
    samples = open_samples(scenes, flip=0.5, noise=0.5)
    first, again = samples[Key(0, 3, 0)], open_samples(scenes, flip=0.5, noise=0.5)[Key(0, 3, 99)]
    samples[Key(5, 5, 5)]
    assert_same([first], [again])
    for other in (samples[Key(1, 3, 0)], open_samples(scenes, seed=2, flip=0.5, noise=0.5)[Key(0, 3, 0)]):
        assert not np.array_equal(first.image, other.image)


@pytest.mark.parametrize("where", ["never", "auto"])
def test_neither_workers_nor_devices_change_a_sample(make_scenes, tmp_path, where):
    root = make_scenes(tmp_path, 6)
    samples = open_samples(root, TEMPLATE, flip=0.5, noise=0.5, keyword_share=0.5, cache=where)
    assert (samples.folder is None) == (where == "never")

    def take(workers, rank=0, world=1):
        batches = Batches(len(samples), 4, seed=3, rank=rank, world=world)
        with Loader(samples, samples.collate, batches, workers) as loader:
            return [next(loader) for _ in range(4)]  # more than two epochs of six images

    alone = take(0)
    for workers in (1, 2):
        for one, other in zip(alone, take(workers), strict=True):
            assert one.texts == other.texts
            assert all(
                torch.equal(getattr(one, name), getattr(other, name)) for name in ("images", "mattes", "trimaps")
            )
    for one, *parts in zip(alone, take(0, 0, 2), take(1, 1, 2), strict=True):
        assert one.texts == [text for part in parts for text in part.texts]
        assert torch.equal(one.images, torch.cat([part.images for part in parts]))
        assert torch.equal(one.mattes, torch.cat([part.mattes for part in parts]))


def test_a_worker_is_sent_paths_and_places_not_pixels(make_scenes, tmp_path):
    root = make_scenes(tmp_path / "set", 20)
    samples = open_samples(root, flip=0.5, cache="auto")
    before = samples[Key(0, 1, 0)]
    assert samples.arrays["images"].nbytes > 100_000
    sent = pickle.dumps(samples)
    assert len(sent) < 6000
    assert_same([before], [pickle.loads(sent)[Key(0, 1, 0)]])


def test_labels_that_change_under_a_run_are_named(make_scenes, tmp_path):
    root = make_scenes(tmp_path, 2)
    sent = pickle.dumps(open_samples(root))
    label = root / "refmatte_train_label.json"
    label.write_text(label.read_text().replace("disc", "plate"))
    with pytest.raises(RimError, match="refmatte_train_label.json: has changed since it was opened"):
        pickle.loads(sent)[Key(0, 0, 0)]


def test_a_matte_of_another_size_or_in_0_and_1_is_named(make_scenes, tmp_path):
    root = make_scenes(tmp_path, 1)
    samples = open_samples(root)
    mask = samples.refmatte.layout.mask(samples.targets[0].mask_id)
    write_image(mask, np.ones((72, 96), np.uint8))
    with pytest.raises(RimError, match=f"{mask.name}.* stored in 0 and 1"):
        samples[Key(0, 0, 0)]
    write_image(mask, np.full((36, 48), 255, np.uint8))
    with pytest.raises(RimError, match=f"{mask.name}: 36 x 48 pixels, its image .*jpg has 72 x 96"):
        samples[Key(0, 0, 0)]


def assert_same(first, second):
    for one, other in zip(first, second, strict=True):
        assert one.texts == other.texts
        for name in ("image", "mattes", "trimaps"):
            assert np.array_equal(getattr(one, name), getattr(other, name)), name


def test_trimaps_are_classes_around_the_matte(scenes):
    batch = draw(open_samples(scenes, trimap_kernel=3))
    assert set(np.unique(batch.trimaps)) == {0, 1, 2}
    assert (batch.mattes[batch.trimaps == 0] == 0).all() and (batch.mattes[batch.trimaps == 2] == 255).all()


def test_tensors_are_scaled_and_in_the_models_layout(scenes):
    batch = draw(open_samples(scenes), images=3)
    tensors = batch.on("cpu")
    assert tensors["images"].shape == (3, 3, SIZE, SIZE) and tensors["mattes"].shape == (6, 1, SIZE, SIZE)
    assert tensors["trimaps"].shape == (6, SIZE, SIZE)
    assert torch.allclose(tensors["images"].permute(0, 2, 3, 1) * 255, batch.images.float())
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
    plain, drawn = (
        draw(open_samples(root, TEMPLATE, flip=flip, no_target=share, keyword_share=0.4))
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
    texts = [text for epoch in range(8) for text in draw(open_samples(root, keyword_share=1.0), epoch).texts]
    assert all("most edge of the picture" in text for text in texts)
    every = open_samples(root, keyword_share=1.0, all_sentences=True)
    texts = {text for epoch in range(16) for text in draw(every, epoch).texts}
    assert len(texts) == 16, "the paper trains on all four of each entity"


def test_one_entity_is_drawn_twice_in_other_words(make_scenes, tmp_path):
    import json

    root = make_scenes(tmp_path, 1)
    label = root / "refmatte_train_label.json"
    rows = json.loads(label.read_text())
    label.write_text(json.dumps(dict(list(rows.items())[:1])))
    texts = draw(open_samples(root, sentences=4, flip=1.0)).texts
    assert len(set(texts)) == 4


def test_photometric_changes_are_small_and_do_not_wrap():
    rng = np.random.default_rng(0)
    for level in (0, 255):
        image = np.full((32, 32, 3), level, np.uint8)
        changed = [augment.photometric(image, rng, share=1.0) for _ in range(20)]
        assert max(abs(int(part.mean()) - level) for part in changed) < 40
        assert max(np.abs(part.astype(int) - level).max() for part in changed) < 90
    image = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert np.array_equal(augment.photometric(image, rng, share=0.0), image)


def test_regions_have_the_captions_that_are_true_of_them(scenes):
    samples = open_samples(scenes)
    pairs = Pairs(samples, ("a photo of a {keyword}",), grid=4, seed=0, flip=0.0, noise=0.0)
    regions = Pairs.collate([pairs[Key(epoch, index % len(samples), 0)] for epoch, index in enumerate(range(8))])
    assert regions.images.shape == (8, SIZE, SIZE, 3)
    assert len(regions.texts) == len(regions.weights) == len(regions.image_index) == 16  # two entities in each image
    np.testing.assert_allclose(regions.weights.sum(axis=(1, 2)), 1, rtol=1e-5)
    assert regions.positives.diagonal()[[text.startswith("a photo") for text in regions.texts]].all()
    column = regions.texts.index("a photo of a disc")
    discs = [index for index, row in enumerate(regions.positives[:, column]) if row]
    assert 0 < len(discs) == 8, "the caption is true of the disc of every image, and of no box"


def test_a_flipped_region_lies_on_the_other_side(scenes):
    samples = open_samples(scenes)
    plain, flipped = (
        Pairs.collate([Pairs(samples, ("a photo of a {keyword}",), 4, 3, flip, 0.0)[Key(0, n, 0)] for n in range(4)])
        for flip in (0.0, 1.0)
    )
    np.testing.assert_array_equal(plain.images[:, :, ::-1], flipped.images)
    np.testing.assert_allclose(plain.weights[..., ::-1], flipped.weights)
    assert [
        text.replace("left", "L").replace("right", "left").replace("L", "right") for text in plain.texts
    ] == flipped.texts


def test_the_first_steps_have_more_sentences(scenes):
    samples = open_samples(scenes, grounding_steps=3, grounding_sentences=5)
    first, later = (Samples.collate([samples[Key(0, index, step)] for index in range(2)]) for step in (2, 3))
    assert len(first.texts) == len(first.mattes) == 10 and first.grounding
    assert len(later.texts) == len(later.mattes) == 4 and not later.grounding
    assert not draw(open_samples(scenes)).grounding


def test_a_sentence_that_means_several_has_their_union(make_scenes, tmp_path):
    root = make_scenes(tmp_path / "data", 4)
    refmatte = RefMatte(root)
    rows = {name: [{"sentence": "both discs", "entities": [1, 2]}] for name in refmatte.image_names}
    write_json(format.several_path(root, "train"), rows)
    samples = open_samples(root, several=1.0)
    sample = samples[Key(0, 1, 0)]
    pixels = samples.pixels(1)
    assert sample.texts == ["both discs"] * 2
    assert np.array_equal(sample.mattes[0], np.maximum(pixels.matte(0), pixels.matte(1)))
    assert np.array_equal(sample.trimaps[0], np.maximum(pixels.trimap(0), pixels.trimap(1)))
    assert "both discs" not in draw(open_samples(root)).texts
    for wrong in ([1, 3], [0], ["a"], [], None):
        write_json(
            format.several_path(root, "train"), {refmatte.image_names[0]: [{"sentence": "x", "entities": wrong}]}
        )
        with pytest.raises(RimError) as error:
            open_samples(root, several=1.0)[Key(0, 1, 0)]
        assert error.value.path == str(format.several_path(root, "train"))


def test_the_bare_words_of_an_entity_are_its_keywords_too(make_scenes, tmp_path):
    root = make_scenes(tmp_path / "data", 4)
    path = format.label_path(root, "train")
    rows = read_json(path)
    write_json(path, {name: {**row, "nouns": ["thing", "round thing"]} for name, row in rows.items()})
    samples = open_samples(root, keyword_share=1.0)
    texts = {text for epoch in range(12) for text in draw(samples, epoch).texts}
    assert {"thing", "round thing"} < texts and len(texts) > 2
