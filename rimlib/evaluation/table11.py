"""Table 11 of the supplement, row by row, against the modules that are built here.

    python -m rimlib.evaluation.table11                        # ViT-B/16 at 512 x 512, expression setting
    python -m rimlib.evaluation.table11 --profile paper-l14

Paper: Supplement Sec. 3, Table 11.

A row's size is what forward hooks on the literal modules record while one image and one sentence pass through the
model. A row can differ in size, or in its wording: what the table states and what is built. Each difference has its
reason; one without a reason is a mistake, and the command ends with 1.

The known differences and the table's blocks make this file long.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import NamedTuple

import torch
from torch import nn

from rimlib import profile as profiles
from rimlib.clipmat.attention import SelfAttention
from rimlib.clipmat.details import DetailsExtractor
from rimlib.clipmat.model import CLIPMat
from rimlib.clipmat.popup import Attention

PAPER = {"L": 77, "Dt": 512, "1+N": 1025, "Dv": 768, "Dv/2": 384}  # the sizes that the table prints, of ViT-B/16

TEXT, IMAGE, SEMANTIC, DETAILS = "CLIP text encoder", "CLIP image encoder", "Semantic decoder", "Details decoder"
CM = "Collaborative matting"
STRIDE = "the table has stride 3; its own output sizes require stride 1 and padding 1"
# By (part, block): what is built, where the table's wording is another.
KNOWN_DIFFERENCES = {
    (TEXT, "T_1"): "the table prints one block; CLIP's text encoder has 12 and a layer norm after them",
    (IMAGE, "conv1"): "the table's 3x3, BN and ReLU are not CLIP's: its patch embedding is 16x16, stride 16, alone",
    (
        IMAGE,
        "embed",
    ): "the table has tokens before the batch, and not CLIP's layer norm before the blocks, counted here",
    (IMAGE, "T_4"): "CLIP's layer norm after the blocks, counted here, is not in the table; TSP gets its output",
    ("TSP", "out"): "Eq. 5 has a layer norm and a perceptron, whose last layer is the table's 1x1 convolution",
    **{(SEMANTIC, f"D_{stage}"): STRIDE for stage in (2, 1)},
    **{(DETAILS, f"D_{stage}"): STRIDE for stage in (4, 3, 2, 1)},
    (DETAILS, "D_0"): "a sigmoid follows, which the table leaves out: alpha is between 0 and 1",
    (CM, "CM"): "a product and a sum, as in GFM: detail where the trimap is unknown, 1 where it is foreground",
}
Size = tuple[int, ...]


@dataclass(frozen=True)
class Row:
    """One row of the table: a block of a part of the model."""

    part: str
    block: str
    table: Size  # the printed output size of ViT-B/16, without the batch
    measured: Size  # the size in a forward pass
    parameters: int  # of the block; over all rows they are the model's
    size_reason: str = ""  # why the size is another; empty where it is not, or where no reason is known
    known_difference: str = ""  # what is built where the table's wording is another

    @property
    def differs_in_size(self) -> bool:
        """Whether the measured size is not the printed one."""
        return self.table != self.measured

    @property
    def differs(self) -> bool:
        """Whether size or wording differ."""
        return self.differs_in_size or bool(self.known_difference)

    @property
    def is_known(self) -> bool:
        """Whether a difference in size has a reason."""
        return bool(self.size_reason) or not self.differs_in_size


class Probe(NamedTuple):
    """Where a row is measured: an output of `module`, or an input; `call` counts the calls of one forward pass."""

    module: nn.Module
    call: int = 0
    is_input: bool = False


def rows(profile_name: str = "paper-b16", model: CLIPMat | None = None) -> list[Row]:
    """The table's rows for a paper profile, or for a literal `CLIPMat` that is built already."""
    model = empty_model(profile_name) if model is None else model
    width = model.backbone.image_width  # only the backbone's widths may be others than `PAPER`'s
    own = {**PAPER, "Dt": model.backbone.text_width, "Dv": width, "Dv/2": width // 2}
    blocks = list(_blocks(model))
    table = []
    for (part, block, names, holders, _), size in zip(blocks, _measure(model, [probe for *_, probe in blocks])):
        printed, expected = (tuple(known.get(name, name) for name in names) for known in (PAPER, own))
        reason = f"the table is of ViT-B/16; here {_backbone(model)}" if size == expected != printed else ""
        table.append(Row(part, block, printed, size, _count(holders), reason, KNOWN_DIFFERENCES.get((part, block), "")))
    return table


def empty_model(profile_name: str) -> CLIPMat:
    """The profile's model, its weights not initialised: sizes do not depend on them, and drawing them takes seconds."""
    with torch.device("meta"):
        model = CLIPMat.from_profile(profiles.load(profile_name), "random")
    return model.to_empty(device="cpu").eval()


def layer_numbers(model: CLIPMat) -> list[dict[str, float]]:
    """What the table's last column prints of each row, as `model` has it: kernel, width, stride, heads, dropout, times.

    Read off the modules themselves, for the rows of `rows`. A linear layer on tokens is a 1x1 convolution. `times` is
    the number of convolutions or of transformer blocks, `upsample` the factor of what follows.
    """
    return [_numbers_of(holders, probe.module) for *_, holders, probe in _blocks(model)]


def _numbers_of(holders: Iterable[nn.Module | nn.Parameter], after: nn.Module) -> dict[str, float]:
    modules = [module for holder in holders if isinstance(holder, nn.Module) for module in holder.modules()]
    convolutions = [module for module in modules if isinstance(module, nn.Conv2d)]
    linears = [module for module in modules if isinstance(module, nn.Linear)]
    encoders = [module for module in modules if isinstance(module, SelfAttention)]
    attentions = [module for module in modules if isinstance(module, Attention)]
    found: dict[str, float] = {}
    if encoders:
        width, heads = encoders[0].in_proj_weight.shape[1], encoders[0].num_heads
        found = {"width": width, "heads": heads, "times": len(encoders)}
    elif attentions:
        first = attentions[0]
        found = {"width": first.query.out_features, "heads": first.heads, "times": len(attentions)}
        found["dropout"] = first.dropout.p
    elif convolutions:
        last = convolutions[-1]
        found = {"kernel": last.kernel_size[0], "width": last.out_channels, "stride": last.stride[0]}
        found["times"] = len(convolutions)
    elif linears:
        found = {"kernel": 1, "width": linears[-1].out_features, "stride": 1, "times": 1}
    if isinstance(after, nn.Upsample):
        found["upsample"] = int(after.scale_factor)  # type: ignore[arg-type]
    return found


def summary(table: list[Row]) -> dict[str, int]:
    """Numbers of rows, of those that differ (in size, in wording, without a reason), and of parameters."""
    return {
        "rows": len(table),
        "differences": sum(row.differs for row in table),
        "differences_in_size": sum(row.differs_in_size for row in table),
        "differences_in_wording": sum(bool(row.known_difference) for row in table),
        "unexplained": sum(not row.is_known for row in table),
        "parameters": sum(row.parameters for row in table),
    }


def _blocks(model: CLIPMat) -> Iterable[tuple]:
    """(part, block, printed size, holders of its parameters, probe) of each row; sizes by name where the backbone's."""
    clip, visual, popup = model.backbone, model.backbone.visual, model.popup
    semantic, details = model.semantic, model.details
    embeddings = (clip.token_embedding, clip.positional_embedding, model.context)
    yield TEXT, "embed", ("L", "Dt"), embeddings, Probe(clip.transformer.resblocks[0].ln_1, is_input=True)
    yield TEXT, "T_1", ("L", "Dt"), (clip.transformer, clip.ln_final), Probe(clip.ln_final)
    yield IMAGE, "conv1", ("Dv", 32, 32), (visual.conv1,), Probe(visual.conv1)
    embeddings = (visual.class_embedding, visual.positional_embedding, visual.ln_pre)
    yield IMAGE, "embed", ("1+N", "Dv"), embeddings, Probe(visual.ln_pre)
    blocks = visual.transformer.resblocks
    quarter = len(blocks) // 4
    for number in (1, 2, 3):  # the output of a group is the input of the next
        group, after = blocks[(number - 1) * quarter : number * quarter], blocks[number * quarter]
        yield IMAGE, f"T_{number}", ("1+N", "Dv"), (group,), Probe(after.ln_1, is_input=True)
    yield IMAGE, "T_4", ("1+N", "Dv"), (blocks[3 * quarter :], visual.ln_post), Probe(visual.ln_post)
    for name, length in (("norm_visual", "1+N"), ("norm_text", "L"), ("cross_attn", "1+N"), ("self_attn", "1+N")):
        yield "TSP", name, (length, 256), (getattr(popup, name),), Probe(getattr(popup, name))
    yield "TSP", "out", (64, 32, 32), (popup.out,), Probe(popup)
    yield SEMANTIC, "D_2", (32, 128, 128), (semantic.d2,), Probe(semantic.upsample, 0)
    yield SEMANTIC, "D_1", (32, 512, 512), (semantic.d1,), Probe(semantic.upsample, 1)
    yield SEMANTIC, "D_0", (3, 512, 512), (semantic.d0,), Probe(semantic.d0)
    for extract, width in zip(
        _extractors(model), (768, 384, 192, 96)
    ):  # the table's D_i: Supplement 4.1 has the numbers
        part, side = f"MDE, level {extract.level}", 512 // 2**extract.level
        yield part, "norm_visual", ("Dv/2", side, side), (extract.norm_visual,), Probe(extract.upsample)
        yield part, "norm_img", ("Dv/2", side, side), (extract.norm_image,), Probe(extract.maxpool)
        yield part, "out", (width, side, side), (extract.mix, extract.norm), Probe(extract)
    for number, (stage, width) in enumerate(zip(details.stages, (384, 192, 96, 32))):
        side = 64 * 2**number
        yield DETAILS, f"D_{4 - number}", (width, side, side), (stage,), Probe(details.upsample, number)
    yield DETAILS, "D_0", (1, 512, 512), (details.d0,), Probe(details.d0)
    yield CM, "CM", (1, 512, 512), (), Probe(model)


def _extractors(model: CLIPMat) -> list[DetailsExtractor]:
    return [extract for extract in model.extractors if isinstance(extract, DetailsExtractor)]


def _measure(model: CLIPMat, probes: list[Probe]) -> list[Size]:
    """Sizes at the probes, without the batch, while one image and one sentence pass through the model."""
    inputs: dict[nn.Module, list[Size]] = defaultdict(list)
    outputs: dict[nn.Module, list[Size]] = defaultdict(list)

    def record(module: nn.Module, given: tuple, output: torch.Tensor) -> None:
        inputs[module].append(tuple(given[0].shape[1:]))
        outputs[module].append(tuple(getattr(output, "alpha", output).shape[1:]))

    hooks = [module.register_forward_hook(record) for module in dict.fromkeys(probe.module for probe in probes)]
    image = torch.zeros(1, 3, model.image_size, model.image_size)
    with torch.no_grad():
        model(image, torch.zeros(1, model.text_length, dtype=torch.int64))
    for hook in hooks:
        hook.remove()
    return [(inputs if probe.is_input else outputs)[probe.module][probe.call] for probe in probes]


def _backbone(model: CLIPMat) -> str:
    image, text = model.backbone.visual.transformer.resblocks, model.backbone.transformer.resblocks
    return (
        f"the image encoder is {model.backbone.image_width} wide ({image[0].attn.num_heads} heads, {len(image) // 4} "
        f"blocks a group), the text encoder {model.backbone.text_width} ({text[0].attn.num_heads} heads)"
    )


def _count(holders: Iterable[nn.Module | nn.Parameter]) -> int:
    values = (holder.parameters() if isinstance(holder, nn.Module) else [holder] for holder in holders)
    return sum(value.numel() for some in values for value in some)


def main(arguments: list[str] | None = None) -> int:
    """Print the table; 1 if a difference is unexplained."""
    parser = argparse.ArgumentParser(prog="python -m rimlib.evaluation.table11", description="Table 11, row by row.")
    parser.add_argument("--profile", default="paper-b16", choices=("paper-b16", "paper-l14"), help="model of the paper")
    parser.add_argument("--json", action="store_true", help="all of it as one JSON value")
    options = parser.parse_args(arguments)
    table = rows(options.profile)
    totals = {"profile": options.profile, **summary(table)}
    if options.json:
        totals["rows"] = [{**asdict(row), "differs": row.differs, "is_known": row.is_known} for row in table]
    else:
        print("\n".join(_lines(table)))
    print(json.dumps(totals))
    return int(totals["unexplained"] != 0)


def _lines(table: list[Row]) -> Iterable[str]:
    reasons: list[str] = []
    yield f"{'part':22} {'block':12} {'output':16} {'in the table':16} {'parameters':>12}  why it differs"
    for row in table:
        why = [text for text in (row.size_reason, row.known_difference) if text]
        reasons += [text for text in why if text not in reasons]
        marks = " ".join(f"[{reasons.index(text) + 1}]" for text in why) + " UNEXPLAINED" * (not row.is_known)
        size, printed = (" x ".join(map(str, size)) for size in (row.measured, row.table))
        cells = f"{row.part:22} {row.block:12} {size:16} {printed if row.differs_in_size else 'the same':16}"
        yield f"{cells} {row.parameters:>12,}  {marks}".rstrip()
    yield from ("", *(f"[{number}] {text}" for number, text in enumerate(reasons, start=1)))


if __name__ == "__main__":
    sys.exit(main())
