"""Segmenting a video into a folder: what `ranet_jax.segment` and the page run."""

import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, nullcontext
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from ranet_jax.errors import InputError
from ranet_jax.media.frames import Frame, Video
from ranet_jax.media.overlay import VideoWriter, paint_overlay
from ranet_jax.online import OnlineLearner
from ranet_jax.protocol import SLOTS
from ranet_jax.remarks import remark
from ranet_jax.segment.results import OVERLAY, Results
from ranet_jax.segment.threads import Writing, read_ahead
from ranet_jax.segmenter import Segmenter, Tracker
from ranet_jax.weights.checkpoint import describe_model


class Segmentation(NamedTuple):
    """What came of a video.

    Attributes:
        frames: masks of the video that are in the folder.
        segmented: how many of them are of this run.
        seconds: that those took, reading and writing included, compilation and online learning not.
    """

    frames: int
    segmented: int
    seconds: float


def segment_video(
    segmenter: Segmenter,
    video: Video,
    masks: Mapping[int, np.ndarray],
    out: Path,
    *,
    overlay: bool = True,
    probabilities: bool = False,
    resume: bool = False,
    max_frames: int | None = None,
    learner: OnlineLearner | None = None,
    report_frame: Callable[[Frame, np.ndarray], None] = lambda frame, mask: None,
) -> Segmentation:
    """Segments a video into a folder.

    Frames are read ahead and results written behind while the device works, a few at a time, so
    that memory does not grow with the video. When the run is interrupted or a frame cannot be read,
    what was segmented is written first, and then the exception goes on its way.

    Args:
        segmenter: the network.
        video: to be segmented from its first frame on.
        masks: ids by frame index, uint8 [h, w] of the video's size: of the first frame, 0, and of
            any later one from which on another mask is the truth; see `Tracker.mark`. The result
            of such a frame is the mask itself.
        out: folder of the results; see `results.check_folder` for one that is not empty.
        overlay: whether `overlay.mp4` is written, with the times and the sound of the video.
        probabilities: whether `probabilities/ID/NAME.png` are written, 8-bit grey; needs a
            segmenter that gives them.
        resume: go on after the frames that `out` already holds; in the end it holds, bit for bit,
            what a run that was never interrupted leaves.
        max_frames: to stop after; None for the whole video.
        learner: learns the first frame beforehand; None to segment offline.
        report_frame: called after every frame with its mask, also with those found finished.

    Returns:
        How much was done, and in what time.

    Raises:
        InputError: a mask or a frame that cannot be used, a full disk, or a mask of a frame that
            the video turns out not to have.
    """
    if 0 not in masks:
        raise InputError("the first frame, number 0, needs a mask")
    if probabilities and not segmenter.probabilities:
        raise InputError("probabilities need Segmenter(..., probabilities=True)")
    for index, mask in masks.items():
        objects = _count_objects(mask)
        if mask.shape != video.size or not 0 < objects <= SLOTS[-1]:
            raise InputError(
                f"the mask of frame {index} is {mask.shape} with {objects} objects; it must be "
                f"{video.size} as the frames are, with 1 to {SLOTS[-1]} objects"
            )
    settings = {
        "size of the frames": video.size,
        "precision": segmenter.precision,
        "probabilities": probabilities,
        "network": describe_model(segmenter.model),
        "weights": _checksum(jax.tree.leaves(segmenter.params)),
        "online learning": [learner.steps, learner.rate, learner.seed] if learner else None,
    }
    marks = {index: _checksum([mask]) for index, mask in masks.items()}
    results = Results(out, settings, marks, resume=resume)
    if max_frames is not None and max_frames < results.finished:
        raise InputError(
            f"{out} holds {results.finished} finished frames, more than the {max_frames} to stop "
            "after; raise --max-frames, or start anew with --overwrite"
        )
    for mask in masks.values():  # now, so that no frame waits for the compiler
        segmenter.compile(_count_objects(mask))
    if learner:
        learner.compile(_count_objects(masks[0]))

    def read_clock() -> float:  # which stands still during online learning
        return time.perf_counter() - (learner.seconds if learner else 0.0)

    resumed, frames, start = results.finished, 0, read_clock()
    last_seen: dict[int, int] = {}
    followed: np.ndarray | tuple = ()
    stopped: BaseException | None = None
    try:
        with _open_overlay(out, video) if overlay else nullcontext() as painting:
            try:
                with (
                    closing(iter(video)) as source,
                    closing(read_ahead(islice(source, max_frames))) as ahead,
                    Writing() as writing,
                ):
                    for frame, mask, tracker in _follow(segmenter, learner, ahead, masks, results):
                        if frames < resumed:
                            start = read_clock()
                        else:
                            grey = _make_grey(tracker, mask) if probabilities else {}
                            remembered = tracker.labels
                            writing.add(results.write, frames, frame.name, mask, remembered, grey)
                        if painting:
                            writing.add(_paint, painting, frame, mask)
                        report_frame(frame, mask)
                        last_seen |= dict.fromkeys(np.bincount(mask.ravel()).nonzero()[0], frames)
                        followed = tracker.ids
                        frames += 1
                    if frames < resumed:
                        raise InputError(
                            f"{video.name} has {frames} frames but {out} holds {resumed} finished "
                            "ones; go on with the same video, or start anew with --overwrite"
                        )
            except (InputError, KeyboardInterrupt) as error:
                # With fewer frames than are finished, an overlay that is there is the better one.
                if frames < max(resumed, 1):
                    raise
                stopped = error
    except OSError as error:
        raise InputError(
            f"{error.filename or out}: {error.strerror or error}; {results.finished} finished "
            f"frames are kept, and --resume goes on with them"
        ) from None
    for one in followed:
        if last_seen[one] < frames - 1:
            remark(
                f"{video.name}: object {one} is in no mask after frame {last_seen[one]}; if it is "
                f"still to be seen, give a mask of a later frame as well"
            )
    if stopped:
        raise stopped
    if late := sorted(index for index in masks if index >= frames):
        raise InputError(
            f"{video.name} has {frames} frames, so that there is no frame {late[0]} to give a mask "
            f"for; the first frame is number 0, and the results in {out} are complete"
        )
    return Segmentation(frames, frames - resumed, read_clock() - start)


