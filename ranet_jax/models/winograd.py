"""3x3 convolutions in four ninths of the multiplications, and their gradients.

Winograd's minimal filtering F(2x2, 3x3), from Lavin and Gray, "Fast Algorithms for Convolutional
Neural Networks" (CVPR 2016). 2 x 2 outputs, a *tile*, see 4 x 4 inputs. Sums and differences of
these, 16 of them, are multiplied with 16 of the kernel, and each output is a sum of products: 16
matrix products in place of 9 for each of the four outputs. In exact arithmetic the result is the
same; in float32 it differs in its last digits.
"""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
from jax import Array

from ranet_jax.models.products import PRECISION, sum_products


def _transform_inputs(x: Sequence[Array]) -> list[Array]:
    """Four inputs along one axis into what is multiplied."""
    return [x[0] - x[2], x[1] + x[2], x[2] - x[1], x[1] - x[3]]


def _transform_taps(x: Sequence[Array]) -> list[Array]:
    """Three taps of a kernel along one axis into what is multiplied with them."""
    outer, inner = (x[0] + x[2]) / 2, x[1] / 2
    return [x[0], outer + inner, outer - inner, x[2]]


def _transform_products(x: Sequence[Array]) -> list[Array]:
    """Four products along one axis into two outputs."""
    return [x[0] + x[1] + x[2], x[1] - x[2] - x[3]]


def _transform_gradients(x: Sequence[Array]) -> list[Array]:
    """Transposes `_transform_products`: gradients of two outputs into those of four products."""
    return [x[0], x[0] + x[1], x[0] - x[1], -x[1]]


def _transform_sums(x: Sequence[Array]) -> list[Array]:
    """Transposes `_transform_taps`: gradients of four transformed taps into those of three taps."""
    outer, inner = (x[1] + x[2]) / 2, (x[1] - x[2]) / 2
    return [x[0] + outer, inner, x[3] + outer]


def _transform_both(
    parts: Sequence[Array], transform: Callable[[Sequence[Array]], list[Array]]
) -> list[list[Array]]:
    """Transforms 16 parts along both axes: the results by row and column."""
    columns = [transform(parts[column::4]) for column in range(4)]
    return [transform(row) for row in zip(*columns, strict=True)]


def _store(x: Array) -> Array:
    """The same numbers, written so that XLA for CPUs stores them.

    It computes a cheap operation of one tensor, such as a relu, again for each use: 16 times here
    (seen in the programs of jax 0.12.0.1).
    """
    return jnp.maximum(x, 0) + jnp.minimum(x, 0)


def _count_tiles(x: Array) -> tuple[int, int]:
    """Rows and columns of tiles; the last of either may reach over the edge."""
    return -(-x.shape[1] // 2), -(-x.shape[2] // 2)


def _cut_inputs(x: Array) -> list[Array]:
    """What is multiplied, of all tiles: [b, h, w, c] to 16 of [b, tiles, c], rows first."""
    b, h, w, c = x.shape
    rows, columns = _count_tiles(x)
    x = jnp.pad(_store(x), ((0, 0), (1, 2 * rows + 1 - h), (1, 2 * columns + 1 - w), (0, 0)))
    parts = []
    for row in _transform_inputs([x[:, n : n + 2 * rows : 2] for n in range(4)]):
        parts += _transform_inputs([row[:, :, n : n + 2 * columns : 2] for n in range(4)])
    return [part.reshape(b, rows * columns, c) for part in parts]


def _cut_gradients(y: Array) -> list[Array]:
    """Gradients of the products, of all tiles: [b, h, w, f] to 16 of [b, tiles, f]."""
    b, h, w, f = y.shape
    rows, columns = _count_tiles(y)
    y = jnp.pad(_store(y), ((0, 0), (0, 2 * rows - h), (0, 2 * columns - w), (0, 0)))
    parts = []
    for row in _transform_gradients([y[:, 0::2], y[:, 1::2]]):
        parts += _transform_gradients([row[:, :, 0::2], row[:, :, 1::2]])
    return [part.reshape(b, rows * columns, f) for part in parts]


def convolve_in_tiles(x: Array, kernel: Array) -> Array:
    """A convolution of stride 1 with "same" padding.

    Args:
        x: [b, h, w, c], of float32 or wider: sums of bfloat16 would lose too much.
        kernel: [3, 3, c, f].

    Returns:
        [b, h, w, f].
    """
    b, h, w, _ = x.shape
    rows, columns = _count_tiles(x)
    taps = [part for row in _transform_taps(list(kernel)) for part in _transform_taps(list(row))]
    products = [
        jnp.einsum("bnc,cf->bnf", part, tap, precision=PRECISION).reshape(b, rows, columns, -1)
        for part, tap in zip(_cut_inputs(x), taps, strict=True)
    ]
    by_row = [jnp.stack(row, axis=3) for row in _transform_both(products, _transform_products)]
    return jnp.stack(by_row, axis=2).reshape(b, 2 * rows, 2 * columns, -1)[:, :h, :w]


def sum_tiles(x: Array, gradient: Array) -> Array:
    """The gradient of the kernel of `convolve_in_tiles`.

    Args:
        x: [b, h, w, c], its input.
        gradient: [b, h, w, f], of its output.

    Returns:
        [3, 3, c, f].
    """
    cut = zip(_cut_inputs(x), _cut_gradients(gradient), strict=True)
    sums = [sum_products(part, of_part) for part, of_part in cut]
    return jnp.stack([jnp.stack(row) for row in _transform_both(sums, _transform_sums)])
