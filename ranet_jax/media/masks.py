"""Masks on disk: object ids, whatever program drew them, and palette PNGs written.

There is one reader, `decode_mask`. It takes a file for what it most plausibly is and says what it
had to guess. `read_davis_mask` is DAVIS's rules on top of it, `read_foreground` those of saliency
sets.
"""

import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from ranet_jax.errors import InputError
from ranet_jax.media.images import is_lossy, open_image
from ranet_jax.media.mask_depth import unstretch
from ranet_jax.media.mask_kinds import VOID, Mask, SoftMaskError, decode_kind
from ranet_jax.media.palette import PALETTE, is_davis, name_davis_colours
from ranet_jax.media.rims import find_inner
from ranet_jax.remarks import remark

_NEARLY_GREY = 16  # by which the channels of a grey mask that was a JPEG differ
_FEW = 32  # grey values up to this are surely ids: soft edges of white have greys all over
_EIGHT_BITS = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")


def decode_mask(file: Path | BinaryIO) -> Mask:
    """Reads a mask, whatever program made it.

    In a palette image and in a grey one the values are the ids, except that a grey image of 0 and
    its brightest value (and one of one bit) is the one object 1. In a colour image each colour but
    black is an object. What is fully transparent is background in all of them. 255 beside other
    ids is `VOID`. Rims of in-between values, from a soft brush, resizing or JPEG, go to what they
    lie beside; a palette whose first colour is not the background is read by its colours.

    Args:
        file: its path, or the file opened.

    Returns:
        The mask, with what was guessed.

    Raises:
        InputError: as `open_image` does, or it cannot be known what is an object.
    """
    return decode_kind(open_image(file), str(file))


def read_davis_mask(
    path: Path | BinaryIO, size: tuple[int, int] | None = None, *, binary: bool = False
) -> np.ndarray:
    """Reads a mask as object ids, by the rules of DAVIS: 0 is background, 1..N are objects.

    Args:
        path: of a palette or grey image, whose values are the ids, or of one in DAVIS's colours;
            or such a file opened.
        size: (height, width) of the frame the mask belongs to, to be checked.
        binary: whether all non-zero pixels are one object, as in DAVIS-2016, where masks hold 0 and
            255. Otherwise 255 is read as background ("do not care"), as the DAVIS tool does.

    Returns:
        uint8 array [h, w].

    Raises:
        InputError: as `decode_mask` does, another size than its frame, colours that are no ids,
            ids above 255, or a grey 0/255 mask where ids are expected.
    """
    image, name = open_image(path), str(path)
    if size is not None and image.size != tuple(size)[::-1]:
        raise InputError(
            f"{name} is {image.width} x {image.height} but its frame is {size[1]} x {size[0]}; "
            "masks and frames must have one size"
        )
    if image.mode == "P" and is_davis(image):
        labels = np.asarray(image)  # by the rules, and nothing is to be guessed
    elif image.mode in ("L", "1") and binary and not is_lossy(image):
        labels = np.asarray(image)
    elif (grey := _read_few_ids(image)) is not None:
        labels = grey
    else:
        labels = _find_ids(decode_kind(image, name), name, binary=binary)
    if binary:
        return (labels != 0).astype(np.uint8)
    return np.where(labels == VOID, 0, labels).astype(np.uint8)


def _read_few_ids(image: Image.Image) -> np.ndarray | None:
    """The values of a grey image, int32 [h, w], where the rules of DAVIS alone explain them."""
    if image.mode != "L" or is_lossy(image):
        return None
    labels = unstretch(image, np.asarray(image).astype(np.int32))
    found = np.setdiff1d(labels, [0, VOID])
    return labels if found.size and found.max() <= _FEW else None


def _find_ids(mask: Mask, name: str, *, binary: bool) -> np.ndarray:
    """Labels of a file that the rules of DAVIS alone do not explain."""
    for line in mask.remarks:
        remark(line)
    if binary:
        return mask.labels
    if mask.kind == "black and white":
        raise InputError(
            f"{name} is a grey 0/255 mask (DAVIS-2016) where object ids are expected; "
            "use a davis16 split, or annotations of 2017"
        )
    if mask.kind != "colours":
        return mask.labels
    labels = name_davis_colours(mask.labels)
    if labels is None:
        raise InputError(
            f"{name} has colours that are not those of DAVIS instead of object ids; "
            "save it as a palette (mode P) or one-channel PNG"
        )
    return labels


def read_foreground(file: Path | BinaryIO) -> np.ndarray:
    """Reads a mask as foreground and background, as masks of still images are.

    Those of saliency sets are grey from 0 to 255 with values in between along the edges, or all
    over: what is brighter than 127 is foreground. Of an image that was cut out it is what is not
    transparent. In any other mask each object is.

    Args:
        file: its path, or the file opened.

    Returns:
        uint8 array [h, w] of 0 and 1.

    Raises:
        InputError: as `decode_mask` does; so a photograph is refused.
    """
    image = open_image(file)
    colours = np.asarray(image.convert("RGBA")) if image.mode in _EIGHT_BITS else None
    if colours is not None and (colours[..., :3] == colours[..., :1]).all():
        grey = np.rint(colours[..., 0] * (colours[..., 3] / 255)).astype(np.uint8)
        is_constant = grey.min() == grey.max()
        if is_constant or (grey.max() == 255 and not find_inner(grey) - {0, 255}):
            return (grey > 127).astype(np.uint8)
    try:
        mask = decode_kind(image, str(file))
    except SoftMaskError:
        if colours is None:
            raise
        alpha, lightness = colours[..., 3], colours[..., :3].astype(np.int32)
        if alpha.min() == 0 and alpha.max() == 255:
            return (alpha > 127).astype(np.uint8)
        if np.ptp(lightness, axis=-1).max() > _NEARLY_GREY:
            raise
        return ((lightness.max(-1) > 127) & (alpha > 0)).astype(np.uint8)
    labels = name_davis_colours(mask.labels) if mask.kind == "colours" else mask.labels
    labels = mask.labels != 0 if labels is None else labels
    return ((labels != 0) & (labels != VOID)).astype(np.uint8)


def write_mask(path: Path, labels: np.ndarray) -> None:
    """Writes object ids as a palette PNG with the colours of DAVIS.

    Args:
        path: the file; its folder must exist.
        labels: uint8 array [h, w] of ids.
    """
    image = Image.fromarray(labels.astype(np.uint8), mode="P")
    image.putpalette(PALETTE)
    # Runs of equal bytes alone: half the time, and masks of few objects are smaller for it.
    image.save(path, compress_type=zlib.Z_RLE)
