"""The command for one's own videos, from file to results, and all that can stop it on its way."""

import errno
import functools
import re
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import ranet_jax.results
from ranet_jax.data.images import PALETTE, write_mask
from ranet_jax.errors import InputError
from ranet_jax.models.ranet import init_params, small_ranet
from ranet_jax.overlay import paint_overlay
from ranet_jax.segment import command, parse_masks
from ranet_jax.segmentation import segment_video
from ranet_jax.segmenter import Segmenter, Tracker
from ranet_jax.video import open_video
from tests.filming import film
from tests.test_video import FakeCamera

SIZE = (122, 95)  # portrait, odd and not the canvas's, so that labels are resized both ways
COUNT = 7


@functools.cache
def segmenter():
    """One for all tests, with probabilities, so that each slot size is compiled once."""
    model = small_ranet()
    return Segmenter(model, init_params(model, 0), probabilities=True)


def moving(count=COUNT):
    """Noise with a bright square that moves."""
    frames = np.random.default_rng(0).integers(0, 120, (count, *SIZE, 3)).astype(np.uint8)
    for index, frame in enumerate(frames):
        frame[30:70, 20 + 3 * index : 60 + 3 * index] += 100
    return frames


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Frames as a folder of images."""
    folder = tmp_path_factory.mktemp("frames")
    for index, frame in enumerate(moving()):
        Image.fromarray(frame).save(folder / f"shot {index}.png")
    return folder


@pytest.fixture(scope="module")
def masks():
    """The objects 5 and 200 at first; 200 and 9 from frame 3 on."""
    first, second = np.zeros((2, *SIZE), np.uint8)
    first[30:70, 20:60] = 5
    first[80:110, 20:60] = 200
    second[30:70, 32:72] = 200
    second[5:25, 5:60] = 9
    return {0: first, 3: second}


@pytest.fixture(scope="module")
def undisturbed(folder, masks, tmp_path_factory):
    """The results of a run that nothing stopped."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    run(folder, masks, out)
    return out


def run(folder, masks, out, **options):
    with open_video(str(folder)) as video:
        return segment_video(segmenter(), video, masks, out, **{"probabilities": True} | options)


def read(path):
    return np.asarray(Image.open(path))


def contents(out):
    """Every mask and probability, byte for byte."""
    return {str(path.relative_to(out)): path.read_bytes() for path in out.glob("[mp]*/**/*.png")}


def test_masks_are_those_of_the_tracker(folder, masks, undisturbed):
    frames = moving()
    tracker = segmenter().start(frames[0], masks[0])
    for index, frame in enumerate(frames):
        if index in masks:
            expected = masks[index]
            tracker.mark(frame, expected)
        else:
            expected = tracker.step(frame)
            assert 0 < (expected > 0).mean() < 1
        image = Image.open(undisturbed / "masks" / f"shot {index}.png")
        assert image.mode == "P" and image.getpalette() == PALETTE
        np.testing.assert_array_equal(np.asarray(image), expected)
        for slot, one in enumerate(tracker.ids):
            grey = read(undisturbed / "probabilities" / str(one) / f"shot {index}.png")
            probability = masks[index] == one if index in masks else tracker.probability[..., slot]
            np.testing.assert_array_equal(grey, np.rint(255 * probability))
    assert len(list(undisturbed.glob("masks/*"))) == COUNT
    # An object that is no longer followed has no probability from then on.
    assert len(list(undisturbed.glob("probabilities/5/*"))) == 3
    assert len(list(undisturbed.glob("probabilities/9/*"))) == COUNT - 3


def test_overlay_shows_the_masks(undisturbed):
    for index, frame in enumerate(open_video(str(undisturbed / "overlay.mp4"))):
        mask = read(undisturbed / "masks" / f"shot {index}.png")
        # Blurred, because the noise of the frames loses its colours in any video.
        found, plain, expected = (
            cv2.blur(image[: SIZE[0], : SIZE[1]].astype(np.float32), (9, 9))
            for image in (frame.image, moving()[index], paint_overlay(moving()[index], mask))
        )
        assert np.abs(found - expected).mean() < np.abs(found - plain).mean() / 3
    assert index == COUNT - 1


