# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # CLIPMat, part by part
#
# One picture and one sentence go through the model, and after each part we stop and look at what it made of them.
#
# :::{admonition} Before you run this
# | | |
# |:--|:--|
# | Device | any processor; no accelerator is used |
# | Memory | 1.5 GB |
# | Minutes | below 1, on one core |
# | Inputs | the shipped photographs, the shipped model and the small CLIP that it began from |
# | Outputs | none, only what you see |
# :::
#
# In the paper: Sec. 4, supplement Sec. 3 with Eq. 1 to 9, and Table 11 {cite:p}`rim`. The code is `rimlib/clipmat/`, a module
# for each part of the paper's Figure 4; where a cell below says `show.source`, what you read is that code itself.

# %% tags=["parameters"]
weights: str = "shipped"  # the model: "shipped", or the path of a checkpoint of yours
clip_weights: str = "clip"  # the CLIP before matting: "clip" (shipped), "random", or the path of one of yours
split: str = "seen"  # photographs of the scene: "seen" (training had them, in other scenes) or "test" (it had not)
scene: int = 2  # which scene of that split, from 0
entity: int = 1  # which of its entities we follow through the model, from 0
expression: int = 3  # which of its four expressions we ask: 0 basic, 1 absolute, 2 and 3 relative

# %%
import time

import cv2
import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F

from rimlib import images, profile, show
from rimlib.clipmat import CLIPMat, backbone, checkpoint, collaboration, decoders, details, losses, popup, prompt, trimap
from rimlib.errors import RimError
from rimlib.refmatte import build, plan

model = CLIPMat.shipped() if weights == "shipped" else CLIPMat.load(weights)
settings, side = model.profile.model, model.image_size
torch.set_grad_enabled(False);  # this chapter looks, it does not train

# %% [markdown]
# ## A scene to ask about
#
# The engine of chapter [](02c_refmatte) plans scenes from the shipped photographs. We take one, rendered in memory: it is not a
# file of the data set. Each entity has a keyword (its category) and four expressions; we ask one of the four.

# %%
none = {f"data__groups_{part}": 0 for part in ("train", "test")}
data = profile.load("tiny", data__extra_train=scene + 1, data__extra_test=scene + 1, **none).data
pool = build.open_pool(data.pool)
planned = plan.plan(pool, data, split)[scene]
picture, mattes = build.render(pool, planned, (data.height, data.width))
keywords = [pool[name].category for name in planned.entities]
sentences = [four[expression].text for four in planned.sentences]
if not 0 <= entity < len(keywords):
    raise RimError(f"entity {entity}: the scene has {len(keywords)} entities, from 0 to {len(keywords) - 1}")

# %% mystnb={"figure": {"name": "clipmat-scene-asked", "caption": "The scene, and the true matte of each entity under its sentence."}, "image": {"alt": "A photograph composed of a background and cut-out entities, and beside it one black and white matte for each entity.", "width": "100%"}}
show.grid([picture, *mattes], ["the picture", *sentences]);

# %% [markdown]
# The model sees a square. Picture and mattes are resized to it; the truth about *where* is a **trimap**, made from the matte:
# what is surely background (black), surely foreground (white), and the unknown between them (grey), where the hairs are.

# %%
square = images.resize(picture, (side, side))  # uint8 (S, S, 3)
pixels = torch.from_numpy(square).permute(2, 0, 1)[None].float() / 255  # (1, 3, S, S)
alphas = np.stack([images.resize(matte, (side, side)) for matte in mattes])  # (M, S, S)
trimaps = [trimap.trimap_from_alpha(alpha, model.profile.train.trimap_kernel) for alpha in alphas]
print(f"{len(keywords)} entities: {', '.join(keywords)}; we follow the {keywords[entity]}")
print("picture", tuple(pixels.shape), "mattes", alphas.shape)

# %% mystnb={"figure": {"name": "clipmat-scene-square", "caption": "What the model is given, and what it should say: mattes above, trimaps below."}, "image": {"alt": "Two rows. Above the square picture and the mattes, below the trimaps in black, grey and white.", "width": "100%"}}
columns = 1 + len(mattes)  # of this figure and some below
show.grid([square, *alphas, None, *(truth / 255 for truth in trimaps)], ["", *keywords, "", *keywords], columns=columns);

# %% [markdown]
# ## The whole way
#
# ```text
#  sentence ── CP ── text encoder ───────────┐
#                                           TSP ── semantic decoder ── trimap ──┐
#  picture ──── image encoder ── tokens ─────┘ │                                CM ── alpha
#     │              └── levels 1 to 4 ──┐     │                                │
#     └──────────────────────────────── MDE ── details decoder ──── detail ─────┘
# ```
#
# * **CP**, the context-embedded prompt, prepares the words.
# * **TSP**, the text-driven semantic pop-up, lets the picture listen to them: *what* is meant.
# * **MDE**, the multi-level details extractor, keeps what is fine: *how much* of each pixel.
# * Two decoders speak, one for each question; **CM**, the collaborative matting, makes one matte of their answers.
#
# The line from TSP to the details decoder is a choice of this project: the paper leaves open whether that decoder hears the
# text (setting `details_text`). The model is asked in three steps, so that a second sentence about a picture is cheap:

# %%
tokens = model.tokenize(sentences)  # (M, L)
model(pixels, tokens[:1])  # not timed: the first call also sets things up
clock = [time.perf_counter()]
features = model.encode_image(pixels); clock.append(time.perf_counter())
text_features = model.encode_text(tokens); clock.append(time.perf_counter())
every = features.select(torch.zeros(len(sentences), dtype=torch.int64))  # the one picture, once for each sentence
output = model.matte(every, text_features); clock.append(time.perf_counter())
steps = ["encode_image, once", *(f"{step}, {len(sentences)} sentences" for step in ("encode_text", "matte"))]
words = text_features.tokens  # (M, L+C, D_t)
show.table([{"step": step, "milliseconds": f"{1000 * spent:.0f}"} for step, spent in zip(steps, np.diff(clock))])

