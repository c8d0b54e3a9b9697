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
# # CP: the context-embedded prompt
#
# Before a keyword stand words that make a sentence of it, and behind every sentence stand eight learned vectors that are
# no word's; this chapter measures what either does, and which token attends to which.
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
# In the paper: Sec. 4.2; supplement Sec. 3, "Matting-related prefix templates", and Sec. 4.3.2 with Table 8; Table 3
# {cite:p}`rim`. The code is `rimlib/clipmat/prompt.py`, and `encode_text` of `rimlib/clipmat/backbone.py`.

# %% tags=["parameters"]
weights: str = "shipped"  # the matting model: or a checkpoint's path
clip_weights: str = "clip"  # or "random", or a .safetensors file's path
split: str = "seen"  # photographs: "seen" in training, or "test"
scene: int = 2  # which scene of that split, from 0
entity: int = 0  # which of its entities is meant, from 0
probes: int = 16  # further scenes, where something is measured

# %% tags=["hide-input"]
from collections import Counter
from random import Random

import matplotlib.pyplot as plt
import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from matplotlib.patches import FancyBboxPatch

from rimlib import profile, show
from rimlib.io import images
from rimlib.printed import tables
from rimlib.clipmat import CLIPMat, attention, backbone, prompt
from rimlib.clipmat.clip_weights import create_clip
from rimlib.clipmat.tokenizer import Tokenizer
from rimlib.entities import synonyms
from rimlib.errors import RimError
from rimlib.training import contrast
from rimlib.training.samples import Samples
from rimlib.refmatte import plan
from rimlib.refmatte.build import open_pool
from rimlib.refmatte.example import example

torch.set_grad_enabled(False)  # this chapter looks, it does not train
model = CLIPMat.shipped() if weights == "shipped" else CLIPMat.load(weights)
settings, side = model.profile.model, model.image_size
clip = contrast.ContrastiveCLIP(
    *create_clip(settings, clip_weights), side
).eval()  # before matting

# %% [markdown]
# ## One thing, several sentences
#
# A scene, and a keyword of one thing in it. The keyword can stand alone, or in a sentence; the sentence can be one
# that training used, or not.

# %% tags=["hide-input"]
seen = example(scene, split)
if not 0 <= entity < len(seen.keywords):
    raise RimError(
        f"entity {entity}: the scene has {len(seen.keywords)} entities, "
        f"from 0 to {len(seen.keywords) - 1}"
    )
square = images.resize(seen.image, (side, side))
keyword = seen.keywords[entity]
other_ways = (
    "the {keyword}",
    "please cut out the {keyword} for me",
    "somebody drew the {keyword}",
)  # training used none of these


def predict(features, sentences):
    """Mattes (M, S, S) and scores (M,) of sentences about one image whose
    features are there already."""
    every = features.select(torch.zeros(len(sentences), dtype=torch.int64))
    output = model.matte(every, model.encode_text(model.tokenize(sentences)))
    return output.alpha[:, 0].numpy(), output.score.numpy()


def encode(image):
    """What the model keeps of an image."""
    return model.encode_image(
        torch.from_numpy(images.resize(image, (side, side)))
        .permute(2, 0, 1)[None]
        .float()
        / 255
    )


features = encode(seen.image)

# %% mystnb={"figure": {"caption": "The same thing in six wordings. Above wordings of training, below some that it never used. The score is the confidence that the sentence fits something.", "name": "prompt-ways"}, "image": {"alt": "A scene, and six cut-outs on a checkerboard, each under its wording and its score: three above, three below.", "width": "100%"}}
ways = [
    way.format(keyword=keyword)
    for way in (
        *(prompt.TEMPLATES[number] for number in (0, 1, 6)),
        *other_ways,
    )
]
cut, scores = predict(features, ways)
views = [show.over(square, alpha) for alpha in cut]
titles = [f'"{way}": score {score:.2f}' for way, score in zip(ways, scores)]
show.grid(
    [square, *views[:3], None, *views[3:]],
    ["the image", *titles[:3], "", *titles[3:]],
    columns=4,
);

# %% [markdown]
# What stands around a keyword can change the matte. Two ideas of the paper follow from that, and together they are
# **CP**, the context-embedded prompt. The *pre-embedding context* is words in front, so that the text encoder gets the
# kind of sentence of its training. The *post-embedding context* is vectors behind, which are learned.
#
# ## What the encoder is given: tokens
#
# A text encoder does not read letters. A **tokenizer** cuts the sentence into pieces that it has numbers for. Frequent
# words are a piece each; rarer ones are put together of several, in the last resort of letters {cite:p}`bpe`. The
# pieces were found by merging the pairs that stand side by side most often, over and over, in some body of text: CLIP's
# in its captions, our small one's in our own sentences.


