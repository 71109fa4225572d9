"""Masks in every form that paint programs write."""

import numpy as np
import pytest
from PIL import Image

from ranet_jax.errors import InputError
from ranet_jax.media.masks import write_mask
from ranet_jax.media.palette import PALETTE
from ranet_jax.segment.user_masks import read_user_masks
from tests.masks.conftest import SIZE


def read(path, **options):
    return read_user_masks({0: path}, SIZE, **options)[0]


def paint(labels, colours):
    """An image with a colour for each label."""
    return np.array(colours, np.uint8)[labels]


def save(tmp_path, pixels, name="mask.png", mode=None):
    image = Image.fromarray(pixels)
    image = image.convert(mode) if mode else image
    image.save(tmp_path / name)
    return tmp_path / name


def test_a_colour_that_a_jpeg_has_changed(tmp_path, labels, capsys):
    """A later PNG in the colour that was painted shows the same object, and that is said."""
    painted = paint(np.minimum(labels, 1), [(0, 0, 0), (0, 200, 255)])
    path = tmp_path / "first.jpg"
    Image.fromarray(painted).save(path, quality=80)
    (one,) = read_user_masks({0: path}, SIZE)[0].ids
    assert one != "#00c8ff", "the JPEG kept it"
    later = save(tmp_path, painted, "later.png")
    masks = read_user_masks({0: path, 3: later}, SIZE)
    assert masks[3].ids == {"#00c8ff": 1}
    assert f"{later}: #00c8ff was taken for {one} of a file that does not" in capsys.readouterr()[1]
    two = save(
        tmp_path, paint(np.minimum(labels, 2), [(0, 0, 0), (0, 190, 240), (0, 200, 255)]), "two.png"
    )
    masks = read_user_masks({0: path, 3: two}, SIZE)
    assert masks[3].ids == {"#00c8ff": 1, "#00bef0": 2}, "the closest is the same"
    masks = read_user_masks({0: path, 2: later, 3: two}, SIZE)
    assert masks[3].ids == {"#00c8ff": 1, "#00bef0": 2}


def test_a_colour_beside_that_which_a_jpeg_has_kept(tmp_path, labels):
    black_and_white = paint(np.minimum(labels, 1), [(0, 0, 0), (255, 255, 255)])
    path = tmp_path / "first.jpg"
    Image.fromarray(black_and_white).save(path, quality=95)
    two = paint(np.minimum(labels, 2), [(0, 0, 0), (255, 255, 255), (255, 255, 220)])
    masks = read_user_masks({0: path, 3: save(tmp_path, two, "two.png")}, SIZE)
    assert masks[3].ids == {"#ffffff": 1, "#ffffdc": 2}


def test_palette_and_grey_values_are_ids(tmp_path, labels):
    chosen = np.array([0, 7, 200], np.uint8)[labels]
    write_mask(tmp_path / "palette.png", chosen)
    for path in (tmp_path / "palette.png", save(tmp_path, chosen, "grey.png")):
        found = read(path)
        assert found.labels.dtype == np.uint8
        np.testing.assert_array_equal(found.labels, chosen)
        assert found.ids == {"7": 7, "200": 200}
    np.testing.assert_array_equal(read(save(tmp_path, chosen.astype(np.uint16))).labels, chosen)


def test_255_beside_others_is_void_and_that_is_said(tmp_path, labels, capsys):
    chosen = np.array([0, 3, 255], np.uint8)[labels]
    write_mask(tmp_path / "palette.png", chosen)
    for path in (save(tmp_path, chosen), tmp_path / "palette.png"):
        found = read(path)
        np.testing.assert_array_equal(found.labels, np.where(chosen == 3, 3, 0))
        assert found.ids == {"3": 3}
        (line,) = capsys.readouterr().err.splitlines()
        assert f"{path} has 375 pixels of 255 beside other ids" in line


@pytest.mark.parametrize("transparent", [False, True])
def test_a_palette_that_begins_with_an_object(tmp_path, labels, transparent, capsys):
    image = Image.fromarray((labels + 2) % 3, "P")  # 1 is index 0, 2 is index 1, background is 2
    other = (9, 9, 9) if transparent else (0, 0, 0)
    image.putpalette([255, 0, 0, 0, 255, 0, *other])
    image.save(tmp_path / "a.png", **({"transparency": 2} if transparent else {}))
    found = read(tmp_path / "a.png")
    np.testing.assert_array_equal(found.labels, np.array([0, 2, 1])[labels])
    assert found.ids == {"#00ff00": 1, "#ff0000": 2}
    assert "a.png has a palette whose index 0 (#ff0000) is not the bac" in capsys.readouterr().err


