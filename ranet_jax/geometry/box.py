"""The object box: where it lies, how a frame is cut to it, and how a prediction goes back.

Everything here runs on the device with traced boxes. A box is int32 [4]: y0, x0, y1, x1, ends
excluded.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ranet_jax.geometry.margin import MARGIN


@functools.cache
def _half_sides(canvas: tuple[int, int]) -> tuple[np.ndarray, ...]:
    """Half the height and width of the box, for every possible extent of a mask.

    The released code truncates a float32, so one rounding error moves a box. Tables made once,
    here, by NumPy give the same integers on every device, however its compiler rewrites a division.

    Args:
        canvas: height and width.

    Returns:
        Four int32 arrays: by the mask's `y1 - y0` (half height, half width), then by its `x1 - x0`.
    """
    h, w = canvas
    ratio, half_margin = np.float32(h / w), np.float32(MARGIN / 2)
    from_height = np.arange(h, dtype=np.float32) * half_margin
    from_width = np.arange(w, dtype=np.float32) * half_margin * ratio
    return tuple(
        half.astype(np.int32) for side in (from_height, from_width) for half in (side, side / ratio)
    )


def find_box(mask: Array) -> Array:
    """The box of a mask: its extent, `MARGIN` times larger, in the frame's shape, clamped to it.

    Args:
        mask: bool, all objects together, [h, w].

    Returns:
        The box. The whole frame where the mask is empty or a side of the clamped box is under a
        fifteenth of the frame's height (32 on the released canvas).
    """
    h, w = mask.shape
    rows, columns = mask.any(axis=1), mask.any(axis=0)
    y0, y1 = jnp.argmax(rows), h - 1 - jnp.argmax(rows[::-1])
    x0, x1 = jnp.argmax(columns), w - 1 - jnp.argmax(columns[::-1])
    height_by_y, width_by_y, height_by_x, width_by_x = map(jnp.asarray, _half_sides((h, w)))
    # `half = max(a, b)` before truncation equals the maximum after it, since both are monotone.
    half_height = jnp.maximum(height_by_y[y1 - y0], height_by_x[x1 - x0])
    half_width = jnp.maximum(width_by_y[y1 - y0], width_by_x[x1 - x0])
    centre_y, centre_x = (y0 + y1) // 2, (x0 + x1) // 2
    box = jnp.stack(
        [
            jnp.maximum(centre_y - half_height, 0),
            jnp.maximum(centre_x - half_width, 0),
            jnp.minimum(centre_y + half_height, h),
            jnp.minimum(centre_x + half_width, w),
        ]
    ).astype(jnp.int32)
    smallest = jnp.minimum(box[2] - box[0], box[3] - box[1])
    usable = mask.any() & (smallest >= h // 15)
    return jnp.where(usable, box, jnp.array([0, 0, h, w], jnp.int32))


def _interpolate(x: Array, positions: Array, axis: int) -> Array:
    """Linear interpolation along one axis at fractional positions, each inside the array."""
    low = jnp.floor(positions).astype(jnp.int32)
    high = jnp.minimum(low + 1, x.shape[axis] - 1)
    share = (positions - low).astype(x.dtype)
    share = share.reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    return jnp.take(x, low, axis) * (1 - share) + jnp.take(x, high, axis) * share


def cut_frame(frame: Array, box: Array, canvas: tuple[int, int]) -> Array:
    """Cuts a frame to a box and resizes the cut to the network's canvas, half-pixel bilinear.

    Args:
        frame: floating point, [h, w, c].
        box: of the part to cut.
        canvas: height and width of the result.

    Returns:
        [canvas height, canvas width, c].
    """
    sides = (box[0], box[2]), (box[1], box[3])
    for axis, ((start, end), size) in enumerate(zip(sides, canvas, strict=True)):
        index = jnp.arange(size, dtype=frame.dtype)
        length = (end - start).astype(frame.dtype)
        # Clamped to the cut, not to the frame: pixels outside the box must not leak in.
        inside = jnp.clip((index + 0.5) * (length / size) - 0.5, 0, length - 1)
        frame = _interpolate(frame, start + inside, axis)
    return frame


def cut_labels(
    labels: Array, box: Array, canvas: tuple[int, int], *, half_pixels: bool = False
) -> Array:
    """Cuts labels to a box and resizes the cut to the network's canvas, nearest neighbour.

    Args:
        labels: [h, w], any dtype.
        box: of the part to cut.
        canvas: height and width of the result.
        half_pixels: whether by half pixels, as `cut_frame` cuts, which is what is to be predicted
            in training; if not, as released.

    Returns:
        Of the canvas's size; pixel `i` is the cut's pixel `floor(i * cut / canvas)`, by half pixels
        `floor((i + 0.5) * cut / canvas)`.
    """
    half = int(half_pixels)
    rows, columns = (
        start + (2 * jnp.arange(side) + half) * (end - start) // (2 * side)
        for start, end, side in zip(box[:2], box[2:], canvas, strict=True)
    )
    return labels[rows][:, columns]


def paste_probability(
    probability: Array, box: Array, size: tuple[int, int], *, half_pixels: bool = False
) -> Array:
    """Resizes a prediction back to its box, bilinear, on an empty frame.

    Args:
        probability: on the network's canvas, [h, w, n].
        box: that the frame had been cut to.
        size: height and width of the frame.
        half_pixels: whether by half pixels, as `cut_frame` cuts; if not, corner on corner, as
            released.

    Returns:
        Of the frame's size, zero outside the box.
    """
    inside = []
    sides = (box[0], box[2]), (box[1], box[3])
    for axis, ((start, end), frame_side) in enumerate(zip(sides, size, strict=True)):
        side = probability.shape[axis]
        offset = jnp.arange(frame_side) - start
        length = end - start
        inside.append((offset >= 0) & (offset < length))
        place = offset.astype(probability.dtype)
        if half_pixels:
            positions = (place + 0.5) * (side / length.astype(probability.dtype)) - 0.5
        else:
            positions = place * ((side - 1) / (length - 1).astype(probability.dtype))
        probability = _interpolate(probability, jnp.clip(positions, 0, side - 1), axis)
    return jnp.where((inside[0][:, None] & inside[1])[..., None], probability, 0)


def find_neighbourhood(previous: Array, locality: float) -> Array:
    """Where objects can be, given where they were.

    Args:
        previous: each object's mask in the frame before, 0 or 1, [n, h, w].
        locality: see `protocol.Protocol`; the distance is that of the farther axis.

    Returns:
        bool [n, h, w]; all of it for an object that was nowhere.
    """
    reach = 2 * round(locality * previous.shape[1]) + 1
    near = previous
    for window in ((1, reach, 1), (1, 1, reach)):
        near = jax.lax.reduce_window(near, 0.0, jax.lax.max, window, (1, 1, 1), "SAME")
    return (near > 0) | ~previous.any(axis=(1, 2), keepdims=True)
