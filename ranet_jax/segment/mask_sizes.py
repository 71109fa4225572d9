"""Masks of another size than the frames of their video."""

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from ranet_jax.errors import InputError


def say_size(shape: tuple[int, ...]) -> str:
    """Width and height as people say them, of an array's height and width."""
    return f"{shape[1]} x {shape[0]}"


def resize_mask(
    path: Path, labels: np.ndarray, ids: Mapping[str, int], size: tuple[int, int]
) -> np.ndarray:
    """Resizes a mask to the nearest pixel.

    Args:
        path: of the mask.
        labels: uint8 [h, w] of ids.
        ids: their names in the file.
        size: height and width of the frames.

    Returns:
        uint8 [height, width] of ids.

    Raises:
        InputError: an object is lost, which nothing would follow.
    """
    resized = cv2.resize(labels, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    lost = np.setdiff1d(labels[labels > 0], resized)
    if lost.size:
        names = ", ".join(name for name, one in ids.items() if one in lost)
        raise InputError(
            f"{path} is {say_size(labels.shape)} and loses its object {names}, which is too small, "
            f"when it is resized to the frames' {say_size(size)}; draw it on a frame"
        )
    return resized


def describe_shape(path: Path, shape: tuple[int, ...], size: tuple[int, int]) -> tuple[str, ...]:
    """What to say of a mask that is stretched when it is resized.

    Args:
        path: of the mask.
        shape: its height and width. A pixel more or less is none of another shape: sizes are round.
        size: height and width of the frames.

    Returns:
        A line if its shape is not the frames', otherwise none.

    Raises:
        InputError: it lies and the frames stand, or the other way round.
    """
    (h, w), (height, width) = shape, size
    if abs(h * width - w * height) <= max(h + w, height + width):
        return ()
    if (h - w) * (height - width) < 0:
        raise InputError(
            f"{path} is {say_size(shape)} but the frames are {say_size(size)}: one lies and the "
            "other stands, as where a phone's video was not turned; draw it on a frame as "
            "docs/videos.md says"
        )
    return (
        f"{path} is {say_size(shape)}, another shape than the frames' {say_size(size)}, and was "
        "stretched to it; if it does not fit its object, draw it on a frame",
    )
