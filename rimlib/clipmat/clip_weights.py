"""A CLIP by its name, with its pretrained weights: from the package, a file, or the hub.

`rim-tiny` is a configuration of our own (`configs/*.json`), whose weights come with the package; the paper's are
`ViT-B-16-quickgelu` and `ViT-L-14-quickgelu`, with OpenAI's weights.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import open_clip
import torch

from rimlib.clipmat.backbone import PATCH, resize_visual
from rimlib.clipmat.tokenizer import CONFIGS, Tokenizer
from rimlib.errors import RimError
from rimlib.io import archives, hub
from rimlib.io.weights import CHECKPOINTS, fit
from rimlib.profile import Model

FILE = "open_clip_model.safetensors"  # what open_clip calls a CLIP's weights on the hub
OPENAI_NUMBERS = ("input_resolution", "context_length", "vocab_size")  # in OpenAI's archives besides the weights
MASK = "attn_mask"  # a constant, which some files hold among the weights
KNOWN = {  # what a configuration may have; `Backbone` would ignore all else
    "": {"embed_dim", "quick_gelu", "vision_cfg", "text_cfg"},
    "vision_cfg": {"image_size", "layers", "width", "head_width", "patch_size", "mlp_ratio"},
    "text_cfg": {"context_length", "vocab_size", "width", "heads", "layers", "mlp_ratio"},
}

open_clip.add_model_config(CONFIGS)


def create_clip(settings: Model, weights: str | Path = "clip") -> tuple[open_clip.CLIP, Tokenizer]:
    """An open_clip model in float32, its projections included, and its tokenizer.

    Args:
        settings: of a profile's model; `backbone` (one of `configs/*.json` or an open_clip name), `image_size` and
            `text_length` are read.
        weights: "clip" for the pretrained ones, "random" for none, or a file of a CLIP of this configuration: OpenAI's
            own .pt (a TorchScript archive or a state dict), open_clip's, or .safetensors. Its image size and its patch
            may be others.

    Raises:
        RimError: the name is unknown or the weights cannot be had; random weights are never used instead.
    """
    name = settings.backbone
    if str(weights) not in ("clip", "random") and Path(weights).suffix not in archives.ENDINGS:
        wanted = f"'clip' (pretrained), 'random', or a file of a CLIP ({', '.join(archives.ENDINGS)})"
        wanted += ", or for CLIPMat 'shipped' or the checkpoint of a trained one"
        raise RimError(f"weights {str(weights)!r}: must be {wanted}", setting="weights")
    config, ours = _config(name), (CONFIGS / f"{name}.json").exists()
    tokenizer = Tokenizer(CONFIGS / f"{name}.bpe.txt.gz" if ours else None, settings.text_length)
    if ours:
        config["text_cfg"]["vocab_size"] = tokenizer.vocab_size
    path = None if weights == "random" else Path(weights)
    if weights == "clip":
        path = CHECKPOINTS / f"{name}-clip.safetensors" if ours else _fetch(name, config)
    clip = _read(path, config) if path else open_clip.CLIP(**config)
    resize_visual(clip.visual, settings.image_size)
    return clip, tokenizer


def _unusable(name: str, why: str) -> RimError:
    papers = "the paper's are ViT-B-16-quickgelu and ViT-L-14-quickgelu"
    return RimError(f"model.backbone {name!r}: {why}; {papers}", setting="model.backbone")


def _config(name: str) -> dict[str, Any]:
    """open_clip's configuration of a backbone that is built as CLIP is."""
    if name not in open_clip.list_models():
        own = ", ".join(sorted(path.stem for path in CONFIGS.glob("*.json")))
        raise _unusable(name, f"no such backbone; ours are {own}")
    config = open_clip.get_model_config(name)
    other = sorted(key for part, known in KNOWN.items() for key in (config[part] if part else config).keys() - known)
    if other:
        raise _unusable(name, f"not a vision transformer as CLIP's own (its configuration has {other[0]})")
    layers = config["vision_cfg"]["layers"]
    if not isinstance(layers, int) or layers % 4:
        raise _unusable(name, f"not a vision transformer of four equal groups of blocks (its layers are {layers})")
    return config


def _fetch(name: str, config: dict[str, Any]) -> Path:
    """The file of OpenAI's weights from the repository that open_clip names.

    Not by `open_clip.create_model`: where the safetensors file does not come, that would take a pickle.
    """
    known = open_clip.get_pretrained_cfg(name, "openai")
    if not known.get("hf_hub"):
        raise _unusable(name, "open_clip has no OpenAI weights for it; name a file of such a CLIP")
    if known["quick_gelu"] != config.get("quick_gelu", False):
        raise _unusable(name, f"OpenAI trained with QuickGELU, which this backbone has not; take {name}-quickgelu")
    repository = known["hf_hub"].strip("/")
    todo = f"give a file of the weights of {name}, or use weights='random'"
    how = f"run `hf download {repository} {FILE}` once where a network is, {todo}"
    path = hub.fetch(repository, [FILE], how, cached=True) / FILE
    if not path.is_file():
        raise RimError(f"{repository}: it holds no {FILE}, and pickles are not fetched; {todo}", path=repository)
    return path


def _read(path: Path, config: dict[str, Any]) -> open_clip.CLIP:
    """The CLIP of a file in the layout of open_clip or of OpenAI, with the patch and the grid that the file has."""
    found, vision = archives.read_state_dict(path), config["vision_cfg"]
    found = {name: tensor for name, tensor in found.items() if not name.endswith(MASK)}
    shapes = {name: tuple(tensor.shape) for name, tensor in found.items()}
    if any(name.startswith(("vision_model.", "text_model.")) for name in shapes):
        raise RimError(f"{path}: a CLIP in the layout of transformers; open_clip's {FILE} is needed", path=path)
    if shapes.get("visual.conv1.weight", ())[-1:] == (PATCH,):  # a file of our own has this patch already
        vision["patch_size"] = PATCH
    positions, *_ = shapes.get("visual.positional_embedding") or (2,)  # one of the class token
    vision["image_size"] = vision["patch_size"] * max(1, math.isqrt(max(0, positions - 1)))
    clip = open_clip.CLIP(**config)
    expected = clip.state_dict()
    numbers = {name: torch.zeros(shapes[name], dtype=torch.int64) for name in OPENAI_NUMBERS if name in shapes}
    if shapes.get("logit_scale") == (1,):  # some files hold the scale as a list of one
        expected["logit_scale"] = expected["logit_scale"].reshape(1)
    tensors = fit(path, found, expected | numbers)
    tensors["logit_scale"] = tensors["logit_scale"].reshape(())
    clip.load_state_dict({name: tensors[name] for name in expected})
    return clip
