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
# # Ablations: one change at a time
#
# An ablation takes one thing away and trains again. What is lost was that thing's worth. This chapter shows what it
# takes for a model to go by the *place* of a thing, and how to read a table of ablations without being fooled by chance.
#
# :::{admonition} Before you run this
# | | |
# |:--|:--|
# | Device | any processor; no accelerator is used |
# | Memory | 2 GB |
# | Minutes | below 2, on one core |
# | Inputs | the shipped model, the records in `results/runs` |
# | Outputs | none, only what you see |
# :::
#
# In the paper: Sec. 5.3, whose Table 3 takes the modules away, and supplement S4.3 with Tables 7, 8 and 10
# {cite:p}`rim`. The experiment of this chapter is ours. The code is `rimlib/experiments/`; each row of a table is a
# record that `rim experiment NAME` made.

# %% tags=["parameters"]
scene: int = 22  # a scene of look-alikes, from 0
probes: int = 16  # scenes of look-alikes, where the places are mirrored

# %% tags=["hide-input"]
import copy
from statistics import mean, stdev

import matplotlib.pyplot as plt
import numpy as np
import torch

from rimlib import CLIPMat, MattingPredictor, show
from rimlib.experiments import frame, listening, table3, table10
from rimlib.experiments import recipe as recipe_table
from rimlib.matting import metrics
from rimlib.printed import tables
from rimlib.refmatte.example import example

# %% [markdown]
# ## Two alike, two sentences
#
# Two things of one kind, and a model that was trained on such scenes. This is a scene in which it is right; how often it
# is, is counted below. What does it need to tell the two apart?

# %% mystnb={"figure": {"caption": "One scene and what the shipped model gives for two sentences that differ in one word.", "name": "ablations-two"}, "image": {"alt": "A scene with two things of one kind, and two cut-outs, each of one of them.", "width": "100%"}}
one = example(scene, "alike")
sides = ("left", "right")
asked = [f"the {side} {one.keywords[0]}" for side in sides]


def answers(net):
    """The scene's matte for each sentence, over a checkerboard."""
    predictor = MattingPredictor(net, threshold=0)
    predictor.set_image(one.image)
    found = predictor.predict_many(asked)
    return [show.over(one.image, result.alpha) for result in found]


model = CLIPMat.shipped()
show.grid([one.image, *answers(model)], ["the image", *asked]);

# %% [markdown]
# ## A toy
#
# Take two tokens that look alike. All that differs is where they are: the one at $x = -0.5$, the other at $x = 0.5$. Let
# the sentence be a number too, $-1$ for *left* and $1$ for *right*, and let the score of a token be the product.

# %%
places = {"the token on the left": -0.5, "the token on the right": 0.5}
pairs = (("left", -1), ("right", 1))


def scores(known):
    """The score of each token for each word; `known`: x is told."""
    return [
        {"token": name, **{word: known * sign * x + 0 for word, sign in pairs}}
        for name, x in places.items()
    ]


show.table(scores(known=1), digits=1)

# %% [markdown]
# Each word's largest score is at its own side. Now the ablation: the token is not told where it is.

# %%
show.table(scores(known=0), digits=1)

# %% [markdown]
# All scores are the same. Nothing that is trained after this can bring back what the tokens do not hold: the model may
# take one of the two by chance, or both. So the worth of the place is the whole answer here, and a scene of *different*
# things would not show it, since their words would be enough. An ablation shows what a thing is worth *on what is
# asked*.
#
# ## The paper's ablation
#
# The paper's Table 3 begins with a bare model and adds the modules of chapters 03b to 03e:

# %% tags=["hide-input"]
printed = tables()["table3"].values("SAD")
show.table(
    [
        {
            "modules": row.replace("-cp", " CP"),
            "SAD": sad,
            "of the bare one": sad / printed["none"],
        }
        for row, sad in printed.items()
    ],
    digits=2,
)

