"""One run of the command: a video from its words on the command line to its summary."""

import filecmp
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ranet_jax.errors import InputError
from ranet_jax.files import lock_folder
from ranet_jax.frame_bar import FrameBar
from ranet_jax.media.frames import Frame, Video
from ranet_jax.media.video import open_video
from ranet_jax.online_learning import OnlineLearner, check_learnable
from ranet_jax.segment.engine import Outcome, segment_video
from ranet_jax.segment.messages import print_masks, print_summary
from ranet_jax.segment.previous_results import check_folder
from ranet_jax.segment.user_masks import UserMask, read_user_masks
from ranet_jax.segmenter import Segmenter


class Job(NamedTuple):
    """What is asked for.

    Attributes:
        source: of the video, as for `open_video`.
        mask_paths: file of each mask by frame index; frame 0 has one.
        out: folder of the results.
        replacing: the frames of those that replace what is followed; others add to it.
        resize_masks: whether masks of another size than the frames are resized.
        max_frames: to stop after; None for all.
        overwrite: whether results in `out` are replaced.
        resume: whether results in `out` are gone on with.
    """

    source: str
    mask_paths: Mapping[int, Path]
    out: Path
    replacing: Collection[int] = ()
    resize_masks: bool = False
    max_frames: int | None = None
    overwrite: bool = False
    resume: bool = False


def check_job(job: Job, *, learns: bool = False) -> None:
    """Checks a video, its masks and the folder of its results, before its turn comes.

    Args:
        job: what is asked for.
        learns: whether the first frame is going to be learned.

    Raises:
        InputError: the video cannot be opened, its masks are not of it or have too many objects to
            be learned, or its folder has others.
    """
    with _open(job) as (_, masks):
        if learns:
            check_learnable(len(set(masks[0].ids.values())))
        _check_folder(job)


def _check_folder(job: Job) -> None:
    """Refuses a folder in which something of the user's would be lost."""
    given = job.mask_paths.values()
    check_folder(job.out, overwrite=job.overwrite, resume=job.resume, given=given)


@contextmanager
def _open(job: Job) -> Iterator[tuple[Video, dict[int, UserMask]]]:
    """Opens the video and reads its masks; refuses what cannot be segmented as it is asked for."""
    last = max(job.mask_paths)
    if job.max_frames is not None and job.max_frames <= last:
        raise InputError(
            f"--max-frames {job.max_frames} ends before frame {last}, which has a mask; raise it"
        )
    if job.out.exists() and not job.out.is_dir():
        raise InputError(f"{job.out} is a file; choose another --out")
    with open_video(job.source) as video:
        if not video.has_end and job.max_frames is None:
            raise InputError(f"{video.name} has no end; give --max-frames")
        if not video.has_end and job.resume:
            raise InputError(f"{video.name} cannot go back to its beginning; give --overwrite")
        if video.frame_count is not None and last >= video.frame_count:
            raise InputError(
                f"{video.name} has {video.frame_count} frames, so that there is no frame {last} to "
                "give a mask for; the first frame is number 0"
            )
        for path in job.mask_paths.values():
            if image := next((one for one in video.images if _is_same(path, one)), None):
                raise InputError(
                    f"{image} is a mask ({path}), and would be a frame of {video.name} as well; "
                    "move it to another folder, or, if it is a frame, give a mask of it"
                )
        yield video, read_user_masks(job.mask_paths, video.size, resize=job.resize_masks)


def _is_same(path: Path, image: Path) -> bool:
    """Whether two files are one, or one is a copy of the other."""
    return path.samefile(image) or filecmp.cmp(path, image, shallow=False)


def run_job(job: Job, segmenter: Segmenter, learner: OnlineLearner | None) -> Outcome:
    """Segments a video behind a progress bar and says what came of it.

    Args:
        job: what is asked for.
        segmenter: the network.
        learner: learns the first frame beforehand; None to segment offline.

    Returns:
        What came of it.

    Raises:
        InputError: as the parts do; another program that writes into the folder is named.
    """
    with _open(job) as (video, masks), lock_folder(job.out):
        _check_folder(job)
        height, width = video.size
        length = f"{video.frame_count} frames" if video.frame_count else "length unknown"
        print(f"{video.name}: {width} x {height}, {float(video.frame_rate):.5g} fps, {length}")
        print_masks(job.mask_paths, masks, job.replacing, video.images)
        if learner:
            print(
                f"online learning: {learner.steps} steps on the first frame, before the others",
                flush=True,
            )
        labels = {index: one.labels for index, one in masks.items()}
        outcome = _segment(job, segmenter, learner, video, labels)
    print_summary(outcome, job.out, segmenter, learner)
    return outcome


def _segment(
    job: Job,
    segmenter: Segmenter,
    learner: OnlineLearner | None,
    video: Video,
    masks: Mapping[int, np.ndarray],
) -> Outcome:
    """Segments the video behind a progress bar; Ctrl-C ends it with one line."""
    ends = [count for count in (video.frame_count, job.max_frames) if count]
    with FrameBar(min(ends, default=None)) as bar:

        def report_frame(frame: Frame, mask: np.ndarray) -> None:
            bar.count_frame(video.name)

        def report_step(step: int) -> None:
            bar.name(f"{video.name}, learned step {step}")

        try:
            return segment_video(
                segmenter,
                video,
                masks,
                job.out,
                replacing=job.replacing,
                overwrite=job.overwrite,
                resume=job.resume,
                max_frames=job.max_frames,
                learner=learner,
                report_frame=report_frame,
                report_step=report_step,
            )
        except KeyboardInterrupt:
            bar.stop()
            what = f"finished frames are in {job.out}"
            if not bar.count and not job.resume:
                what = "no frame was finished"
            elif video.has_end:
                what += "; --resume goes on"
            print(f"interrupted: {what}", file=sys.stderr)
            sys.exit(130)
