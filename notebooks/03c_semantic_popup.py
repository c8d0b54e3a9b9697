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
# # TSP: the text-driven semantic pop-up
#
# Every patch of the image attends to every token of the sentence, and the result is a map in which the object that is
# meant should stand out; this chapter follows it equation by equation, looks at the attention weights, and measures what
# they are worth.
#
# :::{admonition} Before you run this
# | | |
# |:--|:--|
# | Device | any processor; no accelerator is used |
# | Memory | 1.5 GB |
# | Minutes | below 1, on one core |
# | Inputs | the shipped photographs and the shipped model |
# | Outputs | none, only what you see |
# :::
#
# In the paper: Sec. 4.3; supplement Sec. 3, Eq. 1 to 5; Table 11 for widths, heads and dropout; the row of Table 3 that
# switches it on {cite:p}`rim`. The code is `rimlib/clipmat/popup.py`, and `rimlib/additions/` for what the paper does not have.

# %% tags=["parameters"]
weights: str = "shipped"  # the model: "shipped", or a checkpoint's path
split: str = "seen"  # photographs: "seen" in training, or "test"
scene: int = 19  # which scene of that split, from 0
entity: int = 1  # which of its entities we follow, from 0
expression: int = 3  # 0 basic, 1 absolute, 2 and 3 relative
twins: int = 31  # a scene of look-alikes, from 0 …
sides: str = "left, right"  # … and what its sentences name
probes: int = 12  # further scenes of each kind, where something is measured

# %% tags=["hide-input"]
import re
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
import webcolors
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from rimlib import profile, show
from rimlib.io import images
from rimlib.printed import tables
from rimlib.clipmat import CLIPMat, popup
from rimlib.additions import coordinates, score_map
from rimlib.clipmat.collaboration import collaborate
from rimlib.clipmat.model import TextFeatures
from rimlib.clipmat.popup import PlainFusion, TextDrivenPopup
from rimlib.errors import RimError
from rimlib.matting import relations
from rimlib.refmatte import plan
from rimlib.refmatte.build import pool_of
from rimlib.refmatte.example import example

torch.set_grad_enabled(
    False
)  # but for one cell, this chapter looks and does not train
model = CLIPMat.shipped() if weights == "shipped" else CLIPMat.load(weights)
settings, side = model.profile.model, model.image_size
if not settings.tsp:
    raise RimError(
        f"weights {weights}: a model without the pop-up (model.tsp is off); "
        "one that has it is expected"
    )


def encode(image):
    """The features of an image, which serve any number of sentences."""
    return model.encode_image(
        torch.from_numpy(images.resize(image, (side, side)))
        .permute(2, 0, 1)[None]
        .float()
        / 255
    )


def repeated(features, count):
    """The features of one image, for so many sentences."""
    return features.select(torch.zeros(count, dtype=torch.int64))


# %% [markdown]
# ## One image, several sentences
#
# A scene, and a sentence about each of its things. The image is encoded once. What the pop-up makes of its tokens
# under each sentence is shown in colours (like features, like colours, the same for all maps), and below it what the
# whole model answers.

# %% tags=["hide-input"]
seen = example(scene, split)
if not 0 <= entity < len(seen.keywords):
    raise RimError(
        f"entity {entity}: the scene has {len(seen.keywords)} entities, "
        f"from 0 to {len(seen.keywords) - 1}"
    )
square = images.resize(seen.image, (side, side))
sentences = [four[expression] for four in seen.expressions]
features, tokens = encode(seen.image), model.tokenize(sentences)
text = model.encode_text(tokens)
every = repeated(features, len(sentences))
_, embedding = model.added(
    every.tokens, text.sentence
)  # see "The score map" below
popped = model.popup(
    every.tokens, text.tokens, embedding, text.padding
)  # (M, D', h, w)
output = model.matte(every, text)

# %% mystnb={"figure": {"caption": "One image, a sentence for each of its things. Above the pop-up's map, below what the model cuts out.", "name": "popup-sentences"}, "image": {"alt": "A scene with three things; beside it three coarse maps in which another thing has another colour each time, and below them the three things cut out.", "width": "100%"}}
cut = [show.over(square, alpha) for alpha in output.alpha[:, 0].numpy()]
maps = show.colors(popped, (side, side))
show.grid(
    [square, *maps, None, *cut],
    ["the image", *sentences, *[""] * (1 + len(cut))],
    columns=1 + len(cut),
);

# %% [markdown]
# The image was the same three times; only the words differed. How do image tokens depend on words?
#
# ## Attention
#
# Three things are made of tokens, each by a matrix: from each image token a *query* $q_n$; from each text token a *key*
# $k_l$ and a *value* $v_l$. Query and key are compared, all comparisons of one query are made to sum to 1, and the image
# token receives the values, mixed by these weights.
# That is *attention* {cite:p}`attention`:
#
# $$
# a_{nl} = \frac{e^{q_n \cdot k_l / \sqrt{d}}}{\sum_m e^{q_n \cdot k_m / \sqrt{d}}}, \qquad \mathrm{attn}_n = W \sum_l a_{nl}\, v_l .
# $$
#
# It is done several times side by side, in *heads* of width $d$, four of them here as in the paper; $W$ mixes what they
# bring. The weights $a_{nl}$ of one word, drawn over the image, show which patches attend to it.

# %%
show.source(popup.Attention)

