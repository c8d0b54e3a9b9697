"""CLIPMat: one image and one sentence in, one matte out.

Paper: Sec. 4 and supplement Sec. 3 with Table 11. One module for each part of the paper's figure 4:
`backbone` (CLIP's two encoders), `prompt` (CP), `popup` (TSP), `details` (MDE), `decoders`, `collaboration` (CM);
`model` puts them together, `losses` trains them, `checkpoint` keeps them.
"""

from rimlib.clipmat.model import CLIPMat, ImageFeatures, Output

__all__ = ["CLIPMat", "ImageFeatures", "Output"]
