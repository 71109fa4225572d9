"""The object box on the host: the NumPy twin of `ranet_jax.geometry.box`, and jitter for training.

A box is int [4]: y0, x0, y1, x1, ends excluded.
"""

import cv2
import numpy as np

from ranet_jax.geometry.margin import MARGIN


def _clamp(
    centre_y: float, centre_x: float, half_height: float, half_width: float, canvas: tuple[int, int]
) -> np.ndarray:
    """The box around a centre, inside the canvas; the whole canvas where that is too small."""
    h, w = canvas
    box = [centre_y - half_height, centre_x - half_width, centre_y + half_height]
    box = np.rint(np.clip([*box, centre_x + half_width], 0, [h, w, h, w])).astype(int)
    smallest = min(box[2] - box[0], box[3] - box[1])
    return box if smallest >= h // 15 else np.array([0, 0, h, w])


def find_box(labels: np.ndarray) -> np.ndarray:
    """The box of a mask: its extent, `MARGIN` times larger, in the canvas's shape, clamped to it.

    Args:
        labels: uint8 [h, w], on the canvas; every pixel above 0 counts.

    Returns:
        The box, equal to that of `geometry.box.find_box`: the whole canvas where the mask is
        empty or a side of the clamped box is under a fifteenth of the canvas's height.
    """
    h, w = labels.shape
    x0, y0, width, height = cv2.boundingRect(labels)
    if not width:
        return np.array([0, 0, h, w])
    # In float32 and in this order, because the protocol truncates float32 products.
    ratio, half_margin = np.float32(h / w), np.float32(MARGIN / 2)
    half = max(
        np.float32(height - 1) * half_margin,
        np.float32(width - 1) * half_margin * ratio,
    )
    centre_y, centre_x = (2 * y0 + height - 1) // 2, (2 * x0 + width - 1) // 2
    return _clamp(centre_y, centre_x, int(half), int(half / ratio), (h, w))


def jitter_box(
    box: np.ndarray, canvas: tuple[int, int], jitter: float, generator: np.random.Generator
) -> np.ndarray:
    """Moves and scales a box at random: at test time the object is never quite in its middle.

    Args:
        box: to be jittered. The whole canvas stays whole: it stands for "object not found".
        canvas: height and width.
        jitter: largest shift, as a share of the box's sides, and largest relative change of size.
        generator: source of randomness; three numbers are always drawn.

    Returns:
        A box inside the canvas.
    """
    down, right, growth = generator.uniform(-jitter, jitter, 3)
    if np.array_equal(box, [0, 0, *canvas]):
        return box
    start, sides = box[:2], box[2:] - box[:2]
    centre = start + sides * (0.5 + np.array([down, right]))
    half = sides / 2 * (1 + growth)
    return _clamp(centre[0], centre[1], half[0], half[1], canvas)


def cut_labels(labels: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Cuts labels to a box and resizes the cut to the canvas, nearest neighbour.

    Args:
        labels: [h, w], on the canvas.
        box: of the part to cut.

    Returns:
        [h, w]; pixel `i` is the cut's pixel `floor(i * cut / canvas)`.
    """
    h, w = labels.shape
    rows = box[0] + np.arange(h) * (box[2] - box[0]) // h
    columns = box[1] + np.arange(w) * (box[3] - box[1]) // w
    return labels[rows][:, columns]
