"""YouTube-VOS: objects that start later, gaps in the numbers, videos of several sizes."""

import json
import shutil
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

from ranet_jax.errors import InputError
from ranet_jax.evaluation import __main__ as command_line
from ranet_jax.evaluation import ytvos_run
from ranet_jax.evaluation.ytvos import find_videos, segment_sparse_video
from ranet_jax.media.masks import read_davis_mask, write_mask
from ranet_jax.segmenter import Segmenter
from tests.colour_network import GREEN, RED, ColourNetwork, mark, paint
from tests.evaluation.runs import contents

STEMS = ["00000", "00005", "00015", "00020", "00030"]  # with gaps
LATE = 2  # the second object appears in the third frame


def draw(index, scale):
    """Red from the first frame on, green later; larger frames in another video."""
    shapes = [(20, 76, 4 + index, 64 + index, RED)]
    if index >= LATE:
        shapes.append((20, 76, 80, 150, GREEN))
    return np.kron(paint(*shapes), np.ones((scale, scale, 1), np.uint8))


def make(root, *, whole, meta=False):
    """A split; annotations of all objects in all frames, or only where objects appear."""
    for name, scale in (("small", 1), ("large", 2)):
        frames, annotations = root / "JPEGImages" / name, root / "Annotations" / name
        frames.mkdir(parents=True), annotations.mkdir(parents=True)
        for index, stem in enumerate(STEMS):
            frame = draw(index, scale)
            Image.fromarray(frame).save(frames / f"{stem}.jpg", quality=100, subsampling=0)
            if whole:
                write_mask(annotations / f"{stem}.png", mark(frame=frame, red=1, green=4))
            elif index in (0, LATE):
                given = {"red": 1} if index == 0 else {"green": 4}
                write_mask(annotations / f"{stem}.png", mark(frame=frame, **given))
    if meta:
        objects = {"1": {"category": "box", "frames": STEMS[:4]}}
        objects["4"] = {"category": "box", "frames": STEMS[LATE:4]}
        videos = {name: {"objects": objects} for name in ("small", "large")}
        (root / "meta.json").write_text(json.dumps({"videos": videos}))
    return root


@pytest.fixture(scope="module")
def tool():
    return Segmenter(ColourNetwork(), {"nothing": np.zeros(1)})


@pytest.fixture
def run(tool, monkeypatch, tmp_path):
    """Runs `evaluate.py --split ytvos`; gives the summary."""
    monkeypatch.setattr(command_line, "choose_network", lambda arguments: None)
    monkeypatch.setattr(Segmenter, "from_network", lambda *_, **__: tool)

    def run(root, *arguments):
        line = ["evaluate.py", "--split", "ytvos", "--data-dir", root, "--out", tmp_path / "out"]
        monkeypatch.setattr(sys, "argv", [str(one) for one in (*line, *arguments)])
        command_line.main()
        return json.loads((tmp_path / "out/summary.json").read_text())

    return run


def test_objects_join_where_they_appear_and_are_scored_after(run, tmp_path):
    summary = run(make(tmp_path / "data", whole=True))
    assert summary["videos"] == ["large", "small"] and not summary["left_out"]
    scores = summary["scores"]
    assert set(scores["objects"]) == {
        f"{name}_{one}" for name in ("large", "small") for one in (1, 4)
    }
    assert 0.75 < scores["J"] <= 1
    assert scores["overall"] == pytest.approx((scores["J"] + scores["F"]) / 2)
    for name, scale in (("small", 1), ("large", 2)):
        masks = [read_davis_mask(tmp_path / "out" / name / f"{stem}.png") for stem in STEMS]
        assert masks[0].shape == (96 * scale, 160 * scale)
        assert [4 in mask for mask in masks] == [False, False, True, True, True]
        np.testing.assert_array_equal(masks[LATE] == 4, mark(frame=draw(LATE, scale), green=4) == 4)
    with zipfile.ZipFile(tmp_path / "out/ytvos.zip") as archive:
        names = [
            f"Annotations/{video}/{stem}.png" for video in ("large", "small") for stem in STEMS
        ]
        assert archive.namelist() == names
    # Masks that exist score as those that were made; and a fault shows.
    (tmp_path / "out").rename(tmp_path / "results")
    assert run(tmp_path / "data", "--results", tmp_path / "results")["scores"] == scores
    write_mask(tmp_path / "results/small/00030.png", np.zeros((96, 160), np.uint8))
    worse = run(tmp_path / "data", "--results", tmp_path / "results")["scores"]["objects"]
    assert worse["small_1"][0] == pytest.approx(scores["objects"]["small_1"][0] * 3 / 4, abs=0.1)
    assert worse["large_1"] == scores["objects"]["large_1"]


