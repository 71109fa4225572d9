"""The bank of templates: what comes in, where, and what is given up for it."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from ranet_jax.errors import InputError
from ranet_jax.models.ranet import RANet
from ranet_jax.protocol import Protocol, build
from ranet_jax.template_bank import (
    check_templates,
    choose_place,
    find_sizes,
    find_templates,
    line_up,
    measure_confidence,
    place_template,
    remember,
    start_bank,
)
from tests.colour_network import GREEN, RED, ColourNetwork, mark, normalize, paint, same

P, N, C = 4, 3, 2


def shown(*objects):
    """Cells of a template that shows these slots."""
    cells = np.zeros((N, P), np.float32)
    for one in objects:
        cells[one, one] = 0.5
    return cells


def bank(*templates, size=4):
    """A state whose templates came in this order; kernels of template k are all k."""
    first, *others = templates
    state = start_bank(np.zeros((P, C), np.float32), first, np.zeros((6, 8), np.uint8), size)
    for number, cells in enumerate(others, 1):
        place = choose_place(state.cells, state.order).number
        state = place_template(state, place, np.full((P, C), number, np.float32), cells)
    return state


def test_a_bank_starts_with_its_first_template_alone():
    state = bank(shown(0, 2))
    assert state.kernels.shape == (4, P, C) and state.cells.shape == (4, N, P)
    np.testing.assert_array_equal(state.cells[0], shown(0, 2))
    assert not state.cells[1:].any() and not state.kernels.any()
    assert state.order.tolist() == [0, -1, -1, -1] and state.waited == 0
    assert state.confidence.tolist() == [1, 0, 1]


def test_templates_are_lined_up_one_after_another():
    kernels, cells = line_up(bank(shown(0), shown(1, 2), size=2))
    np.testing.assert_array_equal(kernels[:, 0], [0] * P + [1] * P)
    np.testing.assert_array_equal(cells, np.concatenate([shown(0), shown(1, 2)], axis=1))


def wait(state, frames, confidence):
    """The state after some frames, and how sure of its objects the last one was."""
    return dataclasses.replace(
        state, waited=jnp.int32(frames), confidence=jnp.asarray(confidence, jnp.float32)
    )


@pytest.mark.parametrize(
    ("templates", "number", "is_free", "is_needed"),
    [
        ([shown(0)], 1, True, False),
        ([shown(0), shown(0)], 2, True, False),
        # Full: the oldest that is not the first, also when it alone shows nothing new.
        ([shown(0)] * 4, 1, False, False),
        # An object that was shown nowhere else keeps its template.
        ([shown(0), shown(1), shown(0), shown(0)], 2, False, False),
        # Each is all that is known of an object: the oldest of them.
        ([shown(0), shown(1), shown(2), shown(2)], 2, False, False),
        # A template of objects that are no longer followed is free.
        ([shown(0), shown(1), shown(), shown(0)], 2, True, False),
    ],
)
def test_the_place_of_the_next(templates, number, is_free, is_needed):
    place = choose_place(*_cells_and_order(templates))
    assert (int(place.number), bool(place.is_free), bool(place.is_needed)) == (
        number,
        is_free,
        is_needed,
    )


def _cells_and_order(templates):
    """Cells and order of a bank of four, filled from the first place on."""
    cells = np.zeros((4, N, P), np.float32)
    cells[: len(templates)] = templates
    order = np.where(np.arange(4) < len(templates), np.arange(4), -1).astype(np.int32)
    return np.asarray(cells), order


def test_where_each_is_needed_the_oldest_goes_but_never_the_first():
    cells, _ = _cells_and_order([shown(), shown(0), shown(1), shown(2)])
    for newest, expected in (([0, 1, 2, 3], 1), ([0, 4, 2, 3], 2), ([0, 4, 5, 3], 3)):
        place = choose_place(cells, np.array(newest, np.int32))
        assert (int(place.number), bool(place.is_needed)) == (expected, True)
    alone = choose_place(shown(0)[None], np.zeros(1, np.int32))
    assert (int(alone.number), bool(alone.is_free), bool(alone.is_needed)) == (0, False, True)


def test_templates_take_turns():
    state = bank(*[shown(0)] * 6)
    assert state.order.tolist() == [0, 4, 5, 3]
    np.testing.assert_array_equal(state.kernels[:, 0, 0], [0, 4, 5, 3])


@pytest.mark.parametrize(
    ("waited", "confidence", "expected"),
    [
        (5, [0.95, 0.99, 0], [0, 1]),
        (9, [0.95, 0.99, 0], [0, 1]),
        (4, [0.95, 0.99, 0], None),  # too early
        (5, [0.89, 0.99, 0], [1]),  # of the one that is not certain nothing is taken
        (5, [0.89, 0.2, 0], None),
    ],
)
def test_the_look_of_a_confident_frame_is_remembered(waited, confidence, expected):
    state = wait(bank(shown(0, 1)), waited, confidence)
    look = np.full((P, C), 7, np.float32)
    after = remember(state, look, shown(0, 1), every=5, confidence=0.9)
    if expected is None:
        assert same(after, state)
        return
    np.testing.assert_array_equal(after.cells[1], shown(*expected))
    np.testing.assert_array_equal(after.kernels[1], look)
    assert after.waited == 0 and after.order.tolist() == [0, 1, -1, -1]
    np.testing.assert_array_equal(after.cells[0], state.cells[0])


def test_memory_leaves_every_object_a_template():
    state = bank(shown(0), shown(1), size=2)  # the second joined; there is one place for both
    state = wait(state, 9, [1, 1, 1])
    look = np.full((P, C), 7, np.float32)
    assert same(remember(state, look, shown(0), every=5, confidence=0.9), state)


def test_sizes_of_the_bank():
    assert [find_templates(count) for count in range(1, 7)] == [1, 2, 4, 4, 4, 4]
    assert [find_sizes(size, is_free=False) for size in (1, 2, 4)] == [[2], [4], [4]]
    assert [find_sizes(size, is_free=True) for size in (2, 4)] == [[2], [4]]
    assert [find_sizes(size, is_free=None) for size in (1, 2, 4)] == [[2], [2, 4], [4]]
    with pytest.raises(InputError, match="3 templates; a bank has 1, 2, 4 places"):
        check_templates(3, "ranking")
    model = RANet(canvas=(64, 96), selection="maximum")
    with pytest.raises(InputError, match=r"without ranking \(maximum\) has one template"):
        build(model, templates=2)


def test_confidence_is_the_mean_probability_inside_the_mask():
    best = np.array([[0.5, 0.75, 1.0], [0.25, 0.9, 0.7]], np.float32)
    labels = np.array([[1, 1, 3], [0, 3, 1]], np.uint8)
    found = measure_confidence(best, labels, 4)
    np.testing.assert_allclose(found, [1.95 / 3, 0, 0.95, 0], rtol=1e-6)


def test_a_step_remembers_what_it_found():
    """An object turns from red to green; what was remembered of the change is found later."""
    network = ColourNetwork()
    protocol = Protocol(memory_every=2, memory_confidence=0.9, memory_templates=2)
    init, step = build(network, 1, protocol=protocol, probabilities=True)
    first = paint((20, 76, 40, 120, RED))
    state = init({}, first, mark(frame=first, red=1))
    assert state.kernels.shape[0] == 2
    state, (labels, probability) = step({}, state, first)
    assert state.order.tolist() == [0, -1] and state.waited == 1
    np.testing.assert_allclose(state.confidence[0], probability[labels == 1].mean(), rtol=1e-5)
    state, _ = step({}, state, first)
    assert state.order.tolist() == [0, 1] and state.waited == 0
    middle = 7  # row 1, column 2 of 3 x 5
    np.testing.assert_allclose(state.kernels[1, middle], normalize(RED), atol=1e-4)
    assert state.cells[1, 0, middle] == 1
    # Half of it is green now: what is red is sure, and more than that is not remembered.
    second = paint((20, 76, 40, 120, GREEN), (20, 76, 60, 120, RED))
    state, (labels, _) = step({}, state, second)
    assert (np.asarray(labels)[25:70, 70:110] == 1).all() and not labels[25:70, 42:58].any()


def test_without_memory_nothing_is_remembered():
    init, step = build(ColourNetwork(), 1, templates=2)
    first = paint((20, 76, 40, 120, RED))
    state = init({}, first, mark(frame=first, red=1))
    for _ in range(3):
        state, _ = step({}, state, first)
    assert state.order.tolist() == [0, -1] and state.waited == 3
    assert not state.cells[1].any()
