"""Frames and masks as a user hands them over, and the slots that hold their objects."""

import numpy as np

from ranet_jax.errors import InputError

MAX_OBJECTS = 255
"""Ids beside the background that a mask of bytes has room for."""


def number_slots(ids: np.ndarray) -> np.ndarray:
    """The slot of each id.

    Args:
        ids: of the objects, ascending.

    Returns:
        uint8 [256]: i for the id `ids[i - 1]`, 0 for all others.
    """
    numbers = np.zeros(256, np.uint8)
    numbers[ids] = np.arange(1, ids.size + 1)
    return numbers


def check_frame(frame: np.ndarray) -> None:
    """Refuses what is no frame: anything but uint8 RGB, [h, w, 3]."""
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        raise InputError(f"a frame must be uint8 [h, w, 3], not {frame.dtype} {list(frame.shape)}")


def find_ids(frame: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Finds the objects of a mask, ascending; refuses a mask that no video can start from."""
    if mask.dtype not in (np.uint8, bool):
        remedy = "give mask > 0.5" if mask.dtype.kind == "f" else "give mask.astype(np.uint8)"
        raise InputError(
            f"a mask must be uint8 or bool, not {mask.dtype}: ids are 1 to 255; {remedy}"
        )
    if mask.shape != frame.shape[:2]:
        raise InputError(f"the mask is {mask.shape} but its frame is {frame.shape[:2]}")
    ids = np.setdiff1d(mask.astype(np.uint8), [0])  # a bool mask is the one object 1
    if not ids.size:
        raise InputError("the mask is empty; mark at least one object in it")
    return ids


def correct(found: np.ndarray, mask: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Puts a mask of some objects over what was found.

    Args:
        found: ids or slots of all objects, uint8 [h, w].
        mask: those of some, of the same shape; 0 where it says nothing.
        shown: which those are.

    Returns:
        uint8 [h, w]; what was found of those that are shown is gone wherever the mask lacks it.
    """
    return np.where(mask > 0, mask, np.where(np.isin(found, shown), 0, found))