def test_a_palette_without_black(tmp_path, labels, capsys):
    image = Image.fromarray(labels, "P")
    image.putpalette([255, 255, 255, 255, 0, 0, 0, 255, 0])
    image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read(tmp_path / "a.png").labels, labels)
    assert "a.png has no black in its palette; its index 0 (#ffffff)" in capsys.readouterr().err
    image = Image.fromarray((labels + 1) % 3, "P")  # the background is index 1 now
    image.putpalette([0, 255, 0, 255, 255, 255, 255, 0, 0])
    image.save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.png has a palette .*may be an object or the backgr"):
        read(tmp_path / "a.png")


def test_a_background_that_is_not_0(tmp_path, labels, capsys):
    with pytest.raises(InputError, match=r"grey values 1, 2, 3 and no 0, so that its background"):
        read(save(tmp_path, labels + np.uint8(1)))
    black_on_white = np.where(labels == 1, 0, 255).astype(np.uint8)
    for pixels in (black_on_white, np.repeat(black_on_white[..., None], 3, axis=-1)):
        read(save(tmp_path, pixels, f"{pixels.ndim}.png"))
        line = f"one object of {tmp_path / f'{pixels.ndim}.png'} covers all of its border"
        assert line in capsys.readouterr().err
    read(save(tmp_path, np.full_like(labels, 255), "white.png"))
    assert "covers all of the frame" in capsys.readouterr().err
    read(save(tmp_path, labels))
    said = capsys.readouterr().err
    assert "border" not in said and "all of" not in said
    # 255 beside ids is no object: that nothing is 0 does not matter then.
    found = read(save(tmp_path, np.where(labels, labels, 255).astype(np.uint8), "void.png"))
    np.testing.assert_array_equal(found.labels, labels)
    said = capsys.readouterr().err
    assert "do not care" in said and "border" not in said


def test_a_lossy_webp_is_not_taken_for_what_it_was(tmp_path, labels):
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    ellipse = ((y - 20) / 15) ** 2 + ((x - 30) / 22) ** 2 < 1
    white = np.where(ellipse[..., None], 255, 0).astype(np.uint8).repeat(3, axis=-1)
    for quality in (50, 75, 90, 95):
        path = tmp_path / f"{quality}.webp"
        Image.fromarray(white).save(path, quality=quality)
        assert set(np.unique(read(path).labels)) == {0, 1}
        assert ((read(path).labels > 0) == ellipse).mean() > 0.98
    ids = np.repeat(labels[..., None], 3, axis=-1)
    Image.fromarray(ids).save(tmp_path / "ids.webp", quality=90)
    with pytest.raises(InputError, match=r"ids\.webp has .*too soft or too much alike"):
        read(tmp_path / "ids.webp")
    Image.fromarray(ids).save(tmp_path / "exact.webp", lossless=True)
    np.testing.assert_array_equal(read(tmp_path / "exact.webp").labels, labels)


def test_a_file_of_several_pictures(tmp_path, labels):
    pages = [Image.fromarray((labels == one).astype(np.uint8)) for one in (1, 2)]
    for name in ("a.tif", "a.gif"):
        pages[0].save(tmp_path / name, save_all=True, append_images=pages[1:])
        with pytest.raises(InputError, match=r"has 2 pictures, and a mask is one"):
            read(tmp_path / name)


