"""How far a command has come, where there is no terminal."""

import pytest

from ranet_jax import frame_bar
from ranet_jax.errors import InputError
from ranet_jax.frame_bar import FrameBar


@pytest.mark.parametrize(("total", "counted"), [(3, "clip.mp4: 2 of 3 frames"), (None, "2 frames")])
def test_a_log_file_gets_a_line_at_times(total, counted, monkeypatch, capsys):
    times = iter((0.0, 1.0, 31.0, 32.0))
    monkeypatch.setattr(frame_bar, "read_clock", lambda: next(times))
    with FrameBar(total) as bar:
        bar.name("clip.mp4")
        for _ in range(3):
            bar.count_frame("clip.mp4")
    (line,) = [one for one in capsys.readouterr().out.splitlines() if "a second" in one]
    assert counted in line


def test_what_was_refused_before_the_first_frame_leaves_no_bar(capsys):
    with pytest.raises(InputError), FrameBar(25):
        raise InputError("other settings")
    assert not capsys.readouterr().out.strip()
    with pytest.raises(InputError), FrameBar(25) as bar:
        bar.count_frame("a.mp4")
        raise InputError("a broken frame")
    assert "1/25" in capsys.readouterr().out