# %% tags=["hide-input"]
own_embedding = None if embedding is None else embedding[entity : entity + 1]
words = text.tokens[entity : entity + 1]  # (1, L, D_t)
masked = (
    None if text.padding is None else text.padding[entity : entity + 1]
)  # (1, L), the tokens that nothing attends to
heads = model.popup.cross_attention_weights(
    features.tokens, words, own_embedding, masked
)[0, :, 1:]  # (heads, N, L), without the class token
attention_of = heads.mean(0)  # (N, L)
row, grid, length, count = (
    tokens[entity],
    popped.shape[-1],
    tokens.shape[1],
    len(model.context.vectors),
)
end = int(row.argmax())  # the end of text has the largest number of all tokens
pieces = [
    model.tokenizer.decode(torch.stack([token, row[end]]))
    for token in row[1:end]
]
labels = [
    "start",
    *pieces,
    "end",
    *["padding"] * (length - end - 1),
    *["context"] * count,
]

# %% mystnb={"figure": {"caption": "Attention weights: the words whose weights differ most over the image, then the other tokens with which they do. Mean of the heads; each map has its own range, in percent of a patch's attention.", "name": "popup-attention"}, "image": {"alt": "The image and seven coarse maps over it, one for a token each.", "width": "100%"}} tags=["hide-input"]
of_words = sorted(
    (attention_of.std(0)[1:end].topk(min(4, end - 1)).indices + 1).tolist()
)  # the words that divide the image most
others = sorted(
    (attention_of.std(0)[end:].topk(7 - len(of_words)).indices + end).tolist()
)  # and what else does
strongest = of_words + others
ranges = [
    f"{labels[place]} ({100 * attention_of[:, place].min():.1f} to "
    f"{100 * attention_of[:, place].max():.1f} %)"
    for place in strongest
]
drawn = [
    show.heat(attention_of[:, place].reshape(grid, grid), square)
    for place in strongest
]
show.grid([square, *drawn], [sentences[entity], *ranges], columns=4);

# %% [markdown]
# The heads attend to different things. The word that divides the image most, head by head:

# %% mystnb={"figure": {"caption": "One word in each of the heads. The range is that of all four.", "name": "popup-heads"}, "image": {"alt": "Coarse maps over the image, one for each head, with different patches bright.", "width": "100%"}} tags=["hide-input"]
word = int(attention_of.std(0)[1:end].argmax()) + 1
low, high = float(heads[..., word].min()), float(heads[..., word].max())
titles = [
    f"head {number}: up to {100 * head[:, word].max():.0f} %"
    for number, head in enumerate(heads, start=1)
]
show.grid(
    [
        square,
        *(
            show.heat(head[:, word].reshape(grid, grid), square, low, high)
            for head in heads
        ),
    ],
    [f"attention to {labels[word]!r}", *titles],
);

# %% tags=["hide-input"]
where = {
    "start": [0],
    "words": list(range(1, end)),
    "end": [end],
    "padding": list(range(end + 1, length)),
    "context": list(range(length, length + count)),
}
attended = len(labels) - (0 if masked is None else len(where["padding"]))
show.table(
    [
        {
            "tokens": name,
            "how many": len(places),
            "share of all attention (%)": float(
                100 * attention_of[:, places].sum(1).mean()
            ),
            "if all weights were equal (%)": 0
            if name == "padding" and masked is not None
            else 100 * len(places) / attended,
        }
        for name, places in where.items()
    ],
    digits=1,
)

# %% [markdown]
# Does the padding have a share? In the paper's model it does: nothing masks it there, and it stands behind the words, so it
# depends on them (chapter [](03b_context_prompt)) and is context as well. Where `model.mask_padding` is on, as in the
# `tiny` profiles, nothing attends to it, and it need not be computed.
#
# A warning belongs to such pictures. They show *weights*, not what *decides*: a value may be nearly zero, or the
# same for all words, and a late layer may throw it away {cite:p}`notexplanation`. Further below we take things away and
# see what the matte does; that is the stronger evidence, and it will contradict what one would like to read here.
#
# ## The equations
#
# $x_v$ are the image tokens, $x_t$ the text tokens with padding and context, LN is layer norm:
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
#
# Eq. 1 and 2 bring both sides to one width $D$; here is the common space that the dropped projections (chapter
# [](03a_clip_features)) no longer give. In Eq. 3 the image attends to the words. In Eq. 4 it attends to itself:
# patches exchange what they received, which is one way to find out what is left *of the tree*. Eq. 5 narrows the tokens to
# $D'$ channels and lays them out as a map, without the class token.

# %%
show.source(TextDrivenPopup.forward)

# %% [markdown]
# The module is the equations, line by line, and one loop that the paper does not have: `layers` rounds more of both
# attentions, of which more below. For the equations themselves we take a pop-up without them, of the same weights.
# Each right-hand side is a submodule that is called, so a forward hook on each gives what it was given and what it made
# of it:

# %% tags=["hide-input"]
def as_written(residual=settings.popup_residual):
    """A pop-up of Eq. 1 to 5 alone, with the weights of the model's own."""
    twin = TextDrivenPopup(
        features.tokens.shape[2],
        words.shape[2],
        settings.popup_width,
        settings.popup_heads,
        settings.dropout,
        settings.popup_out,
        residual,
    ).eval()
    twin.load_state_dict(
        model.popup.state_dict(), strict=False
    )  # the further rounds have no place in it
    return twin


def record(module, *given):
    """The output of a call, and by name of each child its inputs and its
    output."""
    seen = {}
    hooks = [
        child.register_forward_hook(
            lambda _, inputs, out, name=name: seen.__setitem__(
                name, (inputs, out)
            )
        )
        for name, child in module.named_children()
    ]
    out = module(*given)
    for hook in hooks:
        hook.remove()
    return out, seen