# %% [markdown]
# All of them together leave less than half of the error. What the table cannot show is whether a row is better by more
# than chance: it has one training for each.
#
# ## The same here
#
# The six rows at the size of this book (`rim experiment table3 --seeds 3`). Each is trained on the same images for the
# same number of steps. What stands in a module's place where it is off, the paper leaves open; here it is as little as
# possible (`rimlib.evaluation.ablation`). *SAD / empty* is SAD by that of an empty matte, and *of the bare one* is SAD by
# that of the first row, as above.

# %% tags=["hide-input"]
measured = table3.tables(frame.load("table3", frame.folder_of_records()))
ablation = [
    line
    for line in measured["table_3"] + measured["score_map"]
    if line["profile"] == "tiny"
]
of_row = {
    scenes: {
        line["row"]: line
        for line in ablation
        if line["scored on"] == f"keyword, {scenes}"
    }
    for scenes in ("seen", "unseen")
}
bare = {scenes: lines["none"]["sad"] for scenes, lines in of_row.items()}
show.table(
    [
        {
            "modules": change.what,
            "localised, seen": here["localised"],
            "SAD / empty, seen": here["sad_ratio"],
            "±": here["sad_ratio ±"],
            "of the bare one, seen": here["sad"] / bare["seen"],
            "unseen": of_row["unseen"][change.name]["sad"] / bare["unseen"],
            "the paper": printed[change.name] / printed["none"]
            if change in table3.PAPERS
            else None,
            "seeds": here["seeds"],
        }
        for change in table3.CHANGES
        if (here := of_row["seen"].get(change.name))
    ],
    digits=2,
)

# %% [markdown]
# (A row that has no record yet is left out, and *±*, the deviation over seeds, needs two.)
#
# All modules together leave three quarters of the bare model's SAD here, where the paper's leave less than half. And **TSP**
# alone, which takes a fifth off in the paper, changes less than one seed can show. Why? The column *localised* says that
# the bare model finds most entities already, so that a module which is there to find them has little left to do. Our score
# map, which Table 3 does not list, could be what finds them. It is not: the last row has none, and finds nearly as many.
#
# Another reason is left. Here CLIP learns with all the rest, at rates hundreds of times the paper's. Where it is frozen, the
# *whole* model localises fewer entities than the bare one whose CLIP learns (chapter [](04b_pretrain), Table 10). So what the
# modules do in the paper, the encoder may do here by itself. Rows with the modules on and off, both on a frozen CLIP,
# would show whether that is so; they have not been trained.
#
# ## Our recipe and the paper's
#
# What this book changes in the training is an ablation too. Each row has one part of our recipe as the paper has it, or
# all of them; `rimlib.experiments.recipe` names the settings. The last column is our SAD by the row's: below 1, the part
# helps.

# %% tags=["hide-input"]
parts_of = recipe_table.tables(frame.load("recipe", frame.folder_of_records()))
of_part = {
    line["ours by"]: line["ratio"]
    for line in parts_of["ratios"]
    if line["scored on"] == "keyword, seen" and line["profile"] == "tiny"
}
what_of = {change.name: change.what for change in recipe_table.CHANGES}
show.table(
    [
        {
            "the paper's": line["row"],
            "what it is": what_of[line["row"]],
            "localised": line["localised"],
            "SAD / empty": line["sad_ratio"],
            "±": line["sad_ratio ±"],
            "ours by it": of_part.get(line["row"]),
            "seeds": line["seeds"],
        }
        for line in parts_of["recipe"]
        if line["scored on"] == "keyword, seen" and line["profile"] == "tiny"
    ],
    digits=2,
)

# %% [markdown]
# The paper's recipe as a whole leaves nearly twice our SAD after so few steps. That is no judgement of it: its rates are
# made for a CLIP that has seen 400 million pairs, and for 187,500 steps. The row `paper-our-rates` has all of it but these.
#
# ## What it takes to go by a place
#
# All rows below are trainings that differ in one setting. They go on from the same model, which knows its nouns and
# hardly a place, and take the same few steps on top. They are scored on scenes of two things that share their words, so
# that the place alone decides: *the left otter*, *the cup behind the other one*. A model that takes one of the two by
# chance is right in half of them; one that gives parts of both is right in none.

