"""Segmenting videos of any size, for Python users: `Segmenter` and `Tracker`."""

import dataclasses
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranet_jax.compilation import compile_functions
from ranet_jax.errors import InputError
from ranet_jax.geometry.canvas import Canvas
from ranet_jax.models.ranet import RANet
from ranet_jax.protocol import (
    PRECISIONS,
    RELEASED,
    SLOTS,
    Protocol,
    VideoFunctions,
    build,
    find_slots,
)
from ranet_jax.remarks import remark
from ranet_jax.weights.checkpoint import load_network
from ranet_jax.weights.network import Network
from ranet_jax.weights.packed import load_shipped


class Segmenter:
    """A network ready to segment videos of any size.

    Compiled once for each size of `SLOTS` in use, ahead of time, so that no frame ever waits for
    the compiler.

    Attributes:
        model: the network.
        params: its parameters.
        precision: of the computation.
        probabilities: whether trackers give them too.
        protocol: what is done around the network.
        frame_canvas: height and width of what `init` and `step` take.
        compile_seconds: spent on compilation so far.
    """

    def __init__(
        self,
        model: RANet,
        params: dict,
        precision: str = "float32",
        *,
        probabilities: bool = False,
        protocol: Protocol = RELEASED,
    ) -> None:
        """Wraps a network.

        Args:
            model: the network.
            params: its parameters.
            precision: "float32", "bfloat16" or "float64" (which needs `jax_enable_x64`).
            probabilities: whether `Tracker.probability` is filled.
            protocol: what is done around the network.
        """
        if precision not in PRECISIONS:
            raise InputError(f"precision {precision!r} is none of {', '.join(PRECISIONS)}")
        self.model = model
        self.params = jax.device_put(params)
        self.precision = precision
        self.probabilities = probabilities
        self.protocol = protocol
        self.frame_canvas = protocol.find_frame_canvas(model)
        if precision == "float64" and not jax.config.read("jax_enable_x64"):
            raise InputError("float64 needs jax.config.update('jax_enable_x64', True) beforehand")
        self.compile_seconds = 0.0
        self._compiled: dict[int, VideoFunctions] = {}

    @classmethod
    def from_checkpoint(
        cls,
        path: str | Path,
        precision: str = "float32",
        *,
        canvas: tuple[int, int] | None = None,
        probabilities: bool = False,
    ) -> "Segmenter":
        """Loads the network of a checkpoint.

        Args:
            path: of the checkpoint, see `load_network`, as for errors.
            precision: see `Segmenter`.
            canvas: height and width of the network's input; that of the checkpoint when None.
            probabilities: see `Segmenter`.

        Returns:
            The segmenter.
        """
        network = load_network(path, canvas)
        return cls.from_network(network, precision, probabilities=probabilities)

    @classmethod
    def pretrained(
        cls,
        precision: str = "float32",
        *,
        canvas: tuple[int, int] | None = None,
        probabilities: bool = False,
    ) -> "Segmenter":
        """Takes the weights that come with this package; arguments as in `from_checkpoint`."""
        return cls.from_network(load_shipped(canvas), precision, probabilities=probabilities)

    @classmethod
    def from_network(
        cls, network: Network, precision: str = "float32", *, probabilities: bool = False
    ) -> "Segmenter":
        """Takes a network that is loaded, with its protocol."""
        return cls(
            network.model,
            network.params,
            precision,
            probabilities=probabilities,
            protocol=network.protocol,
        )

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
            functions = build(
                self.model,
                slots,
                self.precision,
                probabilities=self.probabilities,
                protocol=self.protocol,
            )
            self._compiled[slots] = compile_functions(functions, self.params, self.frame_canvas)
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
        labels: the last masks on the frame canvas, uint8, i for slot i; what `restore` takes.
    """

    def __init__(
        self, segmenter: Segmenter, frame: np.ndarray, mask: np.ndarray, params: Any = None
    ) -> None:
        """Starts a video; see `Segmenter.start`."""
        check_frame(frame)
        self._segmenter = segmenter
        self._params = segmenter.params if params is None else params
        self._canvas = Canvas(frame.shape[:2], segmenter.frame_canvas)
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
            height, width = labels.shape
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
        self._state = dataclasses.replace(self._state, labels=jnp.array(labels))

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
