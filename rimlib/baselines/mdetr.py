"""MDETR: a detector conditioned on a sentence, with a mask for each detection.

Paper: Sec. 5.1, S4.1 (Kamath et al., ICCV 2021): ResNet-101 with frozen batch norms, RoBERTa, 6 + 6 transformer layers
of width 256 with 8 heads, 100 queries, the mask head `smallconv`, "the prediction mask with the highest probability as
the final output"; image and text encoder are frozen. No maintained library has it, so it is written here; the public
weights can be read (`mdetr_weights`). Left out: the contrastive alignment of tokens and queries, which distinguishes
several phrases of a caption and which MDETR itself switches off for segmentation, and batches of images of several
sizes. MDETR's authors train boxes first and masks after, on a frozen detector; the RIM paper gives no order, and `loss`
has both.

Parameters at the paper's size: 42.4 M of ResNet-101 (without its classes; frozen norms have none), 124.1 M of RoBERTa
(without its pooler, which nothing uses), 17.4 M of the transformer, 0.9 M of the layers around it: 184.8 M, and the
masks take 1.3 M more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from rimlib.baselines import matching, mdetr_weights
from rimlib.baselines.baseline import TrainableMethod, check_size, no_public_weights, normalise, read_header
from rimlib.baselines.mask_head import AttentionMap, SmallConv
from rimlib.baselines.tokenizers import HubTokenizer, LocalTokenizer
from rimlib.baselines.transformer import Fusion, sine_positions
from rimlib.errors import RimError

KINDS = 256  # positions of the sentence's tokens, the last for "no object"
SETTINGS: dict[str, dict[str, Any]] = {
    "paper": {"width": 256, "heads": 8, "encoders": 6, "decoders": 6, "inner": 2048, "dropout": 0.1},
    "tiny": {"width": 128, "heads": 8, "encoders": 2, "decoders": 2, "inner": 256, "dropout": 0.0},
}
QUERIES = {"paper": 100, "tiny": 10}
IMAGE_SIZE = {"paper": 512, "tiny": 128}
ENCODERS = ("trunk", "text_encoder")  # what the paper freezes
TOWERS = ("trunk.tower", "text_encoder")  # the same of size tiny, whose trunk has blocks that learn


@dataclass
class Detections:
    """What all queries of a batch detect.

    Attributes:
        model: whose mask head is used.
        logits: (layers, B, Q, 256), over the sentence's tokens and, last, "no object".
        boxes: (layers, B, Q, 4): centre x, centre y, width, height as shares of the side.
        tokens: (B, 256), the target distribution over the sentence's tokens.
        states: (B, Q, D), the queries after the decoder.
        memory: (B, N, D), the image tokens after the encoder.
        projected: (B, D, h, w), the trunk's last features, h = w = S/32, or S/16 of the tiny one.
        levels: its features at S/16, S/8, S/4.
        side: S.
    """

    model: MDETR
    logits: torch.Tensor
    boxes: torch.Tensor
    tokens: torch.Tensor
    states: torch.Tensor
    memory: torch.Tensor
    projected: torch.Tensor
    levels: list[torch.Tensor]
    side: int

    @cached_property
    def probabilities(self) -> torch.Tensor:
        """That a query is the referent, (B, Q): 1 - p(no object)."""
        return 1 - self.logits[-1].softmax(dim=2)[..., -1]

    @property
    def score(self) -> torch.Tensor:
        """The confidence that the image contains the referent, (B,) in [0, 1]."""
        return self.probabilities.detach().amax(dim=1)

    @cached_property
    def alpha(self) -> torch.Tensor:
        """The mask of the most probable query, (B, 1, S, S) in [0, 1]; training uses the masks of matched queries."""
        best = self.probabilities.argmax(dim=1)
        return self.model.masks(self, torch.arange(len(best), device=best.device), best).sigmoid()


class MDETR(TrainableMethod):
    """MDETR.

    Args:
        size: "tiny" or "paper".
        trunk: `mdetr_weights.resnet`, or a `Trunk` of size tiny.
        text_encoder: a RoBERTa, or CLIP's.
        tokenizer: of the text encoder.
        frozen: the modules that are not trained, by name; None: `ENCODERS` of the paper's size, and none of tiny, which
            is not pretrained.
        image_size: S, a multiple of 32.
    """

    name = "mdetr"

    def __init__(
        self,
        size: str,
        trunk: Any,
        text_encoder: Any,
        tokenizer: LocalTokenizer | HubTokenizer,
        frozen: Sequence[str] | None = None,
        image_size: int | None = None,
    ):
        super().__init__()
        settings = SETTINGS[size]
        width, heads = settings["width"], settings["heads"]
        self.image_size = image_size or IMAGE_SIZE[size]
        if self.image_size % 32:
            raise RimError(f"image_size {self.image_size} of mdetr: must be a multiple of 32", setting="image_size")
        self.frozen = list((ENCODERS if size == "paper" else ()) if frozen is None else frozen)
        self.tokenizer = tokenizer
        channels = [128, 256, trunk.tower.config.hidden_size] if size == "tiny" else [512, 1024, 2048]
        self.trunk: nn.Module = trunk
        self.text_encoder = text_encoder
        self.project = nn.Conv2d(channels[-1], width, 1)
        self.resize_words = nn.Linear(text_encoder.config.hidden_size, width)
        self.norm_words = nn.LayerNorm(width, eps=1e-12)
        self.dropout = nn.Dropout(settings["dropout"])
        self.fusion = Fusion(**settings)
        self.queries = nn.Embedding(QUERIES[size], width)
        self.kind = nn.Linear(width, KINDS)
        self.box = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 4)
        )
        self.attention_map = AttentionMap(width, heads)
        self.mask_head = SmallConv(width, heads, (channels[1], channels[0], channels[0] // 2))
        for encoder in self.frozen:
            self.get_submodule(encoder).requires_grad_(False)
        kind = "local" if isinstance(tokenizer, LocalTokenizer) else "hub"
        self.about = {"size": size, "image_size": self.image_size, "tokenizer": kind, "frozen": self.frozen}

    @classmethod
    def from_settings(cls, size: str = "paper", weights: str | None = None, image_size: int | None = None) -> MDETR:
        """MDETR of one size.

        Args:
            size: "tiny" or "paper".
            weights: for training with a fresh transformer "towers", a pretrained ResNet-101 and RoBERTa, or of size
                tiny "clip", the towers of the small CLIP that ships, frozen; "random"; or a .safetensors file, of
                `save` or of MDETR's own weights. None stands for the public ones, which are a pickle: the error
                explains how to convert them.
            image_size: S.

        Raises:
            RimError: no such size or weights.
        """
        check_size(cls.name, size)
        if size == "tiny" and weights in (None, "towers"):
            raise no_public_weights(cls.name, "weights='clip' (our CLIP's towers) or ")
        if weights is None:
            raise RimError(mdetr_weights.PICKLED, setting="weights")
        if weights == "random":
            return cls(size, *mdetr_weights.towers(size), image_size=image_size).eval()
        if size == "tiny" and weights == "clip":
            parts = mdetr_weights.towers(size, pretrained=True)
            return cls(size, *parts, frozen=TOWERS, image_size=image_size).eval()
        if weights == "towers":
            return cls(size, *mdetr_weights.pretrained_towers(), image_size=image_size).eval()
        if not str(weights).endswith(".safetensors"):
            known = "'clip'" if size == "tiny" else "'towers'"
            message = f"weights {weights!r} of mdetr: must be {known}, 'random' or a .safetensors file"
            raise RimError(message, setting="weights")
        public = mdetr_weights.is_public(weights)
        about: dict[str, Any] = {"tokenizer": "hub"} if public else read_header(weights, cls.name, size)
        trunk, text_encoder, local = mdetr_weights.towers(size)
        tokenizer = HubTokenizer(mdetr_weights.ROBERTA) if about["tokenizer"] == "hub" else local
        image_size = image_size or about.get("image_size")
        model = cls(size, trunk, text_encoder, tokenizer, about.get("frozen"), image_size)
        if public:
            model.load_state_dict(mdetr_weights.read_public(weights, model.state_dict()))
        else:
            model.load(weights)
        return model.eval()

    def train(self, mode: bool = True) -> MDETR:
        """Frozen encoders stay in evaluation mode: RoBERTa has a dropout of its own."""
        super().train(mode)
        for encoder in self.frozen:
            self.get_submodule(encoder).eval()
        return self

    def forward(
        self, images: torch.Tensor, sentences: list[str], image_index: torch.Tensor | None = None
    ) -> Detections:
        """See `FixedSizeMethod`; S may be any multiple of 32."""
        tokens, padding = self.tokenizer(sentences)
        return self.forward_tokens(images, tokens.to(images.device), padding.to(images.device), image_index)

    def forward_tokens(
        self, images: torch.Tensor, tokens: torch.Tensor, padding: torch.Tensor, image_index: torch.Tensor | None = None
    ) -> Detections:
        """The same with token ids, int64 (B, L), and bool (B, L), True where there is no token."""
        with self._grad("trunk"):
            levels = list(self.trunk(normalise(images)).values())  # at S/4, S/8, S/16 and h
        with self._grad("text_encoder"):
            text = self.text_encoder(tokens, attention_mask=(~padding).long()).last_hidden_state  # (B, L, Dt)
        if image_index is not None:
            levels = [level[image_index] for level in levels]
        projected = self.project(levels[-1])  # (B, D, h, w)
        text = self.dropout(self.norm_words(self.resize_words(text)))  # (B, L, D)
        width, *grid = projected.shape[1:]
        positions = sine_positions(grid[0], grid[1], width, images.device)
        image = projected.flatten(2).transpose(1, 2)  # (B, N, D)
        states, memory = self.fusion(image, positions, text, padding, self.queries.weight)
        logits, boxes, targets = self.kind(states), self.box(states).sigmoid(), token_targets(padding)
        side = images.shape[-1]
        return Detections(self, logits, boxes, targets, states[-1], memory, projected, levels[2::-1], side)

    def _grad(self, encoder: str) -> Any:
        return torch.set_grad_enabled(torch.is_grad_enabled() and encoder not in self.frozen)

    def masks(self, found: Detections, rows: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
        """Logits of masks, (M, 1, S, S), one for each row of the batch and query, both int64 (M,)."""
        maps = self.attention_map(found.states[rows, queries][:, None], found.memory[rows])  # (M, 1, heads, N)
        maps = maps.unflatten(3, found.projected.shape[2:])  # (M, 1, heads, h, w)
        levels = [level[rows] for level in found.levels]
        logits = self.mask_head(found.projected[rows], maps, levels)  # (M, 1, S/4, S/4)
        return F.interpolate(logits, size=(found.side, found.side), mode="bilinear", align_corners=False).float()

    def loss(self, prediction: Detections, alpha_true: torch.Tensor) -> dict[str, torch.Tensor]:
        """The losses of `matching`, those of tokens and boxes summed over all decoder layers, as in DETR."""
        truths, present = matching.boxes_of(alpha_true)
        parts = {name: torch.zeros((), device=alpha_true.device) for name in matching.WEIGHTS}
        for logits, boxes in zip(prediction.logits.float(), prediction.boxes.float()):
            rows, queries = matching.match(logits, boxes, prediction.tokens, truths, present)
            for name, value in matching.set_losses(logits, boxes, prediction.tokens, truths, rows, queries).items():
                parts[name] = parts[name] + value
        parts |= matching.mask_losses(self.masks(prediction, rows, queries), alpha_true[rows])  # of the last layer's
        total = torch.stack([matching.WEIGHTS[name] * value for name, value in parts.items()]).sum()
        return {"total": total, **parts}


def token_targets(padding: torch.Tensor) -> torch.Tensor:
    """The target distribution over tokens, float32 (B, 256): uniform over the sentence's, without its start and end."""
    inside = (~padding[:, 1:]).float()  # (B, L-1), without the start
    inside = inside[:, 1:] * inside[:, :-1]  # without the end, (B, L-2): column i is token i + 1
    inside = F.pad(inside, (1, 0))[:, : KINDS - 1]
    return F.pad(inside / inside.sum(dim=1, keepdim=True).clamp(min=1), (0, KINDS - inside.shape[1]))
