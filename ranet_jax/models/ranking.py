"""Correlation and the ranking attention module (RAM), the heart of RANet.

Every position `j` of the template (15 x 27 = 405 of them on the 480 x 864 canvas) is a kernel; its
correlation with the current frame is one similarity map. RAM scores the maps, keeps the best for
the foreground and the best for the background, and hands them on in descending order of score, so
that the decoder's channels mean "best match first" for whatever object.

There may be several templates, one after another along the axis of positions. Each is ranked by
itself, and of their maps of one rank the highest value at each place goes on: so a channel means
the same with any number of templates. Ranked all together, looks of one object push each other down
the channels, and measured scores fall. A template speaks only for the objects that are shown
in it: what is beside them there is their background, but may well be an object that joined at
another frame. To all other objects it gives the maps of those that are shown, as rivals. A place in
which no template is shows nothing, and nothing of it goes on.

What the paper's ablations hand to the decoder instead is in `models/ablations.py`.
"""

import functools
from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from ranet_jax.models.layers import ConvBlock, ResBlock, widen
from ranet_jax.models.template import CELL, STRIDE


def correlate(kernels: Array, feature: Array) -> Array:
    """Similarity maps: each kernel of the template with each position of the current frame.

    Args:
        kernels: [b, positions, c].
        feature: matching feature of the current frame, [b, y, x, c].

    Returns:
        float32 or wider, [b, positions, y, x], about -1..1.
    """
    return jnp.einsum(
        "bjc,byxc->bjyx",
        kernels,
        feature,
        precision=jax.lax.Precision.HIGHEST,
        preferred_element_type=widen(feature).dtype,
    )


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


