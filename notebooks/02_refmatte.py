# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # RefMatte: from entities to scenes with sentences
#
# A machine that puts cut-outs into pictures, says sentences about them, and knows which of its sentences are true of what.
#
# :::{admonition} Before you run this
# | | |
# |:--|:--|
# | Device | any processor; no accelerator is used |
# | Memory | 0.5 GB |
# | Minutes | less than 1, on one core |
# | Inputs | the shipped photographs |
# | Outputs | a small data set in a temporary folder, removed at the end unless `keep` names another |
# :::
#
# In the paper: Sec. 3.2 and 3.3, Tables 1, 3, 4 and 5, supplement Sec. 2 {cite:p}`rim`. The code is `rimlib/refmatte/`.

# %% tags=["parameters"]
seed: int = 1  # decides every scene and sentence
planned: int = 40  # groups in the plan that is measured, twenty scenes each
built: int = 2  # groups in the data set that is written
keep: str = ""  # a folder for that data set; empty: a temporary one

# %%
import json
import tempfile
import time
from collections import Counter
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

from rimlib import RefMatte, images, profile, show
from rimlib.entities import starter
from rimlib.refmatte import build, composite, expressions, format, layout, plan, referents, relations

pool = starter.load()
data = profile.load("tiny").data
canvas = (data.height, data.width)

# %% [markdown]
# ## Six relations
#
# Two or three entities stand in a scene, so that each stays large. How they stand to each other is one of six **relations**, in
# three pairs. A scene is made *from* its relation; nothing has to be recognised afterwards.

# %%
def boxed(axis, places, names):
    """Draw the box of each entity on a picture."""
    for place, name, color in zip(places, names, show.PALETTE[1:]):
        axis.add_patch(Rectangle((place.left, place.top), place.width, place.height, fill=False, edgecolor=color, linewidth=2))
        axis.text(place.left + 3, place.top + 3, name, color="white", fontsize=8, va="top", bbox={"color": color, "pad": 1})


pair = ["fox-red-standing", "human-p09-dancing"]
cutouts = [pool.cutout(name) for name in pair]
sizes = [alpha.shape for _, alpha in cutouts]
meadow = pool.background("bg-green-meadow")

# %% mystnb={"figure": {"name": "refmatte-relations", "caption": "One pair of entities in the three arrangements. Each box is as large as its cut-out; the first of the pair is left, on top, in front."}, "image": {"alt": "Three composed photographs of a fox and a dancing woman with a box around each: side by side, one above the other, and one in front of the other.", "width": "100%"}}
rng = np.random.default_rng(seed)
layouts = {arrangement: layout.place(sizes, arrangement, canvas, rng) for arrangement in relations.ARRANGEMENTS}
scenes = {arrangement: composite.composite(meadow, cutouts, places, canvas) for arrangement, places in layouts.items()}
figure = show.grid([picture for picture, _ in scenes.values()], ["/".join(arrangement) for arrangement in layouts])
for axis, (arrangement, places) in zip(figure.axes, layouts.items()):
    boxed(axis, places, arrangement)

# %% [markdown]
# What a relation means is geometry of the boxes: *left* means that one box ends before the other begins. *In front* means that
# the boxes overlap and one is nearer. Each relation has its words, said of the picture or of another entity (supplement, Table 4):

# %%
show.table([{"relation": relation.name, "of the picture": ", ".join(relation.absolute), "of another entity": ", ".join(relation.relative) or "–"}
            for relation in relations.RELATIONS.values()])

# %%
show.source(relations.holds)

# %% [markdown]
# ## Where things stand
#
# The layout needs sizes and a seed, no pixel. The paper says only what must hold: no overlap for the first two pairs, some overlap for
# the third, nothing cut off. Here each entity gets a slot of the canvas and fills most of it.

