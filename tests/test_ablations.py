"""The paper's ablations: what the decoder receives, and that the checkpoint knows its variant."""

import contextlib

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ranet_jax.errors import InputError
from ranet_jax.geometry.box import cut_labels, find_box
from ranet_jax.models import ablations
from ranet_jax.models.activation import choose_labels, find_probability
from ranet_jax.models.decoder import Decoder
from ranet_jax.models.objective import compute_loss, predict
from ranet_jax.models.ranet import RANet, abstract_params, init_params
from ranet_jax.models.resnet import Encoder, Features
from ranet_jax.protocol import build
from ranet_jax.segmenter import Segmenter
from ranet_jax.template_bank import start_bank
from ranet_jax.weights.checkpoint import save_network
from ranet_jax.weights.network import Network, build_model, describe_model
from ranet_jax.weights.pytorch import export_tensors

H, W, ROWS, COLUMNS, CHANNELS = 64, 96, 2, 3, 64
POSITIONS = ROWS * COLUMNS
VARIANTS = (
    {"selection": "spatial"},
    {"selection": "maximum"},
    {"selection": "features"},
    {"use_previous": False},
    {"activation": "softmax"},
)


def tiny(**fields):
    return RANet(blocks=(1, 1, 1, 1), width=8, head_width=8, canvas=(H, W), top_k=4, **fields)


@contextlib.contextmanager
def watch(matching, logits=None):
    """Runs networks without encoder and decoder, and notes what these two are given.

    Args:
        matching: the feature that the encoder answers with.
        logits: the decoder's answer; zeros by default.
    """
    seen = {}

    def intercept(call, args, kwargs, context):
        if context.method_name != "__call__":
            return call(*args, **kwargs)
        if isinstance(context.module, Encoder):
            seen["frame"] = args[0]
            return Features(*[jnp.zeros(0)] * 5), matching
        if isinstance(context.module, Decoder):
            seen.update(zip(("foreground", "background", "previous"), args[1:], strict=True))
            return jnp.zeros(args[3].shape) if logits is None else logits
        return call(*args, **kwargs)

    with nn.intercept_methods(intercept):
        yield seen


def draw(n=2, seed=0):
    """Kernels, cells of objects that share the template softly, and the current frame's feature."""
    generator = np.random.default_rng(seed)
    kernels = generator.normal(size=(1, POSITIONS, CHANNELS))
    matching = generator.normal(size=(1, 2 * ROWS, 2 * COLUMNS, CHANNELS))
    owner = np.array([0, 1, 1, 2, 2, 0])
    share = np.array([1, 1, 0.05, 0.95, 0.3, 1])
    cells = (owner == np.arange(1, n + 1)[:, None]) * share
    return kernels, cells[None], matching


def receive(model, kernels, cells, matching):
    """The maps of both streams that the decoder gets, each [n, y, x, channels]."""
    n = cells.shape[1]
    with watch(jnp.asarray(matching)) as seen:
        # The ranking network's weights are never needed: these models have none.
        arguments = jnp.asarray(kernels), jnp.asarray(cells), jnp.zeros((1, H, W, 3))
        model.apply({"params": {}}, *arguments, jnp.ones((1, n, H, W)))
    return np.asarray(seen["foreground"][0]), np.asarray(seen["background"][0])


def weights_of(cells, ranking_rule):
    """Weights of both streams, [n, positions] each, written plainly."""
    rest = 1 - cells[0]
    return cells[0], (rest >= 0.9).astype(float) if ranking_rule == "single" else rest


@pytest.mark.parametrize("ranking_rule", ["single", "multi"])
def test_spatial_hands_on_every_map_in_its_place(float64, ranking_rule):
    kernels, cells, matching = draw()
    streams = receive(
        tiny(selection="spatial", ranking_rule=ranking_rule), kernels, cells, matching
    )
    for maps, weights in zip(streams, weights_of(cells, ranking_rule), strict=True):
        assert maps.shape == (2, 2 * ROWS, 2 * COLUMNS, POSITIONS)
        for i in range(2):
            for j in range(POSITIONS):
                expected = weights[i, j] * (matching[0] @ kernels[0, j])
                np.testing.assert_allclose(maps[i, ..., j], expected, atol=1e-12)
    assert not streams[0][0, ..., 0].any(), "a position outside the mask is a zero map"


@pytest.mark.parametrize("ranking_rule", ["single", "multi"])
def test_maximum_hands_on_one_map_of_those_inside(float64, ranking_rule):
    kernels, cells, matching = draw()
    streams = receive(
        tiny(selection="maximum", ranking_rule=ranking_rule), kernels, cells, matching
    )
    similarity = np.einsum("jc,yxc->jyx", kernels[0], matching[0])
    for maps, weights in zip(streams, weights_of(cells, ranking_rule), strict=True):
        assert maps.shape == (2, 2 * ROWS, 2 * COLUMNS, 1)
        for i in range(2):
            inside = weights[i] > 0
            weighted = weights[i, inside, None, None] * similarity[inside]
            np.testing.assert_allclose(maps[i, ..., 0], weighted.max(axis=0), atol=1e-12)


