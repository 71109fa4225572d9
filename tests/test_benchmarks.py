"""The benchmarks that score: what they print follows from the clips and the network alone."""

import sys

import numpy as np
import pytest
from PIL import Image

from benchmarks import leg, several
from configs.choosing import CHOOSING
from ranet_jax.data.clips import Clip, read_clip
from ranet_jax.errors import InputError
from ranet_jax.media.masks import write_mask
from ranet_jax.protocol import Protocol
from ranet_jax.segmenter import Segmenter
from tests.colour_network import GREEN, ColourNetwork, mark, paint


@pytest.fixture
def davis(tmp_path):
    """DAVIS's kept-out videos, of twelve frames in which a green object stands still."""
    (tmp_path / "ImageSets/480p").mkdir(parents=True)
    for number, name in enumerate(CHOOSING):
        frame = paint((20, 80, 40 + 10 * number, 120, GREEN))
        for index in range(12):
            for kind in ("JPEGImages", "Annotations"):
                (tmp_path / kind / "480p" / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(frame).save(tmp_path / f"JPEGImages/480p/{name}/{index:05d}.png")
            place = tmp_path / f"Annotations/480p/{name}/{index:05d}.png"
            write_mask(place, mark(frame=frame, green=1))
    (tmp_path / "ImageSets/480p/train.txt").write_text(
        "\n".join(f"/JPEGImages/480p/{name}/0.jpg /A/{name}/0.png" for name in reversed(CHOOSING))
    )
    return tmp_path


@pytest.fixture
def call(monkeypatch, capsys):
    """Runs a benchmark with a network that knows colours; gives the lines that it prints."""

    def call(module, *arguments, protocol):
        tool = Segmenter(ColourNetwork(), {"nothing": np.zeros(1)}, protocol=protocol)
        monkeypatch.setattr(module, "load_segmenter", lambda *_: tool)
        monkeypatch.setattr(sys, "argv", [module.__name__, *map(str, arguments)])
        module.main()
        return capsys.readouterr().out.splitlines()

    return call


def test_a_leg_is_scored_by_the_mean_of_four_measures(call, davis, monkeypatch):
    class Learner:
        def __init__(self, segmenter, steps):
            assert steps == 20

        def learn(self, frame, mask):
            return {"nothing": np.zeros(1)}

    monkeypatch.setattr(leg, "OnlineLearner", Learner)
    lines = call(leg, davis, protocol=Protocol(frame_canvas=(128, 192)))
    header = next(line for line in lines if line.startswith("J&F"))
    assert header.split()[2:] == list(reversed(CHOOSING)), "columns have the clips' own names"
    rows = {line[:12].strip(): line[12:].split() for line in lines[lines.index(header) + 1 :]}
    means = [float(rows[name][0]) for name in ("in run", "20 frames", "all", "online 20")]
    assert min(means) > 0.9 and means[1] == means[2] == means[3]
    (mean,) = (line for line in lines if line.startswith("mean of four"))
    assert float(mean.split()[-1]) == pytest.approx(np.mean(means), abs=1e-3)
    assert float(rows["both ways"][0]) > 0.9
    of_several = [float(rows[f"{count} objects"][0]) for count in (2, 3, 4)]
    assert lines[-1].startswith("several objects, mean: ")
    assert float(lines[-1].split()[-1]) == pytest.approx(np.mean(of_several), abs=1e-3)


def test_a_leg_that_is_not_packed_is_refused(call, davis):
    with pytest.raises(InputError, match=r"not packed as what ships; make a file of it"):
        call(leg, davis, "--checkpoint", "runs/leg", protocol=Protocol())


def test_a_clip_is_followed_both_ways_from_where_its_object_is_seen():
    frames = [np.full((4, 4, 3), index, np.uint8) for index in range(8)]
    masks = [np.full((4, 4), index != 2, np.uint8) for index in range(8)]  # hidden in frame 2
    made = leg.turn_and_cut(Clip("a", frames, masks))
    assert [[int(frame[0, 0, 0]) for frame in clip.frames] for clip in made] == [
        [0, 1, 2, 3, 4, 5, 6, 7],
        [4, 5, 6, 7],
        [7, 6, 5, 4, 3, 2, 1, 0],
        [5, 4, 3, 2, 1, 0],
        [3, 2, 1, 0],
    ]
    for clip in made:
        assert [int(mask[0, 0]) for mask in clip.masks] == [
            int(frame[0, 0, 0] != 2) for frame in clip.frames
        ]


def test_objects_are_pasted_half_as_large_one_a_corner(davis):
    clips = [read_clip(davis, name) for name in CHOOSING]
    made = several.make_clip(clips, 1, 4)
    for frame, mask in zip(made.frames, made.masks, strict=True):
        assert frame.shape[:2] == mask.shape and set(np.unique(mask)) == {0, 1, 2, 3, 4}
    whole = np.count_nonzero(clips[2].masks[0])
    assert np.count_nonzero(made.masks[0] == 2) == pytest.approx(whole / 4, rel=0.1)


def test_a_clip_of_which_a_mask_is_missing_is_not_paired_with_others(davis):
    (davis / f"JPEGImages/480p/{CHOOSING[0]}/00001.png").unlink()
    clip = read_clip(davis, CHOOSING[0])
    assert len(clip.frames) == len(clip.masks) == 11