def test_many_tiny_objects_of_our_own_are_kept(tmp_path):
    """Down to two pixels square: in DAVIS's colours they are surely ids."""
    for side in (2, 3):
        mask = np.zeros((120, 160), np.uint8)
        for one in range(30):
            size = 12 if one < 10 else side
            y, x = 20 * (one // 6), 25 * (one % 6)
            mask[y : y + size, x : x + size] = one + 1
        write_mask(tmp_path / f"{side}.png", mask)
        found = read_user_masks({0: tmp_path / f"{side}.png"}, mask.shape)[0]
        np.testing.assert_array_equal(found.labels, mask)


def test_a_palette_for_ids_whose_background_is_red(tmp_path, labels, capsys):
    labels = labels.copy()
    labels[0], labels[-1] = 1, 2  # objects touch the border
    image = Image.fromarray(labels, "P")
    colours = [255, 0, 0, 0, 0, 139, 255, 255, 84]
    image.putpalette(colours)
    image.save(tmp_path / "made.png")  # of the image's colours, so that nothing says what 0 is
    with pytest.raises(
        InputError, match=r"made\.png has a palette .*may be an object or the backg"
    ):
        read(tmp_path / "made.png")
    image.putpalette([*colours, 0, 255, 0])
    image.save(tmp_path / "ids.png")
    np.testing.assert_array_equal(read(tmp_path / "ids.png").labels, labels)
    assert "ids.png has no black in its palette, which has colours for" in capsys.readouterr().err
    image.paste(1, (0, 0, image.width, 2))
    image.paste(1, (0, 0, 2, image.height))
    image.paste(1, (0, image.height - 2, image.width, image.height))
    image.save(tmp_path / "around.png")  # 1 is all around, as a background is
    with pytest.raises(InputError, match=r"around\.png has a palette .*may be an object or the ba"):
        read(tmp_path / "around.png")


def test_colours_without_a_background(tmp_path, labels):
    with pytest.raises(InputError, match="nothing black or transparent"):
        read(save(tmp_path, paint(labels, [(255, 255, 255), (255, 0, 0), (0, 0, 255)])))


def test_colours_of_davis_keep_their_ids(tmp_path, labels):
    write_mask(tmp_path / "a.png", np.array([0, 1, 8], np.uint8)[labels])
    void = np.array(Image.open(tmp_path / "a.png").convert("RGB"))
    void[0, 0] = PALETTE[-3:]  # 255
    found = read(save(tmp_path, void))
    np.testing.assert_array_equal(found.labels, np.array([0, 1, 8], np.uint8)[labels])
    assert found.ids == {"#800000": 1, "#400000": 8}


def test_black_on_nothing_is_an_object(tmp_path, labels):
    pixels = np.zeros((*SIZE, 4), np.uint8)
    pixels[labels > 0, 3] = 255
    np.testing.assert_array_equal(read(save(tmp_path, pixels)).labels, labels > 0)


def test_a_jpeg_of_a_colour_is_the_same_object(tmp_path, labels):
    big = np.kron(labels, np.ones((4, 4), np.uint8))
    colours = paint(big, [(0, 0, 0), (255, 0, 0), (60, 80, 255)])
    first = save(tmp_path, colours)
    Image.fromarray(colours).save(tmp_path / "later.jpg", quality=90)
    found = read_user_masks({0: first, 9: tmp_path / "later.jpg"}, big.shape)
    for one in (1, 2):
        a, b = (found[index].labels == one for index in (0, 9))
        assert (a & b).sum() / (a | b).sum() > 0.98


def test_sixteen_bits(tmp_path, labels, capsys):
    for dtype, factor in ((np.uint16, 257), (np.uint16, 1), (np.float32, 1)):
        pixels = (np.array([0, 1, 7])[labels] * factor).astype(dtype)
        found = read(save(tmp_path, pixels, f"{factor}.tif"))
        np.testing.assert_array_equal(found.labels, np.array([0, 1, 7])[labels])
    assert "16 bits; its values were taken for 1, 7 of 8 bits" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("dtype", "brightest", "mode"),
    [(np.uint8, 255, None), (np.uint16, 65535, None), (np.uint8, 255, "1"), (np.uint8, 255, "LA")],
)
def test_black_and_white_is_one_object(tmp_path, labels, dtype, brightest, mode):
    white = np.where(labels > 0, brightest, 0).astype(dtype)
    found = read(save(tmp_path, white, mode=mode))
    np.testing.assert_array_equal(found.labels, labels > 0)
    assert list(found.ids.values()) == [1]


def test_colours_are_objects_in_a_fixed_order(tmp_path, labels):
    red_first = read(save(tmp_path, paint(labels, [(0, 0, 0), (255, 0, 0), (0, 9, 250)])))
    assert red_first.ids == {"#0009fa": 1, "#ff0000": 2}
    np.testing.assert_array_equal(red_first.labels, np.array([0, 2, 1], np.uint8)[labels])


def test_a_colour_is_the_same_object_in_all_masks(tmp_path, labels):
    first = save(tmp_path, paint(labels, [(0, 0, 0), (0, 0, 9), (200, 0, 0)]), "first.png")
    later = save(tmp_path, paint(labels, [(0, 0, 0), (200, 0, 0), (100, 0, 0)]), "later.png")
    found = read_user_masks({30: later, 0: first}, SIZE)
    assert list(found) == [0, 30]
    assert found[0].ids == {"#000009": 1, "#c80000": 2}
    assert found[30].ids == {"#640000": 3, "#c80000": 2}
    np.testing.assert_array_equal(found[30].labels, np.array([0, 2, 3], np.uint8)[labels])


