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
# # The refiner: an edge for every pixel
#
# A model that sees a small square gives a small matte. This chapter makes it one of the image's own size: with a second network,
# which is given the image again, and by tiles that leave no seam.
#
# :::{admonition} Before you run this
# | | |
# |:--|:--|
# | Device | any processor; no accelerator is used |
# | Memory | 2 GB |
# | Minutes | below 1, on one core |
# | Inputs | the shipped photographs, the shipped model and the shipped refiner; the record of the refiner's training |
# | Outputs | none, only what you see |
# :::
#
# In the paper: Sec. 5.1 ("Matting refiner"), supplement Sec. 4.1, Table 6 {cite:p}`rim`. The network is that of P3M {cite:p}`p3m`. The
# code is `rimlib/clipmat/refiner.py`, `rimlib/clipmat/p3m.py`, `rimlib/matting/pyramid.py` and `rimlib/matting/tiles.py`; training is
# `rimlib/training/refiner.py`.

# %% tags=["parameters"]
weights: str = "shipped"  # the refiner: or a checkpoint's path
split: str = "seen"  # photographs: "seen" in training, or "test"
scene: int = 14  # which scene of that split, from 0
entity: int = 0  # which of its entities, from 0
expression: int = 0  # 0 basic, 1 absolute, 2 and 3 relative
longer: int = 768  # longer side of the image, pixels
tile: int = 256  # side of a tile, pixels: small, to have several

# %% tags=["hide-input"]
import json

import numpy as np
import torch
from matplotlib.patches import Rectangle

from rimlib import profile as profiles
from rimlib import show
from rimlib.clipmat import CLIPMat
from rimlib.clipmat.p3m import (
    P3MNet,
    ShallowIntegration,
    TripartiteIntegration,
    unpool,
)
from rimlib.clipmat.refiner import Refiner, normalise, trimap_of
from rimlib.io import images
from rimlib.matting import metrics, pyramid, tiles
from rimlib.matting.pyramid import own_size, steps
from rimlib.printed import tables
from rimlib.refmatte.example import example
from rimlib.repository import repository
from rimlib.training import coarse as coarse_alphas
from rimlib.training.refiner import refiner_loss

torch.set_grad_enabled(False)  # this chapter looks, it does not train
refiner = Refiner.shipped() if weights == "shipped" else Refiner.load(weights)
record = json.loads(
    (repository() / "results" / "runs" / "refine-tiny.json").read_text(
        encoding="utf-8"
    )
)

# %% [markdown]
# ## What is missing
#
# A scene, the sentence, and the matte of the shipped CLIPMat. Its input is a square, much smaller than the image; its matte is upsampled to
# the image.

