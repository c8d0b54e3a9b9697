"""Table 11 of the supplement, row by row, against the modules that are built here.

    python -m rimlib.evaluation.table11                        # ViT-B/16 at 512 x 512, expression setting
    python -m rimlib.evaluation.table11 --profile paper-l14

Paper: Supplement Sec. 3, Table 11.

A row's size is what the real module gave in a real forward pass, with the enlargement that the table writes into the
same row. A row differs in size, or in words: what the table says of it and what is built. Each difference has its
reason; one without a reason is a mistake, and the command ends with 1.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
from dataclasses import asdict, dataclass

PAPER = {"L": 77, "Dt": 512, "1+N": 1025, "Dv": 768, "Dv/2": 384}  # the sizes that the table prints, of ViT-B/16

STRIDE = "the table says stride 3; with it its own output sizes cannot be, which need stride 1 and padding 1"
EMBED = (
    "the table's tokens come before the batch; CLIP's layer norm before the blocks, counted here, is not in the table"
)
WORDS = {  # by (part, block): what is built, where it is not what the table says
    ("CLIP text encoder", "T_1"): "the table prints one block; CLIP's text encoder has 12 and a layer norm after them",
    (
        "CLIP image encoder",
        "conv1",
    ): "the table's 3x3, BN and ReLU are not CLIP's: it reads patches by 16x16, stride 16, alone",
    ("CLIP image encoder", "embed"): EMBED,
    (
        "CLIP image encoder",
        "T_4",
    ): "CLIP's layer norm after the blocks, counted here, is not in the table; it feeds TSP",
    (
        "TSP",
        "out",
    ): "Eq. 5 has a layer norm and a perceptron; the perceptron's last layer is the table's 1x1 convolution",
    ("Semantic decoder", "D_2"): STRIDE,
    ("Semantic decoder", "D_1"): STRIDE,
    **{("Details decoder", f"D_{stage}"): STRIDE for stage in (4, 3, 2, 1)},
    ("Details decoder", "D_0"): "a sigmoid follows, which the table leaves out: alpha is between 0 and 1",
    (
        "Collaborative matting",
        "CM",
    ): "a product, and a sum: as in GFM, detail where the trimap says unknown, and 1 where it says foreground",
}


@dataclass(frozen=True)
class Row:
    """One row of the table.

    `part`, `block`: its names. `table`: the printed output size of ViT-B/16, without the batch; `ours`: the real one.
    `parameters`: of the block; over all rows they are the model's. `size_reason`, `words`: why the size is another, and
    what is built where the table's words say something else; empty where nothing differs.
    """

    part: str
    block: str
    table: tuple[int, ...]
    ours: tuple[int, ...]
    parameters: int
    size_reason: str = ""
    words: str = ""

    @property
    def differs_in_size(self) -> bool:
        return self.table != self.ours

    @property
    def differs(self) -> bool:
        return self.differs_in_size or bool(self.words)

    @property
    def explained(self) -> bool:
        return bool(self.size_reason) or not self.differs_in_size


def rows(profile_name: str = "paper-b16", model=None) -> list[Row]:
    """The table's rows for a paper profile, or for a `CLIPMat` that is there already."""
    model = _empty_model(profile_name) if model is None else model
    sizes, own = _measure(model), _own_sizes(model)
    table = []
    for part, block, names, modules in _blocks(model):
        printed, expected = (tuple(known.get(name, name) for name in names) for known in (PAPER, own))
        ours = sizes[part, block]
        reason = f"the table is of ViT-B/16; here {_backbone(model)}" if ours == expected != printed else ""
        table.append(Row(part, block, printed, ours, _count(modules), reason, WORDS.get((part, block), "")))
    return table


def summary(table: list[Row]) -> dict[str, int]:
    """Numbers of rows, of those that differ (in size, in words, without a reason), and of parameters."""
    return {
        "rows": len(table),
        "differences": sum(row.differs for row in table),
        "differences_in_size": sum(row.differs_in_size for row in table),
        "differences_in_words": sum(bool(row.words) for row in table),
        "unexplained": sum(not row.explained for row in table),
        "parameters": sum(row.parameters for row in table),
    }


def _empty_model(profile_name: str):
    """The profile's model with weights of no value: sizes do not depend on them, and drawing them takes seconds."""
    import torch

    from rimlib import profile as profiles
    from rimlib.clipmat.model import CLIPMat

    with torch.device("meta"):
        model = CLIPMat.from_profile(profiles.load(profile_name), "random")
    return model.to_empty(device="cpu").eval()


