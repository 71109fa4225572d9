"""The command for one's own videos, from its words to its words."""

import re
import shutil
import sys

import cv2
import numpy as np
import pytest
from PIL import Image

from ranet_jax.errors import InputError
from ranet_jax.media.masks import write_mask
from ranet_jax.media.video import open_video
from ranet_jax.segment.__main__ import command, parse_masks
from ranet_jax.segmenter import Segmenter, Tracker
from tests.segment.following import COUNT, SIZE, FakeLearner, contents, read, segmenter
from tests.test_video import FakeCamera


@pytest.fixture
def call(monkeypatch, capsys):
    """Runs the command; gives its exit code and what it prints."""
    monkeypatch.setattr(Segmenter, "from_checkpoint", lambda *_, **__: segmenter())

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["ranet-segment", *map(str, arguments)])
        try:
            command()
            code = 0
        except SystemExit as error:
            code = error.code
        printed = capsys.readouterr()
        assert code != 2 or len(printed.err.splitlines()) == 1, printed.err
        return code, printed.out + printed.err

    return call


@pytest.fixture
def arguments(folder, masks, tmp_path):
    """A command line that works."""
    for index, mask in masks.items():
        write_mask(tmp_path / f"{index}.png", mask)
    return [
        *(folder, "--out", tmp_path / "out", "--checkpoint", "any"),
        *("--mask", tmp_path / "0.png", "--mask", f"3={tmp_path / '3.png'}"),
    ]


def test_command(call, arguments, undisturbed, tmp_path):
    code, text = call(*arguments, "--probabilities")
    assert code == 0, text
    assert f"{COUNT} frames in {tmp_path / 'out'}" in text and "frames/s" in text
    assert contents(tmp_path / "out") == contents(undisturbed)
    code, text = call(*arguments)
    assert code == 2 and "out is not empty; give --resume to go on with it, --overwrite" in text
    code, text = call(*arguments, "--resume", "--probabilities")
    assert code == 0 and f"was complete already: {COUNT} frames" in text


def test_command_says_how_long_it_learned(call, arguments, monkeypatch):
    monkeypatch.setattr("ranet_jax.segment.__main__.OnlineLearner", lambda *_: FakeLearner())
    code, text = call(*arguments, "--online-steps", 3, "--max-frames", 4)
    assert code == 0, text
    assert "online learning, 3 steps at 0.0001: 1000000.0 s beforehand, without 0.5 s of" in text


def test_overwrite_deletes_nothing_foreign(call, arguments, tmp_path):
    out = tmp_path / "out"
    assert call(*arguments, "--probabilities")[0] == 0
    (out / "notes.txt").write_text("foreign")
    (out / "masks" / "notes.txt").write_text("foreign")
    code, _ = call(*arguments[:-1], arguments[-1], "--overwrite", "--max-frames", 5)
    assert code == 0
    assert len(list(out.glob("masks/*.png"))) == 5 and not (out / "probabilities").exists()
    assert (out / "notes.txt").exists() and (out / "masks" / "notes.txt").exists()
    (out / "masks" / "corrected.png").write_text("foreign")
    for flag in ("--overwrite", "--resume"):
        code, text = call(*arguments, flag)
        assert code == 2 and "corrected.png was not written by this program" in text
        assert len(list(out.glob("masks/*.png"))) == 6


def test_a_foreign_folder_is_left_alone(call, arguments, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "overlay.mp4").write_text("foreign")
    assert "out is not empty" in call(*arguments)[1]
    assert "holds no results to go on with" in call(*arguments, "--resume")[1]
    assert "overlay.mp4 was not written by this program" in call(*arguments, "--overwrite")[1]
    (tmp_path / "out" / "overlay.mp4").rename(tmp_path / "out" / "mine.mp4")
    assert call(*arguments, "--overwrite")[0] == 0
    assert (tmp_path / "out" / "mine.mp4").read_text() == "foreign"


