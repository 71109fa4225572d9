"""The sound of a video, carried over into an MP4 of its overlays."""

import io
from collections.abc import Iterator
from fractions import Fraction

import av
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet

from ranet_jax.media.frames import Sound
from ranet_jax.remarks import remark

COPIED = {"aac", "ac3", "alac", "eac3", "flac", "mp3", "opus"}
"""Codecs that an MP4 holds and players take from one; sound in another is encoded as AAC."""

_TROUBLE = (FFmpegError, ValueError)  # the latter where the sound changes between mono and stereo
_AAC_RATE = 48000  # in hertz; AAC has no more than twice that, and not every number below


def find_track(container: InputContainer, path: str) -> int | None:
    """Finds the first sound track that can be decoded, and says which ones cannot.

    Args:
        container: the file opened; not read from.
        path: of the file.

    Returns:
        The number of its stream; None where there is none.
    """
    tracks = container.streams.audio
    for number, stream in enumerate(tracks):
        if stream.codec_context is not None and _try_decoding(path, stream.index):
            if number:
                remark(f"sound track 1 of {path} cannot be decoded; track {number + 1} was taken")
            return stream.index
    if tracks:
        remark(f"the sound of {path} cannot be decoded; overlays of it have none")
    return None


def _try_decoding(path: str, index: int) -> bool:
    """Whether something comes of a sound track."""
    try:
        with av.open(f"file:{path}") as container:
            return next(container.decode(container.streams[index]), None) is not None
    except FFmpegError:
        return False


def _can_be_copied(stream: AudioStream) -> bool:
    """Whether an MP4 takes a track as it is; one of MP3 with few samples a second it refuses."""
    if stream.codec_context.codec.canonical_name not in COPIED:
        return False
    try:
        with av.open(io.BytesIO(), "w", "mp4") as trial:
            trial.add_stream_from_template(stream)
            trial.start_encoding()
    except _TROUBLE:
        return False
    return True


class SoundTrack:
    """A sound track that is written piece by piece, beside the pictures it belongs to.

    Sound that an MP4 can hold is copied without being decoded. It is read only as it is needed,
    because a muxer keeps in memory what comes long before its picture. Trouble with it is no reason
    to give the pictures up: it ends the sound, and that is said.
    """

    def __init__(self, sound: Sound, container: OutputContainer) -> None:
        """Adds a stream to a container, before anything is written to it.

        Args:
            sound: where the sound is.
            container: the MP4.
        """
        self._sound = sound
        self._container = container
        self._source = av.open(f"file:{sound.path}")
        stream = self._source.streams[sound.track]
        assert isinstance(stream, AudioStream)  # `find_track` looks at no others
        self._next: tuple[Fraction, Packet] | None = None
        self._newest: Fraction | None = None
        try:
            if _can_be_copied(stream):
                self._stream = container.add_stream_from_template(stream)
                self._packets = self._source.demux(stream)
            else:
                layout = "mono" if stream.codec_context.channels == 1 else "stereo"
                self._stream = container.add_stream("aac", _AAC_RATE, layout=layout)
                self._packets = self._encode(stream, layout)
        except _TROUBLE as error:
            self._say_that_it_ends(error)
        else:
            self._next = self._read()

    def write_until(self, seconds: Fraction) -> None:
        """Writes what is to be heard before a time, in seconds since the first picture.

        Args:
            seconds: the time.

        Raises:
            OSError: the system does not let it be written, as on a full disk.
        """
        while self._next is not None and self._next[0] < seconds:
            (_, packet), self._next = self._next, None
            packet.stream = self._stream
            try:
                self._container.mux(packet)
            except _TROUBLE as error:
                if isinstance(error, OSError):
                    raise
                self._say_that_it_ends(error)
            else:
                self._next = self._read()

    def close(self) -> None:
        """Closes the source."""
        self._source.close()

    def _read(self) -> tuple[Fraction, Packet] | None:
        """The next packet and its seconds, on the clock of the pictures; None after the last."""
        try:
            packet = next(self._packets, None)
        except _TROUBLE as error:
            self._say_that_it_ends(error)
            return None
        if packet is None or packet.pts is None:  # PyAV ends with an empty packet
            return None
        delay = round(self._sound.start / packet.time_base)
        packet.pts -= delay
        if packet.dts is not None:
            packet.dts -= delay
        seconds = packet.pts * packet.time_base
        if self._newest is not None and seconds < self._newest:
            self._say_that_it_ends("its times go back, as in files that were joined")
            return None
        self._newest = seconds
        return seconds, packet

    def _say_that_it_ends(self, why: Exception | str) -> None:
        """Says that there is no sound from here on, and why."""
        reason = getattr(why, "strerror", None) or why
        remark(
            f"the sound of {self._sound.path} cannot be carried over to its end ({reason}); "
            "the overlay has what came before"
        )

    def _encode(self, stream: AudioStream, layout: str) -> Iterator[Packet]:
        """The sound as packets of AAC."""
        resampler = AudioResampler("fltp", layout, _AAC_RATE)
        for decoded in self._source.decode(stream):
            for part in resampler.resample(decoded):
                yield from self._stream.encode(part)
        for part in resampler.resample(None):
            yield from self._stream.encode(part)
        yield from self._stream.encode(None)