# %% tags=["hide-input"]
def strip(tokenizer, sentence, length, context, most=66):
    """A sentence as its tokens: rows of (text, number, kind), a row as wide as
    the figure."""
    row = tokenizer([sentence])[0]
    end = int(row.argmax())  # the end of text has the largest number of all
    piece = lambda token: tokenizer.decode(torch.stack([token, row[end]]))
    cells = [
        ("start", int(row[0]), "mark"),
        *((piece(token), int(token), "word") for token in row[1:end]),
        ("end", int(row[end]), "mark"),
        (f"padding x {length - end - 1}", 0, "padding"),
        (f"context x {context}", "–", "context"),
    ]
    rows, used = [[]], 0
    for cell in cells:
        if used + max(len(cell[0]), 4) + 2 > most:
            rows, used = [*rows, []], 0
        rows[-1].append(cell)
        used += max(len(cell[0]), 4) + 2
    return rows


def draw(strips, titles):
    """Tokens as boxes, each with its number below."""
    colors = dict(
        mark="#bbbbbb",
        word=show.PALETTE[4],
        padding="#e5e5e5",
        context=show.PALETTE[1],
    )
    count = sum(len(rows) for rows in strips)
    figure, axis = plt.subplots(
        figsize=(show.WIDTH, 0.42 * count + 0.35 * len(strips))
    )
    y = 0.0
    for rows, title in zip(strips, titles):
        axis.text(0, y, title, fontsize=9, fontweight="bold", va="center")
        for row in rows:
            y, x = y - 1, 0.0
            for text, number, kind in row:
                width = max(len(text), 4) + 1.2
                axis.add_patch(
                    FancyBboxPatch(
                        (x, y - 0.12),
                        width,
                        0.55,
                        boxstyle="round,pad=0.08",
                        color=colors[kind],
                    )
                )
                axis.text(
                    x + width / 2,
                    y + 0.17,
                    text,
                    ha="center",
                    va="center",
                    fontsize=8,
                    family="monospace",
                )
                axis.text(
                    x + width / 2,
                    y - 0.38,
                    number,
                    ha="center",
                    va="center",
                    fontsize=6,
                    color="#444444",
                )
                x += width + 0.8
        y -= 0.9
    axis.set(xlim=(-0.5, 70), ylim=(y + 0.3, 0.5))
    axis.axis("off")
    figure.tight_layout(pad=0.2)
    return figure


# %% mystnb={"figure": {"caption": "Two sentences in tokens, by CLIP's own tokenizer and by our small one, with the number of each. Colour words are one piece for ours, which met them daily; everyday words that our engine never says fall to pieces.", "name": "prompt-tokens"}, "image": {"alt": "Four strips of coloured boxes with words or pieces of words in them, each beginning with start and ending with end, padding and context.", "width": "100%"}} tags=["hide-input"]
whole = Tokenizer(
    None, 69
)  # CLIP's own, with the paper's length for expressions
long, strange = (
    seen.expressions[entity][2],
    other_ways[2].format(keyword=keyword),
)
both = {"CLIP's tokenizer": whole, "ours": model.tokenizer}
draw(
    [
        strip(tokenizer, sentence, tokenizer.length, settings.context)
        for sentence in (long, strange)
        for tokenizer in both.values()
    ],
    [
        f"{name}, {tokenizer.vocab_size:,} pieces"
        for name, tokenizer in both.items()
    ]
    * 2,
);

# %% [markdown]
# So the last questions of the first figure were not plain English to our model, but rows of fragments around one word
# that it knew. It is a fault of a small vocabulary; CLIP's is large enough for words like these.
#
# Each token has a learned vector; a second learned vector encodes its position; and the sum goes into the
# text encoder. There are as many positions as CLIP was trained with, so a text has a greatest length. The paper takes
# 14 tokens for a keyword and 69 for an expression (Sec. 4.2), start and end included. Are these enough?

