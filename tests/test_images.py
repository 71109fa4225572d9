"""Frames and masks on disk, and every kind of file that is none."""

import numpy as np
import pytest
from PIL import Image

from ranet_jax.errors import InputError
from ranet_jax.media.images import read_frame
from ranet_jax.media.masks import read_mask, write_mask
from ranet_jax.media.palette import PALETTE

LABELS = np.array([[0, 1, 2], [3, 200, 254]], np.uint8)


def save(path, array, mode=None):
    Image.fromarray(array).convert(mode).save(path)
    return path


def test_masks_survive_a_round_trip_with_the_colours_of_davis(tmp_path):
    write_mask(tmp_path / "a.png", LABELS)
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png"), LABELS)
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
    np.testing.assert_array_equal(read_mask(grey, binary=True), [[0, 1], [1, 0]])
    write_mask(tmp_path / "ids.png", LABELS)
    np.testing.assert_array_equal(read_mask(tmp_path / "ids.png", binary=True), LABELS > 0)


def test_void_is_background(tmp_path):
    write_mask(tmp_path / "a.png", np.array([[1, 255]], np.uint8))
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png"), [[1, 0]])


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
        read_mask(tmp_path / "a.png")


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize(("mode", "bands"), [("RGB", "R.G.B"), ("RGBA", "A"), ("LA", "L.A")])
def test_colours_and_alpha_are_no_ids(tmp_path, mode, bands, binary):
    write_mask(tmp_path / "ids.png", LABELS)
    converted = tmp_path / "converted.png"
    Image.open(tmp_path / "ids.png").convert("RGB").convert(mode).save(converted)
    with pytest.raises(InputError, match=rf"converted\.png has .*{bands}.*palette"):
        read_mask(converted, binary=binary)


def test_grey_masks_of_2016_are_no_ids(tmp_path):
    grey = save(tmp_path / "grey.png", np.array([[0, 255]], np.uint8), "L")
    with pytest.raises(InputError, match=r"grey\.png is a grey 0/255 mask.*davis16"):
        read_mask(grey)


def test_mask_of_another_size_than_its_frame(tmp_path):
    write_mask(tmp_path / "a.png", LABELS)
    with pytest.raises(InputError, match=r"a\.png is 3 x 2 but its frame is 5 x 4"):
        read_mask(tmp_path / "a.png", (4, 5))
