"""The DAVIS measures: region similarity J and boundary accuracy F, a frame and a sequence.

They follow the benchmark's own tool, except that decay stays right beyond 256 frames. Nothing in
here imports jax, so that worker processes start fast and never touch an accelerator.
"""

import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import cv2
import numpy as np

from ranet_jax.errors import InputError
from ranet_jax.media.masks import read_mask
from ranet_jax.remarks import remark

TOLERANCE = 0.008  # of the frame's diagonal: how far apart boundaries may lie and still match
VOID = 255  # "do not care" in annotations, counted as background


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
    masks = [mask.astype(bool, copy=False).view(np.uint8) for mask in masks]
    x, y, width, height = cv2.boundingRect(cv2.bitwise_or(*masks))
    rows = slice(max(y - 1, 0), y + height + 1)
    columns = slice(max(x - 1, 0), x + width + 1)
    return [mask[rows, columns] for mask in masks]


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


def score_sequence(
    predictions: Iterable[np.ndarray], truths: Iterable[np.ndarray], sequence: str
) -> list[Scores]:
    """Scores the label maps of one sequence.

    Args:
        predictions: a uint8 array [h, w] of object ids a frame, 255 for background. The first and
            the last are not looked at.
        truths: the annotations, alike. The largest id in the first is the number of objects.
        sequence: its name, for messages.

    Returns:
        The scores of objects 1..N. An object that a prediction does not have is empty there.

    Raises:
        InputError: not as many predictions as truths, no frame or no object to score, or a
            prediction with more objects than the first annotation.
    """
    predictions, truths = list(predictions), list(truths)
    _check_length(sequence, len(truths))
    if len(predictions) != len(truths):
        raise InputError(
            f"{sequence} has {len(truths)} annotations but {len(predictions)} results; "
            "give one result a frame"
        )

    def list_frames() -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        for index in range(1, len(truths) - 1):
            pair = _drop_void(predictions[index]), _drop_void(truths[index])
            yield f"{sequence} frame {index}", *pair

    return _score_frames(list_frames(), _count_objects(sequence, _drop_void(truths[0])))


def score_folder(
    predictions: Path, truths: Sequence[Path], *, binary: bool = False
) -> list[Scores]:
    """Scores the result masks of one sequence, read one frame at a time.

    Args:
        predictions: folder of PNG masks with the names of the annotations. The first and the last
            frame need not be there.
        truths: the PNG annotation of every frame, in order.
        binary: whether all non-zero pixels are one object, as in DAVIS-2016.

    Returns:
        The scores of objects 1..N, N being the largest id in the first annotation.

    Raises:
        InputError: a mask is missing, unreadable or of another size than its annotation, there is
            no frame or no object to score, or a result has more objects than the annotation.
    """
    _check_length(str(predictions), len(truths))
    scored = truths[1:-1]
    missing = [path.name for path in scored if not (predictions / path.name).exists()]
    if missing:
        raise InputError(
            f"{predictions / missing[0]} does not exist ({len(missing)} of {len(scored)} result "
            "masks are missing); only the first and the last frame may be left out"
        )

    def read_frames() -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        for path in scored:
            truth = read_mask(path, binary=binary)
            result = predictions / path.name
            yield str(result), read_mask(result, truth.shape, binary=binary), truth

    objects = _count_objects(str(truths[0]), read_mask(truths[0], binary=binary))
    return _score_frames(read_frames(), objects)


def _drop_void(labels: np.ndarray) -> np.ndarray:
    """Counts "do not care" as background, as `read_mask` does."""
    return np.where(labels == VOID, 0, labels)


def _check_length(source: str, frames: int) -> None:
    """Fails where no frame is left between the first and the last one."""
    if frames < 3:
        raise InputError(
            f"{source} has nothing to score: {frames} annotations, of which the first and the last "
            "do not count; give those of three frames or more"
        )


def _count_objects(source: str, first: np.ndarray) -> int:
    """Counts the objects of a sequence: the largest id in its first annotation."""
    objects = int(first.max())
    if not objects:
        raise InputError(f"{source} has no object in the first annotation; annotate that frame")
    absent = np.setdiff1d(np.arange(1, objects + 1), first).tolist()
    if absent:
        remark(
            f"{source} has objects up to {objects}, but not {', '.join(map(str, absent))}: as the "
            "DAVIS tool does, these count as found without a fault; number the objects 1, 2, 3, ..."
        )
    return objects


def _score_frames(
    frames: Iterable[tuple[str, np.ndarray, np.ndarray]], objects: int
) -> list[Scores]:
    """Scores (name, prediction, truth) of every frame for objects 1..`objects`."""
    values = []
    for name, prediction, truth in frames:
        largest = prediction.max()
        if largest > objects:
            raise InputError(
                f"{name} holds object {largest}, but the first annotation of its sequence has only "
                f"objects up to {objects}; write no more ids than that"
            )
        for identifier in range(1, objects + 1):
            pair = prediction == identifier, truth == identifier
            values.append((region_similarity(*pair), boundary_accuracy(*pair)))
    table = np.array(values).reshape(-1, objects, 2)
    return [Scores(J=table[:, index, 0], F=table[:, index, 1]) for index in range(objects)]


def score_folders(
    predictions: Path,
    truths: Mapping[str, Sequence[Path]],
    *,
    binary: bool = False,
    processes: int = 1,
) -> dict[str, list[Scores]]:
    """Scores the result masks of several sequences, each in `score_folder`.

    Args:
        predictions: folder with a folder of result masks a sequence.
        truths: the PNG annotation of every frame, in order, of every sequence.
        binary: whether all non-zero pixels are one object, as in DAVIS-2016.
        processes: how many sequences to score at once. One is scored in this process; more in
            spawned ones, which are safe beside jax and do not import the calling program.

    Returns:
        The scores of objects 1..N of every sequence, in the order of `truths`.

    Raises:
        InputError: as `score_folder` does.
    """
    score = partial(score_folder, binary=binary)
    if processes == 1:
        return {name: score(predictions / name, paths) for name, paths in truths.items()}
    # The longest first, so that no process is left alone with a long one at the end.
    order = sorted(truths, key=lambda name: len(truths[name]), reverse=True)
    work = [predictions / name for name in order], [truths[name] for name in order]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        with _hidden_main_module():
            found = pool.map(score, *work)
        scores = dict(zip(order, found, strict=True))
    return {name: scores[name] for name in truths}


@contextmanager
def _hidden_main_module() -> Iterator[None]:
    """Keeps processes that start meanwhile from importing the main program, jax and all."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
