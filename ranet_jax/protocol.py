"""Segmenting a video as pure functions: the state, and `init` and `step` on the device."""

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from ranet_jax.errors import InputError
from ranet_jax.geometry.box import cut_frame, cut_labels, find_box, paste_probability
from ranet_jax.models.activation import choose_labels, find_probability
from ranet_jax.models.ranet import RANet
from ranet_jax.models.ranking import pool_mask, split_labels
from ranet_jax.models.resnet import normalize_frame

SLOTS = (1, 2, 3, 5, 8, 16)
"""Numbers of objects that a compiled step has room for; a video uses the smallest that suffices.

An empty slot costs as much as an object, and every size is compiled by itself."""

PRECISIONS = {"float32": jnp.float32, "bfloat16": jnp.bfloat16, "float64": jnp.float64}
"""Dtype of the computation by its name."""


@dataclass(frozen=True)
class Protocol:
    """What is done around the network; the defaults are what the released code does.

    A checkpoint carries it beside its network.

    Attributes:
        locality: how far from its previous mask an object can be, as a share of the canvas's height
            in the frame that was cut to the box; 0 for no limit. Because the box follows the
            object, so does the distance: a box is 1.5 times as large as the objects. An object
            whose previous mask is empty can be anywhere.
        frame_canvas: height and width of the canvas on which frames and masks are kept, and from
            which a box is cut; None for the network's own, as released. On a larger one, small
            objects are seen sharply by a network whose own canvas is small.
    """

    locality: float = 0.0
    frame_canvas: tuple[int, int] | None = None

    def find_frame_canvas(self, model: RANet) -> tuple[int, int]:
        """Height and width of the canvas on which frames and masks are kept."""
        return self.frame_canvas or model.canvas


RELEASED = Protocol()
"""What the released code does."""


@flax.struct.dataclass
class State:
    """All that is remembered of a video: constant in size, however long the video.

    Attributes:
        kernels: of the template, [positions, c].
        cells: each slot's share of each template cell, float32 or wider, [n, positions].
        labels: masks of the last frame on the frame canvas, uint8 [h, w]: 0 background, i for
            slot i.
    """

    kernels: Array
    cells: Array
    labels: Array


def find_slots(objects: int) -> int:
    """The smallest of `SLOTS` that has room for a number of objects.

    Raises:
        InputError: none has.
    """
    if objects > SLOTS[-1]:
        raise InputError(f"{objects} objects; at most {SLOTS[-1]} fit at once")
    return next(size for size in SLOTS if size >= objects)


def find_neighbourhood(previous: Array, locality: float) -> Array:
    """Where objects can be, given where they were.

    Args:
        previous: each object's mask in the frame before, 0 or 1, [n, h, w].
        locality: see `Protocol`; the distance is that of the farther axis.

    Returns:
        bool [n, h, w]; all of it for an object that was nowhere.
    """
    reach = 2 * round(locality * previous.shape[1]) + 1
    near = previous
    for window in ((1, reach, 1), (1, 1, reach)):
        near = jax.lax.reduce_window(near, 0.0, jax.lax.max, window, (1, 1, 1), "SAME")
    return (near > 0) | ~previous.any(axis=(1, 2), keepdims=True)


def cut_input(model: RANet, frame: Array, box: Array, dtype: DTypeLike) -> Array:
    """What the network sees of a frame.

    Args:
        model: the network.
        frame: uint8 RGB [h, w, 3].
        box: of the part to cut.
        dtype: of the computation.

    Returns:
        Normalised, [1, canvas height, canvas width, 3].
    """
    wide = jnp.promote_types(dtype, jnp.float32)
    return cut_frame(normalize_frame(frame, wide), box, model.canvas).astype(dtype)[None]


