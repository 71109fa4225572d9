"""Weights of PyTorch in, weights for PyTorch out.

    python -m ranet_jax.convert import SRC DEST   # a released RANet, or an ImageNet ResNet
    python -m ranet_jax.convert export SRC DEST   # to DEST.npz or DEST.safetensors

This is the only module that knows PyTorch's names.
"""

import argparse
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import flax.traverse_util
import numpy as np
import safetensors.numpy

from ranet_jax.errors import InputError
from ranet_jax.files import check_destination, replace_file
from ranet_jax.models.ranet import RANet, abstract_params, init_params
from ranet_jax.models.resnet import RESNET_BLOCKS
from ranet_jax.weights import checkpoint
from ranet_jax.weights.checkpoint import Network

BACKBONE = "base_model."

HEAD = {
    "L3.2": "encoder/reduce3/conv",
    "L4.2": "encoder/reduce4/conv",
    "L5.2": "encoder/reduce5/conv",
    "L_g.2": "encoder/fuse/conv",
    "Ranking.0.2": "ranking/network/conv1/conv",
    "Ranking.1.conv1": "ranking/network/res/conv1",
    "Ranking.1.conv2": "ranking/network/res/conv2",
    "Ranking.1.conv3": "ranking/network/res/conv3",
    "Ranking.2.2": "ranking/network/conv2/conv",
    "p_1.2": "decoder/merge/conv1/conv",
    "res_1.conv1": "decoder/merge/res/conv1",
    "res_1.conv2": "decoder/merge/res/conv2",
    "res_1.conv3": "decoder/merge/res/conv3",
    "p_2.2": "decoder/merge/conv2/conv",
    "ls13.2": "decoder/skip1/reduce1/conv",
    "ls14.2": "decoder/skip1/reduce2/conv",
    "ls15.2": "decoder/skip1/reduce4/conv",
    "ls22.2": "decoder/skip2/reduce1/conv",
    "ls23.2": "decoder/skip2/reduce2/conv",
    "ls24.2": "decoder/skip2/reduce4/conv",
    "ls31.2": "decoder/skip3/reduce1/conv",
    "ls32.2": "decoder/skip3/reduce2/conv",
    "ls33.2": "decoder/skip3/reduce4/conv",
    **{
        f"R{level}.{theirs}": f"decoder/level{level}_{ours}"
        for level in (1, 2, 3)
        for theirs, ours in {
            "0.2": "conv1/conv",
            "1.2": "conv2/conv",
            "2.l1": "scales/dilation1",
            "2.l2": "scales/dilation3",
            "2.l3": "scales/dilation6",
            # In level 3 the upsampling stands before the residual block, and counts as a child.
            f"{4 if level == 3 else 3}.conv1": "res/conv1",
            f"{4 if level == 3 else 3}.conv2": "res/conv2",
            f"{4 if level == 3 else 3}.conv3": "res/conv3",
        }.items()
    },
    "R3.5": "decoder/logit",
}
"""Everything but the ResNet: released module, then path of ours."""

UNUSED = {
    "p_1b.2.weight": (256, 256, 3, 3),
    "p_1b.2.bias": (256,),
    "res_1b.conv1.weight": (128, 256, 1, 1),
    "res_1b.conv2.weight": (128, 128, 3, 3),
    "res_1b.conv3.weight": (256, 128, 1, 1),
    "p_2b.2.weight": (128, 256, 3, 3),
    "p_2b.2.bias": (128,),
    "rank_A.0.weight": (8, 2, 1),
    "rank_A.0.bias": (8,),
    "rank_A.1.weight": (1,),
    "rank_A.2.weight": (1, 8, 1),
    "rank_A.2.bias": (1,),
}
"""Tensors of the released files that nothing uses, and their shapes."""


class Place(NamedTuple):
    """Where a PyTorch tensor sits in our parameter tree, and how its axes are turned."""

    path: str
    is_kernel: bool

    def import_array(self, array: np.ndarray) -> np.ndarray:
        """PyTorch's (out, in, h, w) to (h, w, in, out)."""
        return array.transpose(2, 3, 1, 0) if self.is_kernel else array

    def export_array(self, array: np.ndarray) -> np.ndarray:
        """The reverse of `import_array`."""
        return array.transpose(3, 2, 0, 1) if self.is_kernel else array


