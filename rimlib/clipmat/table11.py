"""Table 11 of the supplement, row by row, against the modules that are built here.

    python -m rimlib.clipmat.table11                    # ViT-B/16 at 512 x 512, expression setting
    python -m rimlib.clipmat.table11 --json

Each row's output size is what the real module gave in a real forward pass (with random weights: sizes do not depend on them), with the
enlargement that the table writes into the same row. Where a size or the table's own words differ, the row says why.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass

WORDS = {   # what the table prints and what is built, where no size shows it
    "conv1": "the table's 3x3, BN and ReLU are not CLIP's, whose patch embedding is 16x16, stride 16, and nothing after it",
    "stride 3": "the table prints stride 3; its own output sizes need stride 1 and padding 1",
    "out": "Eq. 5 has a layer norm and a perceptron before the 1x1 convolution; its last layer is that convolution",
}


@dataclass(frozen=True)
class Row:
    """One row: the block's name, the table's output size without the batch, ours, its parameters, and what is to be said of it."""

    part: str
    block: str
    table: tuple[int, ...]
    ours: tuple[int, ...]
    parameters: int
    note: str = ""

    @property
    def differs(self) -> bool:
        return self.table != self.ours


def rows(profile_name: str = "paper-b16") -> list[Row]:
    """The rows of a paper profile's model. For ViT-L/14 the table's widths are replaced by that backbone's own."""
    import torch

    from rimlib import profile as profiles
    from rimlib.clipmat.model import CLIPMat

    model = CLIPMat.from_profile(profiles.load(profile_name), "random").eval()
    images, tokens = torch.zeros(1, 3, model.image_size, model.image_size), torch.zeros(1, model.text_length, dtype=torch.int64)
    named = _modules(model)
    given: dict[str, tuple[int, ...]] = {}
    hooks = [module.register_forward_hook(lambda _, __, output, name=name: given.__setitem__(name, tuple(output.shape[1:])))
             for name, module in named.items() if module is not None]
    with torch.no_grad():
        features = model.encode_image(images)
        text = model.encode_text(tokens)
        output = model.matte(features, text)
    for hook in hooks:
        hook.remove()
    given |= {"embed": tuple(text.tokens.shape[1:]), "T": tuple(text.tokens.shape[1:]), "tokens": tuple(features.tokens.shape[1:]),
              "D0 semantic": tuple(output.trimap_logits.shape[1:]), "D0 details": tuple(output.detail.shape[1:]), "CM": tuple(output.alpha.shape[1:]),
              **{f"out {level}": tuple(detail.shape[1:]) for level, detail in zip((4, 3, 2, 1), features.details)}}
    return _compare(model, given, named)


def _modules(model) -> dict:
    stages = {f"D{4 - number} details": stage for number, stage in enumerate(model.details.stages)}
    extractors = {f"norm_visual {extractor.level}": extractor.norm_visual for extractor in model.extractors}
    return {"conv1": model.backbone.visual.conv1, "norm_visual": model.popup.norm_visual, "norm_text": model.popup.norm_text,
            "cross_attn": model.popup.cross_attn, "self_attn": model.popup.self_attn, "out": model.popup.out,
            "D2 semantic": model.semantic.d2, "D1 semantic": model.semantic.d1, **extractors, **stages}


