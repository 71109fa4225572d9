"""Times of frames where the clock of a file is set anew, as where files were joined."""

from fractions import Fraction

import pytest

from ranet_jax.media.clock import Clock
from ranet_jax.media.video import open_video
from tests.filming import film, pictures

STEP = Fraction(1, 25)


@pytest.mark.parametrize("parts", [2, 3])
def test_joined_broadcasts_follow_one_another(tmp_path, parts, capsys):
    film(tmp_path / "a.ts", pictures(20))
    (tmp_path / "joined.ts").write_bytes(parts * (tmp_path / "a.ts").read_bytes())
    video = open_video(tmp_path / "joined.ts")
    for _ in range(2):
        assert [frame.time for frame in video] == [index * STEP for index in range(parts * 20)]
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and "joined.ts are set anew at frame 20, as in files that" in said[0]


@pytest.mark.parametrize(("name", "hours"), [("a.ts", 8), ("a.mkv", 800)])
def test_a_leap_that_no_mp4_has_room_for_is_left_out(tmp_path, name, hours, capsys):
    times = [40 * index + 3600 * 1000 * hours * (index >= 5) for index in range(10)]
    film(tmp_path / name, pictures(10), times=times)
    frames = list(open_video(tmp_path / name))
    assert [frame.time for frame in frames] == [index * STEP for index in range(10)]
    assert frames[-1].duration in (None, STEP)
    assert "are set anew at frame 5" in capsys.readouterr().err


def read(times, *, has_sound=False):
    """What a clock makes of times in hundredths of a second."""
    clock = Clock("a.ts", Fraction(1), Fraction(25), Fraction(1, 1000), has_sound=has_sound)
    return [
        100 * clock.read(index, None if at is None else 1 + Fraction(at, 100), None)
        for index, at in enumerate(times)
    ]


@pytest.mark.parametrize(
    "times", [[0, 4, 4, 8], [0, 8, 4, 12, 16, 16, 24], [0, 1, 500, 501], [0, 4, 40, 24, 44]]
)
def test_a_slip_or_a_pause_does_not_set_the_clock(times, capsys):
    assert read(times) == times
    assert not capsys.readouterr().err


def test_a_frame_without_a_time_follows_the_one_before():
    assert read([None, None, None]) == [0, 4, 8]
    assert read([0, 4, None, 20, None]) == [0, 4, 8, 20, 24]
    assert read([0, 30, None, 0, None, 8]) == [0, 30, 34, 38, 42, 46]


def test_that_sound_ends_with_the_clock_is_said(capsys):
    read([0, 50, 0], has_sound=True)
    assert "those before, and their sound is left out" in capsys.readouterr().err
