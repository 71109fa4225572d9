"""Frames one after another: what a video is here, whatever it is read from."""

from collections.abc import Callable, Generator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple
from weakref import WeakSet

import numpy as np

from ranet_jax.errors import InputError


class Frame(NamedTuple):
    """One frame of a video.

    Attributes:
        name: what its mask is called: the stem of an image file, or the zero-padded index.
        image: uint8 RGB [h, w, 3], as it is to be seen: a rotation that the file asks for is done.
        time: seconds since the first frame.
        duration: seconds that it stands; None where that is not known.
    """

    name: str
    image: np.ndarray
    time: Fraction
    duration: Fraction | None = None


class Sound(NamedTuple):
    """Where the sound of a video is.

    Attributes:
        path: the file.
        start: the time in it, in seconds, at which the first frame is shown.
        track: number of the stream in the file.
    """

    path: str
    start: Fraction
    track: int


class Video:
    """A video that can be read from its first frame, as often as is wished; a camera goes on.

    Only one frame at a time is in memory, however long the video. Iteration raises an `InputError`
    that names the frame which cannot be read.

    Attributes:
        name: to call it by.
        size: height and width of its frames, as they are to be seen.
        frame_rate: frames per second, on average.
        frame_count: how many frames it says it has; None where it does not say.
        time_base: seconds that all its frame times are multiples of.
        sound: where its sound is; None where there is none.
        pixel_aspect: width of a pixel by its height, as it is to be seen.
        images: the files of its frames, where each is an image file; empty otherwise.
        has_end: False for a camera.
    """

    def __init__(
        self,
        name: str,
        size: tuple[int, int],
        frame_rate: Fraction,
        frame_count: int | None,
        read: Callable[[], Generator[Frame, None, None]],
        *,
        time_base: Fraction | None = None,
        sound: Sound | None = None,
        pixel_aspect: Fraction = Fraction(1),
        images: Sequence[Path] = (),
        release: Callable[[], None] | None = None,
    ) -> None:
        """Puts a video together; see `video.open_video`.

        Args:
            name: see above, as for `size`, `frame_rate`, `frame_count` and `sound`.
            size: see above.
            frame_rate: see above.
            frame_count: see above.
            read: gives the frames from the first one on.
            time_base: see above; one frame's duration if None.
            sound: see above.
            pixel_aspect: see above.
            images: see above.
            release: gives a camera back; None for what is no camera.
        """
        self.name = name
        self.size = size
        self.frame_rate = frame_rate
        self.frame_count = frame_count
        self.time_base = time_base or 1 / frame_rate
        self.sound = sound
        self.pixel_aspect = pixel_aspect
        self.images = images
        self.has_end = release is None
        self._read = read
        self._release = release
        self._reading: WeakSet[Generator[Frame, None, None]] = WeakSet()

    def __iter__(self) -> Generator[Frame, None, None]:
        frames = self._read()
        self._reading.add(frames)
        return frames

    def close(self) -> None:
        """Gives a camera back, and closes a file that nobody reads to its end."""
        for frames in list(self._reading):
            frames.close()
        if self._release:
            self._release()

    def __enter__(self) -> "Video":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def check_size(frame: Frame, size: tuple[int, int], where: str) -> Frame:
    """Passes a frame on, unless its size is not that of the frames before it."""
    if frame.image.shape[:2] != size:
        h, w = frame.image.shape[:2]
        raise InputError(
            f"{where} is {w} x {h} but the frames before it are {size[1]} x {size[0]}; "
            "the frames of a video must have one size"
        )
    return frame
