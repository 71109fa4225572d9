"""evaluate.py with input that cannot be used: one line, and nothing is lost or left behind."""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ranet_jax.errors import InputError
from ranet_jax.evaluation.replacement import UNFINISHED
from ranet_jax.evaluation.report import SUMMARY
from ranet_jax.network_flags import add_network_flags
from tests.evaluation.runs import break_davis, break_frame, contents, run

ROOT = Path(__file__).parents[2]


def test_missing_results_keep_what_is_there(monkeypatch, tmp_path, davis):
    out = tmp_path / "out"
    arguments = ("--split", "davis17-val", "--data-dir", davis, "--out", out)
    run(monkeypatch, *arguments, "--results", davis / "Annotations/480p")
    before = {path: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(InputError, match=r"first/00001\.png does not exist \(3 of 3"):
        run(monkeypatch, *arguments, "--results", tmp_path / "typo")
    assert {path: path.read_bytes() for path in out.iterdir()} == before


def test_results_never_replace_images_of_others(monkeypatch, tmp_path, davis, checkpoint):
    own = tmp_path / "frames" / "first" / "photo.png"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"a photo")
    arguments = ("--split", "davis17-val", "--data-dir", davis, "--checkpoint", checkpoint)
    with pytest.raises(InputError, match=r"photo\.png is not of an evaluation.*first is not"):
        run(monkeypatch, *arguments, "--out", tmp_path / "frames")
    assert own.read_bytes() == b"a photo"


def test_scores_never_replace_files_of_others(monkeypatch, tmp_path, davis, checkpoint):
    """Those that the benchmark's own tool left beside masks that are to be scored."""
    theirs = shutil.copytree(davis / "Annotations/480p", tmp_path / "theirs")
    for name in ("global_results-val.csv", "baseline_results-old.csv"):
        (theirs / name).write_text("theirs")
    before = contents(theirs)
    scoring = ("--split", "davis17-val", "--data-dir", davis, "--results", theirs)
    with pytest.raises(InputError, match=r"global_results-val\.csv is not of an evaluation"):
        run(monkeypatch, *scoring, "--out", theirs)
    assert contents(theirs) == before
    (theirs / "global_results-val.csv").unlink()
    run(monkeypatch, *scoring, "--out", theirs)
    run(monkeypatch, *scoring, "--out", theirs)
    assert (theirs / "baseline_results-old.csv").read_text() == "theirs"
    segmenting = ("--split", "davis17-val", "--data-dir", davis, "--checkpoint", checkpoint)
    with pytest.raises(InputError, match=r"first/00000\.png is not of an evaluation"):
        run(monkeypatch, *segmenting, "--out", theirs)


def test_an_image_beside_the_masks_of_an_earlier_run_stays(
    monkeypatch, tmp_path, davis, checkpoint
):
    arguments = ("--split", "davis17-val", "--data-dir", davis, "--checkpoint", checkpoint)
    out = tmp_path / "out"
    run(monkeypatch, *arguments, "--out", out)
    (out / "first/00001-fixed.png").write_bytes(b"painted for an hour")
    before = contents(out)
    with pytest.raises(InputError, match=r"00001-fixed\.png is not of an evaluation"):
        run(monkeypatch, *arguments, "--out", out)
    assert contents(out) == before
    (out / "first/00001-fixed.png").unlink()
    run(monkeypatch, *arguments, "--out", out, "--max-frames", 3)
    assert sorted(path.name for path in (out / "first").iterdir()) == [
        "00000.png",
        "00001.png",
        "00002.png",
    ]


def test_masks_of_two_runs_never_stand_side_by_side(monkeypatch, tmp_path, davis, checkpoint):
    out = tmp_path / "out"
    arguments = ("--split", "davis17-val", "--data-dir", davis, "--out", out)
    network = (*arguments, "--checkpoint", checkpoint)
    run(monkeypatch, *network)
    before = contents(out)
    with pytest.raises(InputError, match=r"out has masks of an earlier run, of second, which"):
        run(monkeypatch, *network, "--sequences", "first")
    assert contents(out) == before
    with pytest.raises(InputError, match="out has masks of a network, whose scores these would"):
        run(monkeypatch, *arguments, "--results", out)
    assert contents(out) == before
    break_frame(davis, "second")
    with pytest.raises(InputError, match=r"\(second\); what is in .*out is of the others"):
        run(monkeypatch, *network)
    assert (out / "first").is_dir() and not (out / "second").exists()
    run(monkeypatch, *network, "--sequences", "first")


@pytest.mark.parametrize("text", ["", "3", "[]", '{"../first": []}', '{"first": ["/a"]}'])
def test_a_damaged_list_of_what_was_written(monkeypatch, tmp_path, davis, checkpoint, text):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/written.json").write_text(text)
    arguments = ("--split", "davis17-val", "--data-dir", davis, "--checkpoint", checkpoint)
    with pytest.raises(InputError, match=r"written\.json is damaged"):
        run(monkeypatch, *arguments, "--out", tmp_path / "out")


