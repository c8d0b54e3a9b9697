"""CLIPSeg: a small decoder on the frozen towers of CLIP.

Paper: Sec. 5.1, S4.1 (Lüddecke and Ecker, CVPR 2022). Activations of three blocks of the image tower are reduced to
D = 64 channels, modulated by the sentence's embedding, run through one transformer block each, and enlarged to pixels.
"We add one sigmoid layer on the output to normalize it to standard matting output"; image and text encoder are frozen.

The network is transformers'; its towers run without gradients. The decoder has 1,127,009 parameters with ViT-B/16 and
the convolutional upsampling of the public "refined" weights. The 1,122,305 that the CLIPSeg paper counts are those of
a single transposed convolution on patches of 32 pixels; a test counts both.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from rimlib.baselines.baseline import (
    MatteLogits,
    TrainableMethod,
    check_size,
    no_public_weights,
    normalise,
    read_header,
)
from rimlib.clipmat.backbone import PATCH
from rimlib.clipmat.clip_weights import create_clip
from rimlib.clipmat.tokenizer import CONFIGS, Tokenizer
from rimlib.errors import RimError, require
from rimlib.io import hub

PUBLIC = "CIDAS/clipseg-rd64-refined"
IMAGE_SIZE = {"tiny": 128, "paper": 512}  # Paper: S4.1, every method takes 512 x 512
PUBLIC_SIZE = 352  # what the public weights were trained on
CLIPS = {"tiny": "rim-tiny", "paper": "ViT-B-16-quickgelu"}
CLIP_SIZE = {"tiny": 128, "paper": 224}  # pixels that the towers' position embeddings are for
LENGTH = 77
# The text modulates the deepest of three activations, and the others are added to it as they are. Those of our small
# CLIP are so large (4 in the mean, for each channel) that the text has no effect on the sum, and training does not
# change that. So the layers that reduce the activations begin small.
REDUCE_SCALE = {"tiny": 1 / 6, "paper": 1.0}


class CLIPSeg(TrainableMethod):
    """CLIPSeg.

    Args:
        net: transformers' CLIPSegForImageSegmentation.
        size: "tiny" or "paper".
        image_size: S, a multiple of 16.
    """

    name = "clipseg"

    def __init__(self, net: Any, size: str = "paper", image_size: int | None = None):
        super().__init__()
        self.image_size = image_size or IMAGE_SIZE[size]
        if self.image_size % PATCH:
            message = f"image_size {self.image_size} of clipseg: must be a multiple of {PATCH}"
            raise RimError(message, setting="image_size")
        self.net = net
        self.net.clip.requires_grad_(False)
        # CLIP's tokenizer for CLIP's vocabulary, ours for ours; zeros after the end of text, to which nothing attends.
        self.tokenizer = Tokenizer(CONFIGS / "rim-tiny.bpe.txt.gz" if size == "tiny" else None, LENGTH)
        self.about = {"size": size, "image_size": self.image_size}

    @classmethod
    def from_settings(cls, size: str = "paper", weights: str | None = None, image_size: int | None = None) -> CLIPSeg:
        """CLIPSeg of one size.

        Args:
            size: "tiny" or "paper".
            weights: None for the public ones, another hub name or a folder, "clip" for pretrained towers and a fresh
                decoder (for training), "random", or a .safetensors file that `save` wrote.
            image_size: S.

        Raises:
            RimError: no such size or weights.
        """
        kind = require("transformers", "baselines").CLIPSegForImageSegmentation
        check_size(cls.name, size)
        if weights is None and size == "tiny":
            raise no_public_weights(cls.name, "weights='clip' (our CLIP's towers) or ")
        stored = weights if str(weights).endswith(".safetensors") else None
        if weights not in ("random", "clip") and not stored:
            image_size = image_size or (PUBLIC_SIZE if size == "paper" else None)
            return cls(hub.load_pretrained(kind, weights or PUBLIC), size, image_size)
        if stored:
            image_size = image_size or read_header(stored, cls.name, size)["image_size"]
        model = cls(kind(config(size)), size, image_size)
        reset(model.net.decoder)
        if stored:
            model.load(stored)
        elif weights == "clip":
            model.net.clip.load_state_dict(pretrained_towers(size))
            with torch.no_grad():
                for reduce in model.net.decoder.reduces:
                    reduce.weight *= REDUCE_SCALE[size]
        return model.eval()

    @classmethod
    def of(cls, net: Any) -> CLIPSeg:
        """CLIPSeg of transformers' network with trained weights, public or of this repository's small CLIP."""
        words = net.config.text_config.vocab_size
        size = "tiny" if words == Tokenizer(CONFIGS / "rim-tiny.bpe.txt.gz", LENGTH).vocab_size else "paper"
        return cls(net, size, PUBLIC_SIZE if size == "paper" else None).eval()

    def forward(
        self, images: torch.Tensor, sentences: list[str], image_index: torch.Tensor | None = None
    ) -> MatteLogits:
        """See `FixedSizeMethod`; S may be any multiple of 16, since the position embeddings are resized."""
        return self.forward_tokens(images, self.tokenizer(sentences, truncate=True).to(images.device), image_index)

    def forward_tokens(
        self, images: torch.Tensor, tokens: torch.Tensor, image_index: torch.Tensor | None = None
    ) -> MatteLogits:
        """The same with token ids, int64 (B, L)."""
        activations = self.activations(images)
        if image_index is not None:
            activations = [activation[image_index] for activation in activations]
        return self.decode(activations, tokens, images.shape[2])

    def activations(self, images: torch.Tensor) -> list[torch.Tensor]:
        """What the decoder takes of images, each (B, 1+N, Dv): an image is encoded once for all its sentences."""
        with torch.no_grad():
            states = self.net.clip.vision_model(pixel_values=normalise(images), output_hidden_states=True).hidden_states
        # The first hidden state is the embedding, so block i's output is number i + 1.
        return [states[block + 1] for block in self.net.extract_layers]

    def decode(self, activations: list[torch.Tensor], tokens: torch.Tensor, side: int) -> MatteLogits:
        """The mattes of sentences, their images' `activations` given; side: S of the images."""
        with torch.no_grad():
            text = self.net.get_conditional_embeddings(batch_size=len(tokens), input_ids=tokens)  # (B, 512)
        logits = self.net.decoder(activations, text).logits  # (B, S, S)
        return MatteLogits(logits.reshape(len(tokens), 1, side, side).float())  # (B, 1, S, S)

    def loss(self, prediction: MatteLogits, alpha_true: torch.Tensor) -> dict[str, torch.Tensor]:
        """Binary cross-entropy, CLIPSeg's own, with the matte as a soft target (the RIM paper names no loss)."""
        total = F.binary_cross_entropy_with_logits(prediction.logits, alpha_true)
        return {"total": total, "cross_entropy": total}


