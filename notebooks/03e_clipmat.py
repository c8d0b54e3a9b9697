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
# # CLIPMat: two decoders, one matte
#
# The parts of the last four chapters become one model: its three steps, what its two decoders predict, how one
# matte is made of both, and which module learns from which loss.
#
# :::{admonition} Before you run this
# | | |
# |:--|:--|
# | Device | any processor; no accelerator is used |
# | Memory | 3 GB, since the paper's ViT-B/16 is built once |
# | Minutes | about 1, on one core |
# | Inputs | the shipped photographs, the shipped model and the small CLIP that it began from |
# | Outputs | none, only what you see |
# :::
#
# In the paper: Sec. 4.1, 4.3 and 4.4, Figure 4, supplement Sec. 3 and 4.1 with Table 11 {cite:p}`rim`. The code is
# `rimlib/clipmat/`: `model`, `decoders`, `collaboration` and `losses`; and `ablation` and `table11` of `rimlib/evaluation/`.

# %% tags=["parameters"]
weights: str = "shipped"  # the model: "shipped", or a checkpoint's path
split: str = "seen"  # photographs: "seen" in training, or "test"
scene: int = 2  # which scene of that split, from 0
entity: int = 1  # which of its entities we follow through the model, from 0
expression: int = 3  # 0 basic, 1 absolute, 2 and 3 relative
paper_profile: str = "paper-b16"  # or paper-l14: sizes
steps: int = 60  # of the training that learns four samples by heart

# %% tags=["hide-input"]
import time

import cv2
import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from IPython.display import SVG
from torch.utils.flop_counter import FlopCounterMode

from rimlib import fast, profile, show
from rimlib.io import images
from rimlib.clipmat import CLIPMat, collaboration, decoders, losses
from rimlib.evaluation import ablation
from rimlib.evaluation import table11
from rimlib.matting.trimap import trimap_from_alpha
from rimlib.errors import RimError
from rimlib.refmatte.example import example
from rimlib.repository import repository

torch.set_grad_enabled(
    False
)  # gradients are switched on where they are needed
model = CLIPMat.shipped() if weights == "shipped" else CLIPMat.load(weights)
side, kernel = model.image_size, model.profile.train.trimap_kernel

# %% [markdown]
# ## One image, some sentences
#
# A scene of the engine, with a sentence for each of its entities, and what the model cuts out. The last sentence fits nothing
# in the image.

# %% tags=["hide-input"]
seen = example(scene, split)
if not 0 <= entity < len(seen.keywords):
    raise RimError(
        f"entity {entity}: the scene has {len(seen.keywords)} entities, "
        f"from 0 to {len(seen.keywords) - 1}"
    )
absent = next(
    word for word in ("bus", "cat", "tree") if word not in seen.keywords
)
sentences = [*(four[expression] for four in seen.expressions), f"the {absent}"]


def pixels_of(image, size=side):
    """An image as the model takes it: float (1, 3, S, S) in [0, 1]."""
    return (
        torch.from_numpy(images.resize(image, (size, size)))
        .permute(2, 0, 1)[None]
        .float()
        / 255
    )


def predict(image, texts):
    """The model's output for several sentences about one image."""
    one = model.encode_image(pixels_of(image)).select(
        torch.zeros(len(texts), dtype=torch.int64)
    )
    return model.matte(
        one, model.encode_text(model.tokenize(texts, truncate=True))
    )


square = images.resize(seen.image, (side, side))  # uint8 (S, S, 3)
alphas = np.stack(
    [images.resize(matte, (side, side)) for matte in seen.mattes]
)  # (M, S, S), the truth
pixels, output = pixels_of(seen.image), predict(seen.image, sentences)

# %% mystnb={"figure": {"caption": "The image, and what the model cut out for each sentence, on a checkerboard. The score is the confidence that the sentence fits something; 0 is a refusal.", "name": "clipmat-answers"}, "image": {"alt": "A composed photograph, then a checkerboard for each sentence with what was cut out for it, the last of them for the sentence that fits nothing.", "width": "100%"}}
show.grid(
    [
        square,
        *(show.over(square, alpha.numpy()) for alpha in output.alpha[:, 0]),
    ],
    [
        "the image",
        *(
            f"{sentence} (score {score:.2f})"
            for sentence, score in zip(sentences, output.score)
        ),
    ],
);

# %% [markdown]
# ## The whole way

# %% mystnb={"figure": {"caption": "What goes where, after the paper's Figure 4. Blue is computed once for an image, orange once for a sentence, green for each sentence about an image.", "name": "clipmat-diagram"}, "image": {"alt": "A diagram. The image goes to the image encoder and to MDE, which also gets the four groups of the encoder's blocks. The sentence goes through CP to the text encoder. Tokens and words meet in TSP; it feeds the semantic decoder, which gives a trimap. MDE feeds the details decoder, which gives the detail. CM makes alpha of trimap and detail. A dashed arrow leads from TSP to the details decoder.", "width": "100%"}}
SVG(filename=str(repository() / "book" / "figures" / "clipmat.svg"))

# %% [markdown]
# * **CP** ([](03b_context_prompt)) puts a template before a keyword and learned vectors behind every sentence.
# * **TSP** ([](03c_semantic_popup)) lets the image tokens ([](03a_clip_features)) attend to the words: *what* is meant.
# * **MDE** ([](03d_details_extractor)) joins the blocks' features with the pixels, at four sizes: *where it ends*.
# * Two **decoders**, one for each question, and **CM**, the collaborative matting, which makes one matte of their outputs.
#
# The dashed line is a choice. The paper leaves open whether the details decoder is conditioned on the text; with the setting `details_text`
# the pop-up map joins its first stage. The paper's profiles have it off, the shipped model has it on.
#
# ## Three steps
#
# The paper's model is one function of an image and a sentence. Here it is three, so that what depends on the image alone is
# computed once:

# %%
show.source(CLIPMat.matte)

# %% [markdown]
# Which step is the expensive one? The shipped model, and one of the paper's size with random weights, for time does not depend
# on values.

# %% tags=["hide-input"]
started = time.perf_counter()
paper = CLIPMat.from_profile(profile.load(paper_profile), "random").eval()
print(f"{paper_profile} built in {time.perf_counter() - started:.1f} s")


