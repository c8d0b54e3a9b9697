"""The dense backbone against open_clip, which defines what CLIP is."""

import copy
import pickle
from dataclasses import replace
from types import SimpleNamespace

import huggingface_hub
import open_clip
import pytest
import timm
import torch
import torch.nn.functional as F
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import save_file

from rimlib import profile
from rimlib.clipmat import clip_weights
from rimlib.clipmat.attention import attend
from rimlib.clipmat.backbone import Backbone, normalise, resize_visual
from rimlib.clipmat.clip_weights import create_clip
from rimlib.errors import RimError

SETTINGS = profile.load("tiny").model


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    return create_clip(SETTINGS, "random")


@pytest.mark.parametrize("training", [True, False])
def test_the_class_token_projected_is_clips_image_embedding(tiny, training):
    clip = copy.deepcopy(tiny[0]).train(training)
    images = torch.randn(2, 3, SETTINGS.image_size, SETTINGS.image_size)
    projection, expected = clip.visual.proj, clip.encode_image(images)
    tokens, levels = Backbone(clip, SETTINGS.image_size).encode_image(images)
    torch.testing.assert_close(tokens[:, 0] @ projection, expected, atol=1e-5, rtol=0)
    side = SETTINGS.image_size // 16
    assert tokens.shape == (2, 1 + side * side, 192) and [level.shape for level in levels] == [(2, 192, side, side)] * 4


