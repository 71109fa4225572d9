"""Objects that join, leave and are corrected in the middle of a video."""

import numpy as np
import pytest

import ranet_jax.remarks
from ranet_jax.errors import InputError
from ranet_jax.protocol import Protocol
from ranet_jax.segmenter import Segmenter
from tests.colour_network import BLUE, GREEN, RED, ColourNetwork, mark, paint, same
from tests.coloured_masks import overlap

RED_BOX, GREEN_BOX, BLUE_BOX = (
    (20, 76, 4, 64, RED),
    (20, 76, 76, 150, GREEN),
    (30, 66, 65, 75, BLUE),
)


@pytest.fixture(scope="module")
def tool():
    """One for all tests, so that each size is compiled once."""
    return Segmenter(ColourNetwork(), {"nothing": np.zeros(1)}, probabilities=True)


def is_found(mask, frame, **ids):
    """Whether objects are where their colours are."""
    return all(
        overlap(mask == one, mark(frame=frame, **{name: one}) == one) > 0.8
        for name, one in ids.items()
    )


def test_an_object_joins_and_the_first_goes_on_as_it_was(tool):
    frame = paint(RED_BOX, GREEN_BOX)
    alone, tracker = (tool.start(frame, mark(frame=frame, red=7)) for _ in range(2))
    for one in (alone, tracker):
        assert set(np.unique(one.step(frame))) == {0, 7}
    result = tracker.add(frame, mark(frame=frame, green=3))
    assert tracker.ids.tolist() == [3, 7]
    assert is_found(result, frame, red=7, green=3)
    moved = paint((30, 86, 10, 70, RED), (10, 66, 80, 154, GREEN))
    found, expected = tracker.step(moved), alone.step(moved)
    assert is_found(found, moved, red=7, green=3)
    assert overlap(found == 7, expected == 7) > 0.8


def test_what_is_beside_a_new_object_is_no_template_of_the_others(tool):
    """The first object is not found at all where another joins, and is found again after."""
    first = paint(RED_BOX)
    tracker = tool.start(first, mark(frame=first, red=1))
    hidden = paint(GREEN_BOX)
    assert not tracker.step(hidden).any()
    tracker.add(hidden, mark(frame=hidden, green=2))
    np.testing.assert_array_equal(np.asarray(tracker._state.cells).any(-1)[1], [False, True])
    both = paint(RED_BOX, GREEN_BOX)
    for _ in range(3):  # the box was that of the new object, and grows with what is found in it
        found = tracker.step(both)
    assert is_found(found, both, red=1, green=2)


def test_a_new_template_is_cut_to_the_box_of_all_objects(tool):
    """As the next frame will be; of the others it shows nothing all the same."""
    frame = paint(RED_BOX, GREEN_BOX)
    tracker = tool.start(frame, mark(frame=frame, red=7))
    tracker.add(frame, mark(frame=frame, green=3))
    both = tool.start(frame, np.where(tracker.labels == 2, 7, 3 * tracker.labels).astype(np.uint8))
    np.testing.assert_array_equal(tracker._state.kernels[1], both._state.kernels[0])
    np.testing.assert_array_equal(tracker._state.cells[1][0], both._state.cells[0][0])
    assert both._state.cells[0][1].any() and not tracker._state.cells[1][1].any()


def test_a_new_look_of_an_object_corrects_it(tool):
    """An object that turned green is lost until it is shown anew; then both looks are known."""
    first, turned = paint(RED_BOX), paint((*RED_BOX[:4], GREEN))
    tracker = tool.start(first, mark(frame=first, red=1))
    assert not tracker.step(turned).any()
    mask = mark(frame=turned, green=1)
    np.testing.assert_array_equal(tracker.add(turned, mask), mask)
    assert is_found(tracker.step(turned), turned, green=1)
    assert is_found(tracker.step(first), first, red=1)


def test_a_mask_says_where_its_objects_are_not(tool):
    """Of another object it says nothing."""
    frame = paint(RED_BOX, GREEN_BOX)
    tracker = tool.start(frame, mark(frame=frame, red=1, green=2))
    tracker.step(frame)
    part = mark(frame=frame, red=1)
    part[:, 30:] = 0
    result = tracker.add(frame, part)
    np.testing.assert_array_equal(result == 1, part == 1)
    assert is_found(result, frame, green=2)
    np.testing.assert_array_equal(tracker._canvas.restore_labels(tracker.labels) == 1, part == 1)


def test_probability_and_confidence_of_a_frame_in_which_one_joins(tool):
    frame = paint(RED_BOX, GREEN_BOX)
    tracker = tool.start(frame, mark(frame=frame, red=7))
    assert tracker.confidence.tolist() == [1]
    tracker.step(frame)
    before, sure = tracker.probability, tracker.confidence
    assert 0.9 < sure[0] < 1
    mask = mark(frame=frame, green=3)
    tracker.add(frame, mask)
    np.testing.assert_array_equal(tracker.probability[..., 0], mask == 3)
    np.testing.assert_array_equal(tracker.probability[..., 1], np.where(mask, 0, before[..., 0]))
    np.testing.assert_array_equal(tracker.confidence, [1, sure[0]])


