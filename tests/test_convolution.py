"""Convolutions in every form, and their gradients, against jax's own."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ranet_jax.compilation import compile_ahead
from ranet_jax.models.convolution import convolve, mix_channels
from ranet_jax.models.convolution_forms import (
    choose_form,
    convolve_in_patches,
    convolve_plainly,
    suits_tiles,
)
from ranet_jax.models.winograd import convolve_in_tiles


def draw(seed, *shapes, dtype=None):
    keys = jax.random.split(jax.random.key(seed), len(shapes))
    return [jax.random.normal(key, shape, dtype) for key, shape in zip(keys, shapes, strict=True)]


def compute(inputs, stride, dilation, form: Callable = convolve) -> tuple[Any, Any, Any]:
    """The value, and the gradients of input and kernel, for both and a gradient of the output."""
    x, kernel, gradient = inputs
    value, pull = jax.vjp(lambda x, kernel: form(x, kernel, stride, dilation), x, kernel)
    return value, *pull(gradient)


@pytest.mark.parametrize(("h", "w"), [(8, 12), (7, 5), (1, 2), (1, 1)])
def test_tiles_give_what_a_convolution_gives(float64, h, w):
    x, kernel = draw(0, (2, h, w, 5), (3, 3, 5, 4))
    expected = convolve_plainly(x, kernel, 1, 1)
    np.testing.assert_allclose(convolve_in_tiles(x, kernel), expected, atol=1e-12)


def test_tiles_of_float32_lose_no_more_than_last_digits():
    x, kernel = draw(0, (1, 12, 22, 256), (3, 3, 256, 128))
    found, expected = convolve_in_tiles(x, kernel), convolve_plainly(x, kernel, 1, 1)
    np.testing.assert_allclose(found, expected, atol=1e-5 * float(jnp.abs(expected).max()))


@pytest.mark.parametrize(("h", "w"), [(8, 12), (7, 5)])
@pytest.mark.parametrize(
    ("size", "stride", "dilation"), [(3, 1, 1), (7, 2, 1), (3, 2, 1), (3, 1, 6)]
)
def test_patches_give_what_a_convolution_gives(float64, h, w, size, stride, dilation):
    x, kernel = draw(0, (2, h, w, 5), (size, size, 5, 4))
    expected = convolve_plainly(x, kernel, stride, dilation)
    found = convolve_in_patches(x, kernel, stride, dilation)
    np.testing.assert_allclose(found, expected, atol=1e-12)


CASES = {
    "tiles": (3, 13, 13, 260, 128, 3, 1, 1),
    "patches": (1, 3, 5, 512, 512, 3, 1, 1),
    "patches of stride 2": (1, 3, 5, 512, 512, 3, 2, 1),
    "few channels of stride 2": (3, 9, 14, 3, 40, 7, 2, 1),
    "many channels of stride 2": (3, 9, 14, 40, 33, 3, 2, 1),
    "c over f": (3, 9, 14, 40, 33, 3, 1, 1),
    "f over c": (3, 9, 14, 33, 40, 3, 1, 3),
    "dilation 6": (3, 9, 14, 64, 32, 3, 1, 6),
    "many channels, dilation 6": (3, 13, 14, 260, 128, 3, 1, 6),
    "size 5": (3, 9, 14, 40, 33, 5, 1, 2),
    "few inputs": (3, 9, 14, 8, 40, 3, 1, 6),
    "few channels": (3, 9, 14, 3, 5, 3, 1, 1),
}
"""b, h, w, c, f, size, stride, dilation: all ways that a value or a gradient takes but that of
bfloat16, which is below."""


@pytest.mark.parametrize("case", CASES)
def test_convolutions_and_their_gradients_are_those_of_jax(float64, case):
    b, h, w, c, f, size, stride, dilation = CASES[case]
    of_output = b, -(-h // stride), -(-w // stride), f
    inputs = draw(0, (b, h, w, c), (size, size, c, f), of_output)
    found = compute(inputs, stride, dilation)
    expected = compute(inputs, stride, dilation, form=convolve_plainly)
    for part, true in zip(found, expected, strict=True):
        np.testing.assert_allclose(part, true, atol=1e-10)


def test_each_shape_has_its_form():
    def name(shape, kernel, stride=1, dilation=1, dtype=jnp.float32):
        form = choose_form(jnp.empty(shape, dtype), jnp.empty(kernel, dtype), stride, dilation)
        return getattr(form, "func", form)

    many = (1, 24, 44, 256), (3, 3, 256, 128)
    assert name(*many) is convolve_in_tiles
    assert name((4, 12, 22, 256), many[1]) is convolve_in_tiles
    assert name((1, 12, 22, 256), many[1]) is convolve_plainly, "too few pixels"
    assert name((1, 24, 44, 512), (3, 3, 512, 64)) is convolve_plainly, "too few of one"
    assert name((1, 24, 44, 128), (3, 3, 128, 128)) is convolve_plainly, "too few of both"
    assert name(*many, dilation=3) is convolve_plainly
    assert name(*many, stride=2) is convolve_plainly
    large = (1, 6, 11, 512), (3, 3, 512, 512)
    assert name(*large) is name(*large, stride=2) is convolve_in_patches
    assert name(*many, dtype=jnp.bfloat16) is convolve_plainly
    assert name(*large, stride=2, dtype=jnp.bfloat16) is convolve_plainly
    x, kernel = (jnp.empty(shape, jnp.bfloat16) for shape in many)
    assert not suits_tiles(x, kernel, 1, 1), "sums of bfloat16 lose too much"


NARROW_CASES = [
    # b, h, w, c, f, size, stride, dilation
    (2, 9, 14, 40, 33, 3, 1, 1),
    (2, 9, 14, 40, 33, 3, 1, 6),
    (2, 9, 14, 40, 33, 5, 1, 2),
    (2, 9, 14, 40, 33, 3, 2, 1),
    (2, 9, 14, 512, 512, 3, 2, 1),
    # Where oneDNN's convolution of a large window gives something else: few channels.
    (4, 64, 112, 32, 16, 3, 1, 1),
    # Of the compact network at 192 x 352.
    (1, 192, 352, 3, 64, 7, 2, 1),
    (1, 48, 88, 64, 64, 3, 1, 1),
    (1, 24, 44, 128, 128, 3, 1, 1),
    (1, 24, 44, 256, 256, 3, 2, 1),
    (1, 6, 11, 2048, 256, 3, 1, 1),
    (2, 24, 44, 128, 64, 3, 1, 6),
    (2, 96, 176, 16, 8, 3, 1, 3),
    (1, 192, 352, 8, 1, 3, 1, 1),
]


@pytest.mark.parametrize("case", NARROW_CASES)
def test_a_convolution_of_bfloat16_is_that_of_float32_but_for_rounding(case):
    """By oneDNN too, where it is at hand."""
    b, h, w, c, f, size, stride, dilation = case
    of_output = b, -(-h // stride), -(-w // stride), f
    inputs = draw(0, (b, h, w, c), (size, size, c, f), of_output, dtype=jnp.bfloat16)
    wide = [each.astype(jnp.float32) for each in inputs]
    run = jax.jit(lambda inputs: compute(inputs, stride, dilation))
    found = compile_ahead(run, inputs, precision="bfloat16")(inputs)
    for part, true in zip(found, compute(wide, stride, dilation), strict=True):
        assert part.dtype == jnp.bfloat16
        # A result has 8 bits, so half a unit in the last is at most a 256th of it. In a kernel's
        # gradient each sample's sum is rounded, and then their sum.
        limit = 0.006 * float(jnp.abs(true).max())
        np.testing.assert_allclose(part.astype(jnp.float32), true, atol=limit)


@pytest.mark.parametrize("case", NARROW_CASES)
def test_a_convolution_in_training_is_the_same(case):
    """As a step of a training is compiled: by oneDNN, where it is at hand."""
    b, h, w, c, f, size, stride, dilation = case
    of_output = b, -(-h // stride), -(-w // stride), f
    inputs = draw(0, (b, h, w, c), (size, size, c, f), of_output)
    run = jax.jit(lambda inputs: compute(inputs, stride, dilation))
    found = compile_ahead(run, inputs, precision="float32", trains=True)(inputs)
    for part, true in zip(found, compute(inputs, stride, dilation), strict=True):
        np.testing.assert_allclose(part, true, atol=1e-5 * float(jnp.abs(true).max()))


def test_other_devices_have_jax_s_own_forms():
    """But for 1x1; read from the program for a GPU, which can be written without having one."""
    inputs = draw(0, (1, 24, 44, 256), (3, 3, 256, 128), (1, 24, 44, 128))

    def count(platform):
        jitted = jax.jit(functools.partial(compute, stride=1, dilation=1))
        text = jitted.trace(inputs).lower(lowering_platforms=(platform,)).as_text()
        return text.count("stablehlo.convolution"), text.count("stablehlo.dot_general")

    assert count("cuda") == (3, 0)
    assert count("cpu") == (0, 48)


def test_gradients_of_a_matrix_product_are_those_of_jax(float64):
    x, kernel, gradient = draw(0, (3, 4, 5, 7), (7, 6), (3, 4, 5, 6))
    value, pull = jax.vjp(mix_channels, x, kernel)
    expected, expected_pull = jax.vjp(lambda x, kernel: x @ kernel, x, kernel)
    np.testing.assert_allclose(value, expected, atol=1e-12)
    for found, true in zip(pull(gradient), expected_pull(gradient), strict=True):
        np.testing.assert_allclose(found, true, atol=1e-12)
