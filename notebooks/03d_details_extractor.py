# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,mystnb,-all
#     notebook_metadata_filter: kernelspec,jupytext,-all
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # MDE: the multi-level details extractor
#
# What the sentence means has been found, one number for a patch of 256 pixels. A hair is one pixel wide. This chapter goes back
# to the image, at four sizes, and counts what that costs.
#
# :::{admonition} Before you run this
# | | |
# |:--|:--|
# | Device | any processor; no accelerator is used |
# | Memory | 3 GB, for some cells compute with maps of the paper's size |
# | Minutes | below 1, on one core |
# | Inputs | the shipped photographs and the shipped model |
# | Outputs | none, only what you see |
# :::
#
# In the paper: Sec. 4.4, supplement Sec. 3 with Eq. 6 to 9, and the MDE rows of Table 11 {cite:p}`rim`. The code is
# `rimlib/clipmat/details.py`; `rimlib/fast/` computes the same cheaper.

# %% tags=["parameters"]
weights: str = "shipped"  # the model: "shipped", or a checkpoint's path
split: str = "seen"  # photographs: "seen" in training, or "test"
scene: int = 4  # which scene of wispy things of that split, from 0
entity: int = 1  # which of its entities we look at, from 0
expression: int = 0  # 0 basic, 1 absolute, 2 and 3 relative
close: int = 512  # pixels; side of the square for a close look
paper_profile: str = "paper-b16"  # or paper-l14: whose cost

# %% tags=["hide-input"]
import time

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.patches import FancyBboxPatch
from torch.utils.flop_counter import FlopCounterMode

from rimlib import fast, profile, show
from rimlib.io import images
from rimlib.clipmat import CLIPMat, backbone, clip_weights, details
from rimlib.clipmat.backbone import PATCH, normalise
from rimlib.clipmat.decoders import DetailsDecoder, Upsample
from rimlib.matting.trimap import trimap_from_alpha
from rimlib.errors import RimError
from rimlib.refmatte.build import open_pool
from rimlib.refmatte.example import example

torch.set_grad_enabled(
    False
)  # gradients are switched on where they are needed
model = CLIPMat.shipped() if weights == "shipped" else CLIPMat.load(weights)
if not model.mde:
    raise RimError(
        f"weights {weights}: a model without MDE, and this chapter is about it"
    )
side = model.image_size
pool = open_pool("starter")
wispy = pool.only(
    [thing.name for thing in pool.entities if thing.wispy],
    [background.name for background in pool.backgrounds],
)

# %% [markdown]
# ## A patch is too coarse for a hair
#
# The pop-up of [](03c_semantic_popup) ends in a map with one vector for each patch of 16 × 16 pixels. Suppose that it were
# perfect, and gave for every patch exactly how much of it is foreground. How good a matte is that? The scene is composed of the
# pool's *wispy* cut-outs: hair, feathers, branches.

# %% tags=["hide-input"]
seen = example(scene, split, pool=wispy, canvas=(480, 640))
if not 0 <= entity < len(seen.keywords):
    raise RimError(
        f"entity {entity}: the scene has {len(seen.keywords)} entities, "
        f"from 0 to {len(seen.keywords) - 1}"
    )
large = images.resize(seen.image, (close, close))  # uint8 (S, S, 3)
truth = images.resize(seen.mattes[entity], (close, close))  # (S, S) in [0, 1]


def by_cells(alpha, cell):
    """The mean of each cell x cell pixels: as blocks, and enlarged smoothly;
    both as large as alpha."""
    small = F.avg_pool2d(torch.from_numpy(alpha)[None, None], cell)
    return [
        F.interpolate(small, scale_factor=cell, mode=mode)[0, 0].numpy()
        for mode in ("nearest", "bilinear")
    ]


def busiest(alpha, size):
    """The square of size x size pixels with the most alpha between 0 and 1, as
    two slices."""
    between = F.avg_pool2d(
        torch.from_numpy(np.float32((alpha > 0.05) & (alpha < 0.95)))[
            None, None
        ],
        size,
        stride=8,
    )[0, 0]
    top, left = np.unravel_index(int(between.argmax()), between.shape)
    return np.s_[8 * top : 8 * top + size, 8 * left : 8 * left + size]


