"""Grey masks of which Pillow changes the values, and whose edges are in their transparency."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFilter

from ranet_jax.errors import InputError
from ranet_jax.media.images import read_frame
from ranet_jax.media.masks import decode_mask, read_davis_mask
from tests.masks.conftest import SIZE


def draw_soft():
    """The opacity of a disc drawn with a soft brush, and the side on which it is another object."""
    y, x = np.mgrid[:200, :300]
    disc = Image.fromarray(np.where((y - 100) ** 2 + (x - 150) ** 2 < 50**2, 255, 0).astype("u1"))
    return np.asarray(disc.filter(ImageFilter.GaussianBlur(8))), x > 150


def encode_pgm(values, largest, plain=False):
    """A PGM as netpbm writes it, in bytes or in words."""
    head = f"{'P2' if plain else 'P5'}\n# labels\n{values.shape[1]} {values.shape[0]}\n{largest}\n"
    if plain:
        return (head + "\n".join(" ".join(map(str, row)) for row in values)).encode()
    return head.encode() + values.astype(">u2" if largest > 255 else "u1").tobytes()


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("largest", [2, 3, 100, 254, 255, 256, 1000, 4095, 65534, 65535])
def test_values_of_a_pgm_are_ids_whatever_its_white(tmp_path, labels, largest, plain):
    path = tmp_path / "a.pgm"
    path.write_bytes(encode_pgm(labels, largest, plain))
    np.testing.assert_array_equal(decode_mask(path).labels, labels)
    np.testing.assert_array_equal(read_davis_mask(path), labels)


def test_every_value_of_a_pgm_is_found_again(tmp_path):
    for largest in (*range(2, 255, 7), 253, 254, 256, 257, 999, 65534):
        ids = np.arange(min(largest, 254) + 1).repeat(9).reshape(-1, 9).repeat(3, axis=0)
        (tmp_path / "a.pgm").write_bytes(encode_pgm(ids, largest))
        np.testing.assert_array_equal(decode_mask(tmp_path / "a.pgm").labels, ids, str(largest))


def test_a_pgm_of_its_last_id_alone_and_one_of_black_and_white(tmp_path, labels):
    path = tmp_path / "a.pgm"
    second = labels == 2
    for largest, kind, one in ((2, "grey", 2), (1, "black and white", 1)):
        path.write_bytes(encode_pgm(largest * second, largest))
        mask = decode_mask(path)
        assert mask.kind == kind
        np.testing.assert_array_equal(mask.labels, one * second)
    for largest in (255, 4095, 65535):
        path.write_bytes(encode_pgm(largest * second, largest))
        assert decode_mask(path).kind == "black and white"
    path.write_bytes(encode_pgm(300 * second, 1000))
    with pytest.raises(InputError, match="has the value 300; ids of objects are 1 to 255"):
        decode_mask(path)
    path.write_bytes(encode_pgm(labels, 2))  # a frame is as bright as it says
    np.testing.assert_array_equal(np.unique(read_frame(path)), [0, 128, 255])


def encode_png(rows, size, bits, kind):
    """A PNG of any depth and kind, which Pillow does not write."""

    def chunk(name, content):
        whole = name + content
        return struct.pack(">I", len(content)) + whole + struct.pack(">I", zlib.crc32(whole))

    lines = b"".join(b"\0" + row.tobytes() for row in rows)  # each with its filter, none
    head = struct.pack(">IIBBBBB", *size[::-1], bits, kind, 0, 0, 0)
    content = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + content


@pytest.mark.parametrize("bits", [2, 4])
def test_grey_values_of_few_bits_are_ids(tmp_path, labels, bits):
    """Pillow stretches them when it reads them."""
    labels = np.where(labels, labels + 1, 0).astype(np.uint8)  # 2 and 3, the largest of two bits
    h, w = labels.shape
    packed = np.zeros((h, w * bits // 8), np.uint8)
    for place in range(8 // bits):
        packed |= labels[:, place :: 8 // bits] << (8 - bits * (place + 1))
    (tmp_path / "a.png").write_bytes(encode_png(packed, SIZE, bits, 0))
    np.testing.assert_array_equal(decode_mask(tmp_path / "a.png").labels, labels)
    np.testing.assert_array_equal(read_davis_mask(tmp_path / "a.png"), labels)


@pytest.mark.parametrize(("kind", "channels"), [(2, 3), (4, 1), (6, 3)])
def test_ids_that_are_lost_with_the_lower_8_of_16_bits(tmp_path, labels, kind, channels):
    path = tmp_path / "deep.png"
    alpha = [np.where(labels, 65535, 0)] * (kind != 2)
    for factor in (1, 257):
        pixels = np.dstack([labels.astype(">u2") * factor] * channels + alpha).astype(">u2")
        path.write_bytes(encode_png(pixels, SIZE, 16, kind))
        if factor == 1:
            with pytest.raises(InputError, match=r"deep\.png has 16 bits, .* upper 8 .* 8 bits"):
                decode_mask(path)
    packed = labels if channels == 1 else labels * np.int32(0x010101)
    np.testing.assert_array_equal(decode_mask(path).labels, packed)


def test_a_ppm_whose_colours_vanish(tmp_path, labels):
    pixels = np.dstack([labels] * 3).astype(">u2")
    (tmp_path / "a.ppm").write_bytes(b"P6 60 40 65535\n" + pixels.tobytes())
    with pytest.raises(InputError, match=r"a\.ppm has 16 bits, of which the upper 8"):
        decode_mask(tmp_path / "a.ppm")


def test_a_soft_brush_on_nothing_is_as_fat_in_grey_as_in_colour(tmp_path):
    alpha, _ = draw_soft()
    white = np.full_like(alpha, 255)
    masks = []
    for channels in (1, 3):
        path = tmp_path / f"{channels}.png"
        Image.fromarray(np.dstack([white] * channels + [alpha])).save(path)
        masks.append(decode_mask(path))
        assert "has soft edges" in masks[-1].remarks[0]
    grey, colours = (mask.labels > 0 for mask in masks)
    np.testing.assert_array_equal(grey, colours)
    assert 0.9 < grey.sum() / (np.pi * 50**2) < 1.1


def test_greys_that_are_ids_fade_into_nothing(tmp_path):
    alpha, is_right = draw_soft()
    ids = 1 + is_right.astype(np.uint8)
    Image.fromarray(np.dstack([ids, alpha])).save(tmp_path / "a.png")
    mask = decode_mask(tmp_path / "a.png")
    np.testing.assert_array_equal(np.unique(mask.labels), [0, 1, 2])
    assert (mask.labels[mask.labels > 0] == ids[mask.labels > 0]).all()
    assert 0.9 < (mask.labels > 0).sum() / (np.pi * 50**2) < 1.1
    wash = np.linspace(0, 254, 300).astype(np.uint8) * np.ones((200, 1), np.uint8)
    Image.fromarray(np.dstack([ids, wash])).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="degrees of opacity, which are too soft"):
        decode_mask(tmp_path / "a.png")


def test_few_degrees_of_opacity_are_objects(tmp_path, labels):
    alpha = np.array([0, 255, 100], np.uint8)[labels]
    Image.fromarray(np.dstack([labels, alpha])).save(tmp_path / "a.png")
    np.testing.assert_array_equal(decode_mask(tmp_path / "a.png").labels, labels)
