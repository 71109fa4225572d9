"""What the paper's ablations hand to the decoder in place of ranked maps.

A new one is a function and an entry of `ABLATIONS`; recipes, tables and checkpoints know it by its
name there, as the value of `RANet.selection`.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from ranet_jax.models.layers import upsample
from ranet_jax.models.ranking import correlate
from ranet_jax.models.ranking_rules import weigh_streams


def keep_order(
    kernels: Array, matching: Array, cells: Array, ranking_rule: str
) -> tuple[Array, Array]:
    """The ablation without ranking: the maps of all positions, in their spatial order.

    Args:
        kernels: of the template, [b, positions, c].
        matching: feature of the current frame, [b, y, x, c].
        cells: each object's share of each template cell, [b, n, positions], 0..1.
        ranking_rule: what the background is, see `weigh_streams`.

    Returns:
        Foreground and background maps, each [b, n, y, x, positions]; channel j is the map of
        position j times its weight, so zero outside the stream.
    """
    similarity = correlate(kernels, matching)
    maps = weigh_streams(cells, ranking_rule)[..., None, None] * similarity[:, None, None]
    maps = jnp.moveaxis(maps, 3, -1)  # [b, 2, n, y, x, positions]
    return maps[:, 0], maps[:, 1]


def take_maximum(
    kernels: Array, matching: Array, cells: Array, ranking_rule: str
) -> tuple[Array, Array]:
    """The ablation that keeps one map a stream: at each place the maximum over its maps.

    Maps outside the stream do not take part: as zero maps they would win wherever all of the
    stream's are negative. A stream without maps gives zero.

    Args:
        kernels: of the template, [b, positions, c].
        matching: feature of the current frame, [b, y, x, c].
        cells: each object's share of each template cell, [b, n, positions], 0..1.
        ranking_rule: what the background is, see `weigh_streams`.

    Returns:
        Foreground and background map, each [b, n, y, x, 1].
    """
    similarity = correlate(kernels, matching)
    weights = weigh_streams(cells, ranking_rule)[..., None, None]  # [b, 2, n, positions, 1, 1]
    inside = weights > 0
    highest = jnp.where(inside, weights * similarity[:, None, None], -jnp.inf).max(axis=3)
    highest = jnp.where(inside.any(axis=3), highest, 0)[..., None]  # [b, 2, n, y, x, 1]
    return highest[:, 0], highest[:, 1]


def pair_features(
    kernels: Array, matching: Array, cells: Array, ranking_rule: str
) -> tuple[Array, Array]:
    """The ablation without correlation: matching features of both frames, place by place.

    The paper does not say how the template's mask comes in. Here the template's features are
    weighted by it as the similarity maps would be, and objects differ by nothing else.

    Args:
        kernels: of the template, [b, positions, c].
        matching: feature of the current frame, [b, y, x, c].
        cells: each object's share of each template cell, [b, n, positions], 0..1.
        ranking_rule: what the background is, see `weigh_streams`.

    Returns:
        For foreground and background, each [b, n, y, x, 2 * c]: the weighted kernels, laid out over
        the template and upsampled to the current frame's size, then the current frame's feature.
    """
    _, y, x, c = matching.shape
    weights = weigh_streams(cells, ranking_rule)  # [b, 2, n, positions]
    template = weights[..., None] * kernels[:, None, None]
    side = round((y * x / cells.shape[-1]) ** 0.5)  # of a cell, in places of the current frame
    template = upsample(template.reshape(-1, y // side, x // side, c), side)
    template = template.reshape(*weights.shape[:3], y, x, c)
    current = jnp.broadcast_to(matching[:, None, None], template.shape)
    paired = jnp.concatenate([template, current], axis=-1)
    return paired[:, 0], paired[:, 1]


class Ablation(NamedTuple):
    """One way to do without ranking.

    Attributes:
        select: gives the foreground and the background of each object, each
            [b, n, y, x, channels], from kernels, matching feature, cells and ranking rule.
        title: what the paper's table of ablations calls it.
        is_tied_to_canvas: whether the channels it gives depend on the canvas.
    """

    select: Callable[[Array, Array, Array, str], tuple[Array, Array]]
    title: str
    is_tied_to_canvas: bool = False


ABLATIONS = {
    "spatial": Ablation(keep_order, "no ranking", is_tied_to_canvas=True),
    "maximum": Ablation(take_maximum, "maximum"),
    "features": Ablation(pair_features, "no correlation"),
}
"""By the value of `RANet.selection`; any other than "ranking" is one of these."""
