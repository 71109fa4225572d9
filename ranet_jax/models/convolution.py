"""Convolutions whose values and gradients are fast on a CPU: XLA's own are often slow there."""

import functools
from typing import cast

import jax
import jax.numpy as jnp
from jax import Array

from ranet_jax.models.convolution_forms import (
    choose_form,
    convolve_plainly,
    see_taps,
    suits_tiles,
)
from ranet_jax.models.products import PRECISION, sum_products
from ranet_jax.models.winograd import sum_tiles

_MANY_CHANNELS = 32
"""From so many on, the gradient of a kernel is faster as matrix products than as a convolution."""


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def convolve(x: Array, kernel: Array, stride: int, dilation: int) -> Array:
    """A convolution with "same" padding, fast on a CPU, and so are its gradients.

    jax writes both gradients as convolutions in another order of axes. XLA for CPUs turns them into
    the fast order in the outermost program alone, so that inside a loop they are a hundred times
    slower; and its gradient of a kernel is slow everywhere. With a stride the gradient of x is
    jax's own nevertheless, which takes little time. On other devices all is jax's own.

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


def _pull_kernel(x: Array, kernel: Array, gradient: Array, stride: int, dilation: int) -> Array:
    """The gradient of the kernel [size, size, c, f], in the form that is fast on a CPU."""
    if suits_tiles(x, kernel, stride, dilation):
        return sum_tiles(x, gradient)
    size, _, c, f = kernel.shape
    if stride > 1:
        # A row of taps at a time: all 7 x 7 of the first convolution take 12 times the memory of x.
        rows = [jnp.concatenate(row, axis=-1) for row in see_taps(x, size, stride, dilation)]
        return jnp.stack([sum_products(row, gradient) for row in rows]).reshape(kernel.shape)
    if min(c, f) < _MANY_CHANNELS:
        padding = dilation * (size // 2)
        wide = jnp.promote_types(x.dtype, jnp.float32)
        # The batch is what is summed over, so it stands where channels do. Never in bfloat16, where
        # oneDNN computes something else with so large a window (seen with jax 0.12.0.1).
        sums = jax.lax.conv_general_dilated(
            x.transpose(3, 1, 2, 0).astype(wide),
            gradient.transpose(1, 2, 0, 3).astype(wide),
            window_strides=(dilation, dilation),
            padding=[(padding, padding)] * 2,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            precision=PRECISION,
        )
        return sums.transpose(1, 2, 0, 3).astype(x.dtype)
    # A tap multiplies one with the other moved; the one with fewer channels is moved.
    if c <= f:
        moved = [tap for row in see_taps(x, size, 1, dilation) for tap in row]
        sums = [sum_products(tap, gradient) for tap in moved]
    else:
        moved = [tap for row in see_taps(gradient, size, 1, dilation) for tap in row]
        sums = [sum_products(x, tap) for tap in reversed(moved)]
    return jnp.stack(sums).reshape(kernel.shape)


def _pull_on_cpu(
    x: Array, kernel: Array, gradient: Array, stride: int, dilation: int
) -> tuple[Array, Array]:
    of_kernel = _pull_kernel(x, kernel, gradient, stride, dilation)
    if stride > 1:
        _, pull = jax.vjp(lambda x: convolve_plainly(x, kernel, stride, dilation), x)
        return pull(gradient)[0], of_kernel
    rotated = kernel[::-1, ::-1].swapaxes(2, 3)
    return choose_form(gradient, rotated, 1, dilation)(gradient, rotated), of_kernel


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
    of_x = jnp.einsum("bhwf,cf->bhwc", gradient, kernel, precision=PRECISION)
    return of_x, sum_products(x, gradient)


mix_channels.defvjp(_mix_forward, _mix_backward)
