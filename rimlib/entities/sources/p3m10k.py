"""P3M-10k: portraits with blurred faces. Paper: Table S1, 9,186 of the 9,421 training pictures, 485 and 492 of the two test sets.

Which 235, 15 and 8 pictures were dropped the paper doesn't say (it writes "all", Sec. 3.1); here all are used, and a table of
corrections can drop some. The second test set (P3M-500-NP) shows people of public pictures with their faces.
"""

from __future__ import annotations

from pathlib import Path

from rimlib.entities.sources import public
from rimlib.entities.sources.common import Part, Source
from rimlib.entities.sources.report import Report

LAYOUT = public.Layout(
    mark="p3m10k",
    title="P3M-10k",
    roots=("P3M-10k", "P3M-10K", "P3M10k"),
    kind="person",
    licence="P3M-10k release agreement",
    credit="Li et al., Privacy-preserving portrait matting, ACM MM 2021",
    parts=(
        Part("train", "train/mask", "train/blurred_image", public=9421, paper=9186),
        Part("test", "validation/P3M-500-P/mask", "validation/P3M-500-P/blurred_image", public=500, paper=485),
        Part("test", "validation/P3M-500-NP/mask", "validation/P3M-500-NP/original_image", public=500, paper=492),
    ),
)


def read(folder: str | Path, deep: bool = False, least: int | None = None) -> Source:
    """P3M-10k/train/{blurred_image,mask}, P3M-10k/validation/P3M-500-{P/blurred_image,NP/original_image,P/mask,NP/mask}."""
    return public.read(LAYOUT, folder, deep, least)


def check(folder: str | Path, deep: bool = False) -> Report:
    return read(folder, deep).report
