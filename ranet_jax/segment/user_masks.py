"""Masks as people make them, in any paint program, read as object ids."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from ranet_jax.errors import InputError
from ranet_jax.media.images import open_image
from ranet_jax.protocol import SLOTS


class UserMask(NamedTuple):
    """A mask and how it was read.

    Attributes:
        labels: uint8 [h, w] of ids, 0 is background.
        ids: the id of each value or colour ("#rrggbb") that is in the file, without background.
    """

    labels: np.ndarray
    ids: dict[str, int]


def read_user_masks(
    paths: Mapping[int, Path], size: tuple[int, int], *, resize: bool = False
) -> dict[int, UserMask]:
    """Reads the masks of one video, whatever a paint program made them.

    In a palette image and in a grey one the values are the ids and are kept as they are, except
    that a grey image of 0 and its brightest value (and one of one bit) is the one object 1. In a
    colour image each colour but black is an object; ids are given in the order of red, green and
    blue values, and a colour means the same object in all masks of the video. What is fully
    transparent is background in all of them.

    Args:
        paths: image file by frame index.
        size: height and width of the frames.
        resize: whether a mask of another size is resized, to the nearest pixel.

    Returns:
        The masks by frame index.

    Raises:
        InputError: a file that is no image, of another size, without objects, or with more objects
            than the network has room for, as one with smoothed edges has.
    """
    id_of_colour: dict[str, int] = {}
    masks = {}
    for index, path in sorted(paths.items()):
        image = open_image(path)
        if image.mode in ("P", "PA", "L", "LA", "1") or image.mode.startswith("I"):
            labels, ids = _read_values(path, image)
        else:
            labels, ids = _read_colours(path, image, id_of_colour)
        if labels.shape != size:
            if not resize:
                raise InputError(
                    f"{path} is {labels.shape[1]} x {labels.shape[0]} but the frames are "
                    f"{size[1]} x {size[0]}; draw it on a frame, or give --resize-mask"
                )
            labels = cv2.resize(labels, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        if not labels.any():
            raise InputError(f"{path} has no object; everything in it is 0, black or transparent")
        masks[index] = UserMask(labels, ids)
    return masks


def _find_transparent(image: Image.Image) -> np.ndarray | bool:
    """Where an image is fully transparent, [h, w]."""
    return image.has_transparency_data and np.asarray(image.convert("RGBA"))[..., 3] == 0


def _refuse_many(path: Path, count: int, what: str) -> None:
    """Refuses more objects than fit; what has hundreds of them has smoothed edges."""
    if count > SLOTS[-1]:
        raise InputError(
            f"{path} has {count} {what}; each is an object and at most {SLOTS[-1]} fit, so draw it "
            "with a hard brush, without anti-aliasing, and save it as PNG"
        )


def _read_values(path: Path, image: Image.Image) -> tuple[np.ndarray, dict[str, int]]:
    """Ids of a palette or grey image: its values."""
    is_palette = image.mode.startswith("P")
    values = np.atleast_3d(np.asarray(image))[..., 0].astype(np.int64)  # without alpha
    values = np.where(_find_transparent(image), 0, values)
    found = np.setdiff1d(values, [0]).tolist()
    _refuse_many(path, len(found), "palette entries" if is_palette else "grey values")
    if (not is_palette and found in ([255], [65535])) or image.mode == "1":
        return (values > 0).astype(np.uint8), {str(value): 1 for value in found}
    if found and not 0 < found[0] <= found[-1] <= 255:
        raise InputError(f"{path} has the value {found[-1]}; ids of objects are 1 to 255")
    return values.astype(np.uint8), {str(value): value for value in found}


def _read_colours(
    path: Path, image: Image.Image, id_of_colour: dict[str, int]
) -> tuple[np.ndarray, dict[str, int]]:
    """Ids of a colour image; colours that are new get the next ids."""
    red, green, blue = np.moveaxis(np.asarray(image.convert("RGB")).astype(np.uint32), -1, 0)
    packed = np.where(_find_transparent(image), 0, red << 16 | green << 8 | blue)
    found, inverse = np.unique(packed, return_inverse=True)
    colours = {int(one): f"#{one:06x}" for one in found if one}
    _refuse_many(path, len(colours), "colours")
    for colour in colours.values():
        id_of_colour.setdefault(colour, len(id_of_colour) + 1)
    ids = np.array([id_of_colour[colours[one]] if one else 0 for one in found.tolist()], np.uint8)
    labels = ids[inverse].reshape(packed.shape)
    return labels, {colour: id_of_colour[colour] for colour in colours.values()}
