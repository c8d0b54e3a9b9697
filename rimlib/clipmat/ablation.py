"""What can be switched off in CLIPMat, and what then stands in for it.

Paper: Table 3, which says which modules are off in each of its rows, and not what takes their place. A model with a
switch off has the same three steps and the same output as one with it on.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace


@dataclass(frozen=True)
class Switch:
    """One of the settings `model.…` that are true or false.

    `what` it is; `paper`: where the paper speaks of it; `in_paper`: its value in the paper's own model; `without`: what stands in.
    """

    name: str
    what: str
    paper: str
    in_paper: bool
    without: str


SWITCHES = (
    Switch(
        "tsp",
        "TSP: image tokens attend to the words, then to each other",
        "Sec. 4.3, Eq. 1-5; Table 3, TSP",
        True,
        "`popup.PlainFusion`: each image token times one vector of the whole text, then Eq. 5; no attention",
    ),
    Switch(
        "mde",
        "MDE: the image and all four groups of blocks go to the details decoder",
        "Sec. 4.4, Eq. 6-9; Table 3, MDE",
        True,
        "`details.PlainSkip`: the last group's output through a 1x1 convolution into D4, nothing more into D3 to D1",
    ),
    Switch(
        "pre_context",
        "a template makes a sentence of a keyword, before the tokens",
        "Sec. 4.2, S3, Table 8; Table 3, Pre-CP",
        True,
        "the bare keyword, in training and in scoring (`prompt.templates`, `prompt.template`); the network is the same",
    ),
    Switch(
        "post_context",
        "learnable vectors follow the words",
        "Sec. 4.2; Table 3, Post-CP",
        True,
        "none: the text encoder reads the words alone",
    ),
    Switch(
        "details_text",
        "TSP's map joins D4 of the details decoder",
        "left open",
        False,
        "nothing: the details are the same for every sentence on a picture, and only the trimap hears the words",
    ),
    Switch(
        "match",
        "how well each patch fits the sentence, by CLIP's own projections, joins TSP",
        "not in it",
        False,
        "nothing: CLIP's projections are dropped (Sec. 4.3)",
    ),
    Switch(
        "popup_residual",
        "the image tokens are added to what the cross-attention answers",
        "not in it (Eq. 3)",
        False,
        "Eq. 3 as it is printed: the answer alone; without TSP there is no such sum, and the switch does nothing",
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


def table(profile) -> list[dict]:
    """A row for each switch: the fields of `Switch`, `on` in this profile, and `parameters`, how many it adds to its model."""
    rows = []
    for switch in SWITCHES:
        on, off = (parameters(replace(profile.model, **{switch.name: value})) for value in (True, False))
        rows.append({**asdict(switch), "on": getattr(profile.model, switch.name), "parameters": on - off})
    return rows


def table_3(profile) -> list[dict]:
    """A row for each of Table 3's: the four switches and the model's `parameters`; all else is as in the profile."""
    names = [switch.name for switch in SWITCHES[:4]]
    return [
        {**(row := dict(zip(names, values))), "parameters": parameters(replace(profile.model, **row))}
        for values in TABLE_3
    ]


def parameters(settings) -> int:
    """The number of parameters of a model, which is built without memory for them."""
    import torch

    from rimlib.clipmat.clip_weights import create_clip
    from rimlib.clipmat.model import CLIPMat

    with torch.device("meta"):
        model = CLIPMat(settings, *create_clip(settings, "random"))
    return sum(value.numel() for value in model.parameters())