def test_white_is_a_colour_beside_colours(tmp_path, labels, capsys):
    first = save(tmp_path, np.where(labels == 1, 255, 0).astype(np.uint8), "first.png")
    later = save(tmp_path, paint(labels, [(0, 0, 0), (255, 255, 255), (255, 0, 0)]), "later.png")
    found = read_user_masks({0: first, 9: later}, SIZE)
    assert found[0].ids == {"#ffffff": 1}
    assert found[9].ids == {"#ffffff": 1, "#ff0000": 2}
    np.testing.assert_array_equal(found[0].labels, labels == 1)
    np.testing.assert_array_equal(found[9].labels, labels)
    said = capsys.readouterr().err
    assert "first.png is black and white" in said and "later.png has colours" in said


def test_ids_beside_colours_are_refused_unless_they_are_davis_colours(tmp_path, labels):
    first, later = tmp_path / "first.png", tmp_path / "later.png"
    write_mask(first, labels)
    save(tmp_path, paint(labels, [(0, 0, 0), (9, 0, 0), (255, 0, 0)]), later.name)
    with pytest.raises(InputError, match=r"later\.png has colours and .*first\.png has none.*one"):
        read_user_masks({0: first, 9: later}, SIZE)
    Image.open(first).convert("RGB").save(later)
    found = read_user_masks({0: first, 9: later}, SIZE)
    np.testing.assert_array_equal(found[9].labels, labels)


def test_a_result_is_no_correction_beside_colours_of_ones_own(tmp_path, labels):
    """Its colours are DAVIS's, so that its objects would be new ones."""
    first = save(tmp_path, paint(labels, [(0, 0, 0), (255, 0, 0), (0, 0, 255)]), "first.png")
    write_mask(tmp_path / "result.png", labels)
    Image.open(tmp_path / "result.png").convert("RGB").save(tmp_path / "fixed.png")
    with pytest.raises(InputError, match=r"fixed\.png has DAVIS's colours.*first\.png has others"):
        read_user_masks({0: first, 9: tmp_path / "fixed.png"}, SIZE)
    mixed = save(tmp_path, paint(labels, [(0, 0, 0), (255, 0, 0), (128, 0, 0)]), "mixed.png")
    assert read_user_masks({0: first, 9: mixed}, SIZE)[9].ids == {"#ff0000": 2, "#800000": 3}


def test_white_is_object_1_beside_ids_however_it_is_saved(tmp_path, labels, capsys):
    one = labels == 1
    rgb = save(tmp_path, paint(one.astype(int), [(0, 0, 0), (255, 255, 255)]), "rgb.png")
    grey = save(tmp_path, np.where(one, 255, 0).astype(np.uint8), "grey.png")
    ids, davis = tmp_path / "ids.png", tmp_path / "davis.png"
    write_mask(ids, labels)
    Image.open(ids).convert("RGB").save(davis)
    for first in (ids, grey, davis):
        found = read_user_masks({0: first, 9: grey if first == davis else rgb}, SIZE)
        np.testing.assert_array_equal(found[0].labels, one if first == grey else labels)
        np.testing.assert_array_equal(found[9].labels, one)
    assert capsys.readouterr().err == ""


def test_what_may_be_white_or_not_is_refused_beside_colours(tmp_path, labels):
    coloured = save(tmp_path, paint(labels, [(0, 0, 0), (9, 0, 0), (255, 0, 0)]), "colours.png")
    hidden = np.zeros((*SIZE, 4), np.uint8)
    hidden[labels > 0, 3] = 255
    other = save(tmp_path, hidden, "hidden.png")
    with pytest.raises(InputError, match=r"colours\.png has colours and .*hidden\.png has none"):
        read_user_masks({0: coloured, 9: other}, SIZE)
    empty = save(tmp_path, np.zeros(SIZE, np.uint8), "empty.png")
    with pytest.raises(InputError, match=r"empty\.png has no object"):
        read_user_masks({0: coloured, 9: empty}, SIZE)


