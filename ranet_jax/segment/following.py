"""From frames to masks: objects followed through a video, from mask to mask."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from ranet_jax.errors import InputError
from ranet_jax.media.frames import Frame
from ranet_jax.online_learning import OnlineLearner
from ranet_jax.protocol import find_slot_size
from ranet_jax.segment.results import Results
from ranet_jax.segment.same_run import compute_checksum
from ranet_jax.segmenter import Segmenter
from ranet_jax.slots import MAX_OBJECTS
from ranet_jax.template_bank import find_sizes
from ranet_jax.tracker import Tracker


class Followed(NamedTuple):
    """A frame and what is known of it.

    Attributes:
        number: of the frame, from 0.
        frame: as it was read.
        mask: ids, uint8 [h, w].
        tracker: that has come to this frame.
    """

    number: int
    frame: Frame
    mask: np.ndarray
    tracker: Tracker


def count_objects(mask: np.ndarray) -> int:
    """Counts the objects of a mask.

    Args:
        mask: of ids, [h, w]; 0 is background.

    Returns:
        How many ids are in it.
    """
    return np.setdiff1d(mask, [0]).size


def check_masks(masks: Mapping[int, np.ndarray], size: tuple[int, int]) -> None:
    """Refuses masks that no video can be segmented with.

    Args:
        masks: ids by frame index, [h, w] each.
        size: height and width of the frames.

    Raises:
        InputError: the first frame has none; or one has another size, no object or too many.
    """
    if 0 not in masks:
        raise InputError("the first frame, number 0, needs a mask")
    for index, mask in masks.items():
        objects = count_objects(mask)
        if mask.shape != size or not 0 < objects <= MAX_OBJECTS:
            raise InputError(
                f"the mask of frame {index} is {mask.shape} with {objects} objects; it must be "
                f"{size} as the frames are, with 1 to {MAX_OBJECTS} objects"
            )


def compile_for_masks(
    segmenter: Segmenter,
    learner: OnlineLearner | None,
    masks: Mapping[int, np.ndarray],
    replacing: Collection[int],
) -> None:
    """Compiles all that a video needs, so that no frame waits for the compiler.

    Args:
        segmenter: the network.
        learner: that learns the first frame; None where nothing is learned.
        masks: that the video has, by frame index.
        replacing: those of them that say anew what is followed.
    """
    protocol = segmenter.protocol
    # What a memory will have filled by then, nobody knows; without one each mask takes a place.
    is_free = None if protocol.memory_every else False
    ids, objects, sizes = np.zeros(0, np.uint8), 0, [protocol.templates]
    for index, mask in sorted(masks.items()):
        given = np.setdiff1d(mask, [0])
        if index in replacing or index == 0:
            ids, objects, sizes = given, given.size, [protocol.templates]
            segmenter.compile(objects)
        else:
            ids = np.union1d(ids, given)
            # As `Tracker.add` does: what there is room for already stays.
            objects = max(ids.size, find_slot_size(objects))
            sizes = sorted({size for places in sizes for size in find_sizes(places, is_free)})
            for places in sizes:
                segmenter.compile(objects, places)
    if learner:
        learner.compile(count_objects(masks[0]))


def follow(
    segmenter: Segmenter,
    learner: OnlineLearner | None,
    name: str,
    frames: Iterable[Frame],
    masks: Mapping[int, np.ndarray],
    replacing: Collection[int],
    results: Results,
    report_step: Callable[[int], None],
) -> Iterator[Followed]:
    """Gives each frame with its mask; segments those that are not finished.

    Args:
        segmenter: the network.
        learner: learns the first frame beforehand; None to segment offline.
        name: of the video.
        frames: from the first one on.
        masks: ids by frame index, of the first frame and of any later one; see `check_masks`.
        replacing: the frames of those masks that say anew what is followed; others add to it.
        results: what is finished already, and whose video it is.
        report_step: called with the number of each step of learning.

    Yields:
        Frames in order, those that were finished before among them.

    Raises:
        InputError: a frame cannot be used, or the finished ones are of another video.
    """
    resumed = results.finished
    tracker: Tracker | None = None
    for index, frame in enumerate(frames):
        given = masks.get(index)
        if tracker is None:
            mask = masks[0].astype(np.uint8)
            results.check_video(frame.name, compute_checksum([frame.image]))
            # Of equal seeds the same is learned, so that a resumed run learns it anew.
            params = learner.learn(frame.image, mask, report_step) if learner else None
            tracker = segmenter.start(frame.image, mask, params, name=name)
        elif given is not None and index in replacing:
            mask = given.astype(np.uint8)
            tracker.mark(frame.image, mask)
        elif index < resumed:
            mask = results.read_mask(frame.name, frame.image.shape[:2])
            if given is not None:
                # A look is cut to the box of all objects, so they must be where they were.
                tracker.restore({"labels": results.read_labels(index - 1)})
                tracker.step(frame.image)
                tracker.add(frame.image, given)
        else:
            mask = tracker.step(frame.image)
            if given is not None:
                mask = tracker.add(frame.image, given)
        if index + 1 == resumed:
            assert results.saved is not None  # it was kept with the finished frames
            tracker.restore(results.saved)
        yield Followed(index, frame, mask, tracker)
