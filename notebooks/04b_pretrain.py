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
# # Pre-training: what the small CLIP learned first
#
# CLIPMat starts from a CLIP that already knows what words look like. OpenAI's learned it from four hundred million
# images; ours, which has to fit on a laptop, learned it from twelve thousand composed scenes in a quarter of an hour.
# This chapter shows how, and what such a CLIP knows and does not know.
#
# :::{admonition} Before you run this
# | | |
# |:--|:--|
# | Device | any processor; no accelerator is used |
# | Memory | 3 GB |
# | Minutes | about 2, on two cores |
# | Inputs | the shipped photographs, the small CLIP that ships, and the record of its training |
# | Outputs | a small data set in `data/` |
# :::
#
# In the paper: Sec. 5.1 and S4.3.3, whose Table 10 asks what a pre-trained CLIP is worth {cite:p}`rim`. The paper takes
# OpenAI's weights as they are {cite:p}`clip`; everything here is ours. The code is `rimlib/training/contrast.py`,
# `pairs.py` and `clip.py`.

# %% tags=["parameters"]
scene: int = 7  # which scene is looked at, from 0
steps: int = 60  # of each of the two short trainings
images: int = 16  # of a step
data: str = ""  # folder of a RefMatte data set; "": a small one is made

# %% tags=["hide-input"]
import dataclasses

import numpy as np
import torch
import torch.nn.functional as F

from rimlib import profile, show
from rimlib.experiments import frame, pretraining, table10
from rimlib.clipmat.backbone import PATCH
from rimlib.clipmat.clip_weights import create_clip
from rimlib.clipmat.prompt import TEMPLATES
from rimlib.io.files import read_json
from rimlib.io.images import resize
from rimlib.refmatte.build import build_or_open
from rimlib.refmatte.dataset import RefMatte
from rimlib.refmatte.example import example
from rimlib.repository import repository
from rimlib.training.batches import Key
from rimlib.training.contrast import (
    ContrastiveCLIP,
    contrastive_loss,
    region_pairs,
    region_retrieval,
)
from rimlib.training.pairs import Pairs
from rimlib.training.samples import Samples

few = [
    "data.groups_train=10",
    "data.images_per_group_train=20",
    "data.extra_train=100",
]
settings = dataclasses.replace(
    profile.with_settings(profile.load("tiny"), few), name="pretrain-chapter"
)
side = settings.model.image_size
grid = side // PATCH


def clip_of(weights):
    """The small CLIP from random or trained weights: `ContrastiveCLIP`."""
    torch.manual_seed(0)
    return ContrastiveCLIP(*create_clip(settings.model, weights), side)


# %% [markdown]
# ## Before and after
#
# A composed scene and a sentence for each of its things. How much is each patch of 16 × 16 pixels like the sentence?
# Above, by a CLIP of random weights; below, by the one that ships.

# %% tags=["hide-input"]
seen = example(scene, "seen")
square = resize(seen.image, (side, side))
sentences = [f"a photo of a {keyword}" for keyword in seen.keywords]


def maps_of(clip):
    """How alike each sentence and each patch are, painted on the image."""
    with torch.no_grad():
        tokens = clip.tokens(torch.from_numpy(square)[None])[0, 1:]  # (N, D)
        patches = F.normalize(tokens @ clip.image_projection, dim=-1)
        texts = clip.text_features(clip.tokenizer(sentences))
        cosines = (texts @ patches.T).unflatten(1, (grid, grid)).numpy()
    return [square, *(show.heat(one, square) for one in cosines)]


# %% mystnb={"figure": {"caption": "How alike each patch and each sentence are. Above: random weights. Below: after the training of this chapter. Yellow is more alike; each map has its own range.", "name": "pretrain-before-after"}, "image": {"alt": "Two rows of coarse maps over one photograph. Those of the upper row follow nothing in the photograph; in the lower row each map is brightest on the thing of its sentence, and on some other places.", "width": "100%"}}
random = maps_of(clip_of("random").eval())
trained = maps_of(clip_of("clip").eval())
titles = ["the image", *sentences] * 2
names = ["random", "trained"]
show.grid(random + trained, titles, columns=len(random), row_titles=names);

