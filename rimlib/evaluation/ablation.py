"""Modules of CLIPMat that can be switched off, and their replacements.

Paper: Table 3, which lists the modules that are off in each of its rows, and not what takes their place. A model with a
switch off has the same three steps and the same output as one with it on.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from rimlib.clipmat.clip_weights import create_clip
from rimlib.clipmat.model import CLIPMat
from rimlib.profile import Model, Profile


@dataclass(frozen=True)
class Ablation:
    """A setting `model.NAME` that is true or false.

    Attributes:
        name: of the setting.
        what: it switches on.
        paper: where the paper describes it.
        in_paper: its value in the paper's own model.
        replacement: used where it is off.
    """

    name: str
    what: str
    paper: str
    in_paper: bool
    replacement: str


ABLATIONS = (
    Ablation(
        "tsp",
        "TSP: image tokens attend to the text tokens, then to each other",
        "Sec. 4.3, Eq. 1-5; Table 3, TSP",
        True,
        "`popup.PlainFusion`: each image token times one vector of the whole text, then Eq. 5; no attention",
    ),
    Ablation(
        "mde",
        "MDE: the image and all four groups of blocks go to the details decoder",
        "Sec. 4.4, Eq. 6-9; Table 3, MDE",
        True,
        "`details.PlainSkip`: the last group's output through a 1x1 convolution into D4, nothing more into D3 to D1",
    ),
    Ablation(
        "pre_context",
        "a template makes a sentence of a keyword",
        "Sec. 4.2, S3, Table 8; Table 3, Pre-CP",
        True,
        "the bare keyword, in training and in scoring (`prompt.templates`, `prompt.template`); the network is the same",
    ),
    Ablation(
        "post_context",
        "learnable vectors follow the words",
        "Sec. 4.2; Table 3, Post-CP",
        True,
        "none: the input of the text encoder is the words alone",
    ),
    Ablation(
        "details_text",
        "TSP's map joins D4 of the details decoder",
        "left open",
        False,
        "nothing: the details are the same for every sentence; only the trimap is conditioned on the text",
    ),
    Ablation(
        "score_map",
        "the pixel-text score map, by CLIP's own projections, joins TSP",
        "not in it",
        False,
        "nothing: CLIP's projections are dropped (Sec. 4.3)",
    ),
    Ablation(
        "coordinates",
        "TSP's image tokens know their place in the image",
        "not in it",
        False,
        "nothing: of a token's place is known what the image encoder's own positions have of it",
    ),
    Ablation(
        "popup_residual",
        "the image tokens are added to the output of the cross-attention",
        "not in it (Eq. 3)",
        False,
        "Eq. 3 as it is printed, without the sum; without TSP the switch does nothing",
    ),
    Ablation(
        "mask_padding",
        "nothing attends to the padding of a sentence",
        "not in it",
        False,
        "the padding after the words is encoded and attended to, as CLIP's own text encoder is read",
    ),
)

# The rows of Table 3, first to last: (tsp, mde, pre_context, post_context).
TABLE_3 = (
    (False, False, False, False),
    (True, False, False, False),
    (True, True, False, False),
    (True, True, True, False),
    (True, True, False, True),
    (True, True, True, True),
)


def table(profile: Profile) -> list[dict[str, Any]]:
    """A row for each switch: the fields of `Ablation`, `on` in this profile, and the `parameters` that it adds."""
    rows = []
    for ablation in ABLATIONS:
        on, off = (parameters(profile.model, **{ablation.name: value}) for value in (True, False))
        rows.append({**asdict(ablation), "on": getattr(profile.model, ablation.name), "parameters": on - off})
    return rows


def table_3(profile: Profile) -> list[dict[str, Any]]:
    """A row for each of Table 3's: the four switches and the model's `parameters`; all else is as in the profile."""
    rows = [dict(zip((ablation.name for ablation in ABLATIONS[:4]), values)) for values in TABLE_3]
    return [{**row, "parameters": parameters(profile.model, **row)} for row in rows]


def parameters(settings: Model, **changes: Any) -> int:
    """The number of parameters of a model of these settings, some of them changed; built on the meta device."""
    settings = replace(settings, **changes)
    with torch.device("meta"):
        model = CLIPMat(settings, *create_clip(settings, "random"))
    return sum(value.numel() for value in model.parameters())