# %% tags=["hide-input"]
def wilson(share, count, z=1.96):
    """The 95 % interval of a share that was counted over so many cases."""
    whole = 1 + z * z / count
    middle = (share + z * z / (2 * count)) / whole
    moved = share * (1 - share) / count + z * z / (4 * count * count)
    return middle - z / whole * moved**0.5, middle + z / whole * moved**0.5


records = [
    record
    for record in frame.load("listening", frame.folder_of_records())
    if record["profile"] == "tiny" and record["seed"] == 1
]
parts = {
    record["about"]["change"]: record["metrics"]["alike"] for record in records
}
alike = {name: part["all"] for name, part in parts.items()}
order = sorted(alike, key=lambda name: alike[name]["localised"])

# %% mystnb={"figure": {"caption": "Look-alikes that are localised, after each training. The bar is the 95 % interval that the number of sentences alone leaves open; the line is the recipe with nothing changed.", "name": "ablations-listening"}, "image": {"alt": "A list of changes with a point and a bar for each, and a vertical line.Three points lie around the line, some in the middle, and most near zero.", "width": "100%"}} tags=["hide-input"]
size = (show.WIDTH, 0.32 * len(order) + 0.7)
figure, axis = plt.subplots(figsize=size)
for row, name in enumerate(order):
    share = alike[name]["localised"]
    bar = wilson(share, alike[name]["sentences"])
    axis.plot(bar, [row, row], color=show.PALETTE[0], linewidth=2)
    axis.plot(share, row, "o", color=show.PALETTE[0])
recipe = alike["recipe"]["localised"]
axis.axvline(recipe, color=show.PALETTE[1], linewidth=1)
axis.set_yticks(range(len(order)), order, fontsize=8)
axis.set_xlabel("look-alikes localised")
axis.spines[["top", "right"]].set_visible(False)
figure.tight_layout()

# %% [markdown]
# The same by the arrangement that decides, with what each row changes:

# %% tags=["hide-input"]
kinds = ["left/right", "top/bottom", "front/behind"]
what = {change.name: change.what for change in listening.CHANGES}
show.table(
    [
        {
            "change": name,
            "what": what[name],
            "all": alike[name]["localised"],
            **{kind: parts[name][kind]["localised"] for kind in kinds},
        }
        for name in reversed(order)
    ],
    digits=2,
)

# %% [markdown]
# Read the small numbers first. Whoever chooses one of the two by chance is right in half of the sentences. A row near 0
# does not choose: it gives parts of both, or neither, and an IoU of one half with the truth is out of reach. It still
# takes the sentence for its noun alone, as the model did that all rows began with. So the question that this table
# answers is: *after so few steps, has the model begun to choose?*
#
# * Without **places in the tokens** it has not, as in the toy. With the text encoder **frozen** it has not either: *left*
#   and *right* must become two directions in its output, and the small CLIP had no reason to part them.
# * From **one sentence** of each image in a step it has not. With four, a step asks for *the left one* and *the right
#   one* of the same image, and no answer that ignores the side can be right twice.
# * Where nothing is asked of the **score map** it has not. The map is told for each patch whether it belongs to what is
#   meant, so the error reaches the words at once; a quarter of its weight is enough.
# * Without **look-alikes** it chooses more often than it knows: below half, as of one that guesses. Its scenes never
#   needed a place.
# * **Left and right** come first, **above and below** and **behind** much later. The training has them in the shares of
#   the test, seven in ten are left and right.
# * Lower or fixed **rates**, no **negatives**, more **pixels**, or the **details** from the first step on also leave it
#   near 0. That these are needed *at all* is not shown: a slower learner is at the beginning of the same curve. What only makes it
#   quicker and what makes it possible could be told apart by longer trainings.
# * The three at the line differ by some hundredths, and that is nothing, as the next section shows.
#
# One row does not fit in. **Half the scenes with look-alikes** is worse than none and worse than all. It has half as many
# of them to learn from, so it may stand where the whole recipe stood after half of the steps: no longer guessing, not yet
# choosing. That is a guess of ours; no row tests it.
#
# ## How much of this is chance?
#
# Two sources of chance are in such a number. The first is the test: so many sentences, each right or wrong. Of $n$
# sentences with a share $p$ of right ones, the share that another $n$ would give moves by about $\sqrt{p (1 - p) / n}$.
# For $p = 0.6$ and $n = 400$ that is $\sqrt{0.24 / 400} = 0.024$; twice that to either side, 0.55 to 0.65, is roughly
# the 95 % interval. The bars above are such intervals. They are a little too short: the eight sentences of a scene are
# about the same two things, and if one is wrong the others often are.
#
# The second is the training: another seed draws other images in each step. Only training again shows how much that is.
# Say that two changes were trained with three seeds each:

