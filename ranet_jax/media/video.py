"""Reading a video, one frame at a time: a file, a folder of frames, a glob, or a camera."""

import glob
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import ImageOps

from ranet_jax.errors import InputError
from ranet_jax.media.images import open_image

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""Files that are frames in a folder; whatever else lies in it is passed over."""

IMAGE_RATE = Fraction(24)
"""Frames per second of a folder of frames, which does not say: that of DAVIS."""

CAMERA_RATE = Fraction(30)
"""Frames per second of a camera that does not say."""

# A file of another kind, such as a playlist, would have FFmpeg open other files than the given one.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,gif,mxf,ivf,h264,hevc,m4v,"
    "mjpeg,dv,nut,yuv4mpegpipe"
)

_MISSING_SECONDS = 0.5  # by which a file may end before the end that it promises


class Frame(NamedTuple):
    """One frame of a video.

    Attributes:
        name: what its mask is called: the stem of an image file, or the zero-padded index.
        image: uint8 RGB [h, w, 3], as it is to be seen: a rotation that the file asks for is done.
        time: seconds since the first frame.
    """

    name: str
    image: np.ndarray
    time: Fraction


class Sound(NamedTuple):
    """Where the sound of a video is.

    Attributes:
        path: the file.
        start: the time in it, in seconds, at which the first frame is shown.
    """

    path: str
    start: Fraction


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
        has_end: False for a camera.
    """

    def __init__(
        self,
        name: str,
        size: tuple[int, int],
        frame_rate: Fraction,
        frame_count: int | None,
        read: Callable[[], Iterator[Frame]],
        *,
        time_base: Fraction | None = None,
        sound: Sound | None = None,
        release: Callable[[], None] | None = None,
    ) -> None:
        """Puts a video together; see `open_video`.

        Args:
            name: see above, as for `size`, `frame_rate`, `frame_count` and `sound`.
            size: see above.
            frame_rate: see above.
            frame_count: see above.
            read: gives the frames from the first one on.
            time_base: see above; one frame's duration if None.
            sound: see above.
            release: gives a camera back; None for what is no camera.
        """
        self.name = name
        self.size = size
        self.frame_rate = frame_rate
        self.frame_count = frame_count
        self.time_base = time_base or 1 / frame_rate
        self.sound = sound
        self.has_end = release is None
        self._read = read
        self._release = release

    def __iter__(self) -> Iterator[Frame]:
        return self._read()

    def close(self) -> None:
        """Gives a camera back; a file is open only while it is iterated over."""
        if self._release:
            self._release()

    def __enter__(self) -> "Video":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_video(source: str) -> Video:
    """Opens a video.

    Args:
        source: a file of any kind that FFmpeg reads (mp4, mov, webm, ...); a folder of images,
            whose names are ordered as people count (frame 2 before frame 10); a glob of images; or
            the number of a camera, such as "0".

    Returns:
        The video.

    Raises:
        InputError: there is no such thing, it is no video, or it has no frames.
    """
    path = Path(source)
    if path.is_dir():
        images = [one for one in path.iterdir() if one.suffix.lower() in IMAGE_SUFFIXES]
        images = [one for one in images if not one.name.startswith(".")]
        if not images:
            raise InputError(f"{source} has no frames; it must hold {', '.join(IMAGE_SUFFIXES)}")
        return _open_images(source, images)
    if path.exists():
        return _open_file(source)
    if source.isdecimal():
        return _open_camera(int(source))
    if glob.has_magic(source):
        images = [Path(match) for match in glob.glob(source)]
        if not images:
            raise InputError(f"no file matches {source}; put the pattern in quotes and check it")
        return _open_images(source, images)
    raise InputError(
        f"{source} does not exist; give a video, a folder of frames, a glob or a camera's number"
    )


def check_size(frame: Frame, size: tuple[int, int], where: str) -> Frame:
    """Passes a frame on, unless its size is not that of the frames before it."""
    if frame.image.shape[:2] != size:
        h, w = frame.image.shape[:2]
        raise InputError(
            f"{where} is {w} x {h} but the frames before it are {size[1]} x {size[0]}; "
            "the frames of a video must have one size"
        )
    return frame


def _open_images(source: str, images: list[Path]) -> Video:
    """A video of image files."""

    def count(path: Path) -> tuple:  # frame2 before frame10
        parts = re.split(r"(\d+)", path.name)
        return [int(part) if part.isdecimal() else part for part in parts], path

    images = sorted(images, key=count)
    stem, copies = Counter(path.stem for path in images).most_common(1)[0]
    if copies > 1:
        raise InputError(
            f"{source} has {copies} images named {stem}, whose masks would have one name; "
            "rename them, or choose by a glob such as '*.jpg'"
        )

    def read_upright(path: Path) -> np.ndarray:
        return np.asarray(ImageOps.exif_transpose(open_image(path)).convert("RGB"))

    size = read_upright(images[0]).shape[:2]

    def read() -> Iterator[Frame]:
        for index, path in enumerate(images):
            frame = Frame(path.stem, read_upright(path), index / IMAGE_RATE)
            yield check_size(frame, size, str(path))

    return Video(source, size, IMAGE_RATE, len(images), read)


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

    def read() -> Iterator[Frame]:
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