# %% [markdown]
# ## The task, by hand
#
# Take three entities and three captions. The encoders turn each into a vector of length 1, and a product of two such
# vectors, their cosine, says how alike they are. Say that these are the nine cosines:

# %%
cosines = np.array(
    [
        [0.8, 0.1, 0.3],  # an otter with the captions …
        [0.2, 0.6, 0.1],  # a violin
        [0.7, 0.0, 0.5],
    ]
)  # another otter, of another colour
captions = ["an otter", "a violin", "the grey otter"]
show.table(
    [
        {"entity": entity, **dict(zip(captions, map(float, row)))}
        for entity, row in zip(("otter", "violin", "grey otter"), cosines)
    ],
    digits=1,
)

# %% [markdown]
# The task is to find, for each entity, its own caption among the three, and for each caption its own entity. Each row
# becomes probabilities by a softmax, after a factor $s$, and the loss is minus the logarithm of the right one's. With
# $s = 5$, the violin's row is $e^{1} : e^{3} : e^{0.5}$, which is $2.7 : 20.1 : 1.6$: the right caption has 82 %, and the
# loss of this row is $-\log 0.82 = 0.20$.

# %%
s = 5
rows = np.exp(s * cosines) / np.exp(s * cosines).sum(axis=1, keepdims=True)
print("probability of the own caption, by row:", rows.diagonal().round(2))
print("loss of each row:", (-np.log(rows.diagonal())).round(2))

# %% [markdown]
# The third row is wrong by no fault of its encoders: *an otter* is true of the grey otter as well, and the loss pushes
# it away. In a scene of our data many sentences are true of several entities. So every pair that is true without being
# the entity's own is left out of the sum:

# %%
true = torch.tensor([[1, 0, 0], [0, 1, 0], [1, 0, 1]], dtype=torch.bool)
entities, texts = torch.from_numpy(cosines), torch.eye(3, dtype=torch.float64)
print(
    "all others are wrong:",
    round(
        contrastive_loss(
            entities, texts, s, torch.eye(3, dtype=torch.bool)
        ).item(),
        3,
    ),
)
print(
    "true ones left out:  ",
    round(contrastive_loss(entities, texts, s, true).item(), 3),
)

# %% [markdown]
# That is CLIP's loss, symmetric over rows and columns, with one line more:

# %%
show.source(contrastive_loss)

# %% [markdown]
# ## Regions, not whole images
#
# CLIP compares whole images with their captions. Ours are scenes of one to three entities over a background that no
# caption names, and there are few of them. So the small CLIP compares **regions** as well: the mean of the patches that
# an entity covers, each weighted by how much of it the matte fills. The data set knows the mattes, so this costs
# nothing.
#
# Two short trainings from the same random weights, on the same images and captions, that differ in
# nothing but what is compared. A guess among $n$ captions pays $\log n$, and less where some of them are left out as true;
# so the figure shows each batch's loss less what a guess pays in that batch.

# %% tags=["hide-input"]
root, _ = build_or_open(settings, data, ("train", "seen"), progress=False)
batches = Pairs(
    Samples(RefMatte(root, "train"), settings.train, side),
    TEMPLATES,
    grid,
    seed=1,
)
held_out = Pairs(
    Samples(RefMatte(root, "seen"), settings.train, side, limit=64),
    TEMPLATES,
    grid,
    0,
    flip=0,
    noise=0,
)
unseen = Pairs.collate(
    [held_out[Key(0, index, 0)] for index in range(len(held_out.samples))]
)


def measured(clip):
    """Is the nearest caption true? Is a caption nearer to its region?"""
    return [
        measure(clip.eval(), unseen, torch.device("cpu"))
        for measure in (region_retrieval, region_pairs)
    ]


found = {
    name: measured(clip_of(weights))
    for name, weights in (
        ("random weights", "random"),
        ("the one that ships", "clip"),
    )
}


