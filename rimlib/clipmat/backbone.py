"""CLIP's image and text encoder, dense, without their last projections.

Paper: Sec. 4.1, 4.3 ("we abandon the last project layer"), supplement Sec. 4.1, Table 11.

The backbones come from open_clip by name: `rim-tiny` is a configuration of our own, `ViT-B-16-quickgelu` and
`ViT-L-14-quickgelu` are the paper's. All have a patch of 16 pixels here: the patch embedding of ViT-L/14 is resampled.
The class token times CLIP's own projection is CLIP's image embedding, and the end-of-text token times CLIP's own
text projection is its text embedding; a test holds both against open_clip.
"""

from __future__ import annotations

import math
from pathlib import Path

import open_clip
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from rimlib.clipmat.attention import attend
from rimlib.clipmat.checkpoint import read_shapes, read_tensors
from rimlib.clipmat.hub import fetch
from rimlib.clipmat.tokenizer import CONFIGS, Tokenizer
from rimlib.errors import RimError

PATCH = 16  # Table 11 gives all backbones a grid of H/16
CHECKPOINTS = Path(__file__).parent.parent / "checkpoints"
WEIGHTS = "open_clip_model.safetensors"  # what open_clip calls a CLIP's weights on the hub
OPENAI_NUMBERS = ("input_resolution", "context_length", "vocab_size")

open_clip.add_model_config(CONFIGS)


class Backbone(nn.Module):
    """Image tokens, block features and text features of one CLIP.

    `clip` is an open_clip model, taken over and changed: its projections are dropped and its grid of positions is
    resized to `image_size`.
    """

    def __init__(self, clip: open_clip.CLIP, image_size: int):
        super().__init__()
        self.visual = clip.visual
        self.visual.proj = None
        resize_visual(self.visual, image_size)
        self.token_embedding = clip.token_embedding
        self.positional_embedding = clip.positional_embedding
        self.transformer = clip.transformer
        self.ln_final = clip.ln_final
        self.image_width = self.visual.class_embedding.shape[0]
        self.text_width = self.token_embedding.embedding_dim
        self.context_length = self.positional_embedding.shape[0]

    def encode_image(self, images: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Dense image features.

        `images`: float (B, 3, S, S), normalised. Returns tokens (B, 1+N, D) after CLIP's last layer norm, the class
        token first, and the outputs of four equal groups of blocks, each (B, D, h, w) in channels-last memory.
        """
        size = images.shape[-1] // PATCH
        x = self.visual._embeds(images)  # (B, 1+N, D)
        blocks = self.visual.transformer.resblocks
        levels = []
        for number, block in enumerate(blocks, start=1):
            x = self._run(self.visual.transformer, block, x, False)
            if number % (len(blocks) // 4) == 0:
                # Tokens are channels-last pixels already: this is a view, no memory moves.
                levels.append(x[:, 1:].transpose(1, 2).unflatten(2, (size, size)))  # (B, D, h, w)
        return self.visual.ln_post(x), levels

    def encode_text(self, tokens: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Text features of every token.

        `tokens`: int64 (B, L). `context`: learnable vectors (C, D), appended after the tokens; C may be 0.
        Positions are added to both, and each position sees those before it only, as in CLIP: so the features of the
        tokens do not depend on the context. Returns (B, L+C, D).
        """
        length = self.check_length(tokens.shape[1], len(context))
        x = self.token_embedding(tokens)  # (B, L, D)
        x = torch.cat([x, context.expand(len(x), -1, -1)], dim=1)  # (B, L+C, D)
        x = x + self.positional_embedding[:length]
        if torch.is_autocast_enabled(x.device.type):
            x = x.to(
                torch.get_autocast_dtype(x.device.type)
            )  # as the image side, whose first operation is a convolution
        for block in self.transformer.resblocks:
            x = self._run(self.transformer, block, x, True)
        return self.ln_final(x)

    def check_length(self, words: int, context: int) -> int:
        """The length of words and context together; RimError when the backbone has fewer positions."""
        if words + context > self.context_length:
            raise RimError(
                f"model.text_length {words} and model.context {context}: together {words + context}, "
                f"but this backbone has {self.context_length} text positions"
            )
        return words + context

    def _run(self, transformer: nn.Module, block: nn.Module, x: torch.Tensor, causal: bool) -> torch.Tensor:
        if transformer.grad_checkpointing and torch.is_grad_enabled():
            return checkpoint(run_block, block, x, causal, use_reentrant=False)
        return run_block(block, x, causal)


def run_block(block: nn.Module, x: torch.Tensor, causal: bool) -> torch.Tensor:
    """One transformer block of open_clip on (B, N, D), by the same attention in training and evaluation.

    The block's own forward goes through `nn.MultiheadAttention`, which takes a slower path when no gradient is needed.
    """
    attn = block.attn
    qkv = F.linear(block.ln_1(x), attn.in_proj_weight, attn.in_proj_bias)  # (B, N, 3D)
    qkv = qkv.unflatten(2, (3, attn.num_heads, -1))  # (B, N, 3, heads, D/heads)
    q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, N, D/heads)
    y = attend(q, k, v, causal)
    y = y.transpose(1, 2).flatten(2)  # (B, N, D)
    x = x + block.ls_1(attn.out_proj(y))
    return x + block.ls_2(block.mlp(block.ln_2(x)))