def test_an_object_leaves(tool):
    frame = paint(RED_BOX, GREEN_BOX)
    tracker = tool.start(frame, mark(frame=frame, red=1, green=2))
    tracker.step(frame)
    tracker.remove(1)
    assert tracker.ids.tolist() == [2] and tracker.probability.shape[-1] == 1
    found = tracker.step(frame)
    assert set(np.unique(found)) == {0, 2} and is_found(found, frame, green=2)
    tracker.add(frame, mark(frame=frame, red=9))
    assert is_found(tracker.step(frame), frame, green=2, red=9)
    with pytest.raises(InputError, match="object 1 is not followed; those that are: 2, 9"):
        tracker.remove(1)
    tracker.remove(9)
    with pytest.raises(InputError, match="object 2 is all that is followed"):
        tracker.remove(2)


def test_nothing_is_compiled_inside_a_size(tool):
    frame = paint(RED_BOX, GREEN_BOX, BLUE_BOX)
    for _ in range(2):
        seconds = tool.compile_seconds
        tracker = tool.start(frame, mark(frame=frame, red=1, green=2, blue=3))
        tracker.step(frame)
        tracker.add(frame, mark(frame=frame, red=1))
        tracker.remove(2)
        tracker.add(frame, mark(frame=frame, green=5))
        tracker.step(frame)
        tracker.add(frame, mark(frame=frame, blue=3))
        tracker.mark(frame, mark(frame=frame, blue=3, red=4, green=8))
    assert tool.compile_seconds == seconds


def test_a_mark_is_the_whole_truth_after_additions_too(tool):
    frame = paint(RED_BOX, GREEN_BOX)
    tracker = tool.start(frame, mark(frame=frame, red=1))
    tracker.add(frame, mark(frame=frame, green=2))
    tracker.mark(frame, mark(frame=frame, green=4))
    anew = tool.start(frame, mark(frame=frame, green=4))
    assert same(tracker._state, anew._state)
    assert tracker.ids.tolist() == [4]


def test_a_full_bank_gives_up_the_oldest_that_is_not_the_first(tool, capsys, monkeypatch):
    monkeypatch.setattr(ranet_jax.remarks, "_said", set())
    frame = paint(RED_BOX)
    mask = mark(frame=frame, red=1)
    tracker = tool.start(frame, mask)
    for _ in range(3):
        tracker.add(frame, mask)
    assert tracker._state.order.tolist() == [0, 1, 2, 3] and not capsys.readouterr().err
    for _ in range(2):
        tracker.add(frame, mask)
    assert tracker._state.order.tolist() == [0, 4, 5, 3]
    said = capsys.readouterr().err
    assert said.count("the bank of 4 templates is full") == 1 == len(said.splitlines())


def test_an_object_that_is_lost_with_its_template_is_named(tool, capsys, monkeypatch):
    monkeypatch.setattr(ranet_jax.remarks, "_said", set())
    frame = paint(RED_BOX, GREEN_BOX, BLUE_BOX)
    tracker = tool.start(frame, mark(frame=frame, red=1))
    for one in (2, 3, 4):
        tracker.add(frame, mark(frame=frame, green=one))
    tracker.add(frame, mark(frame=frame, blue=2))  # a new look of the one whose template goes
    assert "object" not in capsys.readouterr().err
    tracker.add(frame, mark(frame=frame, green=5))
    assert "object 3 was shown in that template alone; add a mask" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((96, 160), np.uint8), "the mask is empty"),
        (np.ones((50, 50), np.uint8), "its frame"),
        (np.ones((96, 160), np.int32), "must be uint8 or bool"),
    ],
)
def test_an_addition_that_fails_leaves_the_tracker_going(tool, mask, message):
    frame = paint(RED_BOX)
    undisturbed, tracker = (tool.start(frame, mark(frame=frame, red=1)) for _ in range(2))
    for one in (undisturbed, tracker):
        one.step(frame)
    with pytest.raises(InputError, match=message):
        tracker.add(frame, mask)
    assert tracker.ids.tolist() == [1]
    np.testing.assert_array_equal(tracker.step(frame), undisturbed.step(frame))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_memory_is_saved_and_restored(tmp_path, precision):
    protocol = Protocol(memory_every=1, memory_confidence=0.5, memory_templates=2)
    tool = Segmenter(ColourNetwork(), {"nothing": np.zeros(1)}, precision, protocol=protocol)
    frames = [paint((y, y + 50, 20, 90, RED)) for y in (10, 20, 30)]
    mask = mark(frame=frames[0], red=1)
    whole = tool.start(frames[0], mask)
    whole.step(frames[1])
    saved = whole.save()
    assert saved["cells"].shape[0] == 2 and saved["cells"][1].any(), "something was remembered"
    resumed = tool.start(frames[0], mask)
    np.savez(tmp_path / "state.npz", **saved)
    with np.load(tmp_path / "state.npz") as read:
        resumed.restore(dict(read))
    np.testing.assert_array_equal(resumed.step(frames[2]), whole.step(frames[2]))
    assert same(resumed._state, whole._state)
    without = Segmenter(ColourNetwork(), {"nothing": np.zeros(1)}).start(frames[0], mask)
    assert without.save().keys() == {"labels"}