def test_a_killed_run_goes_on_bit_for_bit(folder, masks, undisturbed, tmp_path):
    """A copy of the folder in the middle of a run is what a kill leaves."""
    out, number = tmp_path / "out", iter(range(COUNT))

    def take_copy(frame, mask):
        copy = tmp_path / str(next(number))
        # What is done is copied first: the copy takes a while, and meanwhile more is written.
        unfinished = shutil.ignore_patterns(".??*.png", "*.partial")
        shutil.copytree(out / ".progress", copy / ".progress", ignore=unfinished)
        unfinished = shutil.ignore_patterns(".??*.png", "*.partial", ".progress")
        shutil.copytree(out, copy, ignore=unfinished, dirs_exist_ok=True)

    run(folder, masks, out, report_frame=take_copy, overlay=False)
    for killed_at in (0, 2, 3, 5):
        copy = tmp_path / str(killed_at)
        left = len(list(copy.glob("masks/*.png")))
        result = run(folder, masks, copy, resume=True)
        assert result.frames == COUNT
        assert COUNT - result.segmented in {left, left - 1} and left <= killed_at + 1
        assert contents(copy) == contents(undisturbed)
        assert len(list(open_video(str(copy / "overlay.mp4")))) == COUNT


def test_ctrl_c_keeps_what_is_finished(folder, masks, undisturbed, tmp_path, monkeypatch):
    number = iter(range(COUNT))

    def interrupt(frame, mask):
        if next(number) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(folder, masks, tmp_path, report_frame=interrupt)
    assert len(list(tmp_path.glob("masks/*.png"))) == 5
    assert len(list(open_video(str(tmp_path / "overlay.mp4")))) in (4, 5)
    # Interrupted again before it comes to new frames, the overlay stays what it was.
    overlay = (tmp_path / "overlay.mp4").read_bytes()
    number = iter([3, 4])
    with pytest.raises(KeyboardInterrupt):
        run(folder, masks, tmp_path, report_frame=interrupt, resume=True)
    assert (tmp_path / "overlay.mp4").read_bytes() == overlay
    steps = count_steps(monkeypatch)
    assert run(folder, masks, tmp_path, resume=True).segmented == 2
    assert len(steps) == 2
    assert contents(tmp_path) == contents(undisturbed)


def count_steps(monkeypatch):
    """A list that grows with every frame that goes through the network."""
    steps, step = [], Tracker.step
    monkeypatch.setattr(Tracker, "step", lambda *args: steps.append(1) or step(*args))
    return steps


def test_resume_needs_the_same_run(folder, masks, tmp_path):
    run(folder, masks, tmp_path, max_frames=4)
    with pytest.raises(InputError, match=r"other settings \(probabilities\)"):
        run(folder, masks, tmp_path, resume=True, probabilities=False)
    other = masks | {3: masks[0]}
    with pytest.raises(InputError, match=r"other settings \(masks\)"):
        run(folder, other, tmp_path, resume=True)
    weights = Segmenter(small_ranet(), init_params(small_ranet(), 1), probabilities=True)
    with open_video(str(folder)) as video, pytest.raises(InputError, match=r"\(weights\)"):
        segment_video(weights, video, masks, tmp_path, probabilities=True, resume=True)
    rule = Segmenter(small_ranet("multi"), segmenter().params, probabilities=True)
    with open_video(str(folder)) as video, pytest.raises(InputError, match=r"\(network\)"):
        segment_video(rule, video, masks, tmp_path, probabilities=True, resume=True)
    with pytest.raises(InputError, match="holds results; give --resume"):
        run(folder, masks, tmp_path)
    # A mask of a frame that is still to come may be added.
    assert run(folder, masks | {5: masks[0]}, tmp_path, resume=True).segmented == 3
    np.testing.assert_array_equal(read(tmp_path / "masks" / "shot 5.png"), masks[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda video: write_frame(video / "shot 0.png", 1), "was begun with another video"),
        (lambda video: (video / "shot 0.png").rename(video / "new 0.png"), "another video"),
        (lambda video: [(video / f"shot {i}.png").unlink() for i in (4, 5, 6)], "has 4 frames but"),
    ],
)
def test_resume_needs_the_same_video(folder, masks, tmp_path, change, message):
    run(folder, masks, tmp_path / "out", max_frames=5)
    before = contents(tmp_path / "out"), (tmp_path / "out" / "overlay.mp4").read_bytes()
    change(shutil.copytree(folder, tmp_path / "video"))
    with pytest.raises(InputError, match=message):
        run(tmp_path / "video", masks, tmp_path / "out", resume=True)
    assert (contents(tmp_path / "out"), (tmp_path / "out" / "overlay.mp4").read_bytes()) == before
    # Where a copy lies does not matter.
    shutil.rmtree(tmp_path / "video")
    shutil.copytree(folder, tmp_path / "video")
    assert run(tmp_path / "video", masks, tmp_path / "out", resume=True).segmented == 2


