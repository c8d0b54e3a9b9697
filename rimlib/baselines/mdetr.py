"""MDETR: a detector that is told by a sentence what to detect, with a mask for what it found.

Paper: Sec. 5.1, S4.1 (Kamath et al., ICCV 2021): ResNet-101 with frozen batch norms, RoBERTa, 6 + 6 transformer layers of
width 256 with 8 heads, 100 queries, the mask head `smallconv`, "the prediction mask with the highest probability as the
final output"; image and text encoder are frozen. No maintained library has it, so it is written here; the public
weights can be read (`mdetr_weights`). Left out: the contrastive alignment of words and queries, which tells several
phrases of a caption apart and which MDETR itself switches off for segmentation, and batches of pictures of several sizes.
MDETR's authors train boxes first and masks after, on a detector at rest; the RIM paper does not say, and `loss` has both.

Parameters at the paper's size: 42.4 M of ResNet-101 (without its classes; frozen norms have none), 124.1 M of RoBERTa
(without its pooler, which nothing uses), 17.4 M of the transformer, 0.9 M of the layers round it: 184.8 M, and the masks
take 1.3 M more.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models._utils import IntermediateLayerGetter

from rimlib.baselines import matching, mdetr_weights
from rimlib.baselines.baseline import Trainable, check_size, none_published, normalise, read_header
from rimlib.baselines.mask_head import AttentionMap, SmallConv
from rimlib.baselines.tokenizers import HubWords, OwnWords
from rimlib.baselines.transformer import Fusion, sine_places
from rimlib.errors import RimError

KINDS = 256  # places for the sentence's tokens, the last for "nothing"
SETTINGS = {
    "paper": {
        "width": 256,
        "heads": 8,
        "encoders": 6,
        "decoders": 6,
        "inner": 2048,
        "dropout": 0.1,
        "queries": 100,
        "image_size": 512,
    },
    "tiny": {
        "width": 128,
        "heads": 8,
        "encoders": 2,
        "decoders": 2,
        "inner": 256,
        "dropout": 0.0,
        "queries": 10,
        "image_size": 128,
    },
}


@dataclass
class Found:
    """What all queries of a batch found.

    `logits` (layers, B, Q, 256), over the sentence's tokens and, last, nothing; `boxes` (layers, B, Q, 4): centre x, centre y,
    width, height as shares of the side; `tokens` (B, 256): the share of each token in the sentence; the rest is what
    `masks` needs. `alpha` is the mask of the most probable query, made when it is asked for: training asks for others.
    """

    model: MDETR
    logits: torch.Tensor
    boxes: torch.Tensor
    tokens: torch.Tensor
    states: torch.Tensor  # (B, Q, D)
    memory: torch.Tensor  # (B, N, D)
    projected: torch.Tensor  # (B, D, h, w), h = w = S/32, or S/16 of the tiny trunk
    levels: list[torch.Tensor]  # at S/16, S/8, S/4
    side: int

    @cached_property
    def probabilities(self) -> torch.Tensor:
        """That a query is the referred thing, (B, Q): one less the probability of nothing."""
        return 1 - self.logits[-1].softmax(dim=2)[..., -1]

    @property
    def score(self) -> torch.Tensor:
        """How sure the model is that the sentence fits something, (B,) in [0, 1]."""
        return self.probabilities.detach().amax(dim=1)

    @cached_property
    def alpha(self) -> torch.Tensor:
        """(B, 1, S, S) in [0, 1]."""
        best = self.probabilities.argmax(dim=1)
        return self.model.masks(self, torch.arange(len(best), device=best.device), best).sigmoid()


class MDETR(Trainable):
    """`size`: "tiny" or "paper"; `trunk`, `text_encoder`, `words`: ResNet, RoBERTa and its tokenizer; `frozen`: whether the
    first two learn nothing, as in the paper. The tiny one has no pretrained towers and so learns whole.
    """

    name = "mdetr"

    def __init__(
        self,
        size: str,
        trunk: nn.Module,
        text_encoder: nn.Module,
        words,
        frozen: bool | None = None,
        image_size: int | None = None,
    ):
        super().__init__()
        settings = SETTINGS[size]
        width, heads = settings["width"], settings["heads"]
        self.image_size = image_size or settings["image_size"]
        if self.image_size % 32:
            raise RimError(f"image_size {self.image_size} of mdetr: must be a multiple of 32")
        self.frozen = size == "paper" if frozen is None else frozen
        self.words = words
        channels = [128, 256, 512] if size == "tiny" else [512, 1024, 2048]
        self.trunk = IntermediateLayerGetter(trunk, {f"layer{number}": str(number) for number in (1, 2, 3, 4)})
        self.text_encoder = text_encoder
        self.project = nn.Conv2d(channels[-1], width, 1)
        self.resize_words = nn.Linear(text_encoder.config.hidden_size, width)
        self.norm_words = nn.LayerNorm(width, eps=1e-12)
        self.dropout = nn.Dropout(settings["dropout"])
        self.fusion = Fusion(
            *(settings[name] for name in ("width", "heads", "encoders", "decoders", "inner", "dropout"))
        )
        self.queries = nn.Embedding(settings["queries"], width)
        self.kind = nn.Linear(width, KINDS)
        self.box = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 4)
        )
        self.attention_map = AttentionMap(width, heads)
        self.mask_head = SmallConv(width, heads, (channels[1], channels[0], channels[0] // 2))
        if self.frozen:
            self.trunk.requires_grad_(False)
            self.text_encoder.requires_grad_(False)
        self.about = {
            "size": size,
            "image_size": self.image_size,
            "words": "own" if isinstance(words, OwnWords) else "roberta",
            "frozen": self.frozen,
        }

    @classmethod
    def from_settings(cls, size: str = "paper", weights: str | None = None, image_size: int | None = None) -> MDETR:
        """`weights`: "towers" for pretrained ResNet-101 and RoBERTa under a fresh transformer (for training), "random", or a
        .safetensors file, ours or MDETR's own. None asks for the public ones, which are a pickle: RimError says how to turn
        them into such a file. Raises RimError for all that cannot be had.
        """
        check_size(cls.name, size)
        if weights is None:
            raise none_published(cls.name) if size == "tiny" else RimError(mdetr_weights.PICKLED)
        if weights == "random":
            return cls(size, *mdetr_weights.towers(size), image_size=image_size).eval()
        if weights == "towers":
            if size == "tiny":
                raise none_published(cls.name)
            return cls(size, *mdetr_weights.pretrained_towers(), image_size=image_size).eval()
        if not str(weights).endswith(".safetensors"):
            raise RimError(f"weights {weights!r} of mdetr: must be 'towers', 'random' or a .safetensors file")
        if mdetr_weights.is_public(weights):
            model = cls(size, *mdetr_weights.towers(size)[:2], HubWords(mdetr_weights.ROBERTA), image_size=image_size)
            model.load_state_dict(mdetr_weights.read_public(weights, model.state_dict()))
            return model.eval()
        about = read_header(weights, cls.name, size)
        trunk, text_encoder, words = mdetr_weights.towers(size)
        words = words if about["words"] == "own" else HubWords(mdetr_weights.ROBERTA)
        model = cls(size, trunk, text_encoder, words, about["frozen"], image_size or about["image_size"])
        model.read(weights)
        return model.eval()

    def train(self, mode: bool = True) -> MDETR:
        """Frozen towers stay in evaluation mode: RoBERTa has a dropout of its own."""
        super().train(mode)
        if self.frozen:
            self.trunk.eval()
            self.text_encoder.eval()
        return self

    def forward(self, images: torch.Tensor, sentences: list[str], image_index: torch.Tensor | None = None) -> Found:
        """See `Square`; S may be any multiple of 32."""
        return self.find(images, *(part.to(images.device) for part in self.words(sentences)), image_index)

    def find(
        self,
        images: torch.Tensor,
        numbers: torch.Tensor,
        padding: torch.Tensor,
        image_index: torch.Tensor | None = None,
    ) -> Found:
        """The same of token numbers, int64 (B, L), and of bool (B, L), True where there is no word."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            levels = list(self.trunk(normalise(images)).values())  # at S/4, S/8, S/16 and h
            text = self.text_encoder(numbers, attention_mask=(~padding).long()).last_hidden_state  # (B, L, Dt)
        if image_index is not None:
            levels = [level[image_index] for level in levels]
        projected = self.project(levels[-1])  # (B, D, h, w)
        words = self.dropout(self.norm_words(self.resize_words(text)))  # (B, L, D)
        places = sine_places(*projected.shape[2:], projected.shape[1], device=images.device)
        states, memory = self.fusion(projected.flatten(2).transpose(1, 2), places, words, padding, self.queries.weight)
        return Found(
            self,
            self.kind(states),
            self.box(states).sigmoid(),
            _shares(padding),
            states[-1],
            memory,
            projected,
            levels[2::-1],
            images.shape[-1],
        )

    def masks(self, found: Found, rows: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
        """Logits of the masks of one query each, (M, 1, S, S); `rows`, `queries`: int64 (M,), of the batch and of its queries."""
        maps = self.attention_map(found.states[rows, queries][:, None], found.memory[rows])  # (M, 1, heads, N)
        maps = maps.unflatten(3, found.projected.shape[2:])  # (M, 1, heads, h, w)
        logits = self.mask_head(
            found.projected[rows], maps, [level[rows] for level in found.levels]
        )  # (M, 1, S/4, S/4)
        return F.interpolate(logits, size=(found.side, found.side), mode="bilinear", align_corners=False).float()

    def loss(self, found: Found, alpha_true: torch.Tensor) -> dict[str, torch.Tensor]:
        """The losses of `matching`, those of tokens and boxes summed over all decoder layers, as in DETR."""
        truths, present = matching.boxes_of(alpha_true)
        parts = dict.fromkeys(matching.WEIGHTS, 0.0)
        for logits, boxes in zip(found.logits.float(), found.boxes.float()):
            rows, chosen = matching.match(logits, boxes, found.tokens, truths, present)
            for name, value in matching.set_losses(logits, boxes, found.tokens, truths, rows, chosen).items():
                parts[name] = parts[name] + value
        parts |= matching.mask_losses(self.masks(found, rows, chosen), alpha_true[rows])  # of the last layer's matches
        return {"total": sum(matching.WEIGHTS[name] * value for name, value in parts.items()), **parts}


def _shares(padding: torch.Tensor) -> torch.Tensor:
    """Each word's share in naming the thing, float32 (B, 256): all words of the sentence alike, its start and end not."""
    words = (~padding[:, 1:]).float()  # (B, L-1), without the start
    words = words[:, 1:] * words[:, :-1]  # without the end, (B, L-2): place i is token i + 1
    words = F.pad(words, (1, 0))[:, : KINDS - 1]
    return F.pad(words / words.sum(dim=1, keepdim=True).clamp(min=1), (0, KINDS - words.shape[1]))
