"""The pipeline that people use today, without any training: Grounding DINO → SAM 2 → automatic trimap → ViTMatte.

A detector finds the box that fits the sentence best, a segmenter makes a mask of what is in the box, the mask's edge becomes
a trimap's unknown band, and a matting network fills it. All four are public and come from transformers. The RIM
paper has no such row; later works on the same test set do.
"""

from __future__ import annotations

import numpy as np
import torch

from rimlib.baselines import grounded_tiny
from rimlib.baselines.baseline import Method, check_size
from rimlib.baselines.vitmatte import BAND, ViTMatte, matte_of_mask
from rimlib.errors import RimError
from rimlib.io import hub

DETECTOR = "IDEA-Research/grounding-dino-tiny"
SEGMENTER = "facebook/sam2.1-hiera-small"
THRESHOLD = 0.25  # of the detector's score; the public demonstration's


class Grounded(Method):
    """`detector`, `segmenter`: a model of transformers and its processor each; `matter`: picture and trimap → matte;
    `threshold`: a sentence whose best box scores less finds nothing, and its matte is empty; `band`: see `vitmatte`.
    """

    name = "grounded"

    def __init__(self, detector, segmenter, matter, threshold: float = THRESHOLD, band: float = BAND):
        super().__init__()
        (self.detector, self.read), (self.segmenter, self.look) = detector, segmenter
        self.matter, self.threshold, self.band = matter, threshold, band
        self.eval()

    @classmethod
    def from_settings(cls, size: str = "paper", weights: str | None = None) -> Grounded:
        """`weights`: None for the public ones of all three, or "random". Raises RimError where they cannot be had."""
        check_size(cls.name, size)
        if weights == "random":
            return cls(
                grounded_tiny.detector(size), grounded_tiny.segmenter(size), ViTMatte.from_settings(size, "random")
            )
        if weights is not None:
            raise RimError(
                f"weights {weights!r} of grounded: it is not trained here; leave them out for the public ones, or ask for "
                "weights='random'"
            )
        if size == "tiny":
            raise RimError(
                "grounded in size tiny: it is for trying the way through and has no public weights; ask for weights='random'"
            )
        from transformers import AutoProcessor, GroundingDinoForObjectDetection, Sam2Model, Sam2Processor

        detector = (
            hub.load_pretrained(GroundingDinoForObjectDetection, DETECTOR),
            hub.load_pretrained(AutoProcessor, DETECTOR, weights=False),
        )
        segmenter = (
            hub.load_pretrained(Sam2Model, SEGMENTER),
            hub.load_pretrained(Sam2Processor, SEGMENTER, weights=False),
        )
        return cls(detector, segmenter, ViTMatte.from_settings(size))

    def ask(self, picture: np.ndarray, sentences: list[str]) -> tuple[list[np.ndarray], list[float]]:
        """See `Method.ask`; the score is the detector's. SAM 2 encodes the picture once; the detector reads it anew with every
        sentence.
        """
        features, found, scores = None, [], []
        for sentence in sentences:
            box, score = self.detect(picture, sentence)
            scores.append(score)
            if score < self.threshold:
                found.append(np.zeros(picture.shape[:2], np.float32))
                continue
            features = self.encode(picture) if features is None else features
            found.append(matte_of_mask(self.matter, picture, self.segment(features, box), self.band))
        return found, scores

    def detect(self, picture: np.ndarray, sentence: str) -> tuple[np.ndarray, float]:
        """The box that fits best, float32 (4,): left, top, right, bottom in pixels, and its score in [0, 1].

        A query's score is that of the sentence's token that fits it best, as in the detector's own code.
        """
        inputs = self.read(
            images=picture,
            text=phrase(sentence),
            return_tensors="pt",
            truncation=True,
            max_length=self.detector.config.max_text_len,
        ).to(self.device)
        with torch.inference_mode():
            output = self.detector(**inputs)
        found = self.read.post_process_grounded_object_detection(
            output, inputs["input_ids"], threshold=-1.0, text_threshold=1.0, target_sizes=[picture.shape[:2]]
        )[0]
        best = int(found["scores"].argmax())
        height, width = picture.shape[:2]
        box = np.clip(found["boxes"][best].float().cpu().numpy(), 0, [width, height, width, height])
        return box.astype(np.float32), float(found["scores"][best])

    def encode(self, picture: np.ndarray) -> tuple[list[torch.Tensor], tuple[int, int]]:
        """SAM 2's features of a picture, and its size."""
        inputs = self.look(images=picture, return_tensors="pt").to(self.device)
        with torch.inference_mode():
            return self.segmenter.get_image_embeddings(inputs["pixel_values"]), picture.shape[:2]

    def segment(self, features: tuple[list[torch.Tensor], tuple[int, int]], box: np.ndarray) -> np.ndarray:
        """The mask of what is in a box, bool (H, W)."""
        embeddings, size = features
        prompt = self.look(original_sizes=[list(size)], input_boxes=[[box.tolist()]], return_tensors="pt").to(
            self.device
        )
        with torch.inference_mode():
            output = self.segmenter(
                image_embeddings=list(embeddings), input_boxes=prompt["input_boxes"], multimask_output=False
            )
        masks = self.look.post_process_masks(output.pred_masks.cpu(), [list(size)])[0]  # (boxes, 1, H, W)
        return masks[0, 0].numpy().astype(bool)


def phrase(sentence: str) -> str:
    """A sentence as the detector was taught to read it: small letters, one full stop, at its end.

    >>> phrase("The dog. Left of St. Paul's?")
    "the dog left of st paul's."
    """
    return " ".join(sentence.lower().replace(".", " ").replace("?", " ").split()) + "."
