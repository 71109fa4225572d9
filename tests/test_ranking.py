"""The ranking attention module against a naive loop over maps and objects."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ranet_jax.models.ranking import RankingAttention, RankNetwork, correlate
from ranet_jax.models.template import pool_kernels, pool_mask

ROWS, COLUMNS, KEPT = 3, 5, 10
POSITIONS = ROWS * COLUMNS


def make(ranking_rule, n, seed=0, filled=0.5):
    """A module with weights, similarity maps, and soft cells of objects that share the template."""
    generator = np.random.default_rng(seed)
    similarity = generator.uniform(-1, 1, (1, POSITIONS, 2 * ROWS, 2 * COLUMNS))
    owner = generator.integers(0, n + 1, POSITIONS)
    cells = (owner == np.arange(1, n + 1)[:, None]) * generator.choice([0.3, 0.95, 1], POSITIONS)
    module = RankingAttention(width=8, top_k=KEPT, ranking_rule=ranking_rule)
    variables = jax.jit(module.init)(jax.random.key(seed), similarity, cells[None])
    return module, variables, jnp.asarray(similarity), cells


@functools.partial(jax.jit, static_argnums=0)
def apply(module, variables, similarity, cells):
    return module.apply(variables, similarity, cells)


def naive_pool(maps):
    return np.array(
        [
            [
                maps[j, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2].max()
                for y in range(ROWS)
                for x in range(COLUMNS)
            ]
            for j in range(len(maps))
        ]
    )


def naive_rank(variables, maps):
    """The network's part of the score of each map, written plainly."""
    pooled = naive_pool(maps).reshape(1, ROWS, COLUMNS, POSITIONS)
    params = {"params": variables["params"]["network"]}
    return 0.2 * np.asarray(jax.jit(RankNetwork(8).apply)(params, jnp.asarray(pooled)))[0]


def naive_best(maps, scores):
    order = sorted(range(len(maps)), key=lambda j: -scores[j])
    return np.stack([maps[j] for j in order[:KEPT]], axis=-1)


def naive_single(variables, similarity, cells):
    streams = []
    for weights in (cells, (1 - cells >= 0.9).astype(float)):
        maps = similarity * weights[:, None, None]
        learned = naive_rank(variables, maps)
        scores = [maps[j].max() + learned[j] * (weights[j] != 0) for j in range(POSITIONS)]
        streams.append(naive_best(maps, scores))
    return streams


def naive_multi(variables, similarity, cells, i):
    learned = naive_rank(variables, similarity)
    weights = [1 - cells.sum(0), *cells]
    groups = [similarity * w[:, None, None] for w in weights]
    scores = [
        [maps[j].max() + learned[j] * w[j] for j in range(POSITIONS)]
        for maps, w in zip(groups, weights, strict=True)
    ]
    others = [k for k in range(len(weights)) if k != i + 1]
    background = np.concatenate([groups[k] for k in others])
    return (
        naive_best(groups[i + 1], scores[i + 1]),
        naive_best(background, np.concatenate([scores[k] for k in others])),
    )


@pytest.mark.parametrize("n", [1, 2])
def test_single_rule_equals_the_naive_loop(float64, n):
    module, variables, similarity, cells = make("single", n)
    found = apply(module, variables, similarity, jnp.asarray(cells)[None])
    for i in range(n):
        for stream, expected in zip(
            found, naive_single(variables, similarity[0], cells[i]), strict=True
        ):
            np.testing.assert_allclose(stream[0, i], expected, atol=1e-12)


@pytest.mark.parametrize("n", [1, 3])
def test_multi_rule_equals_the_naive_loop(float64, n):
    module, variables, similarity, cells = make("multi", n)
    found = apply(module, variables, similarity, jnp.asarray(cells)[None])
    for i in range(n):
        for stream, expected in zip(
            found, naive_multi(variables, np.asarray(similarity[0]), cells, i), strict=True
        ):
            np.testing.assert_allclose(stream[0, i], expected, atol=1e-12)


