"""A model as three ONNX files and a JSON: `rim export`.

Weights are stored as float16, each behind a `Cast` to float32: half the size, and the arithmetic stays float32, for
which every runtime has kernels. A checkpoint that holds float16 itself, as the shipped one, loses nothing by it.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch

import rimlib
from rimlib import fast, sentences
from rimlib.additions.calibration import Calibration
from rimlib.clipmat.collaboration import THRESHOLD
from rimlib.clipmat.model import CLIPMat
from rimlib.clipmat.tokenizer import Tokenizer
from rimlib.errors import RimError, require
from rimlib.export.graphs import Graph, graphs_of
from rimlib.io import files
from rimlib.prediction.onnx_model import EXTRA, FORMAT, JSON
from rimlib.prediction.prompts import noun_template
from rimlib.understanding.vocabulary import KEY as VOCABULARY

OPSET = 18
SMALL = 64  # numbers; smaller tensors save nothing


def write(model: CLIPMat, folder: str | Path, half: bool = True) -> list[Path]:
    """Write a trained model; returns the JSON and the three graphs. Raises RimError.

    Args:
        model: a model with a profile; it is left in evaluation mode, with its literal modules.
        folder: is made if needed; `rimlib.prediction.onnx_model.load` reads it.
        half: store weights as float16.
    """
    for package in ("onnx", "onnxscript"):
        require(package, EXTRA)
    folder = Path(folder)
    if model.profile is None:
        raise RimError(f"{folder}: a model without a profile cannot be exported; set its `profile`", setting="profile")
    if folder.exists() and not folder.is_dir():
        raise RimError(f"{folder}: is a file; name a folder for the graphs", path=folder, setting="to")
    model = fast.optimize(model, enabled=False).eval().cpu().float()
    graphs, written = graphs_of(model), {}
    for name, graph in graphs.items():
        data = halved(traced(graph)) if half else traced(graph)
        written[name] = files.write_atomically(folder / f"{name}.onnx", data.SerializeToString())
    description = describe(model, graphs) | {"weights": "float16" if half else "float32"}
    return [files.write_json(folder / JSON, description), *written.values()]


def describe(model: CLIPMat, graphs: dict[str, Graph]) -> dict[str, Any]:
    """What a program must know beside the graphs, as JSON can hold it."""
    assert model.profile is not None
    calibration = Calibration.of(model.card)
    threshold = calibration.threshold if calibration else THRESHOLD
    return {
        "format": FORMAT,
        "rimlib": rimlib.__version__,
        "opset": OPSET,
        "licence": model.card.get("licence"),
        "graphs": {
            name: {"file": f"{name}.onnx", "inputs": list(graph.inputs), "outputs": list(graph.outputs)}
            for name, graph in graphs.items()
        },
        "image": {
            "size": model.image_size,
            "layout": "float32 (1, 3, S, S) of RGB in [0, 1], resized by area; normalised by the graph",
            "mean": list(open_clip.OPENAI_DATASET_MEAN),
            "std": list(open_clip.OPENAI_DATASET_STD),
        },
        "text": {"length": model.text_length, "template": noun_template(model.profile)} | merges_of(model.tokenizer),
        "sentences": sentences.rules(),
        VOCABULARY: model.card.get(VOCABULARY),  # the nouns of its training; rimlib refuses others
        "score": {"threshold": threshold, "calibration": calibration.to_dict() if calibration else None},
        "profile": model.profile.to_dict(),
    }


def merges_of(tokenizer: Tokenizer) -> dict[str, Any]:
    """The merges of a tokenizer in their order, each "a b", and the ids of start and end of text."""
    pieces = tokenizer._simple
    merges = [" ".join(pair) for pair in pieces.bpe_ranks]
    if 2 * 256 + len(merges) + 2 != pieces.vocab_size:
        raise RimError(f"the tokenizer has {pieces.vocab_size} ids and {len(merges)} merges; one is listed twice")
    return {"start": pieces.sot_token_id, "end": pieces.eot_token_id, "merges": merges}


def traced(graph: Graph) -> Any:
    """An ONNX model in float32, without the traces of where each node came from."""
    with _quiet():
        program = torch.onnx.export(
            graph.module,
            graph.example,
            input_names=graph.inputs,
            output_names=graph.outputs,
            opset_version=OPSET,
            dynamo=True,
            optimize=False,  # it would fold batch norms into weights that float16 does not hold
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    del proto.metadata_props[:]
    del proto.graph.metadata_props[:]
    del proto.graph.value_info[:]  # sizes follow from the inputs
    for node in proto.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    return proto


def halved(proto: Any) -> Any:
    """The same ONNX model with its float32 weights stored as float16, where that range holds them."""
    onnx = require("onnx", EXTRA)
    casts = []
    for tensor in proto.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT:
            continue
        values = onnx.numpy_helper.to_array(tensor)
        if values.size < SMALL or not (np.abs(values) <= np.finfo(np.float16).max).all():
            continue
        name = tensor.name
        tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(onnx.helper.make_node("Cast", [tensor.name], [name], to=onnx.TensorProto.FLOAT))
    nodes = list(proto.graph.node)
    del proto.graph.node[:]
    proto.graph.node.extend([*casts, *nodes])
    onnx.checker.check_model(proto)
    return proto


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's notes, and without the fast path of PyTorch's own attention, which is no ONNX operator."""
    levels = {name: logging.getLogger(name).level for name in ("torch.onnx", "onnxscript", "onnx_ir")}
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        for name in levels:
            logging.getLogger(name).setLevel(logging.ERROR)
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
