"""Frames written as an H.264 MP4 which browsers play, with the sound of the video they are of."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from ranet_jax.errors import InputError
from ranet_jax.files import name_unfinished
from ranet_jax.media.frames import Sound
from ranet_jax.media.sound import SoundTrack

_LONGEST_SIDE = 16384  # of a picture in H.264, in pixels, as its encoder has it
_SOUND_TAIL = Fraction(1, 20)  # seconds beyond the last frame: a codec ends with some padding


class VideoWriter:
    """An H.264 MP4 which browsers play, written frame by frame.

    The file gets its name only when it is finished; a run that fails leaves no broken video behind,
    and one which is killed leaves at most the file of `name_unfinished`. H.264's usual colour
    format halves both sides, so an odd side is lengthened by repeating its last row or column: one
    pixel too many does less harm than losing a pixel of a result.

    As a context manager it finishes the file, or discards it if the block raises an exception.
    """

    def __init__(
        self,
        path: Path,
        frame_rate: float | Fraction,
        *,
        time_base: Fraction | None = None,
        sound: Sound | None = None,
        pixel_aspect: Fraction = Fraction(1),
    ) -> None:
        """Makes the place of the file.

        Args:
            path: the MP4 file; its folder must exist. A file of that name is replaced.
            frame_rate: frames per second, on average.
            time_base: seconds that all frame times are multiples of; one frame's duration if None.
            sound: what is to be heard with the frames, cut off at their end.
            pixel_aspect: width of a pixel by its height; players stretch the picture by it.

        Raises:
            InputError: the file cannot be created.
        """
        self._path = path
        self._rate = Fraction(frame_rate).limit_denominator(1001)
        self._time_base = time_base or 1 / self._rate
        self._sound = sound
        self._pixel_aspect = pixel_aspect
        self._track: SoundTrack | None = None
        self._container: OutputContainer | None = None
        self._unfinished = name_unfinished(path)
        try:
            self._unfinished.touch()
        except OSError as error:
            raise InputError(
                f"{path} cannot be written ({error.strerror}); create its folder or choose another"
            ) from None

    def write(self, frame: np.ndarray, seconds: Fraction, duration: Fraction | None = None) -> None:
        """Writes a frame.

        Args:
            frame: uint8 RGB [h, w, 3], of the first one's size.
            seconds: when it is shown, after the first frame; must grow.
            duration: seconds that it stands if it is the last; by the frame rate if None.

        Raises:
            InputError: the frame has another size than the first, or one too large for H.264, or
                it cannot be written.
            OSError: the system does not let it be written, as on a full disk.
        """
        with self._naming_trouble():
            self._write(frame, seconds, duration)

    def _write(self, frame: np.ndarray, seconds: Fraction, duration: Fraction | None) -> None:
        """See `write`."""
        container = self._container or self._open(frame.shape)
        if frame.shape != self._shape:
            raise InputError(
                f"{self._path}: a frame is {frame.shape[1]} x {frame.shape[0]} but the first is "
                f"{self._shape[1]} x {self._shape[0]}; the frames of a video must have one size"
            )
        even = np.pad(frame, ((0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)), "edge")
        picture = av.VideoFrame.from_ndarray(even, "rgb24").reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU709
        )
        # Some files show two frames at one time, which H.264 has no room for.
        self._last = max(round(seconds / self._time_base), self._last + 1)
        picture.pts, picture.time_base = self._last, self._time_base
        stands = duration or 1 / self._rate
        self._duration = picture.duration = max(1, round(stands / self._time_base))
        if self._track:
            self._track.write_until(self._last * self._time_base)
        self._mux(container, self._stream.encode(picture))

    def finish(self) -> None:
        """Completes the file, which then has its name.

        Raises:
            InputError: no frame was written, or the file cannot be completed.
            OSError: the system does not let it be written, as on a full disk.
        """
        if self._container is None:
            raise InputError(f"{self._path} would be an empty video; give at least one frame")
        with self._naming_trouble():
            self._mux(self._container, self._stream.encode(), ends=True)
            if self._track:
                end = (self._last + self._duration) * self._time_base
                self._track.write_until(end + _SOUND_TAIL)
            self._close()
        os.replace(self._unfinished, self._path)

    def discard(self) -> None:
        """Leaves nothing of the file; one that had its name before stays."""
        try:
            self._close()
        except (FFmpegError, OSError):
            pass  # what has ended the run already, such as a full disk
        finally:
            self._unfinished.unlink(missing_ok=True)

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        try:
            if kind is None:
                self.finish()
        finally:
            self.discard()

    def _mux(
        self, container: OutputContainer, packets: list[av.Packet], *, ends: bool = False
    ) -> None:
        """Puts packets into the file, which `ends` with them.

        The encoder does not pass durations on, and the packet that is decoded last need not be the
        picture that is shown last. An MP4 is as long as it is from the decoding of its first packet
        to the end of the one that is decoded last.
        """
        for packet in packets:
            if self._first_decoded is None:
                self._first_decoded = packet.dts
            if packet.pts == self._last:
                packet.duration = self._duration
        if ends and packets and packets[-1].dts is not None and self._first_decoded is not None:
            decoded = packets[-1].dts - self._first_decoded
            packets[-1].duration = max(1, self._last + self._duration - decoded)
        container.mux(packets)

    def _open(self, shape: tuple[int, ...]) -> OutputContainer:
        """Begins the file, for frames of a shape."""
        if max(shape[:2]) > _LONGEST_SIDE:
            raise InputError(
                f"{self._path}: frames of {shape[1]} x {shape[0]} are too large for H.264, which "
                f"has at most {_LONGEST_SIDE} pixels a side; make the video smaller"
            )
        container = self._container = av.open(
            f"file:{self._unfinished}", "w", "mp4", options={"movflags": "+faststart"}
        )
        self._shape = shape
        self._last = -1
        self._first_decoded: int | None = None
        self._stream = container.add_stream(
            "libx264",
            self._rate,
            # A quarter of the time of x264's usual preset, up to a fifth larger and 0.7 dB less.
            options={"crf": "19", "preset": "superfast"},
            width=shape[1] + shape[1] % 2,
            height=shape[0] + shape[0] % 2,
            pix_fmt="yuv420p",
        )
        context = self._stream.codec_context
        context.time_base = self._time_base
        context.sample_aspect_ratio = self._pixel_aspect
        # Without these, players guess the colours from the size of the picture.
        context.colorspace = Colorspace.ITU709
        context.color_primaries = ColorPrimaries.BT709
        context.color_trc = ColorTrc.BT709
        context.color_range = ColorRange.MPEG
        if self._sound:
            self._track = SoundTrack(self._sound, container)
        return container

    @contextmanager
    def _naming_trouble(self) -> Iterator[None]:
        """Names the file when FFmpeg refuses something; what the system refuses passes through."""
        try:
            yield
        except FFmpegError as error:
            if isinstance(error, OSError):
                raise
            raise InputError(
                f"{self._path} cannot be written ({error.strerror}); convert the video that it is "
                "made of to mp4, and take that"
            ) from None

    def _close(self) -> None:
        """Closes what is open."""
        if self._track:
            self._track.close()
        if self._container:
            self._container.close()


def write_video(path: Path, frames: Iterable[np.ndarray], frame_rate: float | Fraction) -> None:
    """Writes frames as an H.264 MP4; see `VideoWriter`.

    Args:
        path: the MP4 file; its folder must exist. A file of that name is replaced.
        frames: uint8 RGB arrays [h, w, 3] of one size, taken one at a time.
        frame_rate: frames per second.

    Raises:
        InputError: the file cannot be created, there are no frames, or their sizes differ.
    """
    with VideoWriter(path, frame_rate) as video:
        for index, frame in enumerate(frames):
            video.write(frame, index / Fraction(frame_rate))
