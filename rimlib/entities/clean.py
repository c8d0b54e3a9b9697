"""Getting a cut-out ready for a pool: its edge, its stray specks, its size, its faces."""

from __future__ import annotations

import cv2
import numpy as np

from rimlib.errors import RimError
from rimlib.io import images
from rimlib.matting.boxes import visible_box

VISIBLE = 0.02  # alpha above which a pixel counts
FACE_BLOCKS = (4, 5)  # blocks of colour that a blurred face keeps, too few for anybody to be known by


def clean_cutout(
    foreground: np.ndarray, alpha: np.ndarray, longer_side: int, speck: int = 12
) -> tuple[np.ndarray, np.ndarray]:
    """Crop a cut-out to what is visible, drop specks, soften a hard edge, and limit its size.

    A mask of two values only (0 and 1) has its outermost pixel removed, since that pixel holds the old background, and
    its new edge made soft over one pixel. Foreground colours are carried outwards from the nearest solid pixel wherever
    alpha is small, so that no old background shows through when the image is made smaller.

    Args:
        foreground: uint8 (H, W, 3).
        alpha: float32 (H, W) in [0, 1].
        longer_side: pixels; larger cut-outs are made smaller, smaller ones stay.
        speck: components of alpha with fewer pixels than this vanish.

    Raises:
        RimError: nothing visible is left.
    """
    alpha = alpha.astype(np.float32)
    two_valued = np.isin(np.round(alpha * 255), (0, 255)).all()
    _, labels, component, _ = cv2.connectedComponentsWithStats((alpha > VISIBLE).astype(np.uint8), connectivity=8)
    small = np.flatnonzero(component[:, cv2.CC_STAT_AREA] < speck)
    alpha = np.where(np.isin(labels, small[small > 0]) | (labels == 0), 0, alpha).astype(np.float32)
    if two_valued:
        alpha = np.pad(alpha, 2)
        foreground = np.pad(foreground, ((2, 2), (2, 2), (0, 0)), mode="edge")
        alpha = cv2.erode(alpha, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)))
        alpha = cv2.GaussianBlur(alpha, (3, 3), 0.8)
    window = visible_box(alpha, VISIBLE)
    if window is None:
        raise RimError("cut-out: its alpha is empty; nothing would be visible")
    foreground, alpha = foreground[window], alpha[window]
    foreground = _carry_outwards(foreground, alpha, 0.98 if two_valued else 0.05)
    side = max(alpha.shape)
    if side > longer_side:
        size = tuple(max(1, round(length * longer_side / side)) for length in alpha.shape)
        foreground, alpha = images.resize(foreground, size), images.resize(alpha, size)
    return np.ascontiguousarray(foreground), np.clip(np.ascontiguousarray(alpha), 0, 1)


def blur_faces(image: np.ndarray, boxes: list[tuple[int, int, int, int]]) -> np.ndarray:
    """Make faces unrecognisable: coarse blocks, then a blur, inside an ellipse.

    Args:
        image: uint8 (H, W, 3).
        boxes: left, top, right, bottom in pixels, one for each face.
    """
    result = image.copy()
    for left, top, right, bottom in boxes:
        left, top = max(0, left), max(0, top)
        width, height = min(image.shape[1], right) - left, min(image.shape[0], bottom) - top
        if width < 2 or height < 2:
            continue
        face = result[top : top + height, left : left + width]
        blocks = cv2.resize(face, FACE_BLOCKS, interpolation=cv2.INTER_AREA)
        coarse = cv2.resize(blocks, (width, height), interpolation=cv2.INTER_LINEAR)
        inside = np.zeros((height, width), np.uint8)
        half = (width // 2, height // 2)
        cv2.ellipse(inside, half, half, 0, 0, 360, 255, -1)
        face[inside > 0] = coarse[inside > 0]
    return result


def _carry_outwards(foreground: np.ndarray, alpha: np.ndarray, solid: float) -> np.ndarray:
    """Give each pixel below `solid` the colour of the nearest pixel at or above it."""
    away = (alpha < solid).astype(np.uint8)
    if not away.any() or away.all():
        return foreground
    _, labels = cv2.distanceTransformWithLabels(away, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    nearest = np.zeros((labels.max() + 1, 3), np.uint8)
    nearest[labels[away == 0]] = foreground[away == 0]
    return np.where(away[..., None] > 0, nearest[labels], foreground)
