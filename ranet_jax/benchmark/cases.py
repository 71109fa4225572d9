"""What is timed: clips and objects, and the generated clip that all of them are."""

from functools import cache
from typing import NamedTuple

import numpy as np

from ranet_jax.data.synthetic import MOST_DRAWN, generate_clip
from ranet_jax.errors import InputError

CASES = "1x1,4x1,8x1,1x2,1x5"
"""What is timed unless something else is asked for."""

CLIP_FRAMES = 8
"""Frames of the generated clip, which go round and round."""


class Case(NamedTuple):
    """How many clips of how many objects are segmented together."""

    clips: int
    objects: int


def parse_cases(text: str) -> list[Case]:
    """Reads the cases of a command line.

    Args:
        text: clips x objects, with commas, such as "8x1,1x5".

    Returns:
        The cases in this order.

    Raises:
        InputError: it is something else, or asks for nothing or for too many objects.
    """
    try:
        cases = [Case(*map(int, case.split("x"))) for case in text.split(",")]
    except (TypeError, ValueError):
        raise InputError(f"--cases {text}: give clips x objects, such as {CASES}") from None
    if any(case.clips < 1 or not 1 <= case.objects <= MOST_DRAWN for case in cases):
        raise InputError(f"--cases {text}: give 1 clip or more, and 1 to {MOST_DRAWN} objects")
    return cases


@cache
def make_clip(objects: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Makes the clip that is segmented; always the same.

    Args:
        objects: how many are in it.
        size: height and width of its frames.

    Returns:
        The frames, uint8 [t, h, w, 3], and the labels of the first one, uint8 [h, w].
    """
    frames, masks = generate_clip(np.random.default_rng(0), CLIP_FRAMES, size, objects)
    return frames, masks[0]
