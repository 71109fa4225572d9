"""Segmenting sequences of DAVIS, a folder of masks each."""

import time
from pathlib import Path
from typing import NamedTuple

from ranet_jax.data.davis import Sequence
from ranet_jax.errors import InputError
from ranet_jax.evaluation.checks import read_start
from ranet_jax.evaluation.selection import Selection
from ranet_jax.files import replace_folder
from ranet_jax.frame_bar import FrameBar
from ranet_jax.media.images import read_frame
from ranet_jax.media.masks import write_mask
from ranet_jax.online_learning import OnlineLearner
from ranet_jax.segmenter import Segmenter


class Segmented(NamedTuple):
    """What came of segmenting several sequences.

    Attributes:
        seconds: of every frame but the first ones, from pixels on the host to labels on the host.
            Learning is not in them.
        learned: seconds of learning, without compilation, by the name of each sequence that was
            segmented to its end. Nothing where nothing was learned.
        failures: why a sequence could not be segmented to its end, by its name; one line.
    """

    seconds: list[float]
    learned: dict[str, float]
    failures: dict[str, str]


def segment_split(
    segmenter: Segmenter, learner: OnlineLearner | None, selection: Selection, folder: Path
) -> Segmented:
    """Segments sequences one after another, with a progress bar.

    Args:
        segmenter: the network.
        learner: learns each first frame beforehand; None to segment offline.
        selection: of sequences.
        folder: where a folder of masks a sequence is written.

    Returns:
        The times, and the sequences that came to no end; those have no folder.
    """
    segmented = Segmented([], {}, {})
    with FrameBar(sum(len(sequence.frames) for sequence in selection.sequences)) as bar:
        for sequence in selection.sequences:
            before = learner.seconds if learner else 0.0
            try:
                seconds = _segment_sequence(
                    segmenter,
                    learner,
                    sequence,
                    folder / sequence.name,
                    binary=selection.split.binary,
                    bar=bar,
                )
            except InputError as error:
                segmented.failures[sequence.name] = str(error)
                continue
            segmented.seconds.extend(seconds)
            if learner:
                segmented.learned[sequence.name] = learner.seconds - before
    return segmented


def _segment_sequence(
    segmenter: Segmenter,
    learner: OnlineLearner | None,
    sequence: Sequence,
    folder: Path,
    *,
    binary: bool,
    bar: FrameBar,
) -> list[float]:
    """Segments a sequence and writes its masks, the first being the given one.

    Args:
        segmenter: the network.
        learner: learns the first frame beforehand; None to segment offline.
        sequence: frames and first mask.
        folder: of the masks. It is replaced when all of them are written, and not before.
        binary: whether all non-zero pixels of the mask are one object.
        bar: is told of every frame and of every step of learning.

    Returns:
        Seconds of every frame but the first; see `Segmented`.

    Raises:
        InputError: a frame or the mask cannot be used; it is named.
    """
    bar.name(sequence.name)

    def name_step(step: int) -> None:
        bar.name(f"{sequence.name}, learned step {step}")

    frame, labels = read_start(sequence, binary=binary)
    try:
        params = learner.learn(frame, labels, name_step) if learner else None
        tracker = segmenter.start(frame, labels, params, name=sequence.name)
    except InputError as error:
        raise InputError(f"{sequence.masks[0]}: {error}") from None
    seconds = []
    with replace_folder(folder) as unfinished:
        for path in sequence.frames:
            if path != sequence.frames[0]:
                frame = read_frame(path)
                start = time.perf_counter()
                try:
                    labels = tracker.step(frame)
                except InputError as error:
                    raise InputError(f"{path}: {error}") from None
                seconds.append(time.perf_counter() - start)
            write_mask(unfinished / f"{path.stem}.png", labels)
            bar.count_frame(sequence.name)
    return seconds
