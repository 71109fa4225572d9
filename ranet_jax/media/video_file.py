"""A video file: its main pictures, decoded one at a time, and whether all of them are there."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from ranet_jax.errors import InputError
from ranet_jax.media.clock import Clock
from ranet_jax.media.cut_files import find_promise
from ranet_jax.media.frames import Frame, Sound, Video, check_size
from ranet_jax.media.sound import find_track
from ranet_jax.remarks import remark

# A file of another kind, such as a playlist, would have FFmpeg open other files than the given one.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,gif,mxf,ivf,h264,hevc,m4v,"
    "mjpeg,dv,nut,yuv4mpegpipe"
)
_SIDE_PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
_REMEDY = "copy the file again or convert it"
# Seconds by which sound outlasts pictures in any file, because it comes in pieces of its own.
_SOUND_PIECE = Fraction(1, 10)


def open_video_file(path: str) -> Video:
    """Opens a video file; its first frame is decoded to see how large it is, the right way up.

    Args:
        path: of the file.

    Returns:
        The video.

    Raises:
        InputError: it is no video, has no frames, or none that can be decoded.
        OSError: the system does not let it be read.
    """
    with _decode(path) as (container, stream, pictures):
        first = next(pictures, None)
        if first is None:
            raise InputError(f"{path} has no frames; copy it again or convert it to mp4")
        size = orient(first).shape[:2]
        start = _time_of(first) or Fraction(0)
        track = find_track(container, path)
        sound = None if track is None else Sound(path, start, track)
        promise = find_promise(path, container, stream)
        rate = promise.rate
        time_base = stream.time_base
        end = None if promise.end is None else promise.end - start
        aspect = _find_pixel_aspect(first, stream)

    def read() -> Generator[Frame, None, None]:
        clock = Clock(path, start, rate, time_base or 1 / rate, has_sound=sound is not None)
        with _decode(path) as (_, _, pictures):
            held: Frame | None = None  # because only the last one stands until the file ends
            try:
                for index, picture in enumerate(pictures):
                    if held:
                        yield held
                    duration = _to_seconds(picture.duration or None, picture.time_base)
                    seconds = clock.read(index, _time_of(picture), duration)
                    held = Frame(f"{index:06d}", orient(picture), seconds, duration)
                    check_size(held, size, f"frame {index} of {path}")
            except InputError as error:
                if held and held.image.shape[:2] == size:
                    yield held
                raise error
            stands = end + clock.moved - held.time if held and end else 0
            if held and stands > (held.duration or 0) + _SOUND_PIECE:
                held = held._replace(duration=stands)
            if held:
                yield held

    return Video(
        Path(path).name,
        size,
        rate,
        promise.pictures,
        read,
        time_base=time_base,
        sound=sound,
        pixel_aspect=aspect,
    )


@contextmanager
def _decode(path: str) -> Iterator[tuple[InputContainer, VideoStream, Iterator[VideoFrame]]]:
    """Opens a video file; gives its container, the main stream and the decoded frames."""
    with open(path, "rb"):
        pass  # what the system refuses, in its own words
    try:
        # Without the protocol, what stands before a colon in a name would be taken for one.
        container = av.open(f"file:{path}", options={"format_whitelist": _FORMATS})
    except FFmpegError as error:
        raise InputError(
            f"{path} cannot be read as a video ({error.strerror}); copy it again or convert it"
        ) from None
    with container:
        stream = _choose_stream(container, path)
        # With slices in parallel FFmpeg hardly ever says that a frame is damaged, and with whole
        # frames not always: see docs/performance.md. It costs no time at 480p.
        stream.codec_context.thread_count = 1
        yield container, stream, _decode_pictures(path, container, stream)


def _choose_stream(container: InputContainer, path: str) -> VideoStream:
    """The main pictures among covers, previews, depth maps and second views."""

    def rank(stream: VideoStream) -> tuple:
        context = stream.codec_context
        is_default = bool(stream.disposition & Disposition.default)
        return stream.frames != 1, context.width * context.height, is_default, -stream.index

    moving = [one for one in container.streams.video if not one.disposition & _SIDE_PICTURES]
    if not moving:
        raise InputError(f"{path} has no video in it; give a file with pictures")
    known = [one for one in moving if one.codec_context is not None]
    if not known:
        raise InputError(
            f"{path} has pictures of a coding that cannot be decoded here; convert it to mp4, H.264"
        )
    chosen = max(known, key=rank)
    if len(moving) > 1:
        width, height = chosen.codec_context.width, chosen.codec_context.height
        remark(f"{path} has {len(moving)} video streams; that of {width} x {height} was taken")
    return chosen


def _decode_pictures(
    path: str, container: InputContainer, stream: VideoStream
) -> Iterator[VideoFrame]:
    """Decodes a stream from its beginning, and names the frame that cannot be."""
    promise = find_promise(path, container, stream)
    held: list[VideoFrame] = []
    index = packets = 0
    end = Fraction(0)
    try:
        for packet in container.demux(stream):
            if packet.is_corrupt and promise.is_kept_whole:
                # The rest of a file that was cut off. What came before is whole, and the decoder
                # gives it out at the end.
                promise = promise._replace(is_cut=True)
                continue
            if packet.size:
                packets += 1
                if packet.pts is not None:
                    end = max(end, (packet.pts + (packet.duration or 0)) * packet.time_base)
            for picture in stream.decode(packet):
                if picture.is_corrupt:
                    if held:
                        last = index + len(held)
                        raise InputError(
                            f"frames {index} to {last} of {path} are damaged; {_REMEDY}"
                        )
                    raise InputError(f"frame {index} of {path} is damaged; {_REMEDY}")
                held.append(picture)
                # Such pictures can be made of a later one, which may turn out to be damaged.
                if picture.pict_type != PictureType.B:
                    yield from held
                    index += len(held)
                    held.clear()
        yield from held
        index += len(held)
    except FFmpegError as error:
        yield from held
        raise InputError(
            f"frame {index + len(held)} of {path} cannot be decoded ({error.strerror}); {_REMEDY}"
        ) from None
    if missing := promise.describe_missing(packets, end):
        raise InputError(
            f"frame {index} of {path} is missing, and all after it: the file ends before {missing} "
            f"of its frames; {_REMEDY}"
        )


def _time_of(picture: VideoFrame) -> Fraction | None:
    """When a picture is shown, in seconds of its file's clock; None where the file is silent."""
    return _to_seconds(picture.pts, picture.time_base)


def _to_seconds(ticks: int | None, time_base: Fraction | None) -> Fraction | None:
    """Seconds of a time in ticks; None where it, or the length of a tick, is not known."""
    return None if ticks is None or time_base is None else ticks * time_base


def _find_pixel_aspect(picture: VideoFrame, stream: VideoStream) -> Fraction:
    """Width of a pixel by its height, the right way up."""
    aspect = Fraction(stream.sample_aspect_ratio or 0)
    if aspect <= 0:
        return Fraction(1)
    a, b, _, _ = _read_matrix(picture)
    return 1 / aspect if abs(a) <= abs(b) else aspect


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
    a, b, c, d = _read_matrix(picture)
    across, down = (a, d) if abs(a) > abs(b) else (c, b)
    if abs(a) <= abs(b):
        image = image.swapaxes(0, 1)
    return np.ascontiguousarray(image[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1])


def _read_matrix(picture: VideoFrame) -> tuple[int, int, int, int]:
    """How a picture is to be turned and mirrored: a, b, c and d of `orient`."""
    matrix = picture.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return 1, 0, 0, 1
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32, 5).tolist()
    return a, b, c, d
