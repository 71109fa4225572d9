"""Frames and masks on disk: RGB frames, and palette masks whose pixel values are object ids."""

from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from ranet_jax.errors import InputError


def _davis_palette() -> list[int]:
    """The colours of DAVIS, which are Pascal VOC's: an id's bits, three at a time, over RGB."""
    palette = []
    for identifier in range(256):
        red = green = blue = 0
        for bit in range(8):
            red |= (identifier >> (3 * bit) & 1) << (7 - bit)
            green |= (identifier >> (3 * bit + 1) & 1) << (7 - bit)
            blue |= (identifier >> (3 * bit + 2) & 1) << (7 - bit)
        palette += [red, green, blue]
    return palette


PALETTE = _davis_palette()


def open_image(path: Path | BinaryIO) -> Image.Image:
    """Opens and decodes an image completely, so that a truncated file fails here and by name.

    Args:
        path: of the image, or an image file opened.

    Returns:
        The image in the mode it is stored in.

    Raises:
        InputError: the file is missing, truncated or no image.
    """
    try:
        image = Image.open(path)
        image.load()
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path} cannot be read as an image ({error}); copy it again") from None
    return image


def read_frame(path: Path | BinaryIO) -> np.ndarray:
    """Reads a frame as RGB.

    Args:
        path: a JPEG, PNG or other image, or such a file opened.

    Returns:
        uint8 array [h, w, 3].

    Raises:
        InputError: the file is missing, truncated or no image.
    """
    return np.asarray(open_image(path).convert("RGB"))


def read_mask(
    path: Path | BinaryIO, size: tuple[int, int] | None = None, *, binary: bool = False
) -> np.ndarray:
    """Reads a mask as object ids: 0 is background, 1..N are objects.

    Args:
        path: a palette or grey PNG, or such a file opened. The pixel values are the ids; colours
            are never looked at.
        size: (height, width) of the frame the mask belongs to, to be checked.
        binary: whether all non-zero pixels are one object, as in DAVIS-2016, where masks hold 0 and
            255. Otherwise 255 is read as background ("do not care"), as the DAVIS tool does.

    Returns:
        uint8 array [h, w].

    Raises:
        InputError: unreadable, another size than its frame, colours or an alpha channel instead of
            ids, or a grey 0/255 mask where ids are expected.
    """
    image = open_image(path)
    if image.mode not in ("P", "L", "1"):
        raise InputError(
            f"{path} has {'+'.join(image.getbands())} channels instead of object ids; "
            "save it as a palette (mode P) or one-channel PNG"
        )
    mask = np.asarray(image).astype(np.uint8)
    if size is not None and mask.shape != tuple(size):
        raise InputError(
            f"{path} is {mask.shape[1]} x {mask.shape[0]} but its frame is {size[1]} x {size[0]}; "
            "masks and frames must have one size"
        )
    if binary:
        return (mask != 0).astype(np.uint8)
    if image.mode == "1" or (image.mode == "L" and set(np.unique(mask)) == {0, 255}):
        raise InputError(
            f"{path} is a grey 0/255 mask (DAVIS-2016) where object ids are expected; "
            "use a davis16 split or annotations of 2017 (in Python: read_mask(path, binary=True))"
        )
    return np.where(mask == 255, 0, mask).astype(np.uint8)


def write_mask(path: Path, labels: np.ndarray) -> None:
    """Writes object ids as a palette PNG with the colours of DAVIS.

    Args:
        path: the file; its folder must exist.
        labels: uint8 array [h, w] of ids.
    """
    image = Image.fromarray(labels.astype(np.uint8), mode="P")
    image.putpalette(PALETTE)
    image.save(path)
