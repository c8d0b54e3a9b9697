"""The Levi–Hassner networks for gender and age, in torch, with their published weights.

Paper: Sec. 3.1, reference [16]. Three convolutions and three fully connected layers (Levi and Hassner, 2015, Sec. 3.2).
The weights were published as Caffe's `.caffemodel`, a protocol buffer: each field is a key (number and wire type) and a
value. No library that is still kept reads it, so the few fields that hold the arrays are read here.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from rimlib.errors import RimError

SIDE = 227  # pixels of the input
CONVOLUTIONS, FULL = ("conv1", "conv2", "conv3"), ("fc6", "fc7", "fc8")
Arrays = dict[str, tuple[np.ndarray, np.ndarray]]


def load(path: str | Path) -> Callable[[np.ndarray], np.ndarray]:
    """The network of a file as a function of arrays, float32 (1, 3, 227, 227) → (N,). Raises RimError as `build`."""
    network = build(path)

    def run(blob: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(blob))[0].numpy()

    return run


def build(path: str | Path) -> nn.Sequential:
    """The network of a `.caffemodel`: float (B, 3, 227, 227), BGR without its mean → probabilities (B, N).

    Raises:
        RimError: a file that holds no such network.
    """
    arrays = read_arrays(path)
    layers: list[nn.Module] = []
    for place, (name, stride, padding) in enumerate(zip(CONVOLUTIONS, (4, 1, 1), (0, 2, 1))):
        outputs, inputs, side, _ = arrays[name][0].shape
        convolution = nn.Conv2d(inputs, outputs, side, stride, padding)
        layers += [_filled(convolution, arrays[name]), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True)]  # Caffe rounds up
        if place < 2:
            layers.append(nn.LocalResponseNorm(5, 1e-4, 0.75, 1.0))
    layers.append(nn.Flatten())
    for name in FULL:
        outputs, inputs = arrays[name][0].shape
        layers += [_filled(nn.Linear(inputs, outputs), arrays[name]), nn.ReLU()]
    layers[-1] = nn.Softmax(dim=1)
    network = nn.Sequential(*layers).eval()
    try:
        with torch.inference_mode():
            network(torch.zeros(1, 3, SIDE, SIDE))
    except RuntimeError as error:
        raise _not_one(path, error) from error
    return network


def read_arrays(path: str | Path) -> Arrays:
    """Weight and bias, float32, of each layer of a `.caffemodel`; convolutions (out, in, k, k), full layers (out, in).

    Raises:
        RimError: a file that holds no such network.
    """
    layers: dict[str, list[np.ndarray]] = {}
    try:
        for number, value in fields(Path(path).read_bytes()):
            if number not in (2, 100):  # NetParameter: layers of the old form and of the new
                continue
            name_field, blobs_field = (4, 6) if number == 2 else (1, 7)
            inner = list(fields(value))
            name = next((bytes(item).decode() for key, item in inner if key == name_field), "")
            if blobs := [read_blob(item) for key, item in inner if key == blobs_field]:
                layers[name] = blobs
        return {name: _shaped(name, *layers[name]) for name in (*CONVOLUTIONS, *FULL)}
    except (OSError, KeyError, ValueError, IndexError, TypeError, struct.error, UnicodeDecodeError) as error:
        raise _not_one(path, error) from error


def _filled(layer: nn.Conv2d | nn.Linear, arrays: tuple[np.ndarray, np.ndarray]) -> nn.Module:
    layer.weight, layer.bias = (nn.Parameter(torch.tensor(array), requires_grad=False) for array in arrays)
    return layer


def _not_one(path: str | Path, error: Exception) -> RimError:
    why = f"{type(error).__name__}: {error}"
    known = "age_net.caffemodel and gender_net.caffemodel are"
    return RimError(f"{path}: not a Levi–Hassner network in Caffe's format ({why}); {known}", path=path)


def _shaped(name: str, weight: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    bias = bias.reshape(-1)
    if name in FULL:
        return weight.reshape(len(bias), -1), bias
    if weight.ndim != 4 or weight.shape[0] != len(bias):
        raise ValueError(f"{name} has weights of shape {weight.shape} and {len(bias)} biases")
    return weight, bias


def read_blob(data: memoryview) -> np.ndarray:
    """The array of a BlobProto."""
    old: dict[int, int] = {}
    shape: list[int] = []
    parts = []
    for number, value in fields(data):
        if number in (1, 2, 3, 4):  # num, channels, height, width
            old[number] = value
        elif number == 7:
            for _, packed in fields(value):  # numbers, in one field or in one each
                place = 0
                while not isinstance(packed, int) and place < len(packed):
                    size, place = _varint(packed, place)
                    shape.append(size)
                shape += [packed] if isinstance(packed, int) else []
        elif number == 5:  # floats, packed or one by one
            parts.append(np.frombuffer(value, "<f4"))
    return np.concatenate(parts).reshape(shape or [old.get(number, 1) for number in (1, 2, 3, 4)])


def fields(data: bytes | memoryview) -> Iterator[tuple[int, Any]]:
    """Number and value of each field of a message: an int, or the bytes of a text, a message or a packed list."""
    data = memoryview(data)
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        kind = key & 7
        if kind == 0:
            number, place = _varint(data, place)
            yield key >> 3, number
            continue
        if kind == 2:
            size, place = _varint(data, place)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"a field of wire type {kind} at byte {place}")
        if place + size > len(data):
            raise ValueError(f"the file ends inside of a field at byte {place}")
        yield key >> 3, data[place : place + size]
        place += size


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place
