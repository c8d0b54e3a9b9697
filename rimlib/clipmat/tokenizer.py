"""Sentences to token numbers, and the merges file that says how.

CLIP reads byte-pair encoded words: a word starts as its letters, and pairs of pieces are merged in the order of a
merges file. The paper's backbones bring the merges of CLIP; our small ones bring their own, made by `train_merges`
from our own sentences and kept beside their configuration (`configs/NAME.bpe.txt.gz`).

The file is in open_clip's format: gzip, a first line that is skipped, one merge a line, no newline at the end.
"""

from __future__ import annotations

import gzip
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import torch
from open_clip import tokenizer as open_clip_tokenizer

from rimlib.errors import RimError
from rimlib.io.files import write_atomically

CONFIGS = Path(__file__).parent / "configs"
BASE = 2 * 256 + 2  # every byte, every byte that ends a word, start and end of text


class Tokenizer:
    """Turn sentences into token numbers of one fixed length.

    `merges`: path of a merges file in open_clip's format, or None for the one of CLIP.
    `length`: number of tokens of a sentence, start and end of text included.
    """

    def __init__(self, merges: str | Path | None, length: int):
        path = Path(merges or open_clip_tokenizer.default_bpe())
        try:
            self._simple = open_clip_tokenizer.SimpleTokenizer(bpe_path=str(path), context_length=length)
        except FileNotFoundError:
            raise RimError(
                f"{path}: no such merges file; make one with rimlib.clipmat.tokenizer.train_merges"
            ) from None
        except (OSError, EOFError, UnicodeDecodeError) as error:
            raise RimError(f"{path}: not a gzipped merges file ({error})") from None
        self.length = length

    @property
    def vocab_size(self) -> int:
        return self._simple.vocab_size

    def __call__(self, sentences: list[str], truncate: bool = False) -> torch.Tensor:
        """Token numbers, int64 (B, length); zeros after the end of text.

        Raises RimError for an empty sentence, and for one that is too long unless `truncate` says to keep its start; `cut`
        tells where that ends.
        """
        if isinstance(sentences, str):
            raise RimError("tokenize takes a list of sentences, it was given one string; write [sentence]")
        tokens = torch.zeros(len(sentences), self.length, dtype=torch.int64)
        for row, sentence in zip(tokens, sentences):
            words = self._encode(sentence)
            if len(words) > self.length - 2:
                if not truncate:
                    raise RimError(
                        f"sentence {sentence[:40]!r}…: {len(words)} tokens, the model reads "
                        f"{self.length - 2}; say it shorter"
                    )
                words = words[: self.length - 2]
            ids = [self._simple.sot_token_id, *words, self._simple.eot_token_id]
            row[: len(ids)] = torch.tensor(ids)
        return tokens

    def cut(self, sentence: str) -> tuple[str, str]:
        """The start of a sentence that `truncate` keeps, and the rest that the model does not read; both in small letters.

        The rest is "" for a sentence that fits. Raises RimError for an empty one.

        >>> Tokenizer(None, 6).cut("The red dog on the left")
        ('the red dog on', 'the left')
        """
        words, room = self._encode(sentence), self.length - 2
        return self._simple.decode(words[:room]).strip(), self._simple.decode(words[room:]).strip()

    def decode(self, tokens: torch.Tensor) -> str:
        """The sentence of one row of token numbers, in small letters, without padding."""
        special = set(self._simple.all_special_ids)
        # Zero is padding and also the token of "!": only what follows the end of text is padding.
        ids = tokens.tolist()
        ids = ids[: ids.index(self._simple.eot_token_id)]
        return self._simple.decode([token for token in ids if token not in special]).strip()

    def _encode(self, sentence: str) -> list[int]:
        if not isinstance(sentence, str) or not sentence.strip():
            raise RimError(f"sentence {sentence!r}: a sentence must be text with at least one word")
        if not (words := self._simple.encode(sentence)):
            raise RimError(f"sentence {sentence!r}: nothing in it can be read")
        return words


def train_merges(sentences: Iterable[str], vocab_size: int, path: str | Path) -> Path:
    """Learn byte-pair merges from sentences and write them to `path` (a .bpe.txt.gz).

    `vocab_size` counts the 512 byte pieces and the two special tokens too; fewer merges are written when no pair
    occurs twice any more. The same sentences give the same bytes.
    """
    if vocab_size < BASE:
        raise RimError(f"vocab_size {vocab_size}: must be at least {BASE}, the bytes and the two special tokens")
    merges = _learn(_words(sentences), vocab_size - BASE)
    text = "\n".join(["#version: 0.2", *(" ".join(pair) for pair in merges)])
    return write_atomically(path, gzip.compress(text.encode(), mtime=0))


def _words(sentences: Iterable[str]) -> Counter:
    """How often each word occurs, as a tuple of its letters, split exactly as the tokenizer will split."""
    simple = open_clip_tokenizer._tokenizer
    counts = Counter()
    for sentence in sentences:
        counts.update(simple.pat.findall(simple.clean_fn(sentence)))
    words = Counter()
    for word, count in counts.items():
        letters = [simple.byte_encoder[byte] for byte in word.encode()]
        words[(*letters[:-1], letters[-1] + "</w>")] += count
    return words


def _learn(words: Counter, number: int) -> list[tuple[str, str]]:
    """The `number` most frequent merges, greedily, each counted after the ones before it."""
    pieces = [list(word) for word in words]
    counts = list(words.values())
    pairs, where = Counter(), defaultdict(set)
    for index, word in enumerate(pieces):
        for pair in zip(word, word[1:]):
            pairs[pair] += counts[index]
            where[pair].add(index)
    merges = []
    while len(merges) < number and pairs:
        # Ties go to the pair that sorts last, so that the result does not hang on the order of the sentences.
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        if pairs[best] < 2:
            break
        merges.append(best)
        # Only the words that hold the pair change, so only their pairs are counted again.
        for index in where.pop(best):
            word = pieces[index]
            for pair in zip(word, word[1:]):
                pairs[pair] -= counts[index]
            word = pieces[index] = _merge(word, best)
            for pair in zip(word, word[1:]):
                pairs[pair] += counts[index]
                where[pair].add(index)
        del pairs[best]
        pairs = +pairs
    return merges


def _merge(word: list[str], pair: tuple[str, str]) -> list[str]:
    merged, position = [], 0
    while position < len(word):
        if tuple(word[position : position + 2]) == pair:
            merged.append(pair[0] + pair[1])
            position += 2
        else:
            merged.append(word[position])
            position += 1
    return merged
