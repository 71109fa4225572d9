"""The command for one's own videos, from its words to its words."""

import os
import re
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest
from PIL import Image

from ranet_jax.errors import InputError
from ranet_jax.files import lock_folder
from ranet_jax.media.masks import write_mask
from ranet_jax.media.video import open_video
from ranet_jax.segment import __main__ as command_line
from ranet_jax.segment.__main__ import parse_masks
from ranet_jax.segmenter import Segmenter, Tracker
from tests.segment.following import (
    COUNT,
    SIZE,
    FakeLearner,
    contents,
    read,
    segmenter,
)
from tests.test_video import FakeCamera


@pytest.fixture
def arguments(folder, masks, tmp_path):
    """A command line that works."""
    for index, mask in masks.items():
        write_mask(tmp_path / f"{index}.png", mask)
    return [
        *(folder, "--out", tmp_path / "out", "--checkpoint", "any"),
        *("--mask", tmp_path / "0.png", "--replace", f"3={tmp_path / '3.png'}"),
    ]


def test_command(call, arguments, undisturbed, tmp_path):
    code, text = call(*arguments, "--probabilities")
    assert code == 0, text
    assert f"{COUNT} frames in {tmp_path / 'out'}" in text and "frames/s" in text
    assert contents(tmp_path / "out") == contents(undisturbed)
    assert re.search(r"│ 5 +│ \d of 7 +│ \d +│", text), "object 5, which is followed until frame 2"
    assert re.search(r"│ 200 +│ \d of 7 +│", text)
    assert f"masks: {tmp_path / 'out' / 'masks'}" in text
    assert f"probabilities: {tmp_path / 'out' / 'probabilities'}, a folder an object" in text
    assert f"overlay: {tmp_path / 'out' / 'overlay.mp4'}" in text
    code, text = call(*arguments)
    assert code == 2 and "out is not empty; give --resume to go on with it, --overwrite" in text
    code, text = call(*arguments, "--resume", "--probabilities")
    assert code == 0 and f"was complete already: {COUNT} frames" in text


def test_command_says_how_long_it_learned(call, arguments, monkeypatch):
    monkeypatch.setattr("ranet_jax.segment.__main__.OnlineLearner", lambda *_: FakeLearner())
    code, text = call(*arguments, "--online-steps", 3, "--max-frames", 4)
    assert code == 0, text
    assert "online learning, 3 steps at 0.0001: 1000000.0 s beforehand, without 0.5 s of" in text


def test_command_says_of_each_video_how_long_it_took(call, arguments, tmp_path, monkeypatch):
    """One network and one learner serve all videos; what they took for others is not counted."""
    learner = FakeLearner()
    monkeypatch.setattr("ranet_jax.segment.__main__.OnlineLearner", lambda *_: learner)
    monkeypatch.setattr(segmenter(probabilities=False), "compile_seconds", 1e6)
    video, *rest = arguments[:-4]
    shutil.copytree(video, tmp_path / "other")
    (tmp_path / "list.csv").write_text(f"video,mask\n{video},0.png\nother,0.png\n")
    code, text = call(tmp_path / "list.csv", *rest, "--online-steps", 3, "--max-frames", 2)
    assert code == 0, text
    assert re.findall(r"3 steps at 0\.0001: (\S+) s beforehand, without (\S+) s", text) == [
        ("1000000.0", "0.5"),
        ("1000000.0", "0.0"),
    ]
    first, second = re.findall(r"reading and writing, without (\S+) s of compilation", text)
    assert float(first) < 1e6 and second == "0.0"


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


def test_resume_says_that_there_is_nothing_to_go_on_with(call, arguments, tmp_path):
    code, text = call(*arguments, "--resume")
    assert code == 0 and "out has no finished frame to go on after; begins with the first" in text
    code, text = call(*arguments, "--resume")
    assert code == 0 and "was complete already" in text and "no finished frame" not in text


def test_a_mask_that_does_not_exist_is_refused_before_a_network_is_loaded(call, arguments):
    code, text = call(*arguments, "--mask", "4=nowhere.png", "--checkpoint", "none")
    assert code == 2
    (line,) = text.splitlines()
    assert line.startswith("error: nowhere.png, the mask of frame 4, is no file; give an image")


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
        ([*arguments, "--max-frames", "-3"], "--max-frames -3: give 1 or more"),
        ([*anew, "--mask", f"7={tmp_path / '0.png'}"], "has 7 frames, so that there is no frame 7"),
        ([*anew, "--online-steps", -1], "--online-steps -1: give at least 1"),
        ([*anew, "--online-steps", 1, "--online-rate", 0], "at a rate of 0.0; give one above 0"),
        ([*anew, "--online-steps", 1, "--seed", -1], "--seed -1: give at least 0"),
    ):
        code, text = call(*line)
        assert code == 2
        assert len(text.splitlines()) == 1
        assert re.search(message, text), text
        assert contents(tmp_path / "out") == results


def test_two_runs_do_not_write_into_one_folder(call, arguments, tmp_path):
    assert call(*arguments, "--max-frames", 4)[0] == 0
    results = contents(tmp_path / "out")
    for flag in ([], ["--overwrite"], ["--resume"]):
        with lock_folder(tmp_path / "out"):
            code, text = call(*arguments, *flag)
        assert code == 2
        assert re.search(rf"another process is writing into .*out \({os.getpid()}: ", text), text
        assert contents(tmp_path / "out") == results
    assert not (tmp_path / "out" / ".lock").exists()
    assert call(*arguments, "--resume")[0] == 0