# %% mystnb={"figure": {"name": "refmatte-layouts", "caption": "Twelve layouts of three entities, and of two for front and behind: boxes only."}, "image": {"alt": "Twelve small frames with coloured rectangles: side by side, stacked, and overlapping.", "width": "100%"}}
figure, axes = plt.subplots(2, 6, figsize=(show.WIDTH, 2.7))
shapes = [pool.cutout(name)[1].shape for name in (*pair, "koala-on-log")]
for number, axis in enumerate(axes.flat):
    arrangement = relations.ARRANGEMENTS[number % 6 // 2]
    places = layout.place(shapes[: 2 if "front" in arrangement else 3], arrangement, canvas, np.random.default_rng([seed, number]))
    for place, color in sorted(zip(places, show.PALETTE[1:]), key=lambda item: item[0].depth):
        axis.add_patch(Rectangle((place.left, place.top), place.width, place.height, color=color, alpha=0.85))
    axis.set(xlim=(0, canvas[1]), ylim=(canvas[0], 0), aspect="equal", xticks=[], yticks=[])
    axis.set_title("/".join(arrangement), fontsize=8, pad=2)
figure.tight_layout(pad=0.3)

# %% [markdown]
# ## Blending, and what stays visible
#
# A scene grows from back to front. Each entity is laid over what is there, $C \leftarrow \alpha F + (1 - \alpha)\, C$. What is in front
# takes away from what is behind: of the fox behind the smoke, only what *can be seen* is asked for. To see it well, we take the one of
# twenty layouts that hides most.

# %%
smoky = [pool.cutout(name) for name in ("smoke-explosion-column", "fox-red-standing")]
trials = [layout.place([alpha.shape for _, alpha in smoky], ("front", "behind"), canvas, np.random.default_rng([seed, trial]))
          for trial in range(20)]


def stages(places):
    """The scene with the far entity alone, its alpha; the whole scene, and the visible alpha of the near and of the far one."""
    step, (whole,) = composite.composite(meadow, smoky[1:], places[1:], canvas)
    picture, (near, visible) = composite.composite(meadow, smoky, places, canvas)
    return step, whole, picture, near, visible


front, back = max(trials, key=lambda places: float((stages(places)[1] - stages(places)[4]).sum()))
step, whole, picture, near, visible = stages([front, back])

# %% mystnb={"figure": {"name": "refmatte-visible", "caption": "The background, the far entity, the near one; the far one's whole alpha, its visible alpha, and what the near one took from it."}, "image": {"alt": "Six pictures: a scene in three steps, and below the alpha of the far entity alone, with the part in front removed, and the difference.", "width": "100%"}}
show.grid([composite.fit_background(meadow, canvas), step, picture, whole, visible, whole - visible],
          ["background", "the far one", "the near one", "far: whole alpha", "far: visible alpha", "hidden"], columns=3);

# %% [markdown]
# With $n$ entities, the nearest last, the visible alpha of entity $i$ is its own times what all nearer ones let through,
#
# $$ v_i = \alpha_i \prod_{j > i} (1 - \alpha_j) , \qquad I = \sum_i v_i F_i + \Bigl(1 - \sum_i v_i\Bigr) B . $$
#
# These $v_i$ are the mattes on disk.

# %% [markdown]
# ## Four sentences for each entity
#
# A **basic** sentence describes, an **absolute** one adds the place in the picture, two **relative** ones add another entity (Sec. 3.2).
# A sentence is first a **claim**: a noun, attributes, a place. Only then is it put into words, so the engine always knows what it said.

# %%
entities = tuple(pool[name] for name in pair)
places = layouts[("left", "right")]
scene = expressions.Scene(entities, tuple(place.box for place in places), tuple(place.depth for place in places))
four = expressions.speak(scene, 0, np.random.default_rng(seed))


def claimed(claim) -> str:
    said = ", ".join(f"{name} {value}" for name, value in claim.attributes)
    place = "" if claim.relation is None else f"; {claim.relation} of " + ("the picture" if claim.other is None else f"[{claimed(claim.other)}]")
    return f"{claim.noun} ({said}){place}"


# %% mystnb={"figure": {"name": "refmatte-sentences", "caption": "The scene that the sentences below are about; its first entity is the one they mean."}, "image": {"alt": "A composed photograph of a fox at the left and a dancing woman at the right, each in a box.", "width": "60%"}}
figure = show.grid([scenes[("left", "right")][0]], columns=2)
boxed(figure.axes[0], places, ["1", "2"])

# %%
show.table([{"kind": sentence.kind, "sentence": sentence.text, "claim": claimed(sentence.claim)} for sentence in four])

# %% [markdown]
# ## Whom does a sentence fit?
#
# A claim can be asked of every entity of a scene: noun, attributes and place all true? Those that pass are its **referents**. The
# paper does not check this: two women in black jackets may share every attribute, and then no model can know which one a basic
# sentence means. A plan drawn the paper's way shows how often it happens, and a plan that draws again what is ambiguous shows how often it must.

# %%
def small(**changes):
    """Settings of a plan as the paper's, but smaller: groups of 20 training scenes, and extra ones in the paper's proportion."""
    settings = {"groups_train": planned, "images_per_group_train": 20, "extra_train": round(planned * 2800 / 2110), "seed": seed, **changes}
    return profile.load("tiny", **{f"data__{key}": value for key, value in settings.items()}).data


started = time.perf_counter()
plans = {"as the paper": plan.plan(pool, small(unique=False), "train"), "drawn again": plan.plan(pool, small(unique=True), "train")}
print(f"{sum(map(len, plans.values()))} scenes planned in {time.perf_counter() - started:.1f} s")

# %%
def share(scenes, kind) -> float:
    """The share of sentences of a kind that fit their entity alone."""
    fits = [fit == (index,) for one in scenes for index, group in enumerate(one.sentences)
            for sentence, fit in zip(group, one.fits[index]) if kind in (sentence.kind, "all")]
    return 100 * float(np.mean(fits))


kinds = ("basic", "absolute", "relative", "all")
show.table([{"sentences": kind, **{f"fit one entity only, {name} (%)": share(scenes, kind) for name, scenes in plans.items()}} for kind in kinds],
           digits=1)

# %% [markdown]
# Here is a scene of the first plan with a sentence that fits more than one:

# %% mystnb={"figure": {"name": "refmatte-ambiguous", "caption": "A scene and a sentence that fits more than one of its entities: all of those that are boxed."}, "image": {"alt": "A composed photograph with a box around each entity that the sentence above it fits.", "width": "60%"}}
doubtful, index, which = next((one, index, which) for one in plans["as the paper"] for index, fits in enumerate(one.fits)
                              for which, fit in enumerate(fits) if len(fit) > 1)
fit = doubtful.fits[index][which]
figure = show.grid([build.render(pool, doubtful, canvas)[0]], [f"“{doubtful.sentences[index][which].text}”"], columns=2)
boxed(figure.axes[0], [doubtful.placements[one] for one in fit], [str(one + 1) for one in fit])

# %% [markdown]
# The profiles of this book draw again (`data.unique`). What stays ambiguous then is a basic sentence about two entities that are alike
# in everything that can be said.

# %% [markdown]
# ## The plan of a whole data set
#
# Most entities are people in the paper's pool, and things in ours. To balance, entities are repeated until five people, one animal and
# one thing make a **group**, and a group gives twenty training scenes or ten test scenes. Relations are drawn 7:2:1. Some
# more scenes draw from all entities alike (Sec. 3.3). First the paper's own arithmetic:

# %%
groups = {"train": 10550 // 5, "test": 1055 // 5}
print("groups:", groups, "- animals and things give the same:", {"train": 2110 // 1, "test": 211 // 1})
print(f"training images {groups['train'] * 20:,} + 2,800 = {groups['train'] * 20 + 2800:,}")
print(f"test images {groups['test'] * 10:,} + 390 = {groups['test'] * 10 + 390:,}")
assert groups["train"] * 20 + 2800 == 45000 and groups["test"] * 10 + 390 == 2500

# %% [markdown]
# and then what our plan did:

# %%
scenes = plans["drawn again"]
members = plan.balanced_groups(pool.of(split="train"), planned, np.random.default_rng(seed))
in_groups = Counter(entity.kind for group in members for entity in group)
in_scenes = Counter(pool[name].kind for one in scenes for name in one.entities)
in_pool = Counter(entity.kind for entity in pool.of(split="train"))
show.table([{"": kind, "in the pool (%)": 100 * in_pool[kind] / in_pool.total(), "in the groups (%)": 100 * in_groups[kind] / in_groups.total(),
             "5 : 1 : 1 (%)": 100 * plan.GROUP[kind] / 7, "in the scenes (%)": 100 * in_scenes[kind] / in_scenes.total()} for kind in plan.GROUP],
           digits=1)

# %%
arrangements = Counter(one.relation for one in scenes)
counts = Counter(len(one.entities) for one in scenes)
show.table([{"relation": "/".join(pair), "scenes": arrangements["/".join(pair)], "share (%)": 100 * arrangements["/".join(pair)] / len(scenes),
             "7 : 2 : 1 (%)": 10.0 * part} for pair, part in zip(relations.ARRANGEMENTS, data.relation_shares)], digits=1)

# %% [markdown]
# Within a scene the entities are drawn from their group without repeating one, and the extra scenes from all, which is why the scenes have
# fewer people than the groups. A closer look at one group's first eight scenes:

# %% mystnb={"figure": {"name": "refmatte-group", "caption": "Eight scenes of one group: five people, one animal and one thing, in ever new company."}, "image": {"alt": "Eight composed photographs with people, one animal and one thing recurring.", "width": "100%"}}
show.grid([build.render(pool, one, canvas)[0] for one in scenes[:8]], columns=4);

# %% [markdown]
# ## Two settings
#
# In the **expression** setting a model gets a sentence. In the **keyword** setting it gets the category alone, *deer*; scenes where
# this would not be clear are left out. With one word for all people, two people in a scene are enough.

# %%
clear = 100 * np.mean([one.keyword_clear for one in scenes])
show.table([{"scenes kept in the keyword setting": "here, shipped pool, training", "share (%)": float(clear)},
            {"scenes kept in the keyword setting": "paper, training (30,391 of 45,000)", "share (%)": 100 * 30391 / 45000},
            {"scenes kept in the keyword setting": "paper, test (1,602 of 2,500)", "share (%)": 100 * 1602 / 2500}], digits=1)

# %% [markdown]
# The paper keeps far more, with the same 5:1:1. It does not say how a scene's entities are drawn from a group; drawing evenly, as we
# do, two people meet often. The next cell computes how often a scene of two or three out of a group has at most one person:

# %%
from math import comb

alone = {size: (comb(5, 0) * comb(2, size) + 5 * comb(2, size - 1)) / comb(7, size) for size in (2, 3)}
print(", ".join(f"{size} entities: {100 * chance:.1f} %" for size, chance in alone.items()))
print(f"mattes an image: paper, kept {77849 / 30391:.2f}, paper, all {112506 / 45000:.2f}; "
      f"here, kept {np.mean([len(one.entities) for one in scenes if one.keyword_clear]):.2f}, "
      f"all {np.mean([len(one.entities) for one in scenes]):.2f}")

# %% [markdown]
# So even with two entities in every scene an even draw would keep fewer than the paper did, and it would keep the fuller scenes more
# rarely, where the paper's kept scenes are as full as the others. How the paper draws is open.

# %% [markdown]
# ## On disk
#
# `build` renders a plan. Pictures and mattes are written one by one, each scene from its own seed, so a build can be stopped, continued and
# split over processes and gives the same bytes. The layout is that of the released RefMatte, so whatever reads one reads the other.

# %%
settings = small(groups_train=built, extra_train=4, groups_test=1, images_per_group_test=10, extra_test=4)
temporary = None if keep else tempfile.TemporaryDirectory()
root = Path(keep or temporary.name)
started = time.perf_counter()
build.build(settings, root, splits=("train", "test"), pool=pool, progress=False)
print(f"{time.perf_counter() - started:.1f} s")
for path in sorted(root.rglob("*")):
    if path.is_dir() or path.suffix == ".json":
        inside = f"{len(list(path.iterdir()))} inside" if path.is_dir() else f"{path.stat().st_size / 1000:.0f} kB"
        print(f"{'  ' * (len(path.relative_to(root).parts) - 1)}{path.name}  {inside}")

# %% [markdown]
# One label file for each split, keyed by mask. The paper's keys come first; the others are ours, and a reader of the paper's
# format passes over them.

# %%
labels = json.loads(format.label_path(root, "train").read_text())
mask_id, label = next(iter(labels.items()))
print(mask_id, json.dumps(label, indent=1))

# %% [markdown]
# Reading it back, in both settings:

# %%
reader = RefMatte(root, "train", "expression")
keyword = RefMatte(root, "train", "keyword")
show.table([{"setting": one.setting, "images": len(one.image_names), "mattes": len(one), "first": one.sentence(one.targets[0])}
            for one in (reader, keyword)])

# %% mystnb={"figure": {"name": "refmatte-read", "caption": "One picture of the data set as it is read back, and the matte of each entity under the one sentence that is scored for it."}, "image": {"alt": "A composed photograph and the black and white mattes of its entities.", "width": "100%"}}
name = reader.image_names[0]
targets = reader.targets_of(name)
show.grid([reader.image(name), *(reader.matte(target.mask_id) for target in targets)], [name, *(reader.sentence(target) for target in targets)]);

# %% [markdown]
# ## Statistics
#
# As Table 5 of the supplement counts them. The paper's are of its own pool at full size; ours are of a plan of this chapter, and larger
# or smaller is not better or worse.

# %%
texts = [sentence.text for one in scenes for group in one.sentences for sentence in group]
keywords = [pool[name].category for one in scenes if one.keyword_clear for name in one.entities]
phrases = {sentence.claim.phrase for one in scenes for group in one.sentences for sentence in group if sentence.claim.phrase}


def words(sentences) -> float:
    return float(np.mean([len(sentence.split()) for sentence in sentences]))


ours, theirs = f"here (shipped pool, {len(scenes)} scenes)", "paper (training set, 45,000 images)"
show.table([
    {"": "mattes", ours: sum(len(one.entities) for one in scenes), theirs: "112,506"},
    {"": "mattes an image", ours: f"{np.mean([len(one.entities) for one in scenes]):.2f}", theirs: f"{112506 / 45000:.2f}"},
    {"": "expressions", ours: len(texts), theirs: f"449,624 (4 x 112,506 is {4 * 112506:,})"},
    {"": "words in an expression, mean", ours: f"{words(texts):.2f}", theirs: "16.86"},
    {"": "words in a keyword, mean", ours: f"{words(keywords):.2f}", theirs: "1.06"},
    {"": "categories", ours: len({pool[name].category for one in scenes for name in one.entities}), theirs: "230"},
    {"": "relation words", ours: len(phrases), theirs: "31"},
])

# %% mystnb={"figure": {"name": "refmatte-lengths", "caption": "Words in a sentence, by kind."}, "image": {"alt": "Three overlapping curves over the number of words: basic sentences are shortest, relative ones longest.", "width": "100%"}}
figure, axis = plt.subplots(figsize=(show.WIDTH, 2.4))
for kind, color in zip(("basic", "absolute", "relative"), show.PALETTE):
    lengths = Counter(len(sentence.text.split()) for one in scenes for group in one.sentences for sentence in group if sentence.kind == kind)
    span = range(1, max(lengths) + 1)
    axis.plot(span, [100 * lengths[length] / lengths.total() for length in span], marker="o", markersize=3, color=color, label=kind)
axis.set(xlabel="words", ylabel="sentences (%)")
axis.spines[["top", "right"]].set_visible(False)
axis.legend(frameon=False)
figure.tight_layout()

# %% [markdown]
# ## Check
#
# The equation of the scene, the words, the plan and the files.

# %%
blended = composite.fit_background(meadow, canvas).astype(float) * (1 - near - visible)[..., None]
for (colors, alpha), place, seen in zip(smoky, (front, back), (near, visible)):
    window = np.s_[place.top:place.top + place.height, place.left:place.left + place.width]
    blended[window] += seen[window][..., None] * images.resize_cutout(colors, alpha, (place.height, place.width))[0]
assert np.abs(blended - picture).max() <= 0.51, "the sum over visible alphas is the picture, but for its rounding"
assert (visible <= whole + 1e-6).all() and (near + visible <= 1 + 1e-6).all()

# %%
for one in scenes:
    stage = expressions.Scene(tuple(pool[name] for name in one.entities), tuple(place.box for place in one.placements),
                              tuple(place.depth for place in one.placements))
    for index, group in enumerate(one.sentences):
        assert [sentence.kind for sentence in group] == list(expressions.KINDS)
        for sentence, fit in zip(group, one.fits[index]):
            assert index in fit and set(fit) == referents.referents(sentence.claim, stage), sentence.text
    assert all(0 <= place.left and place.left + place.width <= canvas[1] and 0 <= place.top and place.top + place.height <= canvas[0]
               for place in one.placements), "nothing is cut off"
assert share(scenes, "all") > share(plans["as the paper"], "all")

# %%
assert all(Counter(entity.kind for entity in group) == plan.GROUP for group in members)
expected = np.array(data.relation_shares) / sum(data.relation_shares)
measured = np.array([arrangements["/".join(pair)] for pair in relations.ARRANGEMENTS]) / len(scenes)
assert (np.abs(measured - expected) < 4 * np.sqrt(expected * (1 - expected) / len(scenes))).all(), "7:2:1, within chance"
short, longer = (plan.plan(pool, small(groups_train=1, extra_train=extra), "train") for extra in (0, 3))
assert longer[:20] == short, "a scene depends on its own seed, not on how many come after it"

# %%
lost = format.image_path(root, "train", reader.image_names[1])
before = lost.read_bytes()
lost.unlink()
format.label_path(root, "train").unlink()
build.build(settings, root, splits=("train",), pool=pool, progress=False)
assert lost.read_bytes() == before, "an interrupted build goes on and gives the same bytes"
first = next(one for one in plan.plan(pool, settings, "train") if one.name == name)
truth = build.render(pool, first, canvas)[1]
assert all(np.abs(reader.matte(target.mask_id) - true).max() <= 0.5 / 255 + 1e-6 for target, true in zip(targets, truth)), "eight bits on disk"
if temporary:
    temporary.cleanup()

# %% [markdown]
# ## Summary
#
# * A scene is made from a relation: boxes first, then pixels from back to front, with the visible alpha of each entity as its truth.
# * A sentence is a claim put into words; a claim can be checked against the scene, so ambiguity is measured, and mostly avoided.
# * A plan holds every scene and sentence of a data set without a pixel, in the paper's proportions, and a seed gives it again.
# * On disk everything lies as in the released RefMatte; keywords and expressions are two ways to read it.

# %% [markdown]
# ## Exercises
#
# 1. A picture is flipped from left to right during training. What must happen to its sentences?
#
# :::{dropdown} Answer
# `relations.mirror("the fox on the left side of the picture")` exchanges the words. Without it the sentence would be false. *Beside* and *above*
# stay as they are.
# :::
#
# 2. The table of relations says "beside" for *left* and for *right*. Is "the fox beside the woman" true of both arrangements?
#
# :::{dropdown} Answer
# Yes, and the check knows: such words are marked `vague`, and `relations.relative_holds` accepts either side. With three entities in a row
# the middle one has a neighbour on both sides, so "the fox beside the human" can fit two foxes.
# :::
#
# 3. Why are front and behind scenes limited to two entities?
#
# :::{dropdown} Answer
# To keep each large and mostly in view (Sec. 3.3). With three, what is behind both could be hidden almost wholly, and its matte would be
# shreds that no sentence describes well. Here between 12 and 40 % of the far box is covered (`refmatte.layout`).
# :::
