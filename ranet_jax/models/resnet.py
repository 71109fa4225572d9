"""The encoder: a ResNet with instance normalisation, and the matching feature on top of it."""

from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike

from ranet_jax.models.layers import (
    Conv,
    ConvBlock,
    InstanceNorm,
    add_and_rectify,
    normalize_channels,
    pool_maximum,
    upsample,
    widen,
)

RESNET_BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
"""Bottlenecks of each stage, by depth."""

IMAGENET_MEAN = np.array([0.485, 0.456, 0.406])
IMAGENET_DEVIATION = np.array([0.229, 0.224, 0.225])


def normalize_frame(frame: Array, dtype: DTypeLike) -> Array:
    """Turns pixels into what ImageNet weights expect.

    Args:
        frame: RGB, [..., 3], 0..255; uint8, or floating point where it was resized.
        dtype: of the result.

    Returns:
        `(frame / 255 - mean) / deviation`, [..., 3].
    """
    # One rounding to `dtype` at the end, or bfloat16 would lose pixels' last bits here.
    wide = jnp.promote_types(dtype, jnp.float32)
    pixels = frame.astype(wide) / 255
    mean, deviation = jnp.asarray(IMAGENET_MEAN, wide), jnp.asarray(IMAGENET_DEVIATION, wide)
    return ((pixels - mean) / deviation).astype(dtype)


class Features(NamedTuple):
    """What the encoder gives for a frame, each [b, h / stride, w / stride, c].

    Attributes:
        c1: after the stem's ReLU, before the max-pool; stride 2, 64 channels.
        c2: stride 4, 256 channels.
        c3: stride 8, 512 channels.
        c4: stride 16, 1024 channels.
        c5: stride 32, 2048 channels.
    """

    c1: Array
    c2: Array
    c3: Array
    c4: Array
    c5: Array


class Bottleneck(nn.Module):
    """ResNet's bottleneck with the stride on its 3x3 convolution, and an expansion of 4.

    Attributes:
        middle: channels of the 3x3 convolution.
        stride: of the block.
    """

    middle: int
    stride: int = 1

    @nn.compact
    def __call__(
        self, x: Array
    ) -> Array:  # [b, h, w, c] -> [b, h / stride, w / stride, 4 * middle]
        dtype = x.dtype
        y = InstanceNorm(name="norm1")(Conv(self.middle, 1, name="conv1")(x))
        y = nn.relu(y).astype(dtype)
        y = InstanceNorm(name="norm2")(Conv(self.middle, 3, self.stride, name="conv2")(y))
        y = nn.relu(y).astype(dtype)
        y = InstanceNorm(name="norm3")(Conv(4 * self.middle, 1, name="conv3")(y))
        if y.shape != x.shape:
            x = Conv(4 * self.middle, 1, self.stride, name="conv_skip")(x)
            x = InstanceNorm(name="norm_skip")(x)
        return add_and_rectify(widen(x), y).astype(dtype)


class ResNet(nn.Module):
    """ResNet with instance normalisation for every BatchNorm, and no classifier.

    Attributes:
        blocks: bottlenecks of each of the four stages.
        width: channels of the stem; 64 in every ImageNet model.
    """

    blocks: tuple[int, ...]
    width: int

    @nn.compact
    def __call__(self, frame: Array) -> Features:
        """Encodes a normalised frame, [b, h, w, 3], height and width multiples of 32."""
        x = Conv(self.width, 7, stride=2, name="conv1")(frame)
        x = nn.relu(InstanceNorm(name="norm1")(x))
        features = [x.astype(frame.dtype)]
        x = pool_maximum(x).astype(frame.dtype)
        for stage, count in enumerate(self.blocks):
            for index in range(count):
                stride = 2 if stage > 0 and index == 0 else 1
                name = f"stage{stage + 1}_block{index}"
                x = Bottleneck(self.width << stage, stride, name=name)(x)
            features.append(x)
        return Features(*features)


class Encoder(nn.Module):
    """The Siamese half of RANet: one set of weights for the template and the current frame.

    Attributes:
        blocks: bottlenecks of each stage of the ResNet.
        width: channels of its stem.
        head_width: 64 as released; all widths of the matching feature follow it.
    """

    blocks: tuple[int, ...]
    width: int
    head_width: int

    @nn.compact
    def __call__(self, frame: Array) -> tuple[Features, Array]:
        """Encodes frames.

        The reduction convolutions are 3x3 as in the released model; the paper says 1x1.

        Args:
            frame: normalised RGB, [b, h, w, 3].

        Returns:
            The ResNet's features, and the matching feature [b, h / 16, w / 16, 8 * head_width],
            whose vectors have length 1.
        """
        features = ResNet(self.blocks, self.width, name="resnet")(frame)
        width = self.head_width
        m3 = ConvBlock(2 * width, name="reduce3")(features.c3)
        m3 = normalize_channels(nn.max_pool(m3, (2, 2), (2, 2)))
        m4 = normalize_channels(ConvBlock(4 * width, name="reduce4")(features.c4))
        m5 = ConvBlock(8 * width, name="reduce5")(features.c5)
        m5 = normalize_channels(upsample(m5, 2))
        matching = ConvBlock(8 * width, name="fuse")(jnp.concatenate([m3, m4, m5], axis=-1))
        return features, normalize_channels(matching)
