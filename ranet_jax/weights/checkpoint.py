"""Networks on disk: the one reader of every form they have, and checkpoints written."""

from pathlib import Path

from ranet_jax.errors import InputError
from ranet_jax.files import check_destination
from ranet_jax.weights.network import (
    AVERAGES,
    ENCODER_ALONE,
    Network,
    build_model,
    build_protocol,
    change_canvas,
    check_params,
    check_trained,
    describe_network,
)
from ranet_jax.weights.packed import read_packed
from ranet_jax.weights.storage import (
    find_newest,
    is_checkpoint,
    naming_damage,
    read_stored,
    read_tree,
    write_tree,
)

RUN_FOLDER = "checkpoints"
"""Where a training run keeps its checkpoints, below its work folder."""


def save_network(path: Path, network: Network) -> None:
    """Writes a network; the folder appears under its name only when it is complete.

    Args:
        path: the new folder.
        network: what to write.

    Raises:
        InputError: the path exists.
    """
    check_destination(path)
    tree = {"params": network.params, "unused": network.unused}
    write_tree(path, tree, describe_network(network))


def load_network(
    path: str | Path, canvas: tuple[int, int] | None = None, *, encoder_suffices: bool = False
) -> Network:
    """Reads a network.

    Args:
        path: a folder written by `save_network`; or the work folder of a training run, or one of
            the checkpoints in it, whose averaged weights are read (the newest checkpoint's); or a
            `.safetensors` file of `packed.write_packed`.
        canvas: to put it on, see `change_canvas`.
        encoder_suffices: whether it may be an ImageNet encoder whose rest is untrained: a training
            starts from one, and nothing else should, as it would segment at random.

    Returns:
        The network.

    Raises:
        InputError: there is no such folder, it is no checkpoint or a half-written one, its tensors
            are not those of the network it says it holds, or it is an encoder alone; all of these
            are named.
    """
    path = Path(path)
    network = _read_network(path, canvas)
    if not encoder_suffices:
        check_trained(network, str(path))
    return network


def _read_network(path: Path, canvas: tuple[int, int] | None) -> Network:
    """Reads a network of any form."""
    if not path.exists():
        raise InputError(
            f"checkpoint {path} does not exist; make one with python -m ranet_jax.convert"
        )
    if path.suffix == ".safetensors" and path.is_file():
        return read_packed(path, canvas)
    if not path.is_dir():
        raise InputError(
            f"checkpoint {path} is a file, but a checkpoint is a folder or a .safetensors file; "
            f"{_advise(path)}"
        )
    if (path / RUN_FOLDER).is_dir():
        path = find_newest(path / RUN_FOLDER)
    if not is_checkpoint(path):
        raise InputError(f"{path} holds no checkpoint; {_advise(path)}")
    stored = read_stored(path)
    with naming_damage(path, "write it again"):
        model = build_model(stored.description["model"])
        protocol = build_protocol(stored.description)
        name = next((name for name in AVERAGES if name in stored.tree), "params")
        stored_params = stored.tree[name]
    check_params(stored_params, model, f"checkpoint {path}")
    model = change_canvas(model, canvas, f"checkpoint {path}")
    tree = read_tree(path, stored, lambda key: key in (name, "unused"))
    alone = stored.description.get(ENCODER_ALONE, False)
    return Network(model, tree[name], tree.get("unused", {}), protocol, alone)


def _advise(path: Path) -> str:
    """What to do about a file that was given where a checkpoint is needed."""
    if path.suffix in (".pth", ".pt", ".npz"):
        return f"make one of it with python -m ranet_jax.convert import {path} DIR"
    return "give one of ranet_jax.convert, or the folder of a training run"
