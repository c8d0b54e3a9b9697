"""Sentences to token ids.

CLIP reads byte-pair encoded words: a word starts as its letters, and pairs of pieces are merged in the order of a
merges file. The paper's backbones have the merges of CLIP; our small ones have their own, learnt from our sentences,
beside their configuration (`configs/NAME.bpe.txt.gz`) in open_clip's format: gzip, a first line that is skipped, one
merge a line, no newline at the end.
"""

from __future__ import annotations

from pathlib import Path

import torch
from open_clip import tokenizer as open_clip_tokenizer

from rimlib.errors import RimError

CONFIGS = Path(__file__).parent / "configs"


class Tokenizer:
    """Turn sentences into token ids of one fixed length.

    Args:
        merges: path of a merges file in open_clip's format, or None for the one of CLIP.
        length: number of tokens of a sentence, start and end of text included.

    Raises:
        RimError: the merges file cannot be read.
    """

    def __init__(self, merges: str | Path | None, length: int):
        path = Path(merges or open_clip_tokenizer.default_bpe())
        try:
            self._simple = open_clip_tokenizer.SimpleTokenizer(bpe_path=str(path), context_length=length)
        except (OSError, EOFError, UnicodeDecodeError) as error:
            raise RimError(f"{path}: not a gzipped merges file ({error})", path=path) from None
        self.length = length

    @property
    def vocab_size(self) -> int:
        """The number of token ids."""
        return self._simple.vocab_size

    def __call__(self, sentences: list[str], truncate: bool = False) -> torch.Tensor:
        """Token ids, int64 (B, length); zeros after the end of text.

        Args:
            sentences: B texts.
            truncate: keep the start of a sentence that is too long; see `cut`.

        Raises:
            RimError: a sentence is empty, or too long without `truncate`.
        """
        if isinstance(sentences, str):
            raise RimError("sentences: a list is expected, found one string; write [sentence]", setting="sentences")
        tokens = torch.zeros(len(sentences), self.length, dtype=torch.int64)
        for row, sentence in zip(tokens, sentences):
            words = self._encode(sentence)
            if len(words) > self.length - 2:
                if not truncate:
                    found = f"{len(words)} tokens, the model reads {self.length - 2}; make it shorter"
                    raise RimError(f"sentence {sentence[:40]!r}…: {found}", setting="sentences")
                words = words[: self.length - 2]
            ids = [self._simple.sot_token_id, *words, self._simple.eot_token_id]
            row[: len(ids)] = torch.tensor(ids)
        return tokens

    def cut(self, sentence: str) -> tuple[str, str]:
        """The start of a sentence that `truncate` keeps, and the rest, "" for a sentence that fits; both in lower case.

        Raises RimError for an empty sentence.

        >>> Tokenizer(None, 6).cut("The red dog on the left")
        ('the red dog on', 'the left')
        """
        words, room = self._encode(sentence), self.length - 2
        return self._simple.decode(words[:room]).strip(), self._simple.decode(words[room:]).strip()

    def decode(self, tokens: torch.Tensor) -> str:
        """The sentence of one row of token ids, in lower case, without padding."""
        special = set(self._simple.all_special_ids)
        # Zero is padding and also the token of "!": only what follows the end of text is padding.
        ids = tokens.tolist()
        ids = ids[: ids.index(self._simple.eot_token_id)]
        return self._simple.decode([token for token in ids if token not in special]).strip()

    def _encode(self, sentence: str) -> list[int]:
        if not isinstance(sentence, str) or not sentence.strip():
            raise RimError(f"sentence {sentence!r}: must be text with at least one word", setting="sentences")
        if not (words := self._simple.encode(sentence)):
            raise RimError(f"sentence {sentence!r}: it has no word that can be read", setting="sentences")
        return words
