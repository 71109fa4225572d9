"""Tells a video file that was cut off from one that just ends, by what it promises beforehand.

FFmpeg takes a file that was cut off for one that just ends. How many frames there should be, or how
many bytes, stands in its container: in an index (MP4, MOV), a header (IVF), the length of the
outermost element (Matroska, WebM, AVI, fragmented MP4) or of the file (FLV, WMV), or what comes
last in every such file (Ogg, GIF, MXF). Formats made for broadcast (MPEG-TS, MPEG-PS) promise
nothing.
"""

import os
import struct
from fractions import Fraction
from typing import BinaryIO, NamedTuple

import av
from av.container import InputContainer
from av.video.stream import VideoStream

_USUAL_RATE = Fraction(24)  # frames per second of a file that does not say
_KEPT_WHOLE = ("mov", "matroska", "asf", "avi", "flv", "ivf", "mxf", "nut")
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_FLV_SIZE = b"\0\x08filesize\0"  # the name of a number, and that it is one
_MXF_FOOTER = bytes.fromhex("060e2b34020501010d0102010104")
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


class Promise(NamedTuple):
    """What a file promises of its main stream.

    Attributes:
        pictures: frames that will be seen; None where the file does not say.
        packets: pieces of the stream, with those that an edit list hides; None where it does not
            say.
        end: time in seconds at which the stream should end; None where it does not say.
        rate: frames per second.
        is_cut: whether the file is shorter than it says.
        is_kept_whole: whether a piece that is incomplete can only be the last one of a cut file. A
            broadcast has such pieces anywhere.
    """

    pictures: int | None
    packets: int | None
    end: Fraction | None
    rate: Fraction
    is_cut: bool
    is_kept_whole: bool

    def describe_missing(self, packets: int, end: Fraction) -> str:
        """How many frames are missing at the end, in words.

        Args:
            packets: pieces that were there.
            end: time in seconds at which the last of them ended.

        Returns:
            Their number, by the file's own times where it has no count, or "some"; nothing if there
            is all.
        """
        if self.packets is not None:
            return str(self.packets - packets) if packets < self.packets else ""
        if not self.is_cut:
            return ""
        return str(max(1, round((self.end - end) * self.rate))) if self.end is not None else "some"


def find_promise(path: str, container: InputContainer, stream: VideoStream) -> Promise:
    """Finds what a file promises, before anything of it is decoded.

    Args:
        path: of the file.
        container: the file opened.
        stream: the main stream.

    Returns:
        The promise.
    """
    name = container.format.name.split(",")[0]
    pictures, packets, is_cut = stream.frames or None, None, False
    if name == "mov" and stream.frames:
        entries = stream.index_entries
        packets = len(entries)
        pictures = sum(not entry.is_discard for entry in entries)
    elif name == "ivf":
        packets = pictures
    elif name == "avi":
        # The header counts ticks, of which many may repeat the picture before: no number of frames.
        pictures = len(stream.index_entries) or None
    if packets is None:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            is_cut = _LENGTHS[name](file, size) > size if name in _LENGTHS else False
    end = _find_stated_end(container, stream, name)
    return Promise(
        pictures,
        packets,
        end,
        stream.average_rate or stream.guessed_rate or _USUAL_RATE,
        is_cut,
        name in _KEPT_WHOLE,
    )


def _find_stated_end(container: InputContainer, stream: VideoStream, name: str) -> Fraction | None:
    """When a stream should end, in seconds of its file's clock."""
    if name == "avi":
        return stream.frames * stream.time_base if stream.frames and stream.time_base else None
    if container.duration and name in _KEPT_WHOLE:
        return Fraction((container.start_time or 0) + container.duration, av.time_base)
    return None


def _measure_boxes(file: BinaryIO, size: int) -> int:
    """Where the last box of an MP4 ends, or the first that begins before the end of the file."""
    place = 0
    while place < size:
        file.seek(place)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8:  # 0 means: to the end of the file
            break
        place += length
    return place


