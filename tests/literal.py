"""The details extractor as the paper writes it (Eq. 6-9): the reference that the one in use is held against, in tests and benchmarks."""

import torch
import torch.nn.functional as F


def extract(module, visual: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """What `details.DetailsExtractor` must give, with its own layers: the image is normalised at full resolution, then pooled.

    visual: (B, Dv, S/16, S/16); images: (B, 3, S, S). Returns (B, D_i, S/2^i, S/2^i).
    """
    scale = 2 ** (4 - module.level)
    x_v = F.interpolate(module.norm_visual(visual), scale_factor=scale, mode="bilinear", align_corners=False)  # Eq. 6
    x_m = F.max_pool2d(module.norm_image(images), 2**module.level)  # Eq. 7
    x_f = torch.cat([x_v, x_m], dim=1)  # Eq. 8
    return F.relu(module.norm(module.mix(x_f)))  # Eq. 9