literal = as_written()
made, seen_by = record(literal, features.tokens, words, own_embedding, masked)
aligned = seen_by["cross_attn"][0][
    :2
]  # x'_v, here with what the next sections add to it, and x'_t
steps = [
    ("–", "image tokens, class token first", features.tokens),
    ("–", "text tokens, padding and context", words),
    (1, "x'_v", seen_by["norm_visual"][1]),
    (2, "x'_t", seen_by["norm_text"][1]),
    (3, "x_f", seen_by["cross_attn"][1]),
    (4, "x_f", seen_by["out"][0][0]),
    (5, "before it is a map", seen_by["out"][1]),
    (5, "the map", made),
]
show.table(
    [
        {"equation": number, "what": what, "shape": tuple(tensor.shape)}
        for number, what, tensor in steps
    ]
)

# %% [markdown]
# ### The residual in Eq. 3
#
# Eq. 4 adds what goes into its attention to what comes out, Eq. 3 does not. So after Eq. 3 nothing is left of a patch
# but *its weights*: its vector is a mix of word vectors. If all words were the same, all patches would be the same.
# We can make them the same, and compare with a pop-up that adds $x'_v$ in Eq. 3, of the same weights.

# %% tags=["hide-input"]
same = words[:, -1:].expand(
    -1, words.shape[1], -1
)  # every token is the last one
spread = {}
for residual in (False, True):
    spread[residual] = float(
        as_written(residual)(features.tokens, same).std(dim=(2, 3)).mean()
    )
papers = profile.load("paper-b16").model.popup_residual
show.table(
    [
        {
            "Eq. 3": "with x'_v added" if residual else "as written",
            "spread of the map over the image": amount,
            "this model": "yes" if residual == model.popup.residual else "",
            "the paper's profiles": "yes" if residual == papers else "",
        }
        for residual, amount in spread.items()
    ],
    digits=6,
)

# %% [markdown]
# The setting `popup_residual` chooses. The supplement names a residual connection only after the self-attention, which
# is Eq. 4; most transformer decoders have one in both places, and so has the `tiny` profile. The paper's profiles
# follow the equation.
#
# ### Dropout
#
# Table 11 says `dropout=0.1` of both attentions. In training, a tenth of some numbers is set to zero at random and the
# others are made larger to match; afterwards nothing is dropped. Of *which* numbers the paper does not say. PyTorch's
# own attention drops weights $a_{nl}$; DenseCLIP {cite:p}`denseclip`, from which the pop-up descends, drops from the
# result. Ours does the latter. (The shipped model was trained on without dropout, which is quicker; here it is put back.)

# %% tags=["hide-input"]
torch.manual_seed(0)
attention = literal.cross_attn.train()
attention.dropout.p = 0.1
trials = torch.stack([attention(*aligned) for _ in range(200)])
calm = attention.eval()(*aligned)
off = lambda made: float((made - calm).norm() / calm.norm())
show.table(
    [
        {
            "numbers set to zero": float((trials == 0).float().mean()),
            "rate set": attention.dropout.p,
            "one trial, off by": off(trials[0]),
            f"mean of {len(trials)} trials, off by": off(trials.mean(0)),
        }
    ]
)

# %% [markdown]
# ## Switched off
#
# Table 3 of the paper has rows without TSP and does not say how the text then reaches the decoder. Something must take
# its place, or the model would not depend on the text. Ours is as plain as can be: each image token times one vector for the whole
# text, channel by channel.

# %%
show.source(PlainFusion)

# %% [markdown]
# What is lost? Patches can't exchange anything. We change one patch's token, and see which places of the map move
# (weights are random here, since no shipped model is without TSP; the question is about wiring).

