"""The blocks that every part of the network is built from.

All tensors are [b, h, w, c]. The dtype of the input is the dtype of the computation (float32,
bfloat16 or float64); parameters are float32, or kernels rounded beforehand, and cast on use. No
block keeps running statistics, so training and test behave alike.
"""

from typing import cast

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from ranet_jax.models.convolution import convolve, mix_channels

EPSILON = 1e-5


def widen(x: Array) -> Array:
    """Casts to at least float32: for statistics, norms and scores, which bfloat16 would spoil."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def standardize(x: Array) -> Array:
    """Instance normalisation without scale and bias, a sample and a channel at a time.

    The variance is taken after centring, because `E[x^2] - E[x]^2` loses precision.

    Args:
        x: [b, h, w, c].

    Returns:
        float32 or wider, [b, h, w, c], of mean 0 and (biased) variance 1 over height and width.
    """
    return cast(Array, _standardize(widen(x)))


@jax.custom_vjp
def _standardize(x: Array) -> Array:
    """With its gradient in closed form, which takes fewer passes than what jax derives."""
    return _standardize_forward(x)[0]


def _standardize_forward(x: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    mean = x.mean(axis=(1, 2), keepdims=True)
    variance = jnp.square(x - mean).mean(axis=(1, 2), keepdims=True)
    scale = jax.lax.rsqrt(variance + EPSILON)
    # Not `(x - mean) * scale`: XLA would store the centred tensor for both of its uses.
    return x * scale - mean * scale, (x, mean, scale)


def _standardize_backward(saved: tuple[Array, Array, Array], gradient: Array) -> tuple[Array]:
    x, mean, scale = saved
    level = gradient.mean(axis=(1, 2), keepdims=True)
    product = (gradient * x).mean(axis=(1, 2), keepdims=True)
    slope = (product - level * mean) * scale**2
    # (gradient - level - (x - mean) * slope) * scale, without the centred tensor here either.
    return (gradient * scale - x * (slope * scale) + (mean * slope - level) * scale,)


_standardize.defvjp(_standardize_forward, _standardize_backward)


def add_and_rectify(x: Array, y: Array) -> Array:
    """`relu(x + y)` of a residual block, written so that XLA stores the result.

    Of finite numbers it is the same bit for bit; where the sum is 0 the gradient is one half.

    XLA for CPUs computes a cheap operation of one tensor, such as the relu itself, again for each
    use instead of storing it. In a chain of blocks the last one would so add up all before it.

    Args:
        x: any shape.
        y: the same shape.

    Returns:
        The same shape.
    """
    return jnp.maximum(x, -y) + y


def pool_maximum(x: Array) -> Array:
    """The highest of 3 x 3 pixels, with a stride of 2 (PyTorch's `MaxPool2d(3, 2, 1)`).

    As maxima of slices, rows first: XLA's own is slow on a CPU, and its gradient very slow. Where
    several pixels are highest, they share the gradient.

    Args:
        x: [b, h, w, c], height and width even, best in float32: XLA for CPUs is slow in bfloat16.

    Returns:
        [b, h / 2, w / 2, c].
    """
    for axis in (1, 2):
        around = [(int(one == axis), 0) for one in range(x.ndim)]
        length, x = x.shape[axis], jnp.pad(x, around, constant_values=-jnp.inf)
        parts = [jax.lax.slice_in_dim(x, n, n + length - 1, 2, axis) for n in range(3)]
        x = jnp.maximum(jnp.maximum(parts[0], parts[1]), parts[2])
    return x


def normalize_channels(x: Array) -> Array:
    """Divides each feature vector by its length: `x / max(||x||, 1e-12)` over the channels."""
    wide = widen(x)
    # Inside the square root, so that the gradient of an all-zero vector is zero and not nan.
    length = jnp.sqrt(jnp.maximum(jnp.sum(jnp.square(wide), axis=-1, keepdims=True), 1e-24))
    return (wide / length).astype(x.dtype)


def upsample(x: Array, factor: int) -> Array:
    """Half-pixel bilinear upsampling (PyTorch's `align_corners=False`), no antialiasing.

    Args:
        x: [b, h, w, c].
        factor: how many times larger.

    Returns:
        [b, factor * h, factor * w, c].
    """
    b, h, w, c = x.shape
    shape = (b, factor * h, factor * w, c)
    return jax.image.resize(x, shape, "linear", antialias=False)


def upsample_corner_aligned(x: Array, factor: int) -> Array:
    """Corner-aligned bilinear upsampling (PyTorch's `align_corners=True`).

    The first and the last output pixel of a row or column coincide with the first and the last
    input pixel, so output position `i` reads input position `i * (in - 1) / (out - 1)`.

    Args:
        x: [b, h, w, c], height and width at least 2.
        factor: how many times larger.

    Returns:
        [b, factor * h, factor * w, c].
    """
    b, h, w, c = x.shape
    shape = (b, factor * h, factor * w, c)
    dtype = widen(x).dtype
    scale = jnp.array([(factor * h - 1) / (h - 1), (factor * w - 1) / (w - 1)], dtype)
    # scale_and_translate reads input (i + 0.5 - translation) / scale - 0.5 for output i.
    translation = 0.5 - 0.5 * scale
    return jax.image.scale_and_translate(
        x, shape, (1, 2), scale, translation, "linear", antialias=False
    )


class Conv(nn.Module):
    """Convolution with PyTorch's "same" padding: `dilation * (size // 2)` on every side.

    Attributes:
        features: output channels.
        size: kernel height and width, odd.
        stride: step between outputs.
        dilation: step between kernel taps.
        use_bias: whether a bias is added.
    """

    features: int
    size: int
    stride: int = 1
    dilation: int = 1
    use_bias: bool = False

    @nn.compact
    def __call__(self, x: Array) -> Array:  # [b, h, w, c] -> [b, h / stride, w / stride, features]
        shape = (self.size, self.size, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.he_normal(), shape, jnp.float32)
        kernel = kernel.astype(x.dtype)
        if self.size == 1:  # a matrix product, and as one it is faster
            x = x[:, :: self.stride, :: self.stride]
            # jax 0.10 types the result of a custom_vjp as any object.
            y = cast(Array, mix_channels(x, kernel[0, 0]))
        else:
            y = cast(Array, convolve(x, kernel, self.stride, self.dilation))
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros, (self.features,), jnp.float32)
            y = y + bias.astype(x.dtype)
        return y


class InstanceNorm(nn.Module):
    """Instance normalisation with learned scale and bias, in place of the ResNet's BatchNorm.

    Its result is float32 or wider: what follows it rounds once, after the sum or the relu.
    """

    @nn.compact
    def __call__(self, x: Array) -> Array:  # [b, h, w, c]
        scale = self.param("scale", nn.initializers.ones, (x.shape[-1],), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (x.shape[-1],), jnp.float32)
        return standardize(x) * scale + bias


class ConvBlock(nn.Module):
    """`IN -> ReLU -> convolution with bias`, then corner-aligned upsampling where asked for.

    Attributes:
        features: output channels.
        size: kernel height and width.
        factor: how many times larger the output is.
    """

    features: int
    size: int = 3
    factor: int = 1

    @nn.compact
    def __call__(self, x: Array) -> Array:  # [b, h, w, c] -> [b, factor * h, factor * w, features]
        x = nn.relu(standardize(x)).astype(x.dtype)
        x = Conv(self.features, self.size, use_bias=True, name="conv")(x)
        return upsample_corner_aligned(x, self.factor) if self.factor > 1 else x


class ResBlock(nn.Module):
    """A bottleneck with a skip connection and parameter-free normalisation; keeps the shape.

    Attributes:
        middle: channels of the bottleneck.
        dilation: of the 3x3 convolution.
    """

    middle: int
    dilation: int = 1

    @nn.compact
    def __call__(self, x: Array) -> Array:  # [b, h, w, c]
        y = Conv(self.middle, 1, name="conv1")(x)
        y = nn.relu(standardize(y)).astype(x.dtype)
        y = Conv(self.middle, 3, dilation=self.dilation, name="conv2")(y)
        y = nn.relu(standardize(y)).astype(x.dtype)
        y = Conv(x.shape[-1], 1, name="conv3")(y)
        return add_and_rectify(widen(x), standardize(y)).astype(x.dtype)


class MultiScale(nn.Module):
    """Sum of three 3x3 convolutions of dilations 1, 3 and 6 (the paper's text says 1, 6, 9)."""

    features: int

    @nn.compact
    def __call__(self, x: Array) -> Array:  # [b, h, w, c] -> [b, h, w, features]
        scales = [
            Conv(self.features, 3, dilation=dilation, name=f"dilation{dilation}")(x)
            for dilation in (1, 3, 6)
        ]
        return scales[0] + scales[1] + scales[2]
