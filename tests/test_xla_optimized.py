"""What users run: XLA's optimisations on, at the sizes of the released network.

All other tests switch most optimisations off, because their programs run once. Here each kind of
layer is computed in float32 as users compute it and compared with float64, by itself, so that no
two maps can change places in a ranking. The float64 side is not compiled as a whole: it is NumPy
where that is one line, else one operation after the other without optimisations. A compiler that
sums wrongly, as that of jax 0.10.2 does, is found by the size of the difference.

    XLA_FLAGS= python -m pytest tests/test_xla_optimized.py

is how `make test-all` runs it, in a process of its own.
"""

import functools
import os

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ranet_jax.models.decoder import Merge, Skip
from ranet_jax.models.layers import (
    Conv,
    ConvBlock,
    InstanceNorm,
    MultiScale,
    ResBlock,
    add_and_rectify,
    normalize_channels,
    pool_maximum,
    standardize,
    upsample,
    upsample_corner_aligned,
)
from ranet_jax.models.losses import dice_loss, segmentation_loss
from ranet_jax.models.ranet import RANet, compact_ranet, init_params
from ranet_jax.models.ranking import RankingAttention, RankNetwork, correlate
from ranet_jax.models.resnet import Bottleneck
from ranet_jax.models.template import pool_mask
from ranet_jax.protocol import build

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        "emitters=false" in os.environ.get("XLA_FLAGS", ""),
        reason="needs XLA as users have it: make test-all runs it, with XLA_FLAGS empty",
    ),
]

