"""Overlays and videos: what is painted, and that a video on disk is always a whole one."""

import errno
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from ranet_jax.errors import InputError
from ranet_jax.media.overlay import paint_overlay
from ranet_jax.media.palette import PALETTE
from ranet_jax.media.video import open_video
from ranet_jax.media.video_writer import VideoWriter, write_video
from tests.filming import film, film_by_hand, pictures


@pytest.fixture
def frame() -> np.ndarray:
    """A small frame of noise."""
    return np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)


def _moving_bar(count: int, size: tuple[int, int]) -> np.ndarray:
    """Orange frames with a blue bar whose left edge is at twice the frame's index."""
    frames = np.full((count, *size, 3), (220, 120, 30), np.uint8)
    for index in range(count):
        frames[index, :, 2 * index : 2 * index + 8] = (20, 40, 200)
    return frames


def _read_video(path: Path) -> tuple[np.ndarray, Fraction]:
    with av.open(str(path)) as container:
        frames = [picture.to_ndarray(format="rgb24") for picture in container.decode(video=0)]
        return np.stack(frames), container.streams.video[0].average_rate


def test_overlay_leaves_background_untouched(frame: np.ndarray) -> None:
    labels = np.zeros((60, 80), np.uint8)
    labels[10:30, 20:50] = 1
    before = frame.copy()
    overlay = paint_overlay(frame, labels)
    assert overlay.dtype == np.uint8
    assert overlay.shape == frame.shape
    np.testing.assert_array_equal(frame, before)
    np.testing.assert_array_equal(overlay[labels == 0], frame[labels == 0])
    assert (overlay[labels == 1] != frame[labels == 1]).any(axis=-1).mean() > 0.99
    np.testing.assert_array_equal(paint_overlay(frame, np.zeros_like(labels)), frame)


@pytest.mark.parametrize("corner", [(0, 0), (1, 2), (20, 30), (40, 50), (39, 48)])
def test_overlay_of_an_object_is_the_same_beside_others(corner: tuple[int, int]) -> None:
    """Only the box around all objects is painted; what others make of that box changes nothing."""
    frame = np.random.default_rng(1).integers(0, 256, (600, 800, 3), np.uint8)
    labels = np.zeros((600, 800), np.uint8)
    y, x = (10 * part for part in corner)
    labels[y : y + 200, x : x + 300] = 1
    everywhere = labels.copy()
    everywhere[0, -1] = everywhere[-1, 0] = 2
    ones = labels == 1
    alone, together = paint_overlay(frame, labels)[ones], paint_overlay(frame, everywhere)[ones]
    np.testing.assert_array_equal(alone, together)


@pytest.mark.parametrize("identifier", [1, 2, 3, 200])
def test_overlay_fills_with_davis_colours(frame: np.ndarray, identifier: int) -> None:
    labels = np.zeros((60, 80), np.uint8)
    labels[10:30, 20:50] = identifier
    colour = np.array(PALETTE[3 * identifier : 3 * identifier + 3], float)
    inside = np.s_[11:29, 21:49]
    expected = (frame[inside] + colour) / 2
    assert np.abs(paint_overlay(frame, labels)[inside] - expected).max() <= 0.5


def test_overlay_contour_is_solid_and_thin(frame: np.ndarray) -> None:
    labels = np.zeros((60, 80), np.uint8)
    labels[10:30, 20:50] = 1
    labels[10:30, 50:80] = 2  # touches object 1, and the border of the picture
    overlay = paint_overlay(frame, labels)
    red, green = (255, 0, 0), (0, 255, 0)
    for rim in (overlay[10, 20:50], overlay[29, 20:50], overlay[10:30, 20], overlay[10:30, 49]):
        np.testing.assert_array_equal(rim, np.broadcast_to(red, rim.shape))
    np.testing.assert_array_equal(overlay[10:30, 50], np.broadcast_to(green, (20, 3)))
    solid = (overlay == red).all(axis=-1)
    assert solid.sum() == 2 * 30 + 2 * 18
    # A line along the picture's border would claim that the object ends there.
    assert not (overlay[11:29, 79] == green).all(axis=-1).any()