def test_levels_are_the_outputs_of_four_equal_groups_of_blocks(tiny):
    clip = copy.deepcopy(tiny[0])
    images = torch.randn(1, 3, SETTINGS.image_size, SETTINGS.image_size)
    expected = clip.visual.forward_intermediates(images, indices=[1, 3, 5, 7])["image_intermediates"]
    _, levels = Backbone(clip, SETTINGS.image_size).encode_image(images)
    for ours, theirs in zip(levels, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("context", [0, 8])
def test_the_end_of_text_projected_is_clips_text_embedding_whatever_the_context(tiny, context):
    clip, tokenizer = copy.deepcopy(tiny[0]), tiny[1]
    tokens = tokenizer(["the dog", "the red flower on the left of the brown dog"])
    projection = clip.text_projection
    whole = F.pad(tokens, (0, clip.context_length - tokens.shape[1]))  # open_clip takes its full length
    expected = clip.encode_text(whole)
    features = Backbone(clip, SETTINGS.image_size).encode_text(tokens, torch.randn(context, 192))
    assert features.shape == (2, SETTINGS.text_length + context, 192)
    at_end = features[torch.arange(2), tokens.argmax(1)]
    torch.testing.assert_close(at_end @ projection, expected, atol=1e-5, rtol=0)


def test_the_context_reads_the_words(tiny):
    features = Backbone(copy.deepcopy(tiny[0]), SETTINGS.image_size)
    context = torch.randn(8, 192)
    first, second = features.encode_text(tiny[1](["the dog", "the cat"]), context)[:, -1]
    assert (first - second).abs().max() > 1e-3


def test_more_words_than_positions_are_refused(tiny):
    encoder = Backbone(copy.deepcopy(tiny[0]), SETTINGS.image_size)
    tokens = torch.zeros(1, encoder.context_length - 7, dtype=torch.int64)
    with pytest.raises(RimError) as caught:
        encoder.encode_text(tokens, torch.randn(8, 192))
    assert caught.value.setting == "model.text_length"


def test_every_submodule_is_called(tiny):
    """So that hooks, counters of FLOPs, LoRA and quantisation see it."""
    backbone, called = Backbone(copy.deepcopy(tiny[0]), SETTINGS.image_size), set()
    for name, module in backbone.named_modules():
        module.register_forward_hook(lambda *_, name=name: called.add(name))
    backbone.encode_image(torch.randn(1, 3, SETTINGS.image_size, SETTINGS.image_size))
    backbone.encode_text(tiny[1](["the dog"]), torch.zeros(0, 192))
    lists = {name for name, module in backbone.named_modules() if isinstance(module, torch.nn.ModuleList)}
    # The two towers themselves have no forward of their own here: their blocks' outputs are wanted.
    assert {name for name, _ in backbone.named_modules()} - called - lists == {"", "visual", "visual.transformer"}


def test_gradient_checkpointing_changes_memory_only(tiny):
    images, tokens = torch.randn(1, 3, SETTINGS.image_size, SETTINGS.image_size), tiny[1](["the dog"])
    gradients = []
    for enabled in (False, True):
        backbone, runs = Backbone(copy.deepcopy(tiny[0]), SETTINGS.image_size), []
        for transformer in (backbone.visual.transformer, backbone.transformer):
            transformer.grad_checkpointing = enabled
            transformer.resblocks[0].register_forward_pre_hook(lambda *_, runs=runs: runs.append(1))
        (encoded, levels), text = backbone.encode_image(images), backbone.encode_text(tokens, torch.zeros(0, 192))
        (encoded.sum() + levels[0].square().sum() + text.square().sum()).backward()
        gradients.append([value.grad for value in backbone.parameters() if value.grad is not None])
        assert len(runs) == (4 if enabled else 2)  # a block runs again in the backward pass
    torch.testing.assert_close(*gradients)


PAPER = [("ViT-B-16-quickgelu", 224), ("ViT-B-16-quickgelu", 512), ("ViT-L-14-quickgelu", 224)]


@pytest.fixture(scope="module", params=PAPER, ids=lambda param: "-".join(map(str, param)))
def towers(request):
    """Outputs of open_clip and of the backbone, for the paper's CLIPs at full width and depth, with random weights."""
    name, size = request.param
    torch.manual_seed(0)
    with torch.inference_mode():
        clip, tokenizer = create_clip(SimpleNamespace(backbone=name, image_size=224, text_length=69), "random")
        for value in clip.parameters():
            if value.ndim < 2:
                value.add_(0.1 * torch.randn_like(value))  # else the biases are zero, and nothing would miss them
        visual, images = clip.visual.eval(), normalise(torch.rand(1, 3, size, size))
        projections = visual.proj, clip.text_projection
        sentences = tokenizer(["the red flower on the left of the brown dog which is salient"])
        text = (
            clip.encode_text(F.pad(sentences, (0, clip.context_length - sentences.shape[1]))) if size == 224 else None
        )
        if size != 224:
            visual = enlarged_by_open_clip(name, clip, size)
        visual.output_tokens = True
        embedding, patches = visual(images)
        encoder = Backbone(clip, size)
        tokens, levels = encoder.encode_image(images)
        found = SimpleNamespace(
            embedding=embedding,
            patches=patches,
            tokens=tokens,
            levels=levels,
            text=text,
            name=name,
            side=size // 16,
            projected=tokens[:, 0] @ projections[0],
        )
        if text is not None:
            features = encoder.encode_text(sentences, torch.randn(8, encoder.text_width))
            found.text_projected = features[:, sentences[0].argmax()] @ projections[1]
    return found


def enlarged_by_open_clip(name, clip, size):
    """The image encoder for images of another size, its grid of positions resampled by open_clip and not by us."""
    config = open_clip.get_model_config(name)
    config["vision_cfg"]["image_size"] = size
    with torch.device("meta"):
        visual = open_clip.CLIP(**config).visual.eval()
    state = {f"visual.{key}": value.clone() for key, value in clip.visual.state_dict().items()}
    open_clip.model.resize_pos_embed(state, SimpleNamespace(visual=visual))
    visual.load_state_dict({key.removeprefix("visual."): value for key, value in state.items()}, assign=True)
    return visual


def test_the_papers_backbones_give_clips_image_embedding(towers):
    assert towers.embedding.std() > 0.3  # not equal for being nothing
    torch.testing.assert_close(towers.projected, towers.embedding, atol=1e-5, rtol=0)
    torch.testing.assert_close(towers.tokens[:, 1:], towers.patches, atol=1e-5, rtol=0)
    width = {"ViT-B-16-quickgelu": 768, "ViT-L-14-quickgelu": 1024}[towers.name]
    assert [level.shape for level in towers.levels] == [(1, width, towers.side, towers.side)] * 4


@pytest.mark.parametrize("towers", [PAPER[0], PAPER[2]], indirect=True, ids=lambda param: "-".join(map(str, param)))
def test_the_papers_backbones_give_clips_text_embedding(towers):
    assert towers.text.std() > 0.3
    torch.testing.assert_close(towers.text_projected, towers.text, atol=1e-5, rtol=0)


@pytest.mark.parametrize("image_size", [96, 224])
def test_positions_are_resized_as_open_clip_resizes_them(tiny, image_size):
    clip = copy.deepcopy(tiny[0])
    config = open_clip.get_model_config("rim-tiny")
    config["vision_cfg"]["image_size"] = image_size
    config["text_cfg"]["vocab_size"] = clip.vocab_size
    state, other = clip.state_dict(), open_clip.CLIP(**config)
    open_clip.model.resize_pos_embed(state, other)
    resize_visual(clip.visual, image_size)
    torch.testing.assert_close(
        clip.visual.positional_embedding.data, state["visual.positional_embedding"], atol=1e-6, rtol=0
    )


def test_what_fits_already_is_left_alone(tiny):
    visual = copy.deepcopy(tiny[0]).visual
    kernel, positions = visual.conv1.weight, visual.positional_embedding
    resize_visual(visual, SETTINGS.image_size)
    assert visual.conv1.weight is kernel and visual.positional_embedding is positions


def test_a_patch_of_14_becomes_16_and_embeds_alike():
    """A smooth image, enlarged from patches of 14 to patches of 16, gets about the same embeddings."""
    torch.manual_seed(0)
    visual = open_clip.transformer.VisionTransformer(56, 14, 32, 1, 1, 4.0)
    small = F.interpolate(torch.randn(1, 3, 5, 5), size=56, mode="bicubic", antialias=True)
    large = F.interpolate(small, size=64, mode="bicubic", antialias=True)
    before = visual.conv1(small)
    resize_visual(visual, 64)
    after = visual.conv1(large)
    assert visual.conv1.kernel_size == (16, 16) and after.shape == before.shape
    assert F.cosine_similarity(before.flatten(), after.flatten(), dim=0) > 0.98


@pytest.mark.parametrize("causal", [True, False])
def test_attention_written_out_is_the_fused_one(causal):
    q, k, v = torch.randn(3, 2, 4, 9, 16)
    torch.testing.assert_close(
        attend(q, k, v, causal), F.scaled_dot_product_attention(q, k, v, is_causal=causal), atol=1e-6, rtol=1e-5
    )


def test_long_sequences_use_the_fused_kernel(monkeypatch):
    called = []
    real = F.scaled_dot_product_attention
    monkeypatch.setattr(F, "scaled_dot_product_attention", lambda *a, **k: called.append(1) or real(*a, **k))
    attend(*torch.randn(3, 1, 1, 300, 8))
    assert called


def test_the_papers_backbones_use_quickgelu_and_it_is_another_function():
    for name in ("ViT-B-16-quickgelu", "ViT-L-14-quickgelu"):
        with torch.device("meta"):
            clip, _ = create_clip(SimpleNamespace(backbone=name, image_size=224, text_length=69), "random")
        blocks = [*clip.visual.transformer.resblocks, *clip.transformer.resblocks]
        assert {type(block.mlp.gelu) for block in blocks} == {open_clip.transformer.QuickGELU}
    x = torch.tensor([-2.0, 1.0])
    torch.testing.assert_close(blocks[0].mlp.gelu(x), x * torch.sigmoid(1.702 * x))
    assert (blocks[0].mlp.gelu(x) - F.gelu(x)).abs().max() > 0.004


# Weights. `small` has the layout of OpenAI's ViT-L/14, patch, image size and all, at small widths.
SMALL = {
    "embed_dim": 24,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 224, "layers": 4, "width": 64, "patch_size": 14, "head_width": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2},
}
WANTED = SimpleNamespace(backbone="small-14-quickgelu", image_size=96, text_length=14)