def _blocks(model) -> list[tuple]:
    """(part, block, printed size, what holds its parameters) of each row; sizes by name where they are the backbone's."""
    clip, visual, blocks = model.backbone, model.backbone.visual, model.backbone.visual.transformer.resblocks
    quarter = len(blocks) // 4
    groups = [blocks[start : start + quarter] for start in range(0, len(blocks), quarter)]
    text_embed = (clip.token_embedding, clip.positional_embedding, model.context)
    image_embed = (visual.class_embedding, visual.positional_embedding, visual.ln_pre)
    found = [
        ("CLIP text encoder", "embed", ("L", "Dt"), text_embed),
        ("CLIP text encoder", "T_1", ("L", "Dt"), (clip.transformer, clip.ln_final)),
        ("CLIP image encoder", "conv1", ("Dv", 32, 32), (visual.conv1,)),
        ("CLIP image encoder", "embed", ("1+N", "Dv"), image_embed),
        *(
            ("CLIP image encoder", f"T_{number}", ("1+N", "Dv"), (group, *([visual.ln_post] if number == 4 else [])))
            for number, group in enumerate(groups, start=1)
        ),
        ("TSP", "norm_visual", ("1+N", 256), (model.popup.norm_visual,)),
        ("TSP", "norm_text", ("L", 256), (model.popup.norm_text,)),
        ("TSP", "cross_attn", ("1+N", 256), (model.popup.cross_attn,)),
        ("TSP", "self_attn", ("1+N", 256), (model.popup.self_attn,)),
        ("TSP", "out", (64, 32, 32), (model.popup.out,)),
        ("Semantic decoder", "D_2", (32, 128, 128), (model.semantic.d2,)),
        ("Semantic decoder", "D_1", (32, 512, 512), (model.semantic.d1,)),
        ("Semantic decoder", "D_0", (3, 512, 512), (model.semantic.d0,)),
    ]
    for extract, channels in zip(
        model.extractors, (768, 384, 192, 96)
    ):  # the table's D_i: Supplement 4.1 has the numbers
        part, side = f"MDE, level {extract.level}", 512 // 2**extract.level
        found += [
            (part, "norm_visual", ("Dv/2", side, side), (extract.norm_visual,)),
            (part, "norm_img", ("Dv/2", side, side), (extract.norm_image,)),
            (part, "out", (channels, side, side), (extract.mix, extract.norm)),
        ]
    for number, (stage, out) in enumerate(zip(model.details.stages, (384, 192, 96, 32))):
        found.append(("Details decoder", f"D_{4 - number}", (out, 64 * 2**number, 64 * 2**number), (stage,)))
    return [
        *found,
        ("Details decoder", "D_0", (1, 512, 512), (model.details.d0,)),
        ("Collaborative matting", "CM", (1, 512, 512), ()),
    ]


def _measure(model) -> dict[tuple[str, str], tuple[int, ...]]:
    """Output sizes, without the batch, by (part, block): one picture and one sentence go through the model."""
    import torch

    seen: dict[str, tuple[int, ...]] = {}
    wanted = ("backbone.visual.conv1", "popup.", "semantic.d", "details.stages.")
    hooks = [
        module.register_forward_hook(lambda _, __, output, name=name: seen.__setitem__(name, tuple(output.shape[1:])))
        for name, module in model.named_modules()
        if name.startswith(wanted)
    ]
    with torch.no_grad():
        image = model.encode_image(torch.zeros(1, 3, model.image_size, model.image_size))
        text = model.encode_text(torch.zeros(1, model.text_length, dtype=torch.int64))
        output = model.matte(image, text)
    for hook in hooks:
        hook.remove()
    tokens, levels = tuple(image.tokens.shape[1:]), [tuple(level.shape[1:]) for level in image.levels]
    sizes = {("CLIP text encoder", block): tuple(text.tokens.shape[1:]) for block in ("embed", "T_1")}
    sizes |= {("CLIP image encoder", "conv1"): seen["backbone.visual.conv1"], ("CLIP image encoder", "embed"): tokens}
    # A level is its tokens without the class token, as a map.
    sizes |= {
        ("CLIP image encoder", f"T_{number}"): (1 + h * w, width)
        for number, (width, h, w) in enumerate(levels, start=1)
    }
    sizes |= {
        ("TSP", block): seen[f"popup.{block}"] for block in ("norm_visual", "norm_text", "cross_attn", "self_attn")
    }
    sizes["TSP", "out"] = (seen["popup.out"][-1], *levels[-1][1:])  # a row for each token, read as a map
    sizes |= {("Semantic decoder", f"D_{stage}"): _enlarged(seen[f"semantic.d{stage}"], 4) for stage in (2, 1)}
    sizes["Semantic decoder", "D_0"] = tuple(output.trimap_logits.shape[1:])
    for extract, made in zip(model.extractors, image.details):
        visual, picture = _large_maps(extract, levels[-1], model.image_size)
        part = f"MDE, level {extract.level}"
        sizes |= {(part, "norm_visual"): visual, (part, "norm_img"): picture, (part, "out"): tuple(made.shape[1:])}
    sizes |= {
        ("Details decoder", f"D_{4 - number}"): _enlarged(seen[f"details.stages.{number}"], 2) for number in range(4)
    }
    sizes["Details decoder", "D_0"] = tuple(output.detail.shape[1:])
    sizes["Collaborative matting", "CM"] = tuple(output.alpha.shape[1:])
    return sizes


