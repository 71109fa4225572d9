"""Segmenting videos of any size, for Python users: `Segmenter`, which starts a `Tracker` each."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flax.core
import jax
import numpy as np

from ranet_jax.compilation import compile_functions
from ranet_jax.errors import InputError
from ranet_jax.models.ranet import RANet, round_kernels
from ranet_jax.protocol import (
    PRECISIONS,
    RELEASED,
    Protocol,
    VideoFunctions,
    build,
    find_slot_size,
)
from ranet_jax.remarks import remark_if_slow
from ranet_jax.template_bank import State
from ranet_jax.tracker import Tracker
from ranet_jax.weights.network import Network
from ranet_jax.weights.packed import load_shipped


class Segmenter:
    """A network ready to segment videos of any size.

    Compiled once for each size of `protocol.SLOTS` and each of `template_bank.TEMPLATES` in use,
    ahead of time, so that no frame ever waits for the compiler.

    Attributes:
        model: the network.
        rounded_params: its parameters as `init` and `step` take them, see `round_kernels`.
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
        self.precision = precision
        self.replace_params(params)
        self.probabilities = probabilities
        self.protocol = protocol
        self.frame_canvas = protocol.find_frame_canvas(model)
        if precision == "float64" and not jax.config.read("jax_enable_x64"):
            raise InputError("float64 needs jax.config.update('jax_enable_x64', True) beforehand")
        self.compile_seconds = 0.0
        self._compiled: dict[tuple[int, int], VideoFunctions] = {}

    def replace_params(self, params: Any) -> None:
        """Takes other parameters of the same network, for videos that start from now on."""
        self._params = jax.device_put(flax.core.unfreeze(params))
        self.rounded_params = round_kernels(self._params, PRECISIONS[self.precision])

    @property
    def params(self) -> Any:
        """The parameters as given; `replace_params` sets others."""
        return self._params

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
        # Here, because orbax takes long to import and the weights that ship do not need it.
        from ranet_jax.weights.checkpoint import load_network

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

    @property
    def network(self) -> Network:
        """The network with its parameters and its protocol."""
        return Network(self.model, self.params, {}, self.protocol)

    def compile(self, objects: int, templates: int | None = None) -> VideoFunctions:
        """Compiles `init` and `step` for a number of objects, unless that was done before.

        Args:
            objects: to have room for, 1 to `slots.MAX_OBJECTS`.
            templates: places of the bank that `step` takes, of `TEMPLATES`; those that a video
                starts with when None.

        Returns:
            The compiled functions of the smallest of `protocol.SLOTS` that suffices. `init` gives
            a bank as a video starts with it.
        """
        places = self.protocol.templates if templates is None else templates
        size = find_slot_size(objects), places
        if size not in self._compiled:
            init = None if templates is None else self.compile(objects).init
            if size not in self._compiled:
                start = time.perf_counter()
                room = f"up to {size[0]} objects" if size[0] > 1 else "one object"
                with remark_if_slow(
                    f"the network is being compiled for {room}; the first time takes a minute or "
                    "more"
                ):
                    self._compiled[size] = self._compile(*size, init)
                self.compile_seconds += time.perf_counter() - start
        return self._compiled[size]

    def _compile(
        self, slots: int, templates: int, init: Callable[..., State] | None
    ) -> VideoFunctions:
        """Compiles the functions of one size, with an `init` that was compiled before if given."""
        functions = build(
            self.model,
            slots,
            self.precision,
            probabilities=self.probabilities,
            protocol=self.protocol,
            templates=templates,
        )
        settings = self.model, slots, self.precision, self.probabilities, self.protocol, templates
        # A network of another class is told by no name, and one elsewhere is traced for there.
        (device, *_) = jax.tree.leaves(self.params)[0].devices()
        usual = type(self.model) is RANet and device.platform == jax.default_backend()
        return compile_functions(
            functions,
            self.rounded_params,
            self.frame_canvas,
            precision=self.precision,
            name=repr(settings) if usual else None,
            init=init,
        )

    def start(
        self,
        frame: np.ndarray,
        mask: np.ndarray,
        params: Any = None,
        *,
        name: str = "the video",
    ) -> "Tracker":
        """Starts a video.

        Args:
            frame: its first frame, uint8 RGB [h, w, 3], any size.
            mask: ids of the objects in it, uint8 [h, w]; 0 is background. Ids need not be
                consecutive.
            params: for this video alone, from `OnlineLearner`; the segmenter's when None.
            name: how to call the video where something is said of it.

        Returns:
            The tracker to hand all later frames to.

        Raises:
            InputError: an empty mask, or sizes that differ.
        """
        rounded = self.rounded_params
        if params is not None:
            rounded = round_kernels(params, PRECISIONS[self.precision])
        return Tracker(self, frame, mask, rounded, name)
