# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Entities: cut-out things and what can be said of them
#
# Every scene of this book is made of photographs that were cut out; here you meet them, see what their alpha is, and where the words
# about them come from.
#
# :::{admonition} Before you run this
# | | |
# |:--|:--|
# | Device | any processor; no accelerator is used |
# | Memory | 0.5 GB |
# | Minutes | less than 1, on one core |
# | Inputs | the shipped photographs, `rimlib/starter/` |
# | Outputs | none, only what you see |
# :::
#
# In the paper: Sec. 3.1, supplement Sec. 2.1 and 2.2, Datasheet {cite:p}`rim`. The code is `rimlib/entities/`.

# %% tags=["parameters"]
closer: str = "tree-birch-winter-bare smoke-explosion-column squirrel-grey"  # names of entities whose alpha we look at closely
colored: str = "balloon-hot-air-colourful"  # name of the entity whose colours we cluster
clusters: int = 5  # how many clusters
drawn_size: int = 160  # pixels; side of the drawn entities

# %%
from collections import Counter

import matplotlib.pyplot as plt
import numpy as np

from rimlib import files, show
from rimlib.entities import color, drawn, starter, synonyms
from rimlib.entities.clean import blur_faces

pool = starter.load()
KINDS = ("person", "animal", "thing")

# %% [markdown]
# ## The pool
#
# An **entity** is a cut-out: the colours of one thing, its alpha, and its attributes. The paper gathers its entities from six public
# matting data sets. Those are not ours to pass on, so this book brings photographs of its own: openly licensed, each of a single
# thing, cut out, and looked at by a person one by one.

# %% mystnb={"figure": {"name": "entities-pool", "caption": "All entities of the shipped pool on grey squares: people, animals, things. What shows squares is not there."}, "image": {"alt": "A sheet of several hundred small cut-out photographs: people in many poses, animals, plants, fruit, vehicles, instruments and tools.", "width": "100%"}}
order = sorted(pool.entities, key=lambda entity: (KINDS.index(entity.kind), entity.category, entity.name))
sheet = show.contact_sheet([pool.cutout(entity.name) for entity in order], columns=24, cell=56)
show.grid([sheet]);

# %% [markdown]
# Counted, beside the paper's pool (Sec. 3.3, training and test together):

# %%
paper = {"person": 9186 + 977, "animal": 1800 + 200, "thing": 813 + 211}
rows = []
for kind in KINDS:
    entities = pool.of(kind)
    rows.append({"kind": kind, "shipped pool": len(entities), "categories": len({entity.category for entity in entities}),
                 "of them for testing": len(pool.of(kind, "test")),
                 "wispy or transparent": sum(entity.wispy or entity.transparent for entity in entities), "paper's pool": paper[kind]})
rows.append({"kind": "all", **{key: sum(row[key] for row in rows) for key in rows[0] if key != "kind"}})
show.table(rows)

# %% [markdown]
# The kinds are far from even here too, in another way: the paper has mostly people. Balance is made when scenes are planned
# (chapter [](02_refmatte)). The categories have a long tail: most have one or two entities.

# %% mystnb={"figure": {"name": "entities-tail", "caption": "Entities in each category, the largest first. The largest is named, and every tenth."}, "image": {"alt": "A falling curve of bars: one category with many entities, a few with several, and a long tail of categories with one.", "width": "100%"}}
counted = Counter(entity.category for entity in pool.entities).most_common()
figure, axis = plt.subplots(figsize=(show.WIDTH, 2.4))
axis.bar(range(len(counted)), [count for _, count in counted], color=show.PALETTE[0], width=0.8)
axis.set_xticks(range(0, len(counted), 10), [category for category, _ in counted[::10]], rotation=45, ha="right", fontsize=8)
axis.set_ylabel("entities")
axis.spines[["top", "right"]].set_visible(False)
figure.tight_layout()

# %% [markdown]
# ## What alpha is
#
# Take a bare tree, a column of smoke, a squirrel's tail. Where does the thing end? **Alpha** says how much of each pixel is the thing,
# and the foreground what colour the thing has there. Where alpha is 0 any colour will do: the blocks come from storing the file
# small. Both together are the cut-out.

