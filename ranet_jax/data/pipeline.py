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

from ranet_jax.data.augment import make_static_example, make_video_example
from ranet_jax.data.augmentation import Augmentation
from ranet_jax.data.davis import SPLITS
from ranet_jax.data.example import Example
from ranet_jax.data.paste import paste_objects
from ranet_jax.data.records import Source, VideoRecords, open_davis, open_saliency
from ranet_jax.data.shadow import draw_shadow
from ranet_jax.data.synthetic import generate_clip
from ranet_jax.errors import InputError

EPOCHS = 1_000_000
"""In effect without end; the lengths of truly endless datasets overflow when they are mixed."""

GENERATED = "generated"
"""The set of generated clips, for the demo."""

Batch = dict[str, np.ndarray]
"""The fields of `Example` stacked, [b, ...], and `origin` int64 [b, 2]: set and record in it."""

Batches: TypeAlias = "grain.DatasetIterator[Batch]"
"""An iterator that is to be closed, so that its workers end."""

Draw = Callable[[int, np.random.Generator], Example]
"""Makes an example from a record's index and a source of randomness."""


_LEFT = 1 / 3
"""How often a previous mask that has taken in a distractor has left the object for it."""


class Set(NamedTuple):
    """One training set: its records, how often it is drawn, and how.

    Attributes:
        name: of the set.
        records: indices of the records that may be drawn.
        weight: how often it is drawn, relative to the others.
        draw: makes an example from a record.
    """

    name: str
    records: Sequence[int]
    weight: float
    draw: Draw


class StaticDraw(NamedTuple):
    """Stage 1: a pair from one image, with objects of other images pasted where asked for."""

    source: Source
    augmentation: Augmentation

    def __call__(self, index: int, generator: np.random.Generator) -> Example:
        """Makes an example of image `index`."""
        image, mask, _ = self.source[index]
        numbers = self.augmentation
        pasted = numbers.pasted_objects and generator.random() < numbers.pasted_share
        if pasted:
            count = generator.integers(1, numbers.pasted_objects + 1)
            chosen = generator.integers(len(self.source), size=count)
            chosen = np.where(generator.random(count) < numbers.lookalikes, index, chosen)
            others = (self.source[int(other)][:2] for other in chosen)
            image, mask = paste_objects(image, mask, others, numbers, generator)
        image, previous = _draw_shadows(image, mask, numbers, generator)
        if pasted and generator.random() < numbers.distractors:
            asked = generator.choice(np.unique(mask[mask != 0]))
            taken = _draw_taken(mask, asked, numbers.distractors_taken_in, generator)
            mask = (mask == asked).astype(np.uint8)
            previous = np.isin(previous, taken).astype(np.uint8)
        start = previous if numbers.shadows_taken_in or numbers.distractors_taken_in else None
        return make_static_example(image, mask, numbers, generator, start)


