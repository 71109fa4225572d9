"""What Pillow makes of the depth of an image, where the values are ids: undone, or refused."""

import numpy as np
from PIL import Image

from ranet_jax.errors import InputError


def unstretch(image: Image.Image, values: np.ndarray) -> np.ndarray:
    """Grey values as the file has them, where Pillow has stretched them to white.

    Black and white stay, except in a PGM: one of few ids may name the last of them as its white.

    Args:
        image: of `open_image`, of one channel.
        values: its pixels, int32 [h, w].

    Returns:
        Values, int32 [h, w]; those given where nothing was stretched.
    """
    largest, white = image.info["depth"].largest, 65535 if image.mode.startswith("I") else 255
    may_be_ids = image.format == "PPM" and 1 < largest < 255
    if largest and (may_be_ids or (values % white).any()):
        return np.rint(values * (largest / white)).astype(np.int32)
    return values


def refuse_reduced(image: Image.Image, values: np.ndarray, name: str) -> None:
    """Refuses an image of 16 bits whose ids are in the lower 8, which Pillow has dropped.

    Args:
        image: of `open_image`.
        values: its pixels, 0 where it is transparent.
        name: to call it by.

    Raises:
        InputError: nothing of it is left.
    """
    depth = image.info["depth"]
    is_reduced = depth.is_reduced or depth.largest > 255
    if is_reduced and not image.mode.startswith("I") and not values.any():
        raise InputError(
            f"{name} has 16 bits, of which the upper 8 are read here, and these are all 0; save it "
            "with 8 bits"
        )