def write_frame(path, brightness):
    Image.fromarray(np.full((*SIZE, 3), brightness, np.uint8)).save(path)


def test_resume_does_not_shorten_the_results(folder, masks, tmp_path):
    run(folder, masks, tmp_path, max_frames=5)
    before = {path: path.read_bytes() for path in tmp_path.glob("*/*.png")}
    before[tmp_path / "overlay.mp4"] = (tmp_path / "overlay.mp4").read_bytes()
    with pytest.raises(InputError, match="holds 5 finished frames, more than the 4 to stop after"):
        run(folder, masks, tmp_path, resume=True, max_frames=4)
    assert {path: path.read_bytes() for path in before} == before
    assert run(folder, masks, tmp_path, resume=True, max_frames=5).segmented == 0


class FakeLearner:
    """Learns other weights at once, the same ones always."""

    steps, rate, seed, compile_seconds = 3, 1e-4, 0, 0.5

    def __init__(self):
        self.compiled, self.learned = [], []
        self.seconds = 0.0

    def compile(self, objects):
        self.compiled.append(objects)

    def learn(self, frame, mask):
        assert self.compiled == [2], "before the first frame"
        self.learned.append((frame, mask))
        self.seconds += 1e6
        return init_params(small_ranet(), 1)


def test_what_was_learned_segments_the_video(folder, masks, tmp_path):
    learner = FakeLearner()
    result = run(folder, masks, tmp_path / "online", learner=learner, max_frames=5)
    assert result.seconds < 0, "the seconds of learning, here invented, must not be counted"
    (frame, mask), *others = learner.learned
    assert not others
    np.testing.assert_array_equal(mask, masks[0])
    np.testing.assert_array_equal(frame, moving()[0])
    model = small_ranet()
    with open_video(str(folder)) as video:
        other = Segmenter(model, init_params(model, 1), probabilities=True)
        segment_video(other, video, masks, tmp_path / "other", probabilities=True, max_frames=5)
    assert contents(tmp_path / "online") == contents(tmp_path / "other")
    with pytest.raises(InputError, match=r"other settings \(online learning\)"):
        run(folder, masks, tmp_path / "online", resume=True)


def test_all_slot_sizes_are_compiled_before_the_first_frame(folder, masks, tmp_path):
    tool = Segmenter(small_ranet(), init_params(small_ranet(), 0))
    compiled = []
    tool.compile = compiled.append

    def check():
        assert {1, 2} <= set(compiled)
        raise RuntimeError("stop")

    first = np.where(masks[0] == 5, 5, 0)
    with open_video(str(folder)) as video, pytest.raises(RuntimeError, match="stop"):
        segment_video(tool, _Watched(video, check), masks | {0: first}, tmp_path)