def _compare(model, given: dict, named: dict) -> list[Row]:
    size, width, text = model.image_size, model.backbone.image_width, model.backbone.text_width
    grid, words = size // 16, model.text_length + len(model.context.vectors)
    tokens, blocks = 1 + grid * grid, model.backbone.visual.transformer.resblocks

    def count(*modules) -> int:
        return sum(value.numel() for module in modules for value in module.parameters())

    def enlarged(shape: tuple[int, ...], scale: int) -> tuple[int, ...]:
        return (shape[0], shape[1] * scale, shape[2] * scale)

    table = [Row("CLIP text encoder", "embed", (words, text), given["embed"], count(model.backbone.token_embedding) + model.backbone.positional_embedding.numel()
                 + model.context.vectors.numel()),
             Row("CLIP text encoder", "T_1", (words, text), given["T"], count(model.backbone.transformer), f"{len(model.backbone.transformer.resblocks)} blocks"),
             Row("CLIP image encoder", "conv1", (width, grid, grid), given["conv1"], count(model.backbone.visual.conv1), WORDS["conv1"]),
             Row("CLIP image encoder", "embed", (tokens, width), given["tokens"], model.backbone.visual.class_embedding.numel()
                 + model.backbone.visual.positional_embedding.numel())]
    quarter = len(blocks) // 4
    table += [Row("CLIP image encoder", f"T_{group + 1}", (tokens, width), given["tokens"], count(*blocks[group * quarter:(group + 1) * quarter]),
                  f"{quarter} blocks") for group in range(4)]
    for block, shape in (("norm_visual", (tokens, 256)), ("norm_text", (words, 256)), ("cross_attn", (tokens, 256)), ("self_attn", (tokens, 256))):
        table.append(Row("TSP", block, shape, given[block], count(named[block])))
    table.append(Row("TSP", "out", (64, grid, grid), (given["out"][1], grid, grid), count(named["out"]), WORDS["out"]))
    table += [Row("Semantic decoder", f"D_{stage}", (32, size // low, size // low), enlarged(given[f"D{stage} semantic"], 4), count(named[f"D{stage} semantic"]),
                  WORDS["stride 3"]) for stage, low in ((2, 4), (1, 1))]
    table.append(Row("Semantic decoder", "D_0", (3, size, size), given["D0 semantic"], count(model.semantic.d0)))
    for extractor, channels in zip(model.extractors, (768, 384, 192, 96)):
        level, side = extractor.level, size // 2**extractor.level
        table += [Row(f"MDE, level {level}", "norm_visual", (width // 2, side, side), enlarged(given[f"norm_visual {level}"], 2**(4 - level)), count(extractor.norm_visual)),
                  Row(f"MDE, level {level}", "norm_img", (width // 2, side, side), (extractor.norm_image.out_channels, side, side), count(extractor.norm_image)),
                  Row(f"MDE, level {level}", "out", (channels, side, side), given[f"out {level}"], count(extractor.mix, extractor.norm))]
    table += [Row("Details decoder", f"D_{stage}", (out, size // 2**(stage - 1), size // 2**(stage - 1)), enlarged(given[f"D{stage} details"], 2),
                  count(named[f"D{stage} details"]), WORDS["stride 3"]) for stage, out in zip((4, 3, 2, 1), (384, 192, 96, 32))]
    table.append(Row("Details decoder", "D_0", (1, size, size), given["D0 details"], count(model.details.d0)))
    table.append(Row("Collaborative matting", "CM", (1, size, size), given["CM"], 0))
    return table


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m rimlib.clipmat.table11", description="Table 11 of the paper's supplement against the real modules.")
    parser.add_argument("--profile", default="paper-b16", help="paper-b16 or paper-l14")
    parser.add_argument("--json", action="store_true", help="as one JSON value")
    options = parser.parse_args(arguments)
    table = rows(options.profile)
    differences = sum(row.differs for row in table)
    if options.json:
        print(json.dumps({"rows": [{**asdict(row), "differs": row.differs} for row in table], "differences": differences,
                          "parameters": sum(row.parameters for row in table)}))
        return 0
    for row in table:
        sizes = " x ".join(map(str, row.ours)) + (f"  (the table: {' x '.join(map(str, row.table))})" if row.differs else "")
        print(f"{row.part:22} {row.block:12} {sizes:24} {row.parameters:>12,}  {row.note}".rstrip())
    print(f"{len(table)} rows, {differences} differences in size, {sum(row.parameters for row in table):,} parameters")
    return 0


if __name__ == "__main__":
    sys.exit(main())
