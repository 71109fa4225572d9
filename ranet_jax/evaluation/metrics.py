"""The DAVIS measures of masks: region similarity J, boundary accuracy F, and their summaries.

They follow the benchmark's own tool, except that decay stays right beyond 256 frames.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import cv2
import numpy as np

TOLERANCE = 0.008  # of the frame's diagonal: how far apart boundaries may lie and still match


class Summary(NamedTuple):
    """One measure over the scored frames of one object."""

    mean: float
    recall: float
    decay: float


@dataclass(frozen=True, eq=False)
class Scores:
    """The measures of one object over the scored frames of its sequence.

    Attributes:
        J: float64 array [n], region similarity in 0..1.
        F: float64 array [n], boundary accuracy in 0..1.
    """

    J: np.ndarray
    F: np.ndarray

    def measures(self) -> dict[str, float]:
        """The object's seven numbers, under the names and in the order of the benchmark's CSV."""
        region, boundary = summarize(self.J), summarize(self.F)
        return {
            "J&F-Mean": (region.mean + boundary.mean) / 2,
            "J-Mean": region.mean,
            "J-Recall": region.recall,
            "J-Decay": region.decay,
            "F-Mean": boundary.mean,
            "F-Recall": boundary.recall,
            "F-Decay": boundary.decay,
        }


def average(objects: Iterable[Scores]) -> dict[str, float]:
    """Averages the seven numbers over objects, each with the same weight however long it is seen.

    Args:
        objects: the scores of at least one object.

    Returns:
        The means under the names of `Scores.measures`.
    """
    rows = [scores.measures() for scores in objects]
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def summarize(values: np.ndarray) -> Summary:
    """Summarizes one measure over time.

    Args:
        values: float array [n] with n >= 1, a measure in 0..1 a scored frame.

    Returns:
        The mean; the recall, the share of frames strictly above 0.5; and the decay, how much the
        mean drops from the first quarter to the last. Neighbouring quarters share a frame.
    """
    # 1e-10 makes halves round up, as in the benchmark's tool.
    edges = np.round(np.linspace(1, len(values), 5) + 1e-10).astype(int) - 1
    first, last = (values[edges[quarter] : edges[quarter + 1] + 1] for quarter in (0, 3))
    return Summary(
        float(np.mean(values)), float(np.mean(values > 0.5)), float(np.mean(first) - np.mean(last))
    )


def region_similarity(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Measures J, the intersection over union of two masks.

    Args:
        prediction: bool or uint8 array [h, w], the object where it is not zero.
        truth: the same for the annotation.

    Returns:
        J in 0..1; 1 when both masks are empty.
    """
    prediction, truth = prediction.astype(bool, copy=False), truth.astype(bool, copy=False)
    common = np.count_nonzero(prediction & truth)
    union = np.count_nonzero(prediction) + np.count_nonzero(truth) - common
    return common / union if union else 1.0


def boundary_accuracy(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Measures F, how well the outlines of two masks match within 0.8 % of the diagonal.

    Args:
        prediction: bool or uint8 array [h, w], the object where it is not zero.
        truth: the same for the annotation.

    Returns:
        F in 0..1, the harmonic mean of the precision and the recall of boundary pixels: 1 when
        neither mask has a boundary, 0 when one has none. A mask that fills the frame has none.
    """
    radius = math.ceil(TOLERANCE * math.hypot(*truth.shape))
    prediction, truth = (_find_boundary(mask) for mask in _crop_to_union(prediction, truth))
    predicted, true = cv2.countNonZero(prediction), cv2.countNonZero(truth)
    if not predicted or not true:
        return float(predicted == true)
    disk = _draw_disk(radius)
    precision = cv2.countNonZero(prediction & cv2.dilate(truth, disk)) / predicted
    recall = cv2.countNonZero(truth & cv2.dilate(prediction, disk)) / true
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _crop_to_union(*masks: np.ndarray) -> list[np.ndarray]:
    """Cuts masks to where any is set and one pixel around, which holds all of their boundaries."""
    views = [mask.astype(bool, copy=False).view(np.uint8) for mask in masks]
    x, y, width, height = cv2.boundingRect(cv2.bitwise_or(*views))
    rows = slice(max(y - 1, 0), y + height + 1)
    columns = slice(max(x - 1, 0), x + width + 1)
    return [mask[rows, columns] for mask in views]


def _find_boundary(mask: np.ndarray) -> np.ndarray:
    """Marks the pixels that differ from their neighbour right, below or below right."""
    # They are those where these 2 x 2 pixels are not all equal; outside the frame nothing counts.
    window = np.ones((2, 2), np.uint8)
    return cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, window, anchor=(0, 0))


@cache
def _draw_disk(radius: int) -> np.ndarray:
    """The pixels at most `radius` from the centre, as a uint8 kernel for dilation."""
    offsets = np.arange(-radius, radius + 1)
    return (offsets[:, None] ** 2 + offsets**2 <= radius**2).astype(np.uint8)
