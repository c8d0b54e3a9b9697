"""Table 11 against the real models: every size, every reason, and what a changed model would show."""

import dataclasses
import json

import pytest
import torch

from rimlib import printed, profile
from rimlib.clipmat.model import CLIPMat
from rimlib.evaluation import table11
from rimlib.experiments import table11 as layers


@pytest.fixture(scope="module")
def model():
    return table11.empty_model("paper-b16")


@pytest.fixture(scope="module")
def table(model):
    return table11.rows(model=model)


def test_every_size_is_the_tables(table):
    assert len(table) == 34 and not [row for row in table if row.differs_in_size]
    sizes = {(row.part, row.block): row.measured for row in table}
    assert sizes["CLIP text encoder", "T_1"] == (77, 512)
    assert sizes["MDE, level 2", "norm_img"] == (384, 128, 128) and sizes["MDE, level 2", "out"] == (192, 128, 128)
    assert sizes["Details decoder", "D_1"] == (32, 512, 512)


def test_the_printed_sizes_are_those_of_the_claims(table):
    claims = printed.tables()["table11"]
    sizes = {(row.part, row.block): row.table for row in table}
    for part, row in claims.labels:
        there = [claims.numbers.get((part, row, f"size {place}")) for place in (1, 2, 3)]
        assert part == "MDE" or tuple(int(number.value) for number in there if number) == sizes[part, row], (part, row)


def test_the_layers_numbers_are_read_off_the_modules(table, model):
    found = layers.layers(model, table)
    assert found["CLIP text encoder, T_1"].items() >= {"of_keywords": 22, "size_1": 77, "heads": 8, "times": 12}.items()
    assert found["CLIP image encoder, conv1"].items() >= {"kernel": 16, "stride": 16, "width": 768}.items()
    assert found["TSP, cross_attn"].items() >= {"heads": 4, "width": 256, "dropout": 0.1}.items()
    assert found["Details decoder, D_3"].items() >= {"kernel": 3, "stride": 1, "times": 2, "upsample": 2}.items()
    assert found["MDE, norm_img"]["size_1"] == 384 and "size_2" not in found["MDE, norm_img"], "a formula of the level"


def test_parameters_are_those_of_published_clip_and_of_the_table(table, model):
    """CLIP ViT-B/16's two towers as counted by hand from their widths, and one decoder stage."""
    width, text = 768, 512
    block = lambda d: 12 * d * d + 13 * d  # attention 4d²+4d, perceptron 8d²+5d, two norms 4d
    found = {(row.part, row.block): row.parameters for row in table}
    assert sum(found["CLIP image encoder", f"T_{group}"] for group in (1, 2, 3, 4)) == 12 * block(width) + 2 * width
    assert found["CLIP text encoder", "T_1"] == 12 * block(text) + 2 * text
    assert found["CLIP text encoder", "embed"] == (49408 + 77 + 8) * text
    assert found["Details decoder", "D_4"] == 768 * 384 * 9 + 384 * 384 * 9 + 4 * 384
    assert found["MDE, level 4", "out"] == 768 * 768 * 9 + 2 * 768
    assert sum(found.values()) == sum(value.numel() for value in model.parameters()), "a parameter in no row, or in two"


def test_words_name_rows_and_what_is_built(table, model):
    assert set(table11.KNOWN_DIFFERENCES) <= {(row.part, row.block) for row in table}
    assert table11.summary(table)["differences_in_wording"] == len(table11.KNOWN_DIFFERENCES)
    conv1 = model.backbone.visual.conv1
    assert conv1.kernel_size == conv1.stride == (16, 16) and conv1.bias is None
    assert len(model.backbone.transformer.resblocks) == 12
    decoders = (*model.semantic.modules(), *model.details.modules())
    convolutions = [module for module in decoders if isinstance(module, torch.nn.Conv2d)]
    assert len(convolutions) == 14 and {(module.stride, module.padding) for module in convolutions} == {
        ((1, 1), (1, 1))
    }


def test_another_backbone_is_wider_and_that_is_explained():
    large = table11.empty_model("paper-l14")
    large.backbone.visual.transformer.resblocks = large.backbone.visual.transformer.resblocks[::6]  # 4 of 24: seconds
    table = table11.rows(model=large)
    wider = {(row.part, row.block): row for row in table if row.differs_in_size}
    assert wider["CLIP image encoder", "T_3"].measured == (1025, 1024) and wider[
        "CLIP text encoder", "T_1"
    ].measured == (77, 768)
    assert {row.part for row in wider.values() if "MDE" in row.part} == {
        f"MDE, level {level}" for level in (1, 2, 3, 4)
    }
    assert all("1024 wide" in row.size_reason for row in wider.values()) and table11.summary(table)["unexplained"] == 0


def test_a_changed_model_is_unexplained(capsys, monkeypatch):
    settings = profile.load("tiny", model__image_size=512, model__text_length=69, model__semantic_width=48)
    table = table11.rows(model=CLIPMat.from_profile(settings, "random").eval())
    row = next(row for row in table if (row.part, row.block) == ("Semantic decoder", "D_2"))
    assert row.measured == (48, 128, 128) and row.differs_in_size and not row.is_known
    assert next(row for row in table if row.block == "T_1").is_known  # narrower, as its backbone is
    monkeypatch.setattr(table11, "rows", lambda name: table)
    assert table11.main([]) == 1
    assert "48 x 128 x 128   32 x 128 x 128" in (printed := capsys.readouterr().out) and "[7] UNEXPLAINED" in printed


def test_the_command_prints_rows_and_differences(table, monkeypatch, capsys):
    monkeypatch.setattr(table11, "rows", lambda name: table)
    assert table11.main([]) == 0
    *printed, last = capsys.readouterr().out.splitlines()
    totals = json.loads(last)
    assert totals["rows"] == 34 and totals["differences"] == 13 and totals["unexplained"] == 0
    assert max(map(len, printed)) < 120 and not any("UNEXPLAINED" in line for line in printed)
    table11.main(["--json"])
    as_json = json.loads(capsys.readouterr().out)
    assert as_json["differences"] == sum(row["differs"] for row in as_json["rows"])
    wrong = [dataclasses.replace(table[0], measured=(22, 512)), *table[1:]]
    assert table11.summary(wrong)["differences_in_size"] == table11.summary(wrong)["unexplained"] == 1
