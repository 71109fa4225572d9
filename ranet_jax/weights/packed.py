"""A network in one small file: 8-bit kernels with a scale an output channel, description inside.

This is the form in which weights ship. A kernel takes a quarter of its float32 size; scales, biases
and all else stay as they are. What that costs in J&F stands in the model card beside the weights.
"""

import json
from pathlib import Path

import flax.traverse_util
import numpy as np
import safetensors
import safetensors.numpy

from ranet_jax.errors import InputError
from ranet_jax.files import check_destination, replace_file
from ranet_jax.weights.network import (
    ENCODER_ALONE,
    Network,
    build_model,
    build_protocol,
    change_canvas,
    check_params,
    describe_network,
)

SHIPPED = Path(__file__).with_name("compact.safetensors")
"""The weights that come with this package; the model card beside them says all about them."""

_SCALE = ":scale"
_KEY = "ranet_jax"


def pack_params(params: dict) -> dict[str, np.ndarray]:
    """Rounds every kernel to 8 bits, an output channel at a time.

    Args:
        params: parameter tree, float32.

    Returns:
        Tensors by path: int8 kernels [size, size, c, f] with their scales, float32 [f], such that
        kernel times scale is the original, rounded; all other parameters as they are.
    """
    tensors = {}
    for path, leaf in flax.traverse_util.flatten_dict(params, sep="/").items():
        array = np.asarray(leaf, np.float32)
        if array.ndim == 4:
            largest = np.abs(array).max(axis=(0, 1, 2))
            scale = np.where(largest > 0, largest / 127, 1).astype(np.float32)
            tensors[path + _SCALE] = scale
            array = np.rint(array / scale).astype(np.int8)
        tensors[path] = np.ascontiguousarray(array)
    return tensors


def unpack_params(tensors: dict[str, np.ndarray]) -> dict:
    """The reverse of `pack_params`, up to its rounding: a parameter tree, float32."""
    flat = {
        path: np.float32(array) * tensors[path + _SCALE] if path + _SCALE in tensors else array
        for path, array in tensors.items()
        if not path.endswith(_SCALE)
    }
    return flax.traverse_util.unflatten_dict(flat, sep="/")


def write_packed(path: Path, network: Network) -> None:
    """Writes a network into one `.safetensors` file.

    Args:
        path: the new file; it appears under its name only when it is complete.
        network: what to write. Unused tensors of a released file are left out.

    Raises:
        InputError: another ending, or the file exists.
    """
    if path.suffix != ".safetensors":
        raise InputError(f"{path} must end in .safetensors")
    check_destination(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    description = {_KEY: json.dumps(describe_network(network))}
    with replace_file(path) as unfinished:
        # Not by `save_file`, whose files nobody else may read.
        unfinished.write_bytes(safetensors.numpy.save(pack_params(network.params), description))


def read_packed(path: Path, canvas: tuple[int, int] | None = None) -> Network:
    """Reads a file of `write_packed`.

    Args:
        path: the file.
        canvas: height and width to put the network on; its own when None.

    Returns:
        The network, its parameters float32.

    Raises:
        InputError: missing, damaged, or no file of `write_packed`.
    """
    network = _read(path)
    check_params(network.params, network.model, str(path))
    return network._replace(model=change_canvas(network.model, canvas, str(path)))


def _read(path: Path) -> Network:
    """Reads a file of `write_packed` whose parameters are taken to be those of its network."""
    try:
        with safetensors.safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except safetensors.SafetensorError as error:
        raise InputError(f"{path} is damaged ({error}); copy it again") from None
    if _KEY not in metadata:
        raise InputError(
            f"{path} holds tensors of another program; if they are a released RANet's, make a "
            f"checkpoint of them with python -m ranet_jax.convert import {path} DIR"
        )
    try:
        description = json.loads(metadata[_KEY])
        model, protocol = build_model(description["model"]), build_protocol(description)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} describes a network that this version does not know "
            f"({type(error).__name__}: {error}); use the version of this program that wrote it"
        ) from None
    alone = description.get(ENCODER_ALONE, False)
    return Network(model, unpack_params(tensors), {}, protocol, alone)


def load_shipped(canvas: tuple[int, int] | None = None) -> Network:
    """Reads the weights that come with this package.

    Args:
        canvas: height and width to put the network on; its own when None.

    Returns:
        The network.

    Raises:
        InputError: this copy of the package has none.
    """
    if not SHIPPED.exists():
        raise InputError(
            f"{SHIPPED} is missing, so there are no weights to use; install this package anew, or "
            "give --checkpoint"
        )
    # Not checked as `read_packed` does, which takes a good part of a start: a test has done so.
    network = _read(SHIPPED)
    return network._replace(model=change_canvas(network.model, canvas, str(SHIPPED)))