def loss_of(clip, batch, whole):
    """The contrast of first regions, or of whole images, with captions."""
    first = np.unique(batch.image_index, return_index=True)[
        1
    ]  # an image has one caption
    tokens = clip.tokens(torch.from_numpy(batch.images))
    texts = clip.text_features(
        clip.tokenizer([batch.texts[one] for one in first], truncate=True)
    )
    if whole:
        seen = clip.image_features(tokens)[batch.image_index[first]]
    else:
        weights, index = (
            torch.from_numpy(part[first])
            for part in (batch.weights, batch.image_index)
        )
        seen = clip.region_features(tokens, weights, index)
    positives = torch.from_numpy(batch.positives[np.ix_(first, first)])
    left = (
        len(first) + 1 - positives.sum(1),
        len(first) + 1 - positives.sum(0),
    )  # captions, and regions, that are not left out
    guess = sum(count.double().log().mean().item() for count in left) / 2
    return contrastive_loss(
        seen, texts, clip.logit_scale.exp(), positives
    ), guess


# %%
logs = {}
for name in ("whole images", "regions"):
    clip, log = clip_of("random").train(), []
    optimizer = torch.optim.AdamW(clip.parameters(), lr=settings.clip.lr)
    for step in range(steps):
        first = step * images
        numbers = [at % len(batches) for at in range(first, first + images)]
        batch = Pairs.collate([batches[Key(0, at, step)] for at in numbers])
        loss, guess = loss_of(clip, batch, whole=name == "whole images")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        log.append(loss.item() - guess)
    logs[name], found[f"{steps} steps, {name}"] = log, measured(clip)

# %% mystnb={"figure": {"caption": "The loss of both trainings less what a guess pays, mean of ten steps.", "name": "pretrain-regions"}, "image": {"alt": "Two curves over the steps. Both come near to zero and stay there.", "width": "100%"}}
smooth = {
    name: np.convolve(log, np.ones(10) / 10, "valid")
    for name, log in logs.items()
}
log = [
    {
        "step": step + 10,
        **{name: values[step] for name, values in smooth.items()},
    }
    for step in range(len(smooth["regions"]))
]
show.curves(
    log, "step", ["whole images", "regions"], ylabel="loss, less a guess"
);

# %% [markdown]
# ## A measure that a constant answer wins
#
# How good are the two on new scenes? A plain question is: for each region, is the nearest of all captions true of it?
# But a caption such as *a photo of a human* is true of many regions at once. Who always names that one is often right,
# and has looked at nothing. So we ask another thing as well: take a caption, its own region, and a region that it is
# not true of; to which is it nearer? A guess is right in half of the cases, and so is every constant answer.

# %%
common = float(unseen.positives.mean(axis=0).max())
found["always the caption that is true of most"] = [common, 0.5]
show.table(
    [
        {
            "who": who,
            "nearest caption is true": true,
            "caption is nearer to its own region": pairs,
        }
        for who, (true, pairs) in sorted(
            found.items(), key=lambda one: one[1][1]
        )
    ],
    digits=2,
)

# %% [markdown]
# By the first column the two short trainings beat the CLIP that ships. By the second they have learned nothing of what is
# in a region, only which captions are common; and their loss fell below that of a guess for the same reason.
#
# ## Longer trainings
#
# What regions are worth shows later. Three recorded trainings of this kind, equal but for the weights of the two
# contrasts (`rim experiment pretraining`):

# %%
records = frame.load("pretraining", frame.folder_of_records())
lines = pretraining.tables(records)["pretraining"]
show.table(
    lines,
    ["what", "steps", "pairs", "regions", "regions, a guess", "images"],
    digits=2,
)

# %% mystnb={"figure": {"caption": "The loss of each of the three, whose scales differ: they are sums of different terms.", "name": "pretrain-three"}, "image": {"alt": "Two falling curves over the steps, and that of whole images, which stays nearly level.", "width": "100%"}}
logs = {
    record["about"]["change"]: record["metrics"]["log"]
    for record in records
    if record["seed"] == 1
}
log = [
    {
        "step": row[0]["step"],
        **{name: one["loss"] for name, one in zip(logs, row)},
    }
    for row in zip(*logs.values())
]
show.curves(log, "step", list(logs), ylabel="loss");

