"""The bag of templates against the paper's own list, and the two lengths of text."""

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rimlib import profile as profiles
from rimlib.clipmat import CLIPMat, prompt
from rimlib.clipmat.clip_weights import create_clip
from rimlib.clipmat.tokenizer import Tokenizer
from rimlib.errors import RimError

# As the supplement prints it (Sec. 3, "Matting-related prefix templates"): nine, of which the second equals the third.
PRINTED = [
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
# The prompts of Table 8.
TABLE_8 = [
    "{keyword}",
    "a photo of a {keyword}",
    "a photograph of a {keyword}",
    "an image of a {keyword}",
    "the foreground of the {keyword}",
    "the mask of the {keyword}",
    "the alpha matte of the {keyword}",
    "to extract {keyword}",
]
CATEGORIES = json.loads(
    (Path(prompt.__file__).parent.parent / "entities" / "categories.json").read_text(encoding="utf-8")
)


def test_the_bag_is_the_papers_list_with_the_repeated_one_read_from_table_8():
    repeated = PRINTED.index("a photo of a {keyword}", 2)
    meant = [row for row in TABLE_8 if row not in PRINTED and row.replace("extract", "extract the") not in PRINTED]
    assert meant == ["a photograph of a {keyword}"]
    assert list(prompt.TEMPLATES) == PRINTED[:repeated] + meant + PRINTED[repeated + 1 :]
    assert len(set(prompt.TEMPLATES)) == 9


def test_training_draws_from_the_whole_bag_and_scoring_uses_one():
    drawn = {prompt.pre_context("net", random.Random(seed)) for seed in range(200)}
    assert drawn == {template.format(keyword="net") for template in prompt.TEMPLATES}
    assert prompt.pre_context("net") == "a photo of a net"


def test_without_the_pre_embedding_context_the_keyword_is_bare_in_training_and_in_scoring():
    profile = profiles.load("paper-b16")
    assert prompt.templates(profile.model) == prompt.TEMPLATES and prompt.template(profile) == profile.evaluate.template
    bare = replace(profile, model=replace(profile.model, pre_context=False))
    assert (
        [text.format(keyword="net") for text in prompt.templates(bare.model)]
        == [prompt.template(bare).format(keyword="net")]
        == ["net"]
    )


@pytest.mark.parametrize("name, width", [("paper-b16", 512), ("paper-l14", 768)])
@pytest.mark.parametrize("words, whole", [(14, 22), (69, 77)])
def test_the_papers_lengths_of_text(name, width, words, whole, monkeypatch):
    """Table 11: 14 or 69 tokens, and 8 learnable ones behind them. On the meta device: shapes without their cost."""
    settings = profiles.load(name, model__text_length=words).model
    with torch.device("meta"):
        model = CLIPMat(settings, *create_clip(settings, "random"))
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda kind: False)  # which has no meta device
    tokens = model.tokenizer(["the mask of the dandelion"])
    assert tokens.shape == (1, words) and model.context.vectors.shape == (8, width)
    assert model.encode_text(tokens.to("meta")).tokens.shape == (1, whole, width)


def test_a_length_of_79_as_in_the_text_does_not_fit_the_backbone():
    settings = profiles.load("paper-b16", model__text_length=71).model
    with (
        torch.device("meta"),
        pytest.raises(RimError, match="71 and model.context 8: together 79, but this backbone has 77"),
    ):
        CLIPMat(settings, *create_clip(settings, "random"))


def test_every_category_fits_into_14_tokens_in_every_template():
    tokenizer = Tokenizer(None, 14)
    assert (
        tokenizer(
            [template.format(keyword=category) for category in CATEGORIES for template in prompt.TEMPLATES]
        ).shape[1]
        == 14
    )


@pytest.mark.parametrize("length", [14, 69])
def test_what_is_beyond_the_length_is_cut_and_the_place_is_reported(length):
    tokenizer = Tokenizer(None, length)
    sentence = " ".join(["The", *("red", "dog", "left", "of", "the", "tree") * 16])  # one token a word
    with pytest.raises(RimError, match=f"97 tokens, the model reads {length - 2}"):
        tokenizer([sentence])
    read, rest = tokenizer.cut(sentence)
    assert tokenizer.decode(tokenizer([sentence], truncate=True)[0]) == read and len(read.split()) == length - 2
    assert f"{read} {rest}" == sentence.lower()
    assert tokenizer.cut("The red dog") == ("the red dog", "")
    assert tokenizer([read]).equal(tokenizer([sentence], truncate=True))


def test_the_learnable_context_is_small_and_its_own_for_each_length():
    torch.manual_seed(0)
    context = prompt.PostContext(8, 512)
    assert context.vectors.shape == (8, 512) and context.vectors.requires_grad and 0.015 < context.vectors.std() < 0.025
    assert prompt.PostContext(0, 512).vectors.numel() == 0