H, W = 480, 864
POSITIONS = (H // 32) * (W // 32)


@pytest.fixture(autouse=True)
def optimized(float64):
    """As users have it, and doubles for the other side."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


def draw(*shape, seed=0):
    """Numbers that are not centred, as what a ReLU leaves."""
    return np.random.default_rng(seed).standard_normal(shape, np.float32) + np.float32(0.5)


def in_float64(function, *arguments):
    """A function of float64 arguments, operation by operation, without optimisations."""
    jax.config.update("jax_disable_most_optimizations", True)
    wide = jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), arguments)
    with jax.disable_jit():
        result = jax.tree.map(np.asarray, function(*wide))
    jax.config.update("jax_disable_most_optimizations", False)
    assert {leaf.dtype for leaf in jax.tree.leaves(result)} == {np.dtype(np.float64)}
    return result


def assert_close(found, expected, tolerance=1e-4):
    """Compares trees; a difference counts by the deviation of what is expected."""
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert one.shape == other.shape
        assert one.dtype == np.float32, "the side of the user is float32"
        scale = max(np.std(other), np.abs(np.mean(other)))
        difference = np.abs(np.asarray(one, np.float64) - other).max() / scale
        assert difference < tolerance, f"differs by {difference:.1e} of its deviation"


def draw_params(module, *arguments):
    """Parameters of a module, none of them zero: biases count as well."""
    shapes = jax.eval_shape(module.init, jax.random.key(0), *arguments)["params"]
    generator = np.random.default_rng(1)

    def fill(leaf):
        fan_in = np.prod(leaf.shape[:-1]) if len(leaf.shape) > 1 else 10
        return (generator.standard_normal(leaf.shape) * np.sqrt(2 / fan_in)).astype(np.float32)

    return jax.tree.map(fill, shapes)


def image(h, w, c, n=1):
    return (n, h, w, c)


MODULES = {
    "stem": (Conv(64, 7, stride=2), image(H, W, 3)),
    "1x1": (Conv(256, 1), image(120, 216, 64)),
    "1x1, stride 2": (Conv(512, 1, stride=2), image(120, 216, 256)),
    "3x3": (Conv(128, 3), image(60, 108, 128)),
    "3x3, stride 2": (Conv(128, 3, stride=2), image(120, 216, 128)),
    "3x3, dilation 6, bias": (Conv(32, 3, dilation=6, use_bias=True), image(120, 216, 64)),
    "logit": (Conv(1, 3, use_bias=True), image(H, W, 16)),
    "instance norm": (InstanceNorm(), image(240, 432, 64)),
    "block": (ConvBlock(512), image(15, 27, 2048)),
    "block, enlarged": (ConvBlock(16, factor=4), image(60, 108, 512)),
    "residual": (ResBlock(64), image(60, 108, 128)),
    "residual, whole canvas": (ResBlock(8), image(H, W, 16)),
    "residual, dilated": (ResBlock(32, dilation=2), image(15, 27, 128)),
    "scales": (MultiScale(32), image(120, 216, 64)),
    "bottleneck": (Bottleneck(64), image(120, 216, 64)),
    "bottleneck, stride 2": (Bottleneck(512, stride=2), image(30, 54, 1024)),
    "merge": (Merge(64), image(30, 54, 256, n=2)),
    "rank network": (RankNetwork(64), image(15, 27, POSITIONS)),
}


def test_a_clip_from_end_to_end():
    """The first of all here, because it takes longest and no process is to wait for it."""
    # Without ranking: where weights are drawn, two maps that are nearly equal may change places.
    model: RANet = compact_ranet().clone(selection="maximum")
    params = init_params(model, 0)
    # So that a good part of the picture is the object, which drawn weights do not care for.
    params["decoder"]["logit"]["bias"] += 1.5
    h, w = model.canvas
    generator = np.random.default_rng(0)
    coarse = jnp.asarray(generator.uniform(0, 150, (h // 16, w // 16, 3)))
    background = np.asarray(jax.image.resize(coarse, (h, w, 3), "linear"))
    video = np.repeat(background[None], 3, axis=0)
    for index, frame in enumerate(video):
        frame[60:160, 100 + 6 * index : 240 + 6 * index] += 100
    video = video.astype(np.uint8)
    labels = np.zeros((h, w), np.uint8)
    labels[60:160, 100:240] = 1

    def segment(precision):
        init, step = build(model, 2, precision, probabilities=True)
        wide = jax.tree.map(lambda x: jnp.asarray(x), params)
        state, results = init(wide, video[0], labels), []
        for frame in video[1:]:
            state, (found, probability) = step(wide, state, frame)
            results.append((np.asarray(found), np.asarray(probability)[..., 0]))
        return results

    for (found, probability), (expected, wide) in zip(
        segment("float32"), segment("float64"), strict=True
    ):
        assert probability.dtype == np.float32 and wide.dtype == np.float64
        assert 0.02 < np.mean(expected) < 0.98, "nothing would be said of an empty picture"
        assert np.mean(found != expected) < 0.002
        assert np.quantile(np.abs(probability - wide), 0.99) < 0.01


@pytest.mark.parametrize("name", MODULES)
def test_module(name):
    module, shape = MODULES[name]
    x = draw(*shape)
    params = draw_params(module, x)

    def apply(params, x):
        return module.apply({"params": params}, x)

    assert_close(jax.jit(apply)(params, x), in_float64(apply, params, x))


def test_skip():
    levels = [draw(*shape) for shape in (image(60, 108, 512), image(30, 54, 1024))]
    levels.append(draw(*image(15, 27, 2048)))
    module = Skip(64)
    params = draw_params(module, levels)

    def apply(params, levels):
        return module.apply({"params": params}, levels)

    assert_close(jax.jit(apply)(params, levels), in_float64(apply, params, levels))


FUNCTIONS = {
    "normalise channels": (normalize_channels, [image(30, 54, 512)]),
    "upsample": (functools.partial(upsample, factor=2), [image(15, 27, 512)]),
    "upsample to corners": (
        functools.partial(upsample_corner_aligned, factor=2),
        [image(240, 432, 16)],
    ),
    "add and rectify": (add_and_rectify, [image(120, 216, 256)] * 2),
    "correlate": (correlate, [(1, POSITIONS, 512), image(30, 54, 512)]),
    "max-pool": (pool_maximum, [image(240, 432, 64)]),
    "average-pool": (lambda x: nn.avg_pool(x, (2, 2), (2, 2)), [image(30, 54, 512)]),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function(name):
    function, shapes = FUNCTIONS[name]
    arguments = [draw(*shape, seed=seed) for seed, shape in enumerate(shapes)]
    # In float32 a place on the canvas is known to a few hundred-thousandths of a pixel.
    tolerance = 5e-4 if name == "upsample to corners" else 1e-4
    assert_close(jax.jit(function)(*arguments), in_float64(function, *arguments), tolerance)


@pytest.mark.parametrize("shape", [image(H, W, 16), image(240, 432, 64), image(15, 27, 2048)])
def test_statistics_are_those_of_numpy(shape):
    x = draw(*shape) + np.float32(20)
    wide = x.astype(np.float64)
    mean = wide.mean(axis=(1, 2), keepdims=True)
    expected = (wide - mean) / np.sqrt(wide.var(axis=(1, 2), keepdims=True) + 1e-5)
    assert_close(jax.jit(standardize)(x), expected, 1e-4)
    sums = jax.jit(lambda x: (x.sum(axis=(1, 2)), jnp.square(x).sum(axis=(1, 2)), x.sum()))(x)
    assert_close(sums, (wide.sum((1, 2)), np.square(wide).sum((1, 2)), wide.sum()), 1e-5)


@pytest.mark.parametrize(("dtype", "rows"), [("float32", 32_769), ("float64", 16_385)])
def test_a_sum_behind_a_matrix_product(dtype, rows):
    """What jax 0.10.2 gets wrong (jax-ml/jax#39103), and every feature's length is computed by."""
    x = np.zeros((rows, 3), dtype)
    x[:, 0] = np.arange(rows)
    matrix = np.eye(3, dtype=dtype)
    lengths = jax.jit(jax.vmap(lambda row: jnp.square(matrix @ row).sum()))(x)
    np.testing.assert_array_equal(lengths, np.square(x).sum(axis=1))


def test_cells_are_those_of_numpy():
    mask = (np.random.default_rng(0).random((5, H, W)) < 0.3).astype(np.float32)
    expected = mask.astype(np.float64).reshape(5, H // 32, 32, W // 32, 32).mean(axis=(2, 4))
    assert_close(jax.jit(pool_mask, static_argnums=1)(mask, 32), expected.reshape(5, -1), 1e-6)


def test_convolution_is_that_of_numpy():
    x, module = draw(*image(60, 108, 64)), Conv(32, 3, dilation=3)
    params = draw_params(module, x)
    padded = np.pad(x.astype(np.float64), ((0, 0), (3, 3), (3, 3), (0, 0)))
    taps = [
        padded[:, 3 * row : 3 * row + 60, 3 * column : 3 * column + 108]
        @ params["kernel"][row, column].astype(np.float64)
        for row in range(3)
        for column in range(3)
    ]
    assert_close(jax.jit(module.apply)({"params": params}, x), sum(taps))


CONVOLUTIONS = {
    "few channels": (Conv(16, 3, dilation=2), image(120, 216, 16)),
    "many channels": (Conv(64, 3, dilation=2), image(120, 216, 64)),
    "tiles": (Conv(128, 3), image(30, 54, 256)),
    "patches": (Conv(512, 3, stride=2), image(15, 27, 512)),
    "the first one": (Conv(64, 7, stride=2), image(240, 432, 3)),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_gradients_of_a_convolution(name):
    module, shape = CONVOLUTIONS[name]
    x = draw(*shape)
    params = draw_params(module, x)
    weights = draw(*jax.eval_shape(module.apply, {"params": params}, x).shape, seed=2)

    def loss(params, x):
        return (module.apply({"params": params}, x) * weights).mean()

    gradient = jax.grad(loss, argnums=(0, 1))
    assert_close(jax.jit(gradient)(params, x), in_float64(gradient, params, x), 1e-4)


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_losses(activation):
    logits = draw(2, 3, H, W)
    labels = np.random.default_rng(0).integers(0, 4, (2, H, W)).astype(np.uint8)
    present = np.array([[True, True, True], [True, True, False]])
    for loss in (segmentation_loss, dice_loss):

        def compute(logits, loss=loss):
            return loss(logits, labels, present, activation)

        both = jax.value_and_grad(lambda logits, compute=compute: compute(logits).mean())
        assert_close(jax.jit(compute)(logits), in_float64(compute, logits), 1e-5)
        assert_close(jax.jit(both)(logits), in_float64(both, logits), 1e-4)


@pytest.mark.parametrize(("ranking_rule", "objects"), [("single", 1), ("single", 3), ("multi", 3)])
def test_selection(ranking_rule, objects):
    generator = np.random.default_rng(0)
    # The highest of each map lies far from the highest of all others.
    peaks = generator.permutation(np.linspace(0.1, 0.9, POSITIONS)).astype(np.float32)
    maps = generator.uniform(-1, 0.09, (1, POSITIONS, 30, 54)).astype(np.float32)
    maps[0, np.arange(POSITIONS), generator.integers(30, size=POSITIONS), 7] = peaks
    owner = generator.integers(0, objects + 1, POSITIONS)
    cells = (owner == np.arange(1, objects + 1)[:, None]).astype(np.float32)[None]
    module = RankingAttention(64, 256, ranking_rule, learned_scores=False)

    def select(maps, cells):
        return module.apply({}, maps, cells)

    found = jax.jit(select)(maps, cells)
    assert_close(found, in_float64(select, maps, cells), 1e-6)
    # By hand: an object's own maps, the highest peak first.
    for index in range(objects):
        own = np.flatnonzero(owner == index + 1)
        order = own[np.argsort(-peaks[own])]
        foreground = np.asarray(found[0])[0, index]
        np.testing.assert_array_equal(
            foreground[..., : len(own)], np.moveaxis(maps[0, order], 0, -1)
        )
        assert not foreground[..., len(own) :].any()
