"""AM-2k: 2,000 photographs of 20 kinds of animals. Paper: Table S1, all 1,800 training and 200 validation pictures are used."""

from __future__ import annotations

from pathlib import Path

from rimlib.entities.sources import public
from rimlib.entities.sources.common import Part, Source
from rimlib.entities.sources.report import Report

LAYOUT = public.Layout(
    mark="am2k",
    title="AM-2k",
    roots=("AM-2k", "AM2k", "AM-2K"),
    kind="animal",
    licence="AM-2k release agreement",
    credit="Li et al., Bridging composite and real: towards end-to-end deep image matting, IJCV 2022",
    parts=(
        Part("train", "train/mask", "train/original", "train/fg", optional=True, public=1800, paper=1800),
        Part("test", "validation/mask", "validation/original", public=200, paper=200),
    ),
)


def read(folder: str | Path, deep: bool = False, least: int | None = None) -> Source:
    """AM-2k/train/{original,mask,fg} and AM-2k/validation/{original,mask}. See `public.read`."""
    return public.read(LAYOUT, folder, deep, least)


def check(folder: str | Path, deep: bool = False) -> Report:
    return read(folder, deep).report
