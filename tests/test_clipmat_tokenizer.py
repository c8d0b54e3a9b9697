"""Sentences to token ids and back, by our own merges and by CLIP's."""

import gzip

import pytest

from rimlib.clipmat.tokenizer import Tokenizer
from rimlib.errors import RimError

MERGES = "t h", "th e</w>", "r e", "re d</w>", "d o", "do g</w>", "o n</w>", "l e", "le f", "lef t</w>"


@pytest.fixture
def merges(tmp_path):
    path = tmp_path / "own.bpe.txt.gz"
    path.write_bytes(gzip.compress("\n".join(["#version: 0.2", *MERGES]).encode()))
    return path


def test_a_word_whose_merges_are_known_becomes_one_token(merges):
    tokenizer = Tokenizer(merges, 12)
    assert tokenizer.vocab_size == 2 * 256 + len(MERGES) + 2  # every byte, every byte that ends a word, start and end
    tokens = tokenizer(["the red dog", "the red d"])
    assert tokens.shape == (2, 12) and (tokens != 0).sum(dim=1).tolist() == [5, 5]
    assert int(tokens.max()) == tokenizer.vocab_size - 1  # the end of text has the largest id: CLIP looks for it
    assert tokens[0, 1] == 2 * 256 + MERGES.index("th e</w>") and tokens[1, 3] < 2 * 256


def test_decode_returns_the_sentence_and_any_letter_can_be_read(merges):
    tokenizer = Tokenizer(merges, 30)
    for sentence in ("the red dog!", "ein grüner zug", "犬"):
        assert tokenizer.decode(tokenizer([sentence])[0]).replace(" !", "!") == sentence


def test_clips_own_merges_are_the_default():
    import open_clip

    assert Tokenizer(None, 77)(["a photo of a dandelion"]).equal(open_clip.tokenize(["a photo of a dandelion"]))


@pytest.mark.parametrize("sentences", [[""], ["  "], [None], "the dog", ["the dog " * 20]])
def test_what_cannot_be_read_is_refused(merges, sentences):
    with pytest.raises(RimError) as caught:
        Tokenizer(merges, 12)(sentences)
    assert caught.value.setting == "sentences"


def test_truncation_keeps_the_start_and_the_end_of_text(merges):
    tokenizer = Tokenizer(merges, 6)
    tokens = tokenizer(["the red dog on the left"], truncate=True)[0]
    assert tokenizer.decode(tokens) == "the red dog on" and tokens[-1] == tokenizer.vocab_size - 1


@pytest.mark.parametrize("content", [None, b"not gzip", gzip.compress(b"")[:-4]])
def test_missing_and_broken_merges_are_refused_by_name(tmp_path, content):
    path = tmp_path / "broken.bpe.txt.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RimError) as caught:
        Tokenizer(path, 12)
    assert caught.value.path == str(path)