# %% tags=["hide-input"]
torch.manual_seed(0)
sizes = features.tokens.shape[2], words.shape[2], settings.popup_width
wired = {
    "TSP": TextDrivenPopup(
        *sizes, settings.popup_heads, 0.0, settings.popup_out
    ).eval(),
    "PlainFusion": PlainFusion(*sizes, settings.popup_out).eval(),
}
patch = (grid // 2, grid // 2)
touched = features.tokens.clone()
touched[:, 1 + patch[0] * grid + patch[1]] = features.tokens[
    :, 1
]  # the middle patch becomes the first one
felt = {
    name: (net(touched, words) - net(features.tokens, words)).norm(dim=1)[0]
    for name, net in wired.items()
}

# %% mystnb={"figure": {"caption": "One patch of the image (left, white) is changed. Which places of the map move, on a scale of powers of ten; dark blue is not at all.", "name": "popup-exchange"}, "image": {"alt": "The image with one white patch, a map in which all places are coloured, and a map in which the one place alone is.", "width": "85%"}}
marked, step = square.copy(), side // grid
marked[
    patch[0] * step : (patch[0] + 1) * step,
    patch[1] * step : (patch[1] + 1) * step,
] = 255
drawn = [
    show.heat(torch.log10(moved.clamp(min=1e-6)), square, -6, 0)
    for moved in felt.values()
]
show.grid([marked, *drawn], ["the patch", *felt]);

# %% [markdown]
# Does that matter? CLIP's own blocks let patches exchange much before. So take a case in which they can't: a toy, in
# which an image is a grid of 4 × 4 places, two of them hold a cat and one a dog, and each token is its place's vector
# plus its thing's. Three sentences: *left cat*, *right cat*, *dog*. For each place a fusion must predict whether it is meant, as for
# a matte. For a dog its own token is enough. Whether a cat is the left one depends on where the other is. Decided by its
# column alone, it can be right so often:

# %%
columns = range(4)
pairs = [(a, b) for a, b in product(columns, columns) if a < b]
ceiling = max(
    np.mean([rule[a] and not rule[b] for a, b in pairs])
    for rule in product((False, True), repeat=4)
)
print(f"{100 * ceiling:.0f} % of the pairs, by the best rule of all")

# %% tags=["hide-input"]
toy = torch.Generator().manual_seed(0)
WIDTH, SIDE = 32, 4
# Vectors of each place, of each thing (nothing, cat, dog), of words, and of
# the end of each sentence.
place, thing, word, closing = (
    torch.randn(number, WIDTH, generator=toy)
    for number in (SIDE * SIDE, 3, 4, 3)
)


def scenes_of_cats(number, generator):
    """Image tokens (B, 1+16, D), text tokens (B, 3, D), the map that is meant
    (B, 4, 4), and which sentence, 2 being the dog."""
    spot = torch.rand(number, SIDE * SIDE, generator=generator).argsort(1)[
        :, :3
    ]  # of a cat, a cat and a dog
    spot = spot[spot[:, 0] % SIDE != spot[:, 1] % SIDE]  # in different columns
    which = torch.randint(3, (len(spot),), generator=generator)
    held = torch.zeros(len(spot), SIDE * SIDE, dtype=torch.int64)
    held.scatter_(1, spot, torch.tensor([1, 1, 2]).expand(len(spot), 3))
    cats = spot[:, :2].gather(
        1, (spot[:, :2] % SIDE).argsort(1)
    )  # the left one first
    meant = F.one_hot(
        torch.cat([cats, spot[:, 2:]], dim=1).gather(1, which[:, None])[:, 0],
        SIDE * SIDE,
    ).float()
    textual = torch.stack(
        [word[which], word[2 + which // 2 % 2], closing[which]], dim=1
    )  # the last token has read it all
    return (
        torch.cat(
            [torch.zeros(len(spot), 1, WIDTH), place + thing[held]], dim=1
        ),
        textual,
        meant.view(-1, SIDE, SIDE),
        which,
    )


def learn(fusion, steps=400):
    """Train a fusion and one channel on top; the share of new scenes whose
    whole map is right, by the sentence."""
    generator, top = torch.Generator().manual_seed(1), nn.Conv2d(8, 1, 1)
    optimizer = torch.optim.AdamW(
        [*fusion.train().parameters(), *top.parameters()], lr=3e-3
    )
    fall = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    with torch.enable_grad():
        for _ in range(steps):
            visual, textual, meant, _ = scenes_of_cats(64, generator)
            loss = (
                SIDE
                * SIDE
                * F.binary_cross_entropy_with_logits(
                    top(fusion(visual, textual))[:, 0], meant
                )
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            fall.step()
    visual, textual, meant, which = scenes_of_cats(
        2000, torch.Generator().manual_seed(2)
    )
    right = (
        (top(fusion.eval()(visual, textual))[:, 0] > 0) == meant.bool()
    ).all((1, 2))
    return {
        "dog": float(right[which == 2].float().mean()),
        "left cat, right cat": float(right[which < 2].float().mean()),
    }


# %% tags=["hide-input"]
torch.manual_seed(0)
learned = {
    "PlainFusion": learn(PlainFusion(WIDTH, WIDTH, WIDTH, 8)),
    "TSP, Eq. 3 as written": learn(
        TextDrivenPopup(WIDTH, WIDTH, WIDTH, 4, 0.0, 8)
    ),
    "TSP, x'_v added in Eq. 3": learn(
        TextDrivenPopup(WIDTH, WIDTH, WIDTH, 4, 0.0, 8, residual=True)
    ),
}
show.table(
    [
        {
            "fusion": name,
            **{
                f"right map, sentence: {what}": share
                for what, share in found.items()
            },
        }
        for name, found in learned.items()
    ],
    digits=2,
)

# %% [markdown]
# PlainFusion stays at what a column allows (about a thousand of the sentences mean a cat, so chance alone moves such a share by one or
# two hundredths); the pop-up, either way, learns to compare. In the real model the
# encoder's blocks do some of this comparing before the words come; but they do it without the sentence.
#
# ## The score map, which is not in the paper
#
# A CLIP that was trained for minutes is a poor start: its words and patches are only just aligned. A trial from random
# weights and without help still gave empty mattes for every sentence after five minutes of training. So the `tiny`
# profile starts from the small CLIP, keeps the last projections, and takes the cosine of each patch and the whole
# sentence, learning with the rest:
#
# $$
# m_n = s \cos(P_v x_{v,n},\; P_t x_t^{\text{end}}) + b, \qquad x'_{v,n} \leftarrow x'_{v,n} + m_n\, u ,
# $$
#
# with a learned scale $s$, bias $b$ and direction $u$. This *score map* is embedded in the image tokens, and it is trained by its own
# loss too. DenseCLIP does the like {cite:p}`denseclip`. The paper's model has none, and the paper's profiles keep it off.

# %%
show.source(score_map.ScoreMap.forward)

# %% mystnb={"figure": {"caption": "The score of each patch and each sentence in the trained model, as a probability, dark blue 0 and yellow 1.", "name": "popup-score-map"}, "image": {"alt": "The image, and for each sentence a coarse map over it that is bright where the sentence fits.", "width": "100%"}}
probable = output.score_map[:, 0].sigmoid().numpy() if model.score_map else []
show.grid(
    [square, *(show.heat(map_, square, 0, 1) for map_ in probable)],
    ["the image", *sentences[: len(probable)]],
);

# %% [markdown]
# ## Which of two
#
# "The left dog" and "the right dog" differ in one word, and both dogs may be the same photograph. Then all their patches
# differ by is where they are. Can attention tell them apart? A toy to recompute by hand: three patches in a row, a dog, a
# tree and a dog, at $x = -1, 0, 1$, and three tokens, the start, *left* and *dog*. A query has two numbers, "is a dog" and
# $x$. Let the keys be $(0, 0)$ for the start, $(0, -1)$ for *left* and $(1, 0)$ for *dog*; so *left* fits best where $x$
# is small. The values are $-1$ for the start and $1$ for the two words. For the first dog the products are 0, 1 and 1, the
# weights $1, e, e$ over their sum, 0.16, 0.42 and 0.42, and it receives $-0.16 + 0.42 + 0.42 = 0.69$.

# %% tags=["hide-input"]
is_dog, x = torch.tensor([1.0, 0, 1]), torch.tensor([-1.0, 0, 1])
keys, values = (
    torch.tensor([[0.0, 0], [0, -1], [1, 0]]),
    torch.tensor([-1.0, 1, 1]),
)  # of the start, "left" and "dog"
received = {}
for name, place in {"without x": 0 * x, "with x": x}.items():
    weights_by_hand = (torch.stack([is_dog, place], dim=1) @ keys.T).softmax(
        dim=1
    )  # (patches, tokens)
    received[name] = weights_by_hand @ values
show.table(
    [
        {
            "patch": patch,
            **{
                f"receives, {name}": float(amount[number])
                for name, amount in received.items()
            },
        }
        for number, patch in enumerate(
            ("the left dog", "the tree", "the right dog")
        )
    ],
    digits=2,
)

# %% [markdown]
# With $x$ among a patch's numbers, a bar at 0.6 finds the left dog alone. Without it both dogs receive the same, and
# whatever comes later can find both or none.
#
# So a patch must know where it is. The encoder has positions, but those that it learns are much alike to the left and to
# the right (chapter [](03a_clip_features)): images are flipped in training, and few sentences need a side. The shipped model
# gives the pop-up's image tokens their **coordinates**: a linear map of $x$, $y$, their signs and their squares is added to
# $x'_v$ (`model.coordinates`, not in the paper).
#
# A place alone is not enough where both dogs stand in the left half. Then a dog must be compared with the other dog, as in
# the toy with the cats: patches first find out that they are dogs, and then which dog is farther left. Eq. 4 is one
# exchange between patches; the shipped model has two **further rounds** of self-attention, cross-attention and a perceptron
# (`model.popup_layers`, not in the paper either). Both are off in the paper's profiles.

# %%
show.source(coordinates.Coordinates.places)

# %% [markdown]
# Now the real model, on a scene of look-alikes:

# %% mystnb={"figure": {"caption": "Things that share every word but their place. Each sentence differs from the next in one word.", "name": "popup-twins"}, "image": {"alt": "A scene with things of one kind, and beside it, for each sentence, one of them cut out.", "width": "100%"}}
alike = example(twins, "alike")
noun = alike.keywords[0]
asked = [f"the {side} {noun}" for side in sides.split(", ")]
small, given = images.resize(alike.image, (side, side)), encode(alike.image)
cut = (
    model.matte(
        repeated(given, len(asked)), model.encode_text(model.tokenize(asked))
    )
    .alpha[:, 0]
    .numpy()
)
show.grid(
    [small, *(show.over(small, alpha) for alpha in cut)], ["the image", *asked]
);

# %% [markdown]
# ## What decides?
#
# The pop-up gets several things: the tokens of the sentence, by attention; the score map; the coordinates; and it has its
# further rounds. Which of them does this model use? We take one away, or exchange it for that of a sentence about
# another thing, and count how often the matte is still that of the entity that is meant (its IoU with the truth is above
# one half); once in scenes whose things differ, once in scenes of look-alikes.

# %% tags=["hide-input"]
found = {
    name: [
        one
        for one in (example(number, name) for number in range(probes))
        if len(one.keywords) > 1
    ]
    for name in (split, "alike")
}
encoded = {
    name: [encode(one.image) for one in some] for name, some in found.items()
}


def answer(
    features, text, whole=None, flat=False, placeless=False, rounds=True
):
    """Mattes (M, S, S) of one image and M sentences.

    `whole` (M, D_t) are the sentence features of the score map, if others.
    With `flat` all patches have one score, with `placeless` one place, the
    mean of theirs; without `rounds` Eq. 1 to 5 are all.
    """
    many = repeated(features, len(text.tokens))
    even = lambda map_: torch.cat(
        [
            map_[:, :1],
            map_[:, 1:].mean(1, keepdim=True).expand_as(map_[:, 1:]),
        ],
        dim=1,
    )
    _, scores = (
        model.score_map(many.tokens, text.sentence if whole is None else whole)
        if model.score_map
        else (None, None)
    )
    places = (
        model.coordinates(many.tokens)
        if model.coordinates is not None
        else None
    )
    parts = [(scores, flat), (places, placeless)]
    added = [
        even(part) if levelled else part
        for part, levelled in parts
        if part is not None
    ]
    map_ = (model.popup if rounds else literal)(
        many.tokens, text.tokens, sum(added) if added else None, text.padding
    )
    detail = model.details(
        many.details, model.details_text(map_) if model.details_text else None
    )
    return collaborate(model.semantic(map_).float(), detail.float().sigmoid())[
        :, 0
    ].numpy()


ways = {
    "all as it is": lambda t, other: {"text": t},
    "tokens of another sentence": lambda t, other: {
        "text": TextFeatures(
            t.tokens[other], t.sentence, t.select(other).padding
        )
    },
    "score map of another sentence": lambda t, other: {
        "text": t,
        "whole": t.sentence[other],
    },
    "one score for all patches": lambda t, other: {"text": t, "flat": True},
    "one place for all patches": lambda t, other: {
        "text": t,
        "placeless": True,
    },
    "no further rounds": lambda t, other: {"text": t, "rounds": False},
}
iou = lambda made, truth: (
    np.minimum(made, truth).sum((1, 2))
    / np.maximum(made, truth).sum((1, 2)).clip(min=1e-6)
)
hits = {(name, way): [] for name in found for way in ways}
for name, some in found.items():
    for one, given in zip(some, encoded[name]):
        encoded_text = model.encode_text(
            model.tokenize(
                [text for four in one.expressions for text in four],
                truncate=True,
            )
        )
        truth = np.repeat(
            [images.resize(matte, (side, side)) for matte in one.mattes],
            4,
            axis=0,
        )
        other = torch.arange(len(truth)).roll(
            4
        )  # the same kind of sentence about the next thing
        for way, change in ways.items():
            hits[name, way] += list(
                iou(answer(given, **change(encoded_text, other)), truth) > 0.5
            )
share = {key: float(np.mean(some)) for key, some in hits.items()}
chance = {
    name: float(
        np.mean([1 / len(one.keywords) for one in some for _ in one.keywords])
    )
    for name, some in found.items()
}
titles = {
    name: f"{what} (%), {len(hits[name, 'all as it is'])} sentences"
    for name, what in ((split, "found"), ("alike", "found among look-alikes"))
}
show.table(
    [
        *(
            {
                "what the pop-up gets": way,
                **{titles[name]: 100 * share[name, way] for name in found},
            }
            for way in ways
        ),
        {
            "what the pop-up gets": "(one of the entities at random, cut "
            "out perfectly)",
            **{titles[name]: 100 * chance[name] for name in found},
        },
    ],
    digits=0,
)

# %% [markdown]
# The attention maps above show *weights*; this table shows what decides. In ordinary scenes the score map says which kind of
# thing is meant, and without it little is found. Among look-alikes it says the same of all of them. There the tokens, the
# places and the further rounds decide: without one of them the model falls to chance or below it.
#
# ### Which words?
#
# The same for the words, of the whole model: exchange one word for another of its kind, and see whether the
# matte moves. A noun or a colour of another thing should move it; so should *left* for *right*, at least where a thing of
# the kind stands on the other side.

# %% tags=["hide-input"]
colours = set(webcolors.names("css3"))


def exchanged(sentence, keyword):
    """The sentence with one thing changed, by what was changed."""
    noun = re.sub(
        rf"\b{re.escape(keyword)}\b",
        "guitar" if keyword != "guitar" else "fox",
        sentence,
        count=1,
    )
    colour = next(
        (one for one in re.findall(r"[a-z]+", sentence) if one in colours),
        "no colour",
    )
    article = re.sub(
        r"^(the|an|a)\b",
        lambda found: "a" if found[0] == "the" else "the",
        sentence,
    )
    return {
        "the, a or an": article,
        "left and right": relations.mirror(sentence),
        "its noun": noun,
        "its colour": sentence.replace(
            colour, "crimson" if colour != "crimson" else "teal", 1
        ),
    }


shift = {}
for name, some in found.items():
    for one, given in zip(some, encoded[name]):
        exchanges = [
            (text, what, other)
            for keyword, four in zip(one.keywords, one.expressions)
            for text in four
            for what, other in exchanged(text, keyword).items()
            if other != text
        ]
        texts = list(
            dict.fromkeys(
                text
                for first, _, other in exchanges
                for text in (first, other)
            )
        )
        mattes = dict(
            zip(
                texts,
                answer(
                    given,
                    model.encode_text(model.tokenize(texts, truncate=True)),
                ),
            )
        )
        for first, what, other in exchanges:
            if (
                mattes[first].sum() > 50
            ):  # where nothing was found, nothing can move
                shift.setdefault((name, what), []).append(
                    float(
                        np.abs(mattes[other] - mattes[first]).sum()
                        / mattes[first].sum()
                    )
                )
swaps = ("the, a or an", "left and right", "its noun", "its colour")
show.table(
    [
        {
            "exchanged": what,
            **{
                f"{place}: {title}": value
                for name, place in (
                    (split, "things that differ"),
                    ("alike", "look-alikes"),
                )
                for title, value in {
                    "sentences": len(shift[name, what]),
                    "moves by more than half (%)": 100
                    * float(np.mean(np.array(shift[name, what]) > 0.5)),
                }.items()
            },
        }
        for what in swaps
    ],
    digits=0,
)

# %% [markdown]
# An article changes next to nothing. A noun decides where things differ, and so does a colour. Among look-alikes a side
# decides.
#
# That is no matter of the architecture alone. A model with the same equations that was trained on ordinary scenes keeps
# its answer when *left* and *right* are exchanged; chapter [](02d_what_words_are_needed) measures it, and has the reason.
# In ordinary scenes a noun is mostly enough, and in most of the others the colour:

# %%
planned = {
    name: plan.plan(pool_of(some), some, "train")
    for name in ("tiny-long", "tiny-192-finish")
    for some in [
        profile.load(name, data__groups_train=4, data__extra_train=200).data
    ]
}
for name, scenes_of_it in planned.items():
    print(
        f"{name}: "
        f"{100 * np.mean([one.keyword_clear for one in scenes_of_it]):.0f} "
        f"% of {len(scenes_of_it)} training scenes have no keyword twice"
    )

# %% [markdown]
# Training takes the easiest way that fits its data. What a model should listen to must decide something there.
#
# ## Cost
#
# A further sentence on an image does not pay for the image encoder again, but it pays for all of this. The
# multiplications, by the formula of each part, for the paper's sizes and ours; the last row compares with the image
# encoder, counted as in chapter [](03a_clip_features).


# %% tags=["hide-input"]
def macs(n, words, image_width, text_width, width, out):
    """Multiplications of each part of the pop-up for n image tokens and so
    many text tokens."""
    return {
        "Eq. 1, Linear": n * image_width * width,
        "Eq. 2, Linear": words * text_width * width,
        "Eq. 3, matrices of q, k, v and W": 2 * n * width**2
        + 2 * words * width**2,
        "Eq. 3, between patches and words": 2 * n * words * width,
        "Eq. 4, matrices of q, k, v and W": 4 * n * width**2,
        "Eq. 4, between patches": 2 * n * n * width,
        "Eq. 5, MLP": n * (width**2 + width * out),
    }


def tower(n, width, blocks):
    return (
        blocks * (12 * n * width**2 + 2 * n**2 * width)
        + (n - 1) * 3 * 16**2 * width
    )


cases = {
    "paper-b16, expressions": (
        macs(1025, 77, 768, 512, 256, 64),
        tower(1025, 768, 12),
    ),
    "paper-b16, keywords": (
        macs(1025, 22, 768, 512, 256, 64),
        tower(1025, 768, 12),
    ),
    "paper-l14, expressions": (
        macs(1025, 77, 1024, 768, 256, 64),
        tower(1025, 1024, 24),
    ),
    "this model": (
        macs(grid**2 + 1, length + count, *sizes, settings.popup_out),
        tower(
            grid**2 + 1,
            sizes[0],
            len(model.backbone.visual.transformer.resblocks),
        ),
    ),
}
parts = [*next(iter(cases.values()))[0]]
row_of = lambda part, value: {
    "part": part,
    **{f"MMAC, {name}": value(*case) for name, case in cases.items()},
}
show.table(
    [
        *(
            row_of(part, lambda made, _, part=part: f"{made[part] / 1e6:,.1f}")
            for part in parts
        ),
        row_of(
            "all of TSP", lambda made, _: f"{sum(made.values()) / 1e6:,.1f}"
        ),
        row_of(
            "the same in % of the image encoder",
            lambda made, whole: f"{100 * sum(made.values()) / whole:.2f}",
        ),
    ]
)

# %% [markdown]
# Attention of patches to words costs little; the largest line is Eq. 4, in which each patch attends to each other
# one. Next to the image encoder the whole pop-up is small.
#
# What is it worth? The paper's Table 3, keyword setting, first without and then with TSP, both without MDE and CP:

# %% tags=["hide-input"]
columns = ("SAD", "MSE", "MAD")
table3 = {
    on: [tables()["table3"].number(row, column).value for column in columns]
    for on, row in ((False, "none"), (True, "tsp"))
}
scale = "CLIPMat ViT-B/16 (RefMatte test, keyword, about 1.75 megapixels)"
show.table(
    [
        {
            "TSP": "yes" if on else "",
            f"SAD, {scale}": f"{sad:.2f}",
            "MSE": mse,
            "MAD": mad,
        }
        for on, (sad, mse, mad) in table3.items()
    ],
    digits=4,
)

# %% [markdown]
# What stood in for TSP in the first row is not known. Ours for the same question takes a training with `model.tsp` off,
# in which PlainFusion stands in; a table of such trainings belongs to the evaluation, and this chapter claims nothing
# about it.
#
# ## Check
#
# Each equation gets what the one before it gave, for each sentence; the weights that we drew are the ones that it
# computes with; a row of them sums to 1.

# %% tags=["check", "hide-input"]
for index in range(len(sentences)):
    one = None if embedding is None else embedding[index : index + 1]
    hidden = None if text.padding is None else text.padding[index : index + 1]
    out, seen_by = record(
        literal, features.tokens, text.tokens[index : index + 1], one, hidden
    )
    x_v, x_t = seen_by["cross_attn"][0][:2]
    assert (
        torch.equal(
            x_v, seen_by["norm_visual"][1] + (0 if one is None else one)
        )
        and x_t is seen_by["norm_text"][1]
    )
    queries, memory = seen_by["self_attn"][0]
    assert queries is memory and torch.equal(
        seen_by["out"][0][0], queries + seen_by["self_attn"][1]
    )
    torch.testing.assert_close(
        queries - seen_by["cross_attn"][1],
        x_v if model.popup.residual else 0 * x_v,
        atol=1e-5,
        rtol=1e-5,
    )
    torch.testing.assert_close(out[0].flatten(1).T, seen_by["out"][1][0, 1:])
    whole, _ = record(
        model.popup,
        features.tokens,
        text.tokens[index : index + 1],
        one,
        hidden,
    )
    torch.testing.assert_close(whole[0], popped[index], atol=1e-4, rtol=1e-3)
torch.testing.assert_close(heads.sum(-1), torch.ones_like(heads[..., 0]))
values = literal.cross_attn.split(*aligned)[2]  # (1, heads, L, D/heads)
mixed = (
    literal.cross_attention_weights(
        features.tokens, words, own_embedding, masked
    )
    @ values
)
mixed = literal.cross_attn.project(mixed.transpose(1, 2).flatten(2))
torch.testing.assert_close(
    mixed, literal.cross_attn(*aligned, masked), atol=1e-5, rtol=1e-4
)
assert all(
    (popped[a] - popped[b]).abs().max() > 1e-3
    for a, b in [(0, -1)]
    if len(sentences) > 1
), "another sentence, another map"

# %% [markdown]
# When all words are the same, only a residual in Eq. 3 keeps patches apart. Dropout takes a tenth, and nothing at
# all after training.

# %% tags=["check"]
assert (
    spread[False] < 1e-4 < spread[True]
    and model.popup.residual == settings.popup_residual
)
assert not any(
    profile.load(name).model.popup_residual
    for name in ("paper-b16", "paper-l14")
)
assert (
    abs(float((trials == 0).float().mean()) - attention.dropout.p) < 0.01
    and (trials.mean(0) - calm).norm() < 0.1 * calm.norm()
)
torch.testing.assert_close(literal.cross_attn(*aligned), calm)

# %% [markdown]
# PlainFusion moves where its patch is and nowhere else, and does not find the left cat; TSP moves everywhere, and does.

# %% tags=["check"]
elsewhere = torch.ones(grid, grid, dtype=torch.bool)
elsewhere[patch] = False
assert (
    felt["PlainFusion"][elsewhere].max() < 1e-6 < felt["PlainFusion"][patch]
    and felt["TSP"][elsewhere].min() > 1e-6
)
assert (
    learned["PlainFusion"]["dog"] > 0.95
    and learned["PlainFusion"]["left cat, right cat"] < ceiling + 0.08
)
assert all(
    min(found.values()) > 0.9
    for name, found in learned.items()
    if name.startswith("TSP")
)

# %% [markdown]
# The toy as it is by hand. The score map, the coordinates and further rounds are not in the paper's profiles; what this
# chapter claims of the shipped model; and the count of multiplications, against PyTorch's own.

# %% tags=["check", "hide-input"]
e = float(np.e)
torch.testing.assert_close(
    received["with x"],
    torch.tensor(
        [(2 * e - 1) / (2 * e + 1), 1 / 3, (e + 1 / e - 1) / (e + 1 / e + 1)]
    ),
)
assert (
    received["without x"][0]
    == received["without x"][2]
    > received["without x"][1]
)
papers = [profile.load(name).model for name in ("paper-b16", "paper-l14")]
assert not any(
    one.score_map or one.coordinates or one.popup_layers for one in papers
)
if (weights, split) == ("shipped", "seen"):
    moved = {
        key: float(np.mean(np.array(some) > 0.5))
        for key, some in shift.items()
    }
    assert (
        share["alike", "all as it is"]
        > share["alike", "one place for all patches"] + 0.2
    )
    assert share["alike", "all as it is"] > chance["alike"] + 0.1
    assert (
        moved["alike", "left and right"] > 0.6
        and moved["seen", "the, a or an"]
        < 0.1
        < 0.5
        < moved["seen", "its noun"]
    )
with FlopCounterMode(display=False) as counter:
    TextDrivenPopup(768, 512, 256, 4, 0.0, 64).eval()(
        torch.zeros(1, 1025, 768), torch.zeros(1, 77, 512)
    )
counted, stated = (
    counter.get_total_flops() / 2,
    sum(cases["paper-b16, expressions"][0].values()),
)
print(
    f"PyTorch counts {counted / 1e6:,.1f} MMAC, the formulas "
    f"{stated / 1e6:,.1f}"
)
assert abs(counted - stated) < 0.001 * stated

# %% [markdown]
# ## Summary
#
# * In attention each image token weighs all text tokens and receives their mix: Eq. 3. Then image tokens do the same
#   among themselves: Eq. 4.
# * As Eq. 3 is written, nothing of a patch gets through but its weights; a setting adds the patch itself.
# * Without exchange between patches, as in PlainFusion, "the left one" can't be found; with it, it can.
# * The shipped model has a score map, coordinates and further rounds besides, which the paper has not. The first says what
#   is meant, the others which one. Pictures of attention show weights; taking things away shows what decides.
# * The pop-up costs about a hundredth of what the paper's image encoder does, or less.
#
# Before: [](03b_context_prompt). Next: [](03d_details_extractor), which brings back what a map of patches has lost:
# edges. The code: `rimlib.clipmat.popup`, `rimlib.clipmat.attention`, and `score_map`, `coordinates` and `rounds` in
# `rimlib.additions`.
#
# ## Exercises
#
# 1. Which words would you expect to matter, if the scene held two things of one category? Scene 12 has two fish. Run
#    this chapter on it, and look at which of them its sentences find.
#
# :::{dropdown} Answer
# `python -m course run 03c_semantic_popup -p scene 12`. The colours and the places should matter, for both have the
# same noun. The shipped model finds one of the fish well and the other badly: it goes by the colour where that
# helps, and not by the places.
# :::
#
# 2. Multiply the queries of the cross-attention by 0 (`model.popup.cross_attn.query.weight.data *= 0`). What do the
#    weights become, and what is the map of Eq. 3 as written then?
#
# :::{dropdown} Answer
# All $e^0 = 1$: each weight is $1/L$, for each patch. Each patch receives the mean of all values, so all patches are
# the same, and the map is flat. Patches can differ only by their queries. With `popup_residual` the patches stay apart,
# for $x'_v$ is added.
# :::
#
# 3. In the toy, give the cats' tokens no place (`place * 0`). Who can find the left cat now?
#
# :::{dropdown} Answer
# No model can. The two cats have the same token then, the same queries and the same results; attention does not
# depend on the order of its tokens. Both must be meant or neither. The dog is still found. It is the position embedding that
# gives "left" a meaning.
# :::
#
# 4. For which number of image tokens do the multiplications between patches (Eq. 4) overtake those in its matrices?
#    Where is an image of 1024 × 1024 pixels?
#
# :::{dropdown} Answer
# $2 n^2 D > 4 n D^2$ when $n > 2D = 512$ for the paper's $D = 256$; at 512 × 512 pixels, with 1,025 tokens, it is past
# that already. At 1024 × 1024 there are 4,097 tokens, and the square makes that part sixteen times as dear. It is one
# reason to keep the pop-up at a fixed size and leave the resolution to the details.
# :::
