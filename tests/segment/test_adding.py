"""Masks of later frames in a run: objects that join, corrections, and what a look is worth."""

import csv
import re
import shutil

import numpy as np
import pytest
from PIL import Image

import ranet_jax.remarks
from ranet_jax.errors import InputError
from ranet_jax.media.masks import write_mask
from ranet_jax.media.video import open_video
from ranet_jax.protocol import Protocol
from ranet_jax.segment import __main__ as command_line
from ranet_jax.segment import engine
from ranet_jax.segment.confidence import (
    Confidence,
    Sighting,
    find_doubtful,
    find_sightings,
    read_confidence,
)
from ranet_jax.segment.engine import segment_video
from ranet_jax.segment.results import Results
from ranet_jax.segmenter import Segmenter
from tests.colour_network import GREEN, RED, ColourNetwork, mark, paint
from tests.segment.following import call_command, contents, read

COUNT = 9


def picture(index):
    """Red from the first frame on, green from the fourth; blue is for later.

    Each fills a cell of the canvas in the box of both, too.
    """
    red = (4 + index, 44 + index, 4, 60, RED)
    return paint(red, *[(56, 96, 10 + index, 70 + index, GREEN)] * (index >= 3))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The video as a folder of images."""
    folder = tmp_path_factory.mktemp("frames")
    for index in range(COUNT):
        Image.fromarray(picture(index)).save(folder / f"{index}.png")
    return folder


@pytest.fixture(scope="module")
def tool():
    """One for all tests, so that each size is compiled once."""
    return Segmenter(ColourNetwork(), {"nothing": np.zeros(1)}, probabilities=True)


@pytest.fixture(autouse=True)
def forget_remarks(monkeypatch):
    monkeypatch.setattr(ranet_jax.remarks, "_said", set())


RED_FIRST = {0: mark(frame=picture(0), red=5)}
GREEN_JOINS = RED_FIRST | {4: mark(frame=picture(4), green=2)}


def run(tool, folder, masks, out, **options):
    with open_video(str(folder)) as video:
        return segment_video(tool, video, masks, out, **options)


def test_an_object_joins(tool, folder, tmp_path):
    outcome = run(tool, folder, GREEN_JOINS, tmp_path / "both")
    assert outcome.sightings[5].frames == COUNT and outcome.sightings[2].frames == COUNT - 4
    run(tool, folder, RED_FIRST, tmp_path / "alone")
    for index in range(COUNT):
        found = read(tmp_path / "both/masks" / f"{index}.png")
        alone = read(tmp_path / "alone/masks" / f"{index}.png")
        # Before, nothing is different; from then on the first object is what it was.
        assert (found == 5).sum() == pytest.approx((alone == 5).sum(), rel=0.1)
        assert index >= 4 or (found == alone).all()
        expected = mark(frame=picture(index), green=2)
        assert index < 4 or ((found == 2) == (expected == 2)).mean() > 0.98
    np.testing.assert_array_equal(
        read(tmp_path / "both/masks/4.png") == 2, GREEN_JOINS[4] == 2, "as it was given"
    )
    grey = read(tmp_path / "both/probabilities/2/4.png")
    np.testing.assert_array_equal(grey, 255 * (GREEN_JOINS[4] == 2))
    assert len(list((tmp_path / "both/probabilities/2").iterdir())) == COUNT - 4


def test_one_that_replaces_ends_the_others(tool, folder, tmp_path):
    run(tool, folder, GREEN_JOINS, tmp_path, replacing={4})
    for index in range(4, COUNT):
        assert set(np.unique(read(tmp_path / "masks" / f"{index}.png"))) == {0, 2}


@pytest.mark.parametrize("stop", [2, 4, 5, 7])
def test_a_stopped_run_goes_on_as_if_it_had_not(tool, folder, tmp_path, stop):
    run(tool, folder, GREEN_JOINS, tmp_path / "whole")
    # A mask of a frame that is still to come may be added to a run that goes on.
    first = {index: mask for index, mask in GREEN_JOINS.items() if index < stop}
    run(tool, folder, first, tmp_path / "out", max_frames=stop)
    outcome = run(tool, folder, GREEN_JOINS, tmp_path / "out", resume=True)
    assert outcome.segmented == COUNT - stop
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    rows = [(tmp_path / out / "confidence.csv").read_text() for out in ("out", "whole")]
    assert rows[0] == rows[1]


@pytest.mark.parametrize("templates", [2, 4])
def test_memory_goes_on_as_if_it_had_not_stopped(folder, tmp_path, templates):
    """A bank of two places is full when the object joins, and grows."""
    protocol = Protocol(memory_every=2, memory_confidence=0.5, memory_templates=templates)
    tool = Segmenter(ColourNetwork(), {"nothing": np.zeros(1)}, protocol=protocol)
    run(tool, folder, GREEN_JOINS, tmp_path / "whole")
    run(tool, folder, GREEN_JOINS, tmp_path / "out", max_frames=6)
    run(tool, folder, GREEN_JOINS, tmp_path / "out", resume=True)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    with pytest.raises(InputError, match=r"does not hold what it takes to go on from frame 6"):
        run(tool, folder, GREEN_JOINS | {6: GREEN_JOINS[4]}, tmp_path / "out", resume=True)


def test_no_frame_waits_for_the_compiler_while_a_memory_fills_the_bank(folder, tmp_path):
    """The second of two places is free when an object joins early, and taken when it joins late."""
    protocol = Protocol(memory_every=2, memory_confidence=0.5, memory_templates=2)
    tool = Segmenter(ColourNetwork(), {"nothing": np.zeros(1)}, protocol=protocol)
    green = mark(frame=picture(4), green=2)
    for joins, places in ((1, 2), (4, 4)):
        out, compiled = tmp_path / str(joins), []

        def count(frame, mask, compiled=compiled):
            compiled.append(len(tool._compiled))

        run(tool, folder, RED_FIRST | {joins: green}, out, max_frames=6, report_frame=count)
        assert np.load(out / ".progress/state.npz")["cells"].shape[:2] == (places, 2)
        assert compiled == [3] * 6, "one object and two places; two with two, and with four"


def test_a_correction_keeps_the_frames_before_it(tool, folder, tmp_path, capsys):
    """Green is not marked, then in frame 5; what was before stays, and it is followed after."""
    out, masks = tmp_path / "out", GREEN_JOINS | {5: mark(frame=picture(5), green=2)}
    del masks[4]
    run(tool, folder, RED_FIRST, out)
    before = contents(out)
    outcome = run(tool, folder, masks, out, resume=True)
    assert outcome.segmented == COUNT - 5 and outcome.frames == COUNT
    assert "goes on from frame 5, whose mask is new; the 5 frames before" in capsys.readouterr().err
    run(tool, folder, masks, tmp_path / "anew")
    after = contents(out)
    assert after == contents(tmp_path / "anew")
    assert all(after[f"masks/{index}.png"] == before[f"masks/{index}.png"] for index in range(5))
    assert all(after[f"masks/{index}.png"] != before[f"masks/{index}.png"] for index in (5, 6, 7))
    # Corrected again, and earlier than before.
    masks = masks | {3: mark(frame=picture(3), green=9)}
    assert run(tool, folder, masks, out, resume=True).segmented == COUNT - 3
    shutil.rmtree(tmp_path / "anew")
    run(tool, folder, masks, tmp_path / "anew")
    assert contents(out) == contents(tmp_path / "anew")
    assert (out / "confidence.csv").read_text() == (tmp_path / "anew/confidence.csv").read_text()
    # And earlier still, without the mask of a later frame, which is made anew: that is said.
    del masks[5]
    masks[1] = mark(frame=picture(1), red=5)
    capsys.readouterr()
    assert run(tool, folder, masks, out, resume=True).segmented == COUNT - 1
    assert "the mask of frame 5 is not given now, and left out" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "anew")
    run(tool, folder, masks, tmp_path / "anew")
    assert contents(out) == contents(tmp_path / "anew")


def test_overwriting_that_is_refused_removes_nothing(tool, folder, tmp_path, monkeypatch):
    run(tool, folder, RED_FIRST, tmp_path)
    before = contents(tmp_path)

    def refuse(*arguments):
        raise InputError("too many objects to learn")

    with monkeypatch.context() as patch, pytest.raises(InputError, match="too many objects"):
        patch.setattr(engine, "compile_for_masks", refuse)
        run(tool, folder, GREEN_JOINS, tmp_path, overwrite=True)
    assert contents(tmp_path) == before
    run(tool, folder, GREEN_JOINS, tmp_path, overwrite=True)
    assert contents(tmp_path) != before


def test_a_correction_that_is_stopped_leaves_nothing_of_what_it_replaces(tool, folder, tmp_path):
    run(tool, folder, RED_FIRST, tmp_path)
    run(tool, folder, GREEN_JOINS, tmp_path, resume=True, max_frames=6)
    names = sorted(path.name for path in tmp_path.glob("masks/*"))
    assert names == [f"{index}.png" for index in range(6)]
    assert len(list(tmp_path.glob("probabilities/5/*"))) == 6
    assert max(row.frame for row in read_confidence(tmp_path / "confidence.csv")) == 5


def test_what_a_run_was_begun_with_is_not_taken_back(tool, folder, tmp_path):
    run(tool, folder, GREEN_JOINS, tmp_path)
    before = contents(tmp_path)
    with pytest.raises(InputError, match=r"settings \(a mask of frame 4, which is not given now\)"):
        run(tool, folder, RED_FIRST, tmp_path, resume=True)
    other = GREEN_JOINS | {0: mark(frame=picture(0), red=6)}
    with pytest.raises(InputError, match=r"settings \(another mask of the first frame\)"):
        run(tool, folder, other, tmp_path, resume=True)
    assert contents(tmp_path) == before


def test_confidence_of_each_object_in_each_frame(tool, folder, tmp_path):
    run(tool, folder, GREEN_JOINS, tmp_path)
    with (tmp_path / "confidence.csv").open() as file:
        rows = list(csv.DictReader(file))
    places = [(int(row["frame"]), int(row["object"])) for row in rows]
    assert places == [(i, 5) for i in range(4)] + [(i, one) for i in range(4, 9) for one in (2, 5)]
    for row in rows:
        mask = read(tmp_path / "masks" / f"{row['frame']}.png") == int(row["object"])
        grey = read(tmp_path / "probabilities" / row["object"] / f"{row['frame']}.png")
        assert int(row["area"]) == mask.sum() and row["found"] == "yes" and row["name"]
        assert float(row["confidence"]) == pytest.approx(grey[mask].mean() / 255, abs=0.003)
    assert rows[0]["confidence"] == "1.0000", "its mask was given"


def test_a_correction_that_is_killed_loses_no_confidence(tool, folder, tmp_path, monkeypatch):
    """The frames that it would replace still count, and so does what is known of them."""
    run(tool, folder, RED_FIRST, tmp_path)

    def kill(results):
        raise RuntimeError("killed")

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="killed"):
        patch.setattr(Results, "_remove_outdated", kill)
        run(tool, folder, GREEN_JOINS, tmp_path, resume=True)
    outcome = run(tool, folder, RED_FIRST, tmp_path, resume=True)
    assert outcome.segmented == 0 and outcome.sightings == {5: Sighting(COUNT, COUNT - 1, False)}


def row(frame, one, mean, area=9):
    return Confidence(frame, str(frame), one, mean, area)


def test_the_frames_that_need_a_look():
    rows = [row(0, 1, 1.0), row(0, 2, 1.0)]
    rows += [row(i, 1, 0.9 - 0.001 * (i == 30)) for i in range(1, 40)]
    rows += [row(i, 2, 0.5 if i in (10, 11, 12) else 0.95) for i in range(1, 20)]
    rows += [row(i, 2, 0.0, 0) for i in range(20, 40)]
    rows.sort(key=lambda one: (one.frame, one.id))
    found = find_doubtful(rows)
    assert [(one.frame, one.id) for one in found[:3]] == [(20, 2), (10, 2), (30, 1)]
    frames = sorted(one.frame for one in found)
    assert len(frames) == 5 and min(np.diff(frames)) >= 5
    assert find_doubtful(rows[:2]) == []


def test_where_each_object_was_seen():
    """Object 9 joins and goes unseen, 4 is seen again, and 2 ends when a mask replaces it."""
    rows = [row(0, 4, 1.0), row(0, 2, 1.0), row(1, 4, 0.0, 0), row(1, 2, 0.0, 0), row(1, 9, 1.0)]
    rows += [row(2, 4, 0.5), row(2, 9, 0.8), row(3, 4, 0.5), row(3, 9, 0.0, 0)]
    found = find_sightings(rows)
    assert list(found) == [2, 4, 9]
    assert found == {2: Sighting(1, 0, False), 4: Sighting(3, 3, False), 9: Sighting(2, 2, True)}
    assert find_sightings([]) == {}


def test_a_file_that_a_kill_left_unfinished(tmp_path):
    (tmp_path / "a.csv").write_text(
        "frame,name,object,confidence,area,found\n0,a,1,1.0000,7,yes\n1,b,1,0.0000,0,no\n2,c,1,0.3"
    )
    assert list(read_confidence(tmp_path / "a.csv")) == [
        Confidence(0, "a", 1, 1.0, 7),
        Confidence(1, "b", 1, 0.0, 0),
    ]
    assert list(read_confidence(tmp_path / "none.csv")) == []


@pytest.fixture
def call(tool, monkeypatch, capsys):
    """Runs the command; gives its exit code and what it prints."""
    monkeypatch.setattr(command_line, "choose_network", lambda arguments: None)
    monkeypatch.setattr(Segmenter, "from_network", lambda *_, **__: tool)

    def call(*arguments):
        code, printed = call_command(monkeypatch, capsys, arguments)
        return code, printed.out + printed.err

    return call


def test_the_command_adds_and_replaces(call, folder, tmp_path):
    for index, mask in GREEN_JOINS.items():
        write_mask(tmp_path / f"{index}.png", mask)
    rest = (folder, "--mask", tmp_path / "0.png", "--checkpoint", "any", "--out")
    later = f"4={tmp_path / '4.png'}"
    code, text = call(*rest, tmp_path / "a", "--mask", later)
    assert code == 0, text
    assert set(np.unique(read(tmp_path / "a/masks/8.png"))) == {0, 2, 5} and "ends at" not in text
    assert re.search(r"frames that most need a look: \d \(object \d, 0\.\d\d\)", text)
    code, text = call(*rest, tmp_path / "b", "--replace", later)
    assert code == 0, text
    assert set(np.unique(read(tmp_path / "b/masks/8.png"))) == {0, 2}
    assert "4.png has no object 5, which ends at frame 4" in text
    # Going on with a correction: a new look of 5, which turned blue.
    write_mask(tmp_path / "7.png", mark(frame=picture(7), red=5))
    more = ("--mask", later, "--mask", f"7={tmp_path / '7.png'}", "--resume")
    code, text = call(*rest, tmp_path / "a", *more)
    assert code == 0 and "goes on from frame 7" in text and "5, a new look" in text
    code, text = call(*rest, tmp_path / "c", "--mask", later, "--mask", later)
    assert code == 2 and len(text.splitlines()) == 1 and "frame 4 has a mask already" in text
    code, text = call(*rest, tmp_path / "c", "--mask", f"9={tmp_path / '7.png'}")
    assert code == 2 and "has 9 frames, so that there is no frame 9" in text


def test_more_objects_than_there_are_ids(call, folder, tmp_path):
    """Colours of two masks, each of which would do."""
    for name, red in (("first.png", 0), ("second.png", 255)):
        pixels = np.zeros((96, 160, 3), np.uint8)
        for number in range(150):
            y, x = 6 * (number // 15), 10 * (number % 15)
            pixels[y : y + 5, x : x + 9] = (red, number + 50, 250 - number)
        Image.fromarray(pixels).save(tmp_path / name)
    code, text = call(
        *(folder, "--mask", tmp_path / "first.png", "--mask", f"3={tmp_path / 'second.png'}"),
        *("--checkpoint", "any", "--out", tmp_path / "out"),
    )
    assert code == 2 and not (tmp_path / "out").exists()
    assert re.search(r"second\.png brings the colours of all masks to 300; .* 255 at most", text)
