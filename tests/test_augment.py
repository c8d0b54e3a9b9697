"""The changes of a training image: GFM's, as far as composed images allow, and sentences that stay true."""

import dataclasses

import cv2
import numpy as np
import pytest

from rimlib.io.images import read_levels, resize, write_image
from rimlib.matting.trimap import trimap_from_alpha
from rimlib.profile import Train, load
from rimlib.refmatte.dataset import RefMatte
from rimlib.training import augment
from rimlib.training.batches import Key
from rimlib.training.pixels import CLASSES, Files, Window
from rimlib.training.samples import Samples

RSSN = {"augmentation": "rssn", "noise": 0.0, "flip": 0.0, "sentences": 1, "keyword_share": 0.0, "trimap_kernel": 5}


@pytest.fixture(scope="module")
def large(make_scenes, tmp_path_factory):
    """Scenes that are larger than the model's size, so that there is something to crop."""
    return make_scenes(tmp_path_factory.mktemp("large"), 6, height=240, width=320)


def open_samples(root, size=48, **changes):
    return Samples(RefMatte(root), Train(**{**RSSN, **changes}), size, workers=1)


def test_a_crop_has_the_images_aspect_and_holds_every_box():
    rng, found = np.random.default_rng(0), set()
    keep = [(400, 300, 500, 420), (700, 500, 900, 700)]
    for _ in range(300):
        window = augment.crop((1080, 1620), keep, (640, 960, 1280), rng)
        if window is None:
            found.add(None)
            continue
        top, left, height, width = window
        found.add(height)
        assert width == height * 1620 // 1080 // 8 * 8 and not any(length % 8 for length in window)
        assert 0 <= top <= top + height <= 1080 and 0 <= left <= left + width <= 1620
        assert all(
            left <= box[0] and top <= box[1] and box[2] <= left + width and box[3] <= top + height for box in keep
        )
    assert found == {640, 960, None}, "1280 is the whole image"
    places = {augment.crop((1080, 1620), keep, (640,), rng) for _ in range(50)}
    assert len(places) > 20


def test_what_does_not_fit_is_not_cropped():
    rng = np.random.default_rng(0)
    wide = [(0, 300, 100, 400), (1500, 300, 1620, 400)]
    assert all(augment.crop((1080, 1620), wide, (640, 960), rng) is None for _ in range(20))
    assert augment.crop((1080, 1620), [], (640,), rng) is not None
    assert augment.crop((6, 6), [], (5,), rng) is None


