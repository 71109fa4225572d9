"""What is done around the network beyond the released protocol."""

import jax.numpy as jnp
import numpy as np
import pytest

from ranet_jax.errors import InputError
from ranet_jax.geometry.box import find_neighbourhood
from ranet_jax.models.ranet import RANet, init_params
from ranet_jax.protocol import Protocol, build
from ranet_jax.segmenter import Segmenter
from ranet_jax.weights.checkpoint import load_network, save_network
from ranet_jax.weights.network import Network, change_canvas

CANVAS = (64, 96)


def model(**fields):
    fields = {"canvas": CANVAS, "top_k": 8, "learned_scores": False} | fields
    return RANet((1, 1, 1, 1), width=8, head_width=8, **fields)


def test_neighbourhood_reaches_as_far_as_it_says():
    previous = np.zeros((2, 20, 30), np.float32)
    previous[0, 10, 15] = 1
    near = np.asarray(find_neighbourhood(jnp.asarray(previous), 0.1))  # 2 of 20 rows
    expected = np.zeros((20, 30), bool)
    expected[8:13, 13:18] = True
    np.testing.assert_array_equal(near[0], expected)
    assert near[1].all()  # what was nowhere can be anywhere


@pytest.mark.slow
def test_locality_keeps_an_object_near_its_previous_mask():
    network = model()
    params = init_params(network, 0)
    # A network that sees the object everywhere.
    params["decoder"]["logit"]["kernel"] *= 0
    params["decoder"]["logit"]["bias"] += 5
    frame = np.random.default_rng(0).integers(0, 256, (*CANVAS, 3), np.uint8)
    mask = np.zeros(CANVAS, np.uint8)
    mask[20:40, 30:60] = 1
    sizes = []
    for locality in (0.0, 0.1):
        init, step = build(network, protocol=Protocol(locality))
        _, labels = step(params, init(params, frame, mask), frame)
        sizes.append(np.count_nonzero(labels))
        assert (np.asarray(labels)[mask == 1] == 1).all()
    # The box is 28 x 42 pixels for 64 x 96: a tenth of its height, 6 of 64 rows, is 2.6 there.
    assert sizes[0] == 28 * 42
    assert 24 * 34 <= sizes[1] <= 26 * 36


def test_small_objects_are_seen_and_drawn_at_the_frame_canvas():
    network = model()
    seen = []

    class Watch:
        canvas, cell, activation = network.canvas, network.cell, network.activation

        def apply(self, variables, *inputs, method=None):
            seen.append(inputs)
            if method == "template":
                return jnp.zeros((1, 6, 64))
            frame = inputs[2]
            return jnp.where(frame[..., 0] > 0, 9.0, -9.0)[:, None]  # bright is the object

    # A checkerboard of 4 x 4 pixels, which a frame at the network's canvas could not show.
    frame = np.zeros((256, 384, 3), np.uint8)
    frame[100:140, 200:260] = (
        255 * (np.add.outer(np.arange(40) // 4, np.arange(60) // 4) % 2)[..., None]
    )
    mask = np.zeros((256, 384), np.uint8)
    mask[100:140, 200:260] = 1
    functions = build.__wrapped__(Watch(), protocol=Protocol(frame_canvas=(256, 384)))
    _, labels = functions.step({}, functions.init({}, frame, mask), frame)
    assert labels.shape == (256, 384)
    inside = np.asarray(labels)[102:138, 202:258]
    assert (inside == (frame[102:138, 202:258, 0] > 0)).mean() > 0.9
    assert seen[-1][2].shape == (1, 64, 96, 3)


@pytest.mark.slow
def test_weights_without_learned_scores_run_on_any_canvas():
    params = init_params(model(), 0)
    for canvas in ((64, 64), (96, 160)):
        segmenter = Segmenter(change_canvas(model(), canvas, "it"), params)
        frame = np.zeros((*canvas, 3), np.uint8)
        mask = np.zeros(canvas, np.uint8)
        mask[10:40, 10:40] = 1
        assert segmenter.start(frame, mask).step(frame).shape == canvas
    with pytest.raises(InputError, match="canvas 100x160: give multiples of 32"):
        change_canvas(model(), (100, 160), "it")
    with pytest.raises(
        InputError, match="it has weights that are tied to the canvas 64x96; ask for no other"
    ):
        change_canvas(model(learned_scores=True), (96, 160), "it")


def test_zero_maps_fill_up_what_a_canvas_lacks():
    network = model(canvas=(64, 64), top_k=8)  # 4 positions
    params = init_params(network, 0)
    kernels = np.random.default_rng(0).normal(size=(1, 4, 64)).astype(np.float32)
    matching = np.random.default_rng(1).normal(size=(1, 4, 4, 64)).astype(np.float32)
    cells = np.array([[[1.0, 0.5, 0, 0]]], np.float32)
    streams = network.apply({"params": params}, kernels, matching, cells, method=RANet._select)
    for maps in streams:
        assert maps.shape == (1, 1, 4, 4, 8)
        assert (np.asarray(maps[..., 4:]) == 0).all()
    assert np.asarray(streams[0][..., :2]).any()


def test_checkpoint_carries_the_protocol(tmp_path):
    network = Network(model(), init_params(model(), 0), {}, Protocol(0.2))
    save_network(tmp_path / "one", network)
    assert load_network(tmp_path / "one").protocol == Protocol(0.2)
    assert Segmenter.from_checkpoint(tmp_path / "one").protocol == Protocol(0.2)
    assert load_network(tmp_path / "one", (96, 96)).model.canvas == (96, 96)