@pytest.mark.parametrize("part", ["JPEGImages", "Annotations"])
def test_results_never_replace_the_data_set(run, tmp_path, part):
    root = make(tmp_path / "data", whole=False)
    before = {path: path.read_bytes() for path in root.rglob("*.*")}
    with pytest.raises(InputError, match=f"lies inside .*{part}; choose another folder"):
        run(root, "--out", root / part)
    assert {path: path.read_bytes() for path in root.rglob("*.*")} == before
    (tmp_path / "out/small").mkdir(parents=True)
    (tmp_path / "out/small/notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"notes\.txt is not of an evaluation"):
        run(root)


def test_without_truth_there_are_masks_for_the_server_alone(run, tmp_path, capsys):
    """They are the same: of annotations nothing is used but those of objects that appear."""
    whole = run(make(tmp_path / "whole", whole=True))
    before = {path.name: path.read_bytes() for path in (tmp_path / "out/small").iterdir()}
    summary = run(make(tmp_path / "data", whole=False))
    assert whole["scores"] and summary["scores"] is None
    assert "nothing is scored" in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in (tmp_path / "out/small").iterdir()} == before


def test_the_summary_says_where_masks_come_from(run, tmp_path):
    root = make(tmp_path / "data", whole=False)
    summary = run(root, "--precision", "float32")
    assert summary["checkpoint"] == "shipped" and summary["precision"] == "float32"
    assert summary["model"]["canvas"] == [96, 160] and summary["protocol"]["locality"] == 0
    assert summary["device"] and summary["ms_per_frame_median"] > 0
    assert "results" not in summary
    assert run(root, "--checkpoint", "leg9")["checkpoint"] == "leg9"
    (tmp_path / "out").rename(tmp_path / "results")
    summary = run(root, "--results", tmp_path / "results")
    assert summary["results"] == str(tmp_path / "results") and summary["device"]
    assert summary.keys().isdisjoint({"model", "checkpoint", "precision"})


def test_old_results_stay_until_new_ones_are_there(run, monkeypatch, tmp_path, capsys):
    root, out = make(tmp_path / "data", whole=True), tmp_path / "out"
    run(root)
    old = out / "large/00030.png"
    write_mask(old, np.zeros((192, 320), np.uint8))
    before = contents(out)

    def segment(segmenter, video, folder):
        if video.name == "small":  # the second
            raise KeyboardInterrupt
        return segment_sparse_video(segmenter, video, folder)

    with monkeypatch.context() as patch:
        patch.setattr(ytvos_run, "segment_sparse_video", segment)
        with pytest.raises(KeyboardInterrupt):
            run(root)
    left = contents(out)
    assert {name: left[name] for name in before} == before
    new = left.keys() - before.keys()
    assert new == {f".unfinished/large/{stem}.png" for stem in STEMS}
    assert "the sequences that were finished are in " in capsys.readouterr().err
    with pytest.raises(InputError, match="choose another --out"):
        run(root, "--results", out / ".unfinished")
    run(root)
    assert contents(out).keys() == before.keys() and read_davis_mask(old).any()