@pytest.fixture
def small(monkeypatch):
    """A CLIP of that layout; open_clip has its name and a place of it on the hub."""
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "small-14-quickgelu", SMALL)
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "small-14", {**SMALL, "quick_gelu": False})
    place = {"openai": {"hf_hub": "timm/small.openai/", "url": "https://example.org/small.pt", "quick_gelu": True}}
    for name in ("small-14-quickgelu", "small-14"):
        monkeypatch.setitem(open_clip.pretrained._PRETRAINED, name, place)
    torch.manual_seed(1)
    return open_clip.CLIP(**SMALL)


def keep(clip, path, **changes):
    save_file({**{name: value.contiguous() for name, value in clip.state_dict().items()}, **changes}, path)
    return path


@pytest.fixture
def hub(small, tmp_path, monkeypatch):
    """The hub as a folder: `hub.calls` are the calls; without `hub.online` it gives only what was got before."""
    folder, state = tmp_path / "hub", SimpleNamespace(calls=[], online=True, got=False)
    folder.mkdir()

    def snapshot_download(repository, allow_patterns, local_files_only=False):
        state.calls.append((repository, tuple(allow_patterns), local_files_only))
        if local_files_only and not state.got or not local_files_only and not state.online:
            raise LocalEntryNotFoundError("no route to host")
        state.got = True
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    state.folder = folder
    return state