class _Watched:
    """A video that does something whenever a frame is asked for."""

    def __init__(self, video, watch):
        self._video, self._watch = video, watch

    def __getattr__(self, name):
        return getattr(self._video, name)

    def __iter__(self):
        for frame in self._video:
            self._watch()
            yield frame


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda masks: {3: masks[3]}, "the first frame, number 0, needs a mask"),
        (lambda masks: masks | {3: masks[3][:-1]}, "mask of frame 3 is"),
        (lambda masks: masks | {3: 0 * masks[3]}, "with 0 objects"),
        (lambda masks: masks | {3: np.resize(np.arange(18), SIZE)}, "with 17 objects"),
    ],
)
def test_unusable_masks(folder, masks, tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        run(folder, change(masks), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_mask_beyond_the_end(folder, masks, undisturbed, tmp_path):
    with pytest.raises(InputError, match=f"has {COUNT} frames, so that there is no frame 40"):
        run(folder, masks | {40: masks[0]}, tmp_path)
    assert contents(tmp_path) == contents(undisturbed)
    assert len(list(open_video(str(tmp_path / "overlay.mp4")))) == COUNT


def test_broken_middle_keeps_what_is_finished(masks, tmp_path):
    film(tmp_path / "a.mp4", moving(20)[:, :, :-1])
    whole = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "a.mp4").write_bytes(whole[: len(whole) // 3])
    with pytest.raises(InputError, match=r"frame \d+ of .*a\.mp4") as raised:
        run(tmp_path / "a.mp4", {0: masks[0][:, :-1]}, tmp_path / "out")
    count = int(str(raised.value).split()[1])
    assert 1 < count < 12
    names = sorted(path.name for path in tmp_path.glob("out/masks/*"))
    assert names == [f"{index:06d}.png" for index in range(count)]
    assert len(list(open_video(str(tmp_path / "out" / "overlay.mp4")))) == count


def test_full_disk(folder, masks, undisturbed, tmp_path, monkeypatch):
    written = []

    def fill(path, mask):
        if len(written) == 5:
            path.write_bytes(b"half a mas")
            raise OSError(errno.ENOSPC, "No space left on device")
        write_mask(path, mask)
        written.append(path)

    monkeypatch.setattr(ranet_jax.results, "write_mask", fill)
    with pytest.raises(InputError, match="No space left on device; 5 finished frames are kept"):
        run(folder, masks, tmp_path)
    finished = contents(tmp_path)
    assert len(list(tmp_path.glob("masks/*"))) == 5
    assert not list(tmp_path.glob("*overlay*")), "a broken video, on a full disk"
    expected = contents(undisturbed)
    for index in range(5):
        name = f"masks/shot {index}.png"
        assert finished[name] == expected[name]
    monkeypatch.undo()
    run(folder, masks, tmp_path, resume=True)
    assert contents(tmp_path) == expected


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is full")
def test_full_disk_under_the_overlay(folder, masks, undisturbed, tmp_path):
    (tmp_path / ".overlay.mp4.partial").symlink_to("/dev/full")
    with pytest.raises(InputError, match=r"No space left on device; \d finished frames are kept"):
        run(folder, masks, tmp_path)
    assert not list(tmp_path.glob("*overlay*")) and not list(tmp_path.glob(".overlay*"))
    run(folder, masks, tmp_path, resume=True)
    assert contents(tmp_path) == contents(undisturbed)
    assert len(list(open_video(str(tmp_path / "overlay.mp4")))) == COUNT


def test_broken_frame_right_after_the_finished_ones(folder, masks, tmp_path):
    """A killed run has no overlay; the one that is rebuilt of all finished frames is kept."""
    video = shutil.copytree(folder, tmp_path / "video")
    run(video, masks, tmp_path / "out", max_frames=5, overlay=False)
    (video / "shot 5.png").write_text("no image")
    with pytest.raises(InputError, match=r"shot 5\.png"):
        run(video, masks, tmp_path / "out", resume=True)
    assert len(list(open_video(str(tmp_path / "out" / "overlay.mp4")))) == 5


def test_memory_does_not_grow_with_the_video(folder, masks, tmp_path):
    """Only a few frames are read before the one that is worked on."""
    read, ahead = [], []

    def report(frame, mask):
        ahead.append(len(read) - len(ahead))

    with open_video(str(folder)) as video:
        watched = _Watched(video, lambda: read.append(1))
        options = {"report_frame": report, "max_frames": COUNT - 1}
        segment_video(segmenter(), watched, masks, tmp_path, **options)
    assert max(ahead) <= 4
    assert len(read) == COUNT - 1, "max_frames must not read on"


# The command line.


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
    monkeypatch.setattr("ranet_jax.segment.OnlineLearner", lambda *_: FakeLearner())
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
