"""An exported model (`rim export`) in the place of a CLIPMat, computed by ONNX Runtime on the CPU.

`load` gives what `MattingPredictor` takes: an image is encoded once, a sentence once, and each pair has a matte. Its
tensors are PyTorch's, the arithmetic is ONNX Runtime's, and no weights of PyTorch are in memory.
"""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rimlib.additions.calibration import KEY
from rimlib.clipmat.model import ImageFeatures, Output, TextFeatures
from rimlib.clipmat.tokenizer import Tokenizer
from rimlib.errors import RimError, require
from rimlib.io import files
from rimlib.profile import Profile
from rimlib.understanding.vocabulary import KEY as VOCABULARY

FORMAT = "rimlib-onnx-1"
JSON = "model.json"  # of a folder of `rim export`, beside its graphs
EXTRA = "onnx"  # of rimlib


def is_exported(path: str | Path) -> bool:
    """Whether a path is a folder of `rim export`."""
    return (Path(path) / JSON).is_file()


def load(folder: str | Path) -> OnnxModel:
    """The model of a folder that `rim export` made. Raises RimError."""
    runtime = require("onnxruntime", EXTRA)
    folder = Path(folder)
    about = files.read_json(folder / JSON)
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        found = about.get("format") if isinstance(about, dict) else about
        raise RimError(f"{folder / JSON}: its format is {found!r}; {FORMAT!r} is expected", path=folder / JSON)
    sessions = {}
    options = runtime.SessionOptions()
    options.log_severity_level = 3  # errors
    options.intra_op_num_threads = torch.get_num_threads()
    for name in ("image", "text", "matte"):
        path = folder / f"{name}.onnx"
        try:
            sessions[name] = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # it has a class of its own for each of many reasons
            why = "is not there" if not path.is_file() else f"cannot be read ({str(error).splitlines()[0][:120]})"
            raise RimError(f"{path}: {why}; `rim export --to {folder}` writes it anew", path=path) from None
    return OnnxModel(about, sessions, str(folder))


class OnnxModel(nn.Module):
    """The part of a `CLIPMat` that prediction needs; sentences and images go through one at a time.

    Args:
        about: of the JSON.
        sessions: of ONNX Runtime, `image`, `text` and `matte`.
        where: the folder, for messages.

    Raises:
        RimError: a profile that cannot be read.
    """

    def __init__(self, about: Mapping[str, Any], sessions: Mapping[str, Any], where: str) -> None:
        super().__init__()
        self.profile = Profile.from_dict(about["profile"], where)
        self.card = {KEY: about["score"]["calibration"], VOCABULARY: about.get(VOCABULARY)}
        self.image_size, self.text_length = int(about["image"]["size"]), int(about["text"]["length"])
        self.tokenizer = _tokenizer(about["text"])
        self._sessions = sessions

    def tokenize(self, sentences: list[str], truncate: bool = False) -> torch.Tensor:
        """As `CLIPMat.tokenize`."""
        return self.tokenizer(sentences, truncate)

    def encode_image(self, images: torch.Tensor) -> ImageFeatures:
        """As `CLIPMat.encode_image`, on the device of the images; the levels, which only training reads, are left out.

        images: float (B, 3, S, S) in [0, 1]. Raises RimError for another size.
        """
        if images.shape[1:] != (3, self.image_size, self.image_size):
            expected = f"(B, 3, {self.image_size}, {self.image_size})"
            raise RimError(f"images of shape {tuple(images.shape)}: the model takes {expected}")
        rows = [self._run("image", [image[None]]) for image in images]
        tokens, *details = (torch.cat(part).to(images.device) for part in zip(*rows))
        return ImageFeatures(tokens, [], details)

    def encode_text(self, tokens: torch.Tensor) -> TextFeatures:
        """As `CLIPMat.encode_text`."""
        return TextFeatures(*(torch.cat(part) for part in zip(*(self._run("text", [row[None]]) for row in tokens))))

    def matte(self, image: ImageFeatures, text: TextFeatures) -> Output:
        """As `CLIPMat.matte`."""
        parts = [image.tokens, *image.details, text.tokens, text.sentence]
        if text.padding is not None:
            parts.append(text.padding)
        rows = [self._run("matte", [part[row : row + 1] for part in parts]) for row in range(len(text.tokens))]
        logits, detail, alpha, _, *score_map = (torch.cat(part) for part in zip(*rows))
        return Output(logits, detail, alpha, *score_map)

    def _run(self, name: str, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
        session = self._sessions[name]
        given = {one.name: tensor.cpu().numpy() for one, tensor in zip(session.get_inputs(), tensors)}
        return [torch.from_numpy(array) for array in session.run(None, given)]


def _tokenizer(text: Mapping[str, Any]) -> Tokenizer:
    """The tokenizer of the JSON's merges; open_clip reads them from a file of its own format."""
    with tempfile.TemporaryDirectory(prefix="rimlib-") as folder:
        path = Path(folder) / "merges.bpe.txt.gz"
        path.write_bytes(gzip.compress("\n".join(["# merges", *text["merges"]]).encode()))
        return Tokenizer(path, int(text["length"]))