def clock(net, tries=3):
    """Seconds of the three steps for one sentence; the shortest of some tries,
    after one that is not timed."""
    given, tokens = (
        pixels_of(seen.image, net.image_size),
        net.tokenize(sentences[:1], truncate=True),
    )
    times = []
    for _ in range(1 + tries):
        marks = [time.perf_counter()]
        one = net.encode_image(given)
        marks.append(time.perf_counter())
        text = net.encode_text(tokens)
        marks.append(time.perf_counter())
        net.matte(one, text)
        marks.append(time.perf_counter())
        times.append(np.diff(marks))
    return np.min(times[1:], axis=0)


clocks = {
    model.profile.name: clock(model),
    paper_profile: clock(paper, tries=2),
}
names = ("encode_image", "encode_text", "matte")
rows = [
    {
        "step": name,
        **{
            f"{net}, ms": f"{1000 * spent[number]:.0f}"
            for net, spent in clocks.items()
        },
    }
    for number, name in enumerate(names)
]
again = {
    f"{net}, ms": f"{100 * spent[1:].sum() / spent.sum():.0f} %"
    for net, spent in clocks.items()
}
show.table([*rows, {"step": "a further sentence, of the first", **again}])

# %% [markdown]
# In the larger model a further sentence is a smaller share of the first. A user who tries three wordings, or a program that takes each thing
# in turn, encodes the image once. `python benchmarks/forward.py` holds the model against its towers alone, against CLIPSeg
# and a pipeline, with more repetitions.
#
# What is kept between the steps:

# %% tags=["hide-input"]
features = model.encode_image(pixels)
words = model.encode_text(model.tokenize(sentences, truncate=True))
kept = {
    "the image: tokens": (features.tokens, "TSP"),
    **{
        f"the image: details, level {level}": (map_, "details decoder")
        for level, map_ in zip((4, 3, 2, 1), features.details)
    },
    "a sentence: its tokens, the context last": (words.tokens[:1], "TSP"),
    "a sentence: the token at its end": (
        words.sentence[:1],
        "the score map, where a model has one",
    ),
}
show.table(
    [
        {"kept": name, "shape": tuple(tensor.shape), "for": reader}
        for name, (tensor, reader) in kept.items()
    ]
)

# %% [markdown]
# ## Two questions
#
# *Which pixels are meant* is a question for the whole image and the sentence; *how much of this pixel* is a question for a
# few pixels around. GFM {cite:p}`gfm` gave each its own decoder. The answer to the first is a **trimap**: surely background,
# surely foreground, and between them the unknown, a band along the edge that is wide enough for all hairs. A true one is made
# of a true matte: whatever is near alpha above 0 is not background, whatever is near alpha below 1 is not foreground.

