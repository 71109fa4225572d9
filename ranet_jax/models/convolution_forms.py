"""A convolution in the forms that are fast on a CPU, and the choice among them.

What each gains: docs/performance.md. All pad as PyTorch's "same" does; with a stride the output is
rounded up. Where nothing else is said, arguments and results are those of `convolve_plainly`.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from ranet_jax.models.products import PRECISION
from ranet_jax.models.winograd import convolve_in_tiles

_TILED_CHANNELS = 128
"""From so many on, of input and of output, tiles can save more than their sums cost."""

_TILED_PAIRS = 128 * 256
"""And from so many pairs of an input and an output channel on."""

_TILED_PIXELS = 500
"""And from so many pixels on, in a batch: of fewer, transforming the kernel takes too long."""

_MANY_PAIRS = 512 * 512
"""From so many pairs of an input and an output channel on, XLA's own form is slow."""

Form = Callable[[Array, Array], Array]
"""A convolution whose stride and dilation are settled: of x [b, h, w, c] and its kernel."""


def convolve_plainly(x: Array, kernel: Array, stride: int, dilation: int) -> Array:
    """As jax writes it.

    Args:
        x: [b, h, w, c], of any type of float.
        kernel: [size, size, c, f] of the same type, size odd.
        stride: step between outputs.
        dilation: step between kernel taps.

    Returns:
        [b, h / stride, w / stride, f] of the same type.
    """
    padding = dilation * (kernel.shape[0] // 2)
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        window_strides=(stride, stride),
        padding=[(padding, padding)] * 2,
        rhs_dilation=(dilation, dilation),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=PRECISION,
    )


def see_taps(x: Array, size: int, stride: int, dilation: int) -> list[list[Array]]:
    """What each tap of a kernel is multiplied with: x, moved so that the tap lies on its output.

    Args:
        x: [b, h, w, c].
        size: height and width of the kernel.
        stride: step between outputs.
        dilation: step between kernel taps.

    Returns:
        By row and column of the kernel, each [b, h / stride, w / stride, c].
    """
    padding = dilation * (size // 2)
    h, w = (-(-length // stride) for length in x.shape[1:3])
    x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))

    def see(row: int, column: int) -> Array:  # [b, h / stride, w / stride, c]
        bottom, right = row + (h - 1) * stride + 1, column + (w - 1) * stride + 1
        return x[:, row:bottom:stride, column:right:stride]

    taps = range(0, size * dilation, dilation)
    return [[see(row, column) for column in taps] for row in taps]


def convolve_in_patches(x: Array, kernel: Array, stride: int, dilation: int) -> Array:
    """As one matrix product of all that each output sees, side by side."""
    size, _, c, f = kernel.shape
    taps = [tap for row in see_taps(x, size, stride, dilation) for tap in row]
    patches = jnp.concatenate(taps, axis=-1)
    return jnp.einsum(
        "bhwc,cf->bhwf", patches, kernel.reshape(size * size * c, f), precision=PRECISION
    )


def suits_tiles(x: Array, kernel: Array, stride: int, dilation: int) -> bool:
    """Whether a convolution is computed in tiles: with many channels and pixels, in float32.

    Args:
        x: [b, h, w, c].
        kernel: [size, size, c, f].
        stride: step between outputs.
        dilation: step between kernel taps.
    """
    size, _, c, f = kernel.shape
    b, h, w, _ = x.shape
    many = min(c, f) >= _TILED_CHANNELS and c * f >= _TILED_PAIRS and b * h * w >= _TILED_PIXELS
    wide = jnp.finfo(x.dtype).bits >= 32
    return many and wide and (size, stride, dilation) == (3, 1, 1)


def choose_form(x: Array, kernel: Array, stride: int, dilation: int) -> Form:
    """The form that is fast on a CPU for these shapes and this type.

    XLA's convolutions of many channels are slow on a CPU, the more so the fewer pixels there are.
    Those of bfloat16 are left to oneDNN, see `compilation.find_options`.

    Args:
        x: [b, h, w, c].
        kernel: [size, size, c, f].
        stride: step between outputs.
        dilation: step between kernel taps.

    Returns:
        A function of both.
    """
    _, _, c, f = kernel.shape
    if suits_tiles(x, kernel, stride, dilation):
        return convolve_in_tiles
    in_patches = c * f >= _MANY_PAIRS and x.dtype != jnp.bfloat16
    form = convolve_in_patches if in_patches else convolve_plainly
    return functools.partial(form, stride=stride, dilation=dilation)