@pytest.mark.parametrize("size", [(48, 64), (47, 63), (48, 63)])
def test_video_round_trip(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "bar.mp4"
    frames = _moving_bar(7, size)
    write_video(path, iter(frames), 24)
    decoded, rate = _read_video(path)
    even = tuple(side + side % 2 for side in size)
    assert decoded.shape == (7, *even, 3)
    assert rate == 24
    assert np.abs(decoded[:, : size[0], : size[1]].astype(int) - frames).mean() < 6
    np.testing.assert_allclose(decoded[0, -1, -1], (220, 120, 30), atol=6)
    assert [entry.name for entry in tmp_path.iterdir()] == ["bar.mp4"]


def test_video_suits_browsers(tmp_path: Path) -> None:
    path = tmp_path / "bar.mp4"
    write_video(path, _moving_bar(3, (48, 64)), 30000 / 1001)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == Fraction(30000, 1001)
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat"), "not playable before it is loaded"


@pytest.mark.parametrize("stopped_after", [1, 5])
def test_failed_video_leaves_nothing(tmp_path: Path, stopped_after: int) -> None:
    def failing() -> object:
        yield from _moving_bar(stopped_after, (48, 64))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_video(tmp_path / "new.mp4", failing(), 24)
    assert list(tmp_path.iterdir()) == []


def test_failed_video_keeps_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "bar.mp4"
    path.write_bytes(b"an earlier video")
    frames = [np.zeros((48, 64, 3), np.uint8), np.zeros((48, 66, 3), np.uint8)]
    with pytest.raises(InputError, match=r"bar\.mp4: a frame is 66 x 48 .* 64 x 48"):
        write_video(path, frames, 24)
    assert path.read_bytes() == b"an earlier video"
    assert list(tmp_path.iterdir()) == [path]


def test_video_rejects_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="empty"):
        write_video(tmp_path / "none.mp4", [], 24)
    with pytest.raises(InputError, match=r"missing/bar\.mp4 cannot be written"):
        write_video(tmp_path / "missing" / "bar.mp4", _moving_bar(1, (48, 64)), 24)


def test_frames_too_large_for_the_codec_are_named(tmp_path: Path) -> None:
    wide = np.zeros((16, 16386, 3), np.uint8)
    with pytest.raises(InputError, match=r"o\.mp4: frames of 16386 x 16 are too large for H\.264"):
        write_video(tmp_path / "o.mp4", [wide], 24)
    assert not list(tmp_path.iterdir())


def test_what_ffmpeg_refuses_names_the_video(tmp_path: Path) -> None:
    """An MP4 has no room for eight hours between two frames, in ticks as short as these."""
    tick = Fraction(1, 90000)
    with (
        pytest.raises(InputError, match=r"o\.mp4 cannot be written \(.*\); convert the video"),
        VideoWriter(tmp_path / "o.mp4", 25, time_base=tick) as writer,
    ):
        for index, frame in enumerate(_moving_bar(20, (48, 64))):
            writer.write(frame, Fraction(index, 25) + 8 * 3600 * (index >= 10))
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_said_as_the_system_says_it(tmp_path: Path, monkeypatch) -> None:
    """The work around a writer says which frames are kept."""

    def fill(*_: object) -> None:
        av.error.err_check(-errno.ENOSPC)

    monkeypatch.setattr(VideoWriter, "_open", fill)
    with pytest.raises(OSError, match="No space left on device"):
        write_video(tmp_path / "o.mp4", _moving_bar(2, (48, 64)), 24)
    assert not list(tmp_path.iterdir())


def _packets(path: Path) -> list[tuple[bytes, Fraction]]:
    """The sound of a file as it is stored, with its times."""
    with av.open(str(path)) as container:
        packets = container.demux(audio=0)
        return [(bytes(one), one.pts * one.time_base) for one in packets if one.pts is not None]


def _copy(source: Path, path: Path, count: int | None = None) -> None:
    """Writes a video again, with all that belongs to it."""
    video = open_video(str(source))
    with VideoWriter(
        path,
        video.frame_rate,
        time_base=video.time_base,
        sound=video.sound,
        pixel_aspect=video.pixel_aspect,
    ) as writer:
        for frame in list(video)[:count]:
            writer.write(frame.image, frame.time, frame.duration)


def test_times_of_the_video_are_kept(tmp_path: Path) -> None:
    times = [0, 33, 70, 71, 300, 777]
    film(tmp_path / "a.webm", _moving_bar(6, (96, 128)), codec="libvpx-vp9", times=times)
    _copy(tmp_path / "a.webm", tmp_path / "o.mp4")
    found = [frame.time for frame in open_video(str(tmp_path / "o.mp4"))]
    assert found == [Fraction(time, 1000) for time in times]


def test_frames_of_one_time_are_kept_apart(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "o.mp4", 25) as writer:
        for frame in _moving_bar(3, (96, 128)):
            writer.write(frame, Fraction(0))
    assert len(list(open_video(str(tmp_path / "o.mp4")))) == 3


