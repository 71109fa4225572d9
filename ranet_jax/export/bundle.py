"""A network as a folder of files: what `python -m ranet_jax.export` writes."""

import dataclasses
import functools
import json
from pathlib import Path
from typing import Any, NamedTuple

import flax.traverse_util
import jax
import jax.export
import jaxlib
import numpy as np
from jax import Array

import ranet_jax
from ranet_jax.compilation import describe_frame
from ranet_jax.errors import InputError
from ranet_jax.files import check_destination, replace_folder
from ranet_jax.protocol import build
from ranet_jax.template_bank import State
from ranet_jax.weights.network import Network, describe_network

PLATFORMS = ("cpu", "cuda", "tpu")
"""What a file can be written for."""

EXPORTED_PRECISIONS = ("float32", "bfloat16")
"""Of the computation; float64 is for tests and stays here."""


class ExportedFunctions(NamedTuple):
    """`init` and `step` of `protocol.build` on plain dicts, which need no class of ours to load.

    The parameters are a dict by path ("encoder/resnet/conv1/kernel"), the state is a dict by the
    attributes of `State`. A file says which buffers `step` may reuse, but `Exported.call` does not:
    wrap it in `jax.jit(step.call, donate_argnums=1)` to have the state donated as in this package.
    """

    init: jax.export.Exported
    step: jax.export.Exported


def flatten_params(params: Any) -> dict[str, np.ndarray]:
    """Flattens parameters, as the exported functions take them.

    Args:
        params: a tree of dicts.

    Returns:
        Arrays by path, such as "encoder/resnet/conv1/kernel", ascending.
    """
    flat = flax.traverse_util.flatten_dict(params, sep="/")
    return {path: np.asarray(flat[path]) for path in sorted(flat)}


def export_functions(
    network: Network, slots: int, precision: str, platforms: tuple[str, ...]
) -> ExportedFunctions:
    """Lowers `init` and `step`; nothing is compiled or run.

    Args:
        network: whose functions.
        slots: room for objects, see `protocol.SLOTS`.
        precision: of the computation.
        platforms: to lower for, some of `PLATFORMS`.

    Returns:
        `init(params, frame, labels) -> state` and `step(params, state, frame) -> (state, labels)`,
        see `ExportedFunctions`.
    """
    functions = build(network.model, slots, precision, protocol=network.protocol)

    def init(params: dict[str, Array], frame: Array, labels: Array) -> dict[str, Array]:
        tree = flax.traverse_util.unflatten_dict(params, sep="/")
        return flatten_state(functions.init(tree, frame, labels))

    def step(
        params: dict[str, Array], state: dict[str, Array], frame: Array
    ) -> tuple[dict[str, Array], Array]:
        tree = flax.traverse_util.unflatten_dict(params, sep="/")
        after, labels = functions.step(tree, State(**state), frame)
        return flatten_state(after), labels

    canvas = network.protocol.find_frame_canvas(network.model)
    params = flatten_params(network.params)
    params = {path: jax.ShapeDtypeStruct(x.shape, x.dtype) for path, x in params.items()}
    frame, labels = describe_frame(canvas)
    state = jax.eval_shape(init, params, frame, labels)
    export_whole = functools.partial(jax.export.export, platforms=platforms)
    return ExportedFunctions(
        export_whole(jax.jit(init, keep_unused=True))(params, frame, labels),
        export_whole(jax.jit(step, donate_argnums=1, keep_unused=True))(params, state, frame),
    )


def flatten_state(state: State) -> dict[str, Array]:
    """Turns a state into a dict.

    Args:
        state: as `init` and `step` give it.

    Returns:
        Its arrays by attribute.
    """
    return {field.name: getattr(state, field.name) for field in dataclasses.fields(state)}


def describe_export(
    network: Network, functions: ExportedFunctions, slots: int, precision: str
) -> dict[str, Any]:
    """What somebody without this package has to know, as JSON.

    Args:
        network: that was exported.
        functions: of it.
        slots: they have room for.
        precision: they compute in.

    Returns:
        Each function's arguments and results in the order of the flattened call, which is that of
        the StableHLO inside as well; platforms, versions and the network's fields.
    """

    def describe(tree: Any, avals: tuple[Any, ...]) -> Any:
        shapes = [{"shape": list(x.shape), "dtype": x.dtype.name} for x in avals]
        return jax.tree.unflatten(tree, shapes)

    (params, frame, labels), _ = describe(functions.init.in_tree, functions.init.in_avals)
    state = describe(functions.init.out_tree, functions.init.out_avals)
    return {
        "files": {"init": "init.jax", "step": "step.jax", "weights": "weights.npz"},
        "init": "init(weights, frame, labels) -> state",
        "step": "step(weights, state, frame) -> (state, labels)",
        "order": "dicts are flattened by key in ascending order, as listed here",
        "frame": frame | {"meaning": "RGB, 0..255"},
        "labels": labels | {"meaning": f"0 background, i for object i, up to {slots}"},
        "state": state,
        "slots": slots,
        "precision": precision,
        "platforms": list(functions.init.platforms),
        "calling_convention_version": functions.init.calling_convention_version,
        "versions": {
            module.__name__: module.__version__ for module in (ranet_jax, jax, jaxlib, np)
        },
        "weights": params,
    } | describe_network(network)


def export_network(
    network: Network,
    folder: Path,
    slots: int = 1,
    precision: str = "float32",
    platforms: tuple[str, ...] = PLATFORMS,
) -> None:
    """Writes a network as a folder of files; it appears under its name only when it is complete.

    Args:
        network: to write.
        folder: the new folder.
        slots: room for objects, one of `protocol.SLOTS`. Each needs a step of its own.
        precision: one of `EXPORTED_PRECISIONS`.
        platforms: some of `PLATFORMS`.

    Raises:
        InputError: the folder exists, or there is no such platform.
    """
    check_destination(folder)
    unknown = [platform for platform in platforms if platform not in PLATFORMS]
    if unknown or not platforms:
        raise InputError(
            f"--platforms {','.join(platforms)}: choose from {', '.join(PLATFORMS)}, with commas"
        )
    functions = export_functions(network, slots, precision, platforms)
    with replace_folder(folder) as unfinished:
        (unfinished / "init.jax").write_bytes(functions.init.serialize())
        (unfinished / "step.jax").write_bytes(functions.step.serialize())
        # NumPy annotates its own option as if every name could be it.
        weights = flatten_params(network.params)
        np.savez(unfinished / "weights.npz", **weights)  # pyright: ignore[reportArgumentType]
        manifest = describe_export(network, functions, slots, precision)
        (unfinished / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
