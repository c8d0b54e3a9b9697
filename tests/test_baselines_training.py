"""The baselines that are trained: they learn four samples, take those of CLIPMat, and their towers stay as they are."""

import pytest
import torch

from rimlib import baselines
from rimlib.baselines import matching, mdetr_weights
from rimlib.baselines.baseline import normalise
from rimlib.baselines.clipseg import CLIPSeg
from rimlib.baselines.mdetr import ENCODERS, MDETR, TOWERS
from rimlib.clipmat.backbone import Backbone

SENTENCES = ["the red disc", "a box", "the thing on the left", "lower right ball"]


def overlap(alpha, mattes):
    """IoU over a half, of each sample."""
    found, true = alpha > 0.5, mattes > 0.5
    return (found & true).sum(dim=(1, 2, 3)) / (found | true).sum(dim=(1, 2, 3))


def four_samples(side):
    """A disc in another corner of each image: images (4, 3, S, S) and mattes (4, 1, S, S)."""
    generator = torch.Generator().manual_seed(0)
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    mattes = torch.stack(
        [
            ((0.22 * side - torch.hypot(x - cx * side, y - cy * side)) / 3).clamp(0, 1)
            for cy in (0.25, 0.75)
            for cx in (0.25, 0.75)
        ]
    )[:, None]
    images = 0.2 * torch.rand(4, 3, side, side, generator=generator)
    return images + mattes * 0.8 * torch.rand(4, 3, 1, 1, generator=generator), mattes


def test_clipseg_learns_four_samples_and_its_towers_stay_as_they_are():
    torch.manual_seed(0)
    model = CLIPSeg.from_settings("tiny", "random").train()
    images, mattes = four_samples(64)
    before = {name: value.clone() for name, value in model.net.clip.state_dict().items()}
    assert {id(p) for p in model.trainable_parameters()} == {id(p) for p in model.net.decoder.parameters()}
    # The optimiser is given everything: what is frozen must not move even so.
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=0.1)
    losses = []
    for _ in range(40):
        parts = model.loss(model(images, SENTENCES), mattes)
        optimizer.zero_grad()
        parts["total"].backward()
        optimizer.step()
        losses.append(parts["total"].item())
    assert losses[0] < 1  # nothing is known at first, and nothing wild is claimed
    assert losses[-1] < 0.3 * losses[0]
    assert all(torch.equal(value, before[name]) for name, value in model.net.clip.state_dict().items())
    assert overlap(model.eval()(images, SENTENCES).alpha, mattes).min() > 0.6


def test_mdetr_learns_four_samples():
    torch.manual_seed(0)
    model = MDETR.from_settings("tiny", "random").train()
    images, mattes = four_samples(64)
    optimizer = torch.optim.Adam(model.trainable_parameters(), 1e-3, fused=True)
    rows = []
    for _ in range(60):
        parts = model.loss(model(images, SENTENCES), mattes)
        optimizer.zero_grad()
        parts["total"].backward()
        torch.nn.utils.clip_grad_norm_(model.trainable_parameters(), 1.0)
        optimizer.step()
        rows.append({name: value.item() for name, value in parts.items()})
    assert rows[0]["total"] == pytest.approx(
        sum(matching.WEIGHTS[name] * rows[0][name] for name in matching.WEIGHTS), rel=1e-5
    )
    assert rows[-1]["total"] < 0.3 * rows[0]["total"] and rows[-1]["box"] < 0.2 * rows[0]["box"]
    with torch.no_grad():
        found = model.eval()(images, SENTENCES)
    assert overlap(found.alpha, mattes).min() > 0.6
    assert found.score.min() > 0.5  # in each image a query is confident


def test_mdetrs_frozen_towers_stay_as_they_are_and_do_not_drop_out():
    torch.manual_seed(0)
    trunk, text, words = mdetr_weights.towers("tiny")
    model = MDETR("tiny", trunk, text, words, frozen=ENCODERS).train()
    assert model.fusion.training and not model.text_encoder.training and not model.trunk.training
    before = {name: value.clone() for name, value in model.state_dict().items()}
    images, mattes = four_samples(64)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=0.1)
    model.loss(model(images, SENTENCES), mattes)["total"].backward()
    optimizer.step()
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert {name.split(".")[0] for name in moved} == {
        "project",
        "resize_words",
        "norm_words",
        "fusion",
        "queries",
        "kind",
        "box",
        "attention_map",
        "mask_head",
    }


def test_the_small_mdetr_reads_and_sees_by_the_frozen_towers_of_our_clip(tmp_path):
    """The same vectors as the CLIP's own code gives, after a step too, and in a file that was stored."""
    from types import SimpleNamespace

    from rimlib.clipmat.clip_weights import create_clip

    settings = SimpleNamespace(backbone="rim-tiny", image_size=128, text_length=77)
    clip, tokenizer = create_clip(settings, "clip")
    with torch.no_grad():
        ids = tokenizer(SENTENCES)
        x = clip.token_embedding(ids) + clip.positional_embedding
        expected = clip.ln_final(clip.transformer(x, attn_mask=clip.attn_mask))
    larger, _ = four_samples(128)  # of the size that CLIP's positions are for
    with torch.no_grad():
        seen, _ = Backbone(clip, 128).encode_image(normalise(larger))
    images, mattes = four_samples(64)
    model = MDETR.from_settings("tiny", "clip", image_size=64).train()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=0.1)
    model.loss(model(images, SENTENCES), mattes)["total"].backward()
    before = model.trunk.blocks["layer1"][0].conv1.weight.clone()
    optimizer.step()
    assert not torch.equal(model.trunk.blocks["layer1"][0].conv1.weight, before), "the finer levels learn"
    again = MDETR.from_settings("tiny", str(model.save(tmp_path / "mdetr.safetensors")))
    assert again.frozen == [*TOWERS]
    tokens, padding = again.tokenizer(SENTENCES)
    with torch.no_grad():
        found = again.text_encoder(tokens, attention_mask=(~padding).long()).last_hidden_state
        image_tokens = again.trunk(normalise(larger))["4"].flatten(2).transpose(1, 2)
    assert torch.equal(tokens[~padding], ids[:, : tokens.shape[1]][~padding])
    assert torch.allclose(found[~padding], expected[:, : tokens.shape[1]][~padding], atol=1e-4)
    assert torch.allclose(image_tokens, seen[:, 1:], atol=1e-3)


@pytest.mark.parametrize("name", baselines.TRAINABLE)
def test_they_take_the_samples_of_clipmat(name, scenes):
    from rimlib.profile import Train
    from rimlib.refmatte.dataset import RefMatte
    from rimlib.training.batches import Key
    from rimlib.training.samples import Samples

    samples = Samples(RefMatte(scenes, split="train"), Train(sentences=2, cache="never"), 64)
    batch = samples.collate([samples[Key(0, index, 0)] for index in range(2)])
    inputs = batch.on("cpu")
    method = baselines.get(name, "tiny", "random").train()
    output = method(inputs["images"], batch.texts, inputs["image_index"])
    assert output.alpha.shape == (4, 1, 64, 64) and output.score.shape == (4,)
    parts = method.loss(output, inputs["mattes"])
    parts["total"].backward()
    assert all(parameter.grad is not None for parameter in method.trainable_parameters() if name == "clipseg")
    assert any(
        parameter.grad.abs().max() > 0 for parameter in method.trainable_parameters() if parameter.grad is not None
    )