def config(size: str) -> Any:
    """Transformers' configuration: `paper` is that of the public weights, `tiny` that of the shipped CLIP's towers."""
    shared: dict[str, Any] = {"reduce_dim": 64, "use_complex_transposed_convolution": True}
    vision = {"patch_size": 16, "image_size": CLIP_SIZE[size]}
    if size == "paper":
        shared |= {"vision_config": vision, "extract_layers": (3, 6, 9)}
    else:
        vocabulary = Tokenizer(CONFIGS / "rim-tiny.bpe.txt.gz", LENGTH).vocab_size
        tower = {"hidden_size": 192, "intermediate_size": 768, "num_attention_heads": 4, "hidden_act": "gelu"}
        ids = {"vocab_size": vocabulary, "bos_token_id": vocabulary - 2, "eos_token_id": vocabulary - 1}
        shared |= {"text_config": {**tower, **ids, "num_hidden_layers": 4}}
        shared |= {"vision_config": {**tower, **vision, "num_hidden_layers": 8}}
        # Blocks 3, 6 and 9, from 0, end after 33, 58 and 83 % of twelve; 2, 4 and 6 after 38, 63 and 88 % of eight.
        shared |= {"extract_layers": (2, 4, 6), "projection_dim": 256, "decoder_intermediate_size": 256}
    return require("transformers", "baselines").CLIPSegConfig(**shared)


def reset(decoder: nn.Module) -> None:
    """Initialise a fresh decoder as torch initialises its layers, and as CLIPSeg's own code does.

    Transformers draws the weights of its plain layers with a deviation of 1; the first loss is then some 200 where it
    should be 0.7.
    """
    for module in decoder.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            module.reset_parameters()


def pretrained_towers(size: str) -> dict[str, torch.Tensor]:
    """The tensors of a pretrained CLIP under transformers' names: of the small one that ships, or of OpenAI's."""
    settings: Any = SimpleNamespace(backbone=CLIPS[size], image_size=CLIP_SIZE[size], text_length=LENGTH)
    return rename_towers(create_clip(settings, "clip")[0].state_dict())


def rename_towers(clip: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """An open_clip model's tensors under transformers' names, with queries, keys and values apart."""
    own = {
        "logit_scale": clip["logit_scale"],
        "text_model.embeddings.token_embedding.weight": clip["token_embedding.weight"],
        "text_model.embeddings.position_embedding.weight": clip["positional_embedding"],
        "text_projection.weight": clip["text_projection"].T,
        "vision_model.embeddings.class_embedding": clip["visual.class_embedding"],
        "vision_model.embeddings.patch_embedding.weight": clip["visual.conv1.weight"],
        "vision_model.embeddings.position_embedding.weight": clip["visual.positional_embedding"],
        "visual_projection.weight": clip["visual.proj"].T,
    }
    norms = {
        "ln_final": "text_model.final_layer_norm",
        "visual.ln_pre": "vision_model.pre_layrnorm",
        "visual.ln_post": "vision_model.post_layernorm",
    }
    parts = {
        "ln_1": "layer_norm1",
        "ln_2": "layer_norm2",
        "attn.out_proj": "self_attn.out_proj",
        "mlp.c_fc": "mlp.fc1",
        "mlp.c_proj": "mlp.fc2",
    }
    for name, tensor in clip.items():
        module, kind = name.rpartition(".")[::2]
        if module in norms:
            own[f"{norms[module]}.{kind}"] = tensor
        if "resblocks." not in name:
            continue
        number, part = name.split("resblocks.")[1].split(".", 1)
        home = f"{'vision' if name.startswith('visual.') else 'text'}_model.encoder.layers.{number}"
        if part.startswith("attn.in_proj_"):
            for letter, third in zip("qkv", tensor.chunk(3)):
                own[f"{home}.self_attn.{letter}_proj.{part.removeprefix('attn.in_proj_')}"] = third
        else:
            own[f"{home}.{parts[part.rpartition('.')[0]]}.{kind}"] = tensor
    return own
