"""A convolution in the forms that are fast on a CPU, and the choice among them.

All take x [b, h, w, c] and a kernel [size, size, c, f], pad as PyTorch's "same" does, and give
[b, h / stride, w / stride, f]. What each gains: docs/performance.md.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from ranet_jax.models.winograd import convolve_in_tiles

# Only matters in float32, where the default of GPU and TPU keeps 10 or 8 bits.
PRECISION = jax.lax.Precision.HIGHEST

_TILED_CHANNELS = 128
"""From so many on, of input and output, tiles save more than turning what is multiplied costs."""

_TILED_KERNEL = 128 * 256
"""So many pairs of them it takes as well."""

_TILED_PIXELS = 500
"""From so many on, in a batch, they also save more than turning the kernel costs."""

_LARGE_KERNEL = 512 * 512
"""From so many pairs of an input and an output channel on, XLA's own form is slow."""

Form = Callable[[Array, Array], Array]


def convolve_plainly(x: Array, kernel: Array, stride: int, dilation: int) -> Array:
    """As jax writes it."""
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


def convolve_in_rows(x: Array, kernel: Array, dilation: int) -> Array:
    """Of stride 1, as one matrix product, summed in float32.

    A pixel's neighbours in its row stand side by side, and the product gives what each row adds to
    those around it.
    """
    _, h, w, _ = x.shape
    size, _, c, f = kernel.shape
    padding = dilation * (size // 2)
    x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    taps = range(0, size * dilation, dilation)
    neighbours = jnp.concatenate([x[:, :, column : column + w] for column in taps], axis=-1)
    products = jnp.einsum(
        "bhwc,cf->bhwf",
        neighbours,
        kernel.transpose(1, 2, 0, 3).reshape(size * c, size * f),
        preferred_element_type=jnp.float32,
    )
    rows = [products[:, row : row + h, :, n * f : (n + 1) * f] for n, row in enumerate(taps)]
    return functools.reduce(jnp.add, rows).astype(x.dtype)


def cut_patches(x: Array, size: int, stride: int, dilation: int) -> Array:
    """What each output sees, side by side: [b, h / stride, w / stride, size * size * c]."""
    padding = dilation * (size // 2)
    h, w = (-(-length // stride) for length in x.shape[1:3])
    x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    taps = range(0, size * dilation, dilation)

    def see(row: int, column: int) -> Array:  # [b, h / stride, w / stride, c]
        bottom, right = row + (h - 1) * stride + 1, column + (w - 1) * stride + 1
        return x[:, row:bottom:stride, column:right:stride]

    return jnp.concatenate([see(row, column) for row in taps for column in taps], axis=-1)


def convolve_in_patches(x: Array, kernel: Array, stride: int, dilation: int) -> Array:
    """As one matrix product of all that each output sees."""
    size, _, c, f = kernel.shape
    patches = cut_patches(x, size, stride, dilation)
    return jnp.einsum(
        "bhwc,cf->bhwf", patches, kernel.reshape(size * size * c, f), precision=PRECISION
    )


def suits_tiles(x: Array, kernel: Array, stride: int, dilation: int) -> bool:
    """Whether a convolution is fastest in tiles: one of many channels and pixels, in float32."""
    size, _, c, f = kernel.shape
    b, h, w, _ = x.shape
    large = min(c, f) >= _TILED_CHANNELS and c * f >= _TILED_KERNEL
    return (
        large
        and b * h * w >= _TILED_PIXELS
        and (size, stride, dilation) == (3, 1, 1)
        and x.dtype != jnp.bfloat16
    )


def choose_form(x: Array, kernel: Array, stride: int, dilation: int) -> Form:
    """The form that is fast on a CPU for these shapes and this type.

    XLA for CPUs computes convolutions of bfloat16 in float32, and matrix products of bfloat16 with
    the instructions that the processor has for them. Its convolutions of many channels are slow,
    the more so the fewer pixels there are.
    """
    _, _, c, f = kernel.shape
    if x.dtype == jnp.bfloat16 and stride == 1:
        return functools.partial(convolve_in_rows, dilation=dilation)
    if suits_tiles(x, kernel, stride, dilation):
        return convolve_in_tiles
    if c * f >= _LARGE_KERNEL:
        return functools.partial(convolve_in_patches, stride=stride, dilation=dilation)
    return functools.partial(convolve_plainly, stride=stride, dilation=dilation)
