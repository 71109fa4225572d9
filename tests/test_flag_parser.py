"""A mistake in the flags is one line that helps."""

from pathlib import Path

import pytest

from ranet_jax.errors import InputError
from ranet_jax.flag_parser import FlagParser


@pytest.fixture
def parser():
    parser = FlagParser(prog="segment")
    parser.add_argument("video")
    parser.add_argument("--mask", required=True)
    parser.add_argument("--masks")
    parser.add_argument("--canvas", type=int)
    return parser


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["a.mp4", "--maks", "b.png"],
            "there is no flag --maks; did you mean --masks or --mask; seg",
        ),
        (["a.mp4", "--mask", "b.png", "--canvass=3"], "no flag --canvass; did you mean --canvas"),
        (["a.mp4", "--mask", "b.png", "--zebra"], "there is no flag --zebra; segment --help"),
        (["a.mp4", "--mask", "b.png", "--can", "3"], "there is no flag --can; did you"),
        (["a.mp4"], "the following arguments are required: --mask; segment --help"),
        (["a.mp4", "--mask", "b.png", "--canvas", "x"], "--canvas 'x' is no whole number; segment"),
        (["a.png", "b.png", "--mask", "c.png"], "no place for b.png: give one, or put a pattern"),
        (["a.png", "d.png", "--mask", "c.png"], "there is no place for d.png; segment --help"),
    ],
)
def test_a_mistake_is_one_line(parser, words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("b.png").touch()
    with pytest.raises(InputError) as raised:
        parser.parse_args(words)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_what_is_right_is_read(parser):
    args = parser.parse_args(["--mask=--odd.png", "--canvas", "3", "--", "--video.mp4"])
    assert (args.mask, args.canvas, args.video) == ("--odd.png", 3, "--video.mp4")


def test_commands_within_a_command_have_flags_of_their_own():
    parser = FlagParser(prog="convert")
    command = parser.add_subparsers(dest="command").add_parser("pack")
    command.add_argument("--canvas", type=int)
    assert parser.parse_args(["pack", "--canvas", "3"]).canvas == 3
    with pytest.raises(InputError, match="no flag --canvass; did you mean --canvas; convert pack"):
        parser.parse_args(["pack", "--canvass", "3"])
