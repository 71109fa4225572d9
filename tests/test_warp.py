"""Boxes and warps on the host: equal to the device's, and as strong as asked for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ranet_jax.data import warp
from ranet_jax.geometry import box as device
from ranet_jax.geometry import host_box as boxes
from ranet_jax.geometry.canvas import Canvas, fit_image
from tests.coloured_masks import CANVAS, three_objects

NO_WARP = {"spline": 0, "rotation": 0, "scaling": 0, "shift": 0}


@pytest.mark.parametrize("canvas", [CANVAS, (192, 320)])
def test_box_equals_the_device_box(canvas):
    generator = np.random.default_rng(0)
    find = jax.jit(device.find_box)
    for index in range(400):
        mask = np.zeros(canvas, np.uint8)
        if index % 2:
            y, x = np.sort(generator.integers(0, np.array(canvas)[:, None] + 1, (2, 2)), axis=1)
            mask[y[0] : y[1], x[0] : x[1]] = generator.integers(1, 4)
        else:
            points = generator.integers(0, canvas, (generator.integers(1, 4), 2))
            mask[tuple(points.T)] = 1
        assert boxes.find_box(mask).tolist() == find(mask != 0).tolist()
    assert boxes.find_box(np.zeros(canvas, np.uint8)).tolist() == [0, 0, *canvas]


def test_label_cut_equals_the_device_cut():
    labels = np.random.default_rng(0).integers(0, 4, CANVAS).astype(np.uint8)
    for box in ([0, 0, 480, 864], [101, 203, 177, 588], [447, 0, 480, 60]):
        expected = device.cut_labels(jnp.asarray(labels), jnp.asarray(box), labels.shape)
        np.testing.assert_array_equal(boxes.cut_labels(labels, np.array(box)), expected)


def test_jitter_keeps_boxes_near_and_inside():
    generator = np.random.default_rng(0)
    box = np.array([100, 20, 300, 380])
    drawn = np.array([boxes.jitter_box(box, CANVAS, 0.1, generator) for _ in range(300)])
    assert (drawn[:, :2] >= 0).all() and (drawn[:, 2:] <= CANVAS).all()
    sides = drawn[:, 2] - drawn[:, 0]
    assert 178 <= sides.min() < 186 and 214 < sides.max() <= 222
    middles = drawn[:, [0, 2]].mean(1) - 200
    assert -21 <= middles.min() < -17 and 17 < middles.max() <= 21
    np.testing.assert_array_equal(boxes.jitter_box(box, CANVAS, 0, generator), box)
    whole = np.array([0, 0, *CANVAS])
    np.testing.assert_array_equal(boxes.jitter_box(whole, CANVAS, 0.1, generator), whole)


def test_spline_moves_its_control_points_as_asked():
    generator = np.random.default_rng(0)
    controls = np.stack(np.meshgrid(np.linspace(0, 800, 4), np.linspace(0, 400, 4)), -1)
    controls = controls.reshape(-1, 2)
    moves = generator.uniform(-60, 60, (16, 2))
    np.testing.assert_allclose(warp.thin_plate_spline(controls, controls, moves), moves, atol=1e-6)
    shift = np.tile([[3.0, -4.0]], (16, 1))
    points = generator.uniform(-100, 900, (50, 2))
    np.testing.assert_allclose(
        warp.thin_plate_spline(points, controls, shift), shift[0] + 0 * points, atol=1e-6
    )


def test_spline_bends_as_little_as_it_can():
    """By its equations, solved here: U(r) = r^2 log r^2 around the control points, and a plane."""
    generator = np.random.default_rng(0)
    controls = generator.uniform(-400, 400, (16, 2))
    moves = generator.uniform(-60, 60, (16, 2))
    points = generator.uniform(-500, 500, (50, 2))

    def span(at):
        squares = np.square((at[:, None] - controls) / 1000).sum(-1)
        radial = np.where(squares > 0, squares * np.log(np.where(squares > 0, squares, 1)), 0)
        return np.hstack([radial, np.ones((len(at), 1)), at / 1000])

    system = np.zeros((19, 19))
    system[:16] = span(controls)
    system[16:, :16] = system[:16, 16:].T
    expected = span(points) @ np.linalg.solve(system, np.vstack([moves, np.zeros((3, 2))]))
    np.testing.assert_allclose(warp.thin_plate_spline(points, controls, moves), expected, atol=1e-6)


def displacements(region, seed, **numbers):
    """What a warp shows, minus what no warp would show, at the nodes nearest 16 control points."""
    nodes = warp.draw_warp(CANVAS, region, np.random.default_rng(seed), **NO_WARP | numbers)
    y, x, height, width = region
    ticks = np.linspace(0, 1, 4)
    rows = np.rint((y + ticks * height) / warp.SPACING).astype(int)
    columns = np.rint((x + ticks * width) / warp.SPACING).astype(int)
    plain = np.stack(np.meshgrid(columns, rows)) * warp.SPACING
    return nodes[:, rows][:, :, columns] - plain


@pytest.mark.parametrize("region", [(0, 0, 480, 864), (96, 192, 288, 480)])
def test_control_points_move_within_15_percent(region):
    # All control points but the first, half a pixel outside, lie within half a pixel of a node.
    moved = np.abs([displacements(region, seed, spline=0.15) for seed in range(60)])
    for axis, side in ((0, region[3]), (1, region[2])):
        assert 0.145 * side < moved[:, axis].max() < 0.15 * side + 2
        assert np.isclose(moved[:, axis].mean(), 0.075 * side, rtol=0.1)


def test_rotation_scaling_and_shift_are_those_asked_for():
    region = (0, 0, *CANVAS)
    drawn = {"rotation": [], "scaling": [], "shift": []}
    for seed in range(80):
        for kind, limit in (("rotation", 30), ("scaling", 0.25), ("shift", 0.1)):
            nodes = warp.draw_warp(
                CANVAS, region, np.random.default_rng(seed), **NO_WARP | {kind: limit}
            )
            along = (nodes[:, 0, -1] - nodes[:, 0, 0]) / 864
            if kind == "rotation":
                drawn[kind].append(np.rad2deg(np.arctan2(along[1], along[0])))
                assert np.hypot(*along) == pytest.approx(1, abs=1e-4)
            elif kind == "scaling":
                drawn[kind].append(1 / along[0] - 1)
                assert along[1] == pytest.approx(0, abs=1e-4)
            else:
                drawn[kind].append(nodes[0, 0, 0] / 864)
                np.testing.assert_allclose(along, [1, 0], atol=1e-4)
    for kind, limit in (("rotation", 30), ("scaling", 0.25), ("shift", 0.1)):
        assert -limit <= min(drawn[kind]) < -0.9 * limit
        assert 0.9 * limit < max(drawn[kind]) <= limit


@pytest.mark.parametrize("size", [(480, 854), (300, 400), (400, 300), (1080, 1920), (7, 999)])
def test_images_are_placed_as_the_canvas_does(size):
    fitted = Canvas(size, CANVAS).fit_labels(np.ones(size, np.uint8))
    y, x, height, width = fit_image(size, CANVAS)
    expected = np.zeros(CANVAS, np.uint8)
    expected[y : y + height, x : x + width] = 1
    np.testing.assert_array_equal(fitted, expected)


def test_pixels_outside_the_box_do_not_leak_in():
    image = np.full((*CANVAS, 3), 200, np.uint8)
    image[96:288, 160:608] = 1
    nodes = warp.draw_warp(CANVAS, (0, 0, *CANVAS), np.random.default_rng(0), **NO_WARP)
    shown = warp.sample_frame(image, nodes, np.array([96, 160, 288, 608]), CANVAS)
    assert (shown == 1).all()


def test_labels_are_never_mixed():
    labels = np.where(three_objects(CANVAS) == 1, 7, three_objects(CANVAS) * 80).astype(np.uint8)
    region = (0, 0, *CANVAS)
    nodes = warp.draw_warp(
        CANVAS, region, np.random.default_rng(0), spline=0.1, rotation=30, scaling=0.2, shift=0
    )
    shown = warp.sample_labels(labels, nodes, *map(np.arange, CANVAS))
    assert set(np.unique(shown)) == {0, 7, 160, 240}