def gather_inputs(
    model: RANet, state: State, box: Array, frame: Array, dtype: DTypeLike
) -> tuple[Array, Array, Array, Array]:
    """All that the network gets for a frame.

    Args:
        model: the network.
        state: of the video.
        box: of the part to cut, from the masks of the frame before.
        frame: uint8 RGB [h, w, 3].
        dtype: of the computation.

    Returns:
        The arguments of the network, a batch of one.
    """
    wide, slots = jnp.promote_types(dtype, jnp.float32), state.cells.shape[0]
    previous = split_labels(cut_labels(state.labels, box, model.canvas), slots, wide)
    seen = cut_input(model, frame, box, dtype)
    return state.kernels[None], state.cells[None], seen, previous[None]


def find_slot_probability(
    model: RANet, protocol: Protocol, state: State, logits: Array, previous: Array
) -> Array:
    """Turns logits into probabilities, where the protocol lets objects be.

    Args:
        model: the network.
        protocol: what is done around it.
        state: of the video, which says what slots are in use.
        logits: of the frame, [n, h, w] on the network's canvas.
        previous: each object's mask in the frame before, of the same shape.

    Returns:
        Each slot's probability, [n, h, w], float32 or wider.
    """
    present = state.cells.any(axis=-1)
    probability = find_probability(logits.astype(previous.dtype), present, model.activation)
    if protocol.locality:
        near = find_neighbourhood(previous, protocol.locality)
        probability = jnp.where(near, probability, 0)
    return probability


class VideoFunctions(NamedTuple):
    """The two pure, jitted functions that segment a video; see `build`."""

    init: Callable[[Any, ArrayLike, ArrayLike], State]
    step: Callable[[Any, State, ArrayLike], tuple[State, Any]]


@functools.cache
def build(
    model: RANet,
    slots: int = 1,
    precision: str = "float32",
    *,
    probabilities: bool = False,
    protocol: Protocol = RELEASED,
) -> VideoFunctions:
    """Builds `init` and `step` of a network.

    Both are pure and never leave the device: `step` may run under `lax.scan` over the frames of a
    clip, and both under `vmap` over clips. `step` donates its state: the one handed in is used up,
    and its memory holds the one that comes back.

    Args:
        model: the network.
        slots: room for objects, see `SLOTS`.
        precision: of the computation, see `PRECISIONS`.
        probabilities: whether `step` gives them too.
        protocol: what is done around the network.

    Returns:
        `init(params, frame, labels) -> state` and `step(params, state, frame) -> (state, labels)`.
        Frames are uint8 RGB [h, w, 3] and labels uint8 [h, w], 0 background and i for slot i, both
        on the frame canvas of the protocol; see `Canvas` for other sizes. With `probabilities`, the
        pair (labels, each slot's probability [h, w, slots], float32 or wider) in place of the
        labels.
    """
    dtype = PRECISIONS[precision]
    wide = jnp.promote_types(dtype, jnp.float32)
    frame_canvas = protocol.find_frame_canvas(model)

    def init(params: Any, frame: Array, labels: Array) -> State:
        box = find_box(labels > 0)
        seen = cut_input(model, frame, box, dtype)
        kernels = model.apply({"params": params}, seen, method="template")[0]
        cells = pool_mask(split_labels(cut_labels(labels, box, model.canvas), slots, wide))
        return State(kernels, cells, labels)

    def step(params: Any, state: State, frame: Array) -> tuple[State, Any]:
        box = find_box(state.labels > 0)
        inputs = gather_inputs(model, state, box, frame, dtype)
        logits: Any = model.apply({"params": params}, *inputs)
        probability = find_slot_probability(
            model, protocol, state, logits[0], previous=inputs[-1][0]
        )
        # [h, w, slots] of the frame.
        probability = paste_probability(jnp.moveaxis(probability, 0, -1), box, frame_canvas)
        labels = choose_labels(probability, model.activation)
        output = (labels, probability) if probabilities else labels
        return dataclasses.replace(state, labels=labels), output

    return VideoFunctions(jax.jit(init), jax.jit(step, donate_argnums=1))
