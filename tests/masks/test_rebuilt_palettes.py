"""Masks whose palette a program made anew: only the colours in use, in an order of its own."""

import numpy as np
import pytest
from PIL import Image

from ranet_jax.errors import InputError
from ranet_jax.media.masks import read_davis_mask, write_mask
from ranet_jax.media.palette import PALETTE
from ranet_jax.segment.user_masks import read_user_masks
from tests.masks.conftest import SIZE

BLACK, RED, BLUE, GREEN, GREY = (0, 0, 0), (255, 0, 0), (0, 0, 255), (0, 128, 0), (128, 128, 128)


def read(*paths):
    return list(read_user_masks(dict(enumerate(paths)), SIZE).values())


def save(path, indices, colours, **options):
    image = Image.fromarray(indices.astype(np.uint8), "P")
    image.putpalette(np.ravel(colours).tolist())
    image.save(path, **options)
    return path


def colour_of(one):
    return tuple(PALETTE[3 * one : 3 * one + 3])


def test_colours_of_davis_keep_their_ids_in_any_order(tmp_path, labels, capsys):
    second = labels == 2
    left = save(tmp_path / "left.png", second, [BLACK, GREEN])
    Image.open(left).convert("RGB").save(tmp_path / "rgb.png")
    for path in (left, tmp_path / "rgb.png"):
        found = read(path)[0]
        np.testing.assert_array_equal(found.labels, 2 * second)
        np.testing.assert_array_equal(read_davis_mask(path), 2 * second)
    assert "left.png has DAVIS's colours in another order" in capsys.readouterr().err
    swapped = save(tmp_path / "swapped.png", labels, [BLACK, GREEN, colour_of(1)])
    np.testing.assert_array_equal(read(swapped)[0].labels, np.array([0, 2, 1])[labels])
    seven = save(tmp_path / "seven.png", second, [BLACK, colour_of(7)])
    assert read(seven)[0].ids == {"7": 7}


def test_a_result_corrected_with_another_palette(tmp_path, labels):
    write_mask(tmp_path / "result.png", labels * 3)
    image = Image.open(tmp_path / "result.png")
    image.save(tmp_path / "fixed.gif")  # Pillow keeps the colours in use
    assert Image.open(tmp_path / "fixed.gif").getpalette() != PALETTE
    first, fixed = read(tmp_path / "result.png", tmp_path / "fixed.gif")
    np.testing.assert_array_equal(fixed.labels, first.labels)


def test_transparent_has_any_colour(tmp_path, labels):
    for place, colours in ((0, [(255, 255, 255), GREEN]), (2, [BLACK, GREEN, (255, 0, 255)])):
        indices = np.where(labels == 2, 1, place)
        path = save(tmp_path / f"{place}.png", indices, colours, transparency=place)
        np.testing.assert_array_equal(read(path)[0].labels, 2 * (labels == 2))


@pytest.mark.parametrize(
    "colours",
    [
        [(one, one, one) for one in range(256)],
        [BLACK, (64, 64, 64), GREY],
        [BLACK, GREEN, GREY, RED],
        [BLACK, GREEN, GREEN],
        [BLACK, BLACK, GREEN],
        [BLACK, RED, BLUE],
        [(192, 192, 192), GREEN, GREY],
    ],
    ids=["ids", "greys", "one's own", "twice", "black", "red and blue", "no black"],
)
def test_other_palettes_are_ids_as_they_were(tmp_path, labels, colours, capsys):
    path = save(tmp_path / "a.png", labels, colours)
    np.testing.assert_array_equal(read(path)[0].labels, labels)
    assert "another order" not in capsys.readouterr().err


def test_palettes_of_a_run_that_disagree(tmp_path, labels):
    first = save(tmp_path / "first.png", labels, [BLACK, BLUE, RED])
    second = labels == 2
    for colours, message in (
        ([BLACK, RED], r"first\.png has the id 1 in #0000ff and .*more\.png has 1 in #ff0000"),
        ([BLACK, (9, 99, 0)], r"has the id 1 in #0000ff and .*more\.png has 1 in #096300"),
        ([BLACK, (9, 9, 99)], "not known which objects are the same; save both as RGB"),
    ):
        more = save(tmp_path / "more.png", second, colours)
        with pytest.raises(InputError, match=message):
            read(first, more)
    same = save(tmp_path / "same.png", labels == 1, [BLACK, BLUE])
    further = save(tmp_path / "further.png", 3 * second, [BLACK, BLUE, RED, (9, 99, 0)])
    found = read(first, same, further)
    np.testing.assert_array_equal(found[1].labels, labels == 1)
    np.testing.assert_array_equal(found[2].labels, 3 * second)


def test_colours_that_tell_no_ids_apart_disagree_with_none(tmp_path, labels):
    first = save(tmp_path / "first.png", labels, [BLACK, BLUE, RED])
    for colours in (
        [(one, one, one) for one in range(3)],
        [BLACK, BLACK, BLACK],
        [BLACK, BLACK, BLUE],
        [BLACK, RED, RED],
    ):
        other = save(tmp_path / "other.png", labels, colours)
        np.testing.assert_array_equal(read(first, other)[1].labels, labels)


def test_a_colour_of_davis_that_is_another_id_in_the_first_mask(tmp_path, labels):
    first = save(tmp_path / "first.png", labels, [BLACK, GREEN, RED])
    more = save(tmp_path / "more.png", labels == 1, [BLACK, GREEN])
    Image.open(more).convert("RGB").save(tmp_path / "rgb.png")
    for path in (more, tmp_path / "rgb.png"):
        with pytest.raises(InputError, match=r"id 1 in #008000 and .* has 2 in #008000"):
            read(first, path)


def test_a_result_beside_a_palette_of_ones_own(tmp_path, labels):
    """Its ids are those of the first mask, whatever the colours."""
    first = save(tmp_path / "first.png", labels, [BLACK, BLUE, colour_of(1)])
    write_mask(tmp_path / "result.png", labels)
    np.testing.assert_array_equal(read(first, tmp_path / "result.png")[1].labels, labels)
    blue = save(tmp_path / "blue.png", labels, [BLACK, BLUE, RED])
    Image.open(tmp_path / "result.png").convert("RGB").save(tmp_path / "rgb.png")
    rebuilt = save(tmp_path / "rebuilt.png", labels == 2, [BLACK, GREEN])
    grey = tmp_path / "grey.png"
    Image.fromarray(labels).save(grey)
    for path in (tmp_path / "rgb.png", grey):
        np.testing.assert_array_equal(read(blue, path)[1].labels, labels)
    np.testing.assert_array_equal(read(blue, rebuilt)[1].labels, 2 * (labels == 2))
