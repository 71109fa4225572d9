"""The palette of DAVIS, and what the palette of a file says about its ids."""

from typing import NamedTuple

import numpy as np
from PIL import Image

from ranet_jax.errors import InputError

_BORDER = 0.5  # of the border of an image, for what covers it to be the background
_DARK = 8  # up to which a background may differ from black


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
"""Red, green and blue of each id, one after another."""

DAVIS = np.array(PALETTE, np.int32).reshape(256, 3)
"""Red, green and blue of each id."""


class Background(NamedTuple):
    """What is the background of a palette image.

    Attributes:
        is_index: whether it is index 0, so that the indices are ids; otherwise it is what is black
            or transparent, and the colours are objects.
        remark: what had to be guessed; None where nothing had to be.
    """

    is_index: bool
    remark: str | None = None


def read_palette(image: Image.Image) -> np.ndarray:
    """The colours of a palette image, int32 RGB [256, 3]; those that it lacks are black."""
    colours = np.zeros((256, 3), np.int32)
    stored = np.array(image.getpalette("RGB") or [], np.int32).reshape(-1, 3)
    colours[: len(stored)] = stored
    return colours


def is_davis(image: Image.Image) -> bool:
    """Whether all colours in use are those of DAVIS's palette, so that indices are surely ids."""
    used = np.unique(np.asarray(image))
    return image.mode == "P" and bool((read_palette(image)[used] == DAVIS[used]).all())


def pack(colours: np.ndarray) -> np.ndarray:
    """Colours [..., 3] as numbers, red << 16 | green << 8 | blue."""
    red, green, blue = np.moveaxis(colours.astype(np.int32), -1, 0)
    return red << 16 | green << 8 | blue


def _has_spare_colours(image: Image.Image, indices: np.ndarray) -> bool:
    """Whether a palette was made for ids: it has colours that nothing in the image has.

    One that was made of an image's colours has no others, or is filled up with black.
    """
    colours = read_palette(image)
    unseen = np.setdiff1d(np.arange(256), indices)
    return bool((colours[unseen].max(axis=1, initial=0) > _DARK).any())


def find_background(
    image: Image.Image, indices: np.ndarray, hidden: np.ndarray, name: str
) -> Background:
    """Finds what is the background of a palette image.

    A program that makes a palette of the colours it meets may give index 0 to an object. That is
    seen by the colours: index 0 is not black, and something else is black or transparent.

    Args:
        image: to be checked.
        indices: its pixels, [h, w].
        hidden: which of them are transparent, [h, w].
        name: to call it by.

    Returns:
        What it is.

    Raises:
        InputError: it cannot be known.
    """
    palette = read_palette(image)
    used = np.unique(indices[~hidden])
    black = [one for one in used.tolist() if palette[one].max() <= _DARK]
    if 0 in black or (0 not in used and (hidden.any() or not black)):
        return Background(True)
    colour = f"#{pack(palette[0]):06x}"
    if black or hidden.any():
        real = f"index {black[0]} is black" if black else "something else is transparent"
        return Background(
            False,
            f"{name} has a palette whose index 0 ({colour}) is not the background, for {real}; "
            "its colours were taken for the objects",
        )
    border = np.concatenate([indices[0], indices[-1], indices[:, 0], indices[:, -1]])
    shares = np.bincount(border, minlength=256) / border.size
    if shares[0] >= _BORDER:
        return Background(
            True,
            f"{name} has no black in its palette; its index 0 ({colour}), which surrounds the "
            "rest, was taken for the background",
        )
    if shares.max() < _BORDER and _has_spare_colours(image, indices):
        return Background(
            True,
            f"{name} has no black in its palette, which has colours for more ids than are seen; "
            f"its index 0 ({colour}) was taken for the background",
        )
    raise InputError(
        f"{name} has a palette whose index 0 ({colour}) may be an object or the background, "
        "and nothing in it is black; make the background black or transparent"
    )


def name_davis_colours(colours: np.ndarray) -> np.ndarray | None:
    """Ids of colours that are those of DAVIS's palette.

    Args:
        colours: `Mask.labels` of a colour image.

    Returns:
        int32 [h, w]; None if there are other colours.
    """
    packed = pack(DAVIS)
    order = np.argsort(packed)
    place = np.searchsorted(packed[order], colours).clip(max=255)
    ids = order[place]
    return ids.astype(np.int32) if (packed[ids] == colours).all() else None
