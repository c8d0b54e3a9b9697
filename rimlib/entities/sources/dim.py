"""DIM, the Deep Image Matting set of Adobe. Paper: Table S1, 224 of 431 training foregrounds and 38 of 50 test foregrounds.

People are left out (Sec. 3.1): file names tell many of them, a table of corrections (`keep=0`) the rest. The paper calls all that
it takes from here objects.
"""

from __future__ import annotations

from pathlib import Path

from rimlib.entities.sources import public
from rimlib.entities.sources.common import Part, Source
from rimlib.entities.sources.report import Report

LAYOUT = public.Layout(
    mark="dim",
    title="DIM",
    roots=("Combined_Dataset", "Adobe_Deep_Matting_Dataset/Combined_Dataset", "DIM"),
    kind="thing",
    licence="Adobe Deep Image Matting dataset licence, on request",
    credit="Xu et al., Deep image matting, CVPR 2017",
    people=False,
    least=512,
    parts=(
        Part("train", "Training_set/Adobe-licensed images/alpha", foregrounds="Training_set/Adobe-licensed images/fg"),
        Part("train", "Training_set/Other/alpha", foregrounds="Training_set/Other/fg", paper=224),
        Part(
            "test",
            "Test_set/Adobe-licensed images/alpha",
            foregrounds="Test_set/Adobe-licensed images/fg",
            public=50,
            paper=38,
        ),
    ),
)


def read(folder: str | Path, deep: bool = False, least: int | None = None) -> Source:
    """Combined_Dataset/Training_set/{Adobe-licensed images,Other}/{alpha,fg}, Test_set/Adobe-licensed images/{alpha,fg}.

    least: pixels of the shorter side; 512, the input of the paper's model, unless told (the paper gives no number).
    """
    return public.read(LAYOUT, folder, deep, least)


def check(folder: str | Path, deep: bool = False) -> Report:
    return read(folder, deep).report