# %% tags=["hide-input"]
pool = open_pool("starter")
planned = plan.plan(
    pool,
    profile.load("tiny", data__groups_train=4, data__extra_train=200).data,
    "train",
)
sentences = [
    one_of.text for one in planned for four in one.sentences for one_of in four
]
counting = Tokenizer(None, 200)
lengths = {
    "an expression of our engine": [
        int(row.argmax()) + 1 for row in counting(sentences)
    ]
}
for template in prompt.TEMPLATES:
    rows = counting(
        [template.format(keyword=word) for word in synonyms.categories()]
    )
    lengths[template] = [int(row.argmax()) + 1 for row in rows]
allowed = {
    name: 69 if name.startswith("an expression") else 14 for name in lengths
}
show.table(
    [
        {
            "text": name,
            "of them": len(found),
            "shortest": min(found),
            "mean": float(np.mean(found)),
            "longest": max(found),
            "allowed": allowed[name],
            "fit (%)": 100 * float(np.mean(np.array(found) <= allowed[name])),
        }
        for name, found in lengths.items()
    ],
    digits=1,
)

# %% [markdown]
# Enough: each template with each of our categories fits into 14, and each sentence into 69. A sentence that is too long
# is refused, unless truncation is requested (the message counts the words' own tokens; start and end make two more):

# %%
endless = "the fox " * settings.text_length
try:
    model.tokenize([endless])
except RimError as error:
    print(error)
print("cut:", tuple(model.tokenize([endless], truncate=True).shape))

# %% [markdown]
# ## Before the words: a bag of templates
#
# CLIP was trained on captions, and a keyword is one word. CLIP's authors put it into *a photo of a …* and saw better
# answers {cite:p}`clip`. The paper does the same with nine templates, some of them about matting. In training one is
# drawn anew each time that a keyword is used; later it is always the same one.

# %%
show.source(prompt.pre_context)

# %%
show.source(Samples._keyword)

# %% [markdown]
# ### A list of nine that has eight
#
# The supplement prints the list, and its Table 8 scores a trained model with one template after the other. Let us hold
# them against each other.

# %% tags=["hide-input"]
# Supplement Sec. 3
printed = [
    "{keyword}",
    "a photo of a {keyword}",
    "a photo of a {keyword}",
    "an image of a {keyword}",
    "a photo of the {keyword}",
    "the foreground of the {keyword}",
    "the mask of the {keyword}",
    "the alpha matte of the {keyword}",
    "to extract the {keyword}",
]
# Supplement, Table 8: SAD, ViT-B/16, RefMatte test, keyword setting
table8 = tables()["table8"].values("SAD")
twice = [template for template, count in Counter(printed).items() if count > 1]
show.table(
    [
        {
            "template": template,
            "times in the printed list": printed.count(template),
            "row in Table 8": "yes" if template in table8 else "",
            "in our bag": "yes" if template in prompt.TEMPLATES else "",
        }
        for template in dict.fromkeys([*printed, *table8, *prompt.TEMPLATES])
    ]
)

# %% [markdown]
# One template is printed twice. Table 8 has one that is printed nowhere, *a photograph of a*, and it was trained for:
# the table is of the model that was trained with the bag. So one of the two should read so. Two smaller differences
# remain open: the table has no row for *a photo of the*, and it leaves out a "the" in *to extract*. There our bag keeps
# the list's words.
#
# Drawn from the list as printed, the doubled template would come twice as often. This is ours, over many draws:

# %% tags=["hide-input"]
rng, draws = Random(1), 9000
drawn = {
    "our bag": Counter(
        prompt.pre_context("net", rng).replace("net", "{keyword}")
        for _ in range(draws)
    ),
    "the list as printed": Counter(rng.choice(printed) for _ in range(draws)),
}
show.table(
    [
        {
            "template": template,
            **{
                f"{name} (%)": 100 * counts[template] / draws
                for name, counts in drawn.items()
            },
        }
        for template in prompt.TEMPLATES
    ],
    digits=1,
)

# %% [markdown]
# ### What a template does to the sentence's vector
#
# CLIP's vector of a text is read at the end token. How alike are the vectors of a keyword alone, in its templates, and
# of true sentences about the thing? First by the small CLIP, for our scene.