# %%
runs = {"a": [0.62, 0.66, 0.64], "b": [0.60, 0.67, 0.62]}
show.table(
    [
        {"change": name, "mean": mean(values), "deviation": stdev(values)}
        for name, values in runs.items()
    ]
)

# %% [markdown]
# The sample deviation divides by $n - 1$, here $\sqrt{(0.02^2 + 0.02^2 + 0)/2} = 0.02$ for the first: with $n$ it would
# be too small on average, since the mean was taken from the same three numbers. The means differ by 0.01 and each moves
# by 0.02 or more from seed to seed, so nothing was shown. The rows above have one seed each. They can only show large
# differences, and a difference of some hundredths is none.
#
# ## Is it really the place?
#
# Look-alikes differ in where they are. In this model a linear map of each patch's $x$ and $y$, of their signs and of
# their squares is added to the image tokens (chapter [](03c_semantic_popup)): the toy's $x$. If that is what the model
# goes by, then a model whose map is mirrored should take the right one for *the left one*. Nothing is trained for this;
# the weights of two of the six features change their sign.

# %%
mirrored = copy.deepcopy(model)
with torch.no_grad():
    # (D, 6): x, y, their signs, their squares
    weight = mirrored.coordinates.project.weight
    weight[:, [0, 2]] *= -1  # left becomes right, above stays above

# %% mystnb={"figure": {"caption": "The same sentences, answered by the shipped model and by the one whose map of places is mirrored.", "name": "ablations-mirrored"}, "image": {"alt": "A scene with two things of one kind. For each of two sentences two cut-outs: the upper row has the one that is named, the lower row the other one.", "width": "100%"}}
rows = [one.image, *answers(model), one.image, *answers(mirrored)]
captions = ["as it is", "mirrored"]
show.grid(rows, ["the image", *asked] * 2, columns=3, row_titles=captions);

# %% [markdown]
# And counted over scenes of two look-alikes: is the matte that of the thing that is named, or of the other one?

# %% tags=["hide-input"]
def across(matte):
    """The columns that a matte takes up."""
    return np.nonzero(matte > 0.5)[1]


def apart(scene):
    """Are there two of one kind, one of them left of the other?"""
    if len(scene.mattes) != 2 or len(set(scene.keywords)) > 1:
        return False
    columns = [across(one) for one in scene.mattes]
    ends = sorted((some.min(), some.max()) for some in columns)
    return ends[0][1] < ends[1][0]


def counts(net):
    """How often a matte is that of the named thing, or the other one's."""
    predictor = MattingPredictor(net, refiner=None, threshold=0)
    found = {"named": 0, "the other one": 0, "neither": 0}
    for scene in twos:
        predictor.set_image(scene.image)
        ordered = sorted(scene.mattes, key=lambda one: across(one).mean())
        asked = [f"the {side} {scene.keywords[0]}" for side in sides]
        for meant, result in enumerate(predictor.predict_many(asked)):
            ious = [metrics.iou(result.alpha, one) for one in ordered]
            right = "named" if np.argmax(ious) == meant else "the other one"
            found[right if max(ious) > 0.5 else "neither"] += 1
    return found


