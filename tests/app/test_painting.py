"""What was painted becomes a mask."""

import numpy as np
import pytest

from ranet_jax.app.painting import BRUSHES, fit_picture, read_painting
from ranet_jax.errors import InputError
from tests.app.clips import SIZE, strokes


def test_each_brush_paints_its_object():
    rectangles = [(k, slice(0, 9), slice(10 * k, 10 * k + 9)) for k in range(1, 7)]
    mask = read_painting(strokes(*rectangles), SIZE)
    for k, rows, columns in rectangles:
        assert (mask[rows, columns] == k).all()
    assert np.count_nonzero(mask) == 6 * 9 * 9


def test_an_edge_belongs_to_the_object_where_it_covers_over_half():
    painting = strokes((2, slice(10, 20), slice(10, 20)))
    painting[10:20, 20] = [*BRUSHES[1], 128]
    painting[10:20, 21] = [*BRUSHES[1], 127]
    mask = read_painting(painting, SIZE)
    assert (mask[10:20, 20] == 2).all()
    assert not mask[10:20, 21:].any()


def test_where_two_brushes_blend_there_is_no_third_object():
    painting = strokes((1, slice(10, 20), slice(10, 20)), (2, slice(10, 20), slice(22, 30)))
    # Half red and half green is nearer to yellow, the third brush, than to either.
    painting[10:20, 20:22] = [128, 128, 0, 255]
    mask = read_painting(painting, SIZE)
    assert set(np.unique(mask)) == {0, 1, 2}
    assert (mask[10:20, 20] == 1).all() and (mask[10:20, 21] == 2).all()


@pytest.mark.parametrize("size", [(2160, 3840), (1920, 1080), (64, 64), (333, 217)])
def test_a_painted_picture_fits_its_frame(size):
    frame = np.zeros((*size, 3), np.uint8)
    h, w = fit_picture(frame).shape[:2]
    assert h <= 600 and w <= 960
    assert h == 600 or w == 960
    assert abs(h / w - size[0] / size[1]) < 0.01
    mask = read_painting(strokes((3, slice(h // 2, h), slice(0, w // 4)), size=(h, w)), size)
    expected = np.zeros(size, bool)
    expected[size[0] // 2 :, : size[1] // 4] = True
    assert mask.shape == size
    assert set(np.unique(mask)) == {0, 3}
    assert np.mean((mask == 3) != expected) < 0.02


@pytest.mark.parametrize("painting", [None, strokes()])
def test_an_empty_painting_is_refused(painting):
    with pytest.raises(InputError, match="nothing is painted"):
        read_painting(painting, SIZE)
