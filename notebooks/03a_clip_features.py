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
# # CLIP: an image as tokens, a sentence as tokens
#
# Two encoders that were trained to agree turn an image into one vector for each patch and a sentence into one for each
# word; this chapter takes them apart and looks at what such vectors contain before any matte is trained.
#
# :::{admonition} Before you run this
# | | |
# |:--|:--|
# | Device | any processor; no accelerator is used |
# | Memory | 3 GB, since one cell builds the paper's ViT-B/16 |
# | Minutes | below 1, on one core |
# | Inputs | the shipped photographs, the shipped model and the small CLIP that it began from |
# | Outputs | none, only what you see |
# :::
#
# In the paper: Sec. 4.1, the sentence of Sec. 4.3 and 4.4 that gives up "the last project layer", supplement Sec. 4.1
# on position embeddings and patch sizes, and the first rows of Table 11 {cite:p}`rim`. The code is
# `rimlib/clipmat/backbone.py` and `rimlib/clipmat/clip_weights.py`, around the modules of open_clip.

# %% tags=["parameters"]
weights: str = "shipped"  # the matting model: or a checkpoint's path
clip_weights: str = "clip"  # or "random", or a .safetensors file's path
split: str = "seen"  # photographs: "seen" in training, or "test"
scene: int = 19  # which scene of that split, from 0
probes: int = 32  # further scenes of each split, where something is measured

# %% tags=["hide-input"]
import dataclasses
from functools import lru_cache

import matplotlib.pyplot as plt
import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from timm.layers import resample_patch_embed

from rimlib import show
from rimlib.io import images
from rimlib.clipmat import CLIPMat
from rimlib.evaluation import table11
from rimlib.clipmat.backbone import PATCH, Backbone, normalise, resize_visual
from rimlib.clipmat.clip_weights import create_clip
from rimlib.clipmat.prompt import pre_context
from rimlib.training import contrast
from rimlib.refmatte.example import example

torch.set_grad_enabled(False)  # this chapter looks, it does not train
model = CLIPMat.shipped() if weights == "shipped" else CLIPMat.load(weights)
settings = model.profile.model
side = open_clip.get_model_config(settings.backbone)["vision_cfg"][
    "image_size"
]  # of CLIP; the matting model may have another


scene_of = lru_cache(maxsize=None)(
    example
)  # many cells look at the same scenes


def small_clip(size=side, trained=clip_weights):
    """The CLIP before matting, for size x size, and its tokenizer."""
    torch.manual_seed(0)  # random weights are to be the same each time
    clip, tokenizer = create_clip(
        dataclasses.replace(settings, image_size=size), trained
    )
    return clip.eval(), tokenizer


def contrastive(size=side, trained=clip_weights):
    """The same as backbone and two projections: `encode_image` gives all
    tokens, and texts become vectors of length 1."""
    return contrast.ContrastiveCLIP(*small_clip(size, trained), size).eval()


dense = lru_cache(contrastive)


def pixels(image, size=side):
    """An image as an image encoder takes it: square, float (1, 3, S, S),
    normalised."""
    return normalise(
        torch.from_numpy(images.resize(image, (size, size)))
        .permute(2, 0, 1)[None]
        .float()
        / 255
    )


# %% [markdown]
# ## Places that fit a word
#
# A scene, composed as chapter [](02a_scenes) shows, and three words, each in a short sentence. CLIP is a model that
# compares images with sentences. We take each square of 16 × 16 pixels by itself: how much is this place like
# that sentence?

# %% tags=["hide-input"]
seen = example(scene, split)
square = images.resize(seen.image, (side, side))
phrases = [pre_context(keyword) for keyword in seen.keywords]


