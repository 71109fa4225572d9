"""What is written of a video beside its masks: the overlay and the probabilities."""

from pathlib import Path

import numpy as np

from ranet_jax.media.frames import Frame, Video
from ranet_jax.media.overlay import paint_overlay
from ranet_jax.media.video_writer import VideoWriter
from ranet_jax.segment.results import OVERLAY
from ranet_jax.tracker import Tracker


def open_overlay(out: Path, video: Video) -> VideoWriter:
    """Begins the overlay of a video, with its times and its sound.

    Args:
        out: folder of the results.
        video: that is painted over.

    Returns:
        The writer; `paint` adds frames to it.
    """
    return VideoWriter(
        out / OVERLAY,
        video.frame_rate,
        time_base=video.time_base,
        sound=video.sound,
        pixel_aspect=video.pixel_aspect,
    )


def paint(painting: VideoWriter, frame: Frame, mask: np.ndarray) -> None:
    """Adds a frame to the overlay.

    Args:
        painting: of `open_overlay`.
        frame: as it was read.
        mask: its ids, uint8 [h, w].
    """
    painting.write(paint_overlay(frame.image, mask), frame.time, frame.duration)


def make_grey(tracker: Tracker, mask: np.ndarray) -> dict[int, np.ndarray]:
    """Makes grey images of the probabilities of a frame.

    Args:
        tracker: that has come to the frame.
        mask: its ids, uint8 [h, w]; if it was given, its probabilities are 0 and 1.

    Returns:
        By id, uint8 [h, w]: 255 times the probability, rounded.
    """
    if tracker.probability is None:
        return {int(one): np.where(mask == one, 255, 0).astype(np.uint8) for one in tracker.ids}
    grey = np.rint(255 * tracker.probability).astype(np.uint8)
    return {int(one): grey[..., slot] for slot, one in enumerate(tracker.ids)}
