"""Scoring the masks of sequences, in memory or on disk, one process or several.

Nothing in here imports jax, so that worker processes start fast and never touch an accelerator.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np

from ranet_jax.errors import InputError
from ranet_jax.evaluation.metrics import Scores, boundary_accuracy, region_similarity
from ranet_jax.media.mask_kinds import VOID
from ranet_jax.media.masks import read_davis_mask
from ranet_jax.remarks import remark


class Scored(NamedTuple):
    """What came of scoring several sequences.

    Attributes:
        scores: of objects 1..N of every sequence that could be scored, by its name.
        failures: why each of the others could not be, by its name; one line, which names the file.
    """

    scores: dict[str, list[Scores]]
    failures: dict[str, str]


def score_sequence(
    predictions: Iterable[np.ndarray], truths: Iterable[np.ndarray], sequence: str
) -> list[Scores]:
    """Scores the label maps of one sequence.

    Args:
        predictions: a uint8 array [h, w] of object ids a frame; 0 is background, and 255, void,
            counts as background. The first and the last are not looked at.
        truths: the annotations, alike. The largest id in the first is the number of objects.
        sequence: its name, for messages.

    Returns:
        The scores of objects 1..N. An object that a prediction does not have is empty there.

    Raises:
        InputError: not as many predictions as truths, no frame or no object to score, or a
            prediction with more objects than the first annotation.
    """
    predictions, truths = list(predictions), list(truths)
    check_length(sequence, len(truths))
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
    check_length(str(predictions), len(truths))
    scored = truths[1:-1]
    check_results(predictions, [path.name for path in scored])

    def read_frames() -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        for path in scored:
            truth = read_davis_mask(path, binary=binary)
            result = predictions / path.name
            yield str(result), read_davis_mask(result, truth.shape, binary=binary), truth

    objects = _count_objects(str(truths[0]), read_davis_mask(truths[0], binary=binary))
    return _score_frames(read_frames(), objects)


def _drop_void(labels: np.ndarray) -> np.ndarray:
    """Counts "do not care" as background, as `read_davis_mask` does."""
    return np.where(labels == VOID, 0, labels)


def check_results(folder: Path, needed: list[str]) -> None:
    """Refuses a folder that lacks masks.

    Args:
        folder: of the masks of one sequence.
        needed: names of the files that it must hold.

    Raises:
        InputError: the first that is missing, and how many are.
    """
    missing = [folder / name for name in needed if not (folder / name).is_file()]
    if missing:
        raise InputError(
            f"{missing[0]} does not exist ({len(missing)} of {len(needed)} result masks missing); "
            "results are a folder of masks a sequence"
        )


def check_length(source: str, frames: int) -> None:
    """Refuses a sequence where no frame is left between the first and the last one.

    Args:
        source: how to call it in the error.
        frames: how many it has.

    Raises:
        InputError: fewer than three.
    """
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
) -> Scored:
    """Scores the result masks of several sequences, each in `score_folder`.

    Args:
        predictions: folder with a folder of result masks a sequence.
        truths: the PNG annotation of every frame, in order, of every sequence.
        binary: whether all non-zero pixels are one object, as in DAVIS-2016.
        processes: how many sequences to score at once. One is scored in this process; more in
            spawned ones, which are safe beside jax and do not import the calling program.

    Returns:
        The scores of every sequence, in the order of `truths`, and what cannot be scored.
    """
    score = partial(_try_folder, binary=binary)
    # The longest first, so that no process is left alone with a long one at the end.
    order = sorted(truths, key=lambda name: len(truths[name]), reverse=True)
    work = [predictions / name for name in order], [truths[name] for name in order]
    if processes == 1:
        found = dict(zip(order, map(score, *work), strict=True))
    else:
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            with _hidden_main_module():
                results = pool.map(score, *work)
            found = dict(zip(order, results, strict=True))
    scored = Scored({}, {})
    for name in truths:
        result = found[name]
        if isinstance(result, str):
            scored.failures[name] = result
        else:
            scored.scores[name] = result
    return scored


def _try_folder(predictions: Path, truths: Sequence[Path], *, binary: bool) -> list[Scores] | str:
    """The scores of a folder, or why there are none."""
    try:
        return score_folder(predictions, truths, binary=binary)
    except InputError as error:
        return str(error)


@contextmanager
def _hidden_main_module() -> Iterator[None]:
    """Keeps processes that start meanwhile from importing the main program, jax and all."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
