"""Previous masks for training: the truth, as a network that drifts would have left it.

With a perfect previous mask the network would learn to copy it. At test time the mask is that of an
earlier frame, and has the faults of the network that made it.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from ranet_jax.data.warp import draw_warp, sample_labels

_SQUEEZE = 0.4
"""Smallest size of a copy of an object, over the object's."""


@dataclass(frozen=True)
class Damage:
    """How far a previous mask is from the truth, each object by itself.

    The defaults leave an overlap (IoU) of 0.74 on average, like that of true masks two frames apart
    in DAVIS's training videos, 0.67, or one frame apart in four of its validation videos, 0.80.

    Attributes:
        spline: largest move of the 16 control points, as a share of the object's sides.
        rotation: largest angle, degrees.
        scaling: largest relative change of size.
        shift: largest shift, as a share of the object's sides.
        growth: largest radius of the dilation or erosion, over the root of the object's area.
        missing_probability: how often an object lacks a piece.
        missing_size: largest half axis of that piece, an ellipse, as a share of the object's sides.
        extra_probability: how often an object has pieces beside it that are not its own, as of a
            network that took its shadow, its reflection or a neighbour for it: one to three, each
            an ellipse on the rim of what there is, or a copy of that, moved, squeezed and perhaps
            mirrored. What lies farther away than half of the object's longer side is cut off.
        extra_size: largest half axis of such an ellipse, as a share of the object's sides.
        lost_probability: how often an object is nowhere, as after it was hidden or lost.
    """

    spline: float = 0.05
    rotation: float = 5.0
    scaling: float = 0.06
    shift: float = 0.05
    growth: float = 0.05
    missing_probability: float = 0.4
    missing_size: float = 0.3
    extra_probability: float = 0.0
    extra_size: float = 0.4
    lost_probability: float = 0.0


def _damage_object(
    mask: np.ndarray, damage: Damage, generator: np.random.Generator, strength: float
) -> tuple[np.ndarray, tuple[slice, slice]]:
    """Damages the mask of one object, and says which part of the canvas the result is for."""
    x, y, width, height = cv2.boundingRect(mask)
    nodes = draw_warp(
        mask.shape,
        (y, x, height, width),
        generator,
        spline=strength * damage.spline,
        rotation=strength * damage.rotation,
        scaling=strength * damage.scaling,
        shift=strength * damage.shift,
    )
    # Damage that is worth the name stays near the object, and a part is faster than the canvas.
    margin = 2 + max(width, height) // 2
    rows, columns = (
        np.arange(max(0, start - margin), min(limit, start + side + margin))
        for limit, start, side in zip(mask.shape, (y, x), (height, width), strict=True)
    )
    damaged = sample_labels(mask, nodes, rows, columns)

    limit = strength * damage.growth * np.sqrt(np.count_nonzero(mask))
    radius = round(generator.uniform(-limit, limit))
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * abs(radius) + 1,) * 2)
    damaged = (cv2.dilate if radius > 0 else cv2.erode)(damaged, disk)

    lacks_piece = generator.random() < strength * damage.missing_probability
    if lacks_piece and damaged.any():
        row, column = divmod(int(generator.choice(np.flatnonzero(damaged))), len(columns))
        half = generator.uniform(0, damage.missing_size, 2) * (width, height)
        axes = np.rint(half).astype(int).tolist()
        cv2.ellipse(damaged, (column, row), axes, generator.uniform(0, 180), 0, 360, 0, cv2.FILLED)
    # Nothing is drawn where nothing can come of it: recipes without extra pieces stay as they were.
    if damage.extra_probability and generator.random() < strength * damage.extra_probability:
        for _ in range(generator.integers(1, 4)):
            damaged |= _draw_extra(damaged, damage.extra_size, generator)
    return damaged, (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))


def _draw_extra(mask: np.ndarray, size: float, generator: np.random.Generator) -> np.ndarray:
    """Draws a piece beside an object, uint8 [h, w] 0 or 1 as its mask is."""
    x, y, width, height = cv2.boundingRect(mask)
    if not width:
        return mask
    sides = np.array([width, height])
    if generator.random() < 0.5:
        piece = np.zeros_like(mask)
        rim = np.argwhere(mask != cv2.erode(mask, np.ones((3, 3), np.uint8)))
        inner = rim if len(rim) else np.argwhere(mask)
        row, column = map(int, inner[generator.integers(len(inner))])
        axes = np.rint(generator.uniform(0, size, 2) * sides).astype(int).tolist()
        return cv2.ellipse(
            piece, (column, row), axes, generator.uniform(0, 180), 0, 360, 1, cv2.FILLED
        )
    squeeze = generator.choice([-1, 1], 2) * generator.uniform(_SQUEEZE, 1, 2)
    centre = np.array([x, y]) + sides / 2
    shift = centre - squeeze * centre + generator.uniform(-0.8, 0.8, 2) * sides
    move = np.column_stack([np.diag(squeeze), shift])
    return cv2.warpAffine(mask, move, mask.shape[::-1], flags=cv2.INTER_NEAREST)


def damage_labels(
    labels: np.ndarray, damage: Damage, generator: np.random.Generator, strength: float = 1.0
) -> np.ndarray:
    """Makes a plausible previous mask of a true one: drifted, resized, pieces missing or extra.

    Where two objects then overlap, one at random is in front.

    Args:
        labels: uint8 [h, w] of ids, 0 background.
        damage: how strong.
        generator: source of randomness; equal states give equal masks.
        strength: factor of moves, growth and probabilities, 0 (no damage) to 1.

    Returns:
        uint8 [h, w] of ids. An object that its own damage would wipe out, without being lost, is
        left undamaged.
    """
    result = np.zeros_like(labels)
    for identifier in generator.permutation(np.unique(labels[labels != 0])):
        if damage.lost_probability and generator.random() < strength * damage.lost_probability:
            continue
        mask = (labels == identifier).view(np.uint8)
        damaged, part = _damage_object(mask, damage, generator, strength)
        if damaged.any():
            result[part][damaged != 0] = identifier
        else:
            result[mask != 0] = identifier
    return result
