"""Each module switched off: the same interface, another network, and one that still learns."""

import dataclasses
from dataclasses import replace

import pytest
import torch

from rimlib import profile as profiles
from rimlib.clipmat import CLIPMat, prompt
from rimlib.clipmat.clip_weights import create_clip
from rimlib.clipmat.losses import clipmat_loss
from rimlib.errors import RimError
from rimlib.evaluation import ablation
from rimlib.evaluation.ablation import ABLATIONS, TABLE_3

SIZE = 32
TINY = profiles.load("tiny", model__image_size=SIZE, model__text_length=16, model__dropout=0.0)
# The paper's switches at the tiny model's sizes.
PAPER = replace(TINY, model=replace(TINY.model, **{switch.name: switch.in_paper for switch in ABLATIONS}))
NETWORK = [switch.name for switch in ABLATIONS if switch.name != "pre_context"]


def build(settings):
    torch.manual_seed(0)
    return CLIPMat(settings, *create_clip(settings, "random"))


def flipped(profile, name):
    return replace(profile.model, **{name: not getattr(profile.model, name)})


def data(model):
    torch.manual_seed(1)
    classes = torch.zeros(3, SIZE, SIZE, dtype=torch.int64)
    classes[:, 8:24, 8:24], classes[:, 12:20, 12:20] = 1, 2
    return (
        torch.rand(2, 3, SIZE, SIZE),
        model.tokenize(["the red dog", "the net", "a vase"]),
        torch.tensor([0, 1, 1]),
        classes,
    )


def test_every_switch_is_in_the_table_with_the_papers_value():
    settings = profiles.load("tiny").model
    fields = [field.name for field in dataclasses.fields(settings)]
    assert {name for name in fields if isinstance(getattr(settings, name), bool)} == {
        switch.name for switch in ABLATIONS
    }
    for settings in (profiles.load("paper-b16").model, profiles.load("paper-l14").model):
        assert [switch.in_paper for switch in ABLATIONS] == [getattr(settings, switch.name) for switch in ABLATIONS]


@pytest.mark.parametrize(
    "changes",
    [
        {"text_length": 2},
        {"context": -1},
        {"popup_heads": 0},
        {"popup_out": 0},
        {"details_width": 0},
        {"details_out": (64, 32, 16, 0)},
        {"details_channels": (), "details_out": ()},
    ],
)
def test_sizes_of_nothing_are_refused(changes):
    with pytest.raises(RimError) as caught:
        build(replace(TINY.model, **changes))
    assert caught.value.setting == f"model.{next(iter(changes))}"