# %% mystnb={"figure": {"caption": "True mattes, and the trimaps made of them with kernels of three widths. The wider, the more is left to the details decoder.", "name": "clipmat-trimaps"}, "image": {"alt": "For each entity its matte and three trimaps in black, grey and white, in which the grey band gets wider.", "width": "100%"}}
widths = (3, kernel, 3 * kernel // 2 * 2 + 1)
cells = [
    map_
    for alpha in alphas
    for map_ in (
        alpha,
        *(trimap_from_alpha(alpha, width) / 255 for width in widths),
    )
]
titles = ["matte", *(f"kernel {width} pixels" for width in widths)] + [""] * (
    len(cells) - 4
)
show.grid(cells, titles, columns=4, row_titles=list(seen.keywords));

# %%
bands = np.array(
    [
        [(trimap_from_alpha(alpha, width) == 128).mean() for width in widths]
        for alpha in alphas
    ]
).mean(axis=0)
print(
    "unknown, share of all pixels:",
    ", ".join(
        f"kernel {width}: {100 * share:.0f} %"
        for width, share in zip(widths, bands)
    ),
    f"| the profile {model.profile.name} trains with {kernel} at {side} "
    "pixels, GFM with 25",
)

# %% [markdown]
# The semantic decoder gets the pop-up map, 64 numbers for a patch, and makes three maps of it. It has two blocks of two
# convolutions, each followed by an enlargement by 4: its trimap has the image's size, made of features of patches. The
# details decoder gets MDE's four levels, begins at the coarsest, and after each enlargement by 2 adds the next finer one.

# %%
repeated = features.tokens.expand(len(sentences), -1, -1)  # (M, 1+N, D_v)
_, embedding = model.added(repeated, words.sentence)
popped = model.popup(
    repeated, words.tokens, embedding, words.padding
)  # (M, D', h, w)

# %% mystnb={"figure": {"caption": "What each decoder is given. Above the pop-up map, for each sentence another one, in common colours; below MDE's four levels, which are the same for every sentence.", "name": "clipmat-seen"}, "image": {"alt": "Above the image and a coarse coloured map for each sentence. Below four coloured maps, from coarse to fine, in the last of which the image can be recognised.", "width": "100%"}}
levels = {
    f"level {level}, {map_.shape[2]} x {map_.shape[3]}": show.colors(
        map_, (side, side)
    )[0]
    for level, map_ in zip((4, 3, 2, 1), features.details)
}
columns = max(1 + len(sentences), len(levels))
gaps = [None] * (columns - 1 - len(sentences))
show.grid(
    [square, *show.colors(popped, (side, side)), *gaps, *levels.values()],
    ["the image", *sentences, *gaps, *levels],
    columns=columns,
);

# %%
show.source(decoders.DetailsDecoder.forward)

# %% mystnb={"figure": {"caption": "What each decoder predicts for the sentence that we follow: three probabilities and the trimap that they make; the detail; and the truth.", "name": "clipmat-decoders"}, "image": {"alt": "Grey maps: the probabilities of background, unknown and foreground, the predicted trimap, the detail, and below the true trimap and matte.", "width": "100%"}} tags=["hide-input"]
chances = output.trimap_logits[entity].softmax(0).numpy()
predicted = (
    output.trimap_logits[entity].argmax(0).numpy()
)  # 0 background, 1 unknown, 2 foreground
true_trimap = trimap_from_alpha(alphas[entity], kernel)
band = show.over(square, np.float32(true_trimap == 128))
show.grid(
    [
        *chances,
        predicted / 2,
        output.detail[entity, 0].numpy(),
        band,
        true_trimap / 255,
        alphas[entity],
    ],
    [
        "P(background)",
        "P(unknown)",
        "P(foreground)",
        "its trimap",
        "its detail",
        "truly unknown",
        "true trimap",
        "true matte",
    ],
    columns=4,
);

# %% [markdown]
# The trimap follows the sentence. The detail is used only where the trimap is unknown, and far from edges no loss of the
# details constrains it.
#
# ## CM: collaborative matting
#
# $$
# \alpha = \mathrm{detail} \cdot [\,\mathrm{unknown}\,] + [\,\mathrm{foreground}\,] ,
# $$
#
# where the brackets are 1 where the semantic decoder's most probable class is the one named, and 0 elsewhere.

# %% mystnb={"figure": {"caption": "For each sentence that fits: the trimap, the detail, the part of it that is used, the matte, the true matte, and the cut-out.", "name": "clipmat-together"}, "image": {"alt": "A row of six pictures for each sentence: trimap, detail, a thin band of the detail, the matte, the true matte, and the thing on a checkerboard.", "width": "100%"}} tags=["hide-input"]
classes = output.trimap_logits.argmax(1).numpy()
cells = [
    [
        label / 2,
        detail,
        np.where(label == 1, detail, 0),
        alpha,
        true,
        show.over(square, alpha),
    ]
    for label, detail, alpha, true in zip(
        classes,
        output.detail[:, 0].numpy(),
        output.alpha[:, 0].numpy(),
        alphas,
    )
]
titles = [
    "trimap",
    "detail",
    "detail where unknown",
    "matte",
    "the truth",
    "cut out",
] + [""] * 6 * (len(cells) - 1)
show.grid(
    [cell for line in cells for cell in line],
    titles,
    columns=6,
    row_titles=list(seen.keywords),
);

# %%
show.source(collaboration.collaborate)

# %% [markdown]
# Table 11 calls CM a "pixel-wise multiply for output from two matting decoders output". A product of which two? The paper
# refers to GFM for it, whose rule is the one above. Other readings can be tried, for the model is the same. Mean absolute
# differences (MAD) over some scenes:

# %% tags=["hide-input"]
RULE, PERFECT = (
    "detail x [unknown] + [foreground], as GFM",
    "as GFM, with the true trimap",
)
readings = {
    RULE: lambda label, chance, detail: detail * (label == 1) + (label == 2),
    "detail x [not background]": lambda label, chance, detail: (
        detail * (label > 0)
    ),
    "detail x P(not background)": lambda label, chance, detail: (
        detail * (1 - chance[0])
    ),
    "detail x P(unknown) + P(foreground)": lambda label, chance, detail: (
        detail * chance[1] + chance[2]
    ),
    "detail x [unknown], a product alone": lambda label, chance, detail: (
        detail * (label == 1)
    ),
    "the detail alone": lambda label, chance, detail: detail,
    "the trimap alone, unknown as one half": lambda label, chance, detail: (
        label / 2
    ),
}
others = [example(number, split) for number in range(16)]
wrong = {name: [] for name in (*readings, PERFECT)}
for one in others:
    answer = predict(one.image, [four[expression] for four in one.expressions])
    for logits, detail, matte in zip(
        answer.trimap_logits, answer.detail[:, 0].numpy(), one.mattes
    ):
        true = images.resize(matte, (side, side))
        for name, reading in readings.items():
            wrong[name].append(
                np.abs(
                    reading(
                        logits.argmax(0).numpy(),
                        logits.softmax(0).numpy(),
                        detail,
                    )
                    - true
                ).mean()
            )
        given = trimap_from_alpha(true, kernel)
        wrong[PERFECT].append(
            np.abs(detail * (given == 128) + (given == 255) - true).mean()
        )
mad = {name: 1000 * float(np.mean(values)) for name, values in wrong.items()}
show.table(
    [
        {"matte": name, f"MAD x 1000, {len(others)} scenes": value}
        for name, value in mad.items()
    ],
    digits=1,
)

# %% [markdown]
# The second row leaves the inside to the details decoder, of which no loss of its own requires a 1 there; what it costs is the
# difference from the first. Probabilities in place of a decision are worse: they come from a coarse map and blur the edge. And
# the last row shows where the errors come from. With a perfect trimap the same details would do that well; the rest
# is lost in *where*.
#
# ## The losses
#
# Five terms. $p$ is a prediction, $a$ the truth, $w$ is 1 where the *true* trimap is unknown and 0 elsewhere. The paper names
# them and refers to GFM; it gives no weights, and ours are in the profile.
#
# | Term | Of | Formula | It punishes |
# |:--|:--|:--|:--|
# | `ce` | the trimap | $-\,\mathrm{mean} \log p_\mathrm{true\ class}$ | the wrong thing, the wrong place |
# | `alpha_unknown` | detail | $\sum \sqrt{(w(p-a))^2 + 10^{-12}} \,/\, (\sum w + 1)$ | wrong values near the edge |
# | `laplacian_unknown` | detail | as `laplacian`, of $wp$ and $wa$ | blur and noise near the edge |
# | `alpha` | the matte | $\mathrm{mean} \sqrt{(p-a)^2 + 10^{-12}}$ | every wrong value |
# | `laplacian` | the matte | $\sum_k \mathrm{mean}\, \lvert L_k(p) - L_k(a) \rvert$ | every wrong edge, fine and coarse |
#
# $L_k$ is level $k$ of a Laplacian pyramid: what a blur takes away, then what a blur takes away from the halved rest, and so
# on, and at last what remains. All levels but the last see differences between neighbours, not values.

# %%
show.source(losses.laplacian_pyramid)

# %%
pyramid = lambda x: list(
    losses.laplacian_pyramid(x)
)  # finest first, the residual last
p, a = (
    output.alpha[entity : entity + 1],
    torch.from_numpy(alphas[entity])[None, None],
)  # (1, 1, S, S)
detail, w = (
    output.detail[entity : entity + 1],
    torch.from_numpy(true_trimap == 128)[None, None].float(),
)
classes_true = torch.from_numpy(true_trimap // 127).long()[
    None
]  # (1, S, S); 0, 128, 255 become 0, 1, 2

# %% mystnb={"figure": {"caption": "Where each loss is paid, by the model's own output. White is much, and each map has its own range.", "name": "clipmat-punished"}, "image": {"alt": "Five grey maps: the first is large areas, the others lie along edges.", "width": "100%"}} tags=["hide-input"]
error = p - a
paid = {
    "cross-entropy": F.cross_entropy(
        output.trimap_logits[entity : entity + 1],
        classes_true,
        reduction="none",
    )[0],
    "alpha, unknown": (w * (detail - a)).abs()[0, 0],
    "alpha": error.abs()[0, 0],
    "Laplacian, finest": pyramid(error)[0].abs()[0, 0],
    "Laplacian, third": pyramid(error)[2].abs()[0, 0],
}
show.grid(
    [map_.numpy() / max(float(map_.max()), 1e-9) for map_ in paid.values()],
    list(paid),
);

# %% [markdown]
# Why two losses for one matte? Take three mistakes that are equally large, so that the alpha loss is the same for all:
# everything a little grey, edges blurred, noise.

# %% tags=["hide-input"]
rows, places = np.nonzero(seen.mattes[entity] > 0.5)
truth = seen.mattes[entity][
    max(rows.min() - 6, 0) : rows.max() + 7,
    max(places.min() - 6, 0) : places.max() + 7,
]
truth = images.resize(truth, (128, 128))  # close to the entity
noise = np.random.default_rng(1).integers(0, 2, truth.shape)
mistakes = {
    "grey": 0.5 - truth,
    "blur": cv2.GaussianBlur(truth, (0, 0), 3) - truth,
    "noise": (0.5 - truth) * noise,
}
amount = min(np.abs(mistake).mean() for mistake in mistakes.values())
damaged = {
    name: truth + mistake * (amount / np.abs(mistake).mean())
    for name, mistake in mistakes.items()
}
damaged = {
    name: torch.from_numpy(np.float32(wrong_))[None, None]
    for name, wrong_ in damaged.items()
}
close = torch.from_numpy(truth)[None, None]

# %% mystnb={"figure": {"caption": "Above the true matte, close, and three mistakes of the same mean size. Below, the finest level of the pyramid of each mistake, all in one range: what a Laplacian loss sees first.", "name": "clipmat-mistakes"}, "image": {"alt": "Above four mattes: sharp, a little grey, blurred, noisy. Below the mistakes' fine parts: nearly nothing, edges, and noise everywhere.", "width": "100%"}}
finest = [
    pyramid(damage - close)[0].abs()[0, 0].numpy()
    for damage in damaged.values()
]
top = max(map_.max() for map_ in finest)
above = [truth, *(damage[0, 0].numpy() for damage in damaged.values())]
show.grid(
    [*above, None, *(map_ / top for map_ in finest)],
    ["the truth", *damaged, *[""] * 4],
    columns=4,
);

# %% [markdown]
# "Laplacian loss" is not one thing. GFM's adds the levels as they are, and its blur is $g(i)^2 + g(j)^2$ normalised, not a
# product of two Gaussians; ViTMatte's {cite:p}`vitmatte` has a binomial kernel, weights level $k$ by $2^k$ and divides by 5.
# The values of the variants, by name, for the same mistakes:

# %% tags=["hide-input"]
line = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
binomial = (line[:, None] * line)[None, None]


def vitmatte_loss(x):
    """ViTMatte's Laplacian loss of a difference x (1, 1, H, W): each level is
    what halving and enlarging loses."""
    blur, loss = (
        (lambda x: F.conv2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), binomial)),
        0,
    )
    for level in range(losses.LEVELS):
        small = blur(x)[..., ::2, ::2]
        spread = torch.zeros_like(x)
        spread[..., ::2, ::2] = 4 * small
        loss, x = (
            loss + 2**level * (x - blur(spread)).abs().mean() / losses.LEVELS,
            small,
        )
    return float(loss)


