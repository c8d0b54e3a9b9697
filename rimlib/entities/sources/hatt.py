"""HATT, also called Distinctions-646. Paper: Table S1, 210 of 596 training foregrounds and 40 of 50 test foregrounds.

People are left out (Sec. 3.1): file names tell many of them, a table of corrections (`keep=0`) the rest.
"""

from __future__ import annotations

from pathlib import Path

from rimlib.entities.sources import public
from rimlib.entities.sources.common import Part, Source
from rimlib.entities.sources.report import Report

LAYOUT = public.Layout(
    mark="hatt",
    title="HATT (Distinctions-646)",
    roots=("Distinctions-646", "Distinctions646", "HATT"),
    kind="thing",
    licence="Distinctions-646 terms, on request",
    credit="Qiao et al., Attention-guided hierarchical structure aggregation for image matting, CVPR 2020",
    people=False,
    least=512,
    parts=(
        Part("train", "Train/GT", foregrounds="Train/FG", public=596, paper=210),
        Part("test", "Test/GT", foregrounds="Test/FG", public=50, paper=40),
    ),
)


def read(folder: str | Path, deep: bool = False, least: int | None = None) -> Source:
    """Distinctions-646/{Train,Test}/{FG,GT}. See `public.read`."""
    return public.read(LAYOUT, folder, deep, least)


def check(folder: str | Path, deep: bool = False) -> Report:
    return read(folder, deep).report
