"""Objects painted over their frame."""

import cv2
import numpy as np

from ranet_jax.media.palette import PALETTE

_COLOURS = np.array(PALETTE, np.uint8).reshape(256, 3)
# The same hues at full strength: DAVIS's first colours are too dark for a line on a dark picture.
_LINES = (_COLOURS / np.maximum(_COLOURS.max(1, keepdims=True), 1) * 255).round().astype(np.uint8)
_OPACITY = 0.5


def paint_overlay(frame: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Paints every object over a frame: a translucent fill and a thin solid contour.

    The fill has the object's colour in DAVIS masks, so that an overlay and its mask can be compared
    by eye; the contour is a brighter shade of it. The contour lies inside the object, and
    background pixels keep their values.

    Args:
        frame: uint8 RGB array [h, w, 3].
        labels: uint8 array [h, w] of object ids, 0 is background.

    Returns:
        A new uint8 RGB array [h, w, 3].
    """
    overlay = frame.copy()
    x, y, w, h = cv2.boundingRect(labels)
    # One pixel on a small frame, two at 480p, four at 1080p: equally thin to the eye.
    thickness = max(1, round(min(labels.shape) / 270))
    # Nothing but the box of all objects is painted, with as much around it as a contour looks at.
    top, left = max(y - thickness, 0), max(x - thickness, 0)
    box = np.s_[top : y + h + thickness, left : x + w + thickness]
    labels, frame = labels[box], frame[box]
    painted = cv2.addWeighted(frame, 1 - _OPACITY, np.take(_COLOURS, labels, axis=0), _OPACITY, 0)
    window = np.ones((2 * thickness + 1, 2 * thickness + 1), np.uint8)
    contour = cv2.dilate(labels, window) != cv2.erode(labels, window)
    painted[contour] = _LINES[labels[contour]]
    overlay[box] = cv2.copyTo(painted, labels, frame.copy())
    return overlay
