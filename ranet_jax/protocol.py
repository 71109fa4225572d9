"""Segmenting a video as pure functions: the state, and `init` and `step` on the device."""

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from ranet_jax.errors import InputError
from ranet_jax.geometry.box import (
    cut_frame,
    cut_labels,
    find_box,
    find_neighbourhood,
    paste_probability,
)
from ranet_jax.models.activation import choose_labels, find_probability
from ranet_jax.models.pasting import paste_groups
from ranet_jax.models.ranet import GROUP, RANet
from ranet_jax.models.resnet import normalize_frame
from ranet_jax.models.template import pool_mask, split_labels
from ranet_jax.slots import MAX_OBJECTS
from ranet_jax.template_bank import (
    State,
    check_templates,
    line_up,
    measure_confidence,
    remember,
    start_bank,
)

SLOTS = (1, 2, 3, 5, 8, GROUP, *(GROUP * groups for groups in (2, 3, 4, 6, 8, 12, 16)))
"""Numbers of objects that a compiled step has room for; a video uses the smallest that suffices.

An empty slot costs as much as an object, and every size is compiled by itself. From `ranet.GROUP`
on objects go through the decoder in groups."""

PRECISIONS = {"float32": jnp.float32, "bfloat16": jnp.bfloat16, "float64": jnp.float64}
"""Dtype of the computation by its name."""


@dataclass(frozen=True)
class Protocol:
    """What is done around the network; the defaults are what the released code does.

    A checkpoint carries it beside its network.

    Attributes:
        locality: how far from its previous mask an object can be, as a share of the canvas's height
            in the frame that was cut to the box; 0 for no limit. Because the box follows the
            object, so does the distance: a box is larger than its objects (`geometry.margin`).
            An object whose previous mask is empty can be anywhere.
        frame_canvas: height and width of the canvas on which frames and masks are kept, and from
            which a box is cut; None for the network's own, as released. On a larger one, small
            objects are seen sharply by a network whose own canvas is small.
        half_pixels: whether a prediction goes back to its box by half pixels, as the frame is cut
            to it; if not, corner on corner, as released, which moves outlines by up to half a pixel
            at the border of the box: away from its middle, and of the network's canvas, in a box
            that is larger than that; towards it, and of the frame canvas, in a smaller one.
        memory_every: the look of a frame is remembered as another template when so many frames
            have passed since the last template; 0 for never, as released.
        memory_confidence: an object's mean probability inside its mask, at least, for its look to
            be remembered.
        memory_templates: places of the bank where memory is on, of `TEMPLATES`. The first
            template is never given up; the oldest other is.
        online_rate: the rate of online learning that suits the weights; by default the paper's, a
            tenth of that of stage 1.
    """

    locality: float = 0.0
    frame_canvas: tuple[int, int] | None = None
    half_pixels: bool = False
    memory_every: int = 0
    memory_confidence: float = 0.9
    memory_templates: int = 4
    online_rate: float = 1e-6

    @property
    def templates(self) -> int:
        """Places of the bank that a video starts with."""
        return self.memory_templates if self.memory_every else 1

    def find_frame_canvas(self, model: RANet) -> tuple[int, int]:
        """Height and width of the canvas on which frames and masks are kept."""
        return self.frame_canvas or model.canvas


RELEASED = Protocol()
"""What the released code does."""

TRAINED = Protocol(half_pixels=True)
"""What a network that is trained here is trained for: its labels are cut by half pixels."""


def find_slot_size(objects: int) -> int:
    """The smallest of `SLOTS` that has room for a number of objects.

    Raises:
        InputError: none has.
    """
    if objects > MAX_OBJECTS:
        raise InputError(f"{objects} objects; at most {MAX_OBJECTS} fit at once")
    return next(size for size in SLOTS if size >= objects)


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
    wide, slots = jnp.promote_types(dtype, jnp.float32), state.cells.shape[1]
    previous = split_labels(cut_labels(state.labels, box, model.canvas), slots, wide)
    seen = cut_input(model, frame, box, dtype)
    kernels, cells = line_up(state)
    return kernels[None], cells[None], seen, previous[None]


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
    present = state.cells.any(axis=(0, -1))
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
    templates: int | None = None,
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
        templates: places of the bank, of `TEMPLATES`; those that the protocol needs when
            None. `init` fills the first.

    Returns:
        `init(params, frame, labels) -> state` and `step(params, state, frame) -> (state, labels)`.
        Frames are uint8 RGB [h, w, 3] and labels uint8 [h, w], 0 background and i for slot i, both
        on the frame canvas of the protocol; see `Canvas` for other sizes. With `probabilities`, the
        pair (labels, each slot's probability [h, w, slots], float32 or wider) in place of the
        labels.

    Raises:
        InputError: the network cannot use so many templates.
    """
    places = protocol.templates if templates is None else templates
    if places > 1:
        check_templates(places, model.selection)
    dtype = PRECISIONS[precision]
    wide = jnp.promote_types(dtype, jnp.float32)
    frame_canvas = protocol.find_frame_canvas(model)

    def init(params: Any, frame: Array, labels: Array) -> State:
        box = find_box(labels > 0)
        seen = cut_input(model, frame, box, dtype)
        kernels = model.apply({"params": params}, seen, method="template")[0]
        inside = split_labels(cut_labels(labels, box, model.canvas), slots, wide)
        cells = pool_mask(inside, model.cell)
        return start_bank(kernels, cells, labels, places)

    def step(params: Any, state: State, frame: Array) -> tuple[State, Any]:
        box = find_box(state.labels > 0)
        inputs = gather_inputs(model, state, box, frame, dtype)
        logits: Any
        look: Any = None
        if protocol.memory_every:
            answer: Any = model.apply({"params": params}, *inputs, method="segment_and_look")
            logits, look = answer
        else:
            logits = model.apply({"params": params}, *inputs)
        inside = find_slot_probability(model, protocol, state, logits[0], previous=inputs[-1][0])
        if slots > GROUP and not probabilities:
            labels, best = paste_groups(
                inside, box, frame_canvas, model.activation, half_pixels=protocol.half_pixels
            )
            output = labels
        else:
            # [h, w, slots] of the frame.
            probability = paste_probability(
                jnp.moveaxis(inside, 0, -1), box, frame_canvas, half_pixels=protocol.half_pixels
            )
            labels, best = choose_labels(probability, model.activation), probability.max(axis=-1)
            output = (labels, probability) if probabilities else labels
        state = dataclasses.replace(
            state,
            labels=labels,
            confidence=measure_confidence(best, labels, slots),
            waited=state.waited + 1,
        )
        if look is not None:
            found = choose_labels(jnp.moveaxis(inside, 0, -1), model.activation)
            state = remember(
                state,
                look[0],
                pool_mask(split_labels(found, slots, wide), model.cell),
                every=protocol.memory_every,
                confidence=protocol.memory_confidence,
            )
        return state, output

    # The last confidence is not read, but its memory is used again all the same.
    return VideoFunctions(jax.jit(init), jax.jit(step, donate_argnums=1, keep_unused=True))
