"""MDETR's image and text encoder, and its public weights under the names of the modules here."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torchvision.models._utils import IntermediateLayerGetter

from rimlib.baselines import clipseg
from rimlib.baselines.tokenizers import HubTokenizer, LocalTokenizer
from rimlib.errors import RimError, require
from rimlib.io import hub
from rimlib.io.weights import read_shapes, read_tensors

ROBERTA = "FacebookAI/roberta-base"
RESNET, RESNET_FILE = "timm/resnet101.tv_in1k", "model.safetensors"  # torchvision's ImageNet weights
ADDRESS = "https://zenodo.org/records/4721981/files/phrasecut_resnet101_checkpoint.pth"
PICKLED = (
    f"mdetr: its public weights ({ADDRESS}) are a pickle, which is not opened here; where you trust it, convert it to "
    "safetensors (torch.load with weights_only=True and argparse.Namespace among torch.serialization.safe_globals, "
    "then safetensors.torch.save_file of its 'model_ema', or of its 'model' where it has no other) and give that file; "
    "or use weights='towers' (pretrained ResNet-101 and RoBERTa) or weights='random'"
)

OURS = (  # how a name of the public weights begins, and what that is here; the first that fits counts
    ("detr.backbone.0.body.", "trunk."),
    ("detr.transformer.text_encoder.", "text_encoder."),
    ("detr.transformer.resizer.fc.", "resize_words."),
    ("detr.transformer.resizer.layer_norm.", "norm_words."),
    ("detr.transformer.encoder.layers.", "fusion.encoder."),
    ("detr.transformer.decoder.layers.", "fusion.decoder."),
    ("detr.transformer.decoder.norm.", "fusion.norm."),
    ("detr.query_embed.", "queries."),
    ("detr.input_proj.", "project."),
    ("detr.class_embed.", "kind."),
    *((f"detr.bbox_embed.layers.{number}.", f"box.{2 * number}.") for number in range(3)),
    ("bbox_attention.", "attention_map."),
    *((f"mask_head.lay{number}.", f"mask_head.convs.{number - 1}.") for number in range(1, 6)),
    *((f"mask_head.gn{number}.", f"mask_head.norms.{number - 1}.") for number in range(1, 6)),
    *((f"mask_head.adapter{number}.", f"mask_head.adapters.{number - 1}.") for number in range(1, 4)),
    ("mask_head.out_lay.", "mask_head.out."),
)
DECODER = {"cross_attn_image": "cross_attn", "norm3": "norm2", "norm4": "norm3"}  # parts of a layer, without a norm2
UNUSED = ("pooler.", "position_ids", "contrastive_align_projection", "num_batches_tracked")


def towers(size: str, pretrained: bool = False) -> tuple[nn.Module, Any, LocalTokenizer]:
    """Image encoder, text encoder and tokenizer, with random weights.

    Of size paper these are ResNet-101 and RoBERTa-base. Of size tiny they are a `Trunk` and the text encoder of our
    small CLIP, on which the other methods of that size stand too; `pretrained` gives both towers the weights that ship.
    """
    transformers = require("transformers", "baselines")
    if size == "tiny":
        both = clipseg.config(size)
        text: Any = transformers.CLIPTextModel(transformers.CLIPTextConfig(**both.text_config.to_dict()))
        image: Any = transformers.CLIPVisionModel(transformers.CLIPVisionConfig(**both.vision_config.to_dict()))
        if pretrained:
            stored = clipseg.pretrained_towers(size)
            for tower, kind in ((text, "text_model."), (image, "vision_model.")):
                state = tower.state_dict()
                tower.load_state_dict({name: stored[f"{kind}{name.removeprefix(kind)}"] for name in state})
        return Trunk(image), text, LocalTokenizer(size)
    tokenizer = LocalTokenizer(size, pad=1)
    sizes = {"vocab_size": 50265, "max_position_embeddings": 514, "layer_norm_eps": 1e-5, "type_vocab_size": 1}
    config = transformers.RobertaConfig(**sizes)
    return resnet(), transformers.RobertaModel(config, add_pooling_layer=False), tokenizer


def resnet() -> nn.Module:
    """ResNet-101 with frozen batch norms and random weights: its features at S/4, S/8, S/16 and S/32."""
    from torchvision.models.resnet import Bottleneck, ResNet
    from torchvision.ops import FrozenBatchNorm2d

    trunk = ResNet(Bottleneck, [3, 4, 23, 3], num_classes=1, norm_layer=FrozenBatchNorm2d)
    return IntermediateLayerGetter(trunk, {f"layer{number}": str(number) for number in (1, 2, 3, 4)})


class Trunk(nn.Module):
    """The image encoder of size tiny: the image tokens of our small CLIP, and finer features of three plain blocks.

    The paper's ResNet-101 was trained on ImageNet. There is no such network at this size, and one that learns from
    random weights finds nothing in the steps that the others have. So what is detected comes from the tower that
    CLIPMat and CLIPSeg have, and the blocks, which learn, serve the mask head alone. Frozen batch norms would leave
    their random weights without any norm: they have group norms.

    Args:
        tower: transformers' CLIPVisionModel.
    """

    def __init__(self, tower: Any):
        super().__init__()
        from torchvision.models.resnet import BasicBlock, ResNet

        blocks = ResNet(BasicBlock, [1, 1, 1, 1], num_classes=1, norm_layer=partial(nn.GroupNorm, 8))
        self.blocks = IntermediateLayerGetter(blocks, {f"layer{number}": str(number) for number in (1, 2, 3)})
        self.tower = tower

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """The features of normalised images (B, 3, S, S) at S/4, S/8 and S/16, and their image tokens at S/16."""
        states = self.tower(pixel_values=images, interpolate_pos_encoding=True).last_hidden_state
        tokens = self.post_norm(states[:, 1:]).transpose(1, 2)  # (B, D, N), without the class token
        levels = self.blocks(images)
        return {**levels, "4": tokens.unflatten(2, levels["3"].shape[2:])}

    @property
    def post_norm(self) -> nn.Module:
        """The norm after CLIP's last block, which transformers applies to the class token alone."""
        return getattr(self.tower, "vision_model", self.tower).post_layernorm


