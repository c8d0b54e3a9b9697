"""Table 11 against the real model of ViT-B/16: every size, and what a changed model would show."""

import dataclasses
import json

import pytest

from rimlib.clipmat import table11


@pytest.fixture(scope="module")
def table():
    return table11.rows("paper-b16")


def test_every_size_is_the_tables(table):
    assert len(table) == 34 and not [row for row in table if row.differs]
    sizes = {(row.part, row.block): row.ours for row in table}
    assert sizes["CLIP text encoder", "T_1"] == (77, 512)
    assert sizes["MDE, level 2", "out"] == (192, 128, 128)
    assert sizes["Details decoder", "D_1"] == (32, 512, 512)


def test_parameters_are_those_of_published_clip_and_of_the_table(table):
    """CLIP ViT-B/16's two towers as counted by hand from their widths, and one decoder stage."""
    width, text = 768, 512
    block = lambda d: 12 * d * d + 13 * d           # attention 4d²+4d, perceptron 8d²+5d, two norms 4d
    found = {(row.part, row.block): row.parameters for row in table}
    assert sum(found["CLIP image encoder", f"T_{group}"] for group in (1, 2, 3, 4)) == 12 * block(width)
    assert found["CLIP text encoder", "T_1"] == 12 * block(text)
    assert found["Details decoder", "D_4"] == 768 * 384 * 9 + 384 * 384 * 9 + 4 * 384
    assert found["MDE, level 4", "out"] == 768 * 768 * 9 + 2 * 768


def test_a_difference_is_counted_and_shown(table, monkeypatch, capsys):
    wrong = [dataclasses.replace(table[0], ours=(22, 512)), *table[1:]]
    monkeypatch.setattr(table11, "rows", lambda profile: wrong)
    table11.main([])
    said = capsys.readouterr().out
    assert "22 x 512  (the table: 77 x 512)" in said and "1 differences in size" in said
    table11.main(["--json"])
    assert json.loads(capsys.readouterr().out)["differences"] == 1