def _draw_shadows(
    image: np.ndarray, mask: np.ndarray, numbers: Augmentation, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draws shadows of some objects; gives the image, and a mask that has taken some of them in."""
    previous = mask.copy()
    for identifier in np.unique(mask[mask != 0]) if numbers.shadows else ():
        if generator.random() < numbers.shadows:
            image, place = draw_shadow(image, mask, int(identifier), generator)
            if numbers.shadows_taken_in and generator.random() < numbers.shadows_taken_in:
                previous[place] = identifier
    return image, previous


def _draw_taken(
    mask: np.ndarray, asked: int, share: float, generator: np.random.Generator
) -> list[int]:
    """Draws whose pixels a previous mask has: the object's that is asked for, or others' too."""
    others = np.setdiff1d(mask, [0, asked])
    if not share or not others.size or generator.random() >= share:
        return [asked]
    other = int(generator.choice(others))
    return [other] if generator.random() < _LEFT else [asked, other]


class VideoDraw(NamedTuple):
    """Stage 2: two frames of one video, and the mask of a frame near the current one.

    Attributes:
        source: frames of all videos.
        videos: which frames belong together.
        augmentation: all numbers.
        reach: how many frames of the original video the previous mask may be away.
    """

    source: Source
    videos: tuple[VideoRecords, ...]
    augmentation: Augmentation
    reach: int

    def __call__(self, index: int, generator: np.random.Generator) -> Example:
        """Makes an example whose current frame is frame `index`."""
        starts = [video.start for video in self.videos]
        video = self.videos[int(np.searchsorted(starts, index, side="right")) - 1]
        numbers = np.array(video.numbers)
        distance = np.abs(numbers - numbers[index - video.start])
        near = np.flatnonzero((distance > 0) & (distance <= self.reach))
        nearby = index if not near.size else video.start + int(generator.choice(near))
        template = video.start + int(generator.integers(len(numbers)))
        frame = self.source[index]
        return make_video_example(
            *self.source[template][:2],
            *frame[:2],
            self.source[nearby].mask,
            self.augmentation,
            generator,
            [self.source[later][:2] for later in self._find_later(video, nearby, index)],
        )

    def _find_later(self, video: VideoRecords, nearby: int, index: int) -> list[int]:
        """The frames after frame `index`, in the direction and at the pace of the previous one.

        A video that ends is followed back.
        """
        pace, last = index - nearby or 1, len(video.numbers) - 1
        found = []
        for _ in range(self.augmentation.later_frames):
            if not 0 <= index + pace - video.start <= last:
                pace = -pace
            index = min(max(index + pace, video.start), video.start + last)
            found.append(index)
        return found


class ClipDraw(NamedTuple):
    """The demo: two frames of a generated clip; clips never repeat."""

    augmentation: Augmentation

    def __call__(self, index: int, generator: np.random.Generator) -> Example:
        """Makes an example of a clip that the generator alone decides."""
        later = self.augmentation.later_frames
        frames, masks = generate_clip(generator, 12 + later, self.augmentation.canvas)
        current = int(generator.integers(1, len(frames) - later))
        return make_video_example(
            frames[0],
            masks[0],
            frames[current],
            masks[current],
            masks[current - 1],
            self.augmentation,
            generator,
            [(frames[current + t], masks[current + t]) for t in range(1, later + 1)],
        )


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
        weights: how often each set is drawn, by its name, which says its kind: a split of DAVIS
            gives pairs of frames (stage 2), "generated" needs nothing prepared (the demo), and any
            other name gives pairs from single images (stage 1). All may be mixed in one run.
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
    if not weights or min(weights.values()) <= 0:
        raise InputError("data.sets must name at least one set, each with a weight above 0")

    def open_set(name: str, weight: float) -> Set:
        if name == GENERATED:
            return Set(name, range(1 << 20), weight, ClipDraw(video_augmentation))
        if name not in SPLITS:
            source = open_saliency(data_dir, name)
            return Set(name, range(len(source)), weight, StaticDraw(source, augmentation))
        source, videos = open_davis(data_dir, name)
        kept = tuple(video for video in videos if video.name not in left_out)
        if not kept:
            raise InputError(f"data.left_out leaves no video of {name} to train on")
        records = [v.start + i for v in kept for i in range(len(v.numbers))]
        return Set(name, records, weight, VideoDraw(source, kept, video_augmentation, reach))

    sets, problems = [], []
    for name, weight in weights.items():
        try:
            sets.append(open_set(name, weight))
        except InputError as error:
            problems.append(str(error))
    if problems:
        raise InputError("; ".join(problems))
    return sets


def make_dataset(sets: Sequence[Set], seed: int) -> grain.MapDataset:
    """Chains sets into one endless dataset of examples.

    Args:
        sets: to mix by weight; each is shuffled anew whenever it has been seen whole.
        seed: of order and draws.

    Returns:
        A dataset whose item k is a dictionary with the arrays of `Example` and `origin`.
    """

    def chain(number: int, one: Set) -> grain.MapDataset:
        def draw(record: int, generator: np.random.Generator) -> Batch:
            example = one.draw(record, generator)
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
