"""The engines of the methods, loaded from the folders of their parts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rimlib.errors import require
from rimlib.io.from_folder import load

if TYPE_CHECKING:
    from rimlib.prediction.engines import Engine


def grounded(detector: Path, segmenter: Path, device: Any) -> Engine:
    """Grounding DINO and SAM 2."""
    from rimlib.baselines.grounded import Grounded
    from rimlib.prediction.engines import GroundedEngine

    transformers = require("transformers", "baselines")

    def pair(folder: Path, net: Any, processor: Any) -> tuple[Any, Any]:
        return load(net, folder), load(processor, folder, weights=False)

    finder = pair(detector, transformers.GroundingDinoForObjectDetection, transformers.GroundingDinoProcessor)
    masker = pair(segmenter, transformers.Sam2Model, transformers.Sam2Processor)
    return GroundedEngine(Grounded(finder, masker, _no_matter).to(device))


def sam3(folder: Path, device: Any) -> Engine:
    """SAM 3."""
    from rimlib.baselines.sam3 import Sam3
    from rimlib.prediction.engines import Sam3Engine

    transformers = require("transformers", "baselines")
    net = load(transformers.Sam3Model, folder)
    return Sam3Engine(Sam3(net.to(device), load(transformers.Sam3Processor, folder, weights=False)))


def clipseg(folder: Path, device: Any) -> Engine:
    """CLIPSeg."""
    from rimlib.baselines.clipseg import CLIPSeg
    from rimlib.prediction.engines import CLIPSegEngine

    return CLIPSegEngine(
        CLIPSeg.of(load(require("transformers", "baselines").CLIPSegForImageSegmentation, folder)).to(device)
    )


def _no_matter(*_: Any) -> Any:
    raise AssertionError("mattes are made by the predictor")