def resize_visual(visual: nn.Module, image_size: int) -> None:
    """Give a vision transformer the patch of 16 pixels and the grid of positions of `image_size`, in place."""
    from timm.layers import resample_abs_pos_embed, resample_patch_embed

    with torch.no_grad():
        if visual.patch_size != (PATCH, PATCH):
            # The paper does not say how 14 becomes 16; this resampling keeps the answers to resized patches the same.
            weight = resample_patch_embed(visual.conv1.weight, [PATCH, PATCH])
            visual.conv1 = nn.Conv2d(3, len(weight), PATCH, stride=PATCH, bias=False).to(weight)
            visual.conv1.weight.copy_(weight)
            visual.patch_size = (PATCH, PATCH)
        grid = (image_size // PATCH, image_size // PATCH)
        if visual.positional_embedding.shape[0] != 1 + grid[0] * grid[1]:
            positions = resample_abs_pos_embed(visual.positional_embedding[None], list(grid))[0]
            visual.positional_embedding = nn.Parameter(positions.clone())
        visual.grid_size, visual.image_size = grid, (image_size, image_size)


def normalise(images: torch.Tensor) -> torch.Tensor:
    """Images (B, 3, H, W) in [0, 1] as CLIP wants them: less its mean colour, by its deviation."""
    mean, std = (
        torch.tensor(values, dtype=images.dtype, device=images.device).view(3, 1, 1)
        for values in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    )
    return (images - mean) / std


def create_clip(settings, weights: str | Path = "clip") -> tuple[open_clip.CLIP, Tokenizer]:
    """An open_clip model in float32, its projections included, and its tokenizer.

    `settings`: a profile's model settings, of which `backbone` (one of `configs/*.json` or an open_clip name),
    `image_size` and `text_length` are read. `weights`: "clip" for the pretrained ones (OpenAI's, for the paper's backbones),
    "random" for none, or a .safetensors file of a CLIP of this configuration; its image size may be another.
    Raises RimError when the name is unknown or the weights cannot be had; nothing is ever random that was not asked to be.
    """
    name = settings.backbone
    if str(weights) not in ("clip", "random") and Path(weights).suffix != ".safetensors":
        raise RimError(
            f"weights {str(weights)!r}: must be 'clip' (pretrained), 'random', or a .safetensors file of a CLIP"
        )
    config, ours = _config(name), (CONFIGS / f"{name}.json").exists()
    tokenizer = Tokenizer(CONFIGS / f"{name}.bpe.txt.gz" if ours else None, settings.text_length)
    if ours:
        config["text_cfg"]["vocab_size"] = tokenizer.vocab_size
    path = None if weights == "random" else Path(weights)
    if weights == "clip":
        path = CHECKPOINTS / f"{name}-clip.safetensors" if ours else _fetched(name, config)
    if path and not path.exists():
        raise RimError(
            f"{path}: the weights of {name} are not there; "
            f"{'make them with `rim pretrain`' if ours else 'name a file of such a CLIP'}, or ask for weights='random'"
        )
    if path:
        _shape_as(path, config["vision_cfg"])
    clip = open_clip.CLIP(**config)
    if path:
        clip.load_state_dict(_read_clip(path, clip))
    resize_visual(clip.visual, settings.image_size)
    return clip, tokenizer


def _config(name: str) -> dict:
    """open_clip's configuration of a backbone: one that is built as CLIP is, with nothing that `Backbone` would leave out."""
    if name not in open_clip.list_models():
        raise RimError(
            f"model.backbone {name!r}: no such backbone; ours are "
            f"{', '.join(sorted(path.stem for path in CONFIGS.glob('*.json')))}, the paper's "
            "ViT-B-16-quickgelu and ViT-L-14-quickgelu"
        )
    config = open_clip.get_model_config(name)
    other = sorted(
        [
            *(config.keys() - {"embed_dim", "quick_gelu", "vision_cfg", "text_cfg"}),
            *(config["vision_cfg"].keys() - {"image_size", "layers", "width", "head_width", "patch_size", "mlp_ratio"}),
            *(config["text_cfg"].keys() - {"context_length", "vocab_size", "width", "heads", "layers", "mlp_ratio"}),
        ]
    )
    layers = config["vision_cfg"].get("layers")
    if other or not isinstance(layers, int) or layers % 4:
        why = (
            f"its configuration has {other[0]}"
            if other
            else f"its layers are {layers}, not four equal groups of blocks"
        )
        raise RimError(
            f"model.backbone {name!r}: not a vision transformer as CLIP's own ({why}); the paper's are "
            "ViT-B-16-quickgelu and ViT-L-14-quickgelu"
        )
    return config


def _fetched(name: str, config: dict) -> Path:
    """The file of OpenAI's weights from the repository that open_clip names, out of the hub's cache or through the network.

    Not by `open_clip.create_model`: where the safetensors file does not come, that would take a pickle.
    """
    known = open_clip.get_pretrained_cfg(name, "openai")
    if not known.get("hf_hub"):
        raise RimError(
            f"model.backbone {name!r}: open_clip knows no OpenAI weights for it; ask for weights='random', or name "
            "a .safetensors file of such a CLIP"
        )
    if known["quick_gelu"] != config.get("quick_gelu", False):
        raise RimError(
            f"model.backbone {name!r}: OpenAI trained with QuickGELU, which this backbone has not; take {name}-quickgelu"
        )
    repository = known["hf_hub"].strip("/")
    path = (
        fetch(
            repository,
            [WEIGHTS],
            f"these are the weights of backbone {name}: run `hf download {repository} {WEIGHTS}` once "
            "where a network is, or name that file as the weights, or ask for weights='random'",
            cached=True,
        )
        / WEIGHTS
    )
    if not path.is_file():
        raise RimError(
            f"{repository}: it holds no {WEIGHTS}, and pickles are never opened here; name a .safetensors file of "
            f"a CLIP as the weights of backbone {name}, or ask for weights='random'"
        )
    return path


def _shape_as(path: Path, vision: dict) -> None:
    """Let a configuration have the patch and the grid of positions of a file: it may come from another image size."""
    shapes = read_shapes(path)
    kernel, positions = shapes.get("visual.conv1.weight", ()), shapes.get("visual.positional_embedding", ())
    if len(kernel) != 4 or len(positions) != 2:
        return  # another thing altogether: what it lacks is told where it is read
    if kernel[-1] == PATCH:  # a file of our own has this patch already
        vision["patch_size"] = PATCH
    vision["image_size"] = vision["patch_size"] * max(1, math.isqrt(positions[0] - 1))


def _read_clip(path: Path, clip: open_clip.CLIP) -> dict[str, torch.Tensor]:
    """The tensors of a CLIP's file, in the layout of open_clip or of OpenAI."""
    expected, shapes = clip.state_dict(), read_shapes(path)
    if any(name.startswith(("vision_model.", "text_model.")) for name in shapes):
        raise RimError(
            f"{path}: a CLIP in the layout of transformers; {WEIGHTS} of the repository that open_clip names is needed"
        )
    # OpenAI's own archives hold three numbers besides, and some files hold the scale as a list of one.
    numbers = {name: torch.zeros(shapes[name], dtype=torch.int64) for name in OPENAI_NUMBERS if name in shapes}
    if shapes.get("logit_scale") == (1,):
        expected["logit_scale"] = expected["logit_scale"].reshape(1)
    tensors = read_tensors(path, expected | numbers)
    tensors["logit_scale"] = tensors["logit_scale"].reshape(clip.logit_scale.shape)
    return {name: tensors[name] for name in expected}
