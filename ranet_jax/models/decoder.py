"""The decoder: merges the selected maps and refines them with skip features, coarse to fine."""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from ranet_jax.models.layers import (
    Conv,
    ConvBlock,
    MultiScale,
    ResBlock,
    upsample,
    upsample_corner_aligned,
)
from ranet_jax.models.resnet import Features


class Merge(nn.Module):
    """Merges the selected maps of one stream; foreground and background share the weights."""

    width: int

    @nn.compact
    def __call__(self, maps: Array) -> Array:  # [b, y, x, c] -> [b, 2 * y, 2 * x, 2 * width]
        x = ConvBlock(4 * self.width, name="conv1")(upsample(maps, 2))
        x = ResBlock(2 * self.width, name="res")(x)
        return ConvBlock(2 * self.width, name="conv2")(x)


class Skip(nn.Module):
    """Three neighbouring features of the encoder, reduced and brought to the size of the finest."""

    width: int

    @nn.compact
    def __call__(self, features: Sequence[Array]) -> list[Array]:  # finest first
        return [
            ConvBlock(channels, size=1, factor=factor, name=f"reduce{factor}")(feature)
            for channels, factor, feature in zip(
                (self.width // 2, self.width // 4, self.width // 4),
                (1, 2, 4),
                features,
                strict=True,
            )
        ]


class Decoder(nn.Module):
    """From selected maps to one logit a pixel, for each object with the same weights.

    Attributes:
        width: as `RANet.head_width`; at least 8.
    """

    width: int

    @nn.compact
    def __call__(
        self, features: Features, foreground: Array, background: Array, previous: Array
    ) -> Array:
        """Decodes all objects of a frame.

        Args:
            features: of the current frame; computed once and shared by all objects.
            foreground: maps that were selected, [b, n, h / 16, w / 16, c]; `top_k` of them, ranked,
                in the released model.
            background: likewise.
            previous: mask of each object in the frame before, 0 or 1, [b, n, h, w].

        Returns:
            Logits in the dtype of the features, [b, n, h, w].
        """
        b, n, h, w = previous.shape
        width, dtype = self.width, features.c1.dtype

        def skip(level: int, *levels: Array) -> list[Array]:
            return [jnp.repeat(x, n, axis=0) for x in Skip(width, name=f"skip{level}")(levels)]

        merge = Merge(width, name="merge")
        streams = [
            merge(maps.reshape(b * n, *maps.shape[2:]).astype(dtype))
            for maps in (foreground, background)
        ]
        # The mean over 8x8 pixels, exact before the cast to a narrow dtype.
        previous = previous.reshape(b * n, h // 8, 8, w // 8, 8).mean(axis=(2, 4))[..., None]
        skips = skip(1, features.c3, features.c4, features.c5)
        x = jnp.concatenate([*skips, *streams, previous.astype(dtype)], axis=-1)
        x = ConvBlock(4 * width, name="level1_conv1")(x)
        x = ConvBlock(4 * width, name="level1_conv2")(x)
        x = MultiScale(2 * width, name="level1_scales")(x)
        x = ResBlock(width, name="level1_res")(x)
        x = upsample_corner_aligned(x, 2)  # [b * n, h / 4, w / 4, 2 * width]

        x = jnp.concatenate([*skip(2, features.c2, features.c3, features.c4), x], axis=-1)
        x = ConvBlock(2 * width, name="level2_conv1")(x)
        x = ConvBlock(width, name="level2_conv2")(x)
        x = MultiScale(width // 2, name="level2_scales")(x)
        x = ResBlock(width // 4, name="level2_res")(x)
        x = upsample_corner_aligned(x, 2)  # [b * n, h / 2, w / 2, width / 2]

        x = jnp.concatenate([*skip(3, features.c1, features.c2, features.c3), x], axis=-1)
        x = ConvBlock(width, name="level3_conv1")(x)
        x = ConvBlock(width // 2, name="level3_conv2")(x)
        x = MultiScale(width // 4, name="level3_scales")(x)
        x = upsample_corner_aligned(x, 2)  # [b * n, h, w, width / 4]
        x = ResBlock(width // 8, name="level3_res")(x)
        x = Conv(1, 3, use_bias=True, name="logit")(x)
        return x.reshape(b, n, h, w)