def _open_file(path: str) -> Video:
    """A video file; its first frame is decoded to see how large it is, the right way up."""
    with _decode(path) as (container, stream, pictures):
        first = next(pictures, None)
        if first is None:
            raise InputError(f"{path} has no frames; copy it again or convert it to mp4")
        size = orient(first).shape[:2]
        rate = stream.average_rate or stream.guessed_rate or IMAGE_RATE
        start = _time_of(first) or Fraction(0)
        sound = Sound(path, start) if container.streams.audio else None
        time_base, count = stream.time_base, stream.frames or None

    def read() -> Iterator[Frame]:
        with _decode(path) as (_, _, pictures):
            for index, picture in enumerate(pictures):
                at = _time_of(picture)
                seconds = index / rate if at is None else at - start
                frame = Frame(f"{index:06d}", orient(picture), seconds)
                yield check_size(frame, size, f"frame {index} of {path}")

    return Video(Path(path).name, size, rate, count, read, time_base=time_base, sound=sound)


@contextmanager
def _decode(path: str) -> Iterator[tuple[InputContainer, VideoStream, Iterator[VideoFrame]]]:
    """Opens a video file; gives its container, the stream and the decoded frames."""
    try:
        container = av.open(path, options={"format_whitelist": _FORMATS})
    except av.FFmpegError as error:
        raise InputError(
            f"{path} cannot be read as a video ({error.strerror}); copy it again or convert it"
        ) from None
    with container:
        if not container.streams.video:
            raise InputError(f"{path} has no video in it; give a file with pictures")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        yield container, stream, _decode_pictures(path, container, stream)


def _decode_pictures(
    path: str, container: InputContainer, stream: VideoStream
) -> Iterator[VideoFrame]:
    """Decodes a stream from its beginning, and names the frame that cannot be."""
    index, end = 0, None
    remedy = "copy the file again or convert it"
    try:
        for picture in container.decode(stream):
            if picture.is_corrupt:
                raise InputError(f"frame {index} of {path} is damaged; {remedy}")
            yield picture
            index += 1
            if (at := _time_of(picture)) is not None:
                end = at + (picture.duration or 0) * picture.time_base
    except av.FFmpegError as error:
        raise InputError(
            f"frame {index} of {path} cannot be decoded ({error.strerror}); {remedy}"
        ) from None
    # FFmpeg takes a file that was cut off, and some that are damaged, for one that just ends.
    promised = _promised_end(stream)
    if end is not None and promised is not None and end < promised - _MISSING_SECONDS:
        raise InputError(
            f"frame {index} of {path} is missing, and all after it: the file should last until "
            f"{float(promised):.2f} s but ends at {float(end):.2f} s; {remedy}"
        )


def _time_of(picture: VideoFrame) -> Fraction | None:
    """When a picture is shown, in seconds of its file's clock; None where the file is silent."""
    return None if picture.pts is None else picture.pts * picture.time_base


def _promised_end(stream: VideoStream) -> Fraction | None:
    """When a stream says it ends, in seconds of its file's clock; None where it does not say."""
    if stream.duration:
        return ((stream.start_time or 0) + stream.duration) * stream.time_base
    # Matroska and WebM write it into a tag: 00:00:01.600000000.
    found = re.fullmatch(r"(\d+):(\d+):(\d+\.\d+)", stream.metadata.get("DURATION", ""))
    if not found:
        return None
    hours, minutes, seconds = map(Fraction, found.groups())
    return 3600 * hours + 60 * minutes + seconds


def orient(picture: VideoFrame) -> np.ndarray:
    """The pixels of a decoded frame, the right way up.

    A telephone writes the pixels as its sensor has them, and a matrix beside them that says how
    to turn or mirror them: a pixel at (x, y) is shown at (a x + c y, b x + d y).

    Args:
        picture: a decoded frame.

    Returns:
        uint8 RGB [h, w, 3].
    """
    image = picture.to_ndarray(format="rgb24")
    matrix = picture.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return image
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32, 5).tolist()
    across, down = (a, d) if abs(a) > abs(b) else (c, b)
    if abs(a) <= abs(b):
        image = image.swapaxes(0, 1)
    return np.ascontiguousarray(image[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1])
