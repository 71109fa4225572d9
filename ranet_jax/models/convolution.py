"""Convolutions whose gradients are fast on a CPU: XLA's own are written in a slow order there."""

import functools
from typing import cast

import jax
import jax.numpy as jnp
from jax import Array

# Only matters in float32, where the default of GPU and TPU keeps 10 or 8 bits.
_PRECISION = jax.lax.Precision.HIGHEST

_MANY_CHANNELS = 32
"""From so many on, the gradient of a kernel is faster as matrix products than as a convolution."""


def convolve_plainly(x: Array, kernel: Array, stride: int, dilation: int) -> Array:
    """A convolution with "same" padding, as jax writes it; arguments as for `convolve`."""
    padding = dilation * (kernel.shape[0] // 2)
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        window_strides=(stride, stride),
        padding=[(padding, padding)] * 2,
        rhs_dilation=(dilation, dilation),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=_PRECISION,
    )


def _convolve_in_products(x: Array, kernel: Array, dilation: int) -> Array:
    """A convolution of stride 1 as one matrix product, summed in float32.

    Takes what `convolve` takes.

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


def _convolve_by_type(x: Array, kernel: Array, dilation: int) -> Array:
    """A convolution of stride 1, in the form that is fast for its type: what `convolve` gives.

    XLA for CPUs computes convolutions of bfloat16 in float32, and matrix products of bfloat16 with
    the instructions that the processor has for them.
    """
    if x.dtype != jnp.bfloat16:
        return convolve_plainly(x, kernel, 1, dilation)
    return jax.lax.platform_dependent(
        x,
        kernel,
        cpu=functools.partial(_convolve_in_products, dilation=dilation),
        default=functools.partial(convolve_plainly, stride=1, dilation=dilation),
    )


def _sum_products(x: Array, y: Array) -> Array:  # [b, n, c], [b, n, f] -> [c, f]
    """Products summed over places and samples, a sample at a time.

    XLA for CPUs shares out a batch among the cores but not a long sum, for which it also writes its
    operands anew in another order. The sum is at least of float32.
    """
    wide = jnp.promote_types(x.dtype, jnp.float32)
    products = jnp.einsum("bnc,bnf->bcf", x, y, precision=_PRECISION, preferred_element_type=wide)
    return products.sum(axis=0).astype(x.dtype)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def convolve(x: Array, kernel: Array, dilation: int) -> Array:
    """A convolution of stride 1 with "same" padding, whose gradients are fast on a CPU.

    jax writes both gradients as convolutions in another order of axes. XLA for CPUs turns them into
    the fast order in the outermost program alone, so that inside a loop they are a hundred times
    slower; and its gradient of a kernel is slow everywhere.

    Args:
        x: [b, h, w, c].
        kernel: [size, size, c, f], size odd.
        dilation: step between kernel taps.

    Returns:
        [b, h, w, f].
    """
    return _convolve_by_type(x, kernel, dilation)


def _convolve_forward(x: Array, kernel: Array, dilation: int) -> tuple[Array, tuple[Array, Array]]:
    return _convolve_by_type(x, kernel, dilation), (x, kernel)


def _convolve_backward(
    dilation: int, saved: tuple[Array, Array], gradient: Array
) -> tuple[Array, Array]:
    x, kernel = saved
    turned = kernel[::-1, ::-1].swapaxes(2, 3)
    size, _, c, f = kernel.shape
    padding = dilation * (size // 2)
    if min(c, f) < _MANY_CHANNELS:
        # The batch is what is summed over, so it stands where channels do.
        of_kernel = jax.lax.conv_general_dilated(
            x.transpose(3, 1, 2, 0),
            gradient.transpose(1, 2, 0, 3),
            window_strides=(dilation, dilation),
            padding=[(padding, padding)] * 2,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            precision=_PRECISION,
        ).transpose(1, 2, 0, 3)
    else:
        b, h, w, _ = x.shape
        # A tap multiplies one with the other moved; the one with fewer channels is moved.
        moved, still = (x, gradient) if c <= f else (gradient, x)
        moved = jnp.pad(moved, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
        still = still.reshape(b, h * w, -1)

        def sum_tap(row: int, column: int) -> Array:  # [c, f]
            if c > f:
                row, column = size - 1 - row, size - 1 - column
            top, left = row * dilation, column * dilation
            seen = moved[:, top : top + h, left : left + w].reshape(b, h * w, -1)
            return _sum_products(seen, still) if c <= f else _sum_products(still, seen)

        taps = [sum_tap(row, column) for row in range(size) for column in range(size)]
        of_kernel = jnp.stack(taps).reshape(kernel.shape)
    return _convolve_by_type(gradient, turned, dilation), of_kernel


convolve.defvjp(_convolve_forward, _convolve_backward)


@jax.custom_vjp
def mix_channels(x: Array, kernel: Array) -> Array:
    """A 1x1 convolution as a matrix product, whose gradient of the kernel is fast on a CPU.

    Args:
        x: [b, h, w, c].
        kernel: [c, f].

    Returns:
        [b, h, w, f].
    """
    return jnp.einsum("bhwc,cf->bhwf", x, kernel, precision=_PRECISION)


def _mix_forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return cast(Array, mix_channels(x, kernel)), (x, kernel)


def _mix_backward(saved: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, kernel = saved
    b, h, w, _ = x.shape
    of_x = jnp.einsum("bhwf,cf->bhwc", gradient, kernel, precision=_PRECISION)
    return of_x, _sum_products(x.reshape(b, h * w, -1), gradient.reshape(b, h * w, -1))


mix_channels.defvjp(_mix_forward, _mix_backward)