def test_bad_input_is_one_line(call, arguments, folder, tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    small = tmp_path / "small.png"
    write_mask(small, np.ones((20, 20), np.uint8))
    rest = arguments[1:]
    assert call(*arguments)[0] == 0
    results = contents(tmp_path / "out")
    anew = (*arguments, "--overwrite")
    for line, message in (
        ([tmp_path / "text.mp4", *rest], "text.mp4 cannot be read as a video"),
        ([folder, *rest[:4], "--mask", small], "small.png is 20 x 20 .*--resize-mask"),
        ([folder, "--out", small, *rest[2:]], "small.png is a file"),
        ([folder, *rest[:4], "--mask", f"3={small}"], "the first frame has no mask"),
        ([*arguments, "--max-frames", "3"], "--max-frames 3 ends before frame 3"),
        ([folder, *rest[:2], *rest[4:]], "give --checkpoint; no trained weights .*'Weights'"),
        ([*anew, "--online-steps", -1], "online learning of -1 steps"),
        ([*anew, "--online-steps", 1, "--online-rate", 0], "at a rate of 0.0; give one above 0"),
        ([*anew, "--online-steps", 1, "--seed", -1], "with the seed -1; give at least 0"),
    ):
        code, text = call(*line)
        assert code == 2
        assert len(text.splitlines()) == 1
        assert re.search(message, text), text
        assert contents(tmp_path / "out") == results


def test_masks_of_another_size_are_resized_when_asked(call, folder, tmp_path):
    write_mask(tmp_path / "small.png", np.resize([[3], [4]], (20, 20)).astype(np.uint8))
    rest = ("--out", tmp_path / "out", "--checkpoint", "any", "--max-frames", 2)
    code, text = call(folder, "--mask", tmp_path / "small.png", "--resize-mask", *rest)
    assert code == 0, text
    found = read(tmp_path / "out" / "masks" / "shot 0.png")
    assert found.shape == SIZE and set(np.unique(found)) == {3, 4}


def test_colours_are_explained(call, folder, tmp_path):
    pixels = np.zeros((*SIZE, 3), np.uint8)
    pixels[5:60, 5:60] = (255, 128, 0)
    pixels[70:90, 5:60] = (0, 0, 255)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    rest = ("--out", tmp_path / "out", "--checkpoint", "any", "--max-frames", 1)
    code, text = call(folder, "--mask", tmp_path / "a.png", *rest)
    assert code == 0
    assert "#ff8000" in text and "3025" in text


def test_names_are_no_markup(call, folder, masks, tmp_path):
    video = shutil.copytree(folder, tmp_path / "a[" / "b]")  # in whose path is [/b]
    write_mask(tmp_path / "[red] [dQw4].png", masks[0])
    rest = ("--out", tmp_path / "out", "--checkpoint", "any", "--max-frames", 1)
    code, text = call(video, "--mask", tmp_path / "[red] [dQw4].png", *rest)
    assert code == 0, text
    assert "[red] [dQw4].png" in text


def test_camera(call, masks, tmp_path, monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", FakeCamera)
    mask = np.zeros((96, 128), np.uint8)
    mask[20:60, 20:60] = 1
    mask[70:90, 20:60] = 2
    write_mask(tmp_path / "0.png", mask)
    line = ["0", "--mask", tmp_path / "0.png", "--out", tmp_path / "out", "--checkpoint", "any"]
    assert "camera 0 has no end; give --max-frames" in call(*line)[1]
    code, text = call(*line, "--max-frames", 2)
    assert code == 0, text
    assert len(list(open_video(str(tmp_path / "out" / "overlay.mp4")))) == 2
    code, text = call(*line, "--max-frames", 9, "--overwrite")
    assert code == 2 and "camera 0 is gone after 3 frames" in text
    assert len(list(tmp_path.glob("out/masks/*"))) == 3
    assert "cannot go back" in call(*line, "--max-frames", 9, "--resume")[1]


def test_interrupted_command(call, arguments, tmp_path, monkeypatch):
    step, left = Tracker.step, iter([1, 1, 1])

    def interrupt(*args):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return step(*args)

    monkeypatch.setattr(Tracker, "step", interrupt)
    code, text = call(*arguments)
    assert code == 130
    expected = f"interrupted: finished frames are in {tmp_path / 'out'}; --resume goes on"
    assert text.splitlines()[-1] == expected
    assert len(list(tmp_path.glob("out/masks/*"))) == 5, "three steps and two masks"
    monkeypatch.setattr(cv2, "VideoCapture", FakeCamera)
    write_mask(tmp_path / "camera.png", np.resize([[1], [2]], (96, 128)).astype(np.uint8))
    rest = ("--out", tmp_path / "camera", "--checkpoint", "any", "--max-frames", 3)
    code, text = call("0", "--mask", tmp_path / "camera.png", *rest)
    assert code == 130
    assert text.splitlines()[-1] == f"interrupted: finished frames are in {tmp_path / 'camera'}"


def test_parse_masks():
    assert list(parse_masks(["a=b.png", "7=c.png"]).items())[1][0] == 7
    with pytest.raises(InputError, match="frame 0 has a mask already"):
        parse_masks(["a.png", "0=b.png"])
