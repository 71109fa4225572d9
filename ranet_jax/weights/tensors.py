"""Files of named tensors: PyTorch's, safetensors and npz."""

import pickle
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors.numpy

from ranet_jax.errors import InputError
from ranet_jax.files import check_destination, replace_file

_DAMAGE = (OSError, ValueError, EOFError, zipfile.BadZipFile, safetensors.SafetensorError)
"""What the readers raise where a file is no file of its kind, or is cut short."""


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Reads a file of named tensors.

    Args:
        path: `.pth` or `.pt` (PyTorch, tensors alone: nothing in it is ever executed),
            `.safetensors`, or `.npz`.

    Returns:
        float32 arrays by name.

    Raises:
        InputError: missing, unreadable, or holding something else than tensors of numbers.
    """
    if not path.is_file():
        raise InputError(
            f"{path} does not exist or is no file; give a .pth, .pt, .safetensors or .npz file"
        )
    readers = {
        ".pth": _read_torch,
        ".pt": _read_torch,
        ".safetensors": _read_safetensors,
        ".npz": _read_npz,
    }
    if path.suffix not in readers:
        raise InputError(f"{path} is none of .pth, .pt, .safetensors and .npz")
    _check_binary(path)
    try:
        tensors = readers[path.suffix](path)
    except PermissionError:
        raise
    except _DAMAGE as error:
        raise InputError(f"{path} is damaged or not what its ending says ({error})") from None
    return {name: array.astype(np.float32) for name, array in tensors.items()}


def _check_binary(path: Path) -> None:
    """Refuses a text, such as the page of a site that wanted a login, before it is parsed."""
    with path.open("rb") as file:
        head = file.read(200)
    if not head:
        raise InputError(f"{path} is empty; download it again")
    text = " ".join(head.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "ignore").split())
    if text.startswith("<") or (head.isascii() and text.isprintable()):
        kind = "a web page" if text.startswith("<") else "a text"
        raise InputError(
            f"{path} is {kind} and holds no weights (it begins with {text[:40]!r}); download it "
            "again"
        )


def _read_safetensors(path: Path) -> Mapping[str, np.ndarray]:
    """Reads safetensors, of which NumPy does not know all kinds of numbers."""
    try:
        return safetensors.numpy.load_file(path)
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} has numbers of a kind that is not read here ({error}); save it as float32"
        ) from None


def _read_npz(path: Path) -> Mapping[str, np.ndarray]:
    """Reads NumPy's archive, of which nothing is unpickled."""
    loaded = np.load(path, allow_pickle=False)
    if not isinstance(loaded, np.lib.npyio.NpzFile):
        raise InputError(f"{path} holds one array without a name; save it with numpy.savez")
    with loaded:
        tensors = dict(loaded)
    # What is no array in the archive comes as bytes.
    foreign = [
        name
        for name, array in tensors.items()
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf"
    ]
    if foreign:
        raise InputError(
            f"{path} holds something else than arrays of numbers ({', '.join(foreign[:3])}); "
            "leave it out"
        )
    return tensors


def _read_torch(path: Path) -> dict[str, np.ndarray]:
    """Reads a PyTorch file without ever executing what is in it."""
    try:
        import torch  # pyright: ignore[reportMissingImports]  # an extra
    except ImportError:
        raise InputError(
            f"{path} needs PyTorch to be read; pip install -e '.[torch]', or convert it to .npz"
        ) from None
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, IndexError, struct.error) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{path} is not a plain file of tensors, and nothing else is ever loaded ({reason}); "
            "save model.state_dict() instead of the model"
        ) from None
    if isinstance(loaded, dict) and isinstance(loaded.get("state_dict"), dict):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, dict) or not all(torch.is_tensor(x) for x in loaded.values()):
        raise InputError(f"{path} holds no dictionary of tensors; save model.state_dict() into it")
    # Parameters bring their gradient along, and a sparse tensor is one of numbers, too.
    return {name: tensor.detach().to_dense().float().numpy() for name, tensor in loaded.items()}


def write_tensors(path: Path, tensors: dict[str, np.ndarray]) -> None:
    """Writes named arrays; the file appears under its name only when it is complete.

    Args:
        path: `.npz` or `.safetensors`.
        tensors: arrays by name.

    Raises:
        InputError: another ending, or the file exists.
    """
    if path.suffix not in (".npz", ".safetensors"):
        raise InputError(f"{path} is neither .npz nor .safetensors")
    check_destination(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(path) as unfinished:
        if path.suffix == ".npz":
            # NumPy annotates its own option as if every name could be it.
            np.savez(unfinished, **tensors)  # pyright: ignore[reportArgumentType]
        else:
            # Not by `save_file`, whose files nobody else may read.
            unfinished.write_bytes(safetensors.numpy.save(tensors))
