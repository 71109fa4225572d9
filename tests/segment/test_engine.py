"""A video into a folder: what is in it, how a stopped run goes on, and all that can stop it."""

import errno
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import ranet_jax.segment.results
from ranet_jax.errors import InputError
from ranet_jax.files import name_unfinished
from ranet_jax.media.masks import write_mask
from ranet_jax.media.overlay import paint_overlay
from ranet_jax.media.palette import PALETTE
from ranet_jax.media.video import open_video
from ranet_jax.models.ranet import init_params, small_ranet
from ranet_jax.protocol import Protocol
from ranet_jax.segment.engine import segment_video
from ranet_jax.segmenter import Segmenter, Tracker
from tests.filming import film
from tests.segment.following import COUNT, SIZE, FakeLearner, contents, moving, read, run, segmenter


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
        hidden = shutil.ignore_patterns(".*")  # what is being written, and vanishes
        shutil.copytree(out / ".progress", copy / ".progress", ignore=hidden)
        shutil.copytree(out, copy, ignore=hidden, dirs_exist_ok=True)

    run(folder, masks, out, report_frame=take_copy)
    for killed_at in (0, 2, 3, 5):
        copy = tmp_path / str(killed_at)
        left = len(list(copy.glob("masks/*.png")))
        result = run(folder, masks, copy, resume=True)
        assert result.frames == COUNT
        assert COUNT - result.segmented in {left, left - 1} and left <= killed_at + 1
        assert contents(copy) == contents(undisturbed)
        assert len(list(open_video(str(copy / "overlay.mp4")))) == COUNT


def test_a_look_that_was_added_is_the_same_when_a_run_goes_on(folder, masks, tmp_path):
    """It is cut to the box of all objects as they were in its frame, which must be found again."""
    run(folder, masks, tmp_path / "whole", replacing=())
    run(folder, masks, tmp_path / "out", replacing=(), max_frames=5)
    assert run(folder, masks, tmp_path / "out", replacing=(), resume=True).segmented == COUNT - 5
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


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
    with pytest.raises(InputError, match=r"other settings \(another mask of the first frame\)"):
        run(folder, masks | {0: masks[3]}, tmp_path, resume=True)
    with pytest.raises(InputError, match=r"\(a mask of frame 3, which is not given now\)"):
        run(folder, {0: masks[0]}, tmp_path, resume=True)
    again = {"resume": True, "replacing": {3}}
    without = Segmenter(small_ranet(), segmenter().params)
    with open_video(str(folder)) as video, pytest.raises(InputError, match=r"\(probabilities\)"):
        segment_video(without, video, masks, tmp_path, **again)
    weights = Segmenter(small_ranet(), init_params(small_ranet(), 1), probabilities=True)
    with open_video(str(folder)) as video, pytest.raises(InputError, match=r"\(weights\)"):
        segment_video(weights, video, masks, tmp_path, **again)
    other_rule = Segmenter(small_ranet("multi"), segmenter().params, probabilities=True)
    with open_video(str(folder)) as video, pytest.raises(InputError, match=r"\(ranking_rule\)"):
        segment_video(other_rule, video, masks, tmp_path, **again)
    protocol = Protocol(locality=0.1)
    other = Segmenter(small_ranet(), segmenter().params, probabilities=True, protocol=protocol)
    with open_video(str(folder)) as video, pytest.raises(InputError, match=r"\(locality\)"):
        segment_video(other, video, masks, tmp_path, **again)
    with pytest.raises(InputError, match="holds results; give --resume"):
        run(folder, masks, tmp_path)
    # A mask of a frame that is still to come may be added.
    more = masks | {5: masks[0]}
    assert run(folder, more, tmp_path, resume=True, replacing={3, 5}).segmented == 3
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
        options = {"max_frames": 5, "replacing": {3}}
        segment_video(other, video, masks, tmp_path / "other", **options)
    assert contents(tmp_path / "online") == contents(tmp_path / "other")
    with pytest.raises(InputError, match=r"other settings \(online learning\)"):
        run(folder, masks, tmp_path / "online", resume=True)


@pytest.mark.parametrize(
    ("protocol", "sizes"),
    [
        (Protocol(), [(3, 2)]),
        # Whether the memory has filled the second place by then, nobody knows.
        (Protocol(memory_every=2, memory_templates=2), [(3, 2), (3, 4)]),
        (Protocol(memory_every=2, memory_templates=4), [(3, 4)]),
    ],
)
def test_all_sizes_are_compiled_before_the_first_frame(folder, masks, tmp_path, protocol, sizes):
    tool = Segmenter(small_ranet(), init_params(small_ranet(), 0), protocol=protocol)
    compiled = []
    tool.compile = lambda *size: compiled.append(size)

    def check():
        assert compiled == [(1,), *sizes], "one object; three, with places for more templates"
        raise RuntimeError("stop")

    first = np.where(masks[0] == 5, 5, 0)  # joined by two in frame 3
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
        (lambda masks: masks | {3: np.resize(np.arange(300), SIZE)}, "with 299 objects"),
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
        if len(written) == 10:  # a frame has a mask, and labels to go on with
            path.write_bytes(b"half a mas")
            raise OSError(errno.ENOSPC, "No space left on device")
        write_mask(path, mask)
        written.append(path)

    monkeypatch.setattr(ranet_jax.segment.results, "write_mask", fill)
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
    name_unfinished(tmp_path / "overlay.mp4").symlink_to("/dev/full")
    with pytest.raises(InputError, match=r"No space left on device; \d finished frames are kept"):
        run(folder, masks, tmp_path)
    assert not list(tmp_path.glob("*overlay*")) and not list(tmp_path.glob(".*.mp4"))
    run(folder, masks, tmp_path, resume=True)
    assert contents(tmp_path) == contents(undisturbed)
    assert len(list(open_video(str(tmp_path / "overlay.mp4")))) == COUNT


def test_broken_frame_right_after_the_finished_ones(folder, masks, tmp_path):
    """A killed run has no overlay; the one that is rebuilt of all finished frames is kept."""
    video = shutil.copytree(folder, tmp_path / "video")
    run(video, masks, tmp_path / "out", max_frames=5)
    (tmp_path / "out" / "overlay.mp4").unlink()
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