def _follow(
    segmenter: Segmenter,
    learner: OnlineLearner | None,
    frames: Iterable[Frame],
    masks: Mapping[int, np.ndarray],
    results: Results,
) -> Iterator[tuple[Frame, np.ndarray, Tracker]]:
    """Gives each frame with its mask and the tracker; segments those that are not finished."""
    resumed, labels = results.finished, results.labels
    tracker: Tracker | None = None
    for index, frame in enumerate(frames):
        if index in masks:
            mask = masks[index].astype(np.uint8)
            if tracker is None:
                results.check_video(frame.name, _checksum([frame.image]))
                # Of equal seeds the same is learned, so that a resumed run learns it anew.
                params = learner.learn(frame.image, mask) if learner else None
                tracker = segmenter.start(frame.image, mask, params)
            else:
                tracker.mark(frame.image, mask)
        elif index < resumed:
            mask = results.read_mask(frame.name)
        else:
            if index == resumed:
                tracker.restore(labels)
            mask = tracker.step(frame.image)
        yield frame, mask, tracker


def _count_objects(mask: np.ndarray) -> int:
    """Number of ids in a mask."""
    return np.setdiff1d(mask, [0]).size


def _make_grey(tracker: Tracker, mask: np.ndarray) -> dict[int, np.ndarray]:
    """Probability of each id as 8-bit grey, [h, w]; of a mask that is given, 0 or 255."""
    if tracker.probability is None:
        return {int(one): np.where(mask == one, 255, 0).astype(np.uint8) for one in tracker.ids}
    grey = np.rint(255 * tracker.probability).astype(np.uint8)
    return {int(one): grey[..., slot] for slot, one in enumerate(tracker.ids)}


def _open_overlay(out: Path, video: Video) -> VideoWriter:
    """The overlay of a video, with its times and its sound."""
    return VideoWriter(
        out / OVERLAY,
        video.frame_rate,
        time_base=video.time_base,
        sound=video.sound,
        pixel_aspect=video.pixel_aspect,
    )


def _paint(painting: VideoWriter, frame: Frame, mask: np.ndarray) -> None:
    """Adds a frame to the overlay."""
    painting.write(paint_overlay(frame.image, mask), frame.time, frame.duration)


def _checksum(arrays: Iterable[Any]) -> int:
    """A number that tells arrays from others."""
    checksum = 0
    for array in arrays:
        checksum = zlib.crc32(np.ascontiguousarray(array), checksum)
    return checksum