def test_zero_maps_outside_do_not_win_over_negative_ones():
    kernels, matching = -np.ones((1, POSITIONS, CHANNELS)), np.ones((1, 2 * ROWS, 2 * COLUMNS, 64))
    cells = np.zeros((1, 2, POSITIONS))
    cells[0, 0, 1] = 1
    foreground, background = receive(tiny(selection="maximum"), kernels, cells, matching)
    np.testing.assert_array_equal(foreground[0], -CHANNELS)
    np.testing.assert_array_equal(background[0], -CHANNELS)
    assert not foreground[1].any(), "a stream without maps is zero"


def interpolate(grid):
    """Half-pixel bilinear upsampling by 2 of [rows, columns]."""
    y, x = ((np.arange(2 * size) + 0.5) / 2 - 0.5 for size in grid.shape)
    rows = np.array([np.interp(y, np.arange(grid.shape[0]), column) for column in grid.T]).T
    return np.array([np.interp(x, np.arange(grid.shape[1]), row) for row in rows])


@pytest.mark.parametrize("ranking_rule", ["single", "multi"])
def test_features_hand_on_both_frames_and_are_never_correlated(float64, monkeypatch, ranking_rule):
    def fail(*_):
        raise AssertionError("correlated")

    monkeypatch.setattr(ablations, "correlate", fail)
    kernels, cells, matching = draw()
    streams = receive(
        tiny(selection="features", ranking_rule=ranking_rule), kernels, cells, matching
    )
    for maps, weights in zip(streams, weights_of(cells, ranking_rule), strict=True):
        assert maps.shape == (2, 2 * ROWS, 2 * COLUMNS, 2 * CHANNELS)
        for i in range(2):
            np.testing.assert_array_equal(maps[i, ..., CHANNELS:], matching[0])
            for c in range(CHANNELS):
                grid = (weights[i] * kernels[0, :, c]).reshape(ROWS, COLUMNS)
                np.testing.assert_allclose(maps[i, ..., c], interpolate(grid), atol=1e-12)
    assert np.abs(streams[0][0] - streams[0][1]).max() > 0.1, "objects can be told apart"
    monkeypatch.undo()
    monkeypatch.setattr(ablations, "correlate", fail)
    with pytest.raises(AssertionError, match="correlated"):
        receive(tiny(selection="spatial"), kernels, cells, matching)


@pytest.mark.parametrize("ranking_rule", ["single", "multi"])
@pytest.mark.parametrize("selection", ["spatial", "maximum", "features"])
def test_empty_slots_change_nothing(selection, ranking_rule):
    kernels, cells, matching = draw()
    padded = np.concatenate([cells, np.zeros((1, 2, POSITIONS))], axis=1)
    model = tiny(selection=selection, ranking_rule=ranking_rule)
    plain = receive(model, kernels, cells, matching)
    for maps, expected in zip(receive(model, kernels, padded, matching), plain, strict=True):
        np.testing.assert_array_equal(maps[:2], expected)
        assert np.isfinite(maps).all()


@pytest.mark.parametrize("selection", ["spatial", "maximum", "features"])
def test_gradient_reaches_both_frames_with_empty_slots_too(selection):
    kernels, cells, matching = draw()
    cells[0, 1] = 0

    def total(kernels, matching):
        model = tiny(selection=selection)
        with watch(matching) as seen:
            arguments = kernels, jnp.asarray(cells), jnp.zeros((1, H, W, 3))
            model.apply({"params": {}}, *arguments, jnp.ones((1, 2, H, W)))
        return sum(jnp.square(seen[name]).sum() for name in ("foreground", "background"))

    for gradient in jax.grad(total, (0, 1))(jnp.asarray(kernels), jnp.asarray(matching)):
        assert np.isfinite(gradient).all() and gradient.any()


@pytest.mark.parametrize(
    ("selection", "channels"),
    [("ranking", 4), ("spatial", POSITIONS), ("maximum", 1), ("features", 2 * CHANNELS)],
)
def test_only_ranking_has_a_ranking_network(selection, channels):
    params = abstract_params(tiny(selection=selection))
    assert ("ranking" in params) == (selection == "ranking")
    assert params["decoder"]["merge"]["conv1"]["conv"]["kernel"].shape == (3, 3, channels, 32)


def example(n=1):
    """A training example whose objects are rectangles side by side."""
    generator = np.random.default_rng(0)
    batch = {
        name: generator.integers(0, 256, (1, H, W, 3)).astype(np.uint8)
        for name in ("template", "frame")
    }
    for name in ("template_labels", "labels", "previous"):
        batch[name] = np.zeros((1, H, W), np.uint8)
        for i in range(n):
            batch[name][:, 8:40, 10 + 30 * i : 35 + 30 * i] = i + 1
    # Nothing follows the current frame.
    batch["box"] = np.array([[0, 0, H, W]], np.int32)
    batch["later_frames"] = np.zeros((1, 0, 2 * H, 2 * W, 3), np.uint8)
    batch["later_labels"] = np.zeros((1, 0, 2 * H, 2 * W), np.uint8)
    return batch


