"""The pipeline in common use today, without any training: Grounding DINO → SAM 2 → automatic trimap → ViTMatte.

A detector finds the box that fits the sentence best, a segmenter makes a mask of the box's object, the mask's edge
becomes a trimap's unknown band, and a matting network fills it. All are public and come from transformers. The RIM
paper has no such row; later works on the same test set do.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import torch
from torchvision.ops import nms

from rimlib.baselines import grounded_tiny
from rimlib.baselines.baseline import Method, check_size
from rimlib.baselines.vitmatte import BAND, Matter, ViTMatte, matte_of_mask
from rimlib.errors import RimError, require
from rimlib.io import hub

DETECTOR = "IDEA-Research/grounding-dino-tiny"
SEGMENTER = "facebook/sam2.1-hiera-small"
THRESHOLD = 0.25  # of the detector's score; the public demonstration's


class Grounded(Method):
    """Detector, segmenter and matting network in a row.

    Args:
        detector: a model of transformers and its processor.
        segmenter: a model of transformers and its processor.
        matter: image and trimap → matte.
        threshold: a sentence whose best box has a lower score finds nothing, and its matte is empty.
        band: see `vitmatte.automatic_trimap`.
    """

    name = "grounded"

    def __init__(
        self,
        detector: tuple[Any, Any],
        segmenter: tuple[Any, Any],
        matter: Matter,
        threshold: float = THRESHOLD,
        band: float = BAND,
    ):
        super().__init__()
        self.detector, self.detector_processor = detector
        self.segmenter, self.segmenter_processor = segmenter
        self.matter, self.threshold, self.band = matter, threshold, band
        self.eval()

    @classmethod
    def from_settings(cls, size: str = "paper", weights: str | None = None) -> Grounded:
        """The pipeline with the public weights (None) of all its parts, or "random" ones. Raises RimError."""
        check_size(cls.name, size)
        if weights == "random":
            return cls(
                grounded_tiny.detector(size), grounded_tiny.segmenter(size), ViTMatte.from_settings(size, "random")
            )
        if weights is not None:
            message = f"weights {weights!r} of grounded: it is not trained here; leave them out for the public ones"
            raise RimError(f"{message}, or use weights='random'", setting="weights")
        if size == "tiny":
            message = "grounded in size tiny: it only tests the pipeline and has no public weights"
            raise RimError(f"{message}; use weights='random'", setting="weights")
        transformers = require("transformers", "baselines")

        def load(model: Any, processor: Any, name: str) -> tuple[Any, Any]:
            return hub.load_pretrained(model, name), hub.load_pretrained(processor, name, weights=False)

        detector = load(transformers.GroundingDinoForObjectDetection, transformers.AutoProcessor, DETECTOR)
        segmenter = load(transformers.Sam2Model, transformers.Sam2Processor, SEGMENTER)
        return cls(detector, segmenter, ViTMatte.from_settings(size))

    def predict_image(self, image: np.ndarray, sentences: list[str]) -> tuple[list[np.ndarray], list[float]]:
        """See `Method.predict_image`; the score is the detector's.

        SAM 2 encodes the image once; the detector encodes it again with every sentence.
        """
        features, found, scores = None, [], []
        for sentence in sentences:
            box, score = self.detect(image, sentence)
            scores.append(score)
            if score < self.threshold:
                found.append(np.zeros(image.shape[:2], np.float32))
                continue
            features = self.encode(image) if features is None else features
            found.append(matte_of_mask(self.matter, image, self.segment(features, box), self.band))
        return found, scores

    def detect(self, image: np.ndarray, sentence: str) -> tuple[np.ndarray, float]:
        """The box that fits best, float32 (4,): left, top, right, bottom in pixels, and its score in [0, 1].

        A query's score is that of its best token, as in the detector's own code.
        """
        boxes, scores = self.detect_all(image, sentence)
        return boxes[0], float(scores[0])

    def detect_all(
        self, image: np.ndarray, sentence: str, overlap: float = 1.0, noun: str = ""
    ) -> tuple[np.ndarray, np.ndarray]:
        """Boxes as of `detect`, float32 (n, 4), and their scores, float32 (n,), the best first.

        Args:
            image: uint8 (H, W, 3).
            sentence: what to look for.
            overlap: of two boxes with a larger IoU only the better one is kept (non-maximum suppression).
            noun: the word of the sentence whose tokens alone give the score: a shirt is no "man in red shirt", though
                it fits the tokens of "shirt" well. Where it is not in the sentence, the best token does.
        """
        inputs = self.detector_processor(
            images=image,
            input_data_format="channels_last",  # an image of one row looks like one with its channels first
            text=phrase(sentence),
            return_tensors="pt",
            truncation=True,
            max_length=self.detector.config.max_text_len,
        ).to(self.device)
        with torch.inference_mode():
            output = self.detector(**inputs)
        found = self.detector_processor.post_process_grounded_object_detection(
            output, inputs["input_ids"], threshold=-1.0, text_threshold=1.0, target_sizes=[image.shape[:2]]
        )[0]
        boxes, scores = found["boxes"].float().cpu(), found["scores"].float().cpu()
        if (tokens := self._tokens_of(noun, phrase(sentence))) is not None:
            scores = output.logits[0, :, tokens].float().sigmoid().amax(dim=1).cpu()
        kept = nms(boxes, scores, overlap)  # by falling score
        height, width = image.shape[:2]
        corners = np.clip(boxes[kept].numpy(), 0, [width, height, width, height])
        return corners.astype(np.float32), scores[kept].numpy()

    def _tokens_of(self, noun: str, text: str) -> slice | None:
        """Where the tokens of a noun are among those of a text; None where it is not, or where the text is cut."""
        word = re.escape(noun.lower())
        place = re.search(rf"\b{word}\b(?!\s+{word}\b)", text) if noun else None  # of "orange orange" the second
        if place is None:
            return None

        def count(part: str) -> int:  # BERT's tokens end where words do, so those of parts add up
            return len(self.detector_processor.tokenizer(part, add_special_tokens=False)["input_ids"])

        start = 1 + count(text[: place.start()])  # after [CLS]
        stop = start + count(place[0])
        return slice(start, stop) if stop < self.detector.config.max_text_len else None

    def encode(self, image: np.ndarray) -> tuple[list[torch.Tensor], tuple[int, ...]]:
        """SAM 2's features of an image, and its size."""
        inputs = self.segmenter_processor(images=image, input_data_format="channels_last", return_tensors="pt")
        inputs = inputs.to(self.device)
        with torch.inference_mode():
            return self.segmenter.get_image_embeddings(inputs["pixel_values"]), image.shape[:2]

    def segment(self, features: tuple[list[torch.Tensor], tuple[int, ...]], box: np.ndarray) -> np.ndarray:
        """The mask of a box's object, bool (H, W)."""
        embeddings, size = features
        prompt = self.segmenter_processor(
            original_sizes=[list(size)], input_boxes=[[box.tolist()]], return_tensors="pt"
        ).to(self.device)
        with torch.inference_mode():
            output = self.segmenter(
                image_embeddings=list(embeddings), input_boxes=prompt["input_boxes"], multimask_output=False
            )
        masks = self.segmenter_processor.post_process_masks(output.pred_masks.cpu(), [list(size)])[
            0
        ]  # (boxes, 1, H, W)
        return masks[0, 0].numpy().astype(bool)


def phrase(sentence: str) -> str:
    """A sentence in the form that the detector was trained on: lower case, one full stop, at its end.

    >>> phrase("The dog. Left of St. Paul's?")
    "the dog left of st paul's."
    """
    return " ".join(sentence.lower().replace(".", " ").replace("?", " ").split()) + "."
