"""Sound that makes trouble: it ends, which is said, and the pictures go on."""

from fractions import Fraction
from types import SimpleNamespace

import av
import pytest

from ranet_jax.media.frames import Sound
from ranet_jax.media.sound import SoundTrack
from ranet_jax.media.video import open_video
from ranet_jax.media.video_writer import VideoWriter
from tests.filming import film, pictures

FULL = 28  # the system's number for a full disk
REFUSED = 22  # for what a muxer does not take


def copy(source, path):
    """Writes a video again with its sound; gives the number of frames that are there."""
    with open_video(source) as video, VideoWriter(path, 25, sound=video.sound) as writer:
        for frame in video:
            writer.write(frame.image, frame.time)
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def read_sound(path):
    """The codec of a file's sound and the seconds that it lasts."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        seconds = sum(frame.samples / frame.sample_rate for frame in container.decode(stream))
        return stream.codec_context.codec.canonical_name, seconds


@pytest.mark.parametrize("rate", [8000, 11025])
def test_mp3_that_mp4_does_not_take_becomes_aac(tmp_path, rate, capsys):
    film(tmp_path / "a.avi", codec="mpeg4", sound="libmp3lame", rate=rate)
    assert copy(tmp_path / "a.avi", tmp_path / "o.mp4") == 12
    codec, seconds = read_sound(tmp_path / "o.mp4")
    assert codec == "aac" and seconds == pytest.approx(12 / 25, abs=0.15)
    assert "sound" not in capsys.readouterr().err


@pytest.mark.parametrize("codec", ["ac3", "eac3", "alac", "libmp3lame"])
def test_what_mp4_takes_stays_as_it_is(tmp_path, codec):
    film(tmp_path / "a.mkv", sound=codec)
    assert copy(tmp_path / "a.mkv", tmp_path / "o.mp4") == 12
    assert read_sound(tmp_path / "o.mp4")[0] == codec.removeprefix("lib").removesuffix("lame")


def test_sound_ends_where_mono_becomes_stereo(tmp_path, capsys):
    film(tmp_path / "a.ts", sound="mp2")
    film(tmp_path / "b.ts", sound="mp2", layout="stereo", times=range(480, 960, 40))
    shift(tmp_path / "b.ts", Fraction(12, 25))
    joined = tmp_path / "joined.ts"
    joined.write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    assert copy(joined, tmp_path / "o.mp4") == 24
    assert read_sound(tmp_path / "o.mp4")[1] == pytest.approx(12 / 25, abs=0.1)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and "the sound of" in said[0] and "cannot be carried over" in said[0]


def shift(path, seconds):
    """Lets the sound of a file begin later."""
    with av.open(str(path)) as source:
        packets = [packet for packet in source.demux() if packet.size]
        with av.open(str(path.with_name("shifted.ts")), "w") as container:
            copies = [container.add_stream_from_template(stream) for stream in source.streams]
            for packet in packets:
                if packet.stream.type == "audio":
                    packet.pts += round(seconds / packet.time_base)
                    packet.dts = packet.pts
                packet.stream = copies[packet.stream.index]
                container.mux(packet)
    path.with_name("shifted.ts").rename(path)


@pytest.mark.parametrize("codec", ["aac", "mp2"])
def test_sound_of_joined_files_ends_with_the_first(tmp_path, codec, capsys):
    film(tmp_path / "a.ts", pictures(20), sound=codec)
    (tmp_path / "joined.ts").write_bytes(2 * (tmp_path / "a.ts").read_bytes())
    assert copy(tmp_path / "joined.ts", tmp_path / "o.mp4") == 40
    assert read_sound(tmp_path / "o.mp4")[1] == pytest.approx(0.8, abs=0.1)
    assert "(its times go back, as in files that were joined)" in capsys.readouterr().err


class Refusing:
    """An MP4 that does not take what it is given, for a reason of the system's list."""

    def __init__(self, number, *, streams=True):
        self.number, self.streams = number, streams
        self.asked = 0

    def add_stream_from_template(self, template):
        if not self.streams:
            raise ValueError("no such stream")
        return SimpleNamespace()

    def mux(self, packet):
        self.asked += 1
        av.error.err_check(-self.number)


@pytest.fixture
def sound(tmp_path, monkeypatch):
    film(tmp_path / "a.mkv", sound="aac")
    packet = SimpleNamespace(pts=0, dts=0, time_base=Fraction(1))
    monkeypatch.setattr(SoundTrack, "_read", lambda self: (Fraction(0), packet))
    return Sound(str(tmp_path / "a.mkv"), Fraction(0), 1)


def test_what_the_muxer_refuses_ends_the_sound_alone(sound, capsys):
    container = Refusing(REFUSED)
    track = SoundTrack(sound, container)
    for seconds in (1, 2, 3):
        track.write_until(Fraction(seconds))
    track.close()
    assert container.asked == 1
    assert "cannot be carried over to its end (Invalid argument)" in capsys.readouterr().err


def test_a_stream_that_cannot_be_added_is_no_sound(sound, capsys):
    container = Refusing(REFUSED, streams=False)
    track = SoundTrack(sound, container)
    track.write_until(Fraction(1))
    track.close()
    assert container.asked == 0
    assert "cannot be carried over to its end (no such stream)" in capsys.readouterr().err


def test_a_full_disk_is_not_taken_for_trouble_with_the_sound(sound):
    track = SoundTrack(sound, Refusing(FULL))
    with pytest.raises(OSError, match="No space left on device") as raised:
        track.write_until(Fraction(1))
    track.close()
    assert raised.value.errno == FULL
