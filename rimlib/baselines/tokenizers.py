"""Token ids for MDETR's text encoder, by its own tokenizer or by one that ships with rimlib."""

from __future__ import annotations

import torch

from rimlib.clipmat.tokenizer import CONFIGS, Tokenizer
from rimlib.errors import require
from rimlib.io import hub


class LocalTokenizer:
    """The tokenizer of our small CLIP, or of CLIP.

    Args:
        size: "tiny" for the small vocabulary that ships with rimlib, "paper" for CLIP's.
        pad: id of the padding, past which the others are shifted, as in RoBERTa; None: the ids are CLIP's own.
        length: most tokens of a sentence, start and end included; a longer one is cut.
    """

    def __init__(self, size: str, pad: int | None = None, length: int = 77):
        self._tokenizer = Tokenizer(CONFIGS / "rim-tiny.bpe.txt.gz" if size == "tiny" else None, length)
        self.pad, self.shift = pad or 0, 0 if pad is None else pad + 1
        self.vocab_size = self._tokenizer.vocab_size + self.shift

    def __call__(self, sentences: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids, int64 (B, L), and the padding, bool (B, L), True where there is no token; L is the longest's."""
        tokens = self._tokenizer(sentences, truncate=True)  # (B, length)
        ends = tokens.argmax(dim=1)  # the end of text has the largest id
        padding = torch.arange(tokens.shape[1])[None] > ends[:, None]
        longest = int(ends.max()) + 1
        return (tokens + self.shift).masked_fill(padding, self.pad)[:, :longest], padding[:, :longest]


class HubTokenizer:
    """The tokenizer of a name on the hub, such as FacebookAI/roberta-base. Raises RimError where it cannot be had."""

    def __init__(self, name: str, length: int = 256):
        kind = require("transformers", "baselines").AutoTokenizer
        self._tokenizer, self._length = hub.load_pretrained(kind, name, weights=False), length

    def __call__(self, sentences: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """As of `LocalTokenizer`."""
        encoded = self._tokenizer(
            sentences, padding="longest", truncation=True, max_length=self._length, return_tensors="pt"
        )
        return encoded["input_ids"], encoded["attention_mask"] == 0
