import gzip

import pytest

from rimlib.clipmat.tokenizer import BASE, Tokenizer, train_merges
from rimlib.errors import RimError

SENTENCES = ["the red dog on the left", "the red cat on the right", "the reddish dog's bowl"] * 3


@pytest.fixture
def merges(tmp_path):
    return train_merges(SENTENCES, BASE + 40, tmp_path / "own.bpe.txt.gz")


def test_frequent_words_become_one_token(merges):
    tokenizer = Tokenizer(merges, 12)
    tokens = tokenizer(["the red dog"])
    assert tokens.shape == (1, 12) and (tokens != 0).sum() == 5  # start, three words, end
    assert tokenizer.vocab_size <= BASE + 40
    assert int(tokens.max()) == tokenizer.vocab_size - 1  # the end of text has the largest number: CLIP looks for it


def test_merges_follow_counts_as_recounted_from_scratch(merges):
    """Each merge is the most frequent pair after all earlier ones, counted naively."""
    words = {}
    for sentence in SENTENCES:
        for word in sentence.replace("'s", " 's").split():
            words[word] = words.get(word, 0) + 1
    pieces = {word: [*word[:-1], word[-1] + "</w>"] for word in words}
    lines = gzip.decompress(merges.read_bytes()).decode().split("\n")[1:]
    for line in lines:
        counts = {}
        for word, parts in pieces.items():
            for pair in zip(parts, parts[1:]):
                counts[pair] = counts.get(pair, 0) + words[word]
        best = max(counts, key=lambda pair: (counts[pair], pair))
        assert tuple(line.split()) == best
        for parts in pieces.values():
            for place in range(len(parts) - 2, -1, -1):
                if parts[place : place + 2] == list(best):
                    parts[place : place + 2] = [best[0] + best[1]]


def test_the_order_of_the_sentences_does_not_matter(merges, tmp_path):
    again = train_merges(reversed(SENTENCES), BASE + 40, tmp_path / "again.bpe.txt.gz")
    assert again.read_bytes() == merges.read_bytes()


def test_decode_returns_the_sentence_and_any_letter_can_be_read(merges):
    tokenizer = Tokenizer(merges, 30)
    for sentence in ("the red dog!", "ein grüner zug", "犬"):
        assert tokenizer.decode(tokenizer([sentence])[0]).replace(" !", "!") == sentence


def test_clips_own_merges_are_the_default():
    import open_clip

    assert Tokenizer(None, 77)(["a photo of a dandelion"]).equal(open_clip.tokenize(["a photo of a dandelion"]))


@pytest.mark.parametrize(
    "sentences, message",
    [
        ([""], "at least one word"),
        (["  "], "at least one word"),
        ([None], "at least one word"),
        ("the dog", "list of sentences"),
        (["the dog " * 20], "say it shorter"),
    ],
)
def test_what_cannot_be_read_is_refused(merges, sentences, message):
    with pytest.raises(RimError, match=message):
        Tokenizer(merges, 12)(sentences)


def test_truncation_keeps_the_start_and_the_end_of_text(merges):
    tokenizer = Tokenizer(merges, 6)
    tokens = tokenizer(["the red dog on the left"], truncate=True)[0]
    assert tokenizer.decode(tokens) == "the red dog on" and tokens[-1] == tokenizer.vocab_size - 1


def test_missing_and_broken_merges_are_refused_by_name(tmp_path):
    with pytest.raises(RimError, match="nothing.bpe.txt.gz"):
        Tokenizer(tmp_path / "nothing.bpe.txt.gz", 12)
    (tmp_path / "broken.bpe.txt.gz").write_bytes(b"not gzip")
    with pytest.raises(RimError, match="broken.bpe.txt.gz"):
        Tokenizer(tmp_path / "broken.bpe.txt.gz", 12)
    with pytest.raises(RimError, match="at least 514"):
        train_merges(SENTENCES, 100, tmp_path / "small.bpe.txt.gz")
