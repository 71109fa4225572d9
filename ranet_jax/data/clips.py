"""Videos with all of their masks, in memory: of DAVIS, or generated."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from ranet_jax.data.davis import SPLITS, Sequence, find_sequence, find_sequences
from ranet_jax.data.synthetic import generate_clip
from ranet_jax.media.images import read_frame
from ranet_jax.media.masks import read_davis_mask


class Clip(NamedTuple):
    """A video with all of its masks.

    Attributes:
        name: of the video.
        frames: uint8 RGB [h, w, 3] each.
        masks: uint8 [h, w] each, ids; of all frames, or of the first ones.
    """

    name: str
    frames: list[np.ndarray]
    masks: list[np.ndarray]


def generate_clips(seed: int, count: int, frames: int, size: tuple[int, int]) -> list[Clip]:
    """Generates clips with exact masks, one object each."""
    clips = []
    for number in range(count):
        made = generate_clip(np.random.default_rng([seed, number]), frames, size)
        clips.append(Clip(f"clip{number}", *map(list, made)))
    return clips


def read_clips(
    split_name: str, data_dir: Path, names: list[str], max_frames: int | None
) -> list[Clip]:
    """Reads sequences of DAVIS, each with the masks that it has: of test-dev the first alone."""
    split = SPLITS[split_name]
    sequences = find_sequences(data_dir, split, names, max_frames)
    return [_read(sequence, binary=split.binary) for sequence in sequences]


def read_clip(data_dir: Path, name: str) -> Clip:
    """Reads a sequence by the rules of DAVIS-2016, one object, whatever split it is of."""
    return _read(find_sequence(data_dir, name), binary=True)


def _read(sequence: Sequence, *, binary: bool) -> Clip:
    """Reads all frames of a sequence, and the masks that it has."""
    frames = [read_frame(path) for path in sequence.frames]
    masks = [read_davis_mask(path, binary=binary) for path in sequence.masks if path.is_file()]
    return Clip(sequence.name, frames, masks)