# %% mystnb={"figure": {"caption": "Cosines of the text vectors, by the small CLIP: the keyword of our entity in each template, its four expressions, and two other keywords.", "name": "prompt-vectors"}, "image": {"alt": "A square table of coloured cells. The templates form one bright block, only the bare keyword a little apart; the expressions are somewhat alike to it; the other keywords are dark.", "width": "75%"}} tags=["hide-input"]
others = [
    word
    for word in (*seen.keywords, "dog", "car", "flower")
    if word != keyword
][:2]
texts = [
    *(template.format(keyword=keyword) for template in prompt.TEMPLATES),
    *seen.expressions[entity],
    *(prompt.pre_context(word) for word in others),
]
vectors = clip.text_features(model.tokenize(texts))
figure, axis = plt.subplots(figsize=(show.WIDTH * 0.75, 4.4))
shown = axis.imshow(vectors @ vectors.T, cmap="cividis", vmin=-0.2, vmax=1)
axis.set_yticks(
    range(len(texts)),
    [text if len(text) < 44 else text[:42] + "…" for text in texts],
    fontsize=7,
)
axis.set_xticks([])
for place in (len(prompt.TEMPLATES), len(prompt.TEMPLATES) + 4):
    axis.axhline(place - 0.5, color="white", linewidth=1.5)
    axis.axvline(place - 0.5, color="white", linewidth=1.5)
figure.colorbar(shown, fraction=0.046)
figure.tight_layout()

# %% [markdown]
# And over many things: the mean cosine of each wording with the bare keyword, with true captions of the same things
# (the *basic expressions*, which name attributes), and with the same template around another keyword.

# %% tags=["hide-input"]
scenes = [
    one
    for one in (example(number, split) for number in range(3 * probes))
    if one.clear
][:probes]
things = [
    (one.keywords[index], one.expressions[index][0])
    for one in scenes
    for index in range(len(one.keywords))
]
read = lambda texts: clip.text_features(model.tokenize(texts))
bare, captions = (
    read([word for word, _ in things]),
    read([caption for _, caption in things]),
)
unlike = torch.tensor(
    [[one != other for other, _ in things] for one, _ in things]
)
near = {}
for template in (*prompt.TEMPLATES, *other_ways):
    made = read([template.format(keyword=word) for word, _ in things])
    near[template] = {
        "bare keyword": float((made * bare).sum(1).mean()),
        "true caption": float((made * captions).sum(1).mean()),
        "another keyword": float((made @ made.T)[unlike].mean()),
    }
show.table(
    [
        {
            "template": template,
            "in the bag": "yes" if template in prompt.TEMPLATES else "",
            **{f"cosine with {name}": value for name, value in row.items()},
        }
        for template, row in near.items()
    ],
    digits=2,
)

# %% [markdown]
# The last column decides. A wording whose vectors are alike for *all* keywords has lost the keyword. The
# templates of the bag give nearly the same vectors; the small CLIP was trained with them. Ways that are made of
# fragments drown the keyword.
#
# ### What a template does to the matte
#
# Table 8 of the paper measures the matte itself, and so can we: the same model, template by template, over some scenes.
# SAD is the sum of absolute differences over all pixels, in thousands: smaller is better.
# The scales differ: the paper's is of images of about 1.75 megapixels, ours of the small square that our model sees, and the
# model is another; so compare within a column only.

# %% tags=["hide-input"]
encoded = [(encode(one.image), one) for one in scenes]
truth = np.concatenate(
    [
        [images.resize(matte, (side, side)) for matte in one.mattes]
        for one in scenes
    ]
)


def errors(template):
    """Of each entity of the scenes, with its keyword in a template: SAD on the
    model's square, and the score."""
    answers = [
        predict(
            features, [template.format(keyword=word) for word in one.keywords]
        )
        for features, one in encoded
    ]
    mattes, scores = (np.concatenate(parts) for parts in zip(*answers))
    return np.abs(mattes - truth).sum((1, 2)) / 1000, scores


by_template = {
    template: errors(template) for template in (*prompt.TEMPLATES, *other_ways)
}
column = (
    f"SAD, profile {model.profile.name}, {len(truth)} entities, "
    f"{side} x {side} pixels"
)
show.table(
    [
        {
            "template": template,
            "in the bag": "yes" if template in prompt.TEMPLATES else "",
            "SAD, the paper's Table 8 (ViT-B/16, RefMatte test, 1.75 "
            "megapixels)": f"{table8[template]:.2f}"
            if template in table8
            else "–",
            column: float(found.mean()),
            "its score": float(scores.mean()),
        }
        for template, (found, scores) in by_template.items()
    ]
)

# %% [markdown]
# Both models are robust within the bag. Ours shows the limit of that: a wording that keeps to known words does little
# harm, whether in the bag or not; one with unknown words does far more. The bag has taught the model which words do
# not matter, not that words in general may not.
#
# Is *a photograph of a* really the best, as the table's figures say? Table 7 of the supplement trains the same model
# from three seeds, keyword setting:

# %% tags=["hide-input"]
# Supplement, Table 7: SAD of three seeds, RefMatte test; template "a photo of
# a"
seeds = {"keyword": list(tables()["table7"].values("SAD", "keyword").values())}
deviation = {
    "three seeds, one template": np.std(seeds["keyword"], ddof=1),
    "eight templates, one seed": np.std(list(table8.values()), ddof=1),
}
show.table(
    [
        {
            "the paper's SAD varies over": name,
            "standard deviation": float(value),
        }
        for name, value in deviation.items()
    ]
)

# %% [markdown]
# The templates differ by less than the seeds do. One seed can order eight templates, but not tell which is best for the
# next one. What the table does show is that it matters little.
#
# ## Behind the words: learnable context
#
# Now the other half. Behind the words, the end mark and the padding stand eight vectors of the width of a token. They
# are not words and come from no vocabulary: training finds them, as it finds any weight. They are the same for every
# sentence. The idea is CoOp's {cite:p}`coop`, which learns what stands around a class name; CoOp puts its vectors
# in front, the paper behind.

# %%
show.source(backbone.Backbone.encode_text)

# %% [markdown]
# Does it matter on which side they stand? It does, for CLIP's text encoder looks backwards only: in its attention a
# position may take from itself and from what stands before it, and what stands behind gets the weight 0. That is the
# *causal mask*:
#
# $$
# a_{nl} = \frac{e^{q_n \cdot k_l / \sqrt{d}}}{\sum_{m \le n} e^{q_n \cdot k_m / \sqrt{d}}} \ \text{ for } l \le n, \qquad a_{nl} = 0 \ \text{ for } l > n .
# $$

# %%
show.source(attention.attend)

# %% [markdown]
# To *see* who reads whom we do not look at the mask; we measure. Change one position of the text and nothing else, and
# see which positions' features move.

# %% tags=["hide-input"]
sentence = seen.expressions[entity][1]
row = model.tokenize([sentence])[0]  # (L,)
end, length, count = int(row.argmax()), len(row), len(model.context.vectors)
base = model.backbone.encode_text(row[None], model.context.vectors)[
    0
]  # (L+C, D_t)
instead = int(model.tokenize(["elephant"])[0, 1])


def moved(tokens, context):
    """How far each position's feature moves, over its length, (L+C,)."""
    return (
        (model.backbone.encode_text(tokens[None], context)[0] - base).norm(
            dim=1
        )
        / base.norm(dim=1)
    ).numpy()


readers = np.zeros((length + count, length + count))  # [reader, changed]
for place in range(length):
    changed = row.clone()
    changed[place] = instead
    readers[:, place] = moved(changed, model.context.vectors)
for place in range(count):
    changed = model.context.vectors.clone()
    changed[place] = changed[place].flip(0)  # as long as before, and another
    readers[:, length + place] = moved(row, changed)

# %% mystnb={"figure": {"caption": "Who reads whom. A column is the position that was changed, a row the position whose feature moved; bright is far, on a scale of powers of ten, and dark blue is not at all. Lines part words, padding and context.", "name": "prompt-readers"}, "image": {"alt": "A square matrix whose lower left triangle is coloured and whose upper right one is dark. The rows of the context, at the bottom, are coloured over all words.", "width": "75%"}} tags=["hide-input"]
figure, axis = plt.subplots(figsize=(show.WIDTH * 0.7, 4.9))
shown = axis.imshow(
    np.log10(np.maximum(readers, 1e-6)), cmap="cividis", vmin=-4, vmax=0
)
for place in (end + 0.5, length - 0.5):
    axis.axhline(place, color="white", linewidth=1)
    axis.axvline(place, color="white", linewidth=1)
middles, kinds = (
    [end / 2, (end + length) / 2, length + count / 2 - 0.5],
    ["words", "padding", "context"],
)
axis.set_xticks(middles, kinds)
axis.set_yticks(middles, kinds)
axis.set(xlabel="changed", ylabel="moved")
figure.colorbar(shown, label="relative change, power of ten", fraction=0.046)
figure.tight_layout()

# %% [markdown]
# The lower triangle is CLIP's mask. Read the last rows: the context reads all words, and the padding too. Read the last
# columns: no word reads the context. So a word's feature is what it would be without the context. The sentence's
# meaning is left alone, and the context collects from it.
#
# The padding holds nothing of the sentence that the end of the text does not hold already. The paper lets all later positions
# read it; so does the figure. A setting of ours, `model.mask_padding`, closes these columns: then nothing attends to the
# padding, neither here nor in the pop-up. The shipped model has it on.
#
# One column of the matrix, more closely, by the model as it is, for two templates that differ in the keyword alone:

