"""From records to batches, with grain: one chain, random access, nothing hidden in between.

Sample number k of a run, with all of its random draws, follows from the seed and k alone: not from
the number of worker processes, of devices or of processes, nor from where a run was interrupted.
So the number of samples drawn is all the state there is.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import cv2
import grain
import numpy as np

from ranet_jax.data.augmentation import Augmentation
from ranet_jax.data.davis import SPLITS
from ranet_jax.data.draws import ClipDraw, StaticDraw, VideoDraw
from ranet_jax.data.example import Example
from ranet_jax.data.records import open_davis, open_saliency
from ranet_jax.data.synthetic import GENERATED
from ranet_jax.data.textures import find_photos
from ranet_jax.errors import InputError

EPOCHS = 1_000_000
"""In effect without end; the lengths of truly endless datasets overflow when they are mixed."""

Batch = dict[str, np.ndarray]
"""The fields of `Example` stacked, [b, ...], and `origin` int64 [b, 2]: set and record in it."""

Batches: TypeAlias = "grain.DatasetIterator[Batch]"
"""An iterator that is to be closed, so that its workers end."""

Draw = Callable[[int, np.random.Generator], Example]
"""Makes an example from a record's index and a source of randomness."""


class Set(NamedTuple):
    """One training set: its records, how often it is drawn, and how.

    Attributes:
        name: of the set.
        records: indices of the records that may be drawn.
        weight: how often it is drawn, relative to the others.
        draw: makes an example from a record.
        identity: what differs where it has other records, see `Source.identify`; empty where
            nothing is prepared.
    """

    name: str
    records: Sequence[int]
    weight: float
    draw: Draw
    identity: str = ""


def open_sets(
    weights: Mapping[str, float],
    data_dir: Path,
    augmentation: Augmentation,
    video_augmentation: Augmentation,
    reach: int,
    left_out: Sequence[str] = (),
) -> list[Set]:
    """Opens training sets.

    Args:
        weights: above 0, how often each set is drawn, by its name, which says its kind: a split of
            DAVIS gives pairs of frames (stage 2), "generated" needs nothing prepared (the demo),
            and any other name gives pairs from single images (stage 1). All may be mixed in one
            run.
        data_dir: root of the prepared sets.
        augmentation: all numbers of the examples from single images.
        video_augmentation: those of the examples from videos, generated ones too.
        reach: most frames between the current frame and its previous mask, in stage 2.
        left_out: names of videos to keep for validation.

    Returns:
        The sets.

    Raises:
        InputError: sets are not prepared, all of which are named, each with the command that does
            it; or nothing of one is left.
    """
    videos_of_all: set[str] = set()

    def open_set(name: str, weight: float) -> Set:
        if name == GENERATED:
            find_photos()
            return Set(name, range(1 << 20), weight, ClipDraw(video_augmentation))
        if name not in SPLITS:
            source = open_saliency(data_dir, name)
            draw = StaticDraw(source, augmentation)
            return Set(name, range(len(source)), weight, draw, source.identify())
        source, videos = open_davis(data_dir, name)
        videos_of_all.update(video.name for video in videos)
        kept = tuple(video for video in videos if video.name not in left_out)
        if not kept:
            raise InputError(f"data.left_out leaves no video of {name} to train on")
        records = [v.start + i for v in kept for i in range(len(v.numbers))]
        draw = VideoDraw(source, kept, video_augmentation, reach)
        return Set(name, records, weight, draw, source.identify())

    sets, problems = [], []
    for name, weight in weights.items():
        try:
            sets.append(open_set(name, weight))
        except InputError as error:
            problems.append(str(error))
    if problems:
        raise InputError("; ".join(problems))
    unknown = sorted(set(left_out) - videos_of_all)
    if unknown and videos_of_all:
        raise InputError(
            f"data.left_out has {', '.join(unknown)}, which no set has; its videos are "
            f"{', '.join(sorted(videos_of_all))}"
        )
    return sets


def make_dataset(sets: Sequence[Set], seed: int) -> grain.MapDataset:
    """Chains sets into one endless dataset of examples.

    Args:
        sets: to mix by weight; each is shuffled anew whenever it has been seen whole.
        seed: of order and draws.

    Returns:
        A dataset whose item k is a dictionary with the arrays of `Example` and `origin`. What is
        wrong with a record is an `InputError` that names set and record.
    """

    def chain(number: int, one: Set) -> grain.MapDataset:
        def draw(record: int, generator: np.random.Generator) -> Batch:
            try:
                example = one.draw(record, generator)
            except InputError as error:
                raise InputError(f"sample {one.name}[{record}]: {error}") from None
            return example._asdict() | {"origin": np.array([number, record])}

        dataset = grain.MapDataset.source(one.records).seed(seed + number)
        return dataset.shuffle().repeat(EPOCHS).random_map(draw)

    chains = [chain(number, one) for number, one in enumerate(sets)]
    return grain.MapDataset.mix(chains, weights=[one.weight for one in sets])


def _start_worker(worker: int, workers: int) -> None:
    """Sets up a worker process.

    OpenCV gets one thread, or all workers would fight for the cores. Signals are left to the main
    process, which saves first and then stops its workers; one that ends without stopping them, as
    when it is killed, takes them along.
    """
    cv2.setNumThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _end_with_parent() -> None:
    """Waits until the main process has ended, and ends this one."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return  # this is the main process
    parent.join()
    os._exit(1)


def load_batches(
    dataset: grain.MapDataset,
    batch_size: int,
    *,
    start: int = 0,
    process: int = 0,
    processes: int = 1,
    workers: int = 0,
) -> Batches:
    """Loads batches without end; to be closed after use.

    Args:
        dataset: of examples.
        batch_size: global, over all processes.
        start: samples that were drawn before, over all processes; a multiple of `batch_size`.
        process: number of this process, which loads every `processes`-th sample.
        processes: how many there are.
        workers: processes that make examples beside this one; 0 makes them here, in threads.

    Returns:
        An iterator of this process's part of each batch.
    """
    own = dataset[start + process :: processes].batch(batch_size // processes)
    if workers:
        options = grain.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=2)
        # In a worker one thread makes the batches, or more than `workers` cores would be busy.
        read = grain.ReadOptions(num_threads=1, prefetch_buffer_size=2)
        # Batches come through a pipe: shared memory is left behind when a busy worker is ended.
        piped = grain.experimental.DatasetOptions(min_shm_size=1 << 62)
        examples = grain.experimental.WithOptionsIterDataset(own.to_iter_dataset(read), piped)
        return iter(examples.mp_prefetch(options, _start_worker))
    return iter(own.to_iter_dataset(grain.ReadOptions(num_threads=2, prefetch_buffer_size=4)))