def test_an_object_that_is_lost_is_named(call, arguments, tmp_path, monkeypatch):
    """The masks say where objects 200 and 9 are in frame 3; afterwards nothing is found of 9."""
    step = Tracker.step

    def lose(tracker, frame):
        mask = step(tracker, frame).copy()
        mask[0, 0] = 200
        mask[mask == 9] = 0
        return mask

    monkeypatch.setattr(Tracker, "step", lose)
    code, text = call(*arguments)
    assert code == 0
    assert "object 9 is in no mask after frame 3; if it is still to be seen" in text
    assert "object 200 is" not in text and "object 5 is" not in text
    assert re.search(r"│ 9 +│ 1 of 7 +│ 3 +│", text)


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


def test_interrupted_before_the_first_frame(call, arguments, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(Segmenter, "compile", interrupt)
    code, text = call(*arguments)
    assert code == 130
    assert text.splitlines()[-1] == "interrupted: no frame was finished"


def lose(monkeypatch, lost, after):
    """Makes the network lose an object after some steps."""
    step, left = Tracker.step, iter(range(after))

    def forget(*args):
        mask = step(*args)
        return mask if next(left, None) is not None else np.where(mask == lost, 0, mask)

    monkeypatch.setattr(Tracker, "step", forget)


def test_an_object_that_never_comes_back_is_named(call, folder, tmp_path, monkeypatch):
    mask = np.zeros(SIZE, np.uint8)
    mask[30:70, 20:60] = 4
    mask[80:110, 5:90] = 7
    write_mask(tmp_path / "a.png", mask)
    rest = ("--out", tmp_path / "out", "--checkpoint", "any", "--max-frames", 4)
    lose(monkeypatch, 7, after=1)
    monkeypatch.setattr("ranet_jax.remarks._said", set())
    code, text = call(folder, "--mask", tmp_path / "a.png", *rest)
    assert code == 0
    masks = [read(path) for path in sorted((tmp_path / "out/masks").iterdir())]
    last = max(index for index, one in enumerate(masks) if (one == 7).any())
    assert last < 3
    assert re.search(rf"object 7 is in no mask after\s+frame {last};", text), text


def test_an_object_without_room_on_the_canvas_is_named(monkeypatch, capsys):
    monkeypatch.setattr("ranet_jax.remarks._said", set())
    height, width = segmenter().model.canvas
    mask = np.zeros((8 * height, 8 * width), np.uint8)
    mask[400:800, 400:800] = 1
    mask[8, 8], mask[9, 9] = 2, 3  # in one pixel of the canvas
    frame = np.zeros((*mask.shape, 3), np.uint8)
    tool = segmenter()
    for name in ("one.mp4", "other.mp4"):  # said of each
        tracker = tool.start(frame, mask, name=name)
        assert set(np.unique(tracker.labels)) == {0, 1, 2}
        said = f"{name}: object 3 cannot be followed: it is smaller than a pixel"
        assert said in capsys.readouterr().err


def test_names_that_a_terminal_or_a_parser_does_not_like(call, masks, tmp_path, monkeypatch):
    """A dash, a colon, Cyrillic and 255 bytes, in the video, its frames, mask and results."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-кадры").mkdir()
    stems = [("я" * 124 + str(index)) for index in (9, 10)]
    for stem in stems:
        Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(tmp_path / "-кадры" / f"{stem}.png")
    write_mask(tmp_path / "-m:1.png", masks[0])
    names = sorted(path.name for path in (tmp_path / "-кадры").iterdir())
    code, text = call("-кадры", "--mask", "-m:1.png", "--out", "a:b", "--checkpoint", "any")
    assert code == 0, text
    assert sorted(path.name for path in (tmp_path / "a:b/masks").iterdir()) == names
    assert max(len(os.fsencode(name)) for name in names) > 250
    assert len(list(open_video("a:b/overlay.mp4"))) == 2


def test_cyrillic_on_an_ascii_terminal(tmp_path):
    code = (
        "from ranet_jax.errors import InputError, run_command\n"
        "def main():\n"
        "    print('горы \\udcff')\n"
        "    raise InputError('море\\n\\udcff')\n"
        "run_command(main)\n"
    )
    path = os.pathsep.join(sys.path)
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONPATH": path}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment)
    assert run.returncode == 2
    assert run.stdout.decode("ascii") == "\\u0433\\u043e\\u0440\\u044b \\udcff\n"
    assert run.stderr.decode("ascii") == "error: \\u043c\\u043e\\u0440\\u0435 \\udcff\n"


def test_parse_masks():
    paths, replacing = parse_masks(["a=b.png", "7=c.png"], ["9=d=.png"])
    assert {index: str(path) for index, path in paths.items()} == {
        0: "a=b.png",
        7: "c.png",
        9: "d=.png",
    }
    assert replacing == {9}
    with pytest.raises(InputError, match=r"--mask 0=b\.png: frame 0 has a mask already, a\.png;"):
        parse_masks(["a.png", "0=b.png"], [])
    with pytest.raises(InputError, match=r"--replace 7=c\.png: frame 7 has a mask already, b\.png"):
        parse_masks(["a.png", "7=b.png"], ["7=c.png"])
    with pytest.raises(
        InputError, match=r"--replace c\.png: say from which frame on by its number"
    ):
        parse_masks(["a.png"], ["c.png"])
    with pytest.raises(InputError, match="the first frame has no mask"):
        parse_masks(["7=b.png"], [])


def test_an_early_interrupt_is_one_line(monkeypatch, capsys, tmp_path):
    def wait(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(command_line, "set_up_computation", wait)
    (tmp_path / "first.png").touch()
    line = ["segment", "clip.mp4", "--mask", str(tmp_path / "first.png"), "--out", "x"]
    monkeypatch.setattr(sys, "argv", line)
    with pytest.raises(SystemExit) as exit_info:
        command_line.command()
    assert exit_info.value.code == 130
    assert capsys.readouterr().err == "interrupted; what was finished is in --out\n"
