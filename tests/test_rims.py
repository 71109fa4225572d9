"""Rims between objects: found where there are some, and nowhere else."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFilter

from ranet_jax.errors import InputError
from ranet_jax.media.masks import decode_mask, read_foreground
from ranet_jax.media.palette import PALETTE
from ranet_jax.media.rims import settle_rims

SIZE = (120, 200)
COLOURS = np.array([(0, 0, 0), (255, 0, 0), (0, 255, 0), (60, 80, 255)], np.uint8)
BLUR = ImageFilter.GaussianBlur


def draw(count):
    """Up to three objects: a disc, one over its edge, and a small square apart."""
    labels = np.zeros(SIZE, np.uint8)
    cv2.circle(labels, (60, 60), 40, 1, -1)
    if count > 1:
        cv2.circle(labels, (110, 60), 28, 2, -1)
        labels[10:30, 160:190] = 3
    return labels


def encode(image, kind="png", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return io.BytesIO(file.getvalue())


def enlarge(image, factor, method):
    """As a photo program resizes, with smoothing."""
    small = image.resize((SIZE[1] // factor, SIZE[0] // factor), Image.Resampling.NEAREST)
    return small.resize(SIZE[::-1], method)


def palette_image(labels):
    image = Image.fromarray(labels, "P")
    image.putpalette(PALETTE)
    return image


def overlaps(file, truth):
    """How well each object of the truth is covered by the best object of a file."""
    labels = decode_mask(file).labels
    found = [labels == one for one in np.unique(labels) if one]
    assert len(found) == truth.max(), "as many objects as were drawn"
    true = [truth == one for one in range(1, truth.max() + 1)]
    return [max((one & t).sum() / (one | t).sum() for one in found) for t in true]


WHITE = Image.fromarray(draw(1) * 255)
COLOURED = Image.fromarray(COLOURS[draw(3)])


@pytest.mark.parametrize("quality", [30, 75, 95, 100])
@pytest.mark.parametrize("again", [False, True], ids=["jpeg", "png made of it"])
def test_jpeg(quality, again):
    for image, count, least in ((WHITE, 1, 0.99), (COLOURED, 3, 0.93)):
        file = encode(image, "jpeg", quality=quality)
        file = encode(Image.open(file)) if again else file
        assert min(overlaps(file, draw(count))) > least


@pytest.mark.parametrize("radius", [0.5, 1, 2, 4])
def test_soft_brush(radius):
    assert min(overlaps(encode(WHITE.filter(BLUR(radius))), draw(1))) > 0.97
    assert min(overlaps(encode(COLOURED.filter(BLUR(radius))), draw(3))) > 0.92
    alpha = np.dstack([np.full((*SIZE, 3), (255, 0, 0), np.uint8), WHITE.filter(BLUR(radius))])
    assert min(overlaps(encode(Image.fromarray(alpha)), draw(1))) > 0.97


@pytest.mark.parametrize("method", [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC])
@pytest.mark.parametrize("factor", [2, 4])
def test_resized(method, factor):
    for image, count in ((WHITE, 1), (COLOURED, 3)):
        hard = enlarge(image, factor, Image.Resampling.NEAREST)
        truth = decode_mask(encode(hard)).labels
        truth = np.searchsorted(np.unique(truth), truth)
        assert min(overlaps(encode(enlarge(image, factor, method)), truth)) > 0.95, count


def test_resized_ids_do_not_make_new_ones():
    """Between 0 and 2 lies 1, and between 0 and 5 lie four values that are no objects."""
    for ids in ((0, 2), (0, 5)):
        soft = enlarge(Image.fromarray(np.uint8(ids)[draw(1)]), 4, Image.Resampling.BILINEAR)
        for image in (soft, palette_image(np.asarray(soft))):
            labels = decode_mask(encode(image)).labels
            assert set(np.unique(labels)) == set(ids)
            assert ((labels > 0) & (draw(1) > 0)).sum() / (labels > 0).sum() > 0.94


def test_a_palette_made_of_a_soft_colour_image():
    for colours in (64, 256):
        soft = COLOURED.filter(BLUR(1)).quantize(colours)
        assert min(overlaps(encode(soft), draw(3))) > 0.95


def test_what_was_moved_is_said():
    (remark,) = decode_mask(encode(WHITE.filter(BLUR(2)))).remarks
    moved = (np.asarray(WHITE.filter(BLUR(2))) % 255 > 0).sum()
    assert f"{moved} pixels of values in between" in remark
    assert decode_mask(encode(WHITE)).remarks == ()


def hard_masks():
    """Masks without rims, some of which look a little as if they had one."""
    ids = draw(3)
    speck, sliver, touching = (draw(1) for _ in range(3))
    speck[5, 5] = 2
    sliver[18:20, 30:90] = 2  # a thin object along the edge of another
    touching[cv2.dilate(draw(1), np.ones((3, 3))) > draw(1)] = 255  # a rim of void
    many = np.zeros(SIZE, np.uint8)
    for one in range(16):
        many[
            5 + 25 * (one // 4) : 25 + 25 * (one // 4), 10 + 40 * (one % 4) : 40 + 40 * (one % 4)
        ] = one + 1
    stripes = np.resize(np.arange(17, dtype=np.uint8), SIZE)
    return [ids, speck, sliver, touching, many, stripes, ids * 40, np.uint8(draw(1)) * 200]


@pytest.mark.parametrize("number", range(8))
def test_hard_masks_are_left_as_they_are(number):
    pixels = hard_masks()[number].astype(np.int32)[..., None]
    settled = settle_rims(pixels, lossy=False)
    assert settled.moved == 0
    np.testing.assert_array_equal(settled.pixels, pixels)
    np.testing.assert_array_equal(
        decode_mask(encode(palette_image(np.uint8(pixels[..., 0])))).labels, pixels[..., 0]
    )


def test_what_has_no_edges_is_refused():
    ramp = np.zeros(SIZE, np.uint8)
    ramp[20:80] = np.arange(200)
    noise = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    for pixels in (ramp, noise, cv2.GaussianBlur(noise, (0, 0), 3)):
        with pytest.raises(InputError, match=r"too soft.*hard brush"):
            decode_mask(encode(Image.fromarray(pixels)))
    with pytest.raises(InputError, match=r"too soft.*hard brush"):  # edges wider than objects
        decode_mask(encode(COLOURED.filter(BLUR(12))))


def test_ids_cannot_be_kept_in_a_jpeg():
    with pytest.raises(InputError, match="too soft or too much alike"):
        decode_mask(encode(Image.fromarray(draw(3)), "jpeg"))
    with pytest.raises(InputError, match=r"lossy JPEG of the grey values .*save the mask as PNG"):
        decode_mask(encode(Image.fromarray(draw(3) * 80), "jpeg"))


def test_foreground_of_what_was_cut_out():
    """A photograph with its background taken away; one with it is no mask."""
    noise = np.random.default_rng(0).integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    photograph = cv2.GaussianBlur(noise, (9, 9), 0)
    cut = np.dstack([photograph, np.where(draw(1) > 0, 255, 0).astype(np.uint8)])
    np.testing.assert_array_equal(read_foreground(encode(Image.fromarray(cut))), draw(1) > 0)
    with pytest.raises(InputError, match="too soft or too much alike"):
        read_foreground(encode(Image.fromarray(photograph)))
    brush = np.asarray(WHITE.filter(BLUR(3)))
    on_nothing = np.dstack([np.full((*SIZE, 3), 255, np.uint8), brush])
    found = read_foreground(encode(Image.fromarray(on_nothing)))
    np.testing.assert_array_equal(found, brush > 127)


def test_foreground_of_soft_masks():
    soft = WHITE.filter(BLUR(3))
    for file in (encode(soft), encode(soft.convert("RGB")), encode(soft, "jpeg")):
        found = read_foreground(file)
        assert (found & (draw(1) > 0)).sum() / (found | (draw(1) > 0)).sum() > 0.98
    ramp = np.resize(np.arange(200, dtype=np.uint8), SIZE)  # a saliency map, all in between
    np.testing.assert_array_equal(read_foreground(encode(Image.fromarray(ramp))), ramp > 127)