def test_results_that_lack_a_mask_are_left_out_before_anything_is_scored(
    run, monkeypatch, tmp_path
):
    """Also one of a frame that is not annotated: the server wants it."""
    root, out, results = make(tmp_path / "data", whole=False), tmp_path / "out", tmp_path / "masks"
    run(root)
    out.rename(results)
    for stem in ("00005", "00020"):
        (results / "small" / f"{stem}.png").unlink()
    scored = []
    monkeypatch.setattr(
        ytvos_run, "score_sparse_video", lambda video, _: scored.append(video.name) or {}
    )
    with pytest.raises(InputError, match=r"1 of 2 videos could not be evaluated .* \(small\)"):
        run(root, "--results", results)
    assert scored == ["large"]
    summary = json.loads((out / "summary.json").read_text())
    assert summary["videos"] == ["large"]
    assert summary["left_out"]["small"] == (
        f"{results}/small/00005.png does not exist (2 of 5 result masks missing); "
        "results are a folder of masks a sequence"
    )
    with zipfile.ZipFile(out / "ytvos.zip") as archive:
        assert archive.namelist() == [f"Annotations/large/{stem}.png" for stem in STEMS]
    before = contents(out)
    with pytest.raises(InputError, match=r"large/00000\.png does not exist \(5 of 5"):
        run(root, "--results", tmp_path / "typo")
    assert contents(out) == before


def test_a_description_says_which_masks_are_wanted(run, tmp_path):
    root = make(tmp_path / "data", whole=True, meta=True)
    run(root, "--sequences", "small")
    assert sorted(path.stem for path in (tmp_path / "out/small").iterdir()) == STEMS[:4]
    assert not (tmp_path / "out/large").exists()


def test_a_broken_video_is_left_out(run, tmp_path):
    root = make(tmp_path / "data", whole=True)
    (root / "JPEGImages/large/00020.jpg").write_text("no image")
    with pytest.raises(InputError, match=r"1 of 2 videos could not be evaluated .* \(large\)"):
        run(root)
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert summary["videos"] == ["small"] and "00020.jpg" in summary["left_out"]["large"]
    assert not (tmp_path / "out/large").exists()
    before = contents(tmp_path / "out")
    (root / "JPEGImages/small/00020.jpg").write_text("no image")
    with pytest.raises(InputError, match=r"00020\.jpg"):
        run(root)
    assert contents(tmp_path / "out") == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda root: shutil.rmtree(root / "Annotations"), "Annotations does not exist"),
        (lambda root: (root / "meta.json").write_text("{}"), "not the meta.json of YouTube-VOS"),
        (
            lambda root: (root / "meta.json").write_text(
                '{"videos": {"small": {"objects": {"1": {"frames": []}}}}}'
            ),
            "an object without frames",
        ),
        (
            lambda root: (root / "Annotations" / "480p").mkdir(),
            "Annotations/480p is of DAVIS, not of YouTube-VOS; give --split davis",
        ),
    ],
)
def test_a_folder_that_cannot_be_used(tmp_path, change, message):
    root = make(tmp_path / "data", whole=False)
    change(root)
    with pytest.raises(InputError, match=message):
        find_videos(root)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda root: shutil.rmtree(root / "JPEGImages/small"), "small has no images"),
        (lambda root: (root / "JPEGImages/small/00015.jpg").unlink(), "has no frame"),
        (
            lambda root: shutil.copy(
                root / "JPEGImages/small/00015.jpg", root / "JPEGImages/small/00015.png"
            ),
            "has 2 images named 00015",
        ),
        (
            lambda root: [
                write_mask(path, np.zeros((96, 160), np.uint8))
                for path in (root / "Annotations/small").iterdir()
            ],
            "has no object; nor has any of small",
        ),
    ],
)
def test_a_video_that_cannot_be_used_is_left_out(tmp_path, change, message, capsys):
    root = make(tmp_path / "data", whole=False)
    change(root)
    usable = find_videos(root)
    assert [video.name for video in usable.videos] == ["large"]
    assert usable.left_out.keys() == {"small"} and message in usable.left_out["small"]
    assert f"small is left out: {usable.left_out['small']}" in capsys.readouterr().err
    with pytest.raises(InputError, match=message):
        find_videos(root, ["small"])


def test_what_is_for_davis_alone(run, tmp_path):
    with pytest.raises(InputError, match="are for DAVIS; leave them out for ytvos"):
        run(tmp_path, "--max-frames", 5)
