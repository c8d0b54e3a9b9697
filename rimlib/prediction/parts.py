"""The public models that the methods are made of: repositories, sizes and licences, as the repositories state them.

The sizes are those that the hub's pages list. What could not be looked up there is marked as unchecked.
"""

from rimlib.io.public import Part

DETECTOR = Part("IDEA-Research/grounding-dino-tiny", "detector", ("grounding-dino",), 690, "Apache-2.0")
SEGMENTER = Part(
    "facebook/sam2.1-hiera-small",
    "segmenter",
    ("sam2", "sam2_video"),
    185,
    "Apache-2.0",
    "size unchecked: that of its checkpoint in another format",
)
SAM3 = Part(
    "facebook/sam3",
    "detector and segmenter",
    ("sam3", "sam3_video"),
    3450,
    "SAM License of Meta",
    "its owners give access on request; read the licence: it excludes uses, military ones among them, and asks for an "
    "acknowledgement in publications; size unchecked: that of its checkpoint in another format",
    gated=True,
)
CLIPSEG = Part(
    "CIDAS/clipseg-rd64-refined",
    "segmenter",
    ("clipseg",),
    605,
    "Apache-2.0 on its page",
    "its author wrote that no licence is specified for the weights, and that they are for research (timojl/clipseg, "
    "issue 35); whether its main branch has safetensors is unchecked; those of its pull request 6 are taken otherwise",
    revisions=("main", "refs/pr/6"),
)
MATTER = Part(
    "hustvl/vitmatte-small-composition-1k",
    "matting network",
    ("vitmatte",),
    103,
    "Apache-2.0",
    "trained on Adobe's Composition-1k, whose licence is reported to allow non-commercial use alone",
)
DEPTH_NAME = "depth-anything"
DEPTH = Part(
    "depth-anything/Depth-Anything-V2-Small-hf",
    "depth model",
    ("depth_anything",),
    99,
    "Apache-2.0",
    "of the small model alone; the larger ones are for non-commercial use",
)