window = busiest(truth, close // 4)
blocks, smooth = by_cells(truth, PATCH)

# %% mystnb={"figure": {"caption": "Above: a part of the image, the true matte of it, its mean over each patch, and these means enlarged smoothly. Below: the whole image, and the part cut out by each of the three mattes and laid on blue. One number a patch can say no more.", "name": "details-coarse"}, "image": {"alt": "Two rows of four pictures. The true matte shows single fine feathers; its means over patches are a mosaic of grey squares, and enlarged smoothly a blurred cloud. The cut-outs by the last two carry the old light background with them.", "width": "100%"}} tags=["hide-input"]
above = [large[window], truth[window], blocks[window], smooth[window]]
elsewhere = (
    0,
    45,
    90,
)  # a dark blue, on which what is left of the old background can be seen
below = [
    large,
    *(
        show.over(large[window], alpha[window], elsewhere)
        for alpha in (truth, blocks, smooth)
    ),
]
show.grid(
    [*above, *below],
    [
        "the image, a part",
        "its true matte",
        f"means of {PATCH} x {PATCH}",
        "the same, smooth",
        "the whole image",
        "cut out: truth",
        "cut out: means",
        "cut out: smooth",
    ],
    columns=4,
);

# %% [markdown]
# The place is right and the edge is gone. Smaller cells hold more. The error below is that of such smooth maps, by the size of
# their cells, counted where the true trimap is unknown, which is where alpha is neither surely 0 nor surely 1; for scenes of
# wispy things, and for scenes of the whole pool.

# %% tags=["hide-input"]
kernel = (
    25 * close // 512 // 2 * 2 + 1
)  # GFM's 25 pixels belong to images of about 512
levels = {4: 16, 3: 8, 2: 4, 1: 2}
scenes = {
    "wispy things": [
        example(number, split, pool=wispy, canvas=(480, 640))
        for number in range(8)
    ],
    "the whole pool": [
        example(number, split, pool=pool, canvas=(480, 640))
        for number in range(8)
    ],
}
errors = {}
for name, some in scenes.items():
    found = {level: [] for level in levels}
    for alpha in (
        images.resize(matte, (close, close))
        for one in some
        for matte in one.mattes
    ):
        region = trimap_from_alpha(alpha, kernel) == 128
        for level, cell in levels.items():
            found[level].append(
                np.abs(by_cells(alpha, cell)[1] - alpha)[region].mean()
            )
    errors[name] = {
        level: float(np.mean(values)) for level, values in found.items()
    }
show.table(
    [
        {
            "level i": level,
            "a cell, pixels": f"{cell} x {cell}",
            "numbers for an image": (close // cell) ** 2,
            **{
                f"error, {name} (%)": 100 * error[level]
                for name, error in errors.items()
            },
        }
        for level, cell in levels.items()
    ],
    digits=1,
)


# %% [markdown]
# With patches, even a plain edge is off by much. The column on the left is the way out, the *levels*. Level $i$ works at
# $H/2^i \times W/2^i$: level 4 is the patches, level 1 is half the image's size.
#
# ## The image has the edges, CLIP has the meaning
#
# The fine edges are in the image itself. But so are all others:

# %% mystnb={"figure": {"caption": "Where the image changes from pixel to pixel, and where the true matte does. White is much. The image has edges within the thing and all over the background.", "name": "details-edges"}, "image": {"alt": "Three pictures: the scene, its edges, which are everywhere, and the edges of the matte, which are an outline.", "width": "100%"}}
def edges(values):
    """How much a map (H, W) changes per pixel, by its own largest value."""
    rows, columns = np.gradient(np.float32(values))
    return np.clip(
        np.hypot(rows, columns) / np.percentile(np.hypot(rows, columns), 99.5),
        0,
        1,
    )


show.grid(
    [large, edges(large.mean(axis=2)), edges(truth)],
    ["the image", "edges of the image", "edges of the matte"],
);

# %% [markdown]
# So each level joins two things: the tokens of one group of CLIP's blocks, upsampled, and the pixels, downsampled.

# %% mystnb={"figure": {"caption": "One level of the MDE, with the sizes of the paper's ViT-B/16. Level i enlarges the tokens by 2 to the power of 4 \u2212 i and shrinks the image by 2 to the power of i.", "name": "details-diagram"}, "image": {"alt": "A diagram: tokens go through a 1 by 1 convolution and are enlarged; the image goes through a 1 by 1 convolution and is max-pooled; both are concatenated, and a 3 by 3 convolution, batch norm and ReLU follow.", "width": "100%"}} tags=["hide-input"]
figure, axis = plt.subplots(figsize=(show.WIDTH, 2.5))
stations = {
    "tokens": (0.0, 1, "group i of blocks\n768 × 32 × 32"),
    "image": (0.0, 0, "the image\n3 × 512 × 512"),
    "norm_v": (1.35, 1, "1 × 1 conv\n384 × 32 × 32"),
    "norm_m": (1.35, 0, "1 × 1 conv\n384 × 512 × 512"),
    "up": (2.7, 1, "enlarge\n384 × H/2ⁱ × W/2ⁱ"),
    "pool": (2.7, 0, "max pool\n384 × H/2ⁱ × W/2ⁱ"),
    "concat": (4.05, 0.5, "concatenate\n768 × H/2ⁱ × W/2ⁱ"),
    "mix": (5.4, 0.5, "3 × 3 conv, BN,\nReLU: Dᵢ × H/2ⁱ × W/2ⁱ"),
}
arrows = (
    "tokens norm_v, norm_v up, image norm_m, norm_m pool, "
    "up concat, pool concat, concat mix"
)
colors = dict.fromkeys(
    "tokens norm_v up".split(), show.PALETTE[4]
) | dict.fromkeys("image norm_m pool".split(), show.PALETTE[1])
for name, (x, y, text) in stations.items():
    axis.add_patch(
        FancyBboxPatch(
            (x, y),
            1.05,
            0.55,
            boxstyle="round,pad=0.04",
            color=colors.get(name, "#bbbbbb"),
            alpha=0.55,
        )
    )
    axis.text(
        x + 0.525, y + 0.275, text, ha="center", va="center", fontsize=7.5
    )
for arrow in arrows.split(", "):
    (x, y, _), (to_x, to_y, _) = (stations[name] for name in arrow.split())
    axis.annotate(
        "",
        (to_x - 0.05, to_y + 0.275),
        (x + 1.1, y + 0.275),
        arrowprops={"arrowstyle": "-|>", "color": "#444444"},
    )
for x, y, text in (
    (2.03, 1.68, "Eq. 6"),
    (2.03, -0.17, "Eq. 7"),
    (4.57, 1.18, "Eq. 8"),
    (5.92, 1.18, "Eq. 9"),
):
    axis.text(
        x, y, text, ha="center", va="center", fontsize=9, color="#444444"
    )
axis.set(xlim=(-0.1, 6.55), ylim=(-0.3, 1.8))
axis.axis("off");

# %% [markdown]
# In equations, where *norm* is a 1 × 1 convolution (the paper's word), $x_v^i$ the tokens of group $i$ and $x_m$ the image:
#
# $$
# \begin{aligned}
# x_v^i &= \mathrm{norm}(\mathrm{reshape}(x_v^i)) && \tfrac{D_v}{2} \times \tfrac{H}{2^i} \times \tfrac{W}{2^i} &\quad (6) \\
# x_m &= \mathrm{maxpool}(\mathrm{norm}(x_m)) && \tfrac{D_v}{2} \times \tfrac{H}{2^i} \times \tfrac{W}{2^i} &\quad (7) \\
# x_f^i &= \mathrm{concat}(x_v^i, x_m) && D_v \times \tfrac{H}{2^i} \times \tfrac{W}{2^i} &\quad (8) \\
# x_f^i &= \mathrm{relu}(\mathrm{bn}(\mathrm{conv}(x_f^i))) && D_i \times \tfrac{H}{2^i} \times \tfrac{W}{2^i} &\quad (9)
# \end{aligned}
# $$
#
# Table 11 adds what the equations leave out: in Eq. 6 the tokens are enlarged by $2^{4-i}$, for they are 32 × 32 at every
# level; the convolution of Eq. 9 is 3 × 3. $D_i$ is 768, 384, 192, 96 for $i = 4$ to 1, the numbers that supplement Sec. 4.1
# gives for the decoders: a level's output must have the channels of the decoder stage that takes it.
#
# The module is these equations, line by line:

# %%
show.source(details.DetailsExtractor.forward)

# %% [markdown]
# Each step is a submodule that is called, so a forward hook on each gives what it made:

# %% tags=["hide-input"]
def record(extract, tokens, image):
    """The output of a level, and by name of each submodule its output."""
    seen = {}
    hooks = [
        child.register_forward_hook(
            lambda _, __, out, name=name: seen.__setitem__(name, out)
        )
        for name, child in extract.named_children()
    ]
    out = extract(tokens, image)
    for hook in hooks:
        hook.remove()
    return out, seen


def pixels_of(image, size=side):
    """An image as the model takes it: float (1, 3, S, S) in [0, 1]."""
    return (
        torch.from_numpy(images.resize(image, (size, size)))
        .permute(2, 0, 1)[None]
        .float()
        / 255
    )


pixels = pixels_of(seen.image)
features = model.encode_image(pixels)
normal = normalise(pixels)  # x_m, the image as CLIP takes it
levels_given = list(
    zip(model.extractors, reversed(features.levels))
)  # level 4 gets the last group of blocks
steps = {
    extract.level: record(extract, tokens, normal)[1]
    for extract, tokens in levels_given
}
written = lambda tensor: " x ".join(map(str, tensor.shape[1:]))
show.table(
    [
        {
            "level": level,
            "norm of the tokens": written(made["norm_visual"]),
            "upsampled": written(made["upsample"]),
            "norm of the image": written(made["norm_image"]),
            "max-pooled": written(made["maxpool"]),
            "convolved": written(made["mix"]),
        }
        for level, made in steps.items()
    ]
)

# %% [markdown]
# ## Features by level
#
# Many channels are shown by their three strongest directions, so that places with like features get like colours; each map has
# its own colours.

# %%
parts = [
    (made["upsample"], made["maxpool"], out)
    for made, out in zip(steps.values(), features.details)
]

# %% mystnb={"figure": {"caption": "From level 4 (left) to level 1 (right). Above what comes from CLIP, in the middle what comes from the image, below what MDE makes of both.", "name": "details-branches"}, "image": {"alt": "Three rows of four coloured maps. The upper row stays as coarse as the patches at every level, the middle row gets finer and shows the image, and so does the lower row.", "width": "100%"}}
in_rows = [part[which] for which in range(3) for part in parts]
titles = ["{1} channels, {2} x {3}".format(*maps.shape) for maps in in_rows]
show.grid(
    [show.colors(maps)[0] for maps in in_rows],
    titles,
    columns=4,
    row_titles=["from CLIP", "from the image", "both"],
);

# %% [markdown]
# The upper row stays as coarse as the patches, however much it is enlarged; the middle row is as fine as the level. (The
# coloured rims of the lower row are the zeros that a convolution sees outside the image.) That is what one sees. What do they
# *encode*? A linear probe measures it: from the vector of each pixel, predict whether the pixel belongs to any of the scene's
# entities, by a least-squares fit on some scenes, and count on other scenes how much of alpha's variance that explains. Once over
# the whole image, once in the unknown region only.

# %% tags=["hide-input"]
FITTED, TRIED = range(24), range(24, 34)


def known(image, mattes):
    """For each level, the three maps at full size, pixels in rows; alpha of
    all entities together, and where it is unknown."""
    given = normalise(pixels_of(image))
    _, maps = model.backbone.encode_image(given)
    rows = []
    for extract, tokens in zip(model.extractors, reversed(maps)):
        made, grow = (
            record(extract, tokens, given)[1],
            Upsample(2**extract.level),
        )
        pair = [
            grow(made[name])[0].flatten(1).T
            for name in ("upsample", "maxpool")
        ]  # (S*S, D_v/2)
        rows.append([*pair, torch.cat(pair, dim=1)])
    alpha = np.max(
        [images.resize(matte, (side, side)) for matte in mattes], axis=0
    )
    return (
        rows,
        torch.from_numpy(alpha).flatten(),
        torch.from_numpy(trimap_from_alpha(alpha, 7)).flatten() == 128,
    )


def explained(level, branch, fit, test, unknown_only):
    """R²: 1 is a perfect prediction, 0 is as good as the mean."""

    def table(some):
        kept = [
            unknown if unknown_only else torch.ones_like(unknown)
            for *_, unknown in some
        ]
        x = torch.cat(
            [
                rows[level][branch][keep][::8]
                for (rows, *_), keep in zip(some, kept)
            ]
        )
        return F.pad(x, (0, 1), value=1.0), torch.cat(
            [alpha[keep][::8] for (_, alpha, _), keep in zip(some, kept)]
        )

    x, y = table(fit)
    weight = torch.linalg.solve(
        x.T @ x + 10 * torch.eye(x.shape[1]), x.T @ y
    )  # a little ridge
    x, y = table(test)
    return float(1 - (x @ weight - y).square().mean() / y.var())


every = [
    known(one.image, one.mattes)
    for one in (example(number, split) for number in (*FITTED, *TRIED))
]
fit, test = every[: len(FITTED)], every[len(FITTED) :]
names = ("from CLIP", "from the image", "both")
r2 = {
    where: {
        name: [
            explained(level, branch, fit, test, where == "unknown region")
            for level in range(4)
        ]
        for branch, name in enumerate(names)
    }
    for where in ("whole image", "unknown region")
}

# %% mystnb={"figure": {"caption": "How much of alpha can be read off each pixel's features by one linear map. Left over the whole image: CLIP's features separate things from background. Right in the unknown region: the finer the level, the more the image's explain beside CLIP's; together they explain most.", "name": "details-probe"}, "image": {"alt": "Two line charts over levels 4 to 1. Left the line from CLIP begins far above that from the image. Right the line from CLIP loses its lead over that from the image towards level 1, and the line of both is above.", "width": "100%"}} tags=["hide-input"]
figure, axes = plt.subplots(1, 2, figsize=(show.WIDTH, 2.6), sharey=True)
for axis, (where, lines) in zip(axes, r2.items()):
    for (name, values), color, marker in zip(
        lines.items(), show.PALETTE, "os^"
    ):
        axis.plot(
            range(4),
            values,
            color=color,
            marker=marker,
            label=name,
            linewidth=1.5,
        )
    axis.set(
        title=where,
        xticks=range(4),
        xticklabels=[f"level {level}" for level in levels],
    )
    axis.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("variance explained, R²")
axes[1].legend(frameon=False, fontsize=8)
figure.tight_layout()

# %% [markdown]
# The numbers are low: a linear map of one pixel predicts little, and the decoder that follows predicts more. Their order is
# the point. It is also why the groups of blocks are handed out as they are: level 4, where meaning counts, gets the last
# blocks.
#
# ## First norm, then pool
#
# Eq. 7 could be read the other way round: shrink the image first, then apply the 1 × 1 convolution. That is what P3M does
# {cite:p}`p3m`, from which MDE descends, and it is cheap, since the large map never exists. It is not the same. Pooled first,
# each of red, green and blue keeps its *brightest* value in the window. Two things go wrong: the three maxima come from
# different pixels, and make colours that are nowhere in the image; and what is dark is lost before any weight is applied
# to it.

# %%
at = levels[3]  # windows of 8 x 8 pixels
zoomed = pixels_of(seen.image, close)
light = torch.full(
    (1, 3, 1, 1), 1 / 3
)  # a channel that is large for light pixels; its negative for dark ones
pooled = F.max_pool2d(zoomed, at)  # what is left of the image in P3M's order
dark = {
    "norm, then pool": F.max_pool2d(F.conv2d(zoomed, -light), at),
    "pool, then norm": F.conv2d(pooled, -light),
}
low, high = (
    float(value)
    for value in (dark["pool, then norm"].min(), dark["norm, then pool"].max())
)

# %% mystnb={"figure": {"caption": "The image; what max pooling leaves of it in windows of 8 x 8 pixels; and the response of a channel to darkness, white is strong, in the paper's order and in P3M's. Both responses have one range.", "name": "details-order"}, "image": {"alt": "Four pictures. Pooled first, the scene is pale and its thin dark parts are gone. In the third picture dark legs, beak and feathers are bright lines, in the fourth they are broken or missing.", "width": "100%"}} tags=["hide-input"]
pale = np.uint8(255 * pooled[0].permute(1, 2, 0).numpy())
show.grid(
    [
        large,
        pale,
        *(
            (answer[0, 0].numpy() - low) / (high - low)
            for answer in dark.values()
        ),
    ],
    [
        "the image",
        "pooled, as P3M does first",
        "dark: norm, then pool",
        "dark: pool, then norm",
    ],
);

# %% [markdown]
# In equations: $\max_p (w \cdot x_p)$ against $w \cdot \max_p x_p$, the maximum on the right taken colour by colour. For
# $w \ge 0$ the right is never smaller than the left, for $w \le 0$ never larger; they agree where one pixel of the window has
# the most of all colours that count. How often do they agree, with this model's weights?

# %% tags=["hide-input"]
order = []
for extract, (_, first, _) in zip(model.extractors, parts):
    later = extract.norm_image(F.max_pool2d(normal, 2**extract.level))
    order.append(
        {
            "level": extract.level,
            "window": f"{2**extract.level} x {2**extract.level}",
            "outputs that differ (%)": 100
            * float(((first - later).abs() > 1e-4).float().mean()),
            "by, in standard deviations": float(
                (first - later).abs().mean() / first.std()
            ),
        }
    )
weight = model.extractors[0].norm_image.weight
print(
    "of the weights of level 4, "
    f"{100 * float((weight < 0).float().mean()):.0f} % are negative"
)
show.table(order, digits=2)

# %% [markdown]
# The larger the window, the more the order matters.
#
# ## What the image adds at each level
#
# We take the image away from one level at a time (there it becomes plain grey) and look at what the details decoder makes of
# the rest. At last we do the opposite: the image stays, and the tokens of each level become their mean, the same everywhere.

# %% tags=["hide-input"]
sentence = seen.expressions[entity][expression]
text = model.encode_text(model.tokenize([sentence], truncate=True))
truth_small = images.resize(seen.mattes[entity], (side, side))
unknown = (
    trimap_from_alpha(truth_small, model.profile.train.trimap_kernel) == 128
)
scores, hint = model.added(features.tokens, text.sentence)
popped = model.popup(features.tokens, text.tokens, hint, text.padding)
conditioning = (
    model.details_text(popped) if model.details_text else None
)  # only then is the details decoder conditioned on it


def detail(grey_at=(), flat_tokens=False):
    """The details decoder's map (S, S).

    With a grey image at some levels, or with tokens that are the same
    everywhere: in MDE, and in the pop-up's map where this decoder is
    conditioned on it.
    """
    maps = [
        extract(
            tokens.mean((2, 3), keepdim=True).expand_as(tokens)
            if flat_tokens
            else tokens,
            torch.zeros_like(normal) if extract.level in grey_at else normal,
        )
        for extract, tokens in levels_given
    ]
    flat = (
        conditioning.mean((2, 3), keepdim=True).expand_as(conditioning)
        if flat_tokens and conditioning is not None
        else conditioning
    )
    return model.details(maps, flat).sigmoid()[0, 0].numpy()


cases = {
    "all of it": detail(),
    **{f"no image at level {level}": detail((level,)) for level in levels},
    "no image at any": detail(tuple(levels)),
    "the same tokens everywhere": detail(flat_tokens=True),
}

# %% mystnb={"figure": {"caption": "The details decoder's output with and without the image; last, with the image and with tokens that are the same everywhere, in MDE and in the pop-up's map. Only the part near the edge of the thing is ever used.", "name": "details-without"}, "image": {"alt": "The scene and seven grey maps. Without the image at level 4, 3 or 2 the outlines stay; without it at level 1 the edges dissolve, and without it at any level only soft blots are left. With flat tokens the output is still sharp.", "width": "100%"}}
show.grid(
    [images.resize(seen.image, (side, side)), *cases.values()],
    [f"“{sentence}”", *cases],
    columns=4,
);

# %%
show.table(
    [
        {
            "the details decoder gets": name,
            "mean change in the unknown region": float(
                np.abs(map_ - cases["all of it"])[unknown].mean()
            ),
            "mean error there": float(
                np.abs(map_ - truth_small)[unknown].mean()
            ),
        }
        for name, map_ in cases.items()
    ]
)

# %% [markdown]
# The first row is the model as it is. The finest level counts most. The tokens reach this decoder
# through MDE and in this model through the pop-up's map too (the setting `details_text`). Do they say which thing is meant? Look at
# the other entity in the first map: if its outline is drawn too, this decoder draws whatever looks like a thing, and which outline is
# meant is decided by the trimap ([](03e_clipmat)).
#
# This is no ablation, for a model that had been trained without a level would have learned to do without it. The paper's
# ablation switches MDE off as a whole. What then stands in for it is a choice of ours, `details.PlainSkip`, which
# [](03e_clipmat) lists with the other switches.
#
# ## What it costs
#
# Four levels, at the paper's size, as written: `norm` over all pixels of the image, four times; a convolution over maps of
# $D_v$ channels at half the image's size. We count multiply-accumulates (MAC) by letting the real modules run on tensors that
# have shapes and no memory.

# %% tags=["hide-input"]
settings = profile.load(paper_profile).model
size = settings.image_size
channels = dict(zip(levels, settings.details_channels))  # D_i
with torch.device("meta"):  # shapes without memory
    tower = backbone.Backbone(
        clip_weights.create_clip(settings, "random")[0], size
    )
    width = tower.image_width // 2
    paper_mde = [
        details.DetailsExtractor(level, tower.image_width, width, out)
        for level, out in channels.items()
    ]
    paper_decoder = DetailsDecoder(
        settings.details_channels, settings.details_out
    )


def gmac(function, *given):
    """Billions of multiply-accumulates of the convolutions and matrix products
    of a call; the counter counts two for each."""
    with FlopCounterMode(display=False) as counter:
        function(*given)
    return counter.get_total_flops() / 2e9


def empty(channels, scale):
    """A map of the paper's image, shrunk by scale."""
    return torch.empty(
        1, channels, size // scale, size // scale, device="meta"
    )


def all_of(values) -> float:
    return sum(values.values())


joined = {
    extract.level: empty(2 * width, 2**extract.level) for extract in paper_mde
}  # x_f of Eq. 8
as_written = {
    extract.level: gmac(extract.mix, joined[extract.level])
    for extract in paper_mde
}
stages = [
    gmac(stage, empty(stage[0].in_channels, 2**level))
    for stage, level in zip(paper_decoder.stages, levels)
]
cost = {
    "CLIP's image encoder": gmac(tower.encode_image, empty(3, 1)),
    "MDE: norm of the tokens": sum(
        gmac(extract.norm_visual, empty(2 * width, PATCH))
        for extract in paper_mde
    ),
    "MDE: norm of the image": sum(
        gmac(extract.norm_image, empty(3, 1)) for extract in paper_mde
    ),
    "MDE: convolutions of Eq. 9": all_of(as_written),
    "details decoder": sum(stages)
    + gmac(paper_decoder.d0, empty(settings.details_out[-1], 1)),
}
show.table(
    [
        {
            "part": name,
            "GMAC, one image": value,
            "of the image encoder's (%)": 100
            * value
            / cost["CLIP's image encoder"],
        }
        for name, value in cost.items()
    ],
    digits=1,
)

# %% tags=["hide-input"]
mebibytes = lambda shape: int(np.prod(shape)) * 4 / 2**20  # float32
rows = [
    {
        "level": level,
        "norm of the image, full size (MiB)": mebibytes((width, size, size)),
        "concatenated (MiB)": mebibytes(x_f.shape),
        "convolution (GMAC)": as_written[level],
    }
    for level, x_f in joined.items()
]
show.table(
    [
        *rows,
        {
            "level": "all",
            **{
                key: sum(row[key] for row in rows)
                for key in rows[0]
                if key != "level"
            },
        },
    ],
    digits=1,
)

# %% [markdown]
# So the convolutions of Eq. 9 alone cost three quarters of a vision transformer, and each level first makes a map of the
# image that is the largest tensor of the whole model. In training all of them are kept for the backward pass, for each image
# of the batch.
#
# ## The same, cheaper
#
# Two rewritings avoid that. Neither is an approximation.
#
# **Only the argmax counts.** The large map of Eq. 7 is made to be pooled at once: of each window and channel one number
# survives. So it need not be kept. The pixels of a window are taken one after another, and for each channel only the largest
# value so far and the place of its pixel are held. The gradient of a maximum goes to that pixel alone, so the place is all
# that the backward pass needs.

# %%
spot = busiest(truth, 4 * PATCH)
patch = zoomed[
    :, :, spot[0], spot[1]
]  # (1, 3, 64, 64): 4 x 4 windows of 16 x 16 pixels
chosen = {
    "prefers light": light,
    "prefers dark": -light,
    "prefers red to blue": torch.tensor([1.0, 0.0, -1.0]).view(1, 3, 1, 1),
}
argmax = {}
for name, channel in chosen.items():
    where = F.max_pool2d(F.conv2d(patch, channel), PATCH, return_indices=True)[
        1
    ].flatten()
    argmax[name] = (where % patch.shape[3], where // patch.shape[3])

# %% mystnb={"figure": {"caption": "A part of the image in windows of 16 x 16 pixels, and the pixel with the maximum of each window (circles), for three channels. All other pixels neither count nor learn.", "name": "details-argmax"}, "image": {"alt": "Three times the same enlarged part of the image with a white grid of sixteen windows; in each window one circle, on a bright, a dark or a reddish pixel.", "width": "100%"}} tags=["hide-input"]
figure, axes = plt.subplots(1, 3, figsize=(show.WIDTH, 3.1))
for axis, (name, (columns, rows_)) in zip(axes, argmax.items()):
    axis.imshow(patch[0].permute(1, 2, 0).numpy())
    for line in range(PATCH, patch.shape[3], PATCH):
        axis.axhline(line - 0.5, color="white", linewidth=0.8)
        axis.axvline(line - 0.5, color="white", linewidth=0.8)
    axis.plot(
        columns,
        rows_,
        "o",
        markersize=7,
        markerfacecolor="none",
        markeredgecolor="#D55E00",
        markeredgewidth=1.6,
    )
    axis.set_title(f"a channel that {name}", fontsize=8)
    axis.axis("off")
figure.tight_layout(pad=0.3)

# %% [markdown]
# **Mix before upsampling.** A convolution of a concatenation is the sum of two convolutions, one of each half. The half that
# comes from CLIP is a small map, upsampled. Upsampling makes each pixel a weighted mean of its neighbours; mixing channels
# works within a pixel. Two such linear maps can change places, so each of the nine taps of the 3 × 3 convolution is applied
# to the small map, where there are $4^{4-i}$ times fewer pixels, and its result upsampled and shifted by a pixel.
#
# Both stand in `rimlib.fast`. One call switches a model to such modules, which have the same parameters, and back;
# prediction and training do it. One forward and backward pass through the four levels, of the paper's width, on one image
# of a quarter of the paper's side, so that the literal way does not take long. *Kept* is what PyTorch saves for the backward
# pass.

# %% tags=["hide-input"]
quarter = size // 4
generator, alive = (
    torch.manual_seed(4),
    [],
)  # `alive`: where outputs are above ReLU's kink, one mask for both ways
full = torch.nn.ModuleList(
    details.DetailsExtractor(level, 2 * width, width, out)
    for level, out in channels.items()
)
small_tokens = torch.randn(
    1, 2 * width, quarter // PATCH, quarter // PATCH, generator=generator
)
# Colours and their weights in multiples of 1/256: products are exact, and so
# are ties between the pixels of a window, of which
# both ways take the first.
small_image = (256 * pixels_of(seen.image, quarter)).round() / 256
for extract in full:
    for value in extract.norm_image.parameters():
        value.copy_((256 * value).round() / 256)


def one_step(enabled):
    """Seconds, MiB kept, and the outputs and gradients of a forward and
    backward pass through all levels."""
    fast.optimize(full, enabled)
    kept, start = {}, time.perf_counter()

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with (
        torch.enable_grad(),
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
    ):
        given = small_tokens.clone().requires_grad_()
        outputs = [extract(given, small_image) for extract in full]
        noise = torch.Generator().manual_seed(
            5
        )  # for each output; none at ReLU's kink, where rounding decides
        alive.extend(out > 1e-3 for out in outputs[len(alive) :])
        upstream = [
            torch.randn(out.shape, generator=noise) * mask
            for out, mask in zip(outputs, alive)
        ]
        slopes = torch.autograd.grad(
            outputs, [given, *full.parameters()], upstream
        )
    seconds = time.perf_counter() - start
    weights_too = {
        value.untyped_storage().data_ptr() for value in full.parameters()
    }
    held = sum(
        tensor.untyped_storage().nbytes()
        for place, tensor in kept.items()
        if place not in weights_too
    )
    return seconds, held / 2**20, [out.detach() for out in outputs], slopes


def far(one, other) -> float:
    """The largest difference of two lists of tensors, relative to the largest
    value."""
    return max(float((a - b).abs().max()) for a, b in zip(one, other)) / max(
        float(b.abs().max()) for b in other
    )


one_step(True)  # not timed: the first call also sets things up
taken = {"as written": one_step(False), "fast": one_step(True)}
literal, quick = taken.values()
show.table(
    [
        {
            "way": name,
            "seconds": seconds,
            "kept for the backward pass (MiB)": f"{kept:.0f}",
        }
        for name, (seconds, kept, *_) in taken.items()
    ]
)
print(
    f"outputs differ by {far(quick[2], literal[2]):.0e}, gradients by "
    f"{far(quick[3], literal[3]):.0e} of the largest"
)

# %% [markdown]
# `python benchmarks/details.py` measures the same in full: batch 2 at 512 pixels, medians of ratios, peak memory of the
# process, and the largest difference.

# %% [markdown]
# ## Check
#
# Each level's output has its size; the image is normalised at its full size before it is pooled; and it would be another
# module with P3M's order.

# %% tags=["check"]
for extract, tokens in levels_given:
    out, made = record(extract, tokens, normal)
    torch.testing.assert_close(
        features.details[4 - extract.level], out, atol=1e-5, rtol=1e-5
    )
    assert (
        out.shape[2] == side // 2**extract.level
        and made["norm_image"].shape[2:] == normal.shape[2:]
    )
    assert torch.equal(out, made["norm"].relu())
    swapped = extract.norm_image(extract.maxpool(normal))
    assert (
        swapped.shape == made["maxpool"].shape
        and far([swapped], [made["maxpool"]]) > 1e-2
    )

# %% [markdown]
# Smaller cells, smaller errors; and a maximum over responses to dark is never below the response to a maximum.

# %% tags=["check"]
for error in errors.values():
    assert error[4] > error[3] > error[2] > error[1] > 0
answers = dark["norm, then pool"] - dark["pool, then norm"]
assert answers.min() > -1e-6 and answers.max() > 0.2
assert (
    F.max_pool2d(F.conv2d(zoomed, light), at) <= F.conv2d(pooled, light) + 1e-6
).all()

# %% [markdown]
# The two rewritings are exact, and of each window the pixel with the maximum alone has a gradient.

# %% tags=["check"]
assert far(quick[2], literal[2]) < 1e-5 and far(quick[3], literal[3]) < 1e-5
with torch.enable_grad():
    channel = torch.nn.Conv2d(3, 1, 1)
    channel.weight.data, channel.bias.data = -light.clone(), torch.zeros(1)
    slope = torch.autograd.grad(
        fast.maxpool_projection(patch, channel, PATCH).sum(), channel.weight
    )[0]
columns, rows_ = argmax["prefers dark"]
torch.testing.assert_close(
    slope.flatten(), patch[0, :, rows_, columns].sum(dim=1)
)

# %% [markdown]
# What the text claims of the cost, and of this model.

# %% tags=["check", "hide-input"]
assert (
    rows[-1]["convolution (GMAC)"]
    == max(as_written.values())
    > all_of(as_written) / 2
)
assert all(
    row["norm of the image, full size (MiB)"] >= 2 * row["concatenated (MiB)"]
    for row in rows
)
assert taken["fast"][1] < 0.35 * taken["as written"][1]
if paper_profile == "paper-b16":
    assert (
        0.7
        < cost["MDE: convolutions of Eq. 9"] / cost["CLIP's image encoder"]
        < 0.8
    )
if (weights, split) == ("shipped", "seen"):
    whole, fine = r2["whole image"], r2["unknown region"]
    assert whole["from CLIP"][0] > whole["from the image"][0] + 0.2
    ahead = [
        one - other
        for one, other in zip(fine["from CLIP"], fine["from the image"])
    ]
    assert ahead[0] > ahead[3] and fine["both"][3] > max(
        fine["from CLIP"][3], fine["from the image"][3]
    )
if (weights, split, scene, entity) == ("shipped", "seen", 4, 1):
    lost = {
        name: np.abs(map_ - cases["all of it"])[unknown].mean()
        for name, map_ in cases.items()
    }
    assert lost["no image at level 1"] > max(
        lost[f"no image at level {level}"] for level in (4, 3, 2)
    )

# %% [markdown]
# ## Summary
#
# * One number for a patch cannot hold an edge, however good it is. Four levels, from the patch to two pixels, can.
# * Each level joins the tokens of CLIP's blocks, upsampled, with the image, downsampled: CLIP has what is a thing, the image
#   has where it ends.
# * The paper's order, norm and then pool, keeps what is dark; P3M's does not.
# * As written, the four convolutions cost three quarters of the image encoder, and the maps before pooling are the largest of
#   the model.
# * Mixing and upsampling change places exactly, and of a pooling window only the maximum matters. So `fast` computes the same
#   without the large maps.
#
# Before: [](03c_semantic_popup) finds what is meant. Next: [](03e_clipmat) puts both together into a matte. The code:
# `rimlib.clipmat.details`, `rimlib.fast`.
#
# ## Exercises
#
# 1. Continue the levels: what would a level 0, at the image's full size and with 48 channels, cost as written? Guess first,
#    from the table of levels.
#
# :::{dropdown} Answer
# From a level to the next finer one there are four times as many pixels and half as many channels, so each costs twice the
# last, and a new one costs more than all before it together.
# `gmac(F.conv2d, torch.empty(1, 768, 512, 512, device="meta"), torch.empty(48, 768, 3, 3, device="meta"), None, 1, 1)` gives it.
# :::
#
# 2. Replace max pooling by average pooling. Which of the two orders is then cheaper, and what is the difference between them?
#    What happens to a hair of one pixel's width in a window of 16 × 16?
#
# :::{dropdown} Answer
# None but the cost: a mean and a 1 × 1 convolution are both linear, so `F.avg_pool2d(norm(x), 16)` is
# `norm(F.avg_pool2d(x, 16))` to rounding, and the second is 256 times cheaper. But a hair across the window fills 16 of its 256
# pixels: a mean sees a sixteenth of it, a maximum all of it.
# :::
#
# 3. Whatever the weights, can every pixel of a window be the maximum? Take the colours of one window as points in space, and look for
#    those that no $w$ would ever choose. Count with `scipy.spatial.ConvexHull(points).vertices`.
#
# :::{dropdown} Answer
# $w \cdot x$ is largest at a corner of the points' convex hull, so what lies inside is never the maximum, for any channel. In the busy
# windows of this scene that is about one colour in seven. Adding a bias moves all values of a window alike and does not
# change the argmax.
#
# ```python
# from scipy.spatial import ConvexHull
# points = np.unique(np.uint8(255 * patch[0, :, :16, :16].numpy()).reshape(3, -1).T, axis=0)
# print(len(points), len(ConvexHull(points).vertices))
# ```
# :::
#
# 4. `norm_image` has a bias, and a batch norm follows in Eq. 9, which takes away what is the same everywhere. Is the bias of
#    any use? Add 1 to it, and look at what the image's half of the convolution makes of that, before the batch norm.
#
# :::{dropdown} Answer
# A maximum moves with its bias. So inside the image every value after the convolution moves by the same amount, one for each
# channel, and a batch norm takes that away. At the border it moves by another, for outside the image the convolution sees
# zeros, not the bias. What the bias can do is to mark the border.
#
# ```python
# e, maps = model.extractors[3], []
# for more in (0, 1):
#     e.norm_image.bias += more
#     maps.append(F.conv2d(e.maxpool(e.norm_image(normal)), e.mix.weight[:, e.norm_image.out_channels :], padding=1))
# moved = maps[1] - maps[0]
# print(moved[:, :, 1:-1, 1:-1].std((2, 3)).max(), moved.std((2, 3)).max())
# ```
# :::