# %% [markdown]
# *Pairs* is the second measure, *regions* the first. Compared with whole images alone, ten times the steps of this page teach
# nothing that is in a region: half of the pairs, as a guess. With regions, nine in ten. The first measure has it the other way
# round, and would have made us keep the worst of the three. The contrast of whole images costs little beside that of regions, and
# gains nothing here; the CLIP that ships was trained with it.
#
# An encoder that learns from regions learns what CLIPMat needs: its *patches* are asked, never its class token.
#
# ## The recorded run
#
# The training whose weights ship had both contrasts, and 25 times the steps of this page's: batches of 24 images with all
# their regions, one core, a quarter of an hour. This is its record.

# %% mystnb={"figure": {"caption": "The loss of the training that made the small CLIP.", "name": "pretrain-record"}, "image": {"alt": "One falling curve, steep in its first third and flat towards its end.", "width": "100%"}}
record = read_json(repository() / "results/runs/pretrain-tiny.json")
show.curves(record["log"], "step", ["loss"], ylabel="loss");

# %%
show.table(
    [
        {
            "weights": when,
            "regions: a true caption nearest": one["regions"],
            "a guess ": one["regions_chance"],
            "whole images: own caption nearest": one["pictures"],
            "a guess": one["pictures_chance"],
        }
        for when, one in (
            (when, record["metrics"][when]) for when in ("before", "after")
        )
    ]
)

# %% [markdown]
# (The record has only the first of the two measures.) An image hardly finds its own caption: the class token has learned
# almost nothing. For CLIPMat that is no loss. A user who wants to search images by text needs another CLIP.
#
# ## Words that it has never met
#
# The small CLIP reads with a vocabulary of its own, learned from the sentences of our data. A word that is in it is one
# token or two. A word that is not is spelled from pieces, and pieces mean nothing by themselves:

# %%
tokenizer = clip_of("clip").tokenizer
words = ["otter", "violin", "left", "zeppelin", "saxophone", "daguerreotype"]
counted = [
    int((tokenizer([word])[0] > 0).sum()) - 2 for word in words
]  # without start and end
show.table(
    [{"word": word, "tokens": count} for word, count in zip(words, counted)]
)

# %% [markdown]
# So a pool of your own photographs needs a pre-training of its own before `rim train` can learn its words. With a
# profile `mine.yaml` that names it (`base: tiny`, and `data: {pool: FOLDER}`):
#
# ```sh
# rim build --profile mine.yaml --out data/mine
# rim pretrain --profile mine.yaml --data data/mine --out runs/clip
# rim train --profile mine.yaml --data data/mine --weights runs/clip/rim-tiny-clip.safetensors --out runs/mine
# ```
#
# With a GPU, take OpenAI's CLIP (profile `small`), which knows nearly every word that a photograph can be described by.
#
# ## What it is worth
#
# The paper's Table 10 freezes CLIP, or lets it learn at rates of its own. Here are the same two, and a third row of
# ours, which begins from random weights. All have the same images and steps (`rim experiment table10 --seeds 3`).

# %% tags=["hide-input"]
worth = table10.tables(frame.load("table10", frame.folder_of_records()))
what = {change.name: change.what for change in table10.CHANGES}
show.table(
    [
        {
            "CLIP": what[line["row"]],
            "scored on": line["scored on"],
            "localised": line["localised"],
            "SAD / empty": line["sad_ratio"],
            "±": line["sad_ratio ±"],
            "seeds": line["seeds"],
        }
        for line in worth["table_10"]
        if line["profile"] == "tiny"
    ],
    digits=2,
)

# %% [markdown]
# (A row that has no record yet is left out; with one seed there is no deviation.)
#
# On seen entities a CLIP that learns leaves three quarters of the SAD of a frozen one, in the paper half of it. On unseen ones
# the order turns round: here the frozen one leaves less. It may be that what an encoder learns from three hundred cut-outs
# is about these alone; one seed is not enough to say more. The paper's table has no such column, and its CLIP learns at
# less than a hundredth of our rates.
#
# ## Check