variants = {
    "gfm": lambda damage: float(losses.laplacian_loss(damage, close)),
    "vitmatte": lambda damage: vitmatte_loss(damage - close),
}
show.table(
    [
        {
            "mistake": name,
            "alpha loss": float(losses.alpha_loss(damage, close)),
            **{
                f"Laplacian, {variant}": loss(damage)
                for variant, loss in variants.items()
            },
        }
        for name, damage in damaged.items()
    ],
    digits=4,
)

# %% mystnb={"figure": {"caption": "The two blurs, 5 x 5 pixels. GFM's adds a bump along the rows and one along the columns, and so has the arms of a cross; ViTMatte's multiplies them, a round hill.", "name": "clipmat-kernels"}, "image": {"alt": "Two grids of five by five grey cells, a cross and a round spot.", "width": "40%"}}
both = [
    kernel_[0, 0].numpy()
    for kernel_ in (
        losses.gfm_kernel(torch.float32, torch.device("cpu")),
        binomial,
    )
]
figure, axes = plt.subplots(1, 2, figsize=(3.6, 1.9))
for axis, kernel_, title in zip(axes, both, ("gfm", "vitmatte")):
    axis.imshow(kernel_ / kernel_.max(), cmap="gray", vmin=0, vmax=1)
    axis.set_title(title, fontsize=8, pad=2)
    axis.axis("off")
figure.tight_layout(pad=0.3)

# %% [markdown]
# This project trains with GFM's, to which the paper refers. All terms on our scene, for each sentence that fits:

# %% tags=["hide-input"]
def truths(mattes, width):
    """What `clipmat_loss` compares with: alpha (M, 1, S, S) and classes (M, S,
    S)."""
    classes = np.stack(
        [trimap_from_alpha(alpha, width) // 127 for alpha in mattes]
    )
    return torch.from_numpy(np.stack(mattes))[:, None], torch.from_numpy(
        classes
    ).long()


rows = []
for number, keyword in enumerate(seen.keywords):
    one = type(output)(
        *(
            None if part is None else part[number : number + 1]
            for part in output
        )
    )
    parts = losses.clipmat_loss(
        one,
        *truths(alphas[number : number + 1], kernel),
        model.profile.train.losses,
    )
    rows.append(
        {
            "sentence for": keyword,
            **{name: float(part) for name, part in parts.items()},
        }
    )
show.table(
    [*rows, {"sentence for": "weight", **vars(model.profile.train.losses)}]
)

# %% [markdown]
# ## Four samples by heart
#
# A quick test of such a machine: can it learn a handful of samples until it hardly makes a mistake? If a gradient went the
# wrong way, or a part did not depend on the text, it could not, for two and two of these sentences are about the same image. The
# paper's wiring at a small size, from the small CLIP's weights:

# %% tags=["hide-input"]
SMALL = 64
as_paper = {
    "model__details_text": False,
    "model__score_map": False,
    "model__popup_residual": False,
}
torch.manual_seed(0)
learner = CLIPMat.from_profile(
    profile.load(
        "tiny", model__image_size=SMALL, model__dropout=0.0, **as_paper
    ),
    "clip",
).train()
two = [one for one in others if len(one.mattes) >= 2][:2]
batch = torch.cat([pixels_of(one.image, SMALL) for one in two])
index = torch.tensor([0, 0, 1, 1])  # which image a sentence is about
phrases = [four[0] for one in two for four in one.expressions[:2]]
wanted = np.stack(
    [
        images.resize(matte, (SMALL, SMALL))
        for one in two
        for matte in one.mattes[:2]
    ]
)
true = truths(wanted, 5)

# %% tags=["hide-input"]
optimizer, log = torch.optim.Adam(learner.parameters(), lr=1e-3), []
with torch.enable_grad():
    for step in range(steps):
        learnt = learner(
            batch, learner.tokenize(phrases, truncate=True), index
        )
        parts = losses.clipmat_loss(learnt, *true)
        optimizer.zero_grad()
        parts["total"].backward()
        optimizer.step()
        log.append(
            {
                "step": step,
                "sum of the losses": float(parts["total"].detach()),
                "mean absolute difference of the mattes": float(
                    (learnt.alpha.detach() - true[0]).abs().mean()
                ),
            }
        )
show.table([log[0], log[steps // 4], log[steps // 2], log[-1]])

# %% mystnb={"figure": {"caption": "What it has learnt after so few steps, at 64 x 64 pixels: for each of the four sentences the image, the true matte, and the model's. More steps make the edges sharper.", "name": "clipmat-heart"}, "image": {"alt": "Three rows of four: two pictures twice each, the true matte of one of its things each, and the model's mattes, which are the same things with softer outlines.", "width": "100%"}}
small = [images.resize(one.image, (SMALL, SMALL)) for one in two]
mattes_learnt = learnt.alpha.detach()[:, 0].numpy()
show.grid(
    [*(small[number] for number in index), *wanted, *mattes_learnt],
    [*phrases, *[""] * 8],
    columns=4,
    row_titles=["", "the truth", "the model"],
);

# %% [markdown]
# ## Who teaches whom
#
# The choice of a class is a jump, and no gradient crosses a jump:
#
# $$
# \frac{\partial \alpha}{\partial\, \mathrm{detail}} = [\,\mathrm{unknown}\,] , \qquad \frac{\partial \alpha}{\partial\, \mathrm{logits}} = 0 .
# $$
#
# So the final matte, on which two of the five losses are laid, teaches the details decoder only, and only where the *predicted*
# trimap is unknown. What reaches the other parts? We measure: each loss alone, and the length of the gradient that arrives at
# each module's weights; once in the model that has just learnt four samples, wired as in the paper, and once in the shipped
# one.

# %% tags=["hide-input"]
def modules_of(net):
    """The parts of a CLIPMat, each a list of parameters."""
    towers = net.backbone
    found = {
        "text encoder": (
            towers.token_embedding,
            towers.transformer,
            towers.ln_final,
        ),
        "context (CP)": (net.context,),
        "image encoder": (towers.visual,),
        "score_map": (net.score_map,),
        "coordinates": (net.coordinates,),
        "TSP": (net.popup,),
        "semantic decoder": (net.semantic,),
        "MDE": (net.extractors,),
        "text to details": (net.details_text,),
        "details decoder": (net.details,),
    }
    return {
        name: [value for part in parts for value in part.parameters()]
        for name, parts in found.items()
        if parts[0] is not None
    }


def length(slopes) -> float:
    """Of a gradient in pieces; 0 where no piece arrived."""
    return (
        float(
            sum(slope.square().sum() for slope in slopes if slope is not None)
        )
        ** 0.5
    )


def taught(net, given, texts, index, alpha_true, trimap_true):
    """The length of the gradient of each loss at each module."""
    with torch.enable_grad():
        parts = losses.clipmat_loss(
            net(given, net.tokenize(texts, truncate=True), index),
            alpha_true,
            trimap_true,
        )
        return {
            (term, module): length(
                torch.autograd.grad(
                    parts[term], values, retain_graph=True, allow_unused=True
                )
            )
            for term in losses.PARTS
            if term in parts
            for module, values in modules_of(net).items()
        }


nets = {"as in the paper": learner.eval(), "the shipped model": model}
about, fitting = (
    torch.zeros(len(alphas), dtype=torch.int64),
    sentences[: len(alphas)],
)
arrives = {
    "as in the paper": taught(learner, batch, phrases, index, *true),
    "the shipped model": taught(
        model, pixels, fitting, about, *truths(alphas, kernel)
    ),
}

# %% mystnb={"figure": {"caption": "Which loss (rows) teaches which module (columns). A dot is a gradient that arrives, the larger the longer, by powers of ten within its row; where there is no dot, none arrives.", "name": "clipmat-taught"}, "image": {"alt": "Two grids of dots. In the left one only the cross-entropy has dots at the text encoder, the context, TSP and the semantic decoder; the other four losses have dots at the image encoder, MDE and the details decoder. In the right one all losses reach the text and the image encoder, and all but the score map's reach TSP.", "width": "100%"}} tags=["hide-input"]
figure, axes = plt.subplots(
    1,
    2,
    figsize=(show.WIDTH, 3.3),
    width_ratios=[len(modules_of(net)) for net in nets.values()],
)
for axis, (name, lengths) in zip(axes, arrives.items()):
    terms, modules = (
        list(dict.fromkeys(term for term, _ in lengths)),
        list(modules_of(nets[name])),
    )
    for row, term in enumerate(terms):
        most = max(lengths[term, module] for module in modules)
        color = show.PALETTE[
            {"ce": 0, "score_map": 3}.get(term, 1 if "unknown" in term else 2)
        ]
        for column, module in enumerate(modules):
            if lengths[term, module]:
                axis.scatter(
                    column,
                    row,
                    s=20
                    + 40 * max(0, 4 + np.log10(lengths[term, module] / most)),
                    color=color,
                )
    axis.set(
        xlim=(-0.6, len(modules) - 0.4),
        ylim=(len(terms) - 0.4, -0.6),
        title=name,
    )
    axis.set_xticks(
        range(len(modules)), modules, rotation=40, ha="right", fontsize=8
    )
    axis.set_yticks(range(len(terms)), terms, fontsize=8)
    axis.grid(color="#dddddd")
    axis.set_axisbelow(True)
    axis.spines[:].set_visible(False)
figure.tight_layout()

# %% [markdown]
# In the paper's model the words learn from one loss, the cross-entropy of the trimap: four losses out of five have no gradient at
# the text encoder, CP or TSP. Only the image encoder learns from both sides. With `details_text`, right, every loss has a
# way to the words. That is an argument for that choice, and no proof. And where a model's trimap is unknown nowhere, as it
# may be when training begins, the losses of the matte have no gradient at all; those of the unknown region use the *true* trimap, and
# do.
#
# ## A score, and a refusal
#
# A sentence may fit nothing in the image. The paper does not treat that; the data engine makes such sentences
# ([](02b_expressions)), and the right matte for them is empty. The score is computed from the trimap: over the
# region $R$ of pixels that are not predicted as background, the mean probability of not being background; and 0 where there is no
# such pixel, and so no matte:
#
# $$
# \mathrm{score} = \frac{1}{|R|} \sum_{R} \left(1 - P(\mathrm{background})\right) .
# $$

# %%
show.source(collaboration.confidence)

# %% tags=["hide-input"]
scores = {"fits": [], "does not fit": []}
for number, one in enumerate(others):
    fits = [four[0] for four in one.expressions]
    foreign = [
        four[0]
        for later in (1, 2, 3)
        for other in [others[(number + later) % len(others)]]
        for word, four in zip(other.keywords, other.expressions)
        if word not in one.keywords
    ]
    answer = predict(one.image, [*fits, *foreign]).score.tolist()
    scores["fits"] += answer[: len(fits)]
    scores["does not fit"] += answer[len(fits) :]
refused = {
    name: float(np.mean(np.array(values) == 0))
    for name, values in scores.items()
}

# %% mystnb={"figure": {"caption": "Scores of basic expressions of a scene's own entities, and of those of other scenes, one dot a sentence. Dots at 0 are refusals.", "name": "clipmat-scores"}, "image": {"alt": "Two rows of dots on an axis from 0 to 1. Of each some lie at 0, the others between one half and 1; of the sentences that do not fit far more lie at 0.", "width": "100%"}}
figure, axis = plt.subplots(figsize=(show.WIDTH, 1.9))
for row, (name, values) in enumerate(scores.items()):
    jitter = np.random.default_rng(row).uniform(-0.28, 0.28, len(values))
    axis.scatter(
        values, row + jitter, s=12, color=show.PALETTE[row], alpha=0.7
    )
axis.set_yticks(
    (0, 1),
    [f"{name}\n({100 * refused[name]:.0f} % refused)" for name in scores],
)
axis.set(ylim=(1.5, -0.5), xlim=(-0.03, 1.0), xlabel="score")
axis.spines[["top", "right"]].set_visible(False)
figure.tight_layout()

# %% [markdown]
# A refusal is a decision of the trimap, pixel by pixel: no score lies between 0 and `collaboration.THRESHOLD`, which is one
# half (exercise 1). Of what is not refused the score is a hint, lower where the probabilities are, and no proof: look where
# the two rows overlap. [](05_evaluate) counts refusals over a whole test set.
#
# ## Table 11
#
# The supplement gives the size of every output in one table. Here each row is held against the real module of the paper's size;
# where the table's words differ from what is built, a number names the reason.

# %% tags=["hide-input"]
table = table11.rows(model=paper)
reasons = list(
    dict.fromkeys(
        text
        for row in table
        for text in (row.size_reason, row.known_difference)
        if text
    )
)
written = lambda size: " x ".join(map(str, size))
show.table(
    [
        {
            "part": row.part,
            "block": row.block,
            "Table 11": written(row.table),
            "here": written(row.measured),
            "parameters": f"{row.parameters:,}",
            "differs": " ".join(
                f"[{reasons.index(text) + 1}]"
                for text in (row.size_reason, row.known_difference)
                if text
            ),
        }
        for row in table
    ]
)

# %%
for number, text in enumerate(reasons, start=1):
    print(f"[{number}] {text}")
print(table11.summary(table))

# %% [markdown]
# `python -m rimlib.evaluation.table11` prints the same, with `--profile paper-l14` for the larger backbone, whose widths are others.
#
# ### Three places where the words do not fit
#
# **Stride 3.** The table gives the decoders' 3 × 3 convolutions "stride 3", and sizes beside them. Take it at its word, and
# send a map through:

# %% tags=["hide-input"]
def sizes_with(stride, stages, wide, scale):
    """The side of the map after each stage of two 3 x 3 convolutions of this
    stride and an enlargement."""
    weight, found = torch.empty(1, 1, 3, 3, device="meta"), []
    for _ in range(stages):
        for _ in range(2):
            wide = F.conv2d(
                torch.empty(1, 1, wide, wide, device="meta"),
                weight,
                None,
                stride,
                padding=1,
            ).shape[2]
        wide *= scale
        found.append(wide)
    return found


printed = {
    "semantic decoder, D_2 and D_1": ([128, 512], 2, 4),
    "details decoder, D_4 to D_1": ([64, 128, 256, 512], 4, 2),
}
show.table(
    [
        {
            "decoder": name,
            "by Table 11": sides,
            **{
                f"with stride {stride}": sizes_with(stride, stages, 32, scale)
                for stride in (1, 3)
            },
        }
        for name, (sides, stages, scale) in printed.items()
    ]
)

# %% [markdown]
# **conv1.** The table's first convolution of the image encoder is 3 × 3 with stride 16, batch norm and ReLU. Its output would
# have the right size. But such a filter skips most of the image, and it is not what CLIP was trained with:

# %% tags=["hide-input"]
conv1 = paper.backbone.visual.conv1
conv = lambda wide, padding: torch.nn.Conv2d(
    3, conv1.out_channels, wide, 16, padding, bias=False, device="meta"
)
embeddings = {
    "Table 11: 3 x 3, stride 16": conv(3, 1),
    "CLIP: 16 x 16, stride 16": conv(16, 0),
}
show.table(
    [
        {
            "patch embedding": name,
            "output": written(
                layer(torch.empty(1, 3, 512, 512, device="meta")).shape[1:]
            ),
            "pixels that it reads (%)": 100
            * layer.kernel_size[0] ** 2
            / 16**2,
            "weights": f"{layer.weight.numel():,}",
        }
        for name, layer in embeddings.items()
    ],
    digits=0,
)

# %%
print("in this model:", conv1)

# %% [markdown]
# **The decoders' channels.** Supplement Sec. 4.1 says 768, 384, 192, 96 of both decoders; Table 11 prints 384, 192, 96, 32 for
# the details decoder and 32, 32 for the semantic one. The first four are what the stages of the details decoder take, the
# second four what they give:

# %% tags=["hide-input"]
stages = {
    **{
        f"details, D_{4 - number}": stage
        for number, stage in enumerate(paper.details.stages)
    },
    "semantic, D_2": paper.semantic.d2,
    "semantic, D_1": paper.semantic.d1,
}
show.table(
    [
        {
            "stage": name,
            "takes": stage[0].in_channels,
            "gives": stage[0].out_channels,
        }
        for name, stage in stages.items()
    ]
)

# %% [markdown]
# So both statements can be true of one decoder, and no number of Sec. 4.1 is true of the other.
#
# ## Where the parameters are, and where the work is

# %%
# %% [markdown]
# The counter follows one image and one sentence through the model, module by module. MDE is counted as written, and
# by `fast`, the cheaper way of [](03d_details_extractor).

# %% tags=["hide-input"]
def gmac_by_module(net):
    """Billions of multiply-accumulates in one image and one sentence, by
    module; the counter counts two for each."""
    with FlopCounterMode(display=False) as counter:
        net(
            torch.zeros(1, 3, net.image_size, net.image_size),
            torch.zeros(1, net.text_length, dtype=torch.int64),
        )
    counted = {
        name.partition(".")[2]: sum(count.values()) / 2e9
        for name, count in counter.get_flop_counts().items()
    }

    def of(module):
        inside = [
            name for name in counted if f"{name}.".startswith(f"{module}.")
        ]
        return sum(
            counted[name]
            for name in inside
            if not any(name.startswith(f"{other}.") for other in inside)
        )

    return of


as_written, as_fast = (
    gmac_by_module(paper),
    gmac_by_module(fast.optimize(paper)),
)
fast.optimize(paper, False)
mde_as_written = as_written("extractors")
work = {
    "image encoder": as_written("backbone.visual"),
    "text encoder": as_written("backbone.transformer"),
    "TSP": as_written("popup"),
    "semantic decoder": as_written("semantic"),
    "MDE": as_fast("extractors"),
    "details decoder": as_written("details"),
}
sizes = {
    name: sum(value.numel() for value in values) / 1e6
    for name, values in modules_of(paper).items()
    if name in work
}
sizes["text encoder"] += (
    paper.backbone.positional_embedding.numel() + paper.context.vectors.numel()
) / 1e6

# %% mystnb={"figure": {"caption": "The paper's model by module. Left its parameters, which are CLIP's for the most part; right its work for one image of 512 pixels and one sentence. The pale part of MDE's bar is what `fast` saves.", "name": "clipmat-budget"}, "image": {"alt": "Two horizontal bar charts over six modules. Parameters: image encoder and text encoder are far the longest. Work: the image encoder is the longest, MDE second with a pale extension, the details decoder third.", "width": "100%"}} tags=["hide-input"]
figure, axes = plt.subplots(1, 2, figsize=(show.WIDTH, 2.6), sharey=True)
axes[0].barh(list(work), [sizes[name] for name in work], color=show.PALETTE[0])
axes[1].barh(list(work), list(work.values()), color=show.PALETTE[1])
axes[1].barh(
    "MDE",
    mde_as_written - work["MDE"],
    left=work["MDE"],
    color=show.PALETTE[1],
    alpha=0.3,
)
axes[0].invert_yaxis()
for axis, values, label in zip(
    axes,
    ([sizes[name] for name in work], [*work.values()]),
    ("million parameters", "GMAC"),
):
    for number, value in enumerate(values):
        saved = label == "GMAC" and list(work)[number] == "MDE"
        text = f" {value:.1f}" if value >= 0.1 else f" {value:.2f}"
        axis.text(
            mde_as_written if saved else value,
            number,
            text + f" of {mde_as_written:.1f}" * saved,
            va="center",
            fontsize=8,
        )
    axis.set_xlabel(label)
    axis.margins(x=0.15)
    axis.spines[["top", "right"]].set_visible(False)
figure.tight_layout()

# %% [markdown]
# Of the parameters, the two encoders of CLIP hold nearly nine tenths: they were there before matting began. MDE has few and
# costs much, for its maps are large. How it is made cheaper is the subject of [](03d_details_extractor).
#
# ## What can be switched off
#
# The paper's ablation takes modules out (its Table 3) and does not say what then takes their place. Something must, or the next
# module has no input. The switches, with what stands in, and how many parameters each adds to the paper's model:

# %% tags=["hide-input"]
on = {True: "on", False: "off"}
show.table(
    [
        {
            "switch": row["name"],
            "what": row["what"],
            "paper": row["paper"],
            "in the paper's model": on[row["in_paper"]],
            "in the shipped one": on[
                getattr(model.profile.model, row["name"])
            ],
            "instead": row["replacement"],
            "parameters": f"{row['parameters']:,}",
        }
        for row in ablation.table(profile.load(paper_profile))
    ]
)

# %%
tick = {True: "yes", False: "–"}
show.table(
    [
        {
            name: tick[value]
            if isinstance(value, bool)
            else f"{value / 1e6:.1f}"
            for name, value in row.items()
        }
        for row in ablation.table_3(profile.load(paper_profile))
    ]
)

# %% [markdown]
# The rows are those of Table 3, from nothing to everything, `parameters` in millions. The switches of the first table that
# are off in the paper's model are not the paper's: `details_text` fills a gap in it, the others help a model whose CLIP was
# trained for minutes. One number belongs to them, `popup_layers`, the further rounds of [](03c_semantic_popup); the paper's is 0.
#
# ## Check
#
# The three steps are the model. A sentence's matte does not depend on the others of the batch, and another sentence gets
# another one.

# %% tags=["check"]
whole = model(
    pixels, model.tokenize(sentences[entity : entity + 1], truncate=True)
)
assert (whole.alpha - p).abs().mean() < 1e-3
assert (popped[0] - popped[1]).abs().max() > 1e-2 and (
    output.alpha[0] - output.alpha[1]
).abs().max() > 0.5
assert work["image encoder"] + work["MDE"] > 0.85 * sum(
    work.values()
)  # what a further sentence need not do again

# %% [markdown]
# The matte keeps to the trimap, and its gradient goes to the details only, where the trimap is unknown.

# %% tags=["check"]
assert (p[0, 0].numpy()[predicted == 2] == 1).all() and (
    p[0, 0].numpy()[predicted == 0] == 0
).all()
assert (p == detail)[0, 0].numpy()[predicted == 1].all()
with torch.enable_grad():
    logits, fine = (
        output.trimap_logits.clone().requires_grad_(),
        output.detail.clone().requires_grad_(),
    )
    collaboration.collaborate(logits, fine).sum().backward()
assert logits.grad is None and torch.equal(
    fine.grad[:, 0], (output.trimap_logits.argmax(1) == 1).float()
)

# %% [markdown]
# Who teaches whom: the words of the paper's model learn from the cross-entropy alone.

# %% tags=["check", "hide-input"]
of_words = {
    "text encoder",
    "context (CP)",
    "TSP",
    "semantic decoder",
    "image encoder",
}
of_details = {"image encoder", "MDE", "details decoder"}
for (term, module), amount in arrives["as in the paper"].items():
    if (
        steps >= 60 or "unknown" in term or term == "ce"
    ):  # an untrained trimap may be unknown nowhere
        assert bool(amount) == (
            module in (of_words if term == "ce" else of_details)
        ), (term, module)
if model.details_text:
    assert all(
        arrives["the shipped model"][term, "text encoder"]
        for term in ("alpha_unknown", "laplacian_unknown")
    )

# %% [markdown]
# The right answer costs nothing; equal mistakes cost the alpha loss equally, and each of the Laplacian losses is larger for at least one
# of them; four samples can be learnt.

# %% tags=["check", "hide-input"]
right = type(output)(
    50 * F.one_hot(classes_true, 3).permute(0, 3, 1, 2).float(), a, a
)
assert all(
    part < 1e-4
    for part in losses.clipmat_loss(right, a, classes_true).values()
)
assert (
    np.ptp(
        [
            float(losses.alpha_loss(damage, close))
            for damage in damaged.values()
        ]
    )
    < 1e-5
)
for loss in variants.values():
    costs = [loss(damage) for damage in damaged.values()]
    assert max(costs) > 1.2 * min(costs)
assert (
    abs(
        sum(float(level.abs().mean()) for level in pyramid(error))
        - float(losses.laplacian_loss(p, a))
    )
    < 1e-5
)
if steps >= 60:
    first, *_, last = (
        row["mean absolute difference of the mattes"] for row in log
    )
    assert last < 0.02 < 0.3 < first

# %% [markdown]
# Scores and readings of this model, and sizes that are the table's.

# %% tags=["check", "hide-input"]
assert all(
    score == 0 or collaboration.THRESHOLD < score <= 1
    for values in scores.values()
    for score in values
)
if (weights, split) == ("shipped", "seen"):
    assert (
        refused["fits"]
        < 0.25
        < refused["fits"] + 0.25
        < refused["does not fit"]
    )
    assert (
        1.3 * mad[PERFECT]
        < mad[RULE]
        < 0.95
        * min(
            mad[name] for name in readings if "P(" in name or "alone" in name
        )
    )
    assert all(
        getattr(model.profile.model, name)
        for name in (
            "details_text",
            "score_map",
            "coordinates",
            "mask_padding",
        )
    )
    assert (
        model.profile.model.popup_layers
        > 0
        == paper.profile.model.popup_layers
    )
assert table11.summary(table)["unexplained"] == 0
assert (
    0.85
    < (sizes["image encoder"] + sizes["text encoder"]) / sum(sizes.values())
    < 0.9
    or paper_profile != "paper-b16"
)
every = sum(value.numel() for value in paper.parameters())
assert (
    round(1e6 * sum(sizes.values()))
    == sum(row.parameters for row in table)
    == every
)
for sides, count, scale in printed.values():
    assert (
        sizes_with(1, count, 32, scale)
        == sides
        != sizes_with(3, count, 32, scale)
    )
assert repr(conv1) == repr(embeddings["CLIP: 16 x 16, stride 16"])

# %% [markdown]
# ## Summary
#
# * The model runs in three steps. The image is the expensive one and is encoded once; each further sentence costs the rest.
# * One decoder predicts where, one how much; the matte is the second's output where the first is unknown, and 1 where it is
#   foreground.
# * Each decoder has losses of its own. The matte's losses teach the details alone, and in the paper's wiring the words learn
#   from the cross-entropy alone.
# * A trimap without foreground and unknown is a refusal; the score is the trimap's mean confidence in what it does not label background.
# * The sizes of Table 11 hold, row by row. Some of its words do not: stride 3 cannot be, and the first convolution is not
#   CLIP's.
#
# Before: [](03d_details_extractor). Next: [](03f_refiner) looks at the matte once more, at the image's own size. The code:
# `rimlib.clipmat.model`, `rimlib.clipmat.decoders`, `rimlib.clipmat.collaboration`, `rimlib.clipmat.losses`,
# `rimlib.evaluation.ablation`, `rimlib.evaluation.table11`.
#
# ## Exercises
#
# 1. No dot of {numref}`clipmat-scores` lies between 0 and one half. Why can none?
#
# :::{dropdown} Answer
# A pixel belongs to $R$ if another class is more probable than background. Then background has less than one half, and
# $1 - P(\mathrm{background})$ more. A mean of such numbers is above one half; and without a pixel in $R$ the score is 0 by
# definition.
# :::
#
# 2. Let the matte teach the semantic decoder: write CM with probabilities,
#    $\mathrm{detail} \cdot P(\mathrm{unknown}) + P(\mathrm{foreground})$. Does a gradient arrive? What in the table of
#    readings is against it, and would that still hold if the model were trained so?
#
# :::{dropdown} Answer
# It does: the logits get a gradient wherever the probabilities are not yet 0 or 1. The shipped model loses by it, since its
# probabilities are soft along the edge, where the trimap's band ends. A model that is trained so is another model, and would
# learn to be sure there; only a training run can decide.
#
# ```python
# with torch.enable_grad():
#     logits = output.trimap_logits.clone().requires_grad_()
#     chance = logits.softmax(1)
#     soft = output.detail * chance[:, 1:2] + chance[:, 2:]
#     print(torch.autograd.grad(losses.alpha_loss(soft[entity : entity + 1], a), logits)[0].abs().max())
# ```
# :::
#
# 3. Give `pyramid` a mistake that is the same everywhere, `torch.full_like(a, 0.1)`. Which levels see it?
#
# :::{dropdown} Answer
# Only the last, the rest: a blur changes nothing about what is the same everywhere, so all differences from it are 0. Without
# the rest (ViTMatte's variant has none) the loss would not see it at all.
# :::
#
# 4. Which rows of Table 11 change when the backbone is ViT-L/14, and which part of the model does not change at all? Guess,
#    then run `python -m rimlib.evaluation.table11 --profile paper-l14`.
#
# :::{dropdown} Answer
# All that has CLIP's own widths: the encoders' rows, and the first two rows of each level of MDE, which have half the image
# encoder's width. TSP takes both widths to 256 and the MDE's outputs are chosen, so what comes after them, both decoders, keeps
# its sizes and its number of parameters.
# :::