def alike(image, texts, size=side):
    """The cosine of each text and each patch by CLIP alone, (M, h, w), and of
    each text and the class token, (M,)."""
    clip = dense(size)
    tokens, _ = clip.backbone.encode_image(
        pixels(image, size)
    )  # (1, 1+N, D_v)
    words = clip.text_features(clip.tokenizer(texts))  # (M, E)
    cosines = (
        words @ F.normalize(tokens[0] @ clip.image_projection, dim=-1).T
    )  # (M, 1+N)
    return cosines[:, 1:].unflatten(1, (size // PATCH, -1)).numpy(), cosines[
        :, 0
    ].numpy()


maps, whole = alike(seen.image, phrases)

# %% mystnb={"figure": {"caption": "How alike each patch and each sentence are, by CLIP alone. Yellow is more alike; each map has its own range.", "name": "clip-words-patches"}, "image": {"alt": "A composed photograph and three coarse maps over it, one for a sentence each. Each map is brightest on the thing that its sentence names, and on some other places too.", "width": "100%"}}
show.grid(
    [square, *(show.heat(map_, square) for map_ in maps)],
    ["the image", *phrases],
);

# %% [markdown]
# The word finds its place, roughly, and other places too. Everything that CLIPMat adds later sharpens such maps and
# gives them edges. First: where do these numbers come from?
#
# ## Two towers, one contrast
#
# CLIP is two networks side by side {cite:p}`clip`. One reads an image and ends in a vector $v$; the other reads a
# sentence and ends in a vector $t$ of the same length $E$. Nothing connects them but the training. There, $B$ images
# with their captions are encoded, and all $B \times B$ cosines are taken. An image should be most like its own
# caption, and a caption most like its own image:
#
# $$
# \mathcal{L} = -\frac{1}{2B} \sum_{i=1}^{B} \left( \log \frac{e^{s\, v_i \cdot t_i}}{\sum_j e^{s\, v_i \cdot t_j}} +
# \log \frac{e^{s\, v_i \cdot t_i}}{\sum_j e^{s\, v_j \cdot t_i}} \right), \qquad |v_i| = |t_j| = 1 .
# $$
#
# The scale $s$ is learned too. Chance pays $\log B$. No label is needed, only images that have texts, and the
# paper's CLIP had four hundred million of them. The small CLIP of this book had some minutes and our own scenes. A
# whole scene was too much for it to learn from, so its contrast is mainly between *regions*: the mean of an entity's
# patches is held against a sentence about that entity.

# %%
show.source(contrast.contrastive_loss)

# %% [markdown]
# Here are eight entities, from a scene each, and their sentences. With trained towers the diagonal should be bright.

# %% tags=["hide-input"]
def entities(split, count):
    """Entities of different keywords, the first of a scene each that is large
    enough: (example, its number)."""
    found, keywords, number = [], {"human"}, 0
    while len(found) < count and number < 20 * count:
        one = scene_of(number, split)
        for index, keyword in enumerate(one.keywords):
            if (
                keyword not in keywords
                and images.resize(
                    one.mattes[index], (side // PATCH,) * 2
                ).sum()
                > 4
            ):
                found.append((one, index))
                keywords.add(keyword)
                break
        number += 1
    return found


def compare(clip, chosen, texts):
    """Cosines (B, B) of the entities' regions and of their texts."""
    stacked = torch.from_numpy(
        np.stack([images.resize(one.image, (side, side)) for one, _ in chosen])
    )
    shares = np.stack(
        [
            images.resize(one.mattes[index], (side // PATCH,) * 2)
            for one, index in chosen
        ]
    )
    shares = torch.from_numpy(
        shares / shares.sum((1, 2), keepdims=True)
    )  # (B, h, w)
    regions = clip.region_features(
        clip.tokens(stacked), shares, torch.arange(len(chosen))
    )
    return regions @ clip.text_features(clip.tokenizer(texts)).T


# %% mystnb={"figure": {"caption": "Cosines of eight regions (rows) and eight sentences (columns): random towers, left, and the small CLIP. A dot marks the sentence that is most like the region.", "name": "clip-contrast"}, "image": {"alt": "Two square tables of coloured cells with cut-out pictures beside the rows. The left one is of one colour nearly, the right one is bright along its diagonal, with exceptions.", "width": "100%"}} tags=["hide-input"]
chosen = entities(split, 8)
figure, axes = plt.subplots(1, 2, figsize=(show.WIDTH, 4.6), sharey=True)
for axis, trained, title in zip(
    axes, ("random", clip_weights), ("random weights", "trained by contrast")
):
    cosines = compare(
        contrastive(trained=trained),
        chosen,
        [pre_context(one.keywords[index]) for one, index in chosen],
    )
    axis.imshow(cosines, cmap="cividis", vmin=-0.6, vmax=0.7)
    axis.scatter(
        cosines.argmax(1), range(8), color="white", edgecolors="black", s=22
    )
    axis.set_xticks(
        range(8),
        [one.keywords[index] for one, index in chosen],
        rotation=40,
        ha="right",
        fontsize=8,
    )
    axis.set_title(title, fontsize=9)
    axis.set_yticks([])
for row, (one, index) in enumerate(chosen):
    matte = one.mattes[index]
    rows, columns = (
        np.flatnonzero((matte > 0.5).any(axis)) for axis in (1, 0)
    )
    window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    place = axes[0].inset_axes([-0.16, 1 - (row + 0.95) / 8, 0.15, 0.9 / 8])
    place.imshow(show.over(one.image[window], matte[window], (255, 255, 255)))
    place.axis("off")
figure.tight_layout()

# %% [markdown]
# The same for more entities: the share of regions whose own sentence comes first. We count it for photographs that the
# training had and for some that it had not, by keyword and by a sentence of attributes (the *basic expression*, which
# names a colour).

# %% tags=["hide-input"]
rows, first, groups = (
    [],
    {},
    {which: entities(which, 16) for which in ("seen", "test")},
)
for trained in ("random", clip_weights):
    clip = contrastive(trained=trained)
    for which, many in groups.items():
        for kind, texts in (
            (
                "keyword",
                [pre_context(one.keywords[index]) for one, index in many],
            ),
            (
                "basic expression",
                [one.expressions[index][0] for one, index in many],
            ),
        ):
            cosines = compare(clip, many, texts)
            right = float(
                (cosines.argmax(1) == torch.arange(len(many))).float().mean()
            )
            none = torch.zeros(
                len(many), len(many), dtype=bool
            )  # no text is true of two of them
            loss = float(
                contrast.contrastive_loss(
                    cosines, torch.eye(len(many)), clip.logit_scale.exp(), none
                )
            )
            first[trained, which, kind] = right, loss
            rows.append(
                {
                    "weights": trained,
                    "photographs": "of the training"
                    if which == "seen"
                    else "others",
                    "setting": kind,
                    "own sentence first": right,
                    "chance": 1 / len(many),
                    "loss": loss,
                    "loss at chance": float(np.log(len(many))),
                }
            )
show.table(rows, digits=2)

# %% [markdown]
# Two things are worth keeping. Names of things that it never saw mean little to a CLIP of minutes, for a name must be
# learned thing by thing. A sentence with a colour in it carries over, for colours are few. OpenAI's CLIP learned names of
# things that no data set of mattes has; that is what the paper buys by starting from it, and what a laptop can't make
# up for.
#
# ## An image of patches
#
# The image encoder is a *vision transformer* {cite:p}`vit`. It cuts the image into patches of $P = 16$ pixels,
# $N = HW/P^2$ of them, and gives each a vector of $D_v$ numbers, a **token**.

# %% mystnb={"figure": {"caption": "What the transformer gets: patches. They are drawn where they came from; to the transformer they are a row, and only a position embedding says which was where.", "name": "clip-patches"}, "image": {"alt": "The image, the same image cut into eight by eight squares with gaps between them, and the squares of one of its rows in a line.", "width": "100%"}} tags=["hide-input"]
grid = side // PATCH
cut = square.reshape(grid, PATCH, grid, PATCH, 3).swapaxes(
    1, 2
)  # (h, w, P, P, 3)
apart = np.pad(
    cut, ((0, 0), (0, 0), (2, 2), (2, 2), (0, 0)), constant_values=255
)
together = apart.swapaxes(1, 2).reshape(grid * (PATCH + 4), -1, 3)
line = apart[grid // 2].swapaxes(0, 1).reshape(PATCH + 4, -1, 3)
titles = (
    "the image",
    f"{grid} x {grid} patches",
    f"row {grid // 2} of them, as it is read",
)
figure, axes = plt.subplots(
    1, 3, figsize=(show.WIDTH, 2.3), width_ratios=(1, 1, 2)
)
for axis, view, title in zip(axes, (square, together, line), titles):
    axis.imshow(view)
    axis.set_title(title, fontsize=8)
    axis.axis("off")
figure.tight_layout()

# %% [markdown]
# A patch becomes a token by one matrix, the same for all patches: the $3P^2$ numbers of its pixels times $E_p$. Written
# as code that is a convolution whose stride is its size. In front comes one more token, the **class token** $c$, which
# belongs to no place and ends as the vector of the whole; and each token gets the learned vector $e_n$ of its position:
#
# $$
# x = [\,c;\; E_p\, p_1;\; \dots;\; E_p\, p_N\,] + [\,e_0;\; e_1;\; \dots;\; e_N\,] \qquad (N+1) \times D_v .
# $$
#
# Then come blocks that are all alike. In each, every token first attends to all others
# (*attention* {cite:p}`attention`; chapter [](03c_semantic_popup) opens one up), then each passes through a small
# network by itself:
#
# $$
# x \leftarrow x + \mathrm{attn}(\mathrm{LN}(x)), \qquad x \leftarrow x + \mathrm{mlp}(\mathrm{LN}(x)) .
# $$

# %%
show.source(open_clip.transformer.ResidualAttentionBlock.forward)

# %% [markdown]
# A block *adds* to a token, so a token keeps what it was unless something is written over it. The blocks are taken in
# four equal groups (the paper's "four transformer blocks"), and what comes out of each is kept: these are the levels
# $x_v^1$ to $x_v^4$.

# %%
show.source(Backbone.encode_image)

# %% tags=["hide-input"]
before = dense().backbone
tokens, levels = before.encode_image(pixels(seen.image))
show.table(
    [
        {
            "what": "tokens, class token first",
            "shape": tuple(tokens.shape),
            "read as": f"1 image, 1 + {grid * grid} tokens, D_v numbers each",
        },
        {
            "what": "each of the four levels",
            "shape": tuple(levels[0].shape),
            "read as": f"1 image, D_v channels, {grid} x {grid} places: "
            "tokens as a map",
        },
    ]
)

# %% [markdown]
# ## Four levels
#
# A token of $D_v$ numbers can't be looked at, but a colour can. So we take the three directions in which the tokens of
# a level differ most, and paint them red, green and blue: places with like tokens get like colours. The matting model
# takes larger images than the small CLIP was trained on, and both encoders get one of its size here; how an encoder is made to
# take it stands further below.

# %% mystnb={"figure": {"caption": "The tokens after each quarter of the blocks. Above the small CLIP, below the same encoder after it learned matting with the rest of the model. Each map has colours of its own.", "name": "clip-levels"}, "image": {"alt": "Two rows of an image and four coarse coloured maps. In the lower row, from left to right, the three things become patches of a colour distinct from what is behind them.", "width": "100%"}}
encoders = {
    "CLIP, before matting": dense(model.image_size).backbone,
    "the same, after matting": model.backbone,
}
given, rows = pixels(seen.image, model.image_size), [square]
for encoder in encoders.values():
    rows += [
        show.colors(level, (side, side))[0]
        for level in encoder.encode_image(given)[1]
    ] + [square]
titles = ["the image", *(f"after group {number}" for number in (1, 2, 3, 4))]
show.grid(rows[:-1], titles * 2, columns=5, row_titles=list(encoders));

# %% [markdown]
# A picture of three directions can mislead, so let us measure. If a *linear* map reads something off the tokens, then
# it is there for the next layer, which begins with a linear map itself. We fit one on half of some scenes and test it
# on the other half. A score of 1 is perfect, 0 is no better than the mean each time.

# %% tags=["hide-input"]
def readable(tokens, truths, ridge=100.0):
    """How well a linear map reads each of `truths` (n, K) off `tokens` (n, D).

    R² on the half of the rows that the map was not fitted on, both ways round.
    """
    half, truth = len(tokens) // 2, torch.cat(list(truths.values()), dim=1)
    missed = spread = 0
    for fit, judge in (
        (slice(None, half), slice(half, None)),
        (slice(half, None), slice(None, half)),
    ):
        mean, deviation = tokens[fit].mean(0), tokens[fit].std(0) + 1e-6
        x, middle = (tokens[fit] - mean) / deviation, truth[fit].mean(0)
        matrix = torch.linalg.solve(
            x.T @ x + ridge * torch.eye(x.shape[1]),
            x.T @ (truth[fit] - middle),
        )
        missed = missed + (
            (tokens[judge] - mean) / deviation @ matrix + middle - truth[judge]
        ).square().sum(0)
        spread = spread + (truth[judge] - truth[judge].mean(0)).square().sum(0)
    widths = [values.shape[1] for values in truths.values()]
    parts = zip(truths, missed.split(widths), spread.split(widths))
    return {
        name: float(1 - lost.sum() / whole.sum())
        for name, lost, whole in parts
    }


def patches_of(split):
    """Scenes as one batch, and of each of their patches: its colour, its
    contrast, where it is, and how much of it is a thing."""
    scenes, wide = (
        [scene_of(number, split) for number in range(probes)],
        model.image_size // PATCH,
    )
    batch = torch.cat([pixels(one.image, model.image_size) for one in scenes])
    colour, gray = F.avg_pool2d(batch, PATCH), batch.mean(1, keepdim=True)
    contrast = (
        (F.avg_pool2d(gray**2, PATCH) - F.avg_pool2d(gray, PATCH) ** 2)
        .clamp(min=0)
        .sqrt()
    )
    where = torch.stack(
        torch.meshgrid(*[torch.arange(float(wide))] * 2, indexing="ij")
    )[None].expand(probes, -1, -1, -1)
    thing = np.stack(
        [
            sum(images.resize(matte, (wide, wide)) for matte in one.mattes)
            for one in scenes
        ]
    )
    thing = torch.from_numpy(thing)[:, None]  # (B, 1, h, w)
    rows = {
        "colour": colour,
        "contrast inside it": contrast,
        "its place": where,
        "is a thing": thing,
    }
    return batch, {
        name: values.permute(0, 2, 3, 1).flatten(0, 2)
        for name, values in rows.items()
    }  # (n, K)


# %% tags=["hide-input"]
reads = {}
for which in ("seen", "test"):
    batch, truths = patches_of(which)
    for name, encoder in encoders.items():
        start = encoder.visual._embeds(batch)[
            :, 1:
        ]  # before any block, (B, N, D_v)
        levels = [
            start,
            *(
                level.flatten(2).transpose(1, 2)
                for level in encoder.encode_image(batch)[1]
            ),
        ]
        for number, level in enumerate(levels):
            level = F.layer_norm(level, level.shape[-1:]).flatten(
                0, 1
            )  # as the next block would see it
            reads[name, which, number] = readable(level, truths)
show.table(
    [
        {
            "encoder": name,
            "after": f"group {number}" if number else "the patch embedding",
            **reads[name, "seen", number],
            "is a thing (photographs that training had not)": reads[
                name, "test", number
            ]["is a thing"],
        }
        for name in encoders
        for number in range(5)
    ],
    digits=2,
)

# %% [markdown]
# Line by line:
#
# * **Colour** is in every token, first to last. It goes in with the pixels, and nothing overwrites it.
# * **Contrast inside a patch** is not linear in its pixels, so the embedding does not have it; the first blocks compute
#   it.
# * **Its place** fades. It is put in at the start, and group by group less of it is left.
# * **Is a thing** is what matting needs. Before matting little of it is there at any level. After matting it grows from
#   group to group, but far less so on photographs that the training had not: this encoder has learned *its*
#   things, rather than what a thing is. A pool of a few hundred cut-outs is too small, as the shipped model's card
#   states.
#
# A CLIP of minutes settles nearly all in its first group. Of one that was trained for long one expects more: edges and
# textures early, kinds of things late. So the paper's details extractor ([](03d_details_extractor)) takes all four
# levels, and its pop-up ([](03c_semantic_popup)) the last alone.
#
# ## One vector or one for each patch
#
# CLIP's own answer is made from the class token alone. Does it still hold for each patch, as the first
# figure did? The patches' last tokens went through the same blocks, the same last norm and the same projection, but for
# OpenAI's CLIP no loss ever looked at them. The small CLIP's contrast did, since its regions are means of patches.

# %%
inside = [
    images.resize(matte, (grid, grid)) > 0.5 for matte in seen.mattes
]  # patches that are mostly the entity
show.table(
    [
        {
            "sentence": text,
            "class token": float(one),
            "patches of it": float(map_[place].mean()),
            "all other patches": float(map_[~place].mean()),
        }
        for text, one, map_, place in zip(phrases, whole, maps, inside)
    ],
    digits=2,
)

# %% [markdown]
# A cosine goes from −1 to 1. Where *patches of it* is no larger than *all other patches*, CLIP has the word but not
# the place. The class token mixes the whole scene, so it is not very like any of the three. Over many scenes:

# %% tags=["hide-input"]
def gaps(split, size=side):
    """For each entity that is large enough: its patches' cosine with its
    keyword, less that of the other patches."""
    found = []
    for number in range(probes):
        one = scene_of(number, split)
        for map_, matte in zip(
            alike(
                one.image,
                [pre_context(keyword) for keyword in one.keywords],
                size,
            )[0],
            one.mattes,
        ):
            place = images.resize(matte, map_.shape) > 0.5
            if place.any():
                found.append(float(map_[place].mean() - map_[~place].mean()))
    return found


measured = {(which, side): gaps(which) for which in ("seen", "test")}
show.table(
    [
        {
            "photographs": "of the training" if which == "seen" else "others",
            "entities": len(found),
            "mean difference": float(np.mean(found)),
            "its own patches are more alike (share)": float(
                np.mean(np.array(found) > 0)
            ),
        }
        for (which, _), found in measured.items()
    ],
    digits=2,
)

# %% [markdown]
# ## "We abandon the last project layer"
#
# The last layer of each tower is a matrix without a bias: $D_v \times E$ for images, $D_t \times E$ for texts. It
# takes both into one space, in which the cosine is meant. The paper drops both (Sec. 4.3), for then each token keeps
# its full width. Nothing is lost by that but the common space: a matrix can be learned again, and Eq. 1 and 2 of the
# pop-up begin with one each. What is won is whatever the $E$ numbers could not hold.
#
# So ours are CLIP's features, one step before its end. That can be tested: take the step, and CLIP's own vectors must
# come out. Below, open_clip's call {cite:p}`openclip`, which uses nothing of ours, against the class token and against
# the token at the end of the text.

# %% tags=["hide-input"]
clip, tokenizer = small_clip()
given, text_tokens = (
    pixels(seen.image),
    tokenizer([text for four in seen.expressions for text in four]),
)
padded = F.pad(
    text_tokens, (0, clip.context_length - text_tokens.shape[1])
)  # open_clip takes all its positions
theirs = {"image": clip.encode_image(given), "text": clip.encode_text(padded)}
projections = {"image": clip.visual.proj, "text": clip.text_projection}
encoder = Backbone(
    clip, side
)  # modifies it in place: its projections are dropped
ends = text_tokens.argmax(
    dim=1
)  # the end of text has the largest id of all tokens
words = encoder.encode_text(
    text_tokens, torch.zeros(0, encoder.text_width)
)  # (B, L, D_t)
ours = {
    "image": encoder.encode_image(given)[0][:, 0] @ projections["image"],
    "text": words[torch.arange(len(words)), ends] @ projections["text"],
}
errors = {
    name: float((ours[name] - theirs[name]).abs().max()) for name in ours
}
show.table(
    [
        {
            "tower": name,
            "vectors": len(ours[name]),
            "projection": " x ".join(map(str, projections[name].shape)),
            "largest difference to open_clip": f"{error:.1e}",
        }
        for name, error in errors.items()
    ]
)

# %% [markdown]
# A difference of exactly 0 means that both add in the same order. The tests of the project hold the same against
# ViT-B/16 and ViT-L/14 with random weights.
#
# ## From 224 to 512: positions
#
# CLIP's encoders were trained on images of 224 × 224 pixels, which is 14 × 14 patches for ViT-B/16 and 16 × 16 for
# ViT-L/14, and have a learned vector for each of these places. CLIPMat gives them 512 × 512, a grid of 32 × 32. The
# blocks do not mind, for attention takes any number of tokens. The positions do: there are too few. The paper
# (supplement Sec. 4.1) interpolates: the vectors are laid out as an image of $D_v$ channels, and that image is
# enlarged.
#
# To see it one needs positions that have learned something. Those of the small CLIP are a grid of 8 × 8. The matting model
# began with them, resized to its own image, and went on training them. We take both to 32 × 32. A map shows how
# alike one place's position is to all others' (the mean of all is subtracted first).

# %%
def position_maps(encoder, size=None):
    """Cosines of the position embeddings of all places with each other, (h, w,
    h, w), resized to a grid of size x size."""
    visual = small_clip()[0].visual  # a fresh one to resize
    visual.positional_embedding = torch.nn.Parameter(
        encoder.visual.positional_embedding.clone()
    )
    size = size or encoder.visual.grid_size[0]
    resize_visual(visual, size * PATCH)
    positions = visual.positional_embedding[
        1:
    ]  # (N, D_v), without the class token's
    positions = F.normalize(positions - positions.mean(0), dim=1)
    return (positions @ positions.T).reshape(size, size, size, size).numpy()


# %% mystnb={"figure": {"caption": "How alike the position of one place and all others are, on the grid as trained and on one of 32 x 32. Blue is unlike, yellow alike, one range for all.", "name": "clip-positions"}, "image": {"alt": "Two rows of four maps. In the upper row only the place itself is yellow, a square on the coarse grid and a spot on the fine one. In the lower row whole bands are yellow, to the left and to the right alike, and what is far above or below is blue.", "width": "100%"}} tags=["hide-input"]
towers = {
    "CLIP, before matting": before,
    "the same, after matting": model.backbone,
}  # each with its own grid
white, places, drawn, titles = (
    np.full((side, side, 3), 255, np.uint8),
    ((0.3, 0.7), (0.55, 0.3)),
    [],
    [],
)
for encoder in towers.values():
    for down, right in places:  # in parts of the height and of the width
        for maps_of in (position_maps(encoder), position_maps(encoder, 32)):
            row, column = int(down * len(maps_of)), int(right * len(maps_of))
            drawn.append(maps_of[row, column])
            titles.append(
                f"row {row}, column {column}: {len(maps_of)} x {len(maps_of)}"
            )
show.grid(
    [show.heat(map_, white, -0.4, 0.7) for map_ in drawn],
    titles,
    columns=4,
    row_titles=list(towers),
);

# %% [markdown]
# The small CLIP hardly used its positions: each is like itself and little else. Matting needed them, for "left" and
# "top" are in the sentences. What it learned is rows above all. Look along a row, though: the left half repeats
# the right. How alike is a place's position to that of its mirror image, once with left and right exchanged, once with top
# and bottom?

# %% tags=["hide-input"]
def mirrored(encoder):
    """The mean cosine of a place's position and its mirror image's: left and
    right exchanged, and top and bottom."""
    maps_of = position_maps(encoder)  # (h, w, h, w)
    rows, columns = np.indices(maps_of.shape[:2])
    return (
        float(maps_of[rows, columns, rows, columns[:, ::-1]].mean()),
        float(maps_of[rows, columns, rows[::-1], columns].mean()),
    )


mirror = {name: mirrored(encoder) for name, encoder in towers.items()}
show.table(
    [
        {
            "encoder": name,
            "cosine with the mirror image, left and right": across,
            "top and bottom": upside_down,
        }
        for name, (across, upside_down) in mirror.items()
    ],
    digits=2,
)

# %% [markdown]
# Half of the training images are flipped, and flipped words with them. The encoder took the images' symmetry and
# missed the words': its positions tell top from bottom far better than left from right. So the shipped model gives the side
# back at another place, in the pop-up (chapter [](03c_semantic_popup)).
#
# ### The same weights at three sizes
#
# Is an encoder any good on a grid it was not trained for? Here is CLIP before matting again, with its positions resized
# to three grids. Nothing was trained in between.

# %% mystnb={"figure": {"caption": "One sentence, one set of weights, three sizes of the image. More patches give a finer map.", "name": "clip-sizes"}, "image": {"alt": "The image and three maps over it, from coarse to fine. In the finest one the outline of the bus can be made out.", "width": "100%"}}
sizes = (side, 2 * side, 4 * side)
large = images.resize(seen.image, (sizes[-1],) * 2)
show.grid(
    [
        large,
        *(
            show.heat(alike(seen.image, phrases[1:2], size)[0][0], large)
            for size in sizes
        ),
    ],
    ["the image"]
    + [f"{phrases[1]}, {size} x {size} pixels" for size in sizes],
);

# %%
measured |= {(split, size): gaps(split, size) for size in sizes[1:]}
show.table(
    [
        {
            "pixels": f"{size} x {size}",
            "patches": (size // PATCH) ** 2,
            "mean difference": float(np.mean(measured[split, size])),
            "its own patches are more alike (share)": float(
                np.mean(np.array(measured[split, size]) > 0)
            ),
        }
        for size in sizes
    ],
    digits=2,
)

# %% [markdown]
# Each patch now sees a smaller part of a thing, so the difference shrinks somewhat. But the map is finer, and the
# encoder does not break. CLIPMat does not stop there: at 512 its encoder goes on learning, positions included, with a
# small learning rate.
#
# ## From 14 to 16: patches
#
# ViT-L/14 reads patches of 14 pixels, and 512 is no multiple of 14. The paper (supplement Sec. 4.1) changes "the kernel
# size and stride of the patch embedding layer from 14 to 16" and does not say how. New random weights would throw away
# what the first layer has learned; so we *resample* the old ones. What should they satisfy? Let $p$ be a patch of 14 × 14 as
# one long vector, $w$ a kernel, and $B$ the matrix that enlarges a patch to 16 × 16. The new kernel should give for the
# enlarged patch what the old one gave for the small one:
#
# $$
# w' \cdot (B p) = w \cdot p \ \text{ for all } p \quad \Longleftrightarrow \quad B^\top w' = w \quad \Longleftarrow \quad w' = (B^\top)^{+}\, w .
# $$
#
# $^{+}$ is the pseudo-inverse: of all kernels that satisfy the equation, it gives the smallest. It was proposed for
# encoders that read patches of any size {cite:p}`flexivit`, and timm has it. To enlarge the kernel like an image,
# $w' = B w$, looks natural and is wrong: $B^\top B$ is not the identity.

# %% tags=["hide-input"]
torch.manual_seed(0)
kernels = torch.randn(1024, 3, 14, 14) / 14  # as many as in ViT-L/14, random
small = normalise(
    torch.from_numpy(images.resize(seen.image, (grid * 14,) * 2))
    .permute(2, 0, 1)[None]
    .float()
    / 255
)
patches = F.unfold(small, 14, stride=14)[0].T.unflatten(
    1, (3, 14, 14)
)  # (N, 3, 14, 14)


def enlarged(values):
    return F.interpolate(
        values, scale_factor=16 / 14, mode="bicubic", antialias=True
    )


answers = F.conv2d(patches, kernels).flatten(1)  # (N, 1024)
candidates = {
    "pseudo-inverse": resample_patch_embed(kernels, [16, 16]),
    "enlarged like an image": enlarged(kernels),
    "the same, scaled by (14/16)²": enlarged(kernels) * (14 / 16) ** 2,
    "a rim of zeros": F.pad(kernels, (1, 1, 1, 1)),
}
wrong = {}
for name, made in candidates.items():
    each, whole_image = (
        F.conv2d(enlarged(patches), made).flatten(1),
        F.conv2d(enlarged(small), made, stride=16)[0].flatten(1).T,
    )
    wrong[name] = [
        float((found - answers).norm() / answers.norm())
        for found in (each, whole_image)
    ]
show.table(
    [
        {
            "new kernels": name,
            "error, each patch enlarged": f"{each:.1e}",
            "error, the image enlarged": f"{whole_image:.1e}",
        }
        for name, (each, whole_image) in wrong.items()
    ]
)

# %% [markdown]
# An error of 1 is what kernels of zeros would make; unrelated answers of the same size would be off by about 1.4. Patch by patch, the pseudo-inverse is
# exact but for rounding; what remains where the *image* is enlarged is what patches see of their neighbours' pixels.
# Enlarged kernels give outputs that are too large by the ratio of areas, and after that is corrected they still are off.
#
# ## The sizes of three CLIPs
#
# Everything above holds for the paper's two encoders; they are only larger. The numbers are from the configurations,
# and from models without memory for their weights. The multiplications are counted by the formula of a transformer: for
# each block and $n = N + 1$ tokens, $12\, n D_v^2$ in its matrices and $2\, n^2 D_v$ between tokens.

# %% tags=["hide-input"]
def sizes_of(name, size):
    """The settings of a CLIP's configuration, and what its towers hold and
    cost at size x size pixels."""
    config = open_clip.get_model_config(name)
    with torch.device("meta"):
        clip = open_clip.CLIP(**config)
    blocks, width, n = (
        len(clip.visual.transformer.resblocks),
        clip.visual.conv1.out_channels,
        (size // PATCH) ** 2 + 1,
    )
    image, text = (
        sum(value.numel() for value in net.parameters())
        for net in (clip.visual, clip.transformer)
    )
    macs = (
        blocks * (12 * n * width**2 + 2 * n**2 * width)
        + (n - 1) * 3 * PATCH**2 * width
    )
    texts = config["text_cfg"]
    return {
        "image, pixels": f"{size} x {size}",
        "patch as trained": config["vision_cfg"]["patch_size"],
        "tokens, 1 + N": n,
        "width D_v": width,
        "heads": clip.visual.transformer.resblocks[0].attn.num_heads,
        "blocks (of them in a level)": f"{blocks} ({blocks // 4})",
        "image encoder, million parameters as trained": f"{image / 1e6:.1f}",
        "image encoder, GMAC for an image": f"{macs / 1e9:.2f}",
        "text: width D_t": texts["width"],
        "text: heads": texts["heads"],
        "text: blocks": texts["layers"],
        "text: positions": clip.context_length,
        "text: vocabulary": clip.vocab_size,
        "text: million parameters in its blocks": f"{text / 1e6:.1f}",
        "width of the common space E": config["embed_dim"],
    }


names = {
    f"{settings.backbone} (ours)": (settings.backbone, model.image_size),
    "ViT-B/16": ("ViT-B-16-quickgelu", 512),
    "ViT-L/14": ("ViT-L-14-quickgelu", 512),
}
columns = {title: sizes_of(*what) for title, what in names.items()}
show.table(
    [
        {"": row, **{title: column[row] for title, column in columns.items()}}
        for row in columns["ViT-B/16"]
    ]
)

# %% [markdown]
# ### Table 11, the encoders' rows
#
# The paper's supplement lists the size of every output in its Table 11. `python -m rimlib.evaluation.table11` builds the
# model of the profile `paper-b16` with random weights, sends an image through it and holds each row against the real
# module. Here are the rows of this chapter; [](03e_clipmat) shows the others.

# %%
rows = table11.rows("paper-b16")
encoder_rows = [row for row in rows if row.part.startswith("CLIP")]
show.table(
    [
        {
            "part": row.part,
            "block": row.block,
            "output by Table 11": " x ".join(map(str, row.table)),
            "output here": " x ".join(map(str, row.measured)),
            "parameters": f"{row.parameters:,}",
            "what is built": row.known_difference,
        }
        for row in encoder_rows
    ]
)

# %% [markdown]
# The sizes agree. Some of the table's words do not, and the last column names what is built instead: CLIP, as it was
# trained.
#
# ## Check
#
# Ours are open_clip's vectors, one step before the end; without the last norm they would not be.

# %% tags=["check", "hide-input"]
assert max(errors.values()) < 1e-5
given = pixels(seen.image)
tokens, levels = before.encode_image(given)
assert (
    tokens.shape == (1, grid * grid + 1, before.image_width)
    and len(levels) == 4
)
raw = (
    levels[-1].flatten(2).transpose(1, 2)
)  # the last level is the tokens before the last norm
torch.testing.assert_close(before.visual.ln_post(raw), tokens[:, 1:])
assert (raw - tokens[:, 1:]).abs().max() > 0.1
quarter = len(before.visual.transformer.resblocks) // 4
theirs = small_clip()[0].visual.forward_intermediates(
    given, indices=[quarter * part - 1 for part in (1, 2, 3, 4)]
)
for ours_, theirs_ in zip(levels, theirs["image_intermediates"], strict=True):
    torch.testing.assert_close(ours_, theirs_, atol=1e-5, rtol=1e-5)

# %% [markdown]
# A patch is embedded by one matrix, and its position alone gives its place: exchange two patches and their
# positions, and the class token does not change; exchange the patches alone, and it does.

# %% tags=["check", "hide-input"]
visual = before.visual
by_hand = (
    torch.from_numpy(cut.reshape(grid * grid, -1).copy()).float() / 255
)  # (N, P P 3)
by_hand = (
    normalise(
        by_hand.unflatten(1, (PATCH, PATCH, 3)).permute(0, 3, 1, 2)
    ).flatten(1)
    @ visual.conv1.weight.flatten(1).T
)
torch.testing.assert_close(
    by_hand, visual.conv1(given)[0].flatten(1).T, atol=1e-4, rtol=1e-4
)


def class_token(order, move_positions):
    """The class token when patches are given in another order, with their
    positions or without."""
    positions = visual.positional_embedding[1:]
    x = by_hand[order] + (positions[order] if move_positions else positions)
    x = torch.cat(
        [(visual.class_embedding + visual.positional_embedding[0])[None], x]
    )[None]
    x = visual.ln_pre(x)
    for block in visual.transformer.resblocks:
        x = block(x)
    return visual.ln_post(x)[0, 0]


order = torch.randperm(grid * grid, generator=torch.Generator().manual_seed(0))
torch.testing.assert_close(
    class_token(order, True), tokens[0, 0], atol=1e-4, rtol=1e-4
)
assert (class_token(order, False) - tokens[0, 0]).abs().max() > 0.01

# %% [markdown]
# Positions are resized as open_clip resizes them, and the class token's is not touched. The new patch embedding has the outputs
# of the old one, and the naive one has not.

# %% tags=["check", "hide-input"]
config = open_clip.get_model_config(settings.backbone)
config["vision_cfg"]["image_size"], config["text_cfg"]["vocab_size"] = (
    512,
    tokenizer.vocab_size,
)
state = small_clip()[0].state_dict()
open_clip.model.resize_pos_embed(state, open_clip.CLIP(**config))
resized = dense(512).backbone.visual.positional_embedding
torch.testing.assert_close(
    resized, state["visual.positional_embedding"], atol=1e-6, rtol=0
)
assert (
    torch.equal(resized[0], small_clip()[0].visual.positional_embedding[0])
    and len(resized) == 32 * 32 + 1
)
visual = open_clip.transformer.VisionTransformer(grid * 14, 14, 32, 1, 1, 4.0)
old = F.conv2d(patches, visual.conv1.weight)
resize_visual(visual, side)
torch.testing.assert_close(
    F.conv2d(enlarged(patches), visual.conv1.weight), old, atol=1e-4, rtol=1e-4
)
right = wrong.pop("pseudo-inverse")
assert right[0] < 1e-4 and all(
    error > 1000 * right[0] for error, _ in wrong.values()
)

# %% [markdown]
# What this chapter claims of the shipped weights, and of the sizes.

# %% tags=["check", "hide-input"]
if (weights, clip_weights, split) == ("shipped", "clip", "seen"):
    chance, levels_of = (
        1 / 16,
        lambda which, what: [
            reads["the same, after matting", which, number][what]
            for number in range(5)
        ],
    )
    assert first["clip", "seen", "keyword"][0] > 4 * chance
    assert (
        first["clip", "test", "keyword"][0]
        < first["clip", "test", "basic expression"][0]
    )
    assert first["random", "seen", "keyword"][0] < 3 * chance
    assert (
        np.mean(measured["seen", side]) > 0.2
        and np.mean(np.array(measured["seen", 512]) > 0) > 0.8
    )
    thing, little = (
        levels_of("seen", "is a thing"),
        reads["CLIP, before matting", "seen", 4]["is a thing"],
    )
    assert (
        thing[0] < thing[1] < thing[4] > little + 0.2
        and thing[4] > levels_of("test", "is a thing")[4] + 0.2
    )
    assert (
        min(levels_of("seen", "colour")) > 0.6
        and levels_of("seen", "its place")[0]
        > levels_of("seen", "its place")[4] + 0.05
    )
    across, upside_down = mirror["the same, after matting"]
    assert (
        across > mirror["CLIP, before matting"][0] + 0.2
        and across > upside_down + 0.3
    )
assert len(encoder_rows) == 8 and not any(
    row.differs_in_size for row in encoder_rows
)
assert columns["ViT-B/16"]["tokens, 1 + N"] == encoder_rows[-1].table[0]

# %% [markdown]
# ## Summary
#
# * CLIP is two encoders and a loss: images and their texts should be most like each other among all of a batch.
# * The image encoder reads patches as a row of tokens. In each block tokens attend to each other, and it adds to them;
#   four groups of blocks give four levels.
# * CLIPMat takes all tokens, not the class token alone, and drops the last projections. One step more, and they are
#   CLIP's own vectors.
# * For images of 512 pixels, positions are enlarged like an image; patches of 14 become 16 by the pseudo-inverse,
#   which keeps the outputs.
# * What the small CLIP can do is small: colours carry over to new photographs, names hardly. The paper's CLIP is
#   another matter; the code is the same.
#
# Before: [](02c_refmatte) makes the images and sentences. Next: [](03b_context_prompt), on what is put before and
# behind a sentence. The code: `rimlib.clipmat.backbone`, `rimlib.clipmat.attention`, `rimlib.training.contrast`.
#
# ## Exercises
#
# 1. The small CLIP's scale $s$ is about 14. What would the loss be with cosines of 1 on the diagonal and 0 elsewhere,
#    for a batch of 16? And with $s = 100$, where OpenAI's training ended?
#
# :::{dropdown} Answer
# $\log(1 + 15\, e^{-s})$: about $10^{-5}$, and so little that float32 makes it 0. Try
# `contrast.contrastive_loss(torch.eye(16), torch.eye(16), 14.2, torch.zeros(16, 16, dtype=bool))`. With $s = 1$ it
# would be $\log(1 + 15/e) \approx 1.9$, however good the towers; that is why the scale must be learned.
# :::
#
# 2. Enlarge the positions by copying (`mode="nearest"`) rather than by interpolation. Which patches could the encoder
#    no longer distinguish?
#
# :::{dropdown} Answer
# From a grid of 14 to one of 32 each position is shared by four to nine patches in a block. Two of them with the same
# pixels would give the same token, for position is all that distinguishes equal patches: the encoder could not represent which
# is left of the other.
# :::
#
# 3. Why does the class token's cosine with "a photo of a bus" say so little about a scene with a bus, a hippo and a
#    pig, and why does that not trouble CLIPMat?
#
# :::{dropdown} Answer
# One vector must be like every sentence that is true of the scene, so it can't be very like any. CLIPMat never compares
# the class token with a text. It is one of the $N + 1$ tokens that enter the pop-up, where other tokens may attend to
# it; of the map it is no part.
# :::
#
# 4. Shrink instead: can a patch embedding for 16 pixels be resampled to 14 without any error? Try
#    `resample_patch_embed(torch.randn(64, 3, 16, 16), [14, 14])`.
#
# :::{dropdown} Answer
# No. $B$ then takes 256 numbers to 196, so $B^\top w' = w$ has more equations than unknowns, and the pseudo-inverse
# gives the best compromise. In a patch of noise it is far off, in a smooth patch, which survives being shrunk, hardly.
# Enlarging loses nothing, shrinking does.
# :::