def test_a_run_that_was_killed_while_results_changed_places_can_be_run_again(
    monkeypatch, tmp_path, davis, checkpoint
):
    out = tmp_path / "out"
    arguments = ("--split", "davis17-val", "--data-dir", davis, "--checkpoint", checkpoint)
    rename = Path.rename

    def kill(path, target):
        if path.name == SUMMARY:
            raise SystemExit("killed")
        return rename(path, target)

    with monkeypatch.context() as patch, pytest.raises(SystemExit, match="killed"):
        patch.setattr(Path, "rename", kill)
        run(monkeypatch, *arguments, "--out", out)
    assert (out / "second").is_dir() and not (out / SUMMARY).exists()
    run(monkeypatch, *arguments, "--out", out)
    with monkeypatch.context() as patch, pytest.raises(SystemExit, match="killed"):
        patch.setattr(Path, "rename", kill)
        run(monkeypatch, *arguments, "--out", out)
    assert not (out / SUMMARY).exists(), "the old one was of other masks"
    run(monkeypatch, *arguments, "--out", out)
    assert (out / SUMMARY).exists() and not (out / UNFINISHED).exists()


def test_results_never_replace_the_annotations(monkeypatch, davis, checkpoint):
    arguments = ("--split", "davis17-val", "--data-dir", davis, "--checkpoint", checkpoint)
    with pytest.raises(InputError, match="lies inside"):
        run(monkeypatch, *arguments, "--out", davis / "Annotations/480p")


def test_online_learning_of_less_than_nothing(monkeypatch, tmp_path, davis, checkpoint):
    arguments = ("--split", "davis17-val", "--data-dir", davis, "--checkpoint", checkpoint)
    out = tmp_path / "out"
    for flags, message in (
        (("--online-steps", -1), "--online-steps -1: give at least 1, or 0"),
        (("--online-steps", 1, "--online-rate", 0), "above 0"),
        (("--online-steps", 1, "--seed", -1), "--seed -1: give at least 0"),
    ):
        with pytest.raises(InputError, match=message):
            run(monkeypatch, *arguments, "--out", out, *flags)
    assert not out.exists()


def list_network_flags():
    """Every flag that chooses a network, with a value that it takes."""
    parser = argparse.ArgumentParser(add_help=False)
    add_network_flags(parser)
    return [
        (one.option_strings[0], [] if one.nargs == 0 else [(one.choices or ["1"])[0]])
        for one in parser._actions
    ]


@pytest.mark.parametrize(("flag", "values"), list_network_flags())
@pytest.mark.parametrize("split", ["davis17-val", "ytvos"])
def test_results_take_no_flag_of_a_network(monkeypatch, tmp_path, split, flag, values):
    arguments = ("--split", split, "--results", tmp_path, "--data-dir", tmp_path, flag, *values)
    with pytest.raises(InputError, match=rf"^give {flag} or --results, and not both: "):
        run(monkeypatch, *arguments)


def test_files_that_are_no_masks_are_never_removed(monkeypatch, tmp_path, davis, checkpoint):
    out = tmp_path / "out"
    (out / "first").mkdir(parents=True)
    (out / "first" / "holiday.jpg").touch()
    arguments = ("--split", "davis17-val", "--data-dir", davis, "--checkpoint", checkpoint)
    with pytest.raises(InputError, match=r"holiday\.jpg is not of an evaluation"):
        run(monkeypatch, *arguments, "--out", out)
    assert (out / "first" / "holiday.jpg").exists()


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("truncated frame", r"first/00001\.jpg cannot be read"),
        ("mask of another size", r"first/00000\.png is 200 x 50 but its frame is 200 x 120"),
        ("grey mask", r"first/00000\.png is a grey 0/255 mask"),
        ("colours", r"first/00000\.png has colours that are not those of DAVIS"),
        ("empty mask", r"first/00000\.png: the mask is empty"),
        ("frame of another size", r"first/00001\.jpg: a frame is"),
    ],
)
def test_broken_files_are_named_and_leave_nothing(
    monkeypatch, tmp_path, davis, checkpoint, what, message
):
    break_davis(davis, what)
    out = tmp_path / "out"
    arguments = ("--split", "davis17-val", "--data-dir", davis, "--checkpoint", checkpoint)
    with pytest.raises(InputError, match=message):
        run(monkeypatch, *arguments, "--out", out, "--sequences", "first")
    assert not list(out.rglob("*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--split", "davis16-val", "--results", "x", "--data-dir", "nowhere"], "nowhere does not"),
        (["--split", "davis16-val", "--results", "x", "--checkpoint", "x"], "and not both"),
        (["--split", "davis16-val", "--results", "x", "--max-frames", "2"], "2: give 3 or more"),
        (["--split", "davis16-val", "--results", "x", "--online-steps", "2"], "--results has none"),
        (["--split", "davis16-val", "--data-dir", "DAVIS", "--checkpoint", "no"], "checkpoint no "),
        (["--split", "davis16-val", "--seed", "3"], "--seed does nothing without --online-steps"),
        (
            ["--split", "davis16-val", "--results", "a", "--precision", "bfloat16"],
            "give --precision or --results, and not both",
        ),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(davis, arguments, message):
    command = [sys.executable, ROOT / "evaluate.py", *arguments]
    done = subprocess.run(command, cwd=davis.parent, capture_output=True, text=True)
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: ") and message in line
    assert sorted(path.name for path in davis.parent.iterdir()) == ["DAVIS"]
