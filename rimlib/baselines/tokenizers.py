"""Sentences to token numbers for a text encoder of the RoBERTa kind, by its own tokenizer or by one that is always here."""

from __future__ import annotations

import torch

from rimlib.clipmat.tokenizer import CONFIGS, Tokenizer
from rimlib.io import hub


class OwnWords:
    """Our tokens, or CLIP's, moved past the number that stands for padding.

    `size`: "tiny" for the small vocabulary that ships with rimlib, "paper" for CLIP's; `pad`: number of the padding;
    `length`: most tokens of a sentence, start and end included; a longer one is cut.
    """

    def __init__(self, size: str, pad: int, length: int = 77):
        self._tokenizer = Tokenizer(CONFIGS / "rim-tiny.bpe.txt.gz" if size == "tiny" else None, length)
        self.pad = pad
        self.vocab_size = self._tokenizer.vocab_size + pad + 1

    def __call__(self, sentences: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Token numbers int64 (B, L) and bool (B, L), True where there is no word; L is the longest sentence's."""
        tokens = self._tokenizer(sentences, truncate=True)  # (B, length)
        ends = tokens.argmax(dim=1)  # the end of text has the largest number
        padding = torch.arange(tokens.shape[1])[None] > ends[:, None]
        longest = int(ends.max()) + 1
        return (tokens + self.pad + 1).masked_fill(padding, self.pad)[:, :longest], padding[:, :longest]


class HubWords:
    """The tokenizer of a hub name, such as FacebookAI/roberta-base. Raises RimError where it cannot be had."""

    def __init__(self, name: str, length: int = 256):
        from transformers import AutoTokenizer

        self._tokenizer, self._length = hub.load_pretrained(AutoTokenizer, name, weights=False), length

    def __call__(self, sentences: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """As `OwnWords`."""
        found = self._tokenizer(
            sentences, padding="longest", truncation=True, max_length=self._length, return_tensors="pt"
        )
        return found["input_ids"], found["attention_mask"] == 0
