"""What is made, as PNG files: for a folder, and as links that a browser saves."""

from __future__ import annotations

import base64

import numpy as np

from rimlib.io import images


def files(alpha: np.ndarray, colors: np.ndarray, edited: np.ndarray) -> dict[str, bytes]:
    """PNG files by name, of a matte (float32 (H, W) in [0, 1]), its foreground's colours, and the edited image."""
    levels = np.rint(255 * alpha).astype(np.uint8)
    pictures = {"matte": levels, "cut-out": np.dstack([colors, levels]), "edited": edited}
    return {f"{name}.png": images.encode(pixels, "png") for name, pixels in pictures.items()}


def links(found: dict[str, bytes]) -> str:
    """HTML: a link for each file, with the file in it."""
    style = "text-decoration: underline"
    made = (f'<a download="{name}" style="{style}" href="{address(data)}">{name}</a>' for name, data in found.items())
    return "Save: " + " · ".join(made)


def address(data: bytes, kind: str = "png") -> str:
    """An image file as its own address."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
