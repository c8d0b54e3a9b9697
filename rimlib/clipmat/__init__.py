"""CLIPMat: from one image and one sentence to one matte.

Paper: Sec. 4 and supplement Sec. 3 with Table 11. One module for each part of the paper's figure 4:
`backbone` (CLIP's two encoders), `prompt` (CP), `popup` (TSP), `details` (MDE), `decoders`, `collaboration` (CM);
`model` joins them, `losses` are what it is trained by. `fast` computes the same cheaper.
"""

from rimlib.clipmat.model import CLIPMat, ImageFeatures, Output

__all__ = ["CLIPMat", "ImageFeatures", "Output"]
