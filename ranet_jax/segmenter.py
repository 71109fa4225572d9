"""Segmenting a video: the pure pair `init` and `step`, and a small class for Python users."""

import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ranet_jax.errors import InputError
from ranet_jax.geometry.box import cut_frame, cut_labels, find_box, paste_probability
from ranet_jax.geometry.canvas import Canvas
from ranet_jax.models.activation import choose_labels, find_probability
from ranet_jax.models.ranet import RANet
from ranet_jax.models.ranking import pool_mask, split_labels
from ranet_jax.models.resnet import normalize_frame
from ranet_jax.remarks import remark
from ranet_jax.weights import checkpoint

SLOTS = (1, 2, 3, 5, 8, 16)
"""Numbers of objects that a compiled step has room for; a video uses the smallest that suffices.

An empty slot costs as much as an object, and every size is compiled by itself."""

PRECISIONS = {"float32": jnp.float32, "bfloat16": jnp.bfloat16, "float64": jnp.float64}
"""Dtype of the computation by its name."""


@flax.struct.dataclass
class State:
    """All that is remembered of a video: constant in size, however long the video.

    Attributes:
        kernels: of the template, [positions, c].
        cells: each slot's share of each template cell, float32 or wider, [n, positions].
        labels: masks of the last frame on the canvas, uint8 [h, w]: 0 background, i for slot i.
    """

    kernels: Array
    cells: Array
    labels: Array


def find_slots(objects: int) -> int:
    """The smallest of `SLOTS` that has room for a number of objects."""
    return next(size for size in SLOTS if size >= objects)


class VideoFunctions(NamedTuple):
    """The two pure, jitted functions that segment a video; see `build`."""

    init: Callable[[Any, Array, Array], State]
    step: Callable[[Any, State, Array], tuple[State, Any]]


