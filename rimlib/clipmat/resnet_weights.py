"""The refiner's encoder from ImageNet.

P3M begins with a ResNet-34 that its authors trained on ImageNet with max pools in place of strides; their file is read
where it is at hand. Without it the usual ResNet-34 has the same weights at the same places, learnt with strides.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import nn

from rimlib.errors import RimError
from rimlib.io import archives, hub
from rimlib.io.weights import fit

RESNET, RESNET_FILE = "timm/resnet34.tv_in1k", "model.safetensors"
NAMES = (  # of ours → of ResNet's
    (r"^first\.0", "conv1"),
    (r"^first\.1", "bn1"),
    (r"^stages\.(\d)", lambda found: f"layer{int(found[1]) + 1}"),
    (r"\.norm(\d)", r".bn\1"),
    (r"\.around", ".downsample"),
)


def load_encoder(encoder: nn.Module, weights: str | Path) -> None:
    """Give a P3M-Net's encoder the weights of a ResNet-34, in place; a channel that it has besides begins at zero.

    Args:
        encoder: of the widths and blocks of ResNet-34.
        weights: "imagenet", from the hub or its cache, or a file: P3M's own, or a ResNet's.

    Raises:
        RimError: they cannot be had, or are of another network.
    """
    if str(weights) == "imagenet":
        todo = f"run `hf download {RESNET} {RESNET_FILE}` once where a network is, or set refiner.encoder to a file"
        path = hub.fetch(RESNET, [RESNET_FILE], todo, cached=True) / RESNET_FILE
    else:
        path = Path(weights)
    if path.suffix not in archives.ENDINGS:
        wanted = f"random, imagenet, or a file of a ResNet-34 ({', '.join(archives.ENDINGS)})"
        raise RimError(f"refiner.encoder {str(weights)!r}: must be {wanted}", setting="refiner.encoder")
    found = archives.read_state_dict(path)
    ours = {theirs_of(name): value for name, value in encoder.state_dict().items()}
    counts = {name for name in ours if name.endswith("num_batches_tracked")} - found.keys()  # not all files have them
    first = found.get("conv1.weight", torch.empty(0))
    if first.ndim == 4 and (more := ours["conv1.weight"].shape[1] - first.shape[1]) > 0:
        found["conv1.weight"] = torch.cat([first, first.new_zeros(len(first), more, *first.shape[2:])], dim=1)
    needed = {name: value for name, value in ours.items() if name not in counts}
    tensors = fit(path, {name: value for name, value in found.items() if not name.startswith("fc.")}, needed)
    encoder.load_state_dict({name: (ours | tensors)[theirs_of(name)] for name in encoder.state_dict()})


def theirs_of(name: str) -> str:
    """The name that a ResNet has for a tensor of our encoder.

    >>> theirs_of("stages.1.0.around.1.weight"), theirs_of("first.1.running_mean")
    ('layer2.0.downsample.1.weight', 'bn1.running_mean')
    """
    for ours, theirs in NAMES:
        name = re.sub(ours, theirs, name)
    return name