@pytest.mark.parametrize(
    ("name", "codec", "sound"),
    [("a.mp4", "libx264", "aac"), ("a.webm", "libvpx-vp9", "libopus")],
)
def test_sound_is_copied_as_it_is(tmp_path: Path, name: str, codec: str, sound: str) -> None:
    film(tmp_path / name, codec=codec, sound=sound)
    _copy(tmp_path / name, tmp_path / "o.mp4")
    expected, found = _packets(tmp_path / name), _packets(tmp_path / "o.mp4")
    assert len(expected) > 20
    assert [content for content, _ in found] == [content for content, _ in expected]
    assert [float(time) for _, time in found] == pytest.approx([float(t) for _, t in expected])


def _wave(path: Path) -> tuple[str, Fraction, np.ndarray]:
    """Codec, first time and samples of the sound of a file."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        frames = list(container.decode(stream))
        first = frames[0].pts * frames[0].time_base
        wave = np.concatenate([frame.to_ndarray()[0] for frame in frames])
        return stream.codec_context.name, first, wave


def test_sound_that_mp4_cannot_hold_becomes_aac(tmp_path: Path) -> None:
    film(tmp_path / "a.mkv", sound="pcm_s16le")
    _copy(tmp_path / "a.mkv", tmp_path / "o.mp4")
    _, _, expected = _wave(tmp_path / "a.mkv")
    codec, first, found = _wave(tmp_path / "o.mp4")
    assert (codec, first) == ("aac", 0)
    assert abs(found.size - expected.size) <= 1024
    # The middle: AAC fades in. In step, and as loud.
    middle = slice(5000, 15000)
    assert np.corrcoef(found[middle], expected[middle])[0, 1] > 0.99
    assert np.std(found[middle]) == pytest.approx(np.std(expected[middle]) / 32768, rel=0.1)


def test_sound_stays_with_its_pictures(tmp_path: Path) -> None:
    film(tmp_path / "a.mkv", sound="aac", delay=0.2)
    _copy(tmp_path / "a.mkv", tmp_path / "o.mp4")
    shifts = zip(_packets(tmp_path / "a.mkv"), _packets(tmp_path / "o.mp4"), strict=True)
    assert all(float(old - new) == pytest.approx(0.2, abs=0.001) for (_, old), (_, new) in shifts)


def test_sound_ends_with_the_pictures(tmp_path: Path) -> None:
    film(tmp_path / "a.mp4", sound="aac")
    _copy(tmp_path / "a.mp4", tmp_path / "o.mp4", count=5)
    assert 0.16 < _packets(tmp_path / "o.mp4")[-1][1] < 0.26


@pytest.mark.parametrize(("aspect", "rotation"), [("64:45", None), ("64:45", (90, False, False))])
def test_pixel_aspect_is_kept(tmp_path: Path, aspect: str, rotation: tuple | None) -> None:
    """A frame that is turned by a quarter has pixels that are turned as well."""
    film_by_hand(tmp_path / "a.mp4", pictures(3), aspect=Fraction(64, 45))
    if rotation:
        with (
            av.open(str(tmp_path / "a.mp4")) as source,
            av.open(str(tmp_path / "b.mp4"), "w") as container,
        ):
            stream = container.add_stream_from_template(source.streams.video[0])
            stream.set_display_rotation(*rotation)
            for packet in source.demux(video=0):
                if packet.size:
                    packet.stream = stream
                    container.mux(packet)
        (tmp_path / "b.mp4").rename(tmp_path / "a.mp4")
    _copy(tmp_path / "a.mp4", tmp_path / "o.mp4")
    with av.open(str(tmp_path / "o.mp4")) as container:
        found = container.streams.video[0].sample_aspect_ratio
    assert found == (Fraction(45, 64) if rotation else Fraction(64, 45))


def _length(path: Path) -> tuple[float, float]:
    """Seconds of the pictures and of the sound."""
    with av.open(str(path)) as container:
        lengths = [float(s.duration * s.time_base) for s in container.streams]
        return lengths[0], lengths[1] if len(lengths) > 1 else 0.0


@pytest.mark.parametrize("gap", [0, 2])
@pytest.mark.parametrize("count", [2, 3, 4, 5, 12])
def test_a_file_is_as_long_as_its_pictures_stand(tmp_path: Path, count: int, gap: int) -> None:
    """Whichever picture is the last to be decoded, of 3, 4 and 5 another one; and with a gap."""
    last = Fraction(count - 1, 25) + gap
    with VideoWriter(tmp_path / "o.mp4", 25) as video:
        for index, picture in enumerate(pictures(count)):
            if index < count - 1:
                video.write(picture, Fraction(index, 25))
            else:
                video.write(picture, last, Fraction(3))
    assert _length(tmp_path / "o.mp4")[0] == pytest.approx(float(last + 3))


@pytest.mark.parametrize("name", ["a.mp4", "a.mov"])
def test_the_last_picture_stands_as_long_as_it_did(tmp_path: Path, name: str) -> None:
    film_by_hand(tmp_path / name, pictures(5), last=3)
    frames = list(open_video(str(tmp_path / name)))
    assert (len(frames), frames[-1].duration) == (5, 3)
    _copy(tmp_path / name, tmp_path / "o.mp4")
    assert _length(tmp_path / "o.mp4")[0] == pytest.approx(3.16, abs=0.01)


def test_sound_that_outlasts_the_pictures_is_kept(tmp_path: Path) -> None:
    film(tmp_path / "long.mp4", pictures(75), sound="aac")
    with (
        av.open(str(tmp_path / "long.mp4")) as source,
        av.open(str(tmp_path / "a.mp4"), "w") as container,
    ):
        copies = {
            stream.index: container.add_stream_from_template(stream) for stream in source.streams
        }
        for packet in source.demux():
            is_late = packet.stream.type == "video" and (packet.pts or 0) * packet.time_base >= 1
            if packet.size and not is_late:
                packet.stream = copies[packet.stream.index]
                container.mux(packet)
    assert len(list(open_video(str(tmp_path / "a.mp4")))) == 25
    _copy(tmp_path / "a.mp4", tmp_path / "o.mp4")
    assert _length(tmp_path / "o.mp4") == pytest.approx((3, 3), abs=0.1)


def _break_sound(path: Path, codec: bytes) -> None:
    """Gives the first sound track of a file a coding that nobody knows."""
    content = path.read_bytes()
    assert codec in content
    place = content.index(codec, content.index(b"stsd", content.index(b"soun")))
    content = content[:place] + b"apac" + content[place + 4 :]
    place = content.index(b"esds", place)  # which says once more that it is AAC
    path.write_bytes(content[:place] + b"none" + content[place + 4 :])


def test_sound_that_cannot_be_decoded_is_left_out_and_said(tmp_path: Path, capsys) -> None:
    film(tmp_path / "a.mov", sound="aac")
    _break_sound(tmp_path / "a.mov", b"mp4a")
    _copy(tmp_path / "a.mov", tmp_path / "o.mp4")
    assert len(list(open_video(str(tmp_path / "o.mp4")))) == 12
    with av.open(str(tmp_path / "o.mp4")) as container:
        assert not container.streams.audio
    assert "the sound of" in capsys.readouterr().err


def test_the_first_sound_that_can_be_decoded_is_taken(tmp_path: Path, capsys) -> None:
    film(tmp_path / "one.mov", sound="aac")
    with (
        av.open(str(tmp_path / "one.mov")) as source,
        av.open(str(tmp_path / "a.mov"), "w") as container,
    ):
        picture, sound = source.streams
        copies = [container.add_stream_from_template(one) for one in (picture, sound, sound)]
        for packet in source.demux():
            if packet.size and packet.stream.type == "video":
                packet.stream = copies[0]
                container.mux(packet)
        source.seek(0)
        for packet in source.demux(sound):
            for copy in copies[1:]:
                if packet.size:
                    again = av.Packet(bytes(packet))
                    again.pts, again.dts, again.time_base = packet.pts, packet.dts, packet.time_base
                    again.duration, again.stream = packet.duration, copy
                    container.mux(again)
    _break_sound(tmp_path / "a.mov", b"mp4a")
    _copy(tmp_path / "a.mov", tmp_path / "o.mp4")
    expected = [content for content, _ in _packets(tmp_path / "one.mov")]
    assert [content for content, _ in _packets(tmp_path / "o.mp4")] == expected
    assert "cannot be decoded; track 2 was taken" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["take:1.mp4", "-o.mp4", f"{'я' * 125}.mp4"])
def test_any_name_can_be_written(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "out:1"
    folder.mkdir()
    write_video(folder / name, _moving_bar(3, (48, 64)), 24)
    assert [path.name for path in folder.iterdir()] == [name]
    assert len(list(open_video(str(folder / name)))) == 3