def decoded_previous(model, n):
    """The previous masks the decoder gets in training and in a step, and the frame of the step."""
    batch, matching = example(n), jnp.zeros((1, 2 * ROWS, 2 * COLUMNS, CHANNELS))
    kernels, cells = jnp.zeros((POSITIONS, CHANNELS)), jnp.ones((n, POSITIONS))
    step = build.__wrapped__(model, n).step.__wrapped__  # as it is, to be compiled with the watch

    @jax.jit
    def run(batch):
        with watch(matching) as seen:
            predict(model, {}, batch, n, jnp.float32)
            training = seen["previous"]
            step({}, start_bank(kernels, cells, batch["previous"][0], 1), batch["frame"][0])
        return training, seen["previous"], seen["frame"]

    return [np.asarray(x) for x in run(batch)]


def test_no_previous_mask_in_training_and_test_but_its_box():
    # Not "ranking", which would need parameters; the previous mask is another matter.
    full = decoded_previous(tiny(ranking_rule="multi", selection="spatial"), 2)
    without = decoded_previous(
        tiny(ranking_rule="multi", selection="spatial", use_previous=False), 2
    )
    labels = jnp.asarray(example(2)["previous"][0])
    in_box = np.asarray(cut_labels(labels, find_box(labels > 0), labels.shape))
    for i in range(2):
        np.testing.assert_array_equal(full[0][0, i], labels == i + 1)
        np.testing.assert_array_equal(full[1][0, i], in_box == i + 1)
    for ours, theirs in zip(without[:2], full[:2], strict=True):
        assert ours.shape == theirs.shape and not ours.any()
    np.testing.assert_array_equal(without[2], full[2])


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_step_and_loss_decide_as_the_model_says(activation):
    """On the whole canvas, where nothing is resized: step and loss are made of one probability."""
    model = tiny(selection="spatial", ranking_rule="multi", activation=activation)
    logits = jnp.asarray(np.random.default_rng(0).normal(0, 2, (1, 2, H, W)), jnp.float32)
    matching = jnp.zeros((1, 2 * ROWS, 2 * COLUMNS, CHANNELS))
    nothing = jnp.zeros((H, W), jnp.uint8)
    state = start_bank(jnp.zeros((POSITIONS, CHANNELS)), jnp.ones((2, POSITIONS)), nothing, 1)
    expected = np.asarray(find_probability(logits[0], np.array([True, True]), activation))
    with watch(matching, logits):
        step = build.__wrapped__(model, 2, probabilities=True).step
        _, (labels, probability) = step({}, state, example()["frame"][0])
    np.testing.assert_allclose(probability, np.moveaxis(expected, 0, -1), atol=1e-6)
    np.testing.assert_array_equal(labels, choose_labels(probability, activation))
    sums = np.asarray(probability).sum(axis=-1)
    assert (sums.max() > 1.01) == (activation == "sigmoid")

    batch = example(2)
    with watch(matching, logits):
        loss = compute_loss(model, {}, batch, 2, jnp.float32)
    truth = np.stack([batch["labels"][0] == i for i in (1, 2)])
    if activation == "sigmoid":
        expected = -np.log(np.where(truth, expected, 1 - expected)).mean()
    else:
        background = 1 - expected.sum(axis=0)
        chosen = np.where(truth.any(axis=0), (truth * expected).sum(axis=0), background)
        expected = -np.log(chosen).mean()
    np.testing.assert_allclose(loss, expected, rtol=1e-4)


@pytest.mark.parametrize("fields", VARIANTS, ids=str)
def test_checkpoints_know_their_variant(fields):
    model = tiny(ranking_rule="multi", **fields)
    description = describe_model(model)
    assert description.items() >= fields.items()
    assert build_model(description) == model != tiny(ranking_rule="multi")


def test_checkpoints_of_before_are_the_full_model():
    model = tiny()
    description = describe_model(model)
    for name in ("selection", "use_previous", "activation"):
        del description[name]
    assert build_model(description) == model
    assert (model.selection, model.use_previous, model.activation) == ("ranking", True, "sigmoid")


def test_a_saved_variant_needs_no_flag(tmp_path):
    model = tiny(
        selection="maximum", use_previous=False, activation="softmax", ranking_rule="multi"
    )
    save_network(tmp_path / "variant", Network(model, init_params(model, 0), {}))
    assert Segmenter.from_checkpoint(tmp_path / "variant").model == model


@pytest.mark.parametrize("fields", VARIANTS, ids=str)
def test_variants_are_not_exported(fields):
    with pytest.raises(InputError, match="not what the released code computes"):
        export_tensors(Network(tiny(**fields), {}, {}))