def _resnet_modules(blocks: tuple[int, ...]) -> Iterator[tuple[str, str]]:
    """Torchvision's module names (timm's are the same) and our paths below the ResNet."""
    yield "conv1", "conv1"
    yield "bn1", "norm1"
    for stage, count in enumerate(blocks, start=1):
        for index in range(count):
            theirs, ours = f"layer{stage}.{index}", f"stage{stage}_block{index}"
            for k in (1, 2, 3):
                yield f"{theirs}.conv{k}", f"{ours}/conv{k}"
                yield f"{theirs}.bn{k}", f"{ours}/norm{k}"
            if index == 0:
                yield f"{theirs}.downsample.0", f"{ours}/conv_skip"
                yield f"{theirs}.downsample.1", f"{ours}/norm_skip"


def map_names(model: RANet) -> dict[str, Place]:
    """Every tensor of a network: its name in the released checkpoint, and its place in ours."""
    modules = dict(HEAD)
    for theirs, ours in _resnet_modules(model.blocks):
        modules[BACKBONE + theirs] = f"encoder/resnet/{ours}"
    shapes = flax.traverse_util.flatten_dict(abstract_params(model), sep="/")
    places = {}
    for theirs, ours in modules.items():
        for leaf, name in (("kernel", "weight"), ("scale", "weight"), ("bias", "bias")):
            if f"{ours}/{leaf}" in shapes:
                places[f"{theirs}.{name}"] = Place(f"{ours}/{leaf}", leaf == "kernel")
    return places


def _torch_shapes(model: RANet) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor in PyTorch's order of axes, by its PyTorch name."""
    leaves = flax.traverse_util.flatten_dict(abstract_params(model), sep="/")
    # A broadcast zero has the shape without the memory.
    return {
        name: place.export_array(np.broadcast_to(0, leaves[place.path].shape)).shape
        for name, place in map_names(model).items()
    }


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Reads a file of named tensors.

    Args:
        path: `.pth` or `.pt` (PyTorch, tensors alone: nothing in it is ever executed),
            `.safetensors`, or `.npz`.

    Returns:
        float32 arrays by name; wrappers such as `state_dict` and `module.` are taken off.

    Raises:
        InputError: missing, unreadable, or holding something else than tensors.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist or is no file")
    try:
        if path.suffix in (".pth", ".pt"):
            tensors = _read_torch(path)
        elif path.suffix == ".safetensors":
            tensors = safetensors.numpy.load_file(path)
        elif path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                tensors = dict(arrays)
        else:
            raise InputError(f"{path} is none of .pth, .pt, .safetensors and .npz")
    except (
        OSError,
        ValueError,
        EOFError,
        zipfile.BadZipFile,
        safetensors.SafetensorError,
    ) as error:
        raise InputError(f"{path} is damaged or not what its ending says ({error})") from None
    if tensors and all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): array for name, array in tensors.items()}
    # BatchNorm's running statistics have no place in instance normalisation.
    dropped = ("num_batches_tracked", "running_mean", "running_var")
    return {
        name: array.astype(np.float32)
        for name, array in tensors.items()
        if not name.endswith(dropped)
    }


def _read_torch(path: Path) -> dict[str, np.ndarray]:
    """Reads a PyTorch file without ever executing what is in it."""
    try:
        import torch
    except ImportError:
        raise InputError(
            f"{path} needs PyTorch to be read; pip install 'ranet-jax[torch]', "
            "or convert it to .npz"
        ) from None
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"{path} is not a plain file of tensors, and nothing else is ever loaded ({reason}); "
            "save model.state_dict() instead of the model"
        ) from None
    if isinstance(loaded, dict) and isinstance(loaded.get("state_dict"), dict):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, dict) or not all(torch.is_tensor(x) for x in loaded.values()):
        raise InputError(f"{path} holds no dictionary of tensors; save model.state_dict() into it")
    return {name: tensor.float().numpy() for name, tensor in loaded.items()}


def _guess_blocks(names: list[str]) -> tuple[int, ...]:
    """The known ResNet whose blocks are nearest to those named; missing ones are reported later."""
    counts = [
        len({name.split(".")[1] for name in names if name.startswith(f"layer{stage}.")})
        for stage in (1, 2, 3, 4)
    ]
    return min(
        RESNET_BLOCKS.values(),
        key=lambda blocks: sum(abs(a - b) for a, b in zip(blocks, counts, strict=True)),
    )


