"""The bank of templates: what is remembered of a video, in memory of constant size.

A template is a frame in which objects were shown: its kernels, and the share that each object has
of each of its cells. It speaks only for the objects that are shown in it. What is beside them there
is their background; of an object that joined at another frame it says nothing, because it may well
be there, unmarked or found wrongly. The background of such an object is what its own templates
show, and the maps of all other objects in any template.

So a mask that is added in the middle of a video needs to be right about its own objects alone: what
the network makes of the others in that frame does not become their template, and their foreground
stays what it was.
"""

import dataclasses
from typing import NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from ranet_jax.errors import InputError

TEMPLATES = (1, 2, 4)
"""Numbers of templates that a compiled step has places for; a video uses the smallest that suffices
until the largest is full.

A place that is not in use costs as much as a template, which is little beside the network: each
adds its share to correlation and ranking."""


@flax.struct.dataclass
class State:
    """All that is remembered of a video: constant in size, however long the video.

    Attributes:
        kernels: of each template, [templates, positions, c]; zeros where a place has none.
        cells: each slot's share of each template cell, float32 or wider,
            [templates, n, positions]; all zero where an object is not shown, and where a place has
            no template.
        labels: masks of the last frame on the frame canvas, uint8 [h, w]: 0 background, i for
            slot i.
        confidence: of each slot in the last frame, the mean of its probability inside its mask, 0
            where it has none and 1 where the mask was given, float32 or wider [n].
        order: in which the templates came, int32 [templates]: 0 the first, -1 where there is none.
        waited: frames since a template came last, int32 [].
    """

    kernels: Array
    cells: Array
    labels: Array
    confidence: Array
    order: Array
    waited: Array


class Place(NamedTuple):
    """A place of the bank for another template.

    Attributes:
        number: of the place, int32 [].
        is_free: whether no object that is followed is shown there, bool [].
        is_needed: whether an object is shown there and nowhere else, bool []; or the place is the
            first, which is never given up.
    """

    number: Array
    is_free: Array
    is_needed: Array


def find_templates(count: int) -> int:
    """The smallest of `TEMPLATES` that has places for a number of templates; else the largest."""
    return next((size for size in TEMPLATES if size >= count), TEMPLATES[-1])


def find_sizes(templates: int, is_free: bool | None) -> list[int]:
    """The sizes that a bank may need when another template is added.

    Args:
        templates: places that it has.
        is_free: whether one of them is free; None where nobody knows yet.

    Returns:
        Of `TEMPLATES`, ascending: one, or two where it depends on what nobody knows.
    """
    grown = find_templates(templates + 1)
    if is_free is None and templates > 1:  # the first place is never free
        return sorted({templates, grown})
    return [templates if is_free else grown]


def check_templates(templates: int, selection: str) -> None:
    """Refuses a bank that a network cannot use.

    Args:
        templates: places of the bank.
        selection: of the network, see `RANet.selection`.

    Raises:
        InputError: there is no such size, or the network ranks nothing and so has one template.
    """
    if templates not in TEMPLATES:
        sizes = ", ".join(map(str, TEMPLATES))
        raise InputError(f"{templates} templates; a bank has {sizes} places")
    if templates > 1 and selection != "ranking":
        raise InputError(
            f"a network without ranking ({selection}) has one template: no object can be added in "
            "the middle of a video, but all can be marked anew"
        )


def start_bank(kernels: Array, cells: Array, labels: Array, templates: int) -> State:
    """Makes the state of a video whose first template is all there is.

    Args:
        kernels: of the template, [positions, c].
        cells: each slot's share of each of its cells, [n, positions].
        labels: masks of its frame, uint8 [h, w].
        templates: places of the bank.

    Returns:
        The state.
    """
    more = ((0, templates - 1), (0, 0), (0, 0))
    return State(
        jnp.pad(kernels[None], more),
        jnp.pad(cells[None], more),
        labels,
        cells.any(axis=-1).astype(cells.dtype),
        jnp.where(jnp.arange(templates) == 0, 0, -1).astype(jnp.int32),
        jnp.int32(0),
    )