# %% mystnb={"figure": {"name": "clipmat-first-answer", "caption": "The model's answers, cut out and put on a checkerboard. The score says how sure it is that the sentence fits something."}, "image": {"alt": "For each sentence, what the model cut out, on a grey checkerboard.", "width": "100%"}}
show.grid([show.over(square, alpha.numpy()) for alpha in output.alpha[:, 0]],
          [f"{sentence} (score {score:.2f})" for sentence, score in zip(sentences, output.score)]);

# %%
show.source(CLIPMat.matte)

# %% [markdown]
# Two helpers draw what is not a picture: `heat` lays a map of patches over the picture, and `colours` shows a map of many
# channels by its three strongest directions, so that places with like features get like colours.


# %%
def heat(values, low=None, high=None):
    """A map (h, w) over the grey picture: dark blue is low, yellow is high. uint8 (S, S, 3)."""
    values = np.asarray(values, np.float32)
    low, high = values.min() if low is None else low, values.max() if high is None else high
    shades = plt.get_cmap("cividis")(np.clip((values - low) / max(high - low, 1e-9), 0, 1))[..., :3]
    shades = np.kron(shades, np.ones((side // len(values), side // len(values), 1)))
    return np.uint8(255 * (0.75 * shades + 0.25 * square.mean(axis=2, keepdims=True) / 255))


def colours(maps):
    """Maps (B, C, h, w) to B pictures, uint8 (h, w, 3), by the three principal directions that they share."""
    rows = maps.permute(0, 2, 3, 1).flatten(0, 2).float()  # (B*h*w, C)
    rows = rows - rows.mean(0)
    rows = (rows @ torch.linalg.svd(rows.T @ rows)[0][:, :3]).numpy()  # (B*h*w, 3)
    low, high = np.percentile(rows, [2, 98], axis=0)
    shades = np.clip((rows - low) / np.maximum(high - low, 1e-9), 0, 1)
    return list(np.uint8(255 * shades).reshape(len(maps), *maps.shape[2:], 3))


# %% [markdown]
# ## CLIP: two encoders that agree
#
# CLIP is two networks that were trained together {cite:p}`clip`: one reads pictures, one reads sentences, and a picture and its
# own caption should get nearly the same vector. CLIPMat takes both, and uses more of them than that one vector.
#
# ### A picture of patches
#
# The image encoder is a vision transformer {cite:p}`vit`. It cuts the picture into patches of $P = 16$ pixels, $N = HW/P^2$ of
# them. Each becomes a vector of $D_v$ numbers, a *token*, and one more token, the class token, stands for the whole.

# %% mystnb={"figure": {"name": "clipmat-patches", "caption": "Left: what the transformer gets, patches in a row, drawn where they came from. Then the tokens after each quarter of its blocks, coloured so that like tokens look alike."}, "image": {"alt": "The picture cut into squares with gaps between them, and four coarse coloured maps.", "width": "100%"}}
size = side // backbone.PATCH
cut = square.reshape(size, backbone.PATCH, size, backbone.PATCH, 3).swapaxes(1, 2)  # (h, w, P, P, 3)
apart = np.pad(cut, ((0, 0), (0, 0), (2, 2), (2, 2), (0, 0)), constant_values=255).swapaxes(1, 2)
apart = apart.reshape(size * (backbone.PATCH + 4), -1, 3)
levels = [np.kron(colours(level)[0], np.ones((16, 16, 1), np.uint8)) for level in features.levels]
show.grid([apart, *levels], [f"{size} x {size} patches", *(f"after block group {number}" for number in (1, 2, 3, 4))]);

# %%
count = size * size
assert count == side * side // backbone.PATCH**2
show.table([
    {"what": "tokens, class token first", "shape": tuple(features.tokens.shape), "read as": f"1 picture, 1 + {count} tokens, D_v"},
    {"what": "each of the four levels", "shape": tuple(features.levels[0].shape), "read as": "the same tokens as a map, D_v channels"},
])

# %% [markdown]
# The blocks are taken in four equal groups, and what comes out of each is kept (the paper's $x_v^i$). The tokens of the last go
# to TSP, all four levels go to MDE.

# %%
show.source(backbone.Backbone.encode_image)

# %% [markdown]
# ### Words against patches
#
# CLIP compares its two vectors by the cosine of their angle: that of the class token and that of the sentence's end. We may ask
# each *patch* the same question, with CLIP as it was before it learned matting, and with the last projections still on. OpenAI's
# CLIP was never trained for that; our small one was, since its pre-training held the mean of an entity's patches against its caption.

# %%
clip, tokenizer = backbone.create_clip(settings, clip_weights if clip_weights == "clip" else "random")
if clip_weights not in ("clip", "random"):
    clip.load_state_dict(checkpoint.read_tensors(clip_weights, clip.state_dict()))
asked = [prompt.pre_context(keyword) for keyword in keywords]
full = F.pad(tokenizer(asked), (0, clip.context_length - settings.text_length))  # CLIP itself wants all its positions
text_vectors = F.normalize(clip.eval().encode_text(full), dim=-1)  # (M, E)
projection = clip.visual.proj
dense, _ = backbone.Backbone(clip, side).encode_image(backbone.normalise(pixels))  # (1, 1+N, D_v)
alike = text_vectors @ F.normalize(dense[0] @ projection, dim=-1).T  # (M, 1+N), cosines

# %% mystnb={"figure": {"name": "clipmat-words-patches", "caption": "How alike each patch and each sentence are, by CLIP alone. Yellow is more alike; each map has its own range."}, "image": {"alt": "The picture, and for each sentence a coarse map over it.", "width": "100%"}}
maps = alike[:, 1:].reshape(-1, size, size).numpy()
show.grid([square, *map(heat, maps)], ["the picture", *asked]);

# %%
inside = [images.resize(alpha, (size, size)) > 0.5 for alpha in alphas]  # patches that are mostly the entity
show.table([{"sentence": sentence, "class token": f"{row[0]:.2f}", "patches of it": f"{own[place].mean():.2f}",
             "all other patches": f"{own[~place].mean():.2f}"}
            for sentence, row, own, place in zip(asked, alike.tolist(), maps, inside)])

# %% [markdown]
# A cosine goes from −1 to 1. Where the third number of a row is no larger than the fourth, CLIP knows the word but not the
# place. Whatever the table says, a map of so few patches has no edges, and a matte is nearly all edge. The rest of the model is
# there for these two: TSP sharpens the place, MDE brings back the edge.
#
# CLIPMat leaves the last projections out (Sec. 4.3), so its two sides have widths of their own, $D_v$ and $D_t$, and no common
# space to take a cosine in. TSP makes one.
#
# ### The match, which is not in the paper
#
# A CLIP that was trained for minutes is a poor start: its words and patches are only just aligned. A trial from random weights and
# without help still said "nothing here" to every sentence after five minutes of training. So the `tiny` profile starts from the
# small CLIP, keeps the projections, and gives this map, learning with the rest, to TSP as a
# hint: the setting `match`. DenseCLIP {cite:p}`denseclip` does the like. The paper's model has none.

# %% mystnb={"figure": {"name": "clipmat-match", "caption": "The match of each patch and each sentence in the trained model, as a probability. It is a hint, not an answer: a sentence of two nouns lights both."}, "image": {"alt": "The picture, and for each sentence a coarse map over it that is bright where the sentence fits.", "width": "100%"}}
match, hint = model.match(every.tokens, text_features.sentence) if model.match else (None, None)
show.grid([square, *map(heat, match[:, 0].sigmoid().numpy())] if model.match else [square], ["the picture", *sentences][: 1 + (len(sentences) if model.match else 0)]);

# %% [markdown]
# ## CP: the context-embedded prompt
#
# ### Before the words
#
# A keyword is one word, and CLIP was trained on captions. So a keyword gets a sentence around it, in training one of these at
# random, later always the same.

# %%
lengths = [int(model.tokenize([template.format(keyword=keywords[entity])]).argmax()) + 1 for template in prompt.TEMPLATES]
show.table([{"template": template, "tokens with start and end": length, "used": "after training" if template == prompt.DEFAULT else ""}
            for template, length in zip(prompt.TEMPLATES, lengths)])

# %% [markdown]
# A token is a word or a piece of one. Here is the sentence that we follow; zeros fill it up to the model's `text_length`.

# %%
row = tokens[entity]
end = int(row.argmax())  # the end of text has the largest number
piece = lambda token: model.tokenizer.decode(torch.stack([token, row[end]]))
names = ["start", *map(piece, row[1:end]), "end"]
length, context = len(row), len(model.context.vectors)
print(" | ".join(names), f"| {length - end - 1} x padding | {context} x context")

# %% [markdown]
# ### After the words
#
# Behind the words (and the padding) stand a few vectors that are nobody's words: they are learned, and the same for every
# sentence. What do they do? CLIP's text encoder lets a token read only what stands before it. So the context reads the whole
# sentence, and no word of the sentence reads the context.
#
# To see it, we change the keyword in a sentence, and look at how far the feature of each position moves.

# %%
another = next(word for word in (*keywords, "dog", "cat") if word != keywords[entity])
pair = [prompt.pre_context(keyword) for keyword in (keywords[entity], another)]
one, other = (model.encode_text(model.tokenize([sentence])).tokens[0] for sentence in pair)  # (L+C, D_t)
moved = ((one - other).norm(dim=1) / one.norm(dim=1)).numpy()
ends = int(model.tokenize([pair[0]]).argmax())
kinds = ["word"] * (ends + 1) + ["padding"] * (length - ends - 1) + ["context"] * context

# %% mystnb={"figure": {"name": "clipmat-context-moves", "caption": "How far each position's feature moves when the keyword changes. What stands before the keyword does not move; the learned context, at the end, does."}, "image": {"alt": "A bar for each position: zero at first, then above zero from the keyword on, through padding and context.", "width": "100%"}}
figure, axis = plt.subplots(figsize=(show.WIDTH, 2.4))
for kind, color in zip(("word", "padding", "context"), show.PALETTE):
    places = [place for place, its in enumerate(kinds) if its == kind]
    axis.bar(places, moved[places], color=color, label=kind)
axis.set(xlabel="position", ylabel="relative change")
axis.set_title(" → ".join(pair), fontsize=8)
axis.spines[["top", "right"]].set_visible(False)
axis.legend(frameon=False, ncols=3);

# %% [markdown]
# So each context vector starts the same everywhere and ends as a reading of the sentence: a question that training chose, such
# as *which side is meant?*, answered by the text encoder. TSP hears the words, the padding and the context alike. The idea is
# CoOp's {cite:p}`coop`, which puts its vectors before the words; the paper appends them.

# %%
show.source(backbone.Backbone.encode_text)

# %% [markdown]
# ### A number that cannot be
#
# Sec. 4.2 gives the lengths of the text, Sec. 4.3 their sums with the context. One of the sums is wrong, and CLIP itself says
# which: its text encoder has a fixed number of positions.

# %%
import open_clip

positions = open_clip.get_model_config("ViT-B-16-quickgelu")["text_cfg"]["context_length"]
stated = {"keyword": (14, 8, 22), "expression": (69, 8, 79)}  # the paper's: text, context, their sum L
show.table([{"setting": name, "text (Sec. 4.2)": text, "context (Sec. 4.2)": extra, "their sum": text + extra, "L (Sec. 4.3)": said,
             "positions that CLIP has": positions, "verdict": "agrees" if said == text + extra <= positions else "cannot be"}
            for name, (text, extra, said) in stated.items()])

# %% [markdown]
# Table 11 has the right number. Our encoder refuses the other one, and our own lengths are settings of the profile:

# %%
try:
    model.backbone.check_length(stated["expression"][2] - 8, 8)
except RimError as error:
    print(error)
print(f"here: {settings.text_length} + {settings.context} = {model.backbone.check_length(settings.text_length, settings.context)}")

# %% [markdown]
# ## TSP: the text-driven semantic pop-up
#
# Each patch asks; the words answer. In *attention* {cite:p}`attention`, a patch gives every word a weight, all weights of a
# patch sum to 1, and what the patch receives is the words' vectors, mixed by these weights. The weights of one word, drawn over
# the picture, show who listens to it.


# %%
def listen(module, visual, text, hint):
    """Weights (B, heads, 1+N, L) and values (B, heads, L, D/heads) of the cross-attention of a pop-up."""
    attention = module.cross_attn
    asking = module.norm_visual(visual) if hint is None else module.norm_visual(visual) + hint
    q = attention.query(asking).unflatten(2, (attention.heads, -1)).transpose(1, 2)
    k, v = attention.memory(module.norm_text(text)).unflatten(2, (2, attention.heads, -1)).permute(2, 0, 3, 1, 4)
    return (q @ k.transpose(2, 3) / q.shape[-1] ** 0.5).softmax(-1), v


own_hint = None if hint is None else hint[entity : entity + 1]
weight, value = listen(model.popup, features.tokens, words[entity : entity + 1], own_hint)
heard = weight[0, :, 1:].mean(0)  # (N, L), the mean of the heads, without the class token

# %% mystnb={"figure": {"name": "clipmat-listening", "caption": "Who listens to what: the words whose weights differ most over the picture, then the other tokens with which they do. Each map has its own range, in percent of a patch's attention."}, "image": {"alt": "The picture and seven coarse maps over it, one for a word each.", "width": "100%"}}
labels = [*names, *["padding"] * (length - end - 1), *["context"] * context]
spoken = (heard.std(0)[1:end].topk(min(4, end - 1)).indices + 1).tolist()  # the words that divide the picture most
others = (heard.std(0)[end:].topk(7 - len(spoken)).indices + end).tolist()  # and what else does
strongest = sorted(spoken) + sorted(others)
ranges = [f"{labels[place]} ({100 * heard[:, place].min():.1f} to {100 * heard[:, place].max():.1f} %)" for place in strongest]
show.grid([square, *(heat(heard[:, place].reshape(size, size)) for place in strongest)], [sentences[entity], *ranges], columns=4);

# %%
places = {"start": [0], "words": list(range(1, end)), "end": [end], "padding": list(range(end + 1, length)),
          "context": list(range(length, length + context))}
show.table([{"tokens": name, "how many": len(where), "share of all attention": f"{100 * heard[:, where].sum(1).mean():.1f} %",
             "if all were heard alike": f"{100 * len(where) / len(labels):.1f} %"} for name, where in places.items()])

# %% [markdown]
# The padding is heard too: nothing masks it, and it stands behind the words, so it has read them. To the model it is context as
# well.
#
# Now the equations. $x_v$ are the image tokens, $x_t$ the text tokens, LN is layer norm:
#
# $$
# \begin{aligned}
# x'_v &= \mathrm{LN}(\mathrm{Linear}(\mathrm{LN}(x_v))) && (N+1) \times D &\quad (1) \\
# x'_t &= \mathrm{LN}(\mathrm{Linear}(\mathrm{LN}(x_t))) && L \times D &\quad (2) \\
# x_f &= \mathrm{cross\_attn}(x'_v, x'_t, x'_t) && (N+1) \times D &\quad (3) \\
# x_f &= x_f + \mathrm{self\_attn}(x_f, x_f, x_f) && (N+1) \times D &\quad (4) \\
# x_f &= \mathrm{reshape}(\mathrm{MLP}(\mathrm{LN}(x_f))) && D' \times h \times w &\quad (5)
# \end{aligned}
# $$

# %%
visual, text = model.popup.norm_visual(features.tokens), model.popup.norm_text(words[entity : entity + 1])
visual = visual if own_hint is None else visual + own_hint
crossed = model.popup.cross_attn(visual, text)
popped = model.popup(every.tokens, words, hint)  # Eq. 1 to 5 at once, for all sentences: (M, D', h, w)
show.table([{"equation": number, "what": what, "shape": tuple(tensor.shape)} for number, what, tensor in
            [("–", "image tokens", features.tokens), ("–", "text tokens", words[:1]), (1, "x'_v", visual), (2, "x'_t", text),
             (3, "x_f", crossed), (5, "the map", popped[:1])]])

# %%
show.source(popup.TextDrivenPopup.forward)

# %% mystnb={"figure": {"name": "clipmat-popped", "caption": "What pops up. Above the map of Eq. 5 for each sentence, in the same colours for all; below how far each patch is from the map's median patch, yellow is far. The picture is the same each time; only the words differ."}, "image": {"alt": "The picture, one coarse coloured map for each sentence, and below each a map of what stands out.", "width": "100%"}}
shades = [np.kron(shade, np.ones((16, 16, 1), np.uint8)) for shade in colours(popped)]
apart = (popped - popped.flatten(2).median(2).values[..., None, None]).norm(dim=1)  # (M, h, w)
show.grid([square, *shades, None, *map(heat, apart)], ["the picture", *sentences, *[""] * columns], columns=columns);

# %% [markdown]
# ### A question of Eq. 3
#
# Eq. 4 adds what goes into its attention to what comes out, Eq. 3 does not. So after Eq. 3 nothing is left of a patch but *how
# it listened*: its vector is a mix of word vectors. If all words said the same, all patches would be the same. We can make them
# say the same, and compare with a pop-up that adds $x'_v$ in Eq. 3, of the same weights.

# %%
same = words[entity : entity + 1, -1:].expand(-1, words.shape[1], -1)  # every token is the last one
spread = {}
for residual in (False, True):
    twin = popup.TextDrivenPopup(features.tokens.shape[2], words.shape[2], settings.popup_width, settings.popup_heads,
                                 settings.dropout, settings.popup_out, residual=residual).eval()
    twin.load_state_dict(model.popup.state_dict())
    spread[residual] = float(twin(features.tokens, same).std(dim=(2, 3)).mean())
show.table([{"Eq. 3": "with x'_v added" if residual else "as written", "spread of the map over the picture": f"{amount:.6f}",
             "this model": "yes" if residual == model.popup.residual else ""} for residual, amount in spread.items()])

# %% [markdown]
# The setting `popup_residual` chooses. The supplement names a residual connection only after the self-attention, which is Eq. 4;
# most transformer decoders have one in both places, and so has the `tiny` profile.
#
# ## MDE: the multi-level details extractor
#
# The pop-up map has one vector for 16 × 16 pixels. A hair is one pixel wide. MDE goes back to the picture, four times: at level
# $i$ it joins the tokens of block group $i$, enlarged, with the picture itself, shrunk to $S / 2^i$.

# %%
normal = backbone.normalise(pixels)  # X_m, the picture as CLIP wants it
branches = []
for extract, level in zip(model.extractors, reversed(features.levels)):
    from_clip = decoders.upsample(extract.norm_visual(level), 2 ** (4 - extract.level))  # Eq. 6
    from_picture = F.max_pool2d(extract.norm_image(normal), 2**extract.level)  # Eq. 7
    branches.append((from_clip, from_picture, features.details[4 - extract.level]))  # and what Eq. 8 and 9 make of them

# %% mystnb={"figure": {"name": "clipmat-branches", "caption": "From level 4 (left, coarse) to level 1 (right, fine). Above what CLIP gives, in the middle what the picture gives, below what MDE makes of both. Colours as before: like features, like colours; each map has its own."}, "image": {"alt": "Three rows of four coloured maps that get finer from left to right. The upper row stays coarse, the middle row shows the picture.", "width": "100%"}}
in_rows = [branch[part] for part in range(3) for branch in branches]
show.grid([colours(maps)[0] for maps in in_rows], ["{1} channels, {2} x {3}".format(*maps.shape) for maps in in_rows], columns=4,
          row_titles=["from CLIP", "from the picture", "both"]);

# %% [markdown]
# The upper row knows what things are but stays as coarse as the patches, at every level; the middle row knows edges and colours
# but not what they belong to. In equations, with *norm* a 1 × 1 convolution:
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
# The code computes the same without ever holding the large maps of Eq. 6 to 8; the check below holds it against the equations.

# %%
show.source(details.DetailsExtractor.forward)

# %% [markdown]
# ### First norm, then pool
#
# Eq. 7 could also be read the other way round: shrink the picture, then the convolution. That is what P3M does {cite:p}`p3m`,
# and it is much cheaper. It is not the same. Max pooling keeps the brightest pixel of a window; a channel with a negative
# weight asks for the darkest one, and it gets it only if its weight is applied first.

# %%
bright = torch.full((1, 3, 1, 1), 1 / 3)  # a channel that likes light; its negative likes dark
window = 8
pooled = {"bright, either order": F.max_pool2d(F.conv2d(pixels, bright), window),
          "dark, norm then pool": F.max_pool2d(F.conv2d(pixels, -bright), window),
          "dark, pool then norm": F.conv2d(F.max_pool2d(pixels, window), -bright)}

# %% mystnb={"figure": {"name": "clipmat-pooling", "caption": "Windows of 8 x 8 pixels. White is a strong answer of the channel. Pooled first, the dark channel is the bright one turned round: dark lines are lost before it is asked."}, "image": {"alt": "The picture and three coarse grey maps; the second map keeps dark things that the third one has lost.", "width": "100%"}}
show.grid([square, *(map_[0, 0].numpy() if "bright" in name else show.gray(map_[0, 0].numpy()) for name, map_ in pooled.items())],
          ["the picture", *pooled]);

# %% [markdown]
# How much does it matter to the weights of this model, and what does it cost? The large map of Eq. 7, as written, has $D_v / 2$
# channels at full size.

# %%
rows = []
for extract, (_, first, _) in zip(model.extractors, branches):
    later = extract.norm_image(F.max_pool2d(normal, 2**extract.level))
    rows.append({"level": extract.level, "window": f"{2**extract.level} x {2**extract.level}",
                 "answers that differ": f"{100 * ((first - later).abs() > 1e-4).float().mean():.0f} %",
                 "by, in standard deviations": float((first - later).abs().mean() / first.std())})
show.table(rows, digits=2)

# %%
large_map = lambda channels, pixels_wide: f"{channels * pixels_wide**2 * 4 / 2**20:.0f} MiB"
print("one such map of one picture, float32: here", large_map(model.extractors[0].width, side), "| in the paper", large_map(768 // 2, 512))

# %% [markdown]
# So the code goes through the pixels of a window one after another and keeps the largest answer (`details.maxpool_projection`):
# the paper's order, without the paper's memory.
#
# ### What the picture adds at each level
#
# We take the picture away from one level at a time (it becomes plain grey there) and look at what the details decoder makes of
# it.


# %%
def detail_without(*left_out):
    """The detail map (S, S) of our sentence, with a grey picture at some levels."""
    maps = [extract(level, torch.zeros_like(normal) if extract.level in left_out else normal)
            for extract, level in zip(model.extractors, reversed(features.levels))]
    heard = model.details_text(popped[entity : entity + 1]) if model.details_text else None
    return model.details(maps, heard).sigmoid()[0, 0].numpy()


cases = [(), (4,), (3,), (2,), (1,), (4, 3, 2, 1)]
seen = [detail_without(*case) for case in cases]

# %% mystnb={"figure": {"name": "clipmat-without", "caption": "The details decoder's answer, with the picture at all levels, without it at one, and without it at any."}, "image": {"alt": "Six grey maps; the last one, without the picture, is blurred.", "width": "100%"}}
show.grid(seen, ["at all levels", *(f"not at level {case[0]}" for case in cases[1:5]), "at no level"]);

# %%
unknown = trimaps[entity] == 128
show.table([{"the picture is missing at": ", ".join(map(str, case)) or "no level",
             "mean change in the unknown region": float(np.abs(map_ - seen[0])[unknown].mean()),
             "mean error there": float(np.abs(map_ - alphas[entity])[unknown].mean())} for case, map_ in zip(cases, seen)])

# %% [markdown]
# The first row is the model as it is. Only errors inside the unknown region are counted, since only there the details decoder
# is believed.
#
# ## Two decoders
#
# The semantic decoder makes three maps of the pop-up map: how likely each pixel is background, unknown, foreground. It has two
# blocks of convolutions, each followed by an enlargement by 4; its trimap is at full size but its knowledge is of patches.

# %% mystnb={"figure": {"name": "clipmat-semantic", "caption": "The semantic decoder on the sentence that we follow: three probabilities, the trimap that they make, and the true one."}, "image": {"alt": "Three grey probability maps, and two trimaps in black, grey and white.", "width": "100%"}}
chances = output.trimap_logits[entity].softmax(0).numpy()
said = output.trimap_logits[entity].argmax(0).numpy()  # 0 background, 1 unknown, 2 foreground
show.grid([*chances, said / 2, trimaps[entity] / 255], ["background", "unknown", "foreground", "its trimap", "the truth"]);

# %% [markdown]
# The details decoder starts at level 4 of MDE and enlarges by 2 four times; after each step the next finer level is added. Its
# answer is meant for the unknown region only: elsewhere nobody tells it what to say.

# %%
show.source(decoders.DetailsDecoder.forward)

# %% mystnb={"figure": {"name": "clipmat-detail", "caption": "The details decoder's answer to each sentence. Read it near the edges of the thing that is meant; the rest is thrown away."}, "image": {"alt": "The picture and one grey map for each sentence.", "width": "100%"}}
show.grid([square, *output.detail[:, 0].numpy()], ["the picture", *sentences]);

# %% [markdown]
# ## CM: collaborative matting
#
# Where the trimap says foreground, alpha is 1; where it says background, 0; where it says unknown, alpha is the detail
# {cite:p}`gfm`:
#
# $$
# \alpha = \mathrm{detail} \cdot [\,\mathrm{unknown}\,] + [\,\mathrm{foreground}\,] .
# $$

# %%
show.source(collaboration.collaborate)

# %% mystnb={"figure": {"name": "clipmat-together", "caption": "For each sentence: the trimap, the detail, the part of it that is used, the matte, the true matte, and the cut-out."}, "image": {"alt": "A row of six pictures for each sentence.", "width": "100%"}}
classes = output.trimap_logits.argmax(1).numpy()
cells = [[label / 2, detail, np.where(label == 1, detail, 0), alpha, true, show.over(square, alpha)]
         for label, detail, alpha, true in zip(classes, output.detail[:, 0].numpy(), output.alpha[:, 0].numpy(), alphas)]
titles = ["trimap", "detail", "detail where unknown", "matte", "the truth", "cut out"] + [""] * 6 * (len(cells) - 1)
show.grid([cell for line in cells for cell in line], titles, columns=6, row_titles=keywords);

# %% [markdown]
# The choice of a class is a jump, and no gradient crosses a jump. So the matte teaches the details decoder, and only where the
# *predicted* trimap is unknown; the semantic decoder learns from its own loss alone.
#
# ## The losses
#
# Five terms. $p$ is a prediction, $a$ the truth, $w$ is 1 where the *true* trimap is unknown and 0 elsewhere. The paper names
# them and refers to GFM {cite:p}`gfm`; it gives no weights, and ours are in the profile.
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
def pyramid(x):
    """The levels of GFM's pyramid of x (1, 1, H, W), finest first, the rest last."""
    levels = []
    for _ in range(losses.LEVELS):
        blurred = F.conv2d(F.pad(x, (2, 2, 2, 2), mode="replicate"), losses.gfm_kernel(x.dtype, x.device))
        levels.append(x - blurred)
        x = F.avg_pool2d(blurred, 2)
    return [*levels, x]


p, a = output.alpha[entity : entity + 1], torch.from_numpy(alphas[entity])[None, None]  # (1, 1, S, S)
detail, w = output.detail[entity : entity + 1], torch.from_numpy(unknown)[None, None].float()
classes_true = torch.from_numpy(trimaps[entity] // 127).long()[None]  # (1, S, S); 0, 128, 255 become 0, 1, 2

# %% mystnb={"figure": {"name": "clipmat-punished", "caption": "Where each loss is paid, by the model's own answer. White is much, and each map has its own range."}, "image": {"alt": "Five grey maps: the first is large areas, the others lie along edges.", "width": "100%"}}
error = p - a
paid = {"cross-entropy": F.cross_entropy(output.trimap_logits[entity : entity + 1], classes_true, reduction="none")[0],
        "alpha, unknown": (w * (detail - a)).abs()[0, 0], "alpha": error.abs()[0, 0],
        "Laplacian, finest": pyramid(error)[0].abs()[0, 0], "Laplacian, third": pyramid(error)[2].abs()[0, 0]}
show.grid([map_.numpy() / max(float(map_.max()), 1e-9) for map_ in paid.values()], list(paid));

# %% [markdown]
# Why two losses for one matte? Take three mistakes that are equally large, so that the alpha loss cannot tell them apart:
# everything a little grey, edges blurred, noise.

# %%
rows, places = np.nonzero(mattes[entity] > 0.5)
truth = mattes[entity][max(rows.min() - 6, 0) : rows.max() + 7, max(places.min() - 6, 0) : places.max() + 7]
truth = images.resize(truth, (128, 128))  # close to the entity
noise = np.random.default_rng(1).integers(0, 2, truth.shape)
mistakes = {"grey": 0.5 - truth, "blur": cv2.GaussianBlur(truth, (0, 0), 3) - truth, "noise": (0.5 - truth) * noise}
amount = min(np.abs(mistake).mean() for mistake in mistakes.values())
damaged = {name: truth + mistake * (amount / np.abs(mistake).mean()) for name, mistake in mistakes.items()}
damaged = {name: torch.from_numpy(np.float32(wrong))[None, None] for name, wrong in damaged.items()}
close = torch.from_numpy(truth)[None, None]

# %% mystnb={"figure": {"name": "clipmat-mistakes", "caption": "Above the true matte, close, and three mistakes of the same mean size. Below, the finest level of the pyramid of each mistake, all in one range: what a Laplacian loss sees first."}, "image": {"alt": "Above four mattes: sharp, a little grey, blurred, noisy. Below the mistakes' fine parts: nearly nothing, edges, and noise everywhere.", "width": "100%"}}
finest = [pyramid(wrong - close)[0].abs()[0, 0].numpy() for wrong in damaged.values()]
top = max(map_.max() for map_ in finest)
above = [truth, *(wrong[0, 0].numpy() for wrong in damaged.values())]
show.grid([*above, None, *(map_ / top for map_ in finest)], ["the truth", *damaged, *[""] * 4], columns=4);

# %% [markdown]
# "Laplacian loss" is not one thing. GFM's adds the levels as they are; ViTMatte's has another kernel, weights level $k$ by
# $2^k$ and divides by 5. Here is what the variants, by name, say of the same mistakes:

# %%
show.table([{"mistake": name, "alpha loss": float(losses.alpha_loss(wrong, close)),
             **{f"Laplacian, {variant}": float(losses.laplacian_loss(wrong, close, variant=variant)) for variant in ("gfm", "vitmatte")}}
            for name, wrong in damaged.items()], digits=4)

# %% mystnb={"figure": {"name": "clipmat-kernels", "caption": "The two blurs. GFM's kernel adds a bump along the rows and one along the columns, and so has the arms of a cross; ViTMatte's multiplies them, a round hill."}, "image": {"alt": "Two grids of five by five grey cells.", "width": "100%"}}
both = [make(torch.float32, torch.device("cpu"))[0, 0].numpy() for make in (losses.gfm_kernel, losses.binomial_kernel)]
show.grid([*(np.kron(kernel / kernel.max(), np.ones((16, 16))) for kernel in both), None, None], ["gfm", "vitmatte", "", ""]);

# %% [markdown]
# This project trains with GFM's, to which the paper refers. All five terms on our scene, for each sentence:

# %%
weights_of = model.profile.train.losses
rows = []
for index, keyword in enumerate(keywords):
    one = type(output)(*(part[index : index + 1] for part in output))
    true = torch.from_numpy(alphas[index])[None, None], torch.from_numpy(trimaps[index] // 127).long()[None]
    parts = losses.clipmat_loss(one, *true, weights_of)
    rows.append({"asked for": keyword, **{name: float(part) for name, part in parts.items()}})
show.table([*rows, {"asked for": "weight", **vars(weights_of)}])

# %% [markdown]
# ## Sizes
#
# Table 11 of the paper, made by the code from the model at hand, with what comes out of each part for one picture and one
# sentence. The last column counts the paper's ViT-B/16 model for expressions, built from the same code without memory for its
# weights.

# %%
shapes = {"context": model.context.vectors[None].shape, "semantic.d0": output.trimap_logits[:1].shape, "details.d0": output.detail[:1].shape,
          **({} if output.match is None else {"match": output.match[:1].shape})}


def note(name):
    return lambda module, given, out: shapes.update({name: out.shape}) if torch.is_tensor(out) else None


hooks = [module.register_forward_hook(note(name)) for name, module in model.named_modules()]
single = model(pixels, tokens[entity : entity + 1])
for hook in hooks:
    hook.remove()

# %%
table11 = dict(backbone="ViT-B-16-quickgelu", image_size=512, text_length=69, popup_width=256, details_width=384,
               details_channels=(768, 384, 192, 96), details_out=(384, 192, 96, 32), details_text=False,
               match=False, popup_residual=False)
with torch.device("meta"):  # shapes without memory
    paper_settings = profile.load("tiny", **{f"model__{key}": value for key, value in table11.items()}).model
    paper = CLIPMat(paper_settings, *backbone.create_clip(paper_settings, "random"))

# %%
text_encoder = tuple(f"backbone.{name}" for name in ("token_embedding", "positional_embedding", "transformer", "ln_final"))
popup_parts = ("norm_visual", "norm_text", "cross_attn", "self_attn", "out")
parts = [  # module, part, its output, the names that its parameters begin with
    ("CLIP", "image encoder", "backbone.visual.ln_post", ("backbone.visual",)),
    ("CLIP", "text encoder", "backbone.ln_final", text_encoder),
    ("CP", "context", "context", ("context",)),
    *([("match (ours)", "patches", "match", ("match",))] if model.match else []),
    *(("TSP", name, f"popup.{name}", (f"popup.{name}",)) for name in popup_parts),
    *(("semantic decoder", name.upper(), f"semantic.{name}", (f"semantic.{name}",)) for name in ("d2", "d1", "d0")),
    *(("MDE", f"level {4 - index}", f"extractors.{index}", (f"extractors.{index}",)) for index in range(4)),
    *([("details decoder", "text (ours)", "details_text", ("details_text",))] if model.details_text else []),
    *(("details decoder", f"D{4 - index}", f"details.stages.{index}", (f"details.stages.{index}",)) for index in range(4)),
    ("details decoder", "D0", "details.d0", ("details.d0",)),
]


# %%
def parameters_in(net, begin=("",)):
    """How many parameters have names that begin so."""
    return sum(value.numel() for name, value in net.named_parameters() if name.startswith(begin))


ours, theirs = f"parameters, {model.profile.name}", "parameters, ViT-B/16"
rows = [{"module": module, "part": part, "output": " x ".join(map(str, shapes[key])), ours: f"{parameters_in(model, begin):,}",
         theirs: f"{parameters_in(paper, begin):,}"} for module, part, key, begin in parts]
show.table([*rows, {"module": "all", ours: f"{parameters_in(model):,}", theirs: f"{parameters_in(paper):,}"}])

# %% [markdown]
# A stage's output is shown before it is enlarged; Table 11 shows it after. Its "stride 3" would give other sizes than its own,
# so the convolutions have stride 1 here.
#
# ## Check
#
# The lengths of the text, and the order of reading: a word does not hear the context, the context hears the words.

# %% tags=["check"]
print({name: text + extra for name, (text, extra, _) in stated.items()}, "and CLIP reads", positions)
assert stated["expression"][0] + stated["expression"][1] == positions != stated["expression"][2]
silent = model.backbone.encode_text(tokens, torch.zeros_like(model.context.vectors))
torch.testing.assert_close(silent[:, :length], words[:, :length])
assert not torch.allclose(silent[:, length:], words[:, length:])
assert moved[0] < 1e-5 < moved[length:].min()

# %% [markdown]
# The pop-up is Eq. 1 to 5: our weights are its weights, and each patch's sum to 1. When all words
# say the same, only a residual in Eq. 3 could tell patches apart.

# %% tags=["check"]
torch.testing.assert_close(weight.sum(-1), torch.ones_like(weight[..., 0]))
by_hand = model.popup.cross_attn.project((weight @ value).transpose(1, 2).flatten(2))
torch.testing.assert_close(by_hand, crossed, atol=1e-5, rtol=1e-4)
x = by_hand + visual if model.popup.residual else by_hand
x = model.popup.out(x + model.popup.self_attn(x, x))[:, 1:]  # (1, N, D')
torch.testing.assert_close(x.transpose(1, 2).reshape(popped[:1].shape), popped[entity : entity + 1], atol=1e-4, rtol=1e-3)
assert spread[False] < 1e-4 < spread[True] and model.popup.residual == settings.popup_residual

# %% [markdown]
# MDE is Eq. 6 to 9, the picture gets into it at every level, and the order of norm and pool is the paper's.

# %% tags=["check"]
for extract, (from_clip, from_picture, made) in zip(model.extractors, branches):
    written = F.relu(extract.norm(extract.mix(torch.cat([from_clip, from_picture], dim=1))))  # Eq. 8 and 9
    torch.testing.assert_close(made, written, atol=1e-4, rtol=1e-3)
    assert made.shape[2] == side // 2**extract.level
    assert not torch.allclose(from_picture, extract.norm_image(F.max_pool2d(normal, 2**extract.level)), atol=1e-3)
assert all(np.abs(map_ - seen[0]).max() > 0 for map_ in seen[1:])
dark = pooled["dark, norm then pool"]
assert (dark >= pooled["dark, pool then norm"] - 1e-6).all() and (dark > pooled["dark, pool then norm"] + 0.1).any()

# %% [markdown]
# The matte keeps to the trimap, and teaches the details decoder only. The picture is encoded once, and the words decide:
# another sentence, another map.

# %% tags=["check"]
assert (p[0, 0].numpy()[said == 2] == 1).all() and (p[0, 0].numpy()[said == 0] == 0).all()
assert (p == detail)[0, 0].numpy()[said == 1].all()
with torch.enable_grad():
    logits, fine = output.trimap_logits.clone().requires_grad_(), output.detail.clone().requires_grad_()
    collaboration.collaborate(logits, fine).sum().backward()
assert logits.grad is None and torch.equal(fine.grad[:, 0], (output.trimap_logits.argmax(1) == 1).float())
assert (single.alpha - p).abs().mean() < 1e-3  # alone or among other sentences, the answer is the same
assert (popped[0] - popped[1]).abs().max() > 1e-3

# %% [markdown]
# The right answer costs nothing; equal mistakes cost the alpha loss equally and the Laplacian losses not; every parameter is in
# the table once.

# %% tags=["check"]
right = type(output)(50 * F.one_hot(classes_true, 3).permute(0, 3, 1, 2).float(), a, a)
assert all(part < 1e-4 for part in losses.clipmat_loss(right, a, classes_true).values())
assert np.ptp([float(losses.alpha_loss(wrong, close)) for wrong in damaged.values()]) < 1e-5
for variant in ("gfm", "vitmatte"):
    cost = {name: float(losses.laplacian_loss(wrong, close, variant=variant)) for name, wrong in damaged.items()}
    assert max(cost.values()) > 1.2 * min(cost.values())
assert abs(sum(float(level.abs().mean()) for level in pyramid(error)) - float(losses.laplacian_loss(p, a))) < 1e-5
assert all(sum(parameters_in(net, begin) for *_, begin in parts) == parameters_in(net) for net in (model, paper))

# %% [markdown]
# ## Summary
#
# * CLIP's encoders give a token for each patch and each word. They were trained to agree on *what*; *where* is a by-product,
#   and edges are not in it.
# * CP turns a keyword into a sentence and puts learned vectors behind it, which read the sentence and which no word reads. Text
#   and context together fill CLIP's positions in the paper's expression setting, and do not exceed them.
# * TSP: patches ask, words answer. As Eq. 3 is written, only how a patch listens gets through.
# * MDE brings the picture back at four sizes; its convolution stands before its pooling, so that dark details survive.
# * One decoder says where, one how much; the matte is put together from both, and each learns from losses of its own.
#
# The next chapter, [](04_train), trains all this.
#
# ## Exercises
#
# 1. Which words would you expect to matter, if the scene held two entities of one category? Write such a sentence and look at
#    its map in {numref}`clipmat-listening`.
#
# :::{dropdown} Answer
# The words of the place ("on the left of") and of attributes, for the category no longer tells the two apart. Make one with
# `model.tokenize([...])` and `model.encode_text`, and give it to `listen`. A patch knows where it is from CLIP's position
# embedding, so it can listen to such words at all.
# :::
#
# 2. Let every sentence use only the learned context: ask the emptiest sentence that you can write, say "a". What pops up?
#
# :::{dropdown} Answer
# `model(pixels, model.tokenize(["a"]))`. The context has then nothing to read but the start, "a", the end and padding. Compare
# `popped` and the score with those of a real sentence; a model that were deaf to the words would give the same for both.
# :::
#
# 3. Why can an encoder of $L$ positions take a context of 8 only at the price of 8 words?
#
# :::{dropdown} Answer
# Each position has a learned embedding of its own, and there are as many as CLIP was trained with. `Backbone.check_length`
# refuses more. The paper's 69 + 8 fills them exactly.
# :::
#
# 4. Give `pyramid` a mistake that is the same everywhere, `torch.full_like(a, 0.1)`. Which levels see it?
#
# :::{dropdown} Answer
# Only the last, the rest: a blur changes nothing about what is the same everywhere, so all differences from it are 0. Without
# the rest (ViTMatte's variant has none) the loss would not see it at all.
# :::
#
# 5. In the size table, where do the tiny model and the paper's differ least in their number of parameters, and why?
#
# :::{dropdown} Answer
# In the semantic decoder: its input, $D' = 64$, and its width, 32, are the same in both, and a convolution's parameters do not
# depend on the size of the picture.
# :::
