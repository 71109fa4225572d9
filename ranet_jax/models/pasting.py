"""Putting what was found of many objects on the frame, a group at a time.

All of them at once would take memory that grows with their number times the frame's size.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from ranet_jax.geometry.box import paste_probability
from ranet_jax.models.activation import keep_likely
from ranet_jax.models.ranet import GROUP


def paste_groups(
    probability: Array,
    box: Array,
    size: tuple[int, int],
    activation: str,
    *,
    half_pixels: bool = False,
) -> tuple[Array, Array]:
    """Puts many objects on the frame and chooses among them, `GROUP` of them at a time.

    Args:
        probability: each slot's, on the network's canvas, [n, h, w]; n is a multiple of `GROUP`.
        box: that the frame had been cut to.
        size: height and width of the frame.
        activation: as in `choose_labels`.
        half_pixels: see `protocol.Protocol`.

    Returns:
        Labels, uint8 [h, w], as `choose_labels` gives them for all; and the highest of all
        probabilities at each pixel.
    """
    groups = probability.reshape(-1, GROUP, *probability.shape[1:])

    def choose(best: tuple[Array, ...], group: tuple[Array, Array]) -> tuple[Any, None]:
        highest, winner, total = best
        first, inside = group
        pasted = paste_probability(jnp.moveaxis(inside, 0, -1), box, size, half_pixels=half_pixels)
        own = pasted.max(axis=-1)
        # The last of equals, as `choose_labels` does.
        last = GROUP - jnp.argmax(pasted[..., ::-1], axis=-1)
        winner = jnp.where(own >= highest, first + last, winner)
        return (jnp.maximum(own, highest), winner, total + pasted.sum(axis=-1)), None

    nothing = jnp.zeros(size, probability.dtype)
    start = nothing, jnp.zeros(size, jnp.int32), nothing
    firsts = GROUP * jnp.arange(groups.shape[0], dtype=jnp.int32)
    (highest, winner, total), _ = jax.lax.scan(choose, start, (firsts, groups))
    return keep_likely(winner, highest, total, activation), highest
