"""The input pipeline: what is drawn follows from the seed and the sample's number alone."""

import os
import pathlib
import subprocess
import sys
import time
from typing import ClassVar

import numpy as np
import pytest

from ranet_jax.data import pipeline
from ranet_jax.data.augmentation import Augmentation
from ranet_jax.data.pipeline import (
    Set,
    StaticDraw,
    VideoDraw,
    load_batches,
    make_dataset,
    open_sets,
)
from ranet_jax.data.records import Sample, VideoRecords
from ranet_jax.errors import InputError

CANVAS = (64, 96)


class Images:
    """Stands for a prepared set: a square on noise, its place and colour by index."""

    def __init__(self, size):
        self.size = size

    def __len__(self):
        return self.size

    def identify(self):
        return f"{self.size} squares"

    def __getitem__(self, index):
        generator = np.random.default_rng(index)
        image = generator.integers(0, 100, (60, 90, 3)).astype(np.uint8)
        mask = np.zeros((60, 90), np.uint8)
        mask[20:40, 30 + index % 20 : 60] = 1
        image[mask > 0] = 100 + index
        return Sample(image, mask, str(index))


def static_sets(pasted=0):
    augmentation = Augmentation(canvas=CANVAS, pasted_objects=pasted)
    return [
        Set(name, range(size), weight, StaticDraw(Images(size), augmentation))
        for name, size, weight in (("large", 40, 0.75), ("small", 10, 0.25))
    ]


def take(count, **options):
    batches = load_batches(make_dataset(static_sets(), 7), 4, **options)
    return [next(batches) for _ in range(count)]


def assert_equal(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])


def test_batches_hold_examples_and_their_origin():
    (batch,) = take(1)
    assert {name: array.shape for name, array in batch.items()} == {
        "template": (4, *CANVAS, 3),
        "template_labels": (4, *CANVAS),
        "frame": (4, *CANVAS, 3),
        "previous": (4, *CANVAS),
        "labels": (4, *CANVAS),
        "box": (4, 4),
        "later_frames": (4, 0, 2 * CANVAS[0], 2 * CANVAS[1], 3),
        "later_labels": (4, 0, 2 * CANVAS[0], 2 * CANVAS[1]),
        "origin": (4, 2),
    }
    numbers = {"origin": np.int64, "box": np.int32}
    assert all(batch[name].dtype == numbers.get(name, np.uint8) for name in batch)


def test_same_seed_same_batches_other_seed_others():
    assert_equal(take(3), take(3))
    other = next(load_batches(make_dataset(static_sets(), 8), 4))
    assert not np.array_equal(other["frame"], take(1)[0]["frame"])


def test_starting_later_continues_exactly():
    assert_equal(take(2, start=12), take(5)[3:])


def test_processes_share_each_batch():
    whole = take(3)
    shares = [take(3, process=process, processes=2) for process in range(2)]
    for batch, *parts in zip(whole, *shares, strict=True):
        for name in batch:
            together = np.stack([part[name] for part in parts], axis=1)
            np.testing.assert_array_equal(together.reshape(batch[name].shape), batch[name])


def test_sets_are_mixed_by_weight_and_seen_whole():
    origins = np.concatenate([batch["origin"] for batch in take(40)])
    large, small = (origins[origins[:, 0] == number, 1] for number in (0, 1))
    assert len(large) == 3 * len(small)
    assert set(small[:10]) == set(range(10))
    assert list(small[:10]) != list(small[10:20]), "shuffled anew"


def test_a_record_that_comes_again_is_drawn_anew():
    batches = take(40)
    frames = [
        batch["frame"][i]
        for batch in batches
        for i in range(4)
        if tuple(batch["origin"][i]) == (1, 3)
    ]
    assert len(frames) == 4
    assert not np.array_equal(frames[0], frames[1])


