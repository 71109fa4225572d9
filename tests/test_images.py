"""Frames and masks on disk, and every kind of file that is none."""

import errno
import subprocess
import sys

import cv2
import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from ranet_jax.errors import InputError
from ranet_jax.media.images import read_frame
from ranet_jax.media.masks import read_davis_mask, write_mask
from ranet_jax.media.palette import PALETTE
from ranet_jax.segment.user_masks import read_mask

LABELS = np.array([[0, 1, 2], [3, 200, 254]], np.uint8)


def save(path, array, mode=None):
    Image.fromarray(array).convert(mode).save(path)
    return path


def test_masks_survive_a_round_trip_with_the_colours_of_davis(tmp_path):
    write_mask(tmp_path / "a.png", LABELS)
    np.testing.assert_array_equal(read_davis_mask(tmp_path / "a.png"), LABELS)
    image = Image.open(tmp_path / "a.png")
    assert image.mode == "P"
    assert image.getpalette()[:12] == [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0]
    assert len(PALETTE) == 768


def test_frames_are_rgb(tmp_path):
    frame = np.zeros((4, 5, 3), np.uint8)
    frame[..., 0] = 255
    np.testing.assert_array_equal(read_frame(save(tmp_path / "a.png", frame)), frame)
    grey = read_frame(save(tmp_path / "b.png", frame[..., 0], "L"))
    assert grey.shape == (4, 5, 3)


def test_any_pixel_that_is_not_zero_is_the_object_of_2016(tmp_path):
    grey = save(tmp_path / "grey.png", np.array([[0, 255], [255, 0]], np.uint8), "L")
    np.testing.assert_array_equal(read_davis_mask(grey, binary=True), [[0, 1], [1, 0]])
    write_mask(tmp_path / "ids.png", LABELS)
    np.testing.assert_array_equal(read_davis_mask(tmp_path / "ids.png", binary=True), LABELS > 0)


def test_void_is_background(tmp_path):
    write_mask(tmp_path / "a.png", np.array([[1, 255]], np.uint8))
    np.testing.assert_array_equal(read_davis_mask(tmp_path / "a.png"), [[1, 0]])


def test_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.jpg does not exist"):
        read_frame(tmp_path / "nothing.jpg")


@pytest.mark.parametrize("size", [20, 2000])
def test_truncated_jpeg_is_named(tmp_path, size):
    path = tmp_path / "broken.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    save(path, noise)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(InputError, match=r"broken\.jpg cannot be read"):
        read_frame(path)


def test_file_that_is_no_image(tmp_path):
    (tmp_path / "a.png").write_text("hello")
    with pytest.raises(InputError, match="cannot be read as an image"):
        read_davis_mask(tmp_path / "a.png")


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colours_of_davis_are_its_ids(tmp_path, mode):
    labels = np.array([[0, 1, 2], [9, 200, 255]], np.uint8)
    write_mask(tmp_path / "ids.png", labels)
    converted = tmp_path / "converted.png"
    Image.open(tmp_path / "ids.png").convert(mode).save(converted)
    np.testing.assert_array_equal(read_davis_mask(converted), np.where(labels == 255, 0, labels))
    np.testing.assert_array_equal(read_davis_mask(converted, binary=True), labels > 0)


def test_other_colours_are_no_ids(tmp_path):
    pixels = np.array([[(0, 0, 0), (255, 0, 0), (0, 0, 255)]], np.uint8)
    path = save(tmp_path / "a.png", pixels)
    with pytest.raises(InputError, match=r"a\.png has colours .*not those of DAVIS.*palette"):
        read_davis_mask(path)
    np.testing.assert_array_equal(read_davis_mask(path, binary=True), [[0, 1, 1]])


def test_one_bit_is_no_id(tmp_path):
    path = save(tmp_path / "a.png", np.array([[0, 255]], np.uint8), "1")
    with pytest.raises(InputError, match="grey 0/255 mask"):
        read_davis_mask(path)
    np.testing.assert_array_equal(read_davis_mask(path, binary=True), [[0, 1]])