@pytest.mark.parametrize("name", NETWORK)
@pytest.mark.parametrize("profile", [TINY, PAPER], ids=["tiny", "paper"])
def test_each_switch_gives_a_model_of_the_same_interface_that_learns(profile, name):
    model = build(flipped(profile, name)).train()
    images, tokens, index, classes = data(model)
    alpha, losses = (classes / 2.0)[:, None], []
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for step in range(6):
        output = model(images, tokens, index)
        losses.append(clipmat_loss(output, alpha, classes)["total"])
        optimizer.zero_grad()
        losses[-1].backward()
        if step == 0:
            # The collaboration may call nothing unknown at first; all else must be reached.
            assert [key for key, value in model.named_parameters() if value.numel() and value.grad is None] == []
        optimizer.step()
    assert losses[-1] < losses[0]
    model.eval()
    with torch.inference_mode():
        text = model.encode_text(tokens)
        steps = model.matte(model.encode_image(images).select(index), text)
        whole = model(images, tokens, index)
    assert steps.trimap_logits.shape == (3, 3, SIZE, SIZE) and steps.detail.shape == steps.alpha.shape == (
        3,
        1,
        SIZE,
        SIZE,
    )
    assert steps.score.shape == (3,) and text.sentence.shape == (3, 192)
    torch.testing.assert_close(steps.detail, whole.detail, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", NETWORK)
def test_each_switch_changes_the_models_output(name):
    one, other = build(PAPER.model).eval(), build(flipped(PAPER, name)).eval()
    other.load_state_dict(
        {
            key: value
            for key, value in one.state_dict().items()
            if key in other.state_dict() and value.shape == other.state_dict()[key].shape
        },
        strict=False,
    )
    images, tokens, index, _ = data(one)
    with torch.inference_mode():
        for part in (one, other):
            for key, value in part.named_parameters():
                if value.ndim > 1 and not key.startswith("backbone."):
                    value.mul_(4)  # the effect of fresh weights is small
        first, second = one(images, tokens, index), other(images, tokens, index)
    assert (
        max((first.trimap_logits - second.trimap_logits).abs().max(), (first.detail - second.detail).abs().max()) > 1e-2
    )


def test_without_tsp_a_patch_depends_on_the_text_and_on_no_other_patch():
    model = build(replace(PAPER.model, tsp=False)).eval()
    torch.manual_seed(0)
    visual, text = torch.randn(1, 1 + 4, 192), torch.randn(1, 5, 192)
    moved = visual.clone()
    moved[:, 2] = torch.randn(192)  # the second patch: row 0, column 1
    with torch.inference_mode():
        change = (model.popup(visual, text) - model.popup(moved, text)).abs().amax(dim=1)[0]
        changed = (model.popup(visual, text) - model.popup(visual, text + torch.randn_like(text))).abs().amax(dim=1)[0]
    assert change[0, 1] > 1e-3 and change.flatten()[[0, 2, 3]].max() == 0 and (changed > 1e-3).all()
    with_tsp = build(PAPER.model).eval().popup
    with torch.inference_mode():
        assert ((with_tsp(visual, text) - with_tsp(moved, text)).abs().amax(dim=1) > 1e-6).all()


def test_without_mde_the_details_come_from_the_last_blocks_alone():
    model = build(replace(PAPER.model, mde=False)).eval()
    with torch.inference_mode():
        features = model.encode_image(data(model)[0])
        expected = model.extractors[0](features.levels[-1])
    assert len(features.details) == 1 and features.details[0].equal(expected) and expected.shape == (2, 96, 2, 2)


def test_without_the_post_embedding_context_the_words_are_read_alone():
    model = build(replace(PAPER.model, post_context=False))
    assert model.context.vectors.shape == (0, 192) and model.encode_text(data(model)[1]).tokens.shape[1] == 16
    assert build(PAPER.model).encode_text(data(model)[1]).tokens.shape[1] == 16 + 8


@pytest.mark.parametrize("on", [True, False])
def test_training_uses_templates_or_the_bare_keyword(on, make_scenes, tmp_path, monkeypatch):
    from rimlib.sentences import THE
    from rimlib.training import clipmat, samples

    real, drawn, texts = samples.Samples.__getitem__, [], []

    def getitem(self, key):
        found = real(self, key)
        drawn.append(self.templates)
        texts.extend(found.texts)
        return found

    monkeypatch.setattr(samples.Samples, "__getitem__", getitem)
    profile = replace(
        TINY,
        model=replace(TINY.model, pre_context=on),
        train=replace(TINY.train, keyword_share=1.0, images=8, no_target=0.0, workers=0),
    )
    clipmat.train(
        profile, make_scenes(tmp_path / "data", 4), tmp_path / "out", steps=1, weights="random", progress=False
    )
    asked = (THE,) if on else ()  # the form in which the model is asked
    assert set(drawn) == {(*prompt.templates(profile.model), *asked)}
    assert (set(texts) == {"disc", "box"}) is not on


def test_the_table_counts_what_each_switch_adds():
    rows = {row["name"]: row for row in ablation.table(TINY)}
    model = build(TINY.model)
    count = lambda part: sum(value.numel() for value in part.parameters())
    attentions = count(model.popup.cross_attn) + count(model.popup.self_attn)
    assert rows["tsp"]["parameters"] == attentions
    assert rows["mde"]["parameters"] == count(model.extractors) - (192 * 96 + 96)
    assert rows["post_context"]["parameters"] == 8 * 192 and rows["score_map"]["parameters"] == count(model.score_map)
    assert rows["details_text"]["parameters"] == count(model.details_text)
    assert rows["pre_context"]["parameters"] == rows["popup_residual"]["parameters"] == 0
    assert [row["on"] for row in rows.values()] == [getattr(TINY.model, name) for name in rows]
    assert ablation.parameters(TINY.model) == count(model)


def test_the_rows_of_table_3():
    """Its check marks: TSP, MDE, Pre-CP, Post-CP."""
    marks = ["", "T", "TM", "TM1", "TM2", "TM12"]
    assert ["".join(letter for letter, on in zip("TM12", row) if on) for row in TABLE_3] == marks
    rows = ablation.table_3(PAPER)
    counted = [row.pop("parameters") for row in rows]
    assert [tuple(row.values()) for row in rows] == list(TABLE_3) and list(rows[0]) == [
        "tsp",
        "mde",
        "pre_context",
        "post_context",
    ]
    assert (
        counted[0]
        < counted[1]
        < counted[2]
        == counted[3]
        < counted[4]
        == counted[5]
        == ablation.parameters(PAPER.model)
    )