@pytest.mark.parametrize("ranking_rule", ["single", "multi"])
@pytest.mark.parametrize("n", [1, 3])
def test_empty_slots_change_nothing(float64, ranking_rule, n):
    module, variables, similarity, cells = make(ranking_rule, n, seed=1)
    padded = np.concatenate([cells, np.zeros((4, POSITIONS))])
    plain = apply(module, variables, similarity, jnp.asarray(cells)[None])
    found = apply(module, variables, similarity, jnp.asarray(padded)[None])
    for stream, expected in zip(found, plain, strict=True):
        np.testing.assert_array_equal(stream[:, :n], expected)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_no_and_only_foreground_fill_the_fixed_size(share):
    module, variables, similarity, _ = make("single", 1)
    foreground, background = module.apply(variables, similarity, jnp.full((1, 1, POSITIONS), share))
    full, empty = (foreground, background) if share else (background, foreground)
    assert full.shape == empty.shape == (1, 1, 2 * ROWS, 2 * COLUMNS, KEPT)
    assert not empty.any()
    assert full.any(axis=(0, 1, 2, 3)).all()


def test_maps_come_in_descending_order_of_score():
    module, variables, similarity, _ = make("single", 1)
    variables = jax.tree.map(jnp.zeros_like, variables)  # without the network, score = maximum
    foreground, _ = apply(module, variables, similarity, jnp.ones((1, 1, POSITIONS)))
    peaks = np.asarray(foreground[0, 0]).max(axis=(0, 1))
    assert (np.diff(peaks) <= 0).all()
    np.testing.assert_allclose(peaks, np.sort(similarity[0].max(axis=(1, 2)))[::-1][:KEPT], 1e-6)


@pytest.mark.parametrize("ranking_rule", ["single", "multi"])
def test_the_maps_get_a_gradient_and_the_ranking_network_none(ranking_rule):
    """What docs/training.md says: it only orders maps."""
    module, variables, similarity, cells = make(ranking_rule, 2)

    @functools.partial(jax.grad, argnums=(0, 1))
    def differentiate(variables, similarity):
        streams = module.apply(variables, similarity, jnp.asarray(cells)[None])
        return sum(jnp.square(stream).sum() for stream in streams)

    network, maps = differentiate(variables, similarity)
    assert not any(leaf.any() for leaf in jax.tree.leaves(network))
    assert maps.any()


def test_correlation_and_cells_are_row_major():
    feature = np.random.default_rng(0).standard_normal((1, 4, 6, 7)).astype(np.float32)
    kernels = np.random.default_rng(1).standard_normal((1, POSITIONS, 7)).astype(np.float32)
    found = correlate(jnp.asarray(kernels), jnp.asarray(feature))
    np.testing.assert_allclose(found[0, 11, 2, 5], kernels[0, 11] @ feature[0, 2, 5], rtol=1e-5)
    mask = np.zeros((64, 96))
    mask[32:48, 64:] = 1
    np.testing.assert_array_equal(pool_mask(mask, 32), [0, 0, 0, 0, 0, 0.5])
    fine = np.zeros((4, 6))
    fine[2, 4:] = 1
    np.testing.assert_array_equal(pool_mask(mask, 16), fine.ravel())


@pytest.mark.parametrize("ranking_rule", ["single", "multi"])
def test_small_cells_have_a_kernel_for_each_place(ranking_rule):
    generator = np.random.default_rng(3)
    feature = generator.standard_normal((1, 4, 6, 7))
    feature /= np.linalg.norm(feature, axis=-1, keepdims=True)
    kernels = pool_kernels(jnp.asarray(feature), 16)
    np.testing.assert_allclose(kernels[0, 13], feature[0, 2, 1], rtol=1e-6)
    similarity = correlate(kernels, jnp.asarray(feature))
    cells = np.zeros((1, 1, 24))
    cells[0, 0, 13] = 1
    module = RankingAttention(8, 30, ranking_rule, learned_scores=False, cell=16)
    foreground, background = module.apply({}, similarity, jnp.asarray(cells))
    # The frame is the template: the best map of the object has its 1 where the object is.
    best = np.asarray(foreground[0, 0, ..., 0])
    assert np.unravel_index(best.argmax(), best.shape) == (2, 1)
    np.testing.assert_allclose(best.max(), 1, rtol=1e-6)
    assert not foreground[..., 1:].any()
    # All other places are background, each the best match of a map.
    peaks = np.asarray(background[0, 0, ..., :23]).reshape(24, 23).argmax(axis=0)
    assert sorted(peaks) == [*range(13), *range(14, 24)]
    assert not background[..., 24:].any()
