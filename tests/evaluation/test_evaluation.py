"""evaluate.py as a user runs it, on a generated clip with the small variant, and with bad input."""

import json
import os
import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image

from ranet_jax.errors import InputError
from ranet_jax.evaluation import __main__ as evaluation
from ranet_jax.evaluation import run as evaluation_run
from ranet_jax.evaluation.submission import write_zip
from ranet_jax.files import lock_folder
from ranet_jax.media.masks import read_davis_mask, write_mask
from tests.evaluation.runs import FRAMES, break_davis, break_frame, contents, read_rows, run


def test_masks_scores_and_summary(monkeypatch, tmp_path, davis, checkpoint, capsys):
    out = tmp_path / "out"
    arguments = ("--split", "davis17-val", "--data-dir", davis, "--checkpoint", checkpoint)
    run(monkeypatch, *arguments, "--out", out)
    printed = capsys.readouterr().out
    assert "Annotations/480p (by the rules of 2017" in printed
    assert "95th percentile" in printed
    for name in ("first", "second"):
        masks = sorted((out / name).glob("*.png"))
        assert [path.stem for path in masks] == FRAMES
        given = read_davis_mask(davis / "Annotations/480p" / name / "00000.png")
        np.testing.assert_array_equal(read_davis_mask(masks[0]), given)
        assert Image.open(masks[1]).mode == "P"
    rows = read_rows(out / "per-sequence_results-val.csv")
    assert [row[0] for row in rows] == ["Sequence", "first_1", "first_2", "second_1", "second_2"]
    (header, values) = read_rows(out / "global_results-val.csv")
    assert header[0] == "J&F-Mean" and len(values) == 7
    summary = json.loads((out / "summary.json").read_text())
    assert f"{summary['scores']['J&F-Mean']:.3f}" == values[0]
    assert summary["frames"] == 8
    assert summary["ms_per_frame_95th_percentile"] >= summary["ms_per_frame_median"] > 0
    assert summary["compile_seconds"] > 0
    assert summary["precision"] == "float32"
    assert {"jax", "flax", "ranet_jax"} <= summary["versions"].keys()


def test_2016_unites_ids_and_perfect_masks_score_one(monkeypatch, tmp_path, davis, capsys):
    results = davis / "Annotations" / "480p"
    arguments = ("--data-dir", davis, "--results", results, "--out", tmp_path / "out")
    run(monkeypatch, "--split", "davis16-val", *arguments)
    assert "all ids of a mask are one object" in capsys.readouterr().out
    rows = read_rows(tmp_path / "out/per-sequence_results-val.csv")
    assert rows[1:] == [["first_1", "1.000", "1.000"], ["second_1", "1.000", "1.000"]]
    run(monkeypatch, "--split", "davis17-val", *arguments)
    assert len(read_rows(tmp_path / "out/per-sequence_results-val.csv")) == 5


def test_old_results_stay_until_new_ones_are_there(
    monkeypatch, tmp_path, davis, checkpoint, capsys
):
    out = tmp_path / "out"
    arguments = ("--split", "davis17-val", "--data-dir", davis, "--out", out)
    run(monkeypatch, *arguments, "--results", davis / "Annotations/480p")
    before = contents(out)
    network = (*arguments, "--checkpoint", checkpoint)
    with pytest.raises(InputError, match="checkpoint no does not exist"):
        run(monkeypatch, *arguments, "--checkpoint", "no")
    assert contents(out) == before
    with monkeypatch.context() as patch:
        patch.setattr(evaluation_run, "score_folders", stop)
        patch.setattr("sys.argv", ["evaluate.py", *map(str, network)])
        with pytest.raises(SystemExit) as end:
            evaluation.command()
    assert end.value.code == 130
    said = capsys.readouterr().err
    assert "the sequences that were finished are in " in said
    assert said.splitlines()[-1] == "interrupted; old results stay until all new ones are there"
    left = contents(out)
    assert {name: left[name] for name in before} == before
    assert len([name for name in left if name.startswith(".unfinished/")]) == 2 * len(FRAMES)
    run(monkeypatch, *network)
    assert sorted(path.name for path in out.iterdir()) == [
        "first",
        "global_results-val.csv",
        "per-sequence_results-val.csv",
        "second",
        "summary.json",
        "written.json",
    ]
    assert json.loads((out / "summary.json").read_text())["scores"]["J-Mean"] < 1


def stop(*_, **__):
    raise KeyboardInterrupt


def test_a_sequence_that_breaks_off_is_left_out_and_the_others_are_scored(
    monkeypatch, tmp_path, davis, checkpoint, capsys
):
    out, alone = tmp_path / "out", tmp_path / "alone"
    arguments = ("--split", "davis17-val", "--data-dir", davis, "--checkpoint", checkpoint)
    run(monkeypatch, *arguments, "--out", alone, "--sequences", "second")
    break_frame(davis, "first")
    with pytest.raises(InputError, match=r"1 of 2 sequences could not .*\(first\); what is in"):
        run(monkeypatch, *arguments, "--out", out)
    assert "first is left out: " in capsys.readouterr().err
    summary, other = (json.loads((one / "summary.json").read_text()) for one in (out, alone))
    assert summary["scores"] == other["scores"]
    assert summary["sequences"] == ["second"]
    assert "00005.jpg cannot be read" in summary["left_out"]["first"]
    assert summary["frames"] >= 4
    assert not (out / "first").exists() and len(list(out.glob("second/*.png"))) == len(FRAMES)


