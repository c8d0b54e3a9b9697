"""Which words the model attended to where it found something: the weights of TSP's first attention.

Paper: Sec. 4.3, Eq. 3. Each image token spreads a weight of 1 over the text's tokens. Here is the part that falls on
words, averaged over heads and over the patches of the matte, and over those outside it: a word that is attended to more
inside than outside is one that tells the object from the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rimlib.io import images
from rimlib.sentences import canonical

if TYPE_CHECKING:
    from rimlib.clipmat.model import CLIPMat


class Word(NamedTuple):
    """A word as the model reads it, and its share of the attention to words, inside the matte and outside it."""

    text: str
    inside: float
    outside: float


def words(model: CLIPMat, image: np.ndarray, sentence: str, alpha: np.ndarray) -> tuple[Word, ...]:
    """The words of a sentence, in its order; none where the model has no such attention or the matte is empty.

    image: uint8 (H, W, 3); alpha: float32 (H, W) in [0, 1].
    """
    import torch

    from rimlib.clipmat.popup import TextDrivenPopup
    from rimlib.prediction.prompts import noun_template

    popup = getattr(model, "popup", None)
    if not isinstance(popup, TextDrivenPopup) or not alpha.any():
        return ()
    side = model.image_size
    square = torch.from_numpy(images.resize(image, (side, side))).permute(2, 0, 1)[None].float() / 255  # (1, 3, S, S)
    tokens = model.tokenize([canonical(sentence, noun_template(model.profile))], truncate=True)
    with torch.inference_mode():
        visual = model.encode_image(square.to(tokens.device)).tokens
        text = model.encode_text(tokens)
        added = model.added(visual, text.sentence)[1]
        weights = popup.cross_attention_weights(visual, text.tokens, added, text.padding)[0].mean(0)[1:].cpu()  # (N, L)
    grid = round(len(weights) ** 0.5)
    inside = images.resize(np.ascontiguousarray(alpha), (grid, grid)).reshape(-1, 1)  # (N, 1)
    row = tokens[0].cpu()
    end = int(row.argmax())  # the end of text has the largest number of all tokens
    of_tokens = weights.numpy()[:, 1:end]  # (N, words' pieces)
    shares = [(part * of_tokens).sum(0) for part in (inside, 1 - inside)]
    shares = [part / max(float(part.sum()), 1e-9) for part in shares]
    return _joined(model, row[1 : end + 1], *shares)


def _joined(model: CLIPMat, ids: object, inside: np.ndarray, outside: np.ndarray) -> tuple[Word, ...]:
    """Whole words: the pieces of each, whose shares are added."""
    import torch

    row = torch.as_tensor(ids)
    found: list[Word] = []
    begun = 0
    for place in range(len(row) - 1):
        so_far = model.tokenizer.decode(torch.cat([row[: place + 1], row[-1:]]))
        more = model.tokenizer.decode(torch.cat([row[: place + 2], row[-1:]])) if place + 2 < len(row) else ""
        if more and not more[len(so_far) :].startswith(" "):
            continue  # the next piece belongs to this word
        text = model.tokenizer.decode(torch.cat([row[begun : place + 1], row[-1:]]))
        part = slice(begun, place + 1)
        found.append(Word(text, float(inside[part].sum()), float(outside[part].sum())))
        begun = place + 1
    return tuple(found)