# %% mystnb={"figure": {"name": "entities-alpha", "caption": "Above: foreground colours alone, and alpha. Below: both together on grey squares, and on a colour before which the thing never stood."}, "image": {"alt": "Four pictures for each of three cut-outs: the plain foreground and the black and white alpha above, the cut-out on a checkerboard and on orange below.", "width": "100%"}}
names = closer.split()
apart, together = [], []
for name in names:
    foreground, alpha = pool.cutout(name)
    apart += [foreground, alpha]
    together += [show.over(foreground, alpha), show.over(foreground, alpha, (230, 159, 0))]
show.grid(apart + together, ["foreground", "alpha"] * len(names) + ["cut-out", "on a colour"] * len(names), columns=2 * len(names));

# %% [markdown]
# Closer still, at the place of each with the most half-and-half pixels:

# %% mystnb={"figure": {"name": "entities-close", "caption": "A window of 48 x 64 pixels of each, enlarged: alpha above, the cut-out below."}, "image": {"alt": "Enlarged windows of the alphas, grey in fine branches, smoke and fur, with the cut-outs below.", "width": "100%"}}
def busiest(alpha, size=(48, 64)):
    """The window of this size with the largest sum of alpha (1 - alpha)."""
    total = np.pad((alpha * (1 - alpha)).astype(float).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    height, width = min(size[0], alpha.shape[0]), min(size[1], alpha.shape[1])
    inside = total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    top, left = np.unravel_index(inside.argmax(), inside.shape)
    return np.s_[top:top + height, left:left + width]


windows = [busiest(pool.cutout(name)[1]) for name in names]
above = [pool.cutout(name)[1][window] for name, window in zip(names, windows)]
below = [show.over(*(array[window] for array in pool.cutout(name))) for name, window in zip(names, windows)]
show.grid(above + below, names + [""] * len(names), columns=len(names));

# %% [markdown]
# So a cut-out laid over a background $B$ gives, pixel by pixel,
#
# $$ I = \alpha F + (1 - \alpha) B , $$
#
# which is {eq}`compositing` of the notation page. How much of a thing is *soft*, neither fully there nor fully away, differs
# from kind to kind. Among the pixels with $\alpha > 0$:

# %%
def softness(entity) -> float:
    alpha = pool.cutout(entity.name)[1]
    return float(((alpha > 0.02) & (alpha < 0.98)).sum() / (alpha > 0.02).sum())


soft = {entity.name: softness(entity) for entity in pool.entities}
groups = {kind: pool.of(kind) for kind in KINDS}
groups["marked wispy or transparent"] = [entity for entity in pool.entities if entity.wispy or entity.transparent]
show.table([{"entities": name, "longer side, median": f"{np.median([max(pool.cutout(one.name)[1].shape) for one in group]):.0f} pixels",
             "soft pixels, median share": float(np.median([soft[one.name] for one in group])),
             "softest": max(group, key=lambda one: soft[one.name]).name} for name, group in groups.items()])

# %% [markdown]
# The people seem soft only because their pictures are small: the smaller a picture, the more of it is edge. They were cut out with a
# hard mask, 0 or 1, whose edge was pared by a pixel, since that pixel held the old background, and softened (`entities.clean`). The
# paper sorts entities by two more attributes that follow from alpha and category: **salient**, with
# a body that draws the eye, and **transparent** (supplement Sec. 2.2).

# %%
examples = [pool[name] for name in names] + [pool.of("person")[0]]
show.table([{"entity": one.name, "salient": one.salient, "transparent": one.transparent, "wispy (ours, the matte is hard)": one.wispy}
            for one in examples])

# %% [markdown]
# ## Colour
#
# Paper, Sec. 3.1: *cluster all the pixel values of the foreground image, find the most frequent value, and match it with the specific
# color in webcolors*. Here the pixels count by their alpha, and both steps happen in CIELAB, where distances are about what people see.
# This is the whole of it, taken apart:

# %%
import cv2

foreground, alpha = pool.cutout(colored)
opaque = alpha > 0.5
lab = cv2.cvtColor(foreground.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
cv2.setRNGSeed(0)
stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 0.5)
_, labels, centres = cv2.kmeans(lab[opaque], clusters, None, stop, 2, cv2.KMEANS_PP_CENTERS)
centres = np.rint(255 * cv2.cvtColor(centres[None], cv2.COLOR_LAB2RGB)[0]).astype(np.uint8)  # (clusters, 3)
shares = np.bincount(labels[:, 0], minlength=clusters) / len(labels)
order = np.argsort(-shares)

# %% mystnb={"figure": {"name": "entities-color", "caption": "An entity, its pixels each in the colour of its cluster, and the clusters as wide as they are frequent, with the nearest name of each."}, "image": {"alt": "A colourful cut-out, the same reduced to a few flat colours, and a bar of these colours with their names.", "width": "100%"}}
flat = foreground.copy()
flat[opaque] = centres[labels[:, 0]]
figure, axes = plt.subplots(1, 3, figsize=(show.WIDTH, 2.6), width_ratios=(1, 1, 2))
for axis, picture in zip(axes, (show.over(foreground, alpha), show.over(flat, alpha))):
    axis.imshow(picture)
    axis.axis("off")
start = 0.0
for place, index in enumerate(order):
    axes[2].barh(0, shares[index], left=start, color=centres[index] / 255)
    axes[2].text(start + shares[index] / 2, 0.5 + 0.16 * (place % 2), color.color_name(tuple(map(int, centres[index]))), ha="center", fontsize=8)
    start += shares[index]
axes[2].set(xlim=(0, 1), ylim=(-1.2, 1.2), xlabel="share of the opaque pixels", yticks=[])
axes[2].spines[["top", "right", "left"]].set_visible(False)
figure.tight_layout()

# %% [markdown]
# The heaviest cluster gives the word. It is one word for a whole thing, and it is a machine's word:

# %%
rgb = color.dominant_color(*pool.cutout(colored))
print(f"{colored}: heaviest cluster {rgb}, nearest name {color.color_name(rgb)}")
common = Counter(entity.color for entity in pool.entities)
print(f"{len(common)} names in use; the most frequent:", ", ".join(f"{name} {count}" for name, count in common.most_common(8)))

# %% [markdown]
# Photographs are full of shadows, and many entities end up *darkslategray*. The paper's sentences sound the same ("the cat which is
# dimgray and non-transparent", Fig. 3), for the same reason.
#
# For people the word stands beside the garment ("wearing the black jacket"), and the most frequent colour may be that of the trousers. There a
# person looked again; the index keeps the machine's proposal beside the word that is used.

# %%
index = files.read_json(starter.FOLDER / "pool.json")["entities"]
changed = [row for row in index if row["color"] != row["color_proposed"]]
print(f"{len(changed)} of {len(index)} corrected by hand, {sum(row['kind'] == 'person' for row in changed)} of them people")
show.table([{"entity": row["name"], "garment": row.get("clothes", "–"), "machine": row["color_proposed"], "used": row["color"]} for row in changed[:5]])

# %% [markdown]
# ## A person has more
#
# People have six attributes instead of three: gender, age group and clothes besides. The paper predicts them with networks; ours
# were written down by a person who looked at each picture, and mean what can be seen, nothing more.

# %%
people = pool.of("person")
counts = {key: Counter(getattr(entity, key) for entity in people) for key in ("gender", "age_group", "clothes")}
show.table([{"attribute": key, "values and pictures": ", ".join(f"{value} {count}" for value, count in counter.most_common())}
            for key, counter in counts.items()])

# %% [markdown]
# The paper keeps no picture with an identifiable face (Sec. 3.1, Datasheet). Here every face is reduced to four by five blocks of
# colour, too few for anybody to be known by, and blurred into an ellipse. All people of the pool have passed through it, so
# to see *before* and *after*, it is applied to somebody who does not mind:

# %% mystnb={"figure": {"name": "entities-faces", "caption": "A koala before and after, and three people as they are shipped."}, "image": {"alt": "A koala's face, the same blurred beyond recognition, and three people whose faces are blurred.", "width": "100%"}}
foreground, alpha = pool.cutout("koala-on-log")
height, width = alpha.shape
box = (int(0.42 * width), int(0.03 * height), int(0.88 * width), int(0.40 * height))  # left, top, right, bottom
blurred = blur_faces(foreground, [box])
heads = [show.over(*(array[: array.shape[0] * 2 // 5] for array in pool.cutout(entity.name)))
         for entity in [one for one in people if one.age_group == "adult"][3::8][:3]]
show.grid([show.over(foreground, alpha), show.over(blurred, alpha), *heads], ["before", "after", "shipped", "shipped", "shipped"]);

# %% [markdown]
# ## Words for it
#
# The **category** is the entry-level name, what people say first {cite:p}`entrylevel`: *dog*, neither *animal* nor *dingo*. A
# sentence may use others: synonyms from WordNet {cite:p}`wordnet`, read through and corrected by hand, and wider words. Which word may mean which entity
# is kept, so that later a sentence can be checked: *bird* can mean the owl, *owl* cannot mean the goose.

# %%
chosen = ["bird", "owl", "dog", "car", "smoke"]
firsts = [next(entity for entity in pool.entities if entity.category == category) for category in chosen]
shown = [*firsts, *(next(entity for entity in people if entity.gender == gender) for gender in ("female", "male"))]
show.table([{"entity": entity.name, "category": entity.category, "nouns that a sentence may use": ", ".join(synonyms.nouns(entity))}
            for entity in shown])

# %%
owl, bird = firsts[1], firsts[0]
show.table([{"noun": noun, f"can mean {bird.name}": synonyms.denotes(noun, bird), f"can mean {owl.name}": synonyms.denotes(noun, owl)}
            for noun in ("animal", "bird", "owl")])

# %% [markdown]
# ## Kept for testing
#
# Entities of the test split appear in no training scene. A model that learned single pictures by heart would fail on them. Of every
# category with three or more entities the last one is kept; of people, whole persons, so that nobody is known from another pose.

# %% mystnb={"figure": {"name": "entities-test", "caption": "The entities that only test scenes contain."}, "image": {"alt": "A sheet of a few dozen cut-out people, animals and things.", "width": "100%"}}
unseen = pool.of(split="test")
show.grid([show.contact_sheet([pool.cutout(entity.name) for entity in unseen], columns=12, cell=100)]);

# %%
train_categories, test_categories = pool.categories("train"), pool.categories("test")
show.table([{"split": split, "entities": len(pool.of(split=split)), "categories": len(pool.categories(split)),
             "persons": len({entity.person for entity in pool.of("person", split)}), "backgrounds": len(pool.backgrounds_of(split))}
            for split in ("train", "test")])

# %% [markdown]
# ## Drawn things, with an alpha that is exact
#
# Whoever cuts out a photograph estimates its alpha, with an error that nobody knows. Hair, smoke, nets and glass are therefore also drawn
# by code, each pixel from many points whose opacity is known. This pool is small, is used by tests, and can be joined to the
# other one: `pool.add(drawn.load())`.

# %% mystnb={"figure": {"name": "entities-drawn", "caption": "The drawn pool: cut-outs on dark blue above, their exact alphas below."}, "image": {"alt": "Two rows of eight: drawn bubble, cobweb, feather, glass, hair, net, pompom and smoke on dark blue, and their alphas.", "width": "100%"}}
sketches = drawn.load(size=drawn_size, variants=1)
cutouts = [sketches.cutout(entity.name) for entity in sketches.entities]
show.grid([show.over(*cutout, (38, 52, 70)) for cutout in cutouts] + [alpha for _, alpha in cutouts],
          [entity.category for entity in sketches.entities] + [""] * len(cutouts), columns=len(cutouts));

# %%
show.table([{"drawn": entity.category, "soft pixels": float(((alpha > 0.02) & (alpha < 0.98)).sum() / (alpha > 0.02).sum()),
             "largest alpha": float(alpha.max())} for entity, (_, alpha) in zip(sketches.entities, cutouts)], digits=2)

# %% [markdown]
# ## Whose pictures these are
#
# Every picture keeps the licence of its source. Whoever passes scenes on must pass the credits on; they are in
# `rimlib/starter/CREDITS.md` and in `pool.json`, one line a picture.

# %%
cut, placed = (Counter(item.licence for item in items) for items in (pool.entities, pool.backgrounds))
show.table([{"licence": licence, "cut-outs": cut[licence], "backgrounds": placed[licence]} for licence, _ in (cut + placed).most_common()])

# %%
sources = Counter(item.source for item in [*pool.entities, *pool.backgrounds])
print("packages that they come from:", ", ".join(f"{name} {count}" for name, count in sources.most_common()))
print(f"{starter.stats()['bytes'] / 1e6:.1f} MB altogether")

# %% [markdown]
# ## Check

# %%
assert starter.verify() == [], "every file has the hash that the index holds"
proposed = {row["name"]: row["color_proposed"] for row in index}
for entity in pool.entities:
    foreground, alpha = pool.cutout(entity.name)
    assert foreground.shape[:2] == alpha.shape and foreground.dtype == np.uint8 and 0 <= alpha.min() <= alpha.max() <= 1, entity.name
    assert synonyms.denotes(entity.category, entity), entity.name
    assert color.color_name(color.dominant_color(foreground, alpha)) == proposed[entity.name], entity.name
    assert entity.licence and entity.credit, entity.name

# %%
persons = [{entity.person for entity in pool.of("person", split)} for split in ("train", "test")]
assert not persons[0] & persons[1], "nobody is in both splits"
assert set(test_categories) <= set(train_categories), "test entities are new, their categories are not"
marked = groups["marked wispy or transparent"]
assert np.median([soft[one.name] for one in marked]) > 2 * np.median([soft[one.name] for one in pool.entities])
assert color.color_name(tuple(map(int, centres[order[0]]))) == proposed[colored], "the clustering above gives the stored name"

# %%
def roughness(picture) -> float:
    """Mean step between neighbours in the middle of the face."""
    left, top, right, bottom = box
    face = picture[top:bottom, left:right].astype(int)
    tall, wide = face.shape[0] // 4, face.shape[1] // 4
    return float(np.abs(np.diff(face[tall:-tall, wide:-wide], axis=0)).mean())


assert roughness(blurred) < 0.3 * roughness(pool.cutout("koala-on-log")[0]), "a blurred face has no detail left"

# %% [markdown]
# ## Summary
#
# * An entity is a cut-out with attributes: category, colour, salient, transparent; a person has gender, age group and clothes besides.
# * Alpha is soft where a pixel is shared: at every edge, and all over smoke, hair and branches.
# * The colour is the nearest CSS name of the heaviest cluster of pixels, corrected by hand where it is not what a person would say of the garment.
# * Words are kept with what they may mean, which later makes sentences checkable.
# * Test entities are never in training scenes, and no person is in both splits.

# %% [markdown]
# ## Exercises
#
# 1. Cluster with three and with ten clusters (`clusters`). Does the name change, and when is that right?
#
# :::{dropdown} Answer
# With few clusters the heaviest is an average over much of the thing and drifts towards grey; with many it is a small but pure
# part. For a thing of one colour nothing changes. For a parrot there is no right answer, which is why sentences also say other things.
# :::
#
# 2. Which entities could no sentence tell apart if they stood in one scene?
#
# :::{dropdown} Answer
# Those alike in everything that can be said of them: `Counter(entity.looks() for entity in pool.entities)`; every entry above 1.
# Most are poses of one person. A place in the picture can still tell them apart, a basic expression cannot.
# :::
#
# 3. Match the colour in RGB instead of CIELAB. What happens to dark things?
#
# :::{dropdown} Answer
# Replace `_lab` in `rimlib/entities/color.py` by the identity. In RGB the distance between a dark green and a dark grey is small
# although they look different, so more names become greys.
# :::
