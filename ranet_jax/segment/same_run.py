"""What counts as the same run when one goes on: all that its masks depend on."""

import zlib
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import flax.traverse_util
import jax
import numpy as np

from ranet_jax.online_learning import OnlineLearner
from ranet_jax.segmenter import Segmenter
from ranet_jax.weights.network import describe_network


def describe_run(
    segmenter: Segmenter, learner: OnlineLearner | None, size: tuple[int, int]
) -> dict[str, object]:
    """Describes what the results of a video depend on, beside its frames and masks.

    Args:
        segmenter: the network.
        learner: that learns the first frame; None where nothing is learned.
        size: height and width of the frames.

    Returns:
        JSON by what a user calls it.
    """
    return {
        "size of the frames": size,
        "precision": segmenter.precision,
        "probabilities": segmenter.probabilities,
        "network": describe_network(segmenter.network),
        "weights": compute_checksum(jax.tree.leaves(segmenter.params)),
        "online learning": [learner.steps, learner.rate, learner.seed] if learner else None,
    }


def find_differing(now: Mapping[str, Any], before: Mapping[str, Any]) -> list[str]:
    """Finds the settings in which two runs differ.

    Args:
        now: of one run, by `describe_run`, as JSON has it.
        before: of the other.

    Returns:
        Their names; of a network, those of the fields that differ.
    """
    flat, old = (flax.traverse_util.flatten_dict(dict(one)) for one in (now, before))
    paths = [*flat, *(path for path in old if path not in flat)]
    return [path[-1] for path in paths if flat.get(path, ...) != old.get(path, ...)]


def describe_masks(
    masks: Mapping[int, np.ndarray], replacing: Collection[int]
) -> dict[int, int | str]:
    """Describes the masks that are given, so that others are told from them.

    Args:
        masks: ids by frame index.
        replacing: the frames of those that say anew what is followed.

    Returns:
        A checksum by frame index; that of a mask that adds to what is followed is a text.
    """
    marks: dict[int, int | str] = {}
    for index, mask in masks.items():
        checksum = compute_checksum([mask])
        marks[index] = checksum if index == 0 or index in replacing else f"added {checksum}"
    return marks


def compute_checksum(arrays: Iterable[Any]) -> int:
    """Computes a number that tells arrays from others.

    Args:
        arrays: NumPy's or jax's, in an order that is always the same.

    Returns:
        The CRC-32 of their bytes, one after another.
    """
    checksum = 0
    for array in arrays:
        checksum = zlib.crc32(np.ascontiguousarray(array).data, checksum)
    return checksum