def import_network(path: Path, ranking_rule: str) -> Network:
    """Makes a network from a PyTorch file.

    Args:
        path: a released RANet, or a ResNet-50, 101 or 152 trained on ImageNet under the names of
            torchvision or timm, whose BatchNorm scales and biases go into instance normalisation.
        ranking_rule: how the network ranks objects, see `RankingAttention`.

    Returns:
        The network. From a ResNet, all but the encoder is untrained, drawn with seed 0.

    Raises:
        InputError: names every missing, extra and misshapen tensor.
    """
    tensors = read_tensors(path)
    unused = {}
    if any(name.startswith(BACKBONE) for name in tensors):
        names = [name.removeprefix(BACKBONE) for name in tensors if name.startswith(BACKBONE)]
        model = RANet(blocks=_guess_blocks(names), ranking_rule=ranking_rule)
        expected = _torch_shapes(model)
        unused = {name: tensors[name] for name in UNUSED if name in tensors}
        found = {name: array for name, array in tensors.items() if name not in unused}
        params = {}
        expected_unused = {name: UNUSED[name] for name in unused}
    elif any(name.startswith("layer1.0.") for name in tensors):
        model = RANet(blocks=_guess_blocks(list(tensors)), ranking_rule=ranking_rule)
        shapes = _torch_shapes(model)
        expected = {name: shape for name, shape in shapes.items() if name.startswith(BACKBONE)}
        found = {BACKBONE + name: x for name, x in tensors.items() if not name.startswith("fc.")}
        print("an ImageNet encoder; all the rest is untrained, drawn with seed 0")
        params = flax.traverse_util.flatten_dict(init_params(model, 0), sep="/")
        expected_unused = {}
    else:
        some = ", ".join(list(tensors)[:3]) or "none"
        raise InputError(f"{path} is neither a RANet nor a ResNet (its first tensors: {some})")
    checkpoint.compare_shapes(
        {name: array.shape for name, array in (found | unused).items()},
        expected | expected_unused,
        f"{path} does not fit RANet with a ResNet of {model.blocks} blocks",
    )
    places = map_names(model)
    params |= {places[name].path: places[name].import_array(found[name]) for name in expected}
    return Network(model, flax.traverse_util.unflatten_dict(params, sep="/"), unused)


def export_tensors(network: Network) -> dict[str, np.ndarray]:
    """Names a network's tensors as the released code does, so that it can load them.

    Args:
        network: to export.

    Returns:
        float32 arrays by name. Those that nothing uses are what was imported, or zero.

    Raises:
        InputError: the network is an ablation, which the released code cannot run.
    """
    model = network.model
    if (model.selection, model.use_previous, model.activation) != ("ranking", True, "sigmoid"):
        raise InputError(
            f"a network with selection {model.selection!r}, use_previous {model.use_previous} and "
            f"activation {model.activation!r} is not what the released code computes; export one "
            "with 'ranking', True and 'sigmoid'"
        )
    leaves = flax.traverse_util.flatten_dict(network.params, sep="/")
    tensors = {
        name: np.ascontiguousarray(place.export_array(np.asarray(leaves[place.path])))
        for name, place in map_names(model).items()
    }
    zeros = {name: np.zeros(shape, np.float32) for name, shape in UNUSED.items()}
    return tensors | zeros | {name: np.asarray(x) for name, x in network.unused.items()}


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
            np.savez(unfinished, **tensors)
        else:
            safetensors.numpy.save_file(tensors, unfinished)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m ranet_jax.convert",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    importing = commands.add_parser("import", help="PyTorch file to checkpoint")
    exporting = commands.add_parser("export", help="checkpoint to .npz or .safetensors")
    for command in (importing, exporting):
        command.add_argument("source", type=Path)
        command.add_argument("destination", type=Path)
    importing.add_argument(
        "--rule",
        choices=("single", "multi"),
        help="how objects are ranked (default: multi if the file's name says so, else single)",
    )
    args = parser.parse_args()
    if args.command == "import":
        check_destination(args.destination)
        ranking_rule = args.rule or ("multi" if "multi" in args.source.name else "single")
        network = import_network(args.source, ranking_rule)
        checkpoint.save_network(args.destination, network)
    else:
        network = checkpoint.load_network(args.source)
        write_tensors(args.destination, export_tensors(network))
    model = network.model
    print(f"{args.destination}: ResNet {model.blocks}, objects ranked by {model.ranking_rule}")
