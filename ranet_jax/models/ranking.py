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
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from ranet_jax.models.layers import ConvBlock, ResBlock, widen
from ranet_jax.models.ranking_rules import rank_alone, rank_together
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
