"""The object box and the two resizes around the network, where no golden number is needed."""

import jax.numpy as jnp
import numpy as np
import pytest

from ranet_jax.geometry.box import cut_frame, cut_labels, find_box, paste_probability


def mask_of(y0, y1, x0, x1, shape=(480, 864)):
    mask = np.zeros(shape, bool)
    mask[y0 : y1 + 1, x0 : x1 + 1] = True
    return mask


def test_box_has_the_shape_of_the_canvas():
    # Extent 80 x 100: half = max(60, 41.7) = 60 rows, and 60 / (480 / 864) is 107.99999 columns in
    # the float32 that the released code truncates.
    assert find_box(mask_of(200, 280, 400, 500)).tolist() == [180, 343, 300, 557]


def test_box_is_clamped_to_the_canvas():
    assert find_box(mask_of(0, 100, 0, 100)).tolist() == [0, 0, 125, 185]


@pytest.mark.parametrize("mask", [np.zeros((480, 864), bool), mask_of(9, 10, 9, 10)])
def test_unusable_boxes_are_the_whole_canvas(mask):
    assert find_box(mask).tolist() == [0, 0, 480, 864]


def test_smallest_box_scales_with_the_canvas():
    mask = mask_of(50, 60, 100, 110, (192, 320))
    assert find_box(mask).tolist() != [0, 0, 192, 320]


def test_pixels_outside_the_box_do_not_leak_in():
    frame = np.full((64, 96, 1), 100.0, np.float32)
    frame[16:48, 24:72] = 1
    cut = cut_frame(jnp.asarray(frame), jnp.array([16, 24, 48, 72]), (64, 96))
    assert np.asarray(cut).max() == 1


def test_whole_canvas_is_cut_and_pasted_unchanged():
    frame = np.random.default_rng(0).random((32, 64, 2), np.float32)
    box = jnp.array([0, 0, 32, 64])
    np.testing.assert_allclose(cut_frame(jnp.asarray(frame), box, (32, 64)), frame, atol=1e-6)
    np.testing.assert_allclose(
        paste_probability(jnp.asarray(frame), box, (32, 64)), frame, atol=1e-6
    )


def test_labels_are_never_mixed():
    labels = np.random.default_rng(0).integers(0, 9, (64, 96)).astype(np.uint8)
    cut = np.asarray(cut_labels(jnp.asarray(labels), jnp.array([10, 5, 43, 70]), labels.shape))
    rows, columns = np.arange(64) * 33 // 64 + 10, np.arange(96) * 65 // 96 + 5
    np.testing.assert_array_equal(cut, labels[rows][:, columns])


def test_prediction_outside_its_box_is_zero():
    pasted = paste_probability(jnp.ones((64, 96, 1)), jnp.array([10, 20, 42, 68]), (64, 96))
    expected = np.zeros((64, 96, 1))
    expected[10:42, 20:68] = 1
    np.testing.assert_array_equal(pasted, expected)