def test_a_palette_that_begins_with_an_object_is_refused_or_read_by_its_colours(tmp_path):
    image = Image.fromarray(np.array([[0, 1, 1, 1]], np.uint8), "P")
    image.putpalette([128, 0, 0, 0, 0, 0])  # index 0 is DAVIS's object 1, index 1 its background
    image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_davis_mask(tmp_path / "a.png"), [[1, 0, 0, 0]])
    np.testing.assert_array_equal(read_davis_mask(tmp_path / "a.png", binary=True), [[1, 0, 0, 0]])


def test_grey_masks_of_2016_are_no_ids(tmp_path):
    grey = save(tmp_path / "grey.png", np.array([[0, 255]], np.uint8), "L")
    with pytest.raises(InputError, match=r"grey\.png is a grey 0/255 mask.*davis16"):
        read_davis_mask(grey)


def test_mask_of_another_size_than_its_frame(tmp_path):
    write_mask(tmp_path / "a.png", LABELS)
    with pytest.raises(InputError, match=r"a\.png is 3 x 2 but its frame is 5 x 4"):
        read_davis_mask(tmp_path / "a.png", (4, 5))


GREY = np.arange(256, dtype=np.uint8).reshape(16, 16)


def tiff(path, array, **tags):
    """A TIFF with tags; numbers are those of the format."""
    info = TiffImagePlugin.ImageFileDirectory_v2()
    for number, value in tags.items():
        info[int(number[1:])] = value
    Image.fromarray(array).save(path, tiffinfo=info)
    return path


def deep_frames(folder):
    """Files of more than 8 bits, all of which show `GREY`."""
    wide = GREY.astype(np.uint16) * 257
    save(folder / "grey.png", wide)
    save(folder / "grey.tif", wide)
    Image.frombytes("I;16B", (16, 16), wide.astype(">u2").tobytes()).save(folder / "big.tif")
    save(folder / "float.tif", (GREY / 255).astype(np.float32))
    (folder / "grey.pgm").write_bytes(b"P5 16 16 65535\n" + wide.astype(">u2").tobytes())
    ten = np.rint(GREY * (1023 / 255)).astype(">u2").tobytes()
    (folder / "ten.pgm").write_bytes(b"P5 16 16 1023\n" + ten)
    twelve = np.rint(GREY * (4095 / 255)).astype(np.uint16)
    tiff(folder / "twelve.tif", twelve, _281=4095)
    cv2.imwrite(str(folder / "colour.png"), np.dstack([wide] * 3))
    return sorted(folder.iterdir())


def test_any_depth_is_scaled_to_8_bits(tmp_path):
    paths = deep_frames(tmp_path)
    assert len(paths) == 8
    for path in paths:
        found = read_frame(path)
        assert found.dtype == np.uint8 and found.shape == (16, 16, 3)
        np.testing.assert_array_equal(found, np.repeat(GREY[..., None], 3, -1), str(path))


def test_depth_that_nobody_can_know_is_refused(tmp_path):
    twelve = GREY.astype(np.uint16) * 16
    save(tmp_path / "grey.png", twelve)
    save(tmp_path / "grey.tif", twelve)
    cv2.imwrite(str(tmp_path / "colour.png"), np.dstack([twelve] * 3))
    save(tmp_path / "float.tif", GREY.astype(np.float32))
    save(tmp_path / "nan.tif", np.full((4, 4), np.nan, np.float32))
    save(tmp_path / "signed.tif", GREY.astype(np.int32) - 5)
    for path in list(tmp_path.iterdir()):
        with pytest.raises(InputError, match="nobody can know which value is white") as raised:
            read_frame(path)
        assert str(path) in str(raised.value)
    black = np.zeros((4, 4), np.uint16)  # in whatever depth
    np.testing.assert_array_equal(read_frame(save(tmp_path / "black.png", black)), 0)