def test_pasted_objects_come_from_the_same_set():
    batches = load_batches(make_dataset(static_sets(pasted=3), 0), 4)
    largest = [batch["template_labels"].max() for batch, _ in zip(batches, range(4), strict=False)]
    assert max(largest) > 1


class Empty(Images):
    """Records that show no object."""

    def __getitem__(self, index):
        return super().__getitem__(index)._replace(mask=np.zeros((60, 90), np.uint8))


def test_a_record_that_cannot_be_used_is_named():
    draw = StaticDraw(Empty(5), Augmentation(canvas=CANVAS))
    dataset = make_dataset([Set("mine", [3], 1.0, draw)], 0)
    with pytest.raises(InputError, match=r"^sample mine\[3\]: the mask shows no object; leave"):
        dataset[0]


WORKERS = """
import sys
sys.argv = sys.argv[:1]
from absl import app
from tests import test_pipeline as t
def main(_):
    t.assert_equal(t.take(4, workers=2), t.take(4))
    t.assert_equal(t.take(2, workers=1, start=8), t.take(4)[2:])
    print("equal")
app.run(main)
"""


def test_worker_processes_change_nothing(tmp_path):
    """In a program of its own, because grain's workers need absl's flags."""
    program = tmp_path / "program.py"
    program.write_text(f"if __name__ == '__main__':\n    exec({WORKERS!r})\n")
    root = str(pathlib.Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, program],
        env={"PYTHONPATH": root, "PATH": "/usr/bin:/bin", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip().endswith("equal"), done.stderr


ORPHANS = """
import multiprocessing, sys, time
sys.argv = sys.argv[:1]
from absl import app
from tests import test_pipeline as t
def main(_):
    batches = t.load_batches(t.make_dataset(t.static_sets(), 0), 4, workers=2)
    next(batches)
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)
    time.sleep(100)
app.run(main)
"""


def test_workers_end_with_a_killed_program(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(f"if __name__ == '__main__':\n    exec({ORPHANS!r})\n")
    root = str(pathlib.Path(__file__).parents[1])
    process = subprocess.Popen(
        [sys.executable, program],
        env={"PYTHONPATH": root, "PATH": "/usr/bin:/bin", "JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    workers = [int(pid) for pid in process.stdout.readline().split()]
    assert len(workers) == 2
    process.kill()
    process.wait()
    end = time.time() + 30
    while any(is_running(pid) for pid in workers):
        assert time.time() < end
        time.sleep(0.1)


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # One that has ended stays in the list until somebody asks how.
    stat = pathlib.Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


class Frames(Images):
    """Records how they are read."""

    read: ClassVar[list] = []

    def __getitem__(self, index):
        self.read.append(index)
        return super().__getitem__(index)


def test_video_examples_stay_in_their_video_and_within_reach():
    videos = (VideoRecords("a", 0, (0, 2, 4, 6, 20)), VideoRecords("b", 5, tuple(range(8))))
    draw = VideoDraw(Frames(13), videos, Augmentation(), reach=5)
    for index in range(13):
        for seed in range(5):
            Frames.read.clear()
            draw(index, np.random.default_rng(seed))
            current, template, nearby = Frames.read[1], Frames.read[0], Frames.read[2]
            if current != index:
                current, template = template, current
            video = videos[index >= 5]
            assert all(video.start <= i < video.start + len(video.numbers) for i in Frames.read)
            distance = abs(video.numbers[nearby - video.start] - video.numbers[index - video.start])
            assert distance <= 5
            # Frame 20 of video a has no neighbour within reach: it is its own.
            assert (distance == 0) == (index == 4)


def test_later_frames_go_on_from_the_previous_one_and_back_at_the_end():
    videos = (VideoRecords("a", 0, (0, 1)), VideoRecords("b", 2, tuple(range(8))))
    draw = VideoDraw(Frames(10), videos, Augmentation(later_frames=3), reach=5)
    assert draw._find_later(videos[1], 3, 4) == [5, 6, 7]
    assert draw._find_later(videos[1], 6, 4) == [2, 4, 6]
    assert draw._find_later(videos[1], 7, 8) == [9, 8, 7]
    assert draw._find_later(videos[1], 5, 5) == [6, 7, 8]
    assert draw._find_later(videos[0], 0, 1) == [0, 1, 0]
    Frames.read.clear()
    example = draw(4, np.random.default_rng(0))
    assert len(example.later_frames) == 3
    nearby = Frames.read[2]
    assert Frames.read[3:] == draw._find_later(videos[1], nearby, 4)


def test_later_frames_keep_their_pace_where_frames_were_left_out():
    """By their numbers; over more than are within reach no example goes."""
    video = VideoRecords("a", 10, (0, 1, 2, 4, 5, 6, 20, 21, 40))
    draw = VideoDraw(Frames(19), (video,), Augmentation(later_frames=4), reach=5)

    def numbers_after(nearby, number):
        records = (10 + video.numbers.index(each) for each in (nearby, number))
        return [video.numbers[record - 10] for record in draw._find_later(video, *records)]

    assert numbers_after(0, 2) == [4, 6, 4, 2]
    assert numbers_after(1, 2) == [4, 5, 6, 5]
    assert numbers_after(5, 2) == [5, 6, 2, 5]
    assert numbers_after(21, 20) == [21, 20, 21, 20]
    assert numbers_after(40, 40) == [40, 40, 40, 40]
    assert numbers_after(20, 21) == [20, 21, 20, 21]


def test_later_frames_of_videos_without_gaps_are_what_they_were():
    for count in range(1, 9):
        video = VideoRecords("a", 3, tuple(range(7, 7 + count)))
        for reach in (0, 5):
            draw = VideoDraw(Frames(12), (video,), Augmentation(later_frames=6), reach)
            for index in range(3, 3 + count):
                for nearby in range(max(3, index - reach), min(3 + count, index + reach + 1)):
                    expected, place, pace = [], index, index - nearby or 1
                    for _ in range(6):
                        if not 3 <= place + pace < 3 + count:
                            pace = -pace
                        place = min(max(place + pace, 3), 2 + count)
                        expected.append(place)
                    assert draw._find_later(video, nearby, index) == expected


def test_videos_kept_for_validation_are_never_drawn(monkeypatch, tmp_path):
    every = tuple(VideoRecords(name, 3 * i, (0, 1, 2)) for i, name in enumerate("abc"))
    monkeypatch.setattr(pipeline, "open_davis", lambda *_: (Frames(9), every))
    numbers = Augmentation()
    sets = {"davis16-train": 1.0}
    with pytest.raises(
        InputError, match="left_out has d, e, which no set has; its videos are a, b, c"
    ):
        open_sets(sets, tmp_path, numbers, numbers, 5, left_out=["e", "b", "d"])
    (one,) = open_sets(sets, tmp_path, numbers, numbers, 5, left_out=["b"])
    assert one.identity == "9 squares"
    dataset = make_dataset([one], 0)
    drawn = {int(dataset[i]["origin"][1]) for i in range(12)}
    assert drawn == {0, 1, 2, 6, 7, 8}


@pytest.mark.parametrize("name", ["ecssd", "davis16-train"])
def test_missing_data_names_folder_and_command(tmp_path, name):
    with pytest.raises(InputError, match=rf"{tmp_path}.*ranet_jax\.data\.prepare {name}"):
        open_sets({name: 1.0}, tmp_path, Augmentation(), Augmentation(), 5)


def test_all_missing_sets_are_named_at_once(tmp_path):
    sets = {"duts-tr": 0.5, "generated": 0.2, "davis16-train": 0.3}
    with pytest.raises(InputError) as error:
        open_sets(sets, tmp_path, Augmentation(), Augmentation(), 5)
    told = str(error.value)
    assert "data.prepare duts-tr" in told and "; " in told and "data.prepare davis16-train" in told
