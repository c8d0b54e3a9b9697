"""The Levi–Hassner networks as published, in Caffe's format, made readable for every OpenCV.

Paper: Sec. 3.1, reference [16]. OpenCV's DNN module reads Caffe files up to version 4; version 5 reads ONNX and has no Caffe reader any more.
The two networks have one known shape, three convolutions and three fully connected layers (Levi and Hassner, 2015, Sec. 3.2), so the
weights are all that a file holds: `to_onnx` takes them out and writes the same network as ONNX, in memory.
Both formats are protocol buffers: a field is a key (number and wire type) and a value.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rimlib.errors import RimError

SIDE = 227
CONVOLUTIONS = {
    "conv1": (4, 0),
    "conv2": (1, 2),
    "conv3": (1, 1),
}  # stride, padding; each followed by ReLU and pooling 3 / 2
NORMALISED = ("conv1", "conv2")  # and these two by local response normalisation
FULL = ("fc6", "fc7", "fc8")
FLOAT = 1  # ONNX's number for float32


def to_onnx(path: str | Path) -> bytes:
    """The bytes of an ONNX model equal to a Levi–Hassner `.caffemodel`: float (1, 3, 227, 227) BGR without its mean → probabilities (1, N).

    Raises RimError for a file that is not one.
    """
    weights = read_weights(path)
    nodes, tensors, here = [], [], "data"

    def node(operator: str, inputs: list[str], **attributes) -> str:
        name = f"{operator}{len(nodes)}"
        nodes.append(
            b"".join(
                [
                    *(_text(1, item) for item in inputs),
                    _text(2, name),
                    _text(4, operator),
                    *(_bytes(5, _attribute(key, value)) for key, value in attributes.items()),
                ]
            )
        )
        return name

    def layer(name: str) -> list[str]:
        for part, array in zip(("weight", "bias"), weights[name]):
            tensors.append(_tensor(f"{name}.{part}", array))
        return [f"{name}.weight", f"{name}.bias"]

    for name, (stride, padding) in CONVOLUTIONS.items():
        side = weights[name][0].shape[-1]
        here = node(
            "Conv", [here, *layer(name)], kernel_shape=[side, side], strides=[stride, stride], pads=[padding] * 4
        )
        here = node("Relu", [here])
        here = node("MaxPool", [here], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)  # Caffe rounds up
        if name in NORMALISED:
            here = node("LRN", [here], size=5, alpha=1e-4, beta=0.75, bias=1.0)
    here = node("Flatten", [here], axis=1)
    for name in FULL:
        here = node("Gemm", [here, *layer(name)], transB=1)
        here = node("Softmax", [here], axis=1) if name == FULL[-1] else node("Relu", [here])
    graph = b"".join(
        [
            *(_bytes(1, item) for item in nodes),
            _text(2, "levi-hassner"),
            *(_bytes(5, item) for item in tensors),
            _bytes(11, _value("data", (1, 3, SIDE, SIDE))),
            _bytes(12, _value(here, (1, len(weights["fc8"][1])))),
        ]
    )
    return _number(1, 7) + _bytes(7, graph) + _bytes(8, _text(1, "") + _number(2, 11))


def read_weights(path: str | Path) -> dict[str, list[np.ndarray]]:
    """Weight and bias, float32, of each layer of a `.caffemodel`; convolutions (out, in, k, k), full layers (out, in)."""
    path = Path(path)
    layers: dict[str, list[np.ndarray]] = {}
    try:
        data = path.read_bytes()
        for number, value in _fields(data):
            if number in (2, 100):  # NetParameter: layers of the old form and of the new
                name_field, blobs_field = (4, 6) if number == 2 else (1, 7)
                inner = list(_fields(value))
                name = next((bytes(item).decode() for key, item in inner if key == name_field), "")
                blobs = [_blob(item) for key, item in inner if key == blobs_field]
                if blobs:
                    layers[name] = blobs
        return {name: _shaped(layers, name) for name in (*CONVOLUTIONS, *FULL)}
    except (OSError, KeyError, ValueError, IndexError, TypeError, struct.error, UnicodeDecodeError) as error:
        raise RimError(
            f"{path}: not a Levi–Hassner network in Caffe's format ({type(error).__name__}: {error}); "
            "age_net.caffemodel and gender_net.caffemodel are"
        ) from error


def _shaped(layers: dict[str, list[np.ndarray]], name: str) -> list[np.ndarray]:
    weight, bias = layers[name]
    bias = bias.reshape(-1)
    if name in FULL:
        return [weight.reshape(len(bias), -1), bias]
    if weight.ndim != 4 or weight.shape[0] != len(bias):
        raise ValueError(f"{name} has weights of shape {weight.shape} and {len(bias)} biases")
    return [weight, bias]


def _blob(data: memoryview) -> np.ndarray:
    old, shape, parts = {}, [], []
    for number, value in _fields(data):
        if number in (1, 2, 3, 4):  # num, channels, height, width
            old[number] = value
        elif number == 7:
            shape = [
                dimension
                for _, packed in _fields(value)
                for dimension in ([packed] if isinstance(packed, int) else _varints(packed))
            ]
        elif number == 5:  # floats, packed or one by one
            parts.append(np.frombuffer(value, "<f4"))
    array = np.concatenate(parts)
    return array.reshape(shape or [old.get(number, 1) for number in (1, 2, 3, 4)])


def _fields(data) -> Iterator[tuple[int, object]]:
    """Number and value of each field of a message: an int, or the bytes of a text, a message or a packed list."""
    data = memoryview(data)
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        kind = key & 7
        if kind == 0:
            value, place = _varint(data, place)
        else:
            if kind == 2:
                size, place = _varint(data, place)
            elif kind in (1, 5):
                size = 8 if kind == 1 else 4
            else:
                raise ValueError(f"a field of wire type {kind} at byte {place}")
            if place + size > len(data):
                raise ValueError(f"the file ends inside of a field at byte {place}")
            value, place = data[place : place + size], place + size
        yield key >> 3, value


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place


def _varints(data: memoryview) -> list[int]:
    values, place = [], 0
    while place < len(data):
        value, place = _varint(data, place)
        values.append(value)
    return values


def _encoded(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _number(field: int, value: int) -> bytes:
    return _encoded(field << 3) + _encoded(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _encoded(field << 3 | 2) + _encoded(len(value)) + value


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())


def _attribute(name: str, value: int | float | list[int]) -> bytes:
    if isinstance(value, float):
        return _text(1, name) + _encoded(2 << 3 | 5) + struct.pack("<f", value) + _number(20, 1)
    if isinstance(value, int):
        return _text(1, name) + _number(3, value) + _number(20, 2)
    return _text(1, name) + b"".join(_number(8, item) for item in value) + _number(20, 7)


def _tensor(name: str, array: np.ndarray) -> bytes:
    return b"".join(
        [
            *(_number(1, size) for size in array.shape),
            _number(2, FLOAT),
            _text(8, name),
            _bytes(9, array.astype("<f4").tobytes()),
        ]
    )


def _value(name: str, shape: tuple[int, ...]) -> bytes:
    dimensions = b"".join(_bytes(1, _number(1, size)) for size in shape)
    return _text(1, name) + _bytes(2, _bytes(1, _number(1, FLOAT) + _bytes(2, dimensions)))