def test_16_bits_that_may_be_14_are_said_to_be_taken_for_dark(tmp_path, capsys):
    deep = GREY.astype(np.uint16) * 64  # as white as 14 bits allow
    save(tmp_path / "grey.png", deep)
    cv2.imwrite(str(tmp_path / "colour.png"), np.dstack([deep] * 3))
    tiff(tmp_path / "known.tif", deep, _281=16383)
    save(tmp_path / "bright.png", deep + 400)
    cv2.imwrite(str(tmp_path / "brighter.png"), np.dstack([deep + 400] * 3))
    save(tmp_path / "black.png", 0 * deep)
    (tmp_path / "dark.pgm").write_bytes(b"P5 16 16 1023\n" + (GREY // 2).astype(">u2").tobytes())
    brightest = {path.stem: read_frame(path).max() for path in tmp_path.iterdir()}
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2 and all("14 bits allow; it was taken for dark" in line for line in said)
    assert {name for name in brightest for line in said if f"{name}.png" in line} == {
        "grey",
        "colour",
    }
    assert 62 < brightest["grey"] < 65 and brightest["known"] > 250


def test_other_kinds_of_pixels(tmp_path):
    red = np.full((16, 16, 3), (255, 0, 0), np.uint8)
    for mode, name in (("CMYK", "a.tif"), ("RGBA", "a.png"), ("P", "a.gif")):
        assert np.abs(read_frame(save(tmp_path / name, red, mode)).astype(int) - red).max() < 3
    grey = Image.fromarray(GREY)
    for mode in ("LA", "L"):
        grey.convert(mode).save(tmp_path / "c.png")
        np.testing.assert_array_equal(read_frame(tmp_path / "c.png")[..., 1], GREY)
    palette = Image.fromarray(red).convert("P")
    palette.save(tmp_path / "d.png", transparency=bytes([255, 100, 0]))
    np.testing.assert_array_equal(read_frame(tmp_path / "d.png"), red)
    bits = Image.fromarray(GREY > 99)
    bits.save(tmp_path / "e.png")
    np.testing.assert_array_equal(read_frame(tmp_path / "e.png")[..., 0], (GREY > 99) * 255)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_and_masks_are_turned_as_the_camera_says(tmp_path, orientation):
    turns = (0, 0, 0, 2, 2, 3, 3, 1, 1)[orientation]  # counter-clockwise, then mirrored
    labels = np.array([[0, 1, 2], [3, 0, 4]], np.uint8)
    expected = np.rot90(labels, turns)
    expected = expected[:, ::-1] if orientation in (2, 4, 5, 7) else expected
    exif = Image.Exif()
    exif[0x0112] = orientation
    write_mask(tmp_path / "plain.png", labels)
    for name, pixels in (("mask.png", None), ("frame.png", np.dstack([labels] * 3))):
        image = Image.open(tmp_path / "plain.png") if pixels is None else Image.fromarray(pixels)
        image.save(tmp_path / name, exif=exif)
    found = read_frame(tmp_path / "frame.png")[..., 0]
    if orientation in (5, 7):  # transposed: compare with Pillow's own words for it
        expected = labels.T if orientation == 5 else labels[::-1, ::-1].T
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(read_davis_mask(tmp_path / "mask.png", expected.shape), expected)


def test_what_the_system_refuses_is_said_as_any_other_fault_of_a_file(tmp_path, monkeypatch):
    path = save(tmp_path / "a.png", GREY)

    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Image, "open", refuse)
    for reader in (read_frame, read_davis_mask):
        with pytest.raises(InputError, match=r"a\.png: Permission denied"):
            reader(path)


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.jpg"])
def test_a_name_is_taken_as_a_path_is(tmp_path, name):
    path = save(tmp_path / name, np.zeros((8, 8, 3), np.uint8))
    np.testing.assert_array_equal(read_frame(str(path)), read_frame(path))
    mask = save(tmp_path / "mask.webp", GREY)
    Image.fromarray(np.uint8(GREY > 99) * 255).save(mask, lossless=True)
    np.testing.assert_array_equal(read_mask(str(mask)), read_mask(mask))


def test_a_large_image_is_read_without_a_warning(tmp_path):
    """In a process of its own, because pytest has its own say on warnings."""
    path = save(tmp_path / "a.png", GREY)
    code = (
        "import sys; from PIL import Image;"
        "from ranet_jax.media.images import read_frame, read_size;"
        "Image.MAX_IMAGE_PIXELS = 200; read_size(sys.argv[1]); print(read_frame(sys.argv[1]).shape)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("(16, 16, 3)\n", "")


def test_compressed_bombs_are_one_line(tmp_path, monkeypatch):
    path = save(tmp_path / "a.png", GREY)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    for reader in (read_frame, read_davis_mask):
        with pytest.raises(InputError, match=r"a\.png claims .* more than 200 pixels"):
            reader(path)