class RankNetwork(nn.Module):
    """The learned part of a score: it sees all similarity maps at once, laid out over the template.

    Its input channels are positions of the pooled current frame, which ties its weights to the
    canvas.

    Attributes:
        width: as `RANet.head_width`.
    """

    width: int

    @nn.compact
    def __call__(self, x: Array) -> Array:  # [b, rows, columns, positions] -> [b, positions]
        x = ConvBlock(2 * self.width, name="conv1")(x)
        x = ResBlock(self.width // 2, dilation=2, name="res")(x)
        x = ConvBlock(1, name="conv2")(x)
        return nn.relu(x).reshape(x.shape[0], -1)


class RankingAttention(nn.Module):
    """Ranks the similarity maps of the foreground and of the background of every object.

    Attributes:
        width: as `RANet.head_width`.
        top_k: how many maps each stream keeps. Where there are fewer, zero maps follow them.
        ranking_rule: "single", each object by itself against a background of 0s and 1s, as in the
            released one-object models; or "multi", objects against one another with soft weights,
            as in the released several-object model.
        learned_scores: whether `RankNetwork` adds to the scores, as released.
        cell: as `RANet.cell`.
    """

    width: int
    top_k: int
    ranking_rule: str
    learned_scores: bool = True
    cell: int = CELL

    @nn.compact
    def __call__(
        self, similarity: Array, cells: Array, chosen: Array | None = None
    ) -> tuple[Array, Array]:
        """Selects the maps of both streams.

        Differs from the paper, whose score is network + max: the released model takes
        `max + 0.2 * relu(network)`, and 0 for a map outside the stream. Maps outside the stream are
        zero maps, so any number of foreground cells fills the fixed size, 0 included.

        Args:
            similarity: [b, positions, y, x]; positions of several templates follow one another.
            cells: each object's share of each template cell, [b, n, positions], 0..1. A slot that
                is all zero is empty and takes no part in the ranking of others.
            chosen: numbers of the slots to select for, int [chosen]; None for all.

        Returns:
            Foreground and background maps, each [b, n, y, x, top_k], or [b, chosen, ...]; best
            first.
        """
        y, x = similarity.shape[-2:]
        side = self.cell // STRIDE  # of a cell, in places of the current frame
        templates = similarity.shape[1] // ((y // side) * (x // side))
        network = RankNetwork(self.width, name="network") if self.learned_scores else None
        parts = zip(
            jnp.split(similarity, templates, axis=1),
            jnp.split(cells, templates, axis=2),
            strict=True,
        )
        selected, speakers = [], []
        for maps, shares in parts:
            selected.append(self._select(network, maps, shares, chosen, only_one=templates == 1))
            speakers.append(find_speakers(shares, chosen))
        if templates == 1:
            return selected[0]
        foreground, background = (
            take_highest(*pair)
            for pair in zip(zip(*selected, strict=True), zip(*speakers, strict=True), strict=True)
        )
        return foreground, background

    def _select(
        self,
        network: RankNetwork | None,
        similarity: Array,
        cells: Array,
        chosen: Array | None,
        *,
        only_one: bool,
    ) -> tuple[Array, Array]:
        """Selects the maps of both streams of one template, as `__call__` does."""
        b, positions, y, x = similarity.shape
        side = self.cell // STRIDE
        rows, columns = y // side, x // side
        pooled = similarity.reshape(b, positions, rows, side, columns, side).max(axis=(3, 5))
        pooled = pooled.reshape(b, positions, -1)

        def learn(maps: Array) -> Array | float:  # [..., positions, positions] -> [..., positions]
            if network is None:
                return 0.0
            # Space is now the template's, channels are the current frame's places.
            learned = network(maps.reshape(-1, rows, columns, positions)) * 0.2
            return learned.reshape(maps.shape[:-1])

        rank = rank_alone if self.ranking_rule == "single" else rank_together
        foreground, background = rank(pooled, cells, learn, chosen, only_one=only_one)
        # For pictures of what was ranked; without a collection of intermediates it does nothing.
        self.sow("intermediates", "ranked", (foreground, background))
        return (
            select_maps(similarity, *foreground, self.top_k),
            select_maps(similarity, *background, self.top_k),
        )


def find_speakers(cells: Array, chosen: Array | None) -> tuple[Array, Array]:
    """For which objects a template has anything to say.

    Args:
        cells: each object's share of each cell of the template, [b, n, positions].
        chosen: numbers of the slots to say it for, int [chosen]; None for all.

    Returns:
        For foreground and background, bool [b, n] or [b, chosen]: an object's foreground is in the
        templates that show it, and its background in all that show anything.
    """
    shown = cells.any(axis=-1)
    anything = jnp.broadcast_to(shown.any(axis=-1, keepdims=True), shown.shape)
    if chosen is not None:
        shown, anything = shown[:, chosen], anything[:, chosen]
    return shown, anything


def take_highest(streams: Sequence[Array], speakers: Sequence[Array]) -> Array:
    """Joins what several templates give to one stream: the highest value of each rank and place.

    Args:
        streams: maps of each template, each [b, n, y, x, top_k].
        speakers: for which objects each template speaks, each bool [b, n].

    Returns:
        [b, n, y, x, top_k]; zeros for an object that no template speaks for.
    """
    spoken = [
        jnp.where(speaks[..., None, None, None], stream, -jnp.inf)
        for stream, speaks in zip(streams, speakers, strict=True)
    ]
    highest = functools.reduce(jnp.maximum, spoken)
    return jnp.where(highest == -jnp.inf, 0, highest)


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


def select_maps(similarity: Array, scores: Array, weights: Array, top_k: int) -> Array:
    """Takes the best maps of a stream, each times its weight.

    Args:
        similarity: [b, positions, y, x].
        scores: of candidates, [b, n, candidates]; candidate c is map `c % positions`.
        weights: likewise.
        top_k: how many to take.

    Returns:
        [b, n, y, x, top_k], best first; zero maps at the end where there are fewer candidates.
    """
    positions = similarity.shape[1]
    count = min(top_k, scores.shape[-1])
    _, index = jax.lax.top_k(scores, count)
    weight = jnp.take_along_axis(weights, index, axis=-1)[..., None, None]
    maps = jax.vmap(lambda sample, chosen: sample[chosen])(similarity, index % positions)
    maps = jnp.moveaxis(weight * maps, 2, -1)
    return jnp.pad(maps, [(0, 0)] * 4 + [(0, top_k - count)]) if count < top_k else maps
