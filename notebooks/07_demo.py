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
# # Demo: type a sentence
#
# Choose an image or bring your own, type a sentence, and see its matte, the cut-out, and what an editor can make of the two.
#
# :::{admonition} Before you run this
# | | |
# |:--|:--|
# | Device | any processor; an accelerator is used if there is one |
# | Memory | 1 GB |
# | Minutes | less than 1, on one core |
# | Inputs | the shipped photographs and the shipped model; an image of your own if you like |
# | Outputs | what you see; the last section writes a matte to `save_to`, if that is given |
# :::
#
# In the paper: supplement Sec. 1, *interactive image editing* {cite:p}`rim`. The page itself is `rimlib/demo`.
#
# In JupyterLab: *Run*, then *Run All Cells*, and scroll to the page. `make demo` serves the page alone, by Voilà; `rim demo --lab` opens
# this notebook.

# %% tags=["parameters"]
method: str = "clipmat"  # or another of `rim methods`
weights: str = "shipped"  # of clipmat: or a checkpoint's path
save_to: str = ""  # a folder for files; empty: nothing is written

# %% tags=["hide-input"]
from pathlib import Path

import numpy as np

from rimlib import show
from rimlib.io import files
from rimlib.demo import Demo
from rimlib.examples import SCENES
from rimlib.prediction import methods
from rimlib.repository import repository

# %% [markdown]
# ## The page
#
# * **Image**: a scene composed from the shipped photographs, or *your own*. One scene holds things that look alike; the last scenes hold things
#   that the model has never seen.
# * **Sentence**: type it and press Enter, or press one of the examples below it. A word is enough: *tiger*. Capitals,
#   punctuation, quotes, the article and a *please* make no difference. If the word fits more than one thing, say which one by its side or its
#   order: *the left dog*, *the second dog from the left*. A colour or a garment helps too.
# * **Edit**: another background (one colour, a shipped one, your own, or what is behind, out of focus), the object *highlighted* before a grey
#   image, an *overlay*, or the image with the object *removed*. In the paper's case study an object is highlighted, and pasted on another
#   background or one colour.
#
# The image is encoded when it is chosen; a sentence then takes only the rest of the model, and an edit takes none of it. All of this happens in a
# thread: the page says that it works, you can go on typing, and the newest sentence wins.
#
# Beside the matte the page shows its score, which is low where nothing seems to fit. If the matte has several parts of like size, the page
# suggests to give a side or an order. Below are the words of the sentence as the model reads them, and how the attention of TSP (Eq. 3) inside the
# matte is divided between them. Sentences so far are kept and come back without being computed.

# %% tags=["remove-output"]
demo = Demo(
    methods.predictor(method, None if weights == "shipped" else Path(weights))
)
demo.widget

# %% [markdown]
# On a printed or published page there is no Python behind the buttons, so here are stills: what it shows for its first image and
# three of the examples.

# %% mystnb={"figure": {"caption": "The demo's four views for three sentences about one image.", "name": "demo-still"}, "image": {"alt": "Three rows of four pictures: the scene under a sentence, the matte, the cut-out on a checkerboard, and the cut-out on one colour.", "width": "100%"}}
demo.choose(0)
sentences = demo.scenes[0].sentences
demo.figure([sentences[0], sentences[1], sentences[-1]]);
# %% [markdown]
# All images to choose from, each with the matte of its first example sentence:

# %% mystnb={"figure": {"caption": "The images to choose from, and the model's matte for the sentence above each.", "name": "demo-scenes"}, "image": {"alt": "Two rows: composed photographs, and under each a black and white matte.", "width": "100%"}}
scenes, mattes, titles = [], [], []
for number, example in enumerate(demo.scenes):
    demo.choose(number)
    scenes.append(demo.image)
    mattes.append(demo.result.alpha)
    titles.append(f"“{demo.sentence}”")
show.grid(scenes + mattes, titles + [""] * len(mattes), columns=len(scenes));
# %% [markdown]
# ## Which one?
#
# In the scene of look-alikes the noun fits every one of them. The rest of the sentence decides:

# %% mystnb={"figure": {"caption": "One scene of look-alikes: a sentence for each of them.", "name": "demo-alike"}, "image": {"alt": "Rows of four pictures: the scene under a sentence, the matte, the cut-out on a checkerboard, and the cut-out on one colour.", "width": "100%"}}
twins = [split for _, split, _ in SCENES].index("alike")
demo.choose(twins)
asked = list(demo.scenes[twins].sentences[::2])
demo.figure(asked);
# %% [markdown]
# One scene proves nothing, so here are counts. They are from two records of the same benchmark, of scenes that no training has seen: of the shipped
# model, and of the model before it, whose training had no look-alikes.
#
# * *Look-alikes*: the share of sentences whose matte is of the entity that is meant, where only a place, an order, a size or a relation decides.
# * *Other side*: where *the left dog* gave its dog, how often *the right dog* gave the other one.
# * *Wrong side refused*: the share of refused sentences among those that are wrong about the side alone, when 95 % of the true ones are kept.

# %% tags=["hide-input"]
runs = repository() / "results" / "runs"
heard = {
    name: files.read_json(runs / f"hearing-tiny-{name}.json")["metrics"]
    for name in ("without-lookalikes", "shipped")
}
heard["chance"] = heard["shipped"]["chance"]
show.table(
    [
        {
            "model": name,
            "look-alikes": found["lookalikes"]["all"],
            "other side": found["swap"]["gives_the_other"],
            "wrong side refused": found.get("refused_wrong_side", ""),
        }
        for name, found in heard.items()
    ]
)

