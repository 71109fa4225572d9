"""The sound of a video, carried over into an MP4 of its overlays."""

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


class SoundTrack:
    """A sound track that is written piece by piece, beside the pictures it belongs to.

    Sound that an MP4 can hold is copied without being decoded. It is read only as it is needed,
    because a muxer keeps in memory what comes long before its picture.
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
        if stream.codec_context.codec.canonical_name in COPIED:
            self._stream = container.add_stream_from_template(stream)
            self._packets = self._source.demux(stream)
        else:
            layout = "mono" if stream.codec_context.channels == 1 else "stereo"
            self._stream = container.add_stream("aac", _AAC_RATE, layout=layout)
            self._packets = self._encode(stream, layout)
        self._next = self._read()

    def write_until(self, seconds: Fraction) -> None:
        """Writes what is to be heard before a time, in seconds since the first picture."""
        while self._next is not None and self._next[0] < seconds:
            (_, packet), self._next = self._next, None
            packet.stream = self._stream
            self._container.mux(packet)
            self._next = self._read()

    def close(self) -> None:
        """Closes the source."""
        self._source.close()

    def _read(self) -> tuple[Fraction, Packet] | None:
        """The next packet and its seconds, on the clock of the pictures; None after the last."""
        try:
            packet = next(self._packets, None)
        except FFmpegError as error:
            # Sound is no reason to give the pictures up.
            remark(
                f"the sound of {self._sound.path} cannot be read to its end ({error.strerror}); "
                "the overlay has what came before"
            )
            return None
        if packet is None or packet.pts is None:  # PyAV ends with an empty packet
            return None
        delay = round(self._sound.start / packet.time_base)
        packet.pts -= delay
        if packet.dts is not None:
            packet.dts -= delay
        return packet.pts * packet.time_base, packet

    def _encode(self, stream: AudioStream, layout: str) -> Iterator[Packet]:
        """The sound as packets of AAC."""
        resampler = AudioResampler("fltp", layout, _AAC_RATE)
        for decoded in self._source.decode(stream):
            for part in resampler.resample(decoded):
                yield from self._stream.encode(part)
        for part in resampler.resample(None):
            yield from self._stream.encode(part)
        yield from self._stream.encode(None)
