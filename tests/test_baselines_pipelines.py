"""Pipelines of public parts: Grounding DINO → SAM 2, SAM 3, or a baseline's mask; then trimap → ViTMatte."""

import cv2
import numpy as np
import pytest
import torch

from rimlib.baselines import baseline, grounded_tiny, vitmatte
from rimlib.baselines.grounded import Grounded, phrase
from rimlib.baselines.refined import Refined
from rimlib.baselines.sam3 import Instances, Sam3, Sam3Matting, enlarged
from rimlib.baselines.vitmatte import ViTMatte, automatic_trimap, prepare

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 255, (75, 110, 3), dtype=np.uint8)


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(scope="module")
def grounded():
    torch.manual_seed(0)
    return Grounded.from_settings("tiny", "random")


def disc(height, width, radius):
    y, x = np.mgrid[:height, :width]
    return np.hypot(y - height / 2, x - width / 2) < radius


def test_the_public_sizes():
    from transformers import VitMatteForImageMatting

    with torch.device("meta"):
        assert count(VitMatteForImageMatting(vitmatte.config("paper"))) / 1e6 == pytest.approx(
            25.8, abs=0.05
        )  # ViTMatte-S
        assert count(grounded_tiny.detector("paper")[0]) / 1e6 == pytest.approx(172, abs=0.5)  # Grounding DINO, Swin-T
        assert count(grounded_tiny.segmenter("paper")[0].vision_encoder) / 1e6 == pytest.approx(34, abs=1)  # Hiera-S


def test_vitmatte_is_given_what_its_own_processor_gives():
    from transformers import VitMatteImageProcessor

    trimap = RNG.choice(np.array([0, 128, 255], np.uint8), IMAGE.shape[:2])
    theirs = VitMatteImageProcessor()(images=IMAGE, trimaps=trimap, return_tensors="pt")["pixel_values"]
    ours = prepare(IMAGE, trimap)
    assert ours.shape == (1, 4, 96, 128) and torch.allclose(ours, theirs, atol=1e-6)


def test_what_the_trimap_is_sure_of_stays_and_the_rest_is_the_networks():
    torch.manual_seed(0)
    matter = ViTMatte.from_settings("tiny", "random")
    trimap = automatic_trimap(disc(75, 110, 25), band=0.1)
    alpha = matter(IMAGE, trimap)
    assert alpha.shape == (75, 110) and alpha.dtype == np.float32
    assert (alpha[trimap == 0] == 0).all() and (alpha[trimap == 255] == 1).all()
    with torch.inference_mode():
        expected = matter.net(pixel_values=prepare(IMAGE, trimap)).alphas[0, 0, :75, :110].numpy()
    assert np.abs(alpha - expected)[trimap == 128].max() < 1e-6 and (trimap == 128).any()


def test_a_large_image_is_matted_small_and_comes_back_large():
    matter = ViTMatte.from_settings("tiny", "random")
    matter.largest = 64
    seen = []
    matter.net.register_forward_pre_hook(
        lambda net, given, named: seen.append(tuple(named["pixel_values"].shape)), with_kwargs=True
    )
    assert matter(IMAGE, automatic_trimap(disc(75, 110, 25), band=0.1)).shape == (75, 110)
    assert seen == [(1, 4, 64, 64)]  # 44 x 64 pixels, filled up


def test_the_automatic_trimap_by_looking_at_each_pixel():
    mask = disc(60, 80, 20)
    trimap = automatic_trimap(mask, band=0.1)  # 8 of 80 pixels: a kernel of 9
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))
    for row in range(60):
        for column in range(80):
            near = [
                mask[row + i - 4, column + j - 4]
                for i in range(9)
                for j in range(9)
                if ellipse[i, j] and 0 <= row + i - 4 < 60 and 0 <= column + j - 4 < 80
            ]
            assert trimap[row, column] == (255 if all(near) else 128 if any(near) else 0)


def test_the_trimap_of_a_large_mask_is_that_of_the_small_one_enlarged(monkeypatch):
    mask = disc(60, 80, 20).repeat(4, axis=0).repeat(4, axis=1)
    monkeypatch.setattr(vitmatte, "LARGEST", 80)
    assert (automatic_trimap(mask, 0.1)[2::4, 2::4] == automatic_trimap(disc(60, 80, 20), 0.1)).all()


def test_refined_sharpens_the_baselines_mask():
    mask, calls = disc(75, 110, 25), []

    class Half(baseline.Method):
        name = "half"

        def predict_image(self, image, sentences):
            return [np.where(mask, 0.6, 0.4).astype(np.float32), np.full(mask.shape, 0.3, np.float32)], [0.6, 0.3]

    def matter(image, trimap):
        calls.append((image, trimap))
        return np.where(trimap == 128, np.float32(0.25), trimap / np.float32(255))

    method = Refined(Half(), matter, band=0.1)
    alphas = method.mattes(IMAGE, ["a disc", "nothing"])
    assert method.name == "half+vitmatte" and len(calls) == 1  # nothing over a half: no call
    assert (calls[0][0] == IMAGE).all() and (calls[0][1] == automatic_trimap(mask, 0.1)).all()
    assert (alphas[0] == matter(*calls[0])).all() and (alphas[1] == 0).all()
    assert method.predict([IMAGE], [0, 0], ["a disc", "nothing"])[1].tolist() == pytest.approx(
        [0.6, 0.3]
    )  # the baseline's scores