# %% mystnb={"figure": {"caption": "How far each position's feature moves when the keyword changes. What stands before the keyword does not move; the learned context, at the end, does.", "name": "prompt-moves"}, "image": {"alt": "A bar for each position: zero at first, then above zero from the keyword on, through padding and context.", "width": "100%"}} tags=["hide-input"]
pair = [prompt.pre_context(word) for word in (keyword, others[0])]
one, other = (
    model.encode_text(model.tokenize([text])).tokens[0] for text in pair
)  # (L+C, D_t)
shift = ((one - other).norm(dim=1) / one.norm(dim=1)).numpy()
last = int(model.tokenize([pair[0]]).argmax())
figure, axis = plt.subplots(figsize=(show.WIDTH, 2.4))
for kind, color, span in zip(
    kinds,
    show.PALETTE,
    (range(last + 1), range(last + 1, length), range(length, length + count)),
):
    axis.bar(span, shift[list(span)], color=color, label=kind)
axis.set(xlabel="position", ylabel="relative change")
axis.set_title(" → ".join(pair), fontsize=8)
axis.set_ylim(0, 1.25 * shift.max())  # room for the legend
axis.spines[["top", "right"]].set_visible(False)
axis.legend(frameon=False, ncols=3);

# %% [markdown]
# So each context vector starts the same everywhere and ends as a summary of the sentence that training may choose, such
# as which side is meant, computed by the text encoder. The pop-up of the next chapter attends to the words and
# the context alike, and to the padding where that is not masked.
#
# With vectors *in front*, all words would attend to them. Here is the same encoder with its context moved behind the start
# token, and again the context is changed:


# %% tags=["hide-input"]
def in_front(tokens, context):
    """Features of the words when the context stands between the start and the
    first word, (L, D_t)."""
    x = model.backbone.token_embedding(tokens)[None]  # (1, L, D_t)
    x = (
        torch.cat([x[:, :1], context[None], x[:, 1:]], dim=1)
        + model.backbone.positional_embedding[: len(tokens) + len(context)]
    )
    x = model.backbone.transformer(x)
    return torch.cat(
        [
            model.backbone.ln_final(x)[0, :1],
            model.backbone.ln_final(x)[0, 1 + len(context) :],
        ]
    )


flipped = model.context.vectors.flip(1)
behind = moved(row, flipped)[1 : end + 1]
kept = in_front(row, model.context.vectors)
front = ((in_front(row, flipped) - kept).norm(dim=1) / kept.norm(dim=1))[
    1 : end + 1
]
show.table(
    [
        {
            "the context stands": name,
            "the words move by (mean)": float(change.mean()),
            "the end token by": float(change[-1]),
        }
        for name, change in (
            ("behind, as in the paper", behind),
            ("in front, as in CoOp", front.numpy()),
        )
    ]
)

# %% [markdown]
# CoOp needs them in front: it reads the end token alone, which vectors behind could never change. CLIPMat can put them
# behind, for its pop-up reads every position.
#
# ### Does this model use its context?
#
# That is a question for measurement too. We replace the learned vectors, take the first and the last of the four expressions of
# each entity of our scenes, and see how the mattes change.


# %% tags=["hide-input"]
def with_context(vectors):
    """Mattes of all expressions of all scenes, (M, S, S), with other context
    vectors."""
    kept, model.context.vectors.data = model.context.vectors.data, vectors
    answers = np.concatenate(
        [
            predict(
                features,
                [four[which] for four in one.expressions for which in (0, 3)],
            )[0]
            for features, one in encoded
        ]
    )
    model.context.vectors.data = kept
    return answers


learned = model.context.vectors.data
noise = (
    torch.randn(learned.shape, generator=torch.Generator().manual_seed(0))
    * learned.std()
)
vectors = {
    "as learned": learned,
    "all zero": learned * 0,
    "noise of the same size": noise,
}
mattes = {name: with_context(values) for name, values in vectors.items()}
twice_each = np.repeat(truth, 2, axis=0)
sad = lambda one, other: float(np.abs(one - other).sum((1, 2)).mean() / 1000)
use = {
    name: (sad(found, twice_each), sad(found, mattes["as learned"]))
    for name, found in mattes.items()
}
column = f"SAD, {len(twice_each)} expressions, {side} x {side} pixels"
show.table(
    [
        {
            "context vectors": name,
            column: error,
            "the mattes move by (SAD)": change,
        }
        for name, (error, change) in use.items()
    ],
    digits=4,
)

