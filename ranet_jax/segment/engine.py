"""Segmenting a video into a folder: what `ranet_jax.segment` and the page run."""

import functools
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ranet_jax.errors import InputError
from ranet_jax.media.frames import Frame, Video
from ranet_jax.media.video_writer import VideoWriter
from ranet_jax.online_learning import OnlineLearner
from ranet_jax.remarks import remark
from ranet_jax.segment.confidence import (
    Confidence,
    Sighting,
    find_doubtful,
    find_sightings,
    rate_frame,
)
from ranet_jax.segment.following import check_masks, compile_for_masks, follow
from ranet_jax.segment.outputs import make_grey, open_overlay, paint
from ranet_jax.segment.previous_results import remove_results
from ranet_jax.segment.results import Results
from ranet_jax.segment.same_run import describe_masks, describe_run
from ranet_jax.segment.threads import Writing, read_ahead
from ranet_jax.segmenter import Segmenter


class Outcome(NamedTuple):
    """What came of a video.

    Attributes:
        frames: masks of the video that are in the folder.
        segmented: how many of them are of this run.
        seconds: that those took, reading and writing included, compilation and online learning not.
        compile_seconds: that compiling the network for this video took.
        learning_seconds: that online learning of this video took, without its compilation.
        learning_compile_seconds: that compiling online learning for this video took.
        sightings: what was seen of each object, by its id.
        doubtful: objects in the frames that most need a look, the least certain first.
    """

    frames: int
    segmented: int
    seconds: float
    compile_seconds: float
    learning_seconds: float
    learning_compile_seconds: float
    sightings: dict[int, Sighting]
    doubtful: list[Confidence]


def segment_video(
    segmenter: Segmenter,
    video: Video,
    masks: Mapping[int, np.ndarray],
    out: Path,
    *,
    replacing: Collection[int] = (),
    overwrite: bool = False,
    resume: bool = False,
    max_frames: int | None = None,
    learner: OnlineLearner | None = None,
    report_frame: Callable[[Frame, np.ndarray], None] = lambda frame, mask: None,
    report_step: Callable[[int], None] = lambda step: None,
) -> Outcome:
    """Segments a video into a folder.

    Written are `masks/NAME.png`, `confidence.csv`, `overlay.mp4` with the times and the sound of
    the video, and `probabilities/ID/NAME.png`, 8-bit grey, where the segmenter gives them. Frames
    are read ahead and results written behind while the device works, a few at a time, so
    that memory does not grow with the video. When the run is interrupted or a frame cannot be read,
    what was segmented is written first, and then the exception goes on its way.

    Args:
        segmenter: the network.
        video: to be segmented from its first frame on.
        masks: ids by frame index, uint8 [h, w] of the video's size: of the first frame, 0, and of
            any later one in which objects join or are corrected; see `Tracker.add`.
        out: folder of the results; see `previous_results.check_folder` for one that is not empty,
            and `files.lock_folder` for one that others may write into.
        replacing: the frames of those masks that are the whole truth from there on; see
            `Tracker.mark`. The result of such a frame is the mask itself.
        overwrite: remove the results that `out` already holds, once the first frame that takes
            their place is segmented.
        resume: go on after the frames that `out` already holds. In the end it holds what a run
            that was never interrupted leaves, as far as the device computes the same from the same:
            bit for bit on a CPU; on others it was not tried.
        max_frames: to stop after; None for the whole video.
        learner: learns the first frame beforehand; None to segment offline.
        report_frame: called after every frame with its mask, also with those found finished.
        report_step: called with the number of each step of online learning.

    Returns:
        How much was done, and in what time.

    Raises:
        InputError: a mask or a frame that cannot be used, a full disk, or a mask of a frame that
            the video turns out not to have.
    """
    check_masks(masks, video.size)
    before = _read_totals(segmenter, learner)
    settings = describe_run(segmenter, learner, video.size)
    marks = describe_masks(masks, replacing)
    clear = functools.partial(remove_results, out) if overwrite else None
    results = Results(out, settings, marks, resume=resume, clear=clear)
    if max_frames is not None and max_frames < results.finished:
        raise InputError(
            f"{out} holds {results.finished} finished frames, more than the {max_frames} to stop "
            "after; raise --max-frames, or start anew with --overwrite"
        )
    compile_for_masks(segmenter, learner, masks, replacing)
    work = _Work(segmenter, learner, masks, replacing, results, report_frame, report_step)
    try:
        with open_overlay(out, video) as painting:
            stopped = work.run(video, max_frames, painting)
    except OSError as error:
        raise InputError(
            f"{error.filename or out}: {error.strerror or error}; {results.finished} finished "
            f"frames are kept, and --resume goes on with them"
        ) from None
    sightings = find_sightings(results.read_confidence())
    for one, sighting in sightings.items():
        if sighting.is_lost:
            remark(
                f"{video.name}: object {one} is in no mask after frame {sighting.last}; if it is "
                "still to be seen, give a mask of a later frame as well"
            )
    if stopped:
        raise stopped
    if late := sorted(index for index in masks if index >= work.frames):
        raise InputError(
            f"{video.name} has {work.frames} frames, so that there is no frame {late[0]} to give a "
            f"mask for; the first frame is number 0, and the results in {out} are complete"
        )
    seconds, segmented = work.read_clock() - work.start, work.frames - work.resumed
    after = _read_totals(segmenter, learner)
    compiling, learning, compiling_learning = np.subtract(after, before).tolist()
    return Outcome(
        frames=work.frames,
        segmented=segmented,
        seconds=seconds,
        compile_seconds=compiling,
        learning_seconds=learning,
        learning_compile_seconds=compiling_learning,
        sightings=sightings,
        doubtful=find_doubtful(results.read_confidence()),
    )