def test_the_best_box_is_the_detectors_most_certain_one(grounded):
    box, score = grounded.detect(IMAGE, "the red dog")
    inputs = grounded.detector_processor(images=IMAGE, text="the red dog.", return_tensors="pt")
    with torch.no_grad():
        output = grounded.detector(**inputs)
    probabilities = output.logits.sigmoid()[0].amax(dim=1)
    x, y, w, h = output.pred_boxes[0, probabilities.argmax()].tolist()
    corners = np.clip(np.array([x - w / 2, y - h / 2, x + w / 2, y + h / 2]), 0, 1) * [110, 75, 110, 75]
    assert np.abs(box - corners).max() < 1e-2 and score == pytest.approx(probabilities.max().item(), abs=1e-5)


def test_the_mask_is_that_of_the_whole_segmenter_at_the_images_size(grounded):
    box = np.array([20, 10, 80, 60], np.float32)
    mask = grounded.segment(grounded.encode(IMAGE), box)
    inputs = grounded.segmenter_processor(images=IMAGE, input_boxes=[[box.tolist()]], return_tensors="pt")
    with torch.no_grad():
        output = grounded.segmenter(
            pixel_values=inputs["pixel_values"], input_boxes=inputs["input_boxes"], multimask_output=False
        )
    whole = (
        torch.nn.functional.interpolate(output.pred_masks[0], (75, 110), mode="bilinear", align_corners=False)[0, 0] > 0
    )
    assert mask.dtype == bool and mask.shape == (75, 110)
    assert (mask == whole.numpy()).mean() > 0.999 and 0 < mask.mean() < 1


def test_the_image_is_encoded_once_and_a_weak_box_gives_an_empty_matte(monkeypatch):
    torch.manual_seed(0)
    method = Grounded.from_settings("tiny", "random")
    scores, encoded, masks = {"a dog": 0.9, "a cat": 0.2, "a bird": 0.3}, [], []
    encode = method.encode
    monkeypatch.setattr(
        method, "detect", lambda image, sentence: (np.array([5, 5, 90, 70], np.float32), scores[sentence])
    )
    monkeypatch.setattr(method, "encode", lambda image: encoded.append(1) or encode(image))
    monkeypatch.setattr(method, "segment", lambda features, box: masks.append(box) or disc(75, 110, 30))
    alphas = method.mattes(IMAGE, list(scores))
    assert len(encoded) == 1 and len(masks) == 2
    assert alphas[0].max() == 1 and (alphas[1] == 0).all() and alphas[2].max() == 1
    assert method.predict([IMAGE], [0, 0], ["a cat", "a bird"])[1].tolist() == pytest.approx(
        [0.2, 0.3]
    )  # the detector's


def test_the_detectors_spelling_and_full_stops(grounded):
    words = grounded.detector_processor.tokenizer
    ids = words("a dog.")["input_ids"]
    assert words.convert_ids_to_tokens(ids) == ["[CLS]", "a", "d", "##o", "##g", ".", "[SEP]"]
    assert (ids[0], ids[-2], ids[-1]) == (101, 1012, 102) and len(words) == 1100  # BERT's own numbers of its marks
    assert phrase("The Dog. Left?") == "the dog left."


def test_sam3_is_scored_by_its_best_instance_of_the_whole_sentence(monkeypatch):
    torch.manual_seed(0)
    method = Sam3Matting(Sam3.random(), lambda image, trimap: trimap / np.float32(255), threshold=0)
    inputs = method.sam3.processor(images=IMAGE, text="the left dog", return_tensors="pt")
    with torch.no_grad():
        output = method.net(**{name: inputs[name] for name in ("pixel_values", "input_ids", "attention_mask")})
    theirs = method.sam3.processor.post_process_instance_segmentation(output, 0.0, target_sizes=[(75, 110)])[0]
    best = theirs["scores"].argmax()
    (matte,), (score,) = method.predict([IMAGE], [0], ["the left dog"])
    assert score == pytest.approx(theirs["scores"][best].item(), abs=1e-5)
    expected = vitmatte.matte_of_mask(method.matter, IMAGE, theirs["masks"][best].numpy().astype(bool))
    assert (matte == expected).mean() > 0.99 and 0 < expected.mean() < 1

    encoded, logits = [], torch.full((2, 8, 8), -1.0)
    logits[0, :, :4] = 1
    answers = {"a dog": [0.9, 0.8], "a cat": [0.4, 0.1]}
    monkeypatch.setattr(method.sam3, "encode", lambda image: encoded.append(1))
    monkeypatch.setattr(
        method.sam3, "instances", lambda features, text: Instances(np.zeros((2, 4)), np.array(answers[text]), logits)
    )
    method.threshold = 0.5
    dog, cat = method.mattes(IMAGE, list(answers))
    assert len(encoded) == 1 and dog[:, :50].min() == 1 and not dog[:, 60:].any() and not cat.any()
    assert enlarged(logits[0], (75, 110))[:, :54].all() and not enlarged(logits[1], (75, 110)).any()


def test_moving_sam3_moves_its_networks():
    method = Sam3Matting.from_settings("tiny", "random").to("meta")
    assert method.device.type == method.sam3.device.type == "meta"
    assert next(method.matter.parameters()).device.type == "meta"