# %% [markdown]
# The last column is how much hangs on *which* vectors stand there. It is not how much hangs on the positions: whatever
# vector stands there reads the whole sentence, by the attention of the text encoder, and the pop-up can use that reading. So can it
# use the end of the text; and in a model whose padding is not masked, the padding, which reads the sentence as well. The
# paper's ablation trains without the context:

# %% tags=["hide-input"]
# The paper's Table 3: SAD with TSP and MDE
rows = {
    (False, False): "tsp-mde",
    (True, False): "tsp-mde-pre-cp",
    (False, True): "tsp-mde-post-cp",
    (True, True): "all",
}
table3 = {
    on: tables()["table3"].values("SAD")[row] for on, row in rows.items()
}
show.table(
    [
        {
            "templates (Pre-CP)": "yes" if pre else "",
            "learned context (Post-CP)": "yes" if post else "",
            "SAD, the paper's Table 3 (ViT-B/16, RefMatte test, keyword, "
            "1.75 megapixels)": f"{error:.2f}",
        }
        for (pre, post), error in table3.items()
    ]
)

# %% [markdown]
# Such a row takes a training of its own: `model.pre_context` and `model.post_context` are the switches.
#
# ## A number that cannot be
#
# Sec. 4.2 gives the lengths of the text, Sec. 4.3 their sums with the context. One of the sums is wrong, and CLIP
# itself decides which: its text encoder has a fixed number of positions.

# %% tags=["hide-input"]
positions = open_clip.get_model_config("ViT-B-16-quickgelu")["text_cfg"][
    "context_length"
]
stated = {
    "keyword": (14, 8, 22),
    "expression": (69, 8, 79),
}  # the paper's: text, context, their sum L
show.table(
    [
        {
            "setting": name,
            "text (Sec. 4.2)": text,
            "context (Sec. 4.2)": extra,
            "their sum": text + extra,
            "L (Sec. 4.3)": claimed,
            "positions that CLIP has": positions,
            "verdict": "agrees"
            if claimed == text + extra <= positions
            else "cannot be",
        }
        for name, (text, extra, claimed) in stated.items()
    ]
)

# %% [markdown]
# Table 11 has the right number. Our encoder refuses the other one, and our own lengths are settings of the profile:

# %%
try:
    model.backbone.check_length(stated["expression"][2] - 8, 8)
except RimError as error:
    print(error)
print(
    f"here: {settings.text_length} + {settings.context} = "
    f"{model.backbone.check_length(settings.text_length, settings.context)}"
)

# %% [markdown]
# Fewer positions than CLIP has are no loss. The first ones are taken, with the vectors that they were trained with, and
# the mask sees to it that the sentence does not depend on what is missing behind it; the check below shows it.
#
# ## Check
#
# The order of reading: no token attends to what stands behind it; the context attends to every word; no word attends to the context.

# %% tags=["check"]
assert readers[np.triu_indices(length + count, 1)].max() < 1e-5, (
    "somebody reads ahead"
)
assert (readers[length:, : end + 1] > 1e-4).all() and readers[
    :length, length:
].max() < 1e-5
zeros = model.backbone.encode_text(
    row[None], torch.zeros_like(model.context.vectors)
)[0]
torch.testing.assert_close(zeros[:length], base[:length])
assert (zeros[length:] - base[length:]).abs().max() > 1e-3
assert behind.max() < 1e-5 < 0.01 < front.min(), (
    "in front, the words would read it"
)

# %% [markdown]
# Lengths: the sums, and a sentence that does not notice how many positions stand behind it.

# %% tags=["check", "hide-input"]
print(
    {name: text + extra for name, (text, extra, _) in stated.items()},
    "and CLIP reads",
    positions,
)
assert (
    stated["expression"][0] + stated["expression"][1]
    == positions
    != stated["expression"][2]
)
assert all(
    text + extra == claimed for text, extra, claimed in [stated["keyword"]]
)
assert all(max(found) <= allowed[name] for name, found in lengths.items())
text = model.tokenize([prompt.pre_context(keyword)])
short = model.backbone.encode_text(text[:, :14], torch.zeros(0, base.shape[1]))
full = model.backbone.encode_text(
    F.pad(text, (0, positions - text.shape[1])), torch.zeros(0, base.shape[1])
)
torch.testing.assert_close(short, full[:, :14])

