"""CLIPSeg: the paper's sizes, the library's own values, and the towers of our own CLIP under other names."""

from types import SimpleNamespace

import pytest
import torch

from rimlib.baselines import clipseg
from rimlib.baselines.baseline import normalise
from rimlib.baselines.clipseg import CLIPSeg
from rimlib.clipmat.clip_weights import create_clip

SENTENCES = ["the red disc", "a box", "the thing on the left", "lower right ball"]


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_decoder_has_the_parameters_that_are_published():
    from transformers import CLIPSegConfig, CLIPSegForImageSegmentation

    with torch.device("meta"):
        ours = CLIPSegForImageSegmentation(clipseg.config("paper"))
        plain = CLIPSegForImageSegmentation(CLIPSegConfig(vision_config={"patch_size": 32}))
    assert count(ours.decoder) == 1_127_009
    assert count(plain.decoder) == 1_122_305  # the CLIPSeg paper's number: one transposed convolution, patches of 32
    assert tuple(ours.extract_layers) == (3, 6, 9) and ours.config.reduce_dim == 64
    assert ours.config.vision_config.patch_size == 16 and clipseg.IMAGE_SIZE["paper"] == 512
    # ViT-B/16 and its text tower, as open_clip counts them.
    assert count(ours.clip) == 149_620_737


@pytest.mark.parametrize("side", [64, 96, 128])
def test_the_output_is_the_librarys_own(side):
    torch.manual_seed(0)
    model = CLIPSeg.from_settings("tiny", "random")
    images = torch.rand(2, 3, side, side)
    output = model(images, SENTENCES[:2])
    tokens = model.tokenizer(SENTENCES[:2])
    expected = model.net(pixel_values=normalise(images), input_ids=tokens).logits
    assert output.logits.shape == output.alpha.shape == (2, 1, side, side)
    assert torch.allclose(output.logits[:, 0], expected, atol=1e-5)
    assert torch.allclose(output.alpha, output.logits.sigmoid()) and output.score.shape == (2,)


def test_one_image_for_several_sentences():
    model = CLIPSeg.from_settings("tiny", "random")
    images, index = torch.rand(2, 3, 64, 64), torch.tensor([1, 0, 1, 1])
    assert torch.allclose(model(images, SENTENCES, index).logits, model(images[index], SENTENCES).logits, atol=1e-5)


def test_the_shipped_clip_is_the_same_under_the_other_names():
    model = CLIPSeg.from_settings("tiny", "clip")
    clip = create_clip(SimpleNamespace(backbone="rim-tiny", image_size=128, text_length=77), "clip")[0].eval()
    images, tokens = torch.rand(2, 3, 128, 128), model.tokenizer(SENTENCES[:2])
    with torch.no_grad():
        assert (model.net.clip.get_image_features(images).pooler_output - clip.encode_image(images)).abs().max() < 1e-5
        assert (model.net.clip.get_text_features(tokens).pooler_output - clip.encode_text(tokens)).abs().max() < 1e-5


def test_the_words_are_not_drowned_at_the_start():
    """Two sentences give one image clearly different mattes, through the whole fresh decoder on the shipped CLIP."""
    from rimlib.io.images import resize
    from rimlib.refmatte.example import example

    torch.manual_seed(0)
    model = CLIPSeg.from_settings("tiny", "clip")
    last = []
    model.net.decoder.layers[-1].register_forward_hook(lambda block, given, result: last.append(result))
    image = torch.from_numpy(resize(example(18).image, (128, 128))).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        model(image, ["a photo of a dog", "a photo of a parachute"], torch.tensor([0, 0]))
    apart = (last[0][0] - last[0][1]).norm(dim=-1).mean() / last[0].norm(dim=-1).mean()
    assert apart > 0.25


def test_the_papers_towers_fit_open_clips_by_name_and_shape():
    import open_clip
    from transformers import CLIPSegForImageSegmentation

    settings = open_clip.get_model_config("ViT-B-16-quickgelu")
    with torch.device("meta"):
        ours = CLIPSegForImageSegmentation(clipseg.config("paper")).clip.state_dict()
        clip = open_clip.CLIP(settings["embed_dim"], settings["vision_cfg"], settings["text_cfg"], quick_gelu=True)
    theirs = clipseg.rename_towers(clip.state_dict())
    assert {name: tensor.shape for name, tensor in theirs.items()} == {
        name: tensor.shape for name, tensor in ours.items()
    }