# %% [markdown]
# ## The same without buttons
#
# The page is a thin thing: what its controls do can be called, and what it shows can be taken away.

# %%
demo.choose(2)
demo.predict(demo.scenes[2].sentences[-1])
print(
    demo.sentence,
    "| score",
    round(demo.result.score, 2),
    "| alpha",
    demo.result.alpha.shape,
    demo.result.alpha.dtype,
)

# %% [markdown]
# An edit is a call like any other; any shipped background will do.

# %% mystnb={"figure": {"caption": "What can be made of one matte: three new backgrounds, the object highlighted, an overlay, and the image without it.", "name": "demo-edits"}, "image": {"alt": "Six pictures: a cut-out on one colour, on a photograph and on its own image out of focus; the object in colour before a grey image; under an orange veil; and the image without it.", "width": "100%"}}
views, titles = [], []
for how, background in (
    ("new background", "#2a6f97"),
    ("new background", "bg-beach-malibu"),
    ("new background", "blur"),
    ("highlight", None),
    ("overlay", None),
    ("remove", None),
):
    demo.edit(how, background)
    views.append(demo.views()["edited"])
    titles.append(f"{how} {background or ''}")
demo.edit("new background", "#2a6f97")
show.grid(views, titles, columns=3);

# %% [markdown]
# What can't be used gives one line on the page, here printed, and what stood there stays:

# %%
demo.predict("   ")
print(demo.error)
demo.upload("letter.txt", b"Dear reader, this is not an image.")
print(demo.error)

# %% [markdown]
# ## Keep what you made
#
# With `save_to` set, the matte, the cut-out and the edited image are written there. Uploads of more than 1,024 pixels on a side have been made
# smaller by then; `rim matte` keeps their size.

# %%
if save_to:
    for path in demo.save(save_to):
        print(path)

# %% [markdown]
# ## Check

# %%
demo.choose(0)
before = {name: panel.value for name, panel in demo.panels.items()}
demo.sentence_box.value = demo.scenes[0].sentences[
    -1
]  # what the browser does when you press Enter
demo.wait()
assert demo.sentence == demo.scenes[0].sentences[-1] and not demo.error
assert demo.panels["image"].value == before["image"], (
    "a sentence does not change the image"
)
assert (demo.views()["matte"] == show.gray(demo.result.alpha)).all()

# %%
predictor = demo.answers.predictors["clipmat"]
predictor.set_image(demo.image)
fresh = predictor.predict(demo.sentence).alpha
assert np.abs(fresh - demo.result.alpha).max() < 1e-4, (
    "encoding once for many sentences changes nothing"
)
held = demo.result
demo.predict("")
assert demo.error and "\n" not in demo.error and demo.result is held, (
    "a refusal is one line and leaves the result"
)
demo.choose(0)  # so that the page above stands as it began

# %% [markdown]
# And what the page advises: with the shipped model a side decides, more often than with the model before and than by chance.

# %% tags=["hide-input"]
before, now, chance = (
    heard["without-lookalikes"],
    heard["shipped"],
    heard["chance"],
)
assert (
    now["lookalikes"]["all"]
    > max(before["lookalikes"]["all"], chance["lookalikes"]["all"]) + 0.05
)
assert now["swap"]["gives_the_other"] > max(
    before["swap"]["gives_the_other"], chance["swap"]["gives_the_other"]
)
assert all(
    now["lookalikes"][name] > chance["lookalikes"][name]
    for name in ("left", "right", "top", "bottom")
)
assert now["three"]["second"] > chance["three"]["second"], (
    "second from the left"
)
assert now["refused_wrong_side"] > before["refused_wrong_side"]

# %% [markdown]
# ## Summary
#
# * One image, many sentences: the image is encoded once.
# * If a word fits several things, a side or an order decides between them.
# * A page of ipywidgets' own controls is enough; what it does can be called without it.
# * A matte is an image like any other: keep it, put the object elsewhere, or take it out.

# %% [markdown]
# ## Exercises
#
# 1. Upload a photograph of your own desk and type a sentence about something on it. Why is this harder than the scenes?
#
# :::{dropdown} Answer
# The model was trained on composed images: cut-outs that stand before a background, evenly sharp and unevenly lit. A photograph
# has light, shadow and clutter that belong together. The paper measures this gap with its 100 real images, RefMatte-RW100: a SAD of
# 110.66 there, of 47.97 on composed test images (Table 2, ViT-B/16, expressions).
# :::
#
# 2. Take a scene with two different entities and swap the sides in a true sentence: *left* for *right*. What is the right matte now? Then do the same in
#    the scene of look-alikes.
#
# :::{dropdown} Answer
# In the first scene the sentence fits nothing any more: the only dog is on the left, so *the dog on the right* should give an empty matte. In the second
# one the matte should go to the other entity. The table above has how often the shipped model does so: its last column is about the first
# case, the two before it are about the second. Chapter [](05_evaluate) has the other sentences that fit nothing.
# :::
#
# 3. Let the demo show a matte only if its score is above a threshold of yours. What do you gain and lose?
#
# :::{dropdown} Answer
# Build the predictor with `methods.predictor("clipmat", threshold=0.8)`, and give it to `Demo`. Sentences about things that are not there get
# an empty matte more often, and so do right answers with a low confidence.
# :::