# %% tags=["check", "hide-input"]
by_hand = -np.log(rows.diagonal())
assert abs(by_hand[1] - 0.20) < 0.005 and np.allclose(rows.sum(axis=1), 1)
columns = np.exp(s * cosines) / np.exp(s * cosines).sum(axis=0)
every = (by_hand.mean() - np.log(columns.diagonal()).mean()) / 2
assert (
    abs(
        every
        - contrastive_loss(
            entities, texts, s, torch.eye(3, dtype=torch.bool)
        ).item()
    )
    < 1e-9
)
assert contrastive_loss(entities, texts, s, true).item() < every
weights = torch.from_numpy(unseen.weights[:1])
clip = clip_of("clip").eval()
with torch.no_grad():
    tokens = clip.tokens(torch.from_numpy(unseen.images[:1]))
    region = clip.region_features(tokens, weights, torch.tensor([0]))
    mean = (weights.flatten()[:, None] * tokens[0, 1:]).sum(
        0
    ) @ clip.image_projection
torch.testing.assert_close(region[0], mean / mean.norm(), atol=1e-5, rtol=1e-5)
assert counted[0] < counted[-1]

# %% [markdown]
# What this page claims of the two short trainings and of the records.

# %% tags=["check", "hide-input"]
by_set = {
    (line["row"], line["scored on"]): line["sad"]
    for line in worth["table_10"]
    if line["profile"] == "tiny"
}
turned = [
    by_set["all", scenes] / by_set["frozen", scenes]
    for scenes in ("keyword, seen", "keyword, unseen")
]
assert 0.65 < turned[0] < 0.85 and turned[1] > 1.05
if (steps, images, data) == (60, 16, ""):
    assert all(abs(values[-1]) < 0.1 for values in smooth.values()), (
        "sixty steps teach nothing yet"
    )
    assert all(
        found[name][0] > common - 0.1 and abs(found[name][1] - 0.5) < 0.1
        for name in found
        if "steps" in name
    )
shares = {line["change"]: line for line in lines}
assert (
    abs(shares["whole-images"]["pairs"] - 0.5) < 0.03
    and min(shares[name]["pairs"] for name in ("both", "regions")) > 0.85
)
assert (
    max(shares.values(), key=lambda line: line["regions"])["change"]
    == "whole-images"
), "by the first measure it would be the best"
after = record["metrics"]["after"]
pairs = {who: one[1] for who, one in found.items()}
assert pairs["the one that ships"] == max(pairs.values()) > 0.7
assert (
    after["regions"] > 2 * after["regions_chance"] and after["pictures"] < 0.05
)

# %% [markdown]
# ## Summary
#
# * Pre-training by contrast: of a batch's captions an entity should find its own, and a caption its entity.
# * A caption that is true of another entity too is no wrong answer, and is left out.
# * From few composed scenes regions teach an encoder what whole images do not, and its patches are what CLIPMat asks.
# * A retrieval score can come from knowing which captions are common. Ask also what a constant answer would get.
# * Its vocabulary is that of its data: other words need another pre-training, or a larger CLIP.
#
# Before: [](04_train). Next: [](05_evaluate). The code: `rimlib.training.contrast`, `rimlib.training.pairs`,
# `rimlib.training.clip`.
#
# ## Exercises
#
# 1. In the toy, what happens to the three rows' losses for $s = 1$ and for $s = 50$? Which row wants a large $s$, and
#    which a small one?
#
# :::{dropdown} Answer
# Run the cell with another `s`. For $s = 1$ all rows are near $\log 3 = 1.10$. For $s = 50$ the first two are near 0
# and the third is near $50 \cdot 0.2 = 10$: a row that is right gains by a large $s$, a row that is wrong pays for it.
# The training finds the $s$ that suits most rows.
# :::
#
# 2. A batch has 24 images with two regions each. What does a guess pay, and what does it pay where each caption is
#    true of three regions more?
#
# :::{dropdown} Answer
# $\log 48 = 3.87$. With three of the 48 left out of each row, $\log 45 = 3.81$: hardly less. What changes is not what a
# guess pays but where the gradient pulls.
# :::
#
# 3. Train the short run with four times the images of a step. Does the class token learn now?
#
# :::{dropdown} Answer
# `papermill 04b_pretrain.ipynb out.ipynb -p images 64`. Chance is $\log 64 = 4.16$ there. More captions to tell apart
# make the task harder and each step slower; look at whether its curve falls below zero before the last step, and compare
# minutes, not steps.
# :::