@pytest.mark.parametrize("what", ["two frames", "empty mask"])
def test_what_cannot_be_scored_is_known_before_anything_is_segmented(
    monkeypatch, tmp_path, davis, checkpoint, what, capsys
):
    if what == "two frames":
        for stem in FRAMES[2:]:
            (davis / f"JPEGImages/480p/first/{stem}.jpg").unlink()
    else:
        break_davis(davis, what)
    seen = []

    def segment(segmenter, learner, selection, folder):
        seen.append([sequence.name for sequence in selection.sequences])
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluation_run, "segment_split", segment)
    arguments = ("--split", "davis17-val", "--data-dir", davis, "--checkpoint", checkpoint)
    with pytest.raises(KeyboardInterrupt):
        run(monkeypatch, *arguments, "--out", tmp_path / "out")
    assert seen == [["second"]]
    said = capsys.readouterr().err
    messages = {
        "two frames": "first has nothing to score: 2 annotations",
        "empty mask": "first/00000.png: the mask is empty",
    }
    assert "first is left out: " in said and messages[what] in said


def test_results_that_cannot_be_scored_do_not_spoil_the_others(monkeypatch, tmp_path, davis):
    results = tmp_path / "results"
    shutil.copytree(davis / "Annotations/480p", results)
    write_mask(results / "first/00002.png", np.full((120, 200), 7, np.uint8))
    arguments = ("--split", "davis17-val", "--data-dir", davis, "--out", tmp_path / "out")
    with pytest.raises(InputError, match=r"1 of 2 sequences .*\(first\)"):
        run(monkeypatch, *arguments, "--results", results)
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert summary["scores"]["J-Mean"] == 1 and summary["sequences"] == ["second"]
    assert "first/00002.png holds object 7" in summary["left_out"]["first"]
    rows = read_rows(tmp_path / "out/per-sequence_results-val.csv")
    assert [row[0] for row in rows[1:]] == ["second_1", "second_2"]


def test_two_runs_do_not_write_into_one_folder(monkeypatch, tmp_path, davis):
    out = tmp_path / "out"
    arguments = ("--split", "davis17-val", "--data-dir", davis, "--out", out)
    with lock_folder(out), pytest.raises(InputError, match=rf"into .*out \({os.getpid()}: "):
        run(monkeypatch, *arguments, "--results", davis / "Annotations/480p")
    assert not list(out.iterdir())


def test_what_a_stopped_run_left_is_not_deleted_to_be_scored(monkeypatch, tmp_path, davis):
    out = tmp_path / "out"
    shutil.copytree(davis / "Annotations/480p", out / ".unfinished")
    arguments = ("--split", "davis17-val", "--data-dir", davis, "--results", out / ".unfinished")
    with pytest.raises(InputError, match="choose another --out"):
        run(monkeypatch, *arguments, "--out", out)
    assert len(list(out.rglob("*.png"))) == 2 * len(FRAMES)
    run(monkeypatch, *arguments, "--out", tmp_path / "other")


def test_choosing_sequences_and_frames(monkeypatch, tmp_path, davis):
    out = tmp_path / "out"
    arguments = ("--data-dir", davis, "--results", davis / "Annotations/480p", "--out", out)
    chosen = ("--sequences", "second", "--max-frames", 4)
    run(monkeypatch, "--split", "davis16-val", *arguments, *chosen)
    assert len(read_rows(out / "per-sequence_results-val.csv")) == 2


def test_test_dev_writes_the_submission(monkeypatch, tmp_path, davis, checkpoint, capsys):
    for name in ("first", "second"):
        for stem in FRAMES[1:]:
            (davis / "Annotations/480p" / name / f"{stem}.png").unlink()
    out = tmp_path / "out"
    arguments = ("--split", "davis17-test-dev", "--data-dir", davis, "--checkpoint", checkpoint)
    run(monkeypatch, *arguments, "--out", out)
    with zipfile.ZipFile(out / "davis17-test-dev.zip") as archive:
        expected = [f"{name}/{stem}.png" for name in ("first", "second") for stem in FRAMES]
        assert archive.namelist() == expected
    assert "scores" not in json.loads((out / "summary.json").read_text())
    assert not list(out.glob("*.csv"))


def test_masks_dated_before_1980_are_packed(tmp_path):
    mask = tmp_path / "00000.png"
    mask.write_bytes(b"a mask")
    os.utime(mask, (0, 0))
    write_zip(tmp_path / "all.zip", {"a/00000.png": mask})
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert archive.read("a/00000.png") == b"a mask"


def test_a_submission_needs_every_mask_and_replaces_the_old_one_only_then(
    monkeypatch, tmp_path, davis, checkpoint
):
    out, results = tmp_path / "out", tmp_path / "results"
    shutil.copytree(davis / "Annotations/480p", results)
    arguments = ("--split", "davis17-test-dev", "--data-dir", davis, "--out", out)
    run(monkeypatch, *arguments, "--results", results)
    before = contents(out)
    (results / "first/00000.png").unlink()
    with pytest.raises(InputError, match=r"first/00000\.png does not exist \(1 of 5 result"):
        run(monkeypatch, *arguments, "--results", results)
    assert contents(out) == before
    break_frame(davis, "second")
    with pytest.raises(InputError, match=r"second/00005\.jpg cannot be read"):
        run(monkeypatch, *arguments, "--checkpoint", checkpoint)
    after = contents(out)
    assert {name: after[name] for name in before} == before