# %% tags=["hide-input"]
seen = example(scene, split, canvas=(longer * 3 // 4, longer))
image, truth, sentence = (
    seen.image,
    seen.mattes[entity],
    seen.expressions[entity][expression],
)
model = CLIPMat.shipped()
square = (
    torch.from_numpy(images.resize(image, (model.image_size,) * 2))
    .permute(2, 0, 1)[None]
    .float()
    / 255
)  # (1, 3, S, S)
coarse = (
    model(square, model.tokenize([sentence])).alpha[0, 0].numpy()
)  # (S, S)
enlarged = images.resize(coarse, truth.shape)
refined = refiner.refine(image, coarse)
print(
    f"the image: {image.shape[1]} x {image.shape[0]} pixels; what CLIPMat "
    f"sees: {model.image_size} x {model.image_size}"
)

# %% [markdown]
# A window of the image, where the edge is finest: the one in which the truth has most pixels that are neither 0 nor 1.

# %%
zoom = longer // 5
soft = (
    ((truth > 0.1) & (truth < 0.9)).cumsum(axis=0).cumsum(axis=1)
)  # how many such pixels lie above and to the left
soft = np.pad(soft, ((1, 0), (1, 0)))
inside = (
    soft[zoom:, zoom:]
    - soft[:-zoom, zoom:]
    - soft[zoom:, :-zoom]
    + soft[:-zoom, :-zoom]
)
top, left = np.unravel_index(inside.argmax(), inside.shape)
close = np.s_[top : top + zoom, left : left + zoom]

# %% mystnb={"figure": {"caption": "The image, CLIPMat's matte enlarged, the same refined, and the truth; below, the window with the finest edge.", "name": "refiner-before-after"}, "image": {"alt": "Two rows of four. Above a scene and three mattes of one entity in it; below the same enlarged around an edge, which the refined matte has sharper than CLIPMat's.", "width": "100%"}}
mattes = [enlarged, refined, truth]
titles = ["CLIPMat, enlarged", "refined", "the truth"]
show.grid(
    [image, *mattes, image[close], *(matte[close] for matte in mattes)],
    [sentence, *titles, "the window", *titles],
    columns=4,
);

# %%
score = lambda matte: metrics.score(matte, truth, 2 * (longer // 64) + 1)
show.table(
    [
        {
            "matte": name,
            "SAD (thousands)": row["sad"],
            "SAD at the edge": row["sad_in_band"],
            "IoU": row["iou"],
        }
        for name, row in zip(titles[:2], map(score, mattes))
    ]
)

# %% [markdown]
# The first row is CLIPMat's, the second the refined one.
#
# The paper calls this stage optional and says little of it: P3M's network, "modifying the input from a single image to the image with a
# coarse map", trained on RefMatte. It stands behind *any* model, since it needs no more than a coarse matte; and it can be no better
# than that matte is about *what* is meant. Where CLIPMat chose the wrong dog, the refiner gives the wrong dog a fine edge; and what a
# coarse matte misses by more than some pixels, a foot or a tail, stays missing.
#
# ## P3M's network
#
# ```text
#                                image and coarse alpha, 4 channels
#                                              │
#  encoder      e0 ──► e1 ──► e2 ──► e3 ──► e4 ──► e5            a max pool between two, whose indices are kept
#  full size     │     1/2    1/4    1/8   1/16   1/32
#                │      │      │      │      │      ├──────────────► dBFI: the deepest features, for the semantic decoder
#  semantic      │    s0 ◄── s1 ◄── s2 ◄── s3 ◄─────┤                ──► trimap: where is the unknown?
#  decoder       │      ╲      ╲      ╲      ╲      │
#                │      TFI    TFI    TFI    TFI    │                TFI: semantic, matting and encoder features of one size
#  matting       │      ╱      ╱      ╱      ╱      │
#  decoder       └──► d0 ◄── d1 ◄── d2 ◄── d3 ◄─────┘                ──► detail: how much is in each pixel?
#                sBFI: the finest features, for the matting decoder            (enlarged by unpooling)
# ```
#
# Two decoders again, one for *where*, one for *how much*, and the same collaboration as in CLIPMat at the end: the detail where the
# trimap is unknown, 1 where it is foreground, 0 elsewhere. CLIPMat's details extractor descends from this network's sBFI.

# %%
show.source(P3MNet.forward)

# %% [markdown]
# ### Unpooling: the indices of the maxima are kept
#
# A max pool keeps the largest value of its window and drops where it stood. P3M's encoder is a ResNet-34 in which every halving is
# such a pool and *where* is kept. The matting decoder puts its values back to those very pixels, and zeros between them. So an edge
# returns to where the image has it, to the pixel, though the decoder works at half the size.

# %% tags=["hide-input"]
first = steps(truth.shape, coarse.shape)[
    0
]  # the size of the first step, of which more below
small, blurred = images.resize(image, first), images.resize(coarse, first)
rows, columns = (
    np.flatnonzero((blurred > 0.5).any(axis=axis)) for axis in (1, 0)
)
around = tuple(
    slice(max(0, found[0] - 16), None) for found in (rows, columns)
)  # the entity with some of what lies around it …
around = tuple(
    slice(
        part.start,
        part.start
        + max(
            32,
            min(length - part.start, found[-1] + 16 - part.start) // 32 * 32,
        ),
    )
    for part, length, found in zip(around, first, (rows, columns))
)  # … cut to multiples of 32
part = (
    torch.from_numpy(np.dstack([small[around] / 255.0, blurred[around]]))
    .permute(2, 0, 1)[None]
    .float()
)  # (1, 4, H, W)
features, indices = refiner.net.encoder(normalise(part))
print("features", [tuple(feature.shape[1:]) for feature in features])
back = unpool(features[1], indices[0])[
    0
].numpy()  # (w0, H, W), the pooled values where they came from

# %% [markdown]
# Where all pixels of a window are alike, the first of them is the maximum, and the maxima stand in a lattice, as in plain upsampling. Where the
# image changes they leave it: there the image decides. We look at the channel that leaves it most, around a piece of the edge.

# %% mystnb={"figure": {"caption": "A piece of the edge, one channel of the first features there, its pool put back to the pixels of the maxima, and the same upsampled plainly, without the image.", "name": "refiner-maxima"}, "image": {"alt": "A crop of the image; a grey map of it with a clear edge; the map as dots that stand irregularly along edges; the map as dots in a regular lattice.", "width": "100%"}} tags=["hide-input"]
edge = np.argwhere((blurred[around] > 0.3) & (blurred[around] < 0.7))
middle = np.clip(
    edge[len(edge) // 2], (24, 32), np.array(back.shape[1:]) - (24, 32)
)
rows, columns = (
    slice(place - half, place + half)
    for place, half in zip(middle // 2 * 2, (24, 32))
)
away = back[:, rows, columns] > 0
away[:, ::2, ::2] = False  # values that do not stand on the lattice
channel = int(away.sum(axis=(1, 2)).argmax())
plain = np.zeros(back.shape[1:], np.float32)
plain[::2, ::2] = features[1][0, channel].numpy()
large = lambda one: np.kron(
    one, np.ones((10, 10, 1) if one.ndim == 3 else (10, 10), one.dtype)
)
values = [features[0][0, channel].numpy(), back[channel], plain]
show.grid(
    [
        large(small[around][rows, columns]),
        *(
            large(
                np.clip(
                    value[rows, columns] / values[0][rows, columns].max(), 0, 1
                )
            )
            for value in values
        ),
    ],
    [
        "the image",
        f"first features, channel {channel}",
        "unpooled",
        "enlarged plainly",
    ],
);

# %% [markdown]
# ### How large
#
# With the widths of ResNet-34 this is the published network, parameter for parameter; the coarse alpha adds one plane to each of its
# 64 first kernels of 7 × 7. Ours has the same parts and as many blocks, and is thin, so that it trains in minutes on a processor.

# %% tags=["hide-input"]
def count(net):
    return sum(value.numel() for value in net.parameters())


with torch.device("meta"):  # shapes only: the large ones are not filled
    published, fourth = P3MNet(3), P3MNet(4)
show.table(
    [
        {
            "network": name,
            "parameters": f"{count(net):,}",
            "encoder": f"{count(net.encoder):,}",
        }
        for name, net in (
            ("P3M", published),
            ("the paper's refiner: P3M, 4 channels", fourth),
            ("ours", refiner.net),
        )
    ]
)

# %%
show.source(TripartiteIntegration)

# %%
show.source(ShallowIntegration)

# %% [markdown]
# ### Two outputs, and where they begin
#
# In minutes of training a network does not learn to see. So ours *follows*: both its outputs are corrections of the coarse alpha's own
# trimap and detail. The last convolutions begin at zero; an untrained refiner gives the coarse alpha back. P3M's has no such start, and
# at its own widths neither has ours.

# %% mystnb={"figure": {"caption": "Inside the first step. Black is background, white foreground, grey unknown in the two trimaps. The detail counts only where the network's trimap is grey.", "name": "refiner-outputs"}, "image": {"alt": "Five maps of one entity: the blurred coarse alpha, its trimap, the trimap of the network, the detail, and the final alpha with a sharp edge.", "width": "100%"}}
output = refiner(part[:, :3], part[:, 3:])
classes = lambda logits: logits[0].argmax(dim=0).numpy() / 2  # (H, W)
show.grid(
    [
        part[0, 3].numpy(),
        classes(trimap_of(part[:, 3:])),
        classes(output.trimap_logits),
        output.detail[0, 0].numpy(),
        output.alpha[0, 0].numpy(),
    ],
    ["coarse alpha", "its trimap", "the network's trimap", "detail", "alpha"],
);

# %% [markdown]
# ## Learning from bad mattes
#
# The refiner needs coarse alphas to learn from, and the paper does not say which. We take two sorts. Seven in ten are
# mattes that the shipped CLIPMat gives for training scenes, where it found the right entity: had it not, the refiner
# would learn to invent. The rest are the truth, degraded: the edge moved, holes, false positives of the neighbour, all
# at a fifth to four fifths of the size.
#
# The share is a choice. The more of the model's own mattes, the more the refiner is for this model: what a model misses
# is not what we would invent.

# %% mystnb={"figure": {"caption": "One truth, degraded seven times.", "name": "refiner-degraded"}, "image": {"alt": "Eight mattes of the same entity: a clean one, and others that are blurred, thinner, thicker, have holes or pieces of another entity.", "width": "100%"}}
others = [matte for matte in seen.mattes if matte is not truth]
degraded = [
    coarse_alphas.degrade(truth, np.random.default_rng(seed), others)
    for seed in range(7)
]
show.grid(
    [truth, *degraded],
    [
        "the truth",
        *(f"SAD {metrics.sad(matte, truth):.1f}" for matte in degraded),
    ],
    columns=4,
);

# %% [markdown]
# The loss is P3M's, with the weights of its code. $T$ is the trimap, $p_d$ the detail, $p$ the final alpha, $U$ the unknown region:
#
# $$
# \mathcal L = \tfrac12 \mathrm{CE}(T) + \tfrac16 \sum_{j=0}^{2} \mathrm{CE}(T_j) + 2\,\bigl[\mathcal L_\alpha(p_d) + \mathcal L_{lap}(p_d)\bigr]_U + 3\,\bigl[\mathcal L_\alpha(p) + \mathcal L_{lap}(p)\bigr]
# $$
#
# The $T_j$ are side outputs of the dBFI modules. P3M adds a composition loss, which needs the pure foreground; CLIPMat has
# none, and neither has this. $\mathcal L_\alpha$ and $\mathcal L_{lap}$ are those of chapter [](03e_clipmat).

# %%
show.source(refiner_loss)

# %% mystnb={"figure": {"caption": "The mean error of the coarse alphas that training showed, and of what the refiner made of them.", "name": "refiner-training"}, "image": {"alt": "Two lines over minutes: one stays level, the other falls below it within the first minutes.", "width": "100%"}} tags=["hide-input"]
log = record["log"]
width = max(1, len(log) // 40)
smooth = [
    {
        "minutes": np.mean([row["seconds"] for row in rows]) / 60,
        **{
            name: np.mean([row[name] for row in rows])
            for name in ("alpha", "coarse")
        },
    }
    for rows in (
        log[start : start + width] for start in range(0, len(log), width)
    )
]
show.curves(
    smooth,
    "minutes",
    ["coarse", "alpha"],
    ["coarse alpha", "refined"],
    ylabel="mean absolute difference",
)
print(
    f"{record['metrics']['steps']} steps in "
    f"{record['metrics']['minutes']:.0f} minutes, {record['predictions']} "
    "mattes of CLIPMat among the coarse ones"
)

# %% [markdown]
# ## Step by step to the image's size
#
# From CLIPMat's square to an image of forty million pixels each side grows tens of times, and no refiner is trained for that. It goes
# in steps: the first two to four times the size of the coarse matte, then always twice, and each step takes what the one before it made.

# %%
show.table(
    [
        {
            "image": f"{size[1]} × {size[0]}",
            "steps": ", ".join(
                f"{width} × {height}"
                for height, width in steps(size, coarse.shape)
            ),
        }
        for size in (truth.shape, (1080, 1620), (5477, 7303))
    ]
)

# %% [markdown]
# What if a matte comes already upsampled, as most programs give it? It has no more details than before. `own_size` halves it as long as its
# edges survive that, and refining begins there. A matte with hard steps keeps its size: halving
# it would cost something.

# %% tags=["hide-input"]
shrunk = images.resize(
    images.resize(truth, (72, 96)), truth.shape
)  # to an eighth, and back
show.table(
    [
        {
            "matte": name,
            "pixels": f"{matte.shape[1]} x {matte.shape[0]}",
            "own size": "{1} x {0}".format(*own_size(matte)),
        }
        for name, matte in {
            "the truth": truth,
            "the truth, from 96 x 72 pixels": shrunk,
            "CLIPMat's, enlarged": enlarged,
        }.items()
    ]
)

# %%
show.source(pyramid.refine_step)

# %% [markdown]
# Each step works only where there is something to do: near a pixel that is not plainly 0 or 1. What lies farther away keeps its value,
# for the steps before had the wide view of it. `near` gives the place, as a weight that falls off smoothly.

# %% mystnb={"figure": {"caption": "The last step: where the matte is uncertain (yellow), and the tiles that are run, drawn a little smaller than they are. The others are skipped.", "name": "refiner-near"}, "image": {"alt": "A map over the image that is bright along the outline of one entity, with the outlines of overlapping squares that cover it.", "width": "100%"}} tags=["hide-input"]
weight = tiles.near(enlarged)
cut = lambda length: tiles.cuts(length, tile)
every = [
    (rows, columns)
    for rows in cut(truth.shape[0])
    for columns in cut(truth.shape[1])
]
run = [place for place in every if weight[place].any()]
figure = show.grid(
    [show.heat(weight, image)],
    [f"{len(run)} of {len(every)} tiles of {tile} pixels"],
)
for number, (rows, columns) in enumerate(run):
    inset = 3 + 3 * (
        number % 5
    )  # overlapping tiles would hide each other's outlines
    corner, size = (
        (columns.start + inset, rows.start + inset),
        (
            columns.stop - columns.start - 2 * inset,
            rows.stop - rows.start - 2 * inset,
        ),
    )
    figure.axes[0].add_patch(
        Rectangle(
            corner,
            *size,
            fill=False,
            linewidth=1.5,
            edgecolor=show.PALETTE[number % 6],
        )
    )

# %% [markdown]
# ## Why there are no seams
#
# A network sees less at a tile's border than in its middle, and its output differs there. Cut the image into tiles that only touch, and the
# borders show. Three things together hide them.
#
# * **Tiles overlap**, by 128 pixels, and a tile's outermost quarter of that does not count.
# * Over the rest, one tile's output **turns into the next one's** along half a cosine. Where tiles $t$ cover a pixel, the result is the
#   mean $\sum_t w_t a_t / \sum_t w_t$.
# * Tiles **begin at multiples of 32** pixels. The network halves five times; a tile that began at pixel 5 would be pooled in other pairs
#   than the image, and differ everywhere.

# %% mystnb={"figure": {"caption": "The weights of the tiles along the image's width, after division by their sum. At the image's own ends nothing is taken back.", "name": "refiner-windows"}, "image": {"alt": "Curves that rise from 0 to 1 and fall again, each where its neighbour does the opposite.", "width": "100%"}} tags=["hide-input"]
along = truth.shape[1]
weights_along = np.zeros((len(cut(along)), along))
for number, place in enumerate(cut(along)):
    weights_along[number, place] = tiles.window(place, along)
shares = weights_along / weights_along.sum(axis=0)
rows = [
    {
        "pixel": pixel,
        **{
            f"tile {number}": share
            for number, share in enumerate(shares[:, pixel])
        },
    }
    for pixel in range(along)
]
show.curves(rows, "pixel", list(rows[0])[1:], ylabel="share of the result");

# %% [markdown]
# The test of it: the image whole, in tiles that only touch, and in tiles that overlap. What differs from the whole?

# %% tags=["hide-input"]
def whole_and_tiles(alpha):
    """One pass over a matte at the image's size: whole, in touching tiles, in
    overlapping ones."""
    work = lambda rows, columns: refiner.refine_tile(
        image[rows, columns], alpha[rows, columns]
    )
    touching = np.zeros_like(alpha)
    for row in range(0, alpha.shape[0], tile):
        for column in range(0, alpha.shape[1], tile):
            place = slice(row, row + tile), slice(column, column + tile)
            touching[place] = work(
                *(
                    slice(part.start, min(part.stop, length))
                    for part, length in zip(place, alpha.shape)
                )
            )
    return (
        work(slice(0, alpha.shape[0]), slice(0, alpha.shape[1])),
        touching,
        tiles.run(work, alpha.shape, tile=tile),
    )


whole, touching, overlapping = whole_and_tiles(enlarged)

# %% mystnb={"figure": {"caption": "How far the two are from the image refined whole, yellow is a tenth and more. Touching tiles differ where their borders cross the outline, the bright specks; with overlap they are gone.", "name": "refiner-seams"}, "image": {"alt": "Two dark maps over the image. In the left one a few bright specks on the outline, some of them cut straight; the right one is dark.", "width": "100%"}}
apart = [np.abs(one - whole) for one in (touching, overlapping)]
show.grid(
    [show.heat(one, image, 0, 0.1) for one in apart],
    [
        f"{name}: mean {one[weight > 0].mean():.5f} where the matte is in "
        "question"
        for name, one in zip(("touching", "overlapping"), apart)
    ],
);

# %%
show.source(tiles.run)

# %% [markdown]
# An image's size costs memory for a few maps and nothing else: `run` holds two, the network one tile. `benchmarks/refiner.py --large` refines a
# image of 40 million pixels in a process of its own and prints the memory that it held.
#
# ## Does it help?
#
# The paper's Table 6 has every method with and without its refiner. Ours stands beside it, from the record of the shipped refiner: the
# same measure, at other scales, behind the CLIPMat that it was trained with. Compare the ratios, not the numbers.

# %% tags=["hide-input"]
methods = {
    "mdetr": "MDETR",
    "clipseg": "CLIPSeg",
    "clipmat": "CLIPMat ViT-B/16",
    "clipmat-l14": "CLIPMat ViT-L/14",
}
printed = []  # Paper: Table 6: SAD without and with the refiner
for setting in ("keyword", "expression"):
    sad = tables()["table6"].values("SAD", setting)
    printed += [
        (f"{name}, {setting}", sad[row], sad[f"{row}-refined"])
        for row, name in methods.items()
    ]
show.table(
    [
        {
            "paper's Table 6, RefMatte test, about 1.75 megapixels": name,
            "SAD": before,
            "SAD, refined": after,
            "ratio": round(after / before, 3),
        }
        for name, before, after in printed
    ]
)

# %% tags=["hide-input"]
kinds = {
    "all": "CLIPMat, expression: all",
    "localised": "… where it found the right entity",
    "degraded": "the truth, degraded",
}
show.table(
    [
        {
            "ours, tiny data set, 0.08 megapixels": f"{text}, {split_name}",
            "mattes": row["mattes"],
            "SAD": row["before"]["sad"],
            "SAD, refined": row["after"]["sad"],
            "ratio": round(row["after"]["sad"] / row["before"]["sad"], 3),
            "ratio at the edge": round(
                row["after"]["sad_in_band"] / row["before"]["sad_in_band"], 3
            ),
        }
        for split_name, found in record["scores"].items()
        for kind, text in kinds.items()
        for row in [found[kind]]
    ]
)

# %% [markdown]
# Two things are the same in both tables. A refiner helps most where edges are bad and the entity is right: CLIPSeg by keyword in the
# paper, the degraded truth in ours. And where most of the error is a wrong entity, as with expressions, it helps
# little, for no edge can make up for that. It helps little too where the edges were good already: the paper's ViT-L/14 by keyword.
#
# ## Check

# %% tags=["hide-input"]
assert (
    count(fourth) - count(published) == 64 * 7 * 7
    and count(published) == 38_965_060
), "it is P3M's network"
fresh = Refiner.from_profile(profiles.load("tiny")).eval()
assert (
    np.abs(
        fresh.refine(image, enlarged)
        - images.resize(
            images.resize(enlarged, own_size(enlarged)), truth.shape
        )
    ).mean()
    < 0.01
), "an untrained one changes next to nothing"
assert own_size(truth) == truth.shape and own_size(shrunk) < truth.shape
assert steps((960, 1280), (128, 128)) == [(240, 320), (480, 640), (960, 1280)]

# %%
rough = images.resize(images.resize(truth, (96, 128)), truth.shape)
sharpened = refiner.refine(image, rough)
assert metrics.sad_in_band(sharpened, truth) < 0.9 * metrics.sad_in_band(
    rough, truth
), "edges return to where the image has them"
shuffled = refiner.refine(image[::-1].copy(), rough)
assert metrics.sad_in_band(shuffled, truth) > metrics.sad_in_band(
    sharpened, truth
), "and it is the image that decides"

# %% tags=["hide-input"]
assert np.allclose(shares.sum(axis=0), 1)
assert np.abs(np.diff(shares, axis=1)).max() < np.pi / 2 / 64 + 1e-6, (
    "no weight jumps from a pixel to the next"
)
assert apart[1][weight > 0].mean() < 0.5 * apart[0][weight > 0].mean(), (
    "overlap and windows take most of the difference away"
)
border = [place.start for place in cut(along)[1:]] + [
    place.stop for place in cut(along)[:-1]
]
jump = np.abs(
    np.diff(overlapping - whole, axis=1)
)  # what tiles add to the change from a pixel to the next
assert jump[:, np.array(border) - 1].mean() <= jump.mean() + 1e-5, (
    "and none of what is left stands along a border"
)
far = weight == 0
assert (
    refiner.refine(image, enlarged)[far] - enlarged[far] == 0
).mean() > 0.95, "far from every edge the matte is left alone"

# %% [markdown]
# ## Summary
#
# * A refiner takes the image and a coarse matte, and gives a matte at the image's size. It corrects edges, not choices.
# * P3M's network keeps the indices of each max pool and puts values back there; TFI, sBFI and dBFI carry features between its parts.
# * Ours begins at the coarse alpha and learns corrections, from the degraded truth and from CLIPMat's own mattes.
# * Large images are refined in steps of twice the size, only in tiles that hold an edge.
# * Overlap, smooth weights and a grid of 32 pixels: no seam is seen.
#
# Next: [](03g_baselines). The code: `rimlib.clipmat.refiner`, `rimlib.clipmat.p3m`, `rimlib.matting.pyramid`, `rimlib.matting.tiles`,
# `rimlib.training.refiner`, `rimlib.training.coarse`.

# %% [markdown]
# ## Exercises
#
# 1. Make the tiles begin five pixels off their grid, in a copy of `tiles.cuts`, and look at {numref}`refiner-seams` again. What do you
#    expect, and why?
#
# :::{dropdown} Answer
# The mean difference from the whole, where the matte is in question, grows many times. At 5 pixels all five halvings pool other pixels
# together than in the whole image, the first one included. Shifts by 16, 8 and 4 pixels leave the first halvings as they were, and
# so they do less.
# :::
#
# 2. Give the refiner the true matte of the scene's *other* entity, shrunk to 128 pixels. Is the entity of the sentence found?
#
# :::{dropdown} Answer
# No: the IoU with the entity of the sentence stays at 0.001, and the other's matte gets better, its SAD falls from 3.06 to 1.22. The
# refiner has never read the sentence. That is why the table's mattes of unseen entities, most of them wrong, change least.
# :::
#
# 3. Refine the refined matte again, and once more.
#
# :::{dropdown} Answer
# The second time `own_size` finds no blur, so there is a single step at full size. What the refiner did not find the first time it hardly
# finds now, and its own small errors add up. The SAD after each pass, by `score`, shows which of the two weighs more.
# :::
#
# 4. How much does the image help? Shrink the truth to 128 pixels and refine it with the image, a grey copy, a uniform grey, and the
#    image mirrored.
#
# :::{dropdown} Answer
# Enlarged alone it has a SAD of 1.84. With the image it becomes 0.91, with the grey copy 0.86: here light alone shows where the edge is.
# With uniform grey it is still 1.27, for most edges that are blurred now were steps before. With the mirrored image, 3.90: edges that are
# not there mislead it.
# :::