def test_a_relation_keeps_all_entities_and_a_basic_sentence_its_own(large):
    refmatte, samples = RefMatte(large), open_samples(large, crops=(120, 160), size=64)
    whole = {
        name: [read_levels(refmatte.layout.mask(one.mask_id)) for one in refmatte.targets_of(name)]
        for name in refmatte.image_names
    }
    cropped = {"basic": 0, "relation": 0}
    for epoch in range(40):
        for index, name in enumerate(refmatte.image_names):
            sample = samples[Key(epoch, index, 0)]
            (text,) = sample.texts
            which = next(n for n, one in enumerate(refmatte.targets_of(name)) if text in one.expressions)
            plain = resize(whole[name][which], (64, 64))
            grown = sample.mattes[0].sum() / plain.sum()
            is_basic = text == refmatte.targets_of(name)[which].expressions[0]
            if grown > 1.05:
                cropped["basic" if is_basic else "relation"] += 1
            # None of it is cut off: it has the area that its window's scale gives it.
            scales = [1.0, *((240 / height) * (320 / (height * 320 // 240 // 8 * 8)) for height in (120, 160))]
            assert min(abs(grown / scale - 1) for scale in scales) < 0.04, (text, grown)
    assert cropped["basic"] > 10 and cropped["relation"] == 0, "disc and box stand at the sides"


def test_image_matte_and_trimap_show_the_same_window(large):
    refmatte = RefMatte(large)
    name = refmatte.image_names[0]
    mask = refmatte.layout.mask(refmatte.targets_of(name)[0].mask_id)
    files = Files(refmatte.layout.image(name), [mask], 40, 25, at_image=True)
    window = Window(40, 80, 160, 208)
    part = np.s_[40:200, 80:288]
    levels = read_levels(mask)
    assert np.array_equal(files.matte(0, window), resize(levels[part], (40, 40)))
    close = resize(refmatte.image(name)[part], (40, 40)).astype(int) - files.image(window)
    assert np.abs(close).mean() < 3, "decoded at a half, the same to a few levels"
    full = CLASSES[trimap_from_alpha(levels, 25)]
    for shown, got in ((full, files.trimap(0)), (full[part], files.trimap(0, window))):
        wanted = cv2.resize(shown, (40, 40), interpolation=cv2.INTER_NEAREST_EXACT)
        assert np.array_equal(got, wanted) and len(np.unique(got)) > 1


def test_trimaps_of_the_full_size_matte_are_half_as_wide(large):
    """FIDELITY: 25 pixels at 512 are twice GFM's 25 at full size."""
    shares = []
    for at, size in (("image", 120), ("model", 120)):
        samples = open_samples(large, trimap_at=at, trimap_kernel=13, size=size)
        shares.append(np.mean([(samples[Key(0, index, 0)].trimaps == 1).mean() for index in range(6)]))
    assert 0.4 < shares[0] / shares[1] < 0.62


def test_the_blur_is_of_the_background_alone():
    rng = np.random.default_rng(0)
    background = cv2.resize(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8), (96, 96))
    y, x = np.mgrid[:96, :96]
    alpha = np.clip((20 - np.hypot(y - 48, x - 40)) / 4 + 0.5, 0, 1)[..., None]
    red = np.array([200.0, 20, 20])
    image = np.rint(alpha * red + (1 - alpha) * background).astype(np.uint8)
    covered = np.rint(255 * alpha[..., 0]).astype(np.uint8)
    changed = augment.blur_background(image, covered, (9, 13))
    inside, outside = covered == 255, covered == 0
    assert np.array_equal(changed[inside], image[inside])
    far = cv2.dilate((~outside).astype(np.uint8), np.ones((9, 13))) == 0
    assert np.abs(changed[far].astype(int) - cv2.blur(image, (13, 9))[far]).max() <= 1
    # As if the layers were known, but for what the entity hides; nothing of its red runs into the background.
    layers = alpha * red + (1 - alpha) * cv2.blur(background, (13, 9))
    error = np.abs(changed - layers)
    assert error[outside].mean() < 2 and error[~outside & ~inside].mean() < 12
    ring = (cv2.dilate((~outside).astype(np.uint8), np.ones((5, 5))) > 0) & outside
    assert abs(changed[ring].astype(float).mean(axis=0) - 127.5).max() < 20
    assert np.array_equal(augment.blur_background(image, np.full((96, 96), 255, np.uint8), (9, 9)), image)
    thin = augment.blur_background(image, np.full((96, 96), 128, np.uint8), (9, 9))
    assert np.array_equal(thin, image), "no background is known anywhere"


def test_the_noise_has_ten_levels_and_does_not_wrap():
    rng = np.random.default_rng(0)
    grey = augment.add_noise(np.full((200, 200, 3), 128, np.uint8), rng).astype(float)
    assert abs(grey.std() - 10) < 0.3 and abs(grey.mean() - 128) < 0.3
    white = augment.add_noise(np.full((50, 50, 3), 255, np.uint8), rng)
    assert white.min() > 200
    assert not np.array_equal(grey, augment.add_noise(np.full((200, 200, 3), 128, np.uint8), rng))


def test_the_changes_are_drawn_and_a_denoised_copy_is_read_where_there_is_one(make_scenes, tmp_path):
    root = make_scenes(tmp_path, 2)
    still = [open_samples(root)[Key(0, index, 0)].image for index in range(2)]
    plain = RefMatte(root)
    for number, name in enumerate(plain.image_names):
        assert np.array_equal(still[number], resize(plain.image(name), (48, 48)))
    changed = open_samples(root, noise=1.0)[Key(0, 0, 0)].image
    assert changed.astype(int).std() != still[0].astype(int).std()
    denoised = root / "train" / "img_denoised"
    for name in plain.image_names[:1]:
        write_image(denoised / f"{name}.jpg", np.full((72, 96, 3), 7, np.uint8))
    assert open_samples(root, noise=1.0)[Key(0, 0, 0)].image.mean() < 30
    assert open_samples(root, noise=1.0)[Key(0, 1, 0)].image.mean() > 60, "no copy of this one"
    half = open_samples(root, noise=0.5)
    seen = [half[Key(epoch, 0, 0)].image.mean() < 40 for epoch in range(40)]
    assert 8 < sum(seen) < 32


def test_tiny_keeps_its_own_and_the_paper_has_gfms():
    tiny, paper = load("tiny").train, load("paper-b16").train
    assert (tiny.augmentation, tiny.crops, tiny.trimap_at, tiny.all_sentences) == ("light", (), "model", False)
    assert (paper.augmentation, paper.trimap_at, paper.trimap_kernel) == ("rssn", "image", 25)
    assert paper.all_sentences and paper.noise == paper.flip == 0.5 and paper.crops == (640, 960, 1280)
    assert augment.BLURS == (20, 30, 40, 50, 60) and augment.SIGMA == 10


def test_the_released_layout_is_enough(tmp_path):
    """Four images of 1080 x 1620 with no kinds, no index and no keyword."""
    import json

    rng = np.random.default_rng(0)
    labels = {}
    for number in range(4):
        name = f"rim_train_{number:08x}"
        image = cv2.resize(rng.integers(0, 256, (9, 14, 3), dtype=np.uint8), (1620, 1080))
        write_image(tmp_path / "train" / "img" / f"{name}.jpg", image)
        for entity, x in enumerate((300, 1200)):
            matte = cv2.circle(np.zeros((1080, 1620), np.uint8), (x, 500), 150, 255, -1)
            write_image(tmp_path / "train" / "mask" / f"{name}_{entity + 1}.png", matte)
            side = ("left", "right")[entity]
            texts = ["the red cat", f"the cat on the far {side} of the image", f"the cat to the {side} of the dog"]
            texts[0] = ("the red cat", "the brown dog")[entity]
            texts.append(f"the cat which is red to the {side} of the dog which is brown")
            labels[f"{name}_{entity + 1}"] = {"image_name": f"{name}.jpg", "expressions": texts}
    (tmp_path / "refmatte_train_label.json").write_text(json.dumps(labels))
    profile = load("paper-b16")
    texts = set()
    for setting in ("expression", "keyword"):
        samples = Samples(
            RefMatte(tmp_path, "train", setting), profile.train, 512, templates=("a photo of a {keyword}",)
        )
        assert len(samples) == 4 and samples.folder is None
        for epoch in range(3):
            batch = samples.collate([samples[Key(epoch, index, 0)] for index in range(4)])
            assert batch.images.shape == (4, 512, 512, 3) and batch.trimaps.shape == (4, 512, 512)
            texts |= set(batch.texts)
            for text, matte in zip(batch.texts, batch.mattes.numpy()):
                middle = (matte.max(axis=0) * np.arange(512.0)).sum() / matte.max(axis=0).sum()
                if "far left" in text or "far right" in text:
                    assert (middle < 256) == ("left" in text)
                if setting == "keyword":
                    assert text in ("a photo of a cat", "a photo of a dog")
    assert len(texts) > 6


def test_settings_that_cannot_be_are_refused():
    from rimlib.errors import RimError

    for name, value in (("augmentation", "heavy"), ("crops", (0,)), ("trimap_at", "full"), ("cache", "")):
        with pytest.raises(RimError, match=f"train.{name}"):
            dataclasses.replace(load("tiny").train, **{name: value})