@pytest.fixture
def no_pickles(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a pickle was opened")

    for module, name in (
        (torch, "load"),
        (torch.jit, "load"),
        (pickle, "load"),
        (pickle, "loads"),
        (pickle, "Unpickler"),
    ):
        monkeypatch.setattr(module, name, refuse)


def test_openais_layout_is_resampled_to_patches_of_16(small, tmp_path):
    """A file of patch 14 at 224 pixels gives the features of open_clip's own model after the same resampling."""
    path = keep(small, tmp_path / "small.safetensors")
    clip, _ = create_clip(WANTED, path)
    assert clip.visual.conv1.kernel_size == (16, 16) and clip.visual.positional_embedding.shape == (37, 64)
    expected = open_clip.CLIP(**SMALL)
    open_clip.factory.load_checkpoint(expected, str(path))
    weight = timm.layers.resample_patch_embed(expected.visual.conv1.weight.data, [16, 16])
    torch.testing.assert_close(clip.visual.conv1.weight.data, weight, atol=0, rtol=0)
    resize_visual(expected.visual, 96)
    for (name, one), other in zip(clip.state_dict().items(), expected.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other, atol=0, rtol=0, msg=name)
    # What was resampled already and stored is taken as it is, whatever size it was stored for.
    again, _ = create_clip(WANTED, keep(clip, tmp_path / "again.safetensors"))
    assert again.visual.conv1.weight.equal(clip.visual.conv1.weight)
    assert again.visual.positional_embedding.equal(clip.visual.positional_embedding)


def test_files_in_half_precision_with_openais_numbers_are_read(small, tmp_path):
    path = tmp_path / "openai.safetensors"
    state = {name: value.half() for name, value in small.state_dict().items()}
    numbers = {
        name: torch.tensor(value)
        for name, value in (("input_resolution", 224), ("context_length", 77), ("vocab_size", 49408))
    }
    save_file({**state, **numbers, "logit_scale": state["logit_scale"].reshape(1)}, path)
    clip, _ = create_clip(WANTED, path)
    assert clip.logit_scale.shape == () and {value.dtype for value in clip.parameters()} == {torch.float32}
    torch.testing.assert_close(clip.text_projection, small.text_projection, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(
    "change, message",
    [
        (
            {"visual.conv1.weight": torch.zeros(64, 3, 32, 32)},
            r"conv1.weight has shape \(64, 3, 32, 32\), the model has \(64, 3, 14, 14\)",
        ),
        ({"other": torch.zeros(1)}, "do not belong.*other"),
        ({"vision_model.encoder.weight": torch.zeros(1)}, "layout of transformers"),
        ({"ln_final.bias": torch.full((16,), float("nan"))}, "ln_final.bias holds values that are not finite"),
        ({"ln_final.bias": torch.zeros(16, dtype=torch.int32)}, "ln_final.bias is torch.int32"),
    ],
)
def test_files_of_another_clip_are_refused(small, tmp_path, change, message):
    path = keep(small, tmp_path / "other.safetensors", **change)
    with pytest.raises(RimError, match=message) as caught:
        create_clip(WANTED, path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_pretrained_weights_come_as_safetensors_from_the_place_that_open_clip_names(small, hub, no_pickles):
    keep(small, hub.folder / "open_clip_model.safetensors")
    clip, _ = create_clip(WANTED, "clip")
    assert clip.text_projection.equal(small.text_projection)
    files = ("open_clip_model.safetensors",)
    assert hub.calls == [("timm/small.openai", files, True), ("timm/small.openai", files, False)]
    hub.online = False  # from now on the cache is enough
    create_clip(WANTED, "clip")
    assert hub.calls[2:] == [("timm/small.openai", files, True)]


def test_weights_that_cannot_be_had_are_an_error_with_what_to_do_and_never_random(small, hub, no_pickles):
    hub.online = False
    with pytest.raises(RimError, match="hf download.*weights='random'") as caught:
        create_clip(WANTED)  # without a word about weights, the pretrained ones are meant
    assert caught.value.path == "timm/small.openai"
    hub.online = True
    (hub.folder / "open_clip_pytorch_model.bin").write_bytes(b"")
    with pytest.raises(RimError, match="no open_clip_model.safetensors"):
        create_clip(WANTED, "clip")


def test_openais_weights_are_not_put_under_another_activation(small, hub):
    with pytest.raises(RimError, match="QuickGELU.*small-14-quickgelu"):
        create_clip(SimpleNamespace(**{**vars(WANTED), "backbone": "small-14"}), "clip")
    assert hub.calls == []


@pytest.mark.parametrize(
    "name, message",
    [
        ("ViT-nowhere", "no such backbone.*rim-tiny"),
        ("hf-hub:somebody/something", "no such backbone"),
        ("local-dir:somewhere", "no such backbone"),
        ("RN50-quickgelu", "layers are"),
        ("ViT-B-16-SigLIP", "configuration has"),
        ("ViT-H-14-CLIPA", "configuration has"),
    ],
)
def test_backbones_that_are_not_built_as_clip_are_refused_without_a_network(name, message, hub):
    with pytest.raises(RimError, match=message) as caught:
        create_clip(SimpleNamespace(backbone=name, image_size=96, text_length=14), "random")
    assert caught.value.setting == "model.backbone"
    assert hub.calls == []


def test_missing_weights_are_refused_by_name(monkeypatch, tmp_path):
    with pytest.raises(RimError) as caught:
        create_clip(SETTINGS, "laion")
    assert caught.value.setting == "weights"
    monkeypatch.setattr(clip_weights, "CHECKPOINTS", tmp_path)
    for weights, path in ((tmp_path / "no.safetensors",) * 2, ("clip", tmp_path / "rim-tiny-clip.safetensors")):
        with pytest.raises(RimError) as caught:
            create_clip(SETTINGS, weights)
        assert caught.value.path == str(path)


def test_shipped_weights_of_another_image_size_are_resized(monkeypatch, tmp_path, tiny):
    path = keep(tiny[0], tmp_path / "rim-tiny-clip.safetensors")
    monkeypatch.setattr(clip_weights, "CHECKPOINTS", tmp_path)
    for weights in ("clip", path):
        clip, _ = create_clip(replace(SETTINGS, image_size=96), weights)
        assert clip.visual.positional_embedding.shape == (37, 192)
        torch.testing.assert_close(clip.visual.conv1.weight, tiny[0].visual.conv1.weight)
