"""The paper's Table 10: what a pre-trained CLIP is worth, and whether it should learn.

Paper: S4.3.3, Table 10, in the keyword setting. "Pre-trained" is here the contrast of regions and captions that gave
the small CLIP (chapter 04b_pretrain); the paper's third row, a CLIPMat that began from VGPhraseCut, needs that data
set.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from typing import Any

from rimlib import profile as profiles
from rimlib.experiments.frame import Row
from rimlib.experiments.trained import Change, on_sets, rows_of, table_of
from rimlib.refmatte.build import folder_of
from rimlib.training.record import Record

CHANGES = (
    Change("frozen", ("train.lr_image=0", "train.lr_text=0"), "CLIP as it is"),
    Change("frozen-words", ("train.lr_text=0",), "the text encoder as it is"),
    Change("all", (), "CLIP learns, at rates of its own"),
)


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """The rows, as `trained.rows_of` has them."""
    base = profiles.load(options.profile or "tiny")
    return rows_of(CHANGES, base, options, partial(on_sets, data=folder_of(base), images=options.images))


def tables(found: list[Record]) -> dict[str, list[dict[str, Any]]]:
    """The table, on scenes of seen and of unseen entities."""
    return {"table_10": table_of(found, CHANGES, ("sad", "mse", "mad", "localised", "sad_ratio"), "keyword")}