def _measure_chunks(file: BinaryIO, size: int) -> int:
    """Where the last RIFF chunk of an AVI ends; a long one has several."""
    place = 0
    while place < size:
        file.seek(place)
        head = file.read(8)
        length = int.from_bytes(head[4:], "little")
        if head[:4] != b"RIFF" or not length:  # a recorder that crashed has left 0
            break
        place += 8 + length
    return place


def _measure_segment(file: BinaryIO, size: int) -> int:
    """Where the segment of a Matroska file ends; 0 where that was not known when it was written."""
    head = file.read(4096)
    place = head.find(_SEGMENT)
    if not head.startswith(_EBML) or not 0 <= place < len(head) - 12:
        return 0
    place += len(_SEGMENT)
    width = 9 - head[place].bit_length() if head[place] else 9
    if width > 8:
        return 0
    value = int.from_bytes(head[place : place + width], "big") & ((1 << 7 * width) - 1)
    unknown = value == (1 << 7 * width) - 1
    return 0 if unknown else place + width + value


def _measure_pages(file: BinaryIO, size: int) -> int:
    """Where an Ogg file ends; beyond its size where its last page is not marked as a stream's last.

    A page is at most 65307 bytes long, so the last one begins within so many of the end.
    """
    begin = max(0, size - 2 * 65307)
    file.seek(begin)
    tail = file.read()
    place = tail.rfind(b"OggS\0")
    page = tail[place:]
    if place < 0 or len(page) < 27 or len(page) < 27 + page[26]:
        return size + 1
    end = begin + place + 27 + page[26] + sum(page[27 : 27 + page[26]])
    is_last = bool(page[5] & 4)
    return end if is_last else max(end, size + 1)


def _measure_gif(file: BinaryIO, size: int) -> int:
    """Where the trailer of a GIF ends, whatever stands behind it; beyond its end if it has none."""
    head = file.read(13)
    file.seek(_measure_table(head[10:11]), os.SEEK_CUR)
    while (kind := file.read(1)) in (b"!", b","):  # an extension, or a picture
        if kind == b"!":
            file.seek(1, os.SEEK_CUR)
        else:
            file.seek(_measure_table(file.read(9)[8:]) + 1, os.SEEK_CUR)
        while length := file.read(1).strip(b"\0"):  # until an empty piece, or the end of the file
            file.seek(length[0], os.SEEK_CUR)
    return file.tell() if kind else size + 1


def _measure_table(flags: bytes) -> int:
    """The length of the table of colours that a GIF announces in one byte."""
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0


def _read_flv_size(file: BinaryIO, size: int) -> int:
    """The size that an FLV says it has, in its first tag; 0 where it does not say."""
    head = file.read(4096)
    place = head.find(_FLV_SIZE)
    number = head[place + len(_FLV_SIZE) :][:8]
    return int(struct.unpack(">d", number)[0]) if place >= 0 and len(number) == 8 else 0


def _read_asf_size(file: BinaryIO, size: int) -> int:
    """The size that a WMV says it has, in its file properties; 0 where it does not say."""
    head = file.read(65536)
    place = head.find(_ASF_PROPERTIES)
    return int.from_bytes(head[place + 40 : place + 48], "little") if place >= 0 else 0


def _measure_partitions(file: BinaryIO, size: int) -> int:
    """The size of an MXF that has a footer, and more where it has none."""
    file.seek(max(0, size - (1 << 26)))
    return size if _MXF_FOOTER in file.read() else size + 1


_LENGTHS = {
    "asf": _read_asf_size,
    "flv": _read_flv_size,
    "gif": _measure_gif,
    "mxf": _measure_partitions,
    "mov": _measure_boxes,
    "avi": _measure_chunks,
    "matroska": _measure_segment,
    "ogg": _measure_pages,
}
