"""Fitting frames of any size onto the canvas."""

import numpy as np
import pytest

from ranet_jax.geometry import canvas as canvas_module
from ranet_jax.geometry.canvas import Canvas

SIZES = [(480, 854), (480, 864), (1080, 1920), (64, 64), (97, 1501), (2160, 4096), (855, 479)]


def test_davis_frames_are_centred_and_not_resized():
    frame = np.random.default_rng(0).integers(0, 256, (480, 854, 3), np.uint8)
    fitted = Canvas((480, 854), (480, 864)).fit_frame(frame)
    np.testing.assert_array_equal(fitted[:, 5:859], frame)
    assert not fitted[:, :5].any() and not fitted[:, 859:].any()


@pytest.mark.parametrize("size", SIZES)
def test_labels_come_back_in_their_size_and_place(size):
    canvas = Canvas(size, (480, 864))
    labels = np.zeros(size, np.uint8)
    labels[size[0] // 4 : size[0] // 2, size[1] // 3 :] = 3
    fitted = canvas.fit_labels(labels)
    assert fitted.shape == (480, 864)
    restored = canvas.restore_labels(fitted)
    assert restored.shape == size
    # At most a coarse pixel on either side of an edge.
    assert np.mean(restored != labels) < 0.03


@pytest.mark.parametrize("size", SIZES)
def test_frame_and_labels_agree(size):
    frame = np.zeros((*size, 3), np.uint8)
    frame[size[0] // 4 : size[0] // 2, size[1] // 3 :] = 255
    canvas = Canvas(size, (480, 864))
    fitted = canvas.fit_frame(frame)
    assert fitted.shape == (480, 864, 3)
    agrees = (fitted[..., 0] > 127) == (canvas.fit_labels(frame[..., 0]) > 0)
    assert agrees.mean() > 0.98


@pytest.mark.parametrize("size", SIZES)
def test_aspect_is_kept_sides_even_and_one_side_touches(size):
    fitted = Canvas(size, (480, 864)).fit_labels(np.ones(size, np.uint8))
    height, width = fitted.any(axis=1).sum(), fitted.any(axis=0).sum()
    assert height % 2 == width % 2 == 0
    assert height >= 478 or width >= 862
    assert abs(height * size[1] / (width * size[0]) - 1) < 0.04


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("objects", [1, 5])
def test_probabilities_come_back_in_their_size_and_place(size, objects):
    """As the labels do that they decide, each object's in its place of the last axis."""
    canvas = Canvas(size, (480, 864))
    y, x = np.mgrid[:480, :864]
    waves = [np.sin(y / (120 + 9 * k)) * np.cos(x / (150 + 9 * k)) for k in range(objects)]
    probability = 0.5 + 0.5 * np.stack(waves, axis=-1)
    restored = canvas.restore_probability(probability)
    assert restored.shape == (*size, objects)
    assert restored.dtype == np.float32
    for k in range(objects):
        labels = canvas.restore_labels((probability[..., k] > 0.5).astype(np.uint8))
        assert np.mean((restored[..., k] > 0.5) != labels) < 0.03


def test_probability_of_the_canvas_size_is_unchanged():
    probability = np.random.default_rng(0).random((480, 864, 2), np.float32)
    restored = Canvas((480, 864), (480, 864)).restore_probability(probability)
    np.testing.assert_array_equal(restored, probability)


@pytest.mark.parametrize("size", [(480, 854), (1080, 1080)])
def test_the_border_takes_no_part_in_a_probability(size):
    """What the network says of the black border never bleeds into the frame."""
    canvas = Canvas(size, (480, 864))
    inside = canvas.fit_labels(np.ones(size, np.uint8))[..., None]
    assert not inside.all()
    assert not canvas.restore_probability(1.0 - inside).any()


def test_no_object_is_lost_where_there_is_room():
    """A 4K frame on the canvas keeps a pixel in twenty, and objects of one pixel all the same."""
    labels = np.zeros((2160, 3840), np.uint8)
    labels[500:900, 700:1500] = 1
    tiny = {2: (11, 13), 3: (12, 13), 4: (700, 1001), 5: (2159, 3839), 6: (1300, 3)}
    for one, place in tiny.items():
        labels[place] = one
    canvas = Canvas(labels.shape, (480, 864))
    fitted = canvas.fit_labels(labels)
    top = (480 - canvas.fit_labels(np.ones_like(labels)).any(1).sum()) // 2
    assert (fitted == 1).sum() > 15000
    for one, (y, x) in tiny.items():
        if one == 3:
            continue  # in the very pixel of object 2
        (row,), (column,) = (fitted == one).nonzero()
        assert abs(row - top - y * 480 / 2160) <= 1 and abs(column - x * 864 / 3840) < 7
    assert sorted(set(np.unique(fitted))) == [0, 1, 2, 4, 5, 6]


@pytest.mark.parametrize("size", SIZES)
def test_a_mask_that_keeps_all_objects_is_fitted_as_before(size, monkeypatch):
    labels = np.zeros(size, np.uint8)
    labels[size[0] // 4 : size[0] // 2, size[1] // 3 :] = 3
    labels[size[0] // 2 :, : size[1] // 2] = 7
    found = Canvas(size, (480, 864)).fit_labels(labels)

    def refuse(*_):
        raise AssertionError("nothing is lost")

    monkeypatch.setattr(canvas_module, "_keep_object", refuse)
    np.testing.assert_array_equal(Canvas(size, (480, 864)).fit_labels(labels), found)
    assert set(np.unique(found)) == {0, 3, 7}
