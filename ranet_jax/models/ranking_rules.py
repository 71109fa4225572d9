"""How maps are scored: "single", each object by itself; "multi", objects against one another."""

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array


def weigh_streams(cells: Array, ranking_rule: str) -> Array:
    """How much each template position counts for the two streams of an object.

    Args:
        cells: each object's share of each template cell, [b, n, positions], 0..1.
        ranking_rule: "single": the background is 1 on cells of at most a tenth of the object, 0
            elsewhere. "multi": it is the rest of each cell, whether real background or another
            object.

    Returns:
        Weights of foreground and background, 0..1, [b, 2, n, positions].
    """
    rest = 1 - cells
    background = (rest >= 0.9).astype(cells.dtype) if ranking_rule == "single" else rest
    return jnp.stack([cells, background], axis=1)


def rank_alone(
    pooled: Array,
    cells: Array,
    learn: Callable[[Array], Array | float],
    chosen: Array | None = None,
    *,
    only_one: bool,
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Scores the maps of each object by itself: the rule of the released one-object models.

    In a template that does not show the object, its background is the cells that others fill.

    Args:
        pooled: similarity maps, max-pooled to the size of the template, [b, positions, places].
        cells: each object's share of each template cell, [b, n, positions], 0..1.
        learn: the learned part of the scores of maps, [..., positions, places].
        chosen: numbers of the slots to score for, int [chosen]; None for all.
        only_one: whether there is no other template, so that nothing is known from elsewhere of an
            object which this one does not show.

    Returns:
        For foreground and background, the scores and the weights of maps, each [b, n, positions].
    """
    own = cells if chosen is None else cells[:, chosen]
    streams = weigh_streams(own, "single")
    if not only_one:
        others = (cells.sum(axis=1, keepdims=True) - own >= 0.9).astype(streams.dtype)
        shown = own.any(axis=-1, keepdims=True)
        streams = jnp.stack([own, jnp.where(shown, streams[:, 1], others)], axis=1)
    learned = learn(streams[..., None] * pooled[:, None, None])
    scores = streams * pooled.max(axis=-1)[:, None, None] + learned * (streams != 0)
    return (scores[:, 0], streams[:, 0]), (scores[:, 1], streams[:, 1])


def rank_together(
    pooled: Array,
    cells: Array,
    learn: Callable[[Array], Array | float],
    chosen: Array | None = None,
    *,
    only_one: bool,
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Scores objects against one another: the rule of the released several-object model.

    The background of an object is all maps of all others, the real background first. In a template
    that does not show it, it is those of other objects alone.

    Args:
        pooled: as in `rank_alone`.
        cells: likewise.
        learn: likewise; it sees the maps once, unmasked.
        chosen: likewise.
        only_one: likewise.

    Returns:
        Scores and weights of the foreground, each [b, n, positions], and of the background, each
        [b, n, (n + 1) * positions]; candidate `k * positions + j` is map j.
    """
    b, n, _ = cells.shape
    everything = jnp.concatenate([1 - cells.sum(axis=1, keepdims=True), cells], axis=1)
    scores = everything * (pooled.max(axis=-1) + learn(pooled))[:, None]  # [b, n + 1, positions]
    own_scores, own = scores[:, 1:], cells
    numbers = jnp.arange(n)
    shown = cells.any(axis=-1)  # [b, n]
    of_others = jnp.broadcast_to(shown[:, None], (b, n, n))
    of_none = jnp.ones_like(shown) if only_one else shown
    allowed = jnp.concatenate([of_none[..., None], of_others], axis=2)  # [b, n, n + 1]
    if chosen is not None:
        numbers, own_scores, own = chosen, own_scores[:, chosen], own[:, chosen]
        allowed = allowed[:, chosen]
    # An object's own maps and those of empty slots come after all others; where these are fewer
    # than are taken, they weigh nothing.
    rivals = jnp.arange(n + 1) != numbers[:, None] + 1  # [n, n + 1]
    allowed = (allowed & rivals)[..., None]
    contest = jnp.where(allowed, scores[:, None], -jnp.inf).reshape(b, numbers.size, -1)
    weights = jnp.where(allowed, everything[:, None], 0).reshape(b, numbers.size, -1)
    return (own_scores, own), (contest, weights)