twos, number = [], 0
while len(twos) < probes:
    twos += [found for found in [example(number, "alike")] if apart(found)]
    number += 1

# %%
counted = {"as it is": counts(model), "mirrored": counts(mirrored)}
show.table([{"map": name, **found} for name, found in counted.items()])

# %% [markdown]
# The map alone turns the answer over. Nothing else in the model tells left from right: the image encoder learned from
# images that were mirrored half of the time, and had no reason to.
#
# ## Check

# %% tags=["check"]
whole, first = of_row["seen"]["all"]["sad"], of_row["seen"]["none"]["sad"]
assert 0.6 < whole / first < 0.85, "three quarters"
assert abs(of_row["seen"]["tsp"]["sad"] / first - 1) < 0.05
finds = {name: line["localised"] for name, line in of_row["seen"].items()}
assert finds["none"] > finds["none-no-score-map"] > 0.55, "most entities"
frozen = next(
    line["localised"]
    for line in table10.tables(
        frame.load("table10", frame.folder_of_records())
    )["table_10"]
    if (line["row"], line["scored on"]) == ("frozen", "keyword, seen")
)
assert frozen < finds["none-no-score-map"]
assert 0.5 < of_part["paper"] < 0.6, "nearly twice"
assert np.allclose(wilson(0.6, 400), (0.55, 0.65), atol=0.005)
assert abs(stdev(runs["a"]) - 0.02) < 1e-9
known = {change.name for change in listening.CHANGES}
assert {*order} <= known and "recipe" in order
for same in ("steps", "scored_on", "first"):
    assert len({str(record["about"][same]) for record in records}) == 1, same

# %% [markdown]
# What this page claims.

# %% tags=["check"]
half, recipe = 0.5, alike["recipe"]["localised"]
for name in ("no-coordinates", "frozen-words", "no-score-map"):
    high = wilson(alike[name]["localised"], alike[name]["sentences"])[1]
    assert high < 0.1 < recipe, name
assert parts["recipe"]["left/right"]["localised"] > half
for name in ("top/bottom", "front/behind"):
    assert parts["recipe"][name]["localised"] < half, name
for name in ("no-lookalikes", "half-lookalikes"):
    assert alike[name]["localised"] < half, name
if probes == 16:
    right = [
        counted[name][which]
        for name, which in (
            ("as it is", "named"),
            ("mirrored", "the other one"),
        )
    ]
    wrong = [
        counted[name][which]
        for name, which in (
            ("as it is", "the other one"),
            ("mirrored", "named"),
        )
    ]
    assert min(right) > 2 * max(wrong)

# %% [markdown]
# ## Summary
#
# * An ablation shows what a thing is worth on what is asked. Where words are enough, the place is worth nothing.
# * To go by a place, tokens have to hold it, the text encoder has to learn it, and the data have to ask for it.
# * One training for each row shows large differences only; three seeds show how large a difference has to be.
# * A change of the weights by hand can show *why* a row is what it is, without a training.
#
# Next: [](07_demo). The code: `rimlib.experiments`, `rimlib.additions`.
#
# ## Exercises
#
# 1. Mirror $y$ in place of $x$ (features 1 and 3). What becomes of *the left* and *the right*? Write down your guess
#    before you count.
#
# :::{dropdown} Answer
# `weight[:, [1, 3]] *= -1` in a fresh copy of the model, then `counts`. The x features are as they were, so the named one
# is taken about as often as before; *the upper one* and *the lower one* are turned over instead.
# :::
#
# 2. Two rows of 1,600 sentences have 0.50 and 0.53. Is that a difference, if the sentences were independent? And if the
#    eight sentences of a scene count as one?
#
# :::{dropdown} Answer
# Each share moves by $\sqrt{0.25 / 1600} = 0.0125$, their difference by $0.0125 \sqrt 2 = 0.018$. A difference of 0.03 is
# 1.7 times that: not quite enough. With 200 scenes for 1,600 sentences each share moves by 0.035, and 0.03 is nothing.
# :::
