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
# # Start: one sentence, one matte
#
# You give an image and a sentence, and get back the matte of what the sentence means; this chapter does it within seconds.
#
# :::{admonition} Before you run this
# | | |
# |:--|:--|
# | Device | any processor; an accelerator is used if there is one |
# | Memory | 1 GB |
# | Minutes | less than 1, on one core |
# | Inputs | the shipped photographs and the shipped model; an image of your own if you like |
# | Outputs | none, only what you see |
# :::
#
# In the paper: Sec. 1 and Fig. 1, and supplement Sec. 1 on what it is good for {cite:p}`rim`.

# %% tags=["parameters"]
weights: str = "shipped"  # the model: "shipped", or a checkpoint's path
seed: int = 2  # which scene is composed
twins: int = 15  # which scene of look-alikes
my_image: str = ""  # an image of your own; empty: the scene again
my_sentence: str = "the mailbox"  # what to find in it

# %% tags=["hide-input"]
import time

import numpy as np

from rimlib import CLIPMat, MattingPredictor, profile, show
from rimlib.io import files, images
from rimlib.clipmat.prompt import pre_context
from rimlib.matting.trimap import trimap_from_alpha
from rimlib.entities import starter
from rimlib.matting import metrics
from rimlib.refmatte.render import render
from rimlib.matting.composition import fit_background
from rimlib.refmatte.example import example
from rimlib.refmatte.plan import plan
from rimlib.repository import repository

# %% [markdown]
# ## One image, one sentence
#
# The image is put together here, from photographs that come with the repository: two or three cut-out things before a
# background. Chapter [](02a_scenes) shows how; for now it is an image that no training has shown.

# %%
pool = starter.load()
data = profile.load(
    "tiny", data__groups_test=0, data__extra_test=1, data__seed=seed
).data
scene = plan(pool, data, "seen")[0]
image, true_mattes = render(pool, scene, (data.height, data.width))
keywords = [pool[name].category for name in scene.entities]
print(
    f"{image.shape[1]} x {image.shape[0]} pixels; in it: {', '.join(keywords)}"
)

# %% [markdown]
# Now the model. The image is encoded once; every sentence after that takes only the rest of the model.

# %% tags=["hide-input"]
predictor = (
    MattingPredictor.shipped()
    if weights == "shipped"
    else MattingPredictor(CLIPMat.load(weights))
)
named = 1  # which of the things our sentence is about
sentence = f"the {keywords[named]}"
clock = [time.perf_counter()]
predictor.set_image(image)
clock.append(time.perf_counter())
answer = predictor.predict(sentence)
clock.append(time.perf_counter())
print(
    f"image {1000 * (clock[1] - clock[0]):.0f} ms, sentence "
    f"{1000 * (clock[2] - clock[1]):.0f} ms"
)

# %% [markdown]
# The result holds one number for every pixel: how much of it belongs to the thing, from 0 (black) to 1 (white).
# With it the thing can be lifted out (the grey squares stand for *nothing there*) and put somewhere else.

# %% mystnb={"figure": {"caption": "The image, the matte that the model finds for the sentence above it, the cut-out, and the same thing in another place.", "name": "start-first"}, "image": {"alt": "Four pictures in a row: a composed photograph, a black and white matte, the cut-out on a checkerboard, and the cut-out on a new background.", "width": "100%"}} tags=["hide-input"]
beach = fit_background(pool.background("bg-beach-malibu"), image.shape[:2])
views = [
    image,
    answer.alpha,
    show.over(image, answer.alpha),
    show.over(image, answer.alpha, beach),
]
show.grid(
    views,
    [
        f"“{sentence}”",
        f"matte, score {answer.score:.2f}",
        "cut-out",
        "in another place",
    ],
);

# %% [markdown]
# The shipped model is small. It can be wrong in two ways: it takes the wrong thing, or its edge is coarse. Both can be measured,
# because here we know the truth.

# %% [markdown]
# ## The truth, since we made the image
#
# Each thing was cut out before it was put into the scene, so its true matte is known. Look closely at an edge: hair, antlers and
# grass do not end between two pixels. A pixel there is partly thing and partly background.