@functools.cache
def build(
    model: RANet, slots: int = 1, precision: str = "float32", *, probabilities: bool = False
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

    Returns:
        `init(params, frame, labels) -> state` and `step(params, state, frame) -> (state, labels)`.
        Frames are uint8 RGB [h, w, 3] and labels uint8 [h, w], 0 background and i for slot i, both
        on the canvas of the model; see `Canvas` for other sizes. With `probabilities`, the pair
        (labels, each slot's probability [h, w, slots], float32 or wider) in place of the labels.
    """
    dtype = PRECISIONS[precision]
    wide = jnp.promote_types(dtype, jnp.float32)

    def cut(frame: Array, box: Array) -> Array:  # [h, w, 3] -> [1, h, w, 3]
        return cut_frame(normalize_frame(frame, wide), box).astype(dtype)[None]

    def init(params: Any, frame: Array, labels: Array) -> State:
        box = find_box(labels > 0)
        kernels = model.apply({"params": params}, cut(frame, box), method="template")[0]
        cells = pool_mask(split_labels(cut_labels(labels, box), slots, wide))
        return State(kernels, cells, labels)

    def step(params: Any, state: State, frame: Array) -> tuple[State, Array]:
        box = find_box(state.labels > 0)
        previous = split_labels(cut_labels(state.labels, box), slots, wide)
        logits = model.apply(
            {"params": params},
            state.kernels[None],
            state.cells[None],
            cut(frame, box),
            previous[None],
        )[0]
        present = state.cells.any(axis=-1)
        probability = find_probability(logits.astype(wide), present, model.decision)
        probability = paste_probability(jnp.moveaxis(probability, 0, -1), box)  # [h, w, slots]
        labels = choose_labels(probability, model.decision)
        output = (labels, probability) if probabilities else labels
        return state.replace(labels=labels), output

    return VideoFunctions(jax.jit(init), jax.jit(step, donate_argnums=1))


class Segmenter:
    """A network ready to segment videos of any size.

    Compiled once for each size of `SLOTS` in use, ahead of time, so that no frame ever waits for
    the compiler.

    Attributes:
        model: the network.
        params: its parameters.
        precision: of the computation.
        probabilities: whether trackers give them too.
        compile_seconds: spent on compilation so far.
    """

    def __init__(
        self,
        model: RANet,
        params: dict,
        precision: str = "float32",
        *,
        probabilities: bool = False,
    ) -> None:
        """Wraps a network.

        Args:
            model: the network.
            params: its parameters.
            precision: "float32", "bfloat16" or "float64" (which needs `jax_enable_x64`).
            probabilities: whether `Tracker.probability` is filled.
        """
        if precision not in PRECISIONS:
            raise InputError(f"precision {precision!r} is none of {', '.join(PRECISIONS)}")
        self.model = model
        self.params = jax.device_put(params)
        self.precision = precision
        self.probabilities = probabilities
        if precision == "float64" and not jax.config.jax_enable_x64:
            raise InputError("float64 needs jax.config.update('jax_enable_x64', True) beforehand")
        self.compile_seconds = 0.0
        self._compiled: dict[int, VideoFunctions] = {}

    @classmethod
    def from_checkpoint(
        cls, path: str | Path, precision: str = "float32", *, probabilities: bool = False
    ) -> "Segmenter":
        """Loads the network of a checkpoint; see `checkpoint.load_network` for errors."""
        network = checkpoint.load_network(Path(path))
        return cls(network.model, network.params, precision, probabilities=probabilities)

    def compile(self, objects: int) -> VideoFunctions:
        """Compiles `init` and `step` for a number of objects, unless that was done before.

        Args:
            objects: to have room for, 1 to the largest of `SLOTS`.

        Returns:
            The compiled functions of the smallest of `SLOTS` that suffices.
        """
        slots = find_slots(objects)
        if slots not in self._compiled:
            start = time.perf_counter()
            h, w = self.model.canvas
            frame = jax.ShapeDtypeStruct((h, w, 3), jnp.uint8)
            labels = jax.ShapeDtypeStruct((h, w), jnp.uint8)
            functions = build(self.model, slots, self.precision, probabilities=self.probabilities)
            state = jax.eval_shape(functions.init, self.params, frame, labels)
            self._compiled[slots] = VideoFunctions(
                functions.init.lower(self.params, frame, labels).compile(),
                functions.step.lower(self.params, state, frame).compile(),
            )
            self.compile_seconds += time.perf_counter() - start
        return self._compiled[slots]

    def start(self, frame: np.ndarray, mask: np.ndarray, params: Any = None) -> "Tracker":
        """Starts a video.

        Args:
            frame: its first frame, uint8 RGB [h, w, 3], any size.
            mask: ids of the objects in it, uint8 [h, w]; 0 is background. Ids need not be
                consecutive.
            params: for this video alone, from `online.OnlineLearner`; the segmenter's when None.

        Returns:
            The tracker to hand all later frames to.

        Raises:
            InputError: an empty mask, more objects than the largest of `SLOTS`, or sizes that
                differ.
        """
        return Tracker(self, frame, mask, params)


class Tracker:
    """One video under way: hands each frame to the device and brings its labels back.

    Attributes:
        ids: ids of the objects, ascending; slot i holds `ids[i - 1]`.
        probability: each object's, float32 [h, w, objects] in the order of `ids`, for the frame of
            the last `step`; None before it, or without `Segmenter.probabilities`.
        labels: the last masks on the network's canvas, uint8, i for slot i; what `restore` takes.
    """

    def __init__(
        self, segmenter: Segmenter, frame: np.ndarray, mask: np.ndarray, params: Any = None
    ) -> None:
        """Starts a video; see `Segmenter.start`."""
        check_frame(frame)
        self._segmenter = segmenter
        self._params = segmenter.params if params is None else params
        self._canvas = Canvas(frame.shape[:2], segmenter.model.canvas)
        self.mark(frame, mask)

    def mark(self, frame: np.ndarray, mask: np.ndarray) -> None:
        """Says where the objects are in a frame: at the start, or anew in the middle of a video.

        The mask is the truth from here on. Its objects are followed from this frame, which becomes
        their template; an id that was followed and is not in it no longer is. Nothing is compiled
        as long as the number of objects stays inside a slot size that was in use before.

        Args:
            frame: uint8 RGB [h, w, 3], of the first frame's size.
            mask: uint8 [h, w], as for `Segmenter.start`.

        Raises:
            InputError: as `Segmenter.start`; the tracker then goes on as before.
        """
        self._check_size(frame)
        ids = find_ids(frame, mask)
        mask = mask.astype(np.uint8)
        functions = self._segmenter.compile(ids.size)
        slot_of_id = np.zeros(256, np.uint8)
        slot_of_id[ids] = np.arange(1, ids.size + 1)
        labels = self._canvas.fit_labels(slot_of_id[mask])
        for one in ids[np.isin(slot_of_id[ids], labels, invert=True)]:
            height, width = self._segmenter.model.canvas
            remark(
                f"object {one} cannot be followed: it is smaller than a pixel of the network's "
                f"canvas of {width} x {height}, and there is no room for it beside other objects"
            )
        self._state = functions.init(self._params, self._canvas.fit_frame(frame), labels)
        self._step = functions.step
        self._id_of_slot = np.concatenate([[0], ids]).astype(np.uint8)
        self.ids = ids
        self.labels = labels
        self.probability: np.ndarray | None = None

    def restore(self, labels: np.ndarray) -> None:
        """Goes on where another tracker was, which was marked last with the same frame and mask.

        A mask of the video's size would not do: on the canvas it is not always what it was there.

        Args:
            labels: `labels` of the other tracker.
        """
        self.labels = labels
        # A copy, because `step` uses up its state.
        self._state = self._state.replace(labels=jnp.array(labels))

    def step(self, frame: np.ndarray) -> np.ndarray:
        """Segments the next frame.

        Args:
            frame: uint8 RGB [h, w, 3], of the first frame's size.

        Returns:
            uint8 [h, w], the ids of the mask that was marked last.

        Raises:
            InputError: the frame has another size than the first.
        """
        self._check_size(frame)
        self._state, output = self._step(self._params, self._state, self._canvas.fit_frame(frame))
        labels = output
        if self._segmenter.probabilities:
            labels, probability = output
            probability = np.asarray(probability)[..., : self.ids.size]
            self.probability = self._canvas.restore_probability(probability)
        self.labels = np.asarray(labels)
        return self._id_of_slot[self._canvas.restore_labels(self.labels)]

    def _check_size(self, frame: np.ndarray) -> None:
        """Refuses what is no frame of this video."""
        check_frame(frame)
        if frame.shape[:2] != self._canvas.size:
            raise InputError(
                f"a frame is {frame.shape[:2]} but the first is {self._canvas.size}; start anew"
            )


def check_frame(frame: np.ndarray) -> None:
    """Refuses what is no frame: anything but uint8 RGB, [h, w, 3]."""
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        raise InputError(f"a frame must be uint8 [h, w, 3], not {frame.dtype} {list(frame.shape)}")


def find_ids(frame: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Finds the objects of a mask, ascending; refuses a mask that no video can start from."""
    if mask.dtype not in (np.uint8, bool):
        raise InputError(f"a mask must be uint8 or bool, not {mask.dtype}: ids are 1 to 255")
    if mask.shape != frame.shape[:2]:
        raise InputError(f"the mask is {mask.shape} but its frame is {frame.shape[:2]}")
    ids = np.setdiff1d(mask.astype(np.uint8), [0])  # a bool mask is the one object 1
    if not ids.size:
        raise InputError("the mask is empty; mark at least one object in it")
    if ids.size > SLOTS[-1]:
        raise InputError(f"the mask has {ids.size} objects; at most {SLOTS[-1]} fit at once")
    return ids