def test_transparent_is_background(tmp_path, labels):
    colour = paint(labels, [(255, 255, 255, 0), (255, 0, 0, 1), (0, 255, 0, 255)])
    found = read(save(tmp_path, colour))
    assert found.ids == {"#00ff00": 1, "#ff0000": 2}
    np.testing.assert_array_equal(found.labels, np.array([0, 2, 1], np.uint8)[labels])
    grey = paint(labels, [(99, 0), (5, 255), (6, 255)])
    np.testing.assert_array_equal(
        read(save(tmp_path, grey)).labels, np.array([0, 5, 6], np.uint8)[labels]
    )
    palette = Image.fromarray(labels + 1).convert("P")
    palette.putdata((labels + 1).ravel().tolist())
    palette.save(tmp_path / "palette.png", transparency=1)
    found = read(tmp_path / "palette.png")
    np.testing.assert_array_equal(found.labels, np.array([0, 2, 3], np.uint8)[labels])


def test_size(tmp_path, labels):
    path = save(tmp_path, np.repeat(np.repeat(labels, 2, 0), 3, 1))
    with pytest.raises(InputError, match=r"mask\.png is 180 x 80 .* 60 x 40.*--resize-mask"):
        read(path)
    np.testing.assert_array_equal(read(path, resize=True).labels, labels)


def test_an_object_that_vanishes_when_its_mask_is_resized(tmp_path, labels):
    large = np.kron(labels, np.ones((10, 10), np.uint8))
    large[3:6, 2:5] = 7
    path = save(tmp_path, large)
    message = r"mask\.png is 600 x 400 and loses its object 7, .*too small, .* 60 x 40; draw it"
    with pytest.raises(InputError, match=message):
        read(path, resize=True)
    path = save(tmp_path, paint((large > 0).astype(int) + (large == 7), [0, 9, 255] * np.eye(3)))
    with pytest.raises(InputError, match=r"loses its object #0000ff, which"):
        read(path, resize=True)
    full = np.where(np.kron(labels, np.ones((10, 10))) == 1, 1, 2).astype(np.uint8)
    full[0, 0] = 0  # that no background is left is no loss
    assert set(np.unique(read(save(tmp_path, full), resize=True).labels)) == {1, 2}


def test_a_mask_of_another_shape_than_the_frames(tmp_path, labels, capsys):
    for factors in ((2, 2), (1, 1)):
        large = np.kron(labels, np.ones(factors, np.uint8))[:-1]  # a row less is rounding
        read(save(tmp_path, large), resize=True)
    assert capsys.readouterr().err == ""
    square = save(tmp_path, np.kron(labels, np.ones((3, 2), np.uint8)), "square.png")
    read(square, resize=True)
    line = "square.png is 120 x 120, another shape than the frames' 60 x 40, and was stretched"
    assert line in capsys.readouterr().err
    stands = save(tmp_path, np.kron(labels.T, np.ones((9, 9), np.uint8)), "stands.png")
    with pytest.raises(
        InputError, match=r"stands\.png is 360 x 540 but the frames are 60 x 40: on"
    ):
        read(stands, resize=True)
    assert capsys.readouterr().err == ""


def test_smoothed_edges_are_refused_with_their_number(tmp_path):
    smooth = np.zeros((*SIZE, 3), np.uint8)
    smooth[10:20] = np.arange(60)[:, None] * [4, 2, 1]
    with pytest.raises(InputError, match=r"mask\.png has 59 colours.*without anti-aliasing"):
        read(save(tmp_path, smooth))
    with pytest.raises(InputError, match=r"mask\.png has 59 grey values.*without anti-aliasing"):
        read(save(tmp_path, smooth[..., 2]))


def test_many_objects(tmp_path):
    """More than 16, with insides, which no soft edge has."""
    pixels = np.zeros(SIZE, np.uint8)
    pixels[:36, :56] = np.kron(np.arange(48).reshape(6, 8), np.ones((6, 7)))
    assert len(read(save(tmp_path, pixels)).ids) == 47
    colours = (
        np.stack([5 * pixels, 255 - 5 * pixels, 40 + pixels], axis=-1) * (pixels > 0)[..., None]
    )
    assert len(read(save(tmp_path, colours.astype(np.uint8))).ids) == 47


@pytest.mark.parametrize("shape", [SIZE, (*SIZE, 3)])
def test_no_object(tmp_path, shape):
    with pytest.raises(InputError, match=r"mask\.png has no object"):
        read(save(tmp_path, np.zeros(shape, np.uint8)))


def test_what_is_no_mask(tmp_path, labels):
    (tmp_path / "mask.txt").write_text("no image")
    with pytest.raises(InputError, match=r"mask\.txt cannot be read as an image"):
        read(tmp_path / "mask.txt")
    with pytest.raises(InputError, match="has the value 300; ids of objects are 1 to 255"):
        read(save(tmp_path, labels.astype(np.uint16) * 150))
