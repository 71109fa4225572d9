"""Files that were cut off: what is there is kept, and how much is missing is said."""

import re
from pathlib import Path

import numpy as np
import pytest

from ranet_jax.errors import InputError
from ranet_jax.media.video import open_video
from tests.filming import film, film_by_hand, noisy

COUNT = 40
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}


def make(path, name):
    frames = noisy(COUNT)
    if name == "fragments.mp4":
        film_by_hand(path, frames, options=FRAGMENTS)
    elif name == "a.avi":
        film_by_hand(path, frames, codec="mpeg4")
    else:
        codecs = {"webm": "libvpx-vp9", ".ivf": "libvpx-vp9", ".ogv": "libvpx"}
        codec = codecs.get(name[-4:], "libx264")
        film(path, frames, codec=codec, sound="aac" if name == "sound.mkv" else None)
    return path.read_bytes()


NAMES = ["a.mp4", "a.mkv", "sound.mkv", "a.webm", "a.avi", "a.ivf", "a.ogv", "fragments.mp4"]


@pytest.mark.parametrize("name", NAMES)
def test_a_whole_file_lacks_nothing(tmp_path, name):
    make(tmp_path / name, name)
    video = open_video(str(tmp_path / name))
    assert len(list(video)) == COUNT
    assert video.frame_count in (None, COUNT)


@pytest.mark.parametrize("share", [0.5, 0.8, 0.97])
@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_was_cut_off_keeps_what_it_has(tmp_path, name, share):
    whole = make(tmp_path / name, name)
    (tmp_path / name).write_bytes(whole[: int(share * len(whole))])
    frames = []
    with pytest.raises(InputError) as raised:
        for frame in open_video(str(tmp_path / name)):
            frames.append(frame)
    count = len(frames)
    # The first frames of these take most room.
    least = 0 if name in ("a.avi", "a.ogv") else share * COUNT - 8
    assert least < count < COUNT, "a few may be of one piece with what is gone"
    text = str(raised.value)
    assert f"frame {count} of {tmp_path / name} is missing, and all after it" in text
    if name == "a.ogv":  # which does not say how long it should be
        assert "ends before some of its frames" in text
        return
    missing = int(re.search(r"ends before (\d+) of its frames", text)[1])
    if name in ("a.mp4", "a.ivf"):
        assert missing == COUNT - count
    elif name != "fragments.mp4":  # which tells of one fragment at a time
        assert abs(missing - (COUNT - count)) <= 2


OLDER = {"a.gif": "gif", "a.wmv": "wmv2", "a.flv": "flv", "a.mxf": "mpeg2video"}


@pytest.mark.parametrize("name", OLDER)
def test_formats_that_say_less(tmp_path, name):
    """Where they are cut is not seen by their frames: the rest may be a video by itself."""
    pixels = "rgb8" if name == "a.gif" else "yuv420p"
    film_by_hand(tmp_path / name, noisy(COUNT), codec=OLDER[name], pixels=pixels)
    assert len(list(open_video(str(tmp_path / name)))) == COUNT
    whole = (tmp_path / name).read_bytes()
    for share in (0.5, 0.8, 0.97):
        (tmp_path / name).write_bytes(whole[: int(share * len(whole))])
        frames = []
        with pytest.raises(InputError, match=r"missing|is damaged"):
            for frame in open_video(str(tmp_path / name)):
                frames.append(frame)
        # The first frames take most room, and the index of a WMV, which is its end, needs none.
        assert share * COUNT / 3 < len(frames) < COUNT + (name == "a.wmv")


def test_a_fraction_of_a_second_is_missed(tmp_path):
    """At 100 frames a second, ten are a tenth of it."""
    film(tmp_path / "a.mp4", noisy(COUNT), times=[10 * index for index in range(COUNT)])
    whole = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "a.mp4").write_bytes(whole[: int(0.9 * len(whole))])
    with pytest.raises(InputError, match=r"ends before [2-6] of its frames"):
        list(open_video(str(tmp_path / "a.mp4")))


def test_an_edit_list_is_no_loss(tmp_path):
    """Pictures that begin late, or before the sound, are hidden or moved by an edit list."""
    film(tmp_path / "a.mp4", noisy(COUNT), sound="aac", delay=0.3)
    assert len(list(open_video(str(tmp_path / "a.mp4")))) == COUNT
    whole = bytearray((tmp_path / "a.mp4").read_bytes())
    entry = whole.index(b"elst") + 8
    for _ in range(int.from_bytes(whole[entry - 0 : entry + 4], "big") - 1):
        entry += 12  # an empty edit, which is the delay
    media_time = entry + 8
    later = int.from_bytes(whole[media_time : media_time + 4], "big") + 5 * 640
    whole[media_time : media_time + 4] = later.to_bytes(4, "big")
    (tmp_path / "a.mp4").write_bytes(whole)
    video = open_video(str(tmp_path / "a.mp4"))
    count = len(list(video))
    assert COUNT - 6 < count < COUNT, "the first ones are hidden"


def test_empty_chunks_of_an_avi_are_no_loss(tmp_path):
    """They repeat the picture before them, which stands longer."""
    times = [0, 40, 80, 400, 440, 800]
    film(tmp_path / "a.avi", noisy(6), codec="mpeg4", times=times)
    frames = list(open_video(str(tmp_path / "a.avi")))
    assert [float(frame.time) for frame in frames] == [time / 1000 for time in times]


@pytest.mark.parametrize("tail", [b"\n", b"\0\0", b"made by a program", 3000 * b"\0"])
def test_what_stands_behind_the_end_of_a_gif_is_no_loss(tmp_path, tail):
    film_by_hand(tmp_path / "a.gif", noisy(COUNT), codec="gif", pixels="rgb8")
    whole = (tmp_path / "a.gif").read_bytes()
    (tmp_path / "a.gif").write_bytes(whole + tail)
    assert len(list(open_video(str(tmp_path / "a.gif")))) == COUNT


@pytest.mark.parametrize("length", [-1, -2, -300])
def test_a_gif_without_its_trailer_is_cut(tmp_path, length):
    """One may end by chance with what the trailer is."""
    film_by_hand(tmp_path / "a.gif", noisy(COUNT), codec="gif", pixels="rgb8")
    whole = (tmp_path / "a.gif").read_bytes()[:length] + b";" * (length == -300)
    (tmp_path / "a.gif").write_bytes(whole)
    with pytest.raises(InputError, match=r"missing|is damaged"):
        list(open_video(str(tmp_path / "a.gif")))


@pytest.mark.parametrize("place", [0.2, 0.35, 0.5, 0.65, 0.8, 0.95])
def test_a_byte_that_changed_in_the_middle(tmp_path, place):
    """All that comes before the damaged frame is what the whole file has."""
    clip = Path(__file__).parents[1] / "examples" / "car-shadow.mp4"
    damaged = bytearray(clip.read_bytes())
    damaged[int(place * len(damaged))] ^= 0x5A
    (tmp_path / "a.mp4").write_bytes(damaged)
    whole = iter(open_video(str(clip)))
    with pytest.raises(InputError, match=r"frames? \d+ (to \d+ )?of .*a\.mp4 (is|are|cannot)"):
        for frame in open_video(str(tmp_path / "a.mp4")):
            np.testing.assert_array_equal(frame.image, next(whole).image)
