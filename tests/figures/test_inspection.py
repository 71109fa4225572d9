"""The numbers that pictures are drawn from are the network's."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ranet_jax.errors import InputError
from ranet_jax.figures.inspection import (
    arrange_scores,
    choose_positions,
    find_position,
    inspect_frame,
)
from ranet_jax.models.ranking import RankingAttention
from ranet_jax.protocol import Protocol, build
from ranet_jax.slots import number_slots
from tests.figures.example import H, W, clip, network


@functools.cache
def inspected():
    frames, masks = clip()
    return inspect_frame(network(), list(frames[:2]), masks[0])


def test_similarity_is_that_of_the_networks_own_features():
    """Kernels are means of 2x2 features, so those of the current frame give means of its maps."""
    (first, second, _), masks = clip()
    model, params = network()[:2]
    labels = number_slots(np.array([3, 7]))[masks[0]]
    init, _ = build(model, 2)
    kernels, other = (init(params, frame, labels).kernels[0] for frame in (first, second))
    means = inspected().similarity.reshape(45, H // 32, 2, W // 32, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(means.reshape(45, 45), kernels @ other.T, atol=1e-3)
    assert means.std() > 0.01


def test_the_rest_is_what_the_segmenter_sees_and_makes():
    frames, masks = clip()
    model, params = network()[:2]
    labels = number_slots(np.array([3, 7]))[masks[0]]
    init, step = build(model, 2)
    _, expected = step(params, init(params, frames[0], labels), frames[1])
    found = inspected()
    assert np.mean(found.labels != expected) < 1e-3
    np.testing.assert_array_equal(found.ids, [3, 7])
    np.testing.assert_array_equal(found.template, frames[0])
    np.testing.assert_array_equal(found.frame, frames[1])
    np.testing.assert_array_equal(np.array([0, 3, 7])[found.template_labels], masks[0])
    assert found.merged.shape == (2, 2, H // 8, W // 8, 2 * model.width)
    assert not np.array_equal(found.merged[0], found.merged[1])


def test_scores_are_weighted_maxima_where_the_ranking_network_is_silent():
    """Untrained, it adds zero."""
    found = inspected()
    share = (found.template_labels == 1).reshape(H // 32, 32, W // 32, 32).mean((1, 3)).ravel()
    expected = np.where(share > 0, share * found.similarity.max((1, 2)), np.nan)
    np.testing.assert_allclose(found.scores[0, 0], expected, atol=1e-5)


def test_scores_of_a_video_that_remembers_are_of_its_first_template():
    frames, masks = clip()
    remembering = network()._replace(protocol=Protocol(memory_every=1))
    found = inspect_frame(remembering, list(frames[:2]), masks[0])
    np.testing.assert_allclose(found.scores, inspected().scores, atol=1e-4)


@pytest.mark.parametrize("learned_scores", [True, False])
@pytest.mark.parametrize("ranking_rule", ["single", "multi"])
def test_scores_order_positions_as_the_model_does(ranking_rule, learned_scores):
    generator = np.random.default_rng(1)
    similarity = jnp.asarray(generator.uniform(-1, 1, (1, 45, 10, 18)), jnp.float32)
    similarity *= jnp.asarray(generator.uniform(0.2, 1, (1, 45, 1, 1)), jnp.float32)
    everything = jnp.asarray(generator.dirichlet((1, 1, 1), 45).T, jnp.float32)
    everything *= everything > 0.25
    cells = everything[None, 1:]
    everything = everything.at[0].set(1 - cells[0].sum(axis=0))
    module = RankingAttention(16, 28, ranking_rule, learned_scores)
    params = network().params["ranking"]["network"]
    conv = {
        "kernel": generator.normal(size=params["conv2"]["conv"]["kernel"].shape),
        "bias": np.zeros(1),
    }
    params = {"network": params | {"conv2": {"conv": jax.tree.map(jnp.float32, conv)}}}

    @jax.jit
    def rank(params):
        variables = {"params": params}
        maps, kept = module.apply(variables, similarity, cells, mutable=["intermediates"])
        (ranked,) = kept["intermediates"]["ranked"]
        return maps, [arrange_scores(*stream, 45)[0] for stream in ranked]

    maps, scores = rank(params if learned_scores else {})
    scores = np.stack(scores, axis=1)
    peak = np.asarray(similarity[0].max(axis=(1, 2)))
    unlearned = np.where(cells[0] > 0, cells[0] * peak, np.nan)
    difference = np.nanmax(np.abs(scores[:, 0] - unlearned))
    assert difference > 0.01 if learned_scores else difference < 1e-6
    rivals = (
        everything[jnp.array([[0, 2], [0, 1]])] if ranking_rule == "multi" else jnp.ones((2, 1, 45))
    )
    for slot in range(2):
        for stream, weights in enumerate((cells[0, slot, None], rivals[slot])):
            # The candidates of the stream, and which of them each kept map is.
            candidates = np.asarray(weights[..., None, None] * similarity)
            found = np.moveaxis(np.asarray(maps[stream][0, slot]), -1, 0)
            found = found[found.any(axis=(1, 2))]
            distance = np.abs(candidates[:, :, None] - found).max(axis=(-2, -1)).min(axis=0)
            assert (distance.min(axis=0) < 1e-6).all()
            order = list(dict.fromkeys(distance.argmin(axis=0).tolist()))
            ranked = np.argsort(-np.nan_to_num(scores[slot, stream], nan=-np.inf))
            assert order == ranked[: len(order)].tolist()
            assert len(order) > 4


@pytest.mark.parametrize("scale", [1, 3])
def test_a_pixel_lies_in_its_cell(scale):
    mask = np.zeros((H * scale, W * scale), np.uint8)
    mask[60 * scale : 120 * scale, 100 * scale : 180 * scale] = 9
    # The box of rows 60..119 and columns 100..179, 1.5 times larger in the canvas's shape, and what
    # of it each of the 5 x 9 cells shows.
    y0, y1, x0, x1 = 45, 133, 60, 218
    for y, x in ((61, 101), (90, 140), (118, 101), (118, 178)):
        row, column = int((y + 0.5 - y0) / (y1 - y0) * 5), int((x + 0.5 - x0) / (x1 - x0) * 9)
        assert find_position((y * scale, x * scale), mask, network()) == 9 * row + column
    assert find_position((90, 140), np.full((H, W), 1, np.uint8), network()) == 9 * 2 + 4


@pytest.mark.parametrize("pixel", [(-1, 5), (5, -1), (H, 5), (5, W)])
def test_a_pixel_outside_the_frame_is_refused(pixel):
    with pytest.raises(InputError, match=r"outside the frame of 160 rows and 288 columns"):
        find_position(pixel, np.ones((H, W), np.uint8), network())


def test_a_pixel_on_no_object_is_refused():
    with pytest.raises(InputError, match="5,6 is on no object"):
        find_position((5, 6), clip()[1][0], network())


def test_positions_are_spread_over_the_object_alone():
    labels = np.zeros((H, W), np.uint8)
    labels[32:96, 64:192] = 2
    chosen = choose_positions(labels, slot=1, count=3, cell=32)
    inside = [9 * row + column for row in (1, 2) for column in (2, 3, 4, 5)]
    assert (chosen[0], chosen[-1], len(chosen)) == (inside[0], inside[-1], 3)
    assert set(chosen) <= set(inside)
    assert choose_positions(labels, slot=1, count=99, cell=32) == inside
    tiny = np.zeros((H, W), np.uint8)
    tiny[40:45, 40:45] = 1
    assert choose_positions(tiny, slot=0, count=3, cell=32) == [10]


@pytest.mark.slow
def test_what_is_done_around_the_network_is_seen():
    """Frames kept on a larger canvas than the network's: what it sees is cut from them."""
    frames, masks = clip()
    masks = masks * (masks == 7)
    protocol = Protocol(frame_canvas=(2 * H, 2 * W), locality=0.05)
    found = inspect_frame(network()._replace(protocol=protocol), list(frames[:2]), masks[0])
    released = inspect_frame(network(), list(frames[:2]), masks[0])
    assert found.frame.shape == released.frame.shape == (H, W, 3)
    # The boxes are equal up to half a pixel of the smaller canvas.
    assert np.mean(found.template_labels != released.template_labels) < 0.02
    assert np.abs(found.template.astype(int) - released.template).mean() < 30
    assert not np.array_equal(found.template, released.template)
    # No object outside of the neighbourhood of what it was.
    rows, columns = np.nonzero(found.template_labels)
    rows_now, columns_now = np.nonzero(found.labels)
    assert abs(rows_now.min() - rows.min()) < 20 and abs(columns_now.max() - columns.max()) < 20
