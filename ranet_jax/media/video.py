"""Reading a video, one frame at a time: a file, a folder of frames, a glob, or a camera."""

import glob
import time
from collections.abc import Generator
from fractions import Fraction
from pathlib import Path

import cv2

from ranet_jax.errors import InputError
from ranet_jax.media.animation import is_animation, open_animation
from ranet_jax.media.frames import Frame, Video, check_size
from ranet_jax.media.images import read_frame, read_size
from ranet_jax.media.listing import (
    IMAGE_SUFFIXES,
    check_stems,
    list_images,
    name_mixture,
    sort_images,
)
from ranet_jax.media.video_file import open_video_file
from ranet_jax.remarks import remark

IMAGE_RATE = Fraction(24)
"""Frames per second of a folder of frames, which does not say: that of DAVIS."""

CAMERA_RATE = Fraction(30)
"""Frames per second of a camera that does not say."""


def open_video(source: str | Path) -> Video:
    """Opens a video.

    Args:
        source: a file of any kind that FFmpeg reads (mp4, mov, webm, ...), or an animated WebP or
            PNG; a folder of images, whose names are ordered as people count (frame 2 before frame
            10); a glob of images; or the number of a camera, such as "0".

    Returns:
        The video.

    Raises:
        InputError: there is no such thing, it is no video, or it has no frames.
        OSError: the system does not let it be read.
    """
    if not str(source):
        raise InputError("the name of a video is empty; name a file, a folder or a camera")
    source, path = str(source), Path(source)
    if path.is_dir():
        images = list_images(path)
        if not images:
            raise InputError(
                f"{source} has no frames; it must hold {', '.join(IMAGE_SUFFIXES)}; with a "
                "folder of videos give that of their first masks, by --masks"
            )
        return _open_images(source, images, name_mixture(images, path))
    if path.exists():
        return open_animation(path) if is_animation(path) else open_video_file(source)
    if source.isdecimal():
        return _open_camera(int(source))
    if glob.has_magic(source):
        images = sort_images(map(Path, glob.glob(source)))
        if not images:
            raise InputError(f"no image matches {source}; put the pattern in quotes and check it")
        return _open_images(source, images)
    raise InputError(
        f"{source} does not exist; give a video, a folder of frames, a glob or a camera's number"
    )


def _open_images(source: str, images: list[Path], doubt: str | None = None) -> Video:
    """A video of image files; what is in doubt of them is said when they are read."""
    check_stems(images, source, "rename them, or choose by a glob such as '*.jpg'")
    size = read_frame(images[0]).shape[:2]
    _check_sizes(images, size)

    def read() -> Generator[Frame, None, None]:
        if doubt:
            remark(doubt)
        remark(f"{source}: images have no times; {IMAGE_RATE} frames a second are assumed")
        is_lit = False
        for index, path in enumerate(images):
            image = read_frame(path, in_series=is_lit)
            is_lit = is_lit or bool(image.any())
            frame = Frame(path.stem, image, index / IMAGE_RATE)
            yield check_size(frame, size, str(path))

    return Video(source, size, IMAGE_RATE, len(images), read, images=images)


def _check_sizes(images: list[Path], size: tuple[int, int]) -> None:
    """Refuses images of several sizes before any of them is segmented."""
    for path in images:
        # What an image says of itself may be wrong; then its pixels are looked at.
        if read_size(path) not in (size, None):
            image = read_frame(path, in_series=True)
            check_size(Frame(path.stem, image, Fraction(0)), size, str(path))


def _open_camera(number: int) -> Video:
    """A camera; its times are those at which frames arrive."""
    # It would print lines of its own beside the error.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    capture = cv2.VideoCapture(number)
    found, image = capture.read()
    if not found:
        capture.release()
        raise InputError(
            f"camera {number} gives no frames; connect it, and close programs that use it"
        )
    size = image.shape[:2]

    def read() -> Generator[Frame, None, None]:
        index, start = 0, time.monotonic()
        while True:
            found, image = capture.read()
            milliseconds = round(1000 * (time.monotonic() - start)) if index else 0
            if not found:
                raise InputError(f"camera {number} is gone after {index} frames; connect it again")
            image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
            frame = Frame(f"{index:06d}", image, Fraction(milliseconds, 1000))
            yield check_size(frame, size, f"frame {index} of camera {number}")
            index += 1

    rate = Fraction(capture.get(cv2.CAP_PROP_FPS) or CAMERA_RATE).limit_denominator(1001)
    return Video(
        f"camera {number}",
        size,
        rate,
        None,
        read,
        time_base=Fraction(1, 1000),
        release=capture.release,
    )