def pretrained_towers() -> tuple[nn.Module, Any, HubTokenizer]:
    """The same at the paper's size, trained on ImageNet and by RoBERTa. Raises RimError where they cannot be had."""
    kind = require("transformers", "baselines").RobertaModel
    todo = f"run `hf download {RESNET} {RESNET_FILE}` once where a network is, or use weights='random'"
    path = hub.fetch(RESNET, [RESNET_FILE], todo, cached=True) / RESNET_FILE
    stored = read_tensors(path)
    trunk = resnet()
    wanted = trunk.state_dict()
    try:
        trunk.load_state_dict({name: stored[name] for name in wanted})
    except (KeyError, RuntimeError) as error:  # a missing tensor, or one of another shape
        raise RimError(f"{path}: not the weights of ResNet-101 ({error})", path=path) from None
    return trunk, hub.load_pretrained(kind, ROBERTA, add_pooling_layer=False), HubTokenizer(ROBERTA)


def is_public(path: str | Path) -> bool:
    """Whether a .safetensors file has MDETR's own names. Raises RimError for those of its files that have no masks."""
    names = read_shapes(path)
    if any(name.startswith("transformer.text_encoder.") for name in names):
        message = (
            f"{path}: MDETR without masks (such as pretrained_resnet101); take the one trained with them, {ADDRESS}"
        )
        raise RimError(message, path=path)
    return any(name.startswith(("detr.", "mask_head.lay")) for name in names)


def our_name(name: str) -> str:
    """A public tensor's name here.

    >>> our_name("detr.transformer.decoder.layers.5.norm4.weight")
    'fusion.decoder.5.norm3.weight'
    """
    for theirs, ours in OURS:
        if name.startswith(theirs):
            name = ours + name.removeprefix(theirs)
            break
    parts = name.split(".")
    if name.startswith("fusion.decoder."):
        parts[3] = DECODER.get(parts[3], parts[3])
    return ".".join(parts)


def read_public(path: str | Path, expected: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors of MDETR's own file under the names and with the shapes of `expected`. Raises RimError."""
    found = read_tensors(path).items()
    tensors = {our_name(name): tensor for name, tensor in found if not any(part in name for part in UNUSED)}
    wrong = sorted(set(tensors) ^ set(expected)) or sorted(
        name for name in expected if tensors[name].shape != expected[name].shape
    )
    if wrong:
        message = f"{path}: not MDETR with ResNet-101 and masks; {len(wrong)} tensors are missing, extra or of another"
        raise RimError(f"{message} shape, the first is {wrong[0]}", path=path)
    return {name: tensor.to(expected[name].dtype) for name, tensor in tensors.items()}