def _read_totals(segmenter: Segmenter, learner: OnlineLearner | None) -> tuple[float, float, float]:
    """Seconds of compiling, of online learning and of compiling it, of all videos so far."""
    of_learner = (learner.seconds, learner.compile_seconds) if learner else (0.0, 0.0)
    return segmenter.compile_seconds, *of_learner


class _Work:
    """One video on its way through reader, network and writer.

    Attributes:
        resumed: how many frames were finished before.
        frames: how many are done, those among them.
        start: of the first frame that was not finished before, on the clock of `read_clock`.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        learner: OnlineLearner | None,
        masks: Mapping[int, np.ndarray],
        replacing: Collection[int],
        results: Results,
        report_frame: Callable[[Frame, np.ndarray], None],
        report_step: Callable[[int], None],
    ) -> None:
        """Starts the clock; for the arguments see `segment_video`."""
        self._segmenter = segmenter
        self._learner = learner
        self._masks, self._replacing = masks, replacing
        self._results = results
        self._report_frame, self._report_step = report_frame, report_step
        self.resumed = results.finished
        self.frames = 0
        self.start = self.read_clock()

    def read_clock(self) -> float:
        """Reads a clock in seconds, which stands still during online learning."""
        return time.perf_counter() - (self._learner.seconds if self._learner else 0.0)

    def run(
        self, video: Video, max_frames: int | None, painting: VideoWriter
    ) -> BaseException | None:
        """Segments frames until there are no more, and waits until everything is written.

        Args:
            video: to be segmented.
            max_frames: to stop after; None for all.
            painting: the overlay.

        Returns:
            What ended the work before its time, when something was finished that is worth an
            overlay; None where nothing did.

        Raises:
            InputError: as `segment_video`, before anything new was finished: with fewer frames than
                are finished, an overlay that is there is the better one.
            KeyboardInterrupt: likewise.
            OSError: something cannot be written.
        """
        try:
            with (
                closing(iter(video)) as source,
                closing(read_ahead(islice(source, max_frames))) as ahead,
                Writing() as writing,
            ):
                self._pass_frames(video.name, ahead, writing, painting)
            if self.frames < self.resumed:
                raise InputError(
                    f"{video.name} has {self.frames} frames but {self._results.folder} holds "
                    f"{self.resumed} finished ones; go on with the same video, or start anew with "
                    "--overwrite"
                )
        except (InputError, KeyboardInterrupt) as error:
            if self.frames < max(self.resumed, 1):
                raise
            return error
        return None

    def _pass_frames(
        self, name: str, frames: Iterator[Frame], writing: Writing, painting: VideoWriter
    ) -> None:
        """Hands each frame to the network, and what comes out to the writer."""
        results = self._results
        followed = follow(
            self._segmenter,
            self._learner,
            name,
            frames,
            self._masks,
            self._replacing,
            results,
            self._report_step,
        )
        for index, frame, mask, tracker in followed:
            if index < self.resumed:
                self.start = self.read_clock()
            else:
                grey = make_grey(tracker, mask) if self._segmenter.probabilities else {}
                sure = rate_frame(index, frame.name, mask, tracker)
                writing.add(results.write, index, frame.name, mask, tracker.save(), grey, sure)
            writing.add(paint, painting, frame, mask)
            self._report_frame(frame, mask)
            self.frames = index + 1