def line_up(state: State) -> tuple[Array, Array]:
    """Lays the templates out as the network takes them, one after another.

    Args:
        state: of the video.

    Returns:
        Kernels [templates * positions, c] and cells [n, templates * positions].
    """
    templates, n, positions = state.cells.shape
    cells = jnp.moveaxis(state.cells, 0, 1).reshape(n, templates * positions)
    return state.kernels.reshape(templates * positions, -1), cells


def choose_place(cells: Array, order: Array) -> Place:
    """Chooses the place for another template.

    A free one if there is one. Else that of the oldest template which is not the first and not all
    that is known of an object; if each but the first is that, of the oldest of them.

    Args:
        cells: as in `State`.
        order: likewise.

    Returns:
        The place; in a bank of one place, the first, which is needed.
    """
    shown = cells.any(axis=-1)  # [templates, n]
    is_first = jnp.arange(order.size) == 0
    is_free = ~shown.any(axis=1) & ~is_first
    is_needed = (shown & (shown.sum(axis=0) == 1)).any(axis=1) | is_first
    age = jnp.where(is_free, -1, order)
    highest = jnp.iinfo(jnp.int32).max
    # The first comes last of all, then those that are needed, from the oldest to the newest.
    half = highest // 2
    rank = jnp.where(is_first, highest, jnp.where(is_needed, half + age, age))
    number = jnp.argmin(rank)
    return Place(number, is_free[number], is_needed[number])


def place_template(state: State, number: Array | int, kernels: Array, cells: Array) -> State:
    """Puts a template into a place of the bank, over what was there.

    Args:
        state: of the video.
        number: of the place.
        kernels: of the template, [positions, c].
        cells: each slot's share of each of its cells, [n, positions].

    Returns:
        The state, with the template as its newest.
    """
    return dataclasses.replace(
        state,
        kernels=state.kernels.at[number].set(kernels),
        cells=state.cells.at[number].set(cells),
        order=state.order.at[number].set(state.order.max() + 1),
        waited=jnp.int32(0),
    )


def place_look(state: State, number: Array | int, look: State, slots: ArrayLike) -> State:
    """Puts a frame into a place of the bank that shows some of the objects alone.

    The other objects in it are background of theirs, and it becomes no template of them.

    Args:
        state: of the video.
        number: of the place.
        look: the state of a video that would begin with this frame, as many slots.
        slots: of the objects that are shown, from 1, int [shown].

    Returns:
        The state, with the template as its newest, sure of the objects that are shown.
    """
    is_shown = jnp.isin(jnp.arange(1, state.cells.shape[1] + 1), slots)
    cells = jnp.where(is_shown[:, None], look.cells[0], 0)
    state = place_template(state, number, look.kernels[0], cells)
    confidence = jnp.where(is_shown, look.confidence, state.confidence)
    return dataclasses.replace(state, confidence=confidence)


def remember(state: State, kernels: Array, cells: Array, *, every: int, confidence: float) -> State:
    """The memory rule: adds the look of the last frame to the bank every so often.

    An object whose mask is not certain gets no new look: the cells where it is are background of
    the others, and nothing else. A template is given up for the look only where that leaves every
    object another one.

    Args:
        state: after the frame.
        kernels: of the frame as the network saw it, [positions, c].
        cells: each slot's share of its cells, as they were found, [n, positions].
        every: frames to wait since a template came last.
        confidence: of an object, at least, for its look to be taken.

    Returns:
        The state, with the look as its newest template if it was time and there was something to
        look at.
    """
    cells = cells * (state.confidence >= confidence)[:, None]
    place = choose_place(state.cells, state.order)
    is_time = (state.waited >= every) & cells.any() & ~place.is_needed
    taken = place_template(state, place.number, kernels, cells)
    return jax.tree.map(lambda new, old: jnp.where(is_time, new, old), taken, state)


def measure_confidence(best: Array, labels: Array, slots: int) -> Array:
    """The mean probability of each object inside its mask.

    Args:
        best: the highest of all objects' probabilities at each pixel, [h, w].
        labels: [h, w]: i where slot i has it, 0 background.
        slots: how many.

    Returns:
        [slots], 0 for an object that is nowhere.
    """
    inside = labels == jnp.arange(1, slots + 1)[:, None, None]
    total = jnp.where(inside, best, 0).sum(axis=(1, 2))
    return total / jnp.maximum(inside.sum(axis=(1, 2)), 1)