# %%
truth = true_mattes[named]
soft = truth * (1 - truth)  # largest where a pixel is half and half
height, width = data.height // 5, data.width // 5
coarse = images.resize(soft, (data.height // 8, data.width // 8))
row, column = np.unravel_index(coarse.argmax(), coarse.shape)
top = int(np.clip(8 * row - height // 2, 0, data.height - height))
left = int(np.clip(8 * column - width // 2, 0, data.width - width))
close = np.s_[top : top + height, left : left + width]
trimap = trimap_from_alpha(truth, kernel=7)

# %% mystnb={"figure": {"caption": "The true matte, a part of it enlarged beside the same part of the image, and the trimap that follows from it: black is surely background, white surely the thing, grey is where the work is.", "name": "start-truth"}, "image": {"alt": "Four pictures: a true matte, an enlarged part of it with soft grey edges, the same part of the image, and a trimap in black, grey and white.", "width": "100%"}}
show.grid(
    [truth, truth[close], image[close], trimap / 255],
    ["true matte", "enlarged", "the same part of the image", "trimap"],
);

# %% [markdown]
# In one line, for every pixel, the image $I$ is a mixture of the thing's colour $F$ and the background's $B$:
#
# $$ I = \alpha F + (1 - \alpha) B $$
#
# *Matting* means finding $\alpha$ from $I$ alone. Three unknowns, one equation: something must be added. Classical methods need
# a trimap drawn by hand. Here a sentence is added instead, and the trimap is the model's own business: it first predicts *where*
# (the three classes), then *how much* in the grey part.

# %% mystnb={"figure": {"caption": "What the model predicted on the way: its own trimap, and the matte that became of it, beside the true ones.", "name": "start-trimap"}, "image": {"alt": "Four pictures: the model's trimap and matte, and the true trimap and matte.", "width": "100%"}}
show.grid(
    [answer.trimap / 255, trimap / 255, answer.alpha, truth],
    ["the model's trimap", "true trimap", "the model's matte", "true matte"],
);

# %% [markdown]
# ## The same thing in other words
#
# The same image, more sentences. The paper has two settings: a **keyword**, put into a phrase, and an **expression**, a
# sentence that describes the thing, gives its place, or names what it is beside.

# %%
four = scene.sentences[named]
questions = [
    pre_context(keywords[named]),
    four[0].text,
    four[1].text,
    four[2].text,
]
kinds = ["keyword", "basic", "absolute place", "relative place"]
answers = list(predictor.predict_many(questions))

# %% mystnb={"figure": {"caption": "Four sentences for the same thing, and the model's matte for each.", "name": "start-words"}, "image": {"alt": "Four black and white mattes, one for each sentence.", "width": "100%"}}
show.grid([one.alpha for one in answers], questions);

# %% [markdown]
# And one sentence for each of the things: the image stays the same, the words decide.

# %%
others = [sentences[1].text for sentences in scene.sentences]
found = list(predictor.predict_many(others))

# %% mystnb={"figure": {"caption": "A sentence for each thing in the image: the model's mattes above, the true ones below.", "name": "start-others"}, "image": {"alt": "Two rows of black and white mattes, the model's above and the true ones below.", "width": "100%"}}
show.grid(
    [*(one.alpha for one in found), *true_mattes],
    [*others, *keywords],
    columns=len(others),
    row_titles=["model", "truth"],
);

# %% [markdown]
# ## Which of them?
#
# Where several things look alike, the noun fits all of them. Then the sentence must say which one is meant: by its side, by its order,
# or by its size. The model was trained on scenes like this one.

# %%
alike = example(twins, "alike")
noun = alike.keywords[0]
about = [
    f"the {side} {noun}"
    for side in (
        ("left", "right")
        if len(alike.keywords) == 2
        else ("left", "middle", "right")
    )
]
predictor.set_image(alike.image)
chosen = [one.alpha for one in predictor.predict_many(about)]

# %% mystnb={"figure": {"caption": "Things that look alike, and the model's cut-out for each of three sentences.", "name": "start-which"}, "image": {"alt": "A composed photograph with things of one kind, and three cut-outs, each under its sentence.", "width": "100%"}}
show.grid(
    [alike.image, *(show.over(alike.image, alpha) for alpha in chosen)],
    ["the image", *about],
);

# %% [markdown]
# Not every one of them need be right; chapter [](05_evaluate) counts over many scenes.

# %% [markdown]
# ## How far from the truth
#
# The field's measure is the **SAD**: add up the differences of all pixels, in thousands. It grows with the image, so it is read
# beside that of an empty matte, which is what an empty answer costs. Whether the *right thing* was found is a question of its
# own: **IoU** is the overlap of two mattes, 0 for none and 1 for the same.

# %% tags=["hide-input"]
def row(kind, question, alpha, true):
    measured = metrics.score(alpha, true)
    return {
        "setting": kind,
        "sentence": question,
        "SAD": measured["sad"],
        "SAD of an empty matte": measured["sad_empty"],
        "IoU": measured["iou"],
    }


rows = [
    row(kind, question, one.alpha, truth)
    for kind, question, one in zip(kinds, questions, answers)
]
show.table(rows)

# %% [markdown]
# Chapter [](05_evaluate) does this for a whole test set, and sets the numbers beside the paper's.

# %% [markdown]
# ## Your turn
#
# Change `my_sentence`, and `my_image` to the path of a photograph of your own, in the parameters cell; or write into the cell
# below. The model was trained on the kinds of things that the shipped photographs show (chapter [](01_entities)). If a word fits several
# things, add a side or an order: *the left dog*, *the second dog from the left*. A sentence about something
# that is not there should get an empty matte and a low score. How often does it? The card of the shipped model has this:

# %%
scores = CLIPMat.shipped().card["scores"]
refused, kept = (
    scores["no target, seen"][f"true_{sort}_rate"]
    for sort in ("negative", "positive")
)
print(
    "profile tiny, new scenes of known things: of sentences that fit "
    f"nothing, {100 * refused:.0f} % are refused; "
    f"of true ones, {100 * kept:.0f} % are kept"
)

# %% [markdown]
# For those that are not refused it makes a matte all the same. It finds more in composed scenes of things that it knows than elsewhere:

# %% tags=["hide-input"]
limits = files.read_json(
    repository() / "results" / "runs" / "shipped-tiny-limits.json"
)["metrics"]
found_in = {
    "known things, new scenes": scores["expression, seen"],
    "things never seen": scores["expression, unseen"],
    "photographs": limits["photographs"],
}
show.table(
    [
        {
            "a sentence for each of": name,
            "sentences": found["entities"],
            "right thing found": found["localised"],
            "by chance": found["chance"],
        }
        for name, found in found_in.items()
    ]
)

# %%
predictor.set_image(my_image or image)
mine = images.read_image(my_image) if my_image else image
yours = predictor.predict(my_sentence)

# %% mystnb={"figure": {"caption": "Your image and your sentence.", "name": "start-yours"}, "image": {"alt": "Three pictures: the chosen image, the model's matte for the chosen sentence, and the cut-out on a checkerboard.", "width": "100%"}}
show.grid(
    [mine, yours.alpha, show.over(mine, yours.alpha)],
    [f"“{my_sentence}”", f"matte, score {yours.score:.2f}", "cut-out"],
);

# %% [markdown]
# In two lines of Python, without this notebook:
#
# ```python
# import rimlib
# alpha = rimlib.matte("street.jpg", "the brown dog")
# ```
#
# or on the command line: `rim matte street.jpg "the brown dog"`. The demo of chapter [](07_demo) is the same with buttons.

# %% [markdown]
# ## Check
#
# What must hold of any matte: one number a pixel, from 0 to 1; the same sentence, the same matte; and the equation above.

# %%
assert (
    answer.alpha.shape == image.shape[:2]
    and 0 <= answer.alpha.min()
    and answer.alpha.max() <= 1
)
predictor.set_image(image)
assert np.abs(predictor.predict(sentence).alpha - answer.alpha).max() < 1e-4
assert (show.over(image, truth, image) == image).all()
assert (np.sum(true_mattes, axis=0) <= 1 + 1e-5).all(), (
    "a pixel cannot belong to two things altogether"
)
assert metrics.sad(truth, truth) == 0 and metrics.iou(truth, truth) == 1
assert ((trimap == 128) >= ((truth > 0.01) & (truth < 0.99))).all(), (
    "what is half and half is unknown"
)

# %% [markdown]
# What must hold of a model that was trained: over a dozen new scenes, one sentence for each thing, its mattes are nearer to the truth
# than empty ones.

# %% tags=["hide-input"]
dozen = profile.load(
    "tiny", data__groups_test=0, data__extra_test=12, data__seed=seed
).data
measured = []
for planned in plan(pool, dozen, "seen"):
    scenery, truths = render(pool, planned, (data.height, data.width))
    predictor.set_image(scenery)
    texts = [
        sentences[which].text
        for sentences, which in zip(planned.sentences, planned.evaluated)
    ]
    measured += [
        {"image": planned.name, **metrics.score(one.alpha, true)}
        for one, true in zip(predictor.predict_many(texts), truths)
    ]
summary = metrics.summarise(measured)
print(
    f"{summary['entities']} sentences, profile tiny: SAD "
    f"{summary['sad']:.2f}, of empty mattes {summary['sad_empty']:.2f}, "
    f"right thing found {100 * summary['localised']:.0f} %"
)
assert summary["sad_ratio"] < 1

# %% [markdown]
# And what the text says of the shipped model, from its card and its record: a side and an order decide between look-alikes more often than
# chance would; known things are found more often than others and than things on photographs; true sentences are refused less often than false ones.

# %%
heard = files.read_json(
    repository() / "results" / "runs" / "hearing-tiny-shipped.json"
)["metrics"]
chance = heard["chance"]
assert all(
    heard["lookalikes"][name] > chance["lookalikes"][name] + 0.05
    for name in ("left", "right")
)
assert (
    heard["three"]["second"] > chance["three"]["second"]
    and heard["lookalikes"]["all"] > chance["lookalikes"]["all"]
)
known, *others = (found["localised"] for found in found_in.values())
assert known > max(others) + 0.1 and kept > 1 - refused

# %% [markdown]
# ## Summary
#
# * A matte gives for every pixel how much of it belongs to one thing; with it the thing can be put anywhere.
# * Referring image matting finds the matte by a sentence: no drawing by hand, and any thing that can be named.
# * The model first predicts where (background, unknown, thing) and then how much; the image is encoded once for all sentences.
# * Where several things fit a word, a side, an order or a size has to say which one.
# * A composed image has a known truth, so errors can be measured: SAD for the matte, IoU for whether it is the right thing.

# %% [markdown]
# ## Exercises
#
# 1. Ask for something that is not in the image. What are the matte and the score?
#
# :::{dropdown} Answer
# `predictor.predict("a trumpet")` on this scene. The right answer is an empty matte and a score of 0, with a trimap that is
# background everywhere. How often the shipped model gets this right is printed under *Your turn*, and chapter
# [](05_evaluate) takes it apart by what is wrong with the sentence. The paper does not test this.
# :::
#
# 2. Why is the cut-out's edge sometimes tinted with the colour of the old background?
#
# :::{dropdown} Answer
# The cut-out above takes the colours $I$ of the image. In a half-and-half pixel these are a mixture, so some $B$ comes along. A clean
# cut-out needs $F$, which must be estimated from $I$ and $\alpha$ (the paper uses the closed form of {cite:t}`closedform`).
# :::
#
# 3. A matte that is the right one moved by one pixel has an IoU near 1. Where does its error sit?
#
# :::{dropdown} Answer
# In the edge: `np.abs(np.roll(truth, 1, axis=1) - truth)` shows thin lines along it. That is why errors in the unknown part
# of the trimap are also reported alone, `metrics.sad_in_band`.
# :::
