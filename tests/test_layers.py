"""The building blocks against plain definitions."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ranet_jax.models.layers import (
    EPSILON,
    Conv,
    MultiScale,
    normalize_channels,
    pool_maximum,
    standardize,
    upsample,
    upsample_corner_aligned,
)
from ranet_jax.models.resnet import normalize_frame


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def interpolate(x, positions):
    """Linear interpolation of a row at fractional positions, one at a time."""
    row = []
    for position in positions:
        low = int(np.floor(position))
        high = min(low + 1, len(x) - 1)
        row.append(x[low] * (1 - position + low) + x[high] * (position - low))
    return np.array(row)


@pytest.mark.parametrize("factor", [2, 4])
def test_corner_aligned_upsampling_meets_the_corners(float64, factor):
    x = draw(1, 5, 7, 2)
    expected = x
    for axis in (1, 2):
        n = x.shape[axis]
        positions = np.arange(factor * n) * (n - 1) / (factor * n - 1)
        expected = np.apply_along_axis(interpolate, axis, expected, positions)
    found = upsample_corner_aligned(jnp.asarray(x), factor)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_allclose(found[:, [0, -1]][:, :, [0, -1]], x[:, [0, -1]][:, :, [0, -1]])


def test_half_pixel_upsampling(float64):
    x = draw(1, 5, 7, 2)
    expected = x
    for axis in (1, 2):
        n = x.shape[axis]
        positions = np.clip((np.arange(2 * n) + 0.5) / 2 - 0.5, 0, n - 1)
        expected = np.apply_along_axis(interpolate, axis, expected, positions)
    np.testing.assert_allclose(upsample(jnp.asarray(x), 2), expected, atol=1e-12)


def test_standardize_keeps_precision_far_from_zero():
    x = draw(1, 16, 16, 3) + 1000
    found = standardize(jnp.asarray(x, jnp.float32))
    expected = (x - x.mean((1, 2))) / np.sqrt(x.var((1, 2)) + 1e-5)
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_statistics_are_float32_in_bfloat16():
    x = jnp.asarray(draw(1, 64, 64, 3) + 8, jnp.bfloat16)
    assert standardize(x).dtype == jnp.float32
    assert abs(standardize(x).mean()) < 1e-4


def test_normalized_channels_of_nothing_are_nothing_and_have_a_gradient():
    x = jnp.zeros((1, 2, 2, 4)).at[0, 0, 0].set(jnp.array([3.0, 0, 4, 0]))
    found = normalize_channels(x)
    np.testing.assert_allclose(found[0, 0, 0], [0.6, 0, 0.8, 0], atol=1e-6)
    assert not found[0, 1:].any()
    assert np.isfinite(jax.grad(lambda x: normalize_channels(x)[0, 0, 0, 0])(x)).all()


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_dtype_of_the_input_is_dtype_of_the_computation(dtype):
    x = jnp.ones((1, 8, 8, 3), dtype)
    conv = Conv(4, 3, use_bias=True)
    params = conv.init(jax.random.key(0), x)
    assert conv.apply(params, x).dtype == dtype
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype(jnp.float32)}


def test_multi_scale_sees_as_far_as_dilation_six():
    x = jnp.zeros((1, 15, 15, 1)).at[0, 7, 7, 0].set(1)
    scales = MultiScale(1)
    params = jax.tree.map(jnp.ones_like, scales.init(jax.random.key(0), x))
    found = np.argwhere(np.asarray(scales.apply(params, x))[0, :, :, 0])
    offsets = {tuple(offset) for offset in found - 7}
    assert offsets == {(d * i, d * j) for d in (1, 3, 6) for i in (-1, 0, 1) for j in (-1, 0, 1)}


def test_normalized_frame_spans_what_imagenet_weights_expect():
    frame = np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8)
    expected = [[[-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225]] * 1]
    np.testing.assert_allclose(normalize_frame(frame, jnp.float32)[:, :1], expected, rtol=1e-6)
    np.testing.assert_allclose(normalize_frame(frame, jnp.float32)[0, 1, 0], 0.515 / 0.229, 1e-6)


@pytest.mark.parametrize(("h", "w"), [(8, 12), (2, 2)])
def test_the_maximum_and_its_gradient_are_those_of_a_max_pool(h, w):
    keys = jax.random.split(jax.random.key(0), 2)
    x = jax.random.normal(keys[0], (2, h, w, 3)) - 5  # all below 0, so that edges tell
    gradient = jax.random.normal(keys[1], (2, h // 2, w // 2, 3))
    around = [(1, 1), (1, 1)]
    value, pull = jax.vjp(pool_maximum, x)
    expected, expected_pull = jax.vjp(lambda x: nn.max_pool(x, (3, 3), (2, 2), around), x)  # pyright: ignore[reportArgumentType]
    np.testing.assert_array_equal(value, expected)
    np.testing.assert_allclose(pull(gradient)[0], expected_pull(gradient)[0], atol=1e-6)


def test_the_gradient_of_a_norm_is_that_of_jax(float64):
    keys = jax.random.split(jax.random.key(0), 2)
    x = 3 + jax.random.normal(keys[0], (2, 4, 5, 3))
    gradient = jax.random.normal(keys[1], x.shape)

    def plain(x):
        variance = x.var(axis=(1, 2), keepdims=True)
        return (x - x.mean(axis=(1, 2), keepdims=True)) / jnp.sqrt(variance + EPSILON)

    value, pull = jax.vjp(standardize, x)
    expected, expected_pull = jax.vjp(plain, x)
    np.testing.assert_allclose(value, expected, atol=1e-12)
    np.testing.assert_allclose(pull(gradient)[0], expected_pull(gradient)[0], atol=1e-12)