def _large_maps(extract, level: tuple[int, ...], size: int) -> list[tuple[int, ...]]:
    """Sizes of Eq. 6 and 7's maps. The model never holds them; their own modules say them, without memory for pixels."""
    import torch
    import torch.nn.functional as F

    twin = copy.deepcopy(extract).to("meta")
    visual = twin.norm_visual(torch.empty(1, *level, device="meta"))
    picture = F.max_pool2d(twin.norm_image(torch.empty(1, 3, size, size, device="meta")), 2**extract.level)
    return [_enlarged(tuple(visual.shape[1:]), 2 ** (4 - extract.level)), tuple(picture.shape[1:])]


def _own_sizes(model) -> dict[str, int]:
    """What stands in this model where the table prints `PAPER`: only the backbone's widths may be others."""
    width = model.backbone.image_width
    return {**PAPER, "Dt": model.backbone.text_width, "Dv": width, "Dv/2": width // 2}


def _backbone(model) -> str:
    visual, text = model.backbone.visual.transformer.resblocks, model.backbone.transformer.resblocks
    return (
        f"the image encoder is {model.backbone.image_width} wide ({visual[0].attn.num_heads} heads, "
        f"{len(visual) // 4} blocks a group), the text encoder {model.backbone.text_width} ({text[0].attn.num_heads} heads)"
    )


def _count(holders) -> int:
    return sum(
        sum(value.numel() for value in holder.parameters()) if hasattr(holder, "parameters") else holder.numel()
        for holder in holders
    )


def _enlarged(size: tuple[int, ...], scale: int) -> tuple[int, ...]:
    return (size[0], size[1] * scale, size[2] * scale)


def _written(size: tuple[int, ...]) -> str:
    return " x ".join(map(str, size))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m rimlib.evaluation.table11",
        description="Table 11 of the paper's supplement against the real modules.",
    )
    parser.add_argument(
        "--profile", default="paper-b16", choices=("paper-b16", "paper-l14"), help="which of the paper's models"
    )
    parser.add_argument("--json", action="store_true", help="all of it as one JSON value")
    options = parser.parse_args(arguments)
    table = rows(options.profile)
    totals = {"profile": options.profile, **summary(table)}
    if options.json:
        every = [{**asdict(row), "differs": row.differs, "explained": row.explained} for row in table]
        print(json.dumps({**totals, "rows": every}))
        return int(totals["unexplained"] > 0)
    reasons: list[str] = []
    print(f"{'part':22} {'block':12} {'output':16} {'in the table':16} {'parameters':>12}  why it differs")
    for row in table:
        why = [text for text in (row.size_reason, row.words) if text]
        reasons += [text for text in why if text not in reasons]
        marks = " ".join(f"[{reasons.index(text) + 1}]" for text in why) + " UNEXPLAINED" * (not row.explained)
        printed = _written(row.table) if row.differs_in_size else "the same"
        print(
            f"{row.part:22} {row.block:12} {_written(row.ours):16} {printed:16} {row.parameters:>12,}  {marks}".rstrip()
        )
    print("\n" + "\n".join(f"[{number}] {text}" for number, text in enumerate(reasons, start=1)))
    print(json.dumps(totals))
    return int(totals["unexplained"] > 0)


if __name__ == "__main__":
    sys.exit(main())
