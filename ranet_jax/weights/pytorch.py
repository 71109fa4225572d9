"""PyTorch's names: the only module that knows them. What `python -m ranet_jax.convert` runs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import flax.traverse_util
import numpy as np

from ranet_jax.errors import InputError
from ranet_jax.models.ranet import RANet, abstract_params, init_params
from ranet_jax.models.resnet import RESNET_BLOCKS
from ranet_jax.weights.network import Network, compare_shapes
from ranet_jax.weights.tensors import read_tensors

BACKBONE = "base_model."

WRAPPER = "module."
"""Before every name of a network that was saved as it was trained on several devices."""

STATISTICS = ("num_batches_tracked", "running_mean", "running_var")
"""What BatchNorm remembers of training, which has no place in instance normalisation."""

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


CHILDREN = {
    "features.0.": "conv1.",
    "features.1.": "bn1.",
    **{f"features.{3 + stage}.": f"layer{stage}." for stage in (1, 2, 3, 4)},
}
"""Torchvision's modules by their numbers, where a ResNet became a sequence of its children."""


class TensorPlace(NamedTuple):
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


def map_names(model: RANet) -> dict[str, TensorPlace]:
    """Every tensor of a network: its name in the released checkpoint, and its place in ours."""
    modules = dict(HEAD)
    for theirs, ours in _resnet_modules(model.blocks):
        modules[BACKBONE + theirs] = f"encoder/resnet/{ours}"
    shapes = flax.traverse_util.flatten_dict(abstract_params(model), sep="/")
    places = {}
    for theirs, ours in modules.items():
        for leaf, name in (("kernel", "weight"), ("scale", "weight"), ("bias", "bias")):
            if f"{ours}/{leaf}" in shapes:
                places[f"{theirs}.{name}"] = TensorPlace(f"{ours}/{leaf}", leaf == "kernel")
    return places


def _torch_shapes(model: RANet) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor in PyTorch's order of axes, by its PyTorch name."""
    leaves: dict[str, Any] = flax.traverse_util.flatten_dict(abstract_params(model), sep="/")
    # A broadcast zero has the shape without the memory.
    return {
        name: place.export_array(np.broadcast_to(0, leaves[place.path].shape)).shape
        for name, place in map_names(model).items()
    }


def _strip_names(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The tensors under the names of the network alone, without what it has no use for."""
    if tensors and all(name.startswith(WRAPPER) for name in tensors):
        tensors = {name.removeprefix(WRAPPER): array for name, array in tensors.items()}
    return {name: array for name, array in tensors.items() if not name.endswith(STATISTICS)}


def _name_children(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The ResNet alone, under torchvision's names, of a network that has it as `features`."""
    if not any(name.startswith("features.4.0.") for name in tensors):
        return tensors
    named = {
        theirs + name.removeprefix(number): array
        for name, array in tensors.items()
        for number, theirs in CHILDREN.items()
        if name.startswith(number)
    }
    if left := len(tensors) - len(named):
        print(f"of a larger network the ResNet alone is taken, and {left} tensors are left out")
    return named


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
            torchvision or timm, whose BatchNorm scales and biases go into instance normalisation;
            also where a larger network has it as `features`, its children numbered.
        ranking_rule: how the network ranks objects, see `RankingAttention`.

    Returns:
        The network. From a ResNet, all but the encoder is untrained, drawn with seed 0.

    Raises:
        InputError: names every missing, extra and misshapen tensor, and those with numbers that are
            not finite.
    """
    tensors = _name_children(_strip_names(read_tensors(path)))
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
    compare_shapes(
        {name: array.shape for name, array in (found | unused).items()},
        expected | expected_unused,
        f"{path} does not fit RANet with a ResNet of {model.blocks} blocks",
    )
    broken = [name for name, array in found.items() if not np.isfinite(array).all()]
    if broken:
        raise InputError(
            f"{path} has NaN or infinity in {len(broken)} tensors ({', '.join(broken[:3])}), so "
            "that no network comes of it; take the weights of an earlier step"
        )
    places = map_names(model)
    is_drawn = bool(params)
    params |= {places[name].path: places[name].import_array(found[name]) for name in expected}
    return Network(
        model,
        flax.traverse_util.unflatten_dict(params, sep="/"),
        unused,
        encoder_alone=is_drawn,
    )


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
    released = RANet(blocks=model.blocks)
    fields = ("width", "head_width", "top_k", "canvas", "cell", "learned_scores")
    other = [name for name in fields if getattr(model, name) != getattr(released, name)]
    if other:
        raise InputError(
            f"the released code loads its own network alone, and this one has another "
            f"{', '.join(other)}; python -m ranet_jax.export writes any network so that it runs "
            "without this package"
        )
    leaves = flax.traverse_util.flatten_dict(network.params, sep="/")
    tensors = {
        name: np.ascontiguousarray(place.export_array(np.asarray(leaves[place.path])))
        for name, place in map_names(model).items()
    }
    zeros = {name: np.zeros(shape, np.float32) for name, shape in UNUSED.items()}
    return tensors | zeros | {name: np.asarray(x) for name, x in network.unused.items()}
