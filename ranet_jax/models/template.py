"""What a template is: a kernel for each cell of its frame, and each object's share of the cells."""

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

STRIDE = 16
"""Pixels of the canvas from one place of the matching feature to the next."""

CELL = 32
"""Side, in pixels, of the cell of the canvas that one template position stands for, as released."""


def split_labels(labels: Array, slots: int, dtype: DTypeLike) -> Array:
    """Turns labels into one mask a slot.

    Args:
        labels: [..., h, w], 0 background, i for slot i.
        slots: how many.
        dtype: of the result.

    Returns:
        0 or 1, [..., slots, h, w].
    """
    numbers = jnp.arange(1, slots + 1)[:, None, None]
    return (labels[..., None, :, :] == numbers).astype(dtype)


def pool_mask(mask: Array, cell: int) -> Array:
    """Averages masks over the cells of the template.

    Args:
        mask: 0 or 1, [..., h, w].
        cell: side of a cell in pixels, as `RANet.cell`.

    Returns:
        The covered share of each cell, [..., positions], row-major, in the dtype of the mask.
    """
    *lead, h, w = mask.shape
    cells = mask.reshape(*lead, h // cell, cell, w // cell, cell)
    return cells.mean(axis=(-3, -1)).reshape(*lead, -1)


def pool_kernels(matching: Array, cell: int) -> Array:
    """Averages the matching feature of a frame over the cells of a template.

    Args:
        matching: [b, h / 16, w / 16, c].
        cell: side of a cell in pixels of the canvas, as `RANet.cell`.

    Returns:
        Kernels [b, positions, c], row-major. With cells of 32 pixels they are not of length 1,
        being means of 2x2 features.
    """
    side = (cell // STRIDE, cell // STRIDE)
    kernels = nn.avg_pool(matching, side, side)  # [b, h / cell, w / cell, c]
    return kernels.reshape(kernels.shape[0], -1, kernels.shape[-1])
