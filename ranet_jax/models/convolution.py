"""Convolutions whose values and gradients are fast on a CPU: XLA's own are often slow there."""

import functools
from typing import cast

import jax
import jax.numpy as jnp
from jax import Array

from ranet_jax.models.convolution_forms import (
    PRECISION,
    choose_form,
    convolve_plainly,
    cut_patches,
    suits_tiles,
)
from ranet_jax.models.winograd import sum_tiles

_MANY_CHANNELS = 32
"""From so many on, the gradient of a kernel is faster as matrix products than as a convolution."""


def _sum_products(x: Array, y: Array) -> Array:  # [b, n, c], [b, n, f] -> [c, f]
    """Products summed over places and samples, a sample at a time.

    XLA for CPUs shares out a batch among the cores but not a long sum, for which it also writes its
    operands anew in another order. The sum is at least of float32.
    """
    wide = jnp.promote_types(x.dtype, jnp.float32)
    products = jnp.einsum("bnc,bnf->bcf", x, y, precision=PRECISION, preferred_element_type=wide)
    return products.sum(axis=0).astype(x.dtype)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def convolve(x: Array, kernel: Array, stride: int, dilation: int) -> Array:
    """A convolution with "same" padding, fast on a CPU, and so are its gradients.

    jax writes both gradients as convolutions in another order of axes. XLA for CPUs turns them into
    the fast order in the outermost program alone, so that inside a loop they are a hundred times
    slower; and its gradient of a kernel is slow everywhere. On other devices all is jax's own.

    Args:
        x: [b, h, w, c].
        kernel: [size, size, c, f], size odd.
        stride: step between outputs.
        dilation: step between kernel taps.

    Returns:
        [b, h / stride, w / stride, f].
    """
    return jax.lax.platform_dependent(
        x,
        kernel,
        cpu=choose_form(x, kernel, stride, dilation),
        default=functools.partial(convolve_plainly, stride=stride, dilation=dilation),
    )


def _convolve_forward(
    x: Array, kernel: Array, stride: int, dilation: int
) -> tuple[Array, tuple[Array, Array]]:
    return cast(Array, convolve(x, kernel, stride, dilation)), (x, kernel)


def _pull_kernel(x: Array, gradient: Array, kernel: Array, stride: int, dilation: int) -> Array:
    """The gradient of the kernel [size, size, c, f], in the form that is fast on a CPU."""
    if suits_tiles(x, kernel, stride, dilation):
        return sum_tiles(x, gradient, _sum_products)
    size, _, c, f = kernel.shape
    b, h, w, _ = gradient.shape
    if stride > 1:
        patches = cut_patches(x, size, stride, dilation)
        sums = _sum_products(patches.reshape(b, h * w, -1), gradient.reshape(b, h * w, f))
        return sums.reshape(kernel.shape)
    padding = dilation * (size // 2)
    if min(c, f) < _MANY_CHANNELS:
        # The batch is what is summed over, so it stands where channels do.
        return jax.lax.conv_general_dilated(
            x.transpose(3, 1, 2, 0),
            gradient.transpose(1, 2, 0, 3),
            window_strides=(dilation, dilation),
            padding=[(padding, padding)] * 2,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            precision=PRECISION,
        ).transpose(1, 2, 0, 3)
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
    return jnp.stack(taps).reshape(kernel.shape)


def _pull_on_cpu(
    x: Array, kernel: Array, gradient: Array, stride: int, dilation: int
) -> tuple[Array, Array]:
    of_kernel = _pull_kernel(x, gradient, kernel, stride, dilation)
    if stride > 1:
        _, pull = jax.vjp(lambda x: convolve_plainly(x, kernel, stride, dilation), x)
        return pull(gradient)[0], of_kernel
    turned = kernel[::-1, ::-1].swapaxes(2, 3)
    return choose_form(gradient, turned, 1, dilation)(gradient, turned), of_kernel


def _pull_plainly(
    x: Array, kernel: Array, gradient: Array, stride: int, dilation: int
) -> tuple[Array, Array]:
    _, pull = jax.vjp(lambda x, kernel: convolve_plainly(x, kernel, stride, dilation), x, kernel)
    return pull(gradient)


def _convolve_backward(
    stride: int, dilation: int, saved: tuple[Array, Array], gradient: Array
) -> tuple[Array, Array]:
    return jax.lax.platform_dependent(
        *saved,
        gradient,
        cpu=functools.partial(_pull_on_cpu, stride=stride, dilation=dilation),
        default=functools.partial(_pull_plainly, stride=stride, dilation=dilation),
    )


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
    return jnp.einsum("bhwc,cf->bhwf", x, kernel, precision=PRECISION)


def _mix_forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return cast(Array, mix_channels(x, kernel)), (x, kernel)


def _mix_backward(saved: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, kernel = saved
    b, h, w, _ = x.shape
    of_x = jnp.einsum("bhwf,cf->bhwc", gradient, kernel, precision=PRECISION)
    return of_x, _sum_products(x.reshape(b, h * w, -1), gradient.reshape(b, h * w, -1))


mix_channels.defvjp(_mix_forward, _mix_backward)