# %% [markdown]
# The bag: nine different templates, what Table 8 adds to the printed list, and the default, which is the row of the
# main results.

# %% tags=["check", "hide-input"]
assert (
    twice == ["a photo of a {keyword}"]
    and len(set(printed)) == 8
    and len(set(prompt.TEMPLATES)) == 9
)
meant = set(table8) - set(printed) - {"to extract {keyword}"}
assert (
    meant == {"a photograph of a {keyword}"}
    and set(prompt.TEMPLATES) == set(printed) | meant
)
assert table8[prompt.DEFAULT] == table3[True, True] == seeds["keyword"][0]
often = {
    name: counts["a photo of a {keyword}"] / draws
    for name, counts in drawn.items()
}
assert (
    abs(often["our bag"] - 1 / 9)
    < 0.02
    < abs(often["the list as printed"] - 1 / 9)
)
assert (
    deviation["eight templates, one seed"]
    < deviation["three seeds, one template"]
)
if (weights, clip_weights, split) == ("shipped", "clip", "seen"):
    inside, outside = (
        [float(by_template[template][0].mean()) for template in ways]
        for ways in (prompt.TEMPLATES, other_ways[1:])
    )
    known = float(
        by_template[other_ways[0]][0].mean()
    )  # "the …", of known words and not in the bag
    assert max(inside) < 1.5 * min(inside) and known < 1.5 * np.mean(
        inside
    ) < min(outside)
    assert (
        near[other_ways[1]]["another keyword"]
        > near[prompt.DEFAULT]["another keyword"] + 0.1
    )
if (weights, split) == ("shipped", "seen"):
    assert (
        model.mask_padding
        and min(
            use[name][1] for name in ("all zero", "noise of the same size")
        )
        > 0
    )

# %% [markdown]
# ## Summary
#
# * A sentence is tokens: pieces of words with numbers. What the tokenizer has no piece for falls to fragments, and an
#   encoder makes little of them.
# * A keyword gets a template around it, in training a random one of nine, later *a photo of a*. The printed list has
#   one twice; Table 8 names the ninth.
# * The bag makes the model nearly insensitive to the differences between its templates, and to others made of the same known words;
#   unknown words still do harm. In the paper too templates differ by less than seeds.
# * Eight learned vectors stand behind every text. By CLIP's causal mask they read the words and are not read by them.
# * 14 + 8 is 22, and 69 + 8 is 77, which are CLIP's positions; the paper's 79 cannot be.
#
# Before: [](03a_clip_features). Next: [](03c_semantic_popup), where an image attends to all these tokens. The code:
# `rimlib.clipmat.prompt`, `rimlib.clipmat.tokenizer`, `rimlib.clipmat.backbone`.
#
# ## Exercises
#
# 1. "a photo of a otter" is bad English. Does the small CLIP mind? Compare its vector with that of "a photo of an
#    otter", and with "a photo of a violin".
#
# :::{dropdown} Answer
# `read(["a photo of a otter", "a photo of an otter", "a photo of a violin"])`, and the first vector's products with the
# others. The article changes the vector little beside what the keyword does: nothing in the training ever hung on it.
# :::
#
# 2. Which outputs of the model can the learned context not reach, whatever it learns? (Look at `CLIPMat.encode_text`
#    and `CLIPMat.matte`.)
#
# :::{dropdown} Answer
# The features of the words, and what is made of the end token: `TextFeatures.sentence`, hence the score map, where a model
# has one. What the context learned reaches the matte only through the pop-up, whose memory it is part of.
# :::
#
# 3. Why can an encoder of $L$ positions take a context of 8 only at the price of 8 words?
#
# :::{dropdown} Answer
# Each position has a learned embedding of its own, and there are as many as CLIP was trained with.
# `Backbone.check_length` refuses more. The paper's 69 + 8 fills them exactly.
# :::
#
# 4. Ask for "the {keyword} {keyword} {keyword}" and for "the thing that I would like to have, namely the {keyword}", by
#    `errors`. Which of them is worse, and why?
#
# :::{dropdown} Answer
# The second: "thing", "would" and "namely" are not among our tokenizer's pieces, and a sentence of fragments is unlike all
# that was trained. The first has known words only. With CLIP's weights and tokenizer one would expect the difference to be
# much smaller.
# :::
