"""What a network is: its parts, their description, and whether tensors fit it."""

import dataclasses
from typing import Any, NamedTuple

import jax

from ranet_jax.errors import InputError
from ranet_jax.models.ranet import RANet, abstract_params
from ranet_jax.models.template import CELL
from ranet_jax.protocol import RELEASED, Protocol

OLD_FIELDS = {"kept": "top_k", "rule": "ranking_rule", "decision": "activation"}
"""What fields of a network, as described in checkpoints of earlier versions, are called now."""

AVERAGES = ("ema_params", "average")
"""What the averaged weights are called in a training run's checkpoint, and in an earlier one's."""

ENCODER_ALONE = "encoder_alone"
"""The entry of a description that says so; where there is none, all of the network is trained."""


class Network(NamedTuple):
    """A network with its parameters.

    Attributes:
        model: the network.
        params: its parameters, float32.
        unused: tensors of an imported released file that the network does not use, by their PyTorch
            name; kept so that an export gives back what was imported.
        protocol: what is done around it.
        encoder_alone: whether all but the encoder is as it was drawn, so that nothing can be
            segmented with it before it is trained.
    """

    model: RANet
    params: Any
    unused: dict[str, Any]
    protocol: Protocol = RELEASED
    encoder_alone: bool = False


def describe_model(model: RANet) -> dict[str, Any]:
    """The fields that make a network what it is, as JSON."""
    names = [
        field.name for field in dataclasses.fields(RANet) if field.name not in ("parent", "name")
    ]
    fields = {name: getattr(model, name) for name in names}
    return {
        key: list(value) if isinstance(value, tuple) else value for key, value in fields.items()
    }


def describe_network(network: Network) -> dict[str, Any]:
    """What is written beside a network's parameters, as JSON."""
    protocol = dataclasses.asdict(network.protocol)
    described = {"model": describe_model(network.model), "protocol": protocol}
    return described | ({ENCODER_ALONE: True} if network.encoder_alone else {})


def check_trained(network: Network, what: str) -> None:
    """Refuses a network that would segment at random.

    Args:
        network: to segment with.
        what: how to call it in the error.

    Raises:
        InputError: its encoder alone is trained.
    """
    if network.encoder_alone:
        raise InputError(
            f"{what} is an ImageNet encoder, and the rest of its network is untrained; train it "
            f"first: python train.py --config configs/static_pretrain.py --config.init_from={what}"
        )


def build_model(description: dict[str, Any]) -> RANet:
    """The network of a description by `describe_model`, of this or an earlier version."""
    fields: dict[str, Any] = {
        OLD_FIELDS.get(key, key): tuple(value) if isinstance(value, list) else value
        for key, value in description.items()
    }
    # Once all widths followed that of the stem.
    fields.setdefault("head_width", fields["width"])
    return RANet(**fields)


def build_protocol(description: dict[str, Any]) -> Protocol:
    """The protocol of a description by `describe_network`; the released one where it has none."""
    fields = description.get("protocol", {})
    canvas = fields.get("frame_canvas")
    return Protocol(**fields | {"frame_canvas": canvas and tuple(canvas)})


def name_protocol(protocol: Protocol) -> list[str]:
    """What of a protocol is not as released, a field and its value each."""
    names = []
    for field in dataclasses.fields(Protocol):
        value = getattr(protocol, field.name)
        if value != getattr(RELEASED, field.name):
            shown = " x ".join(map(str, value)) if isinstance(value, tuple) else value
            names.append(f"{field.name} {shown}")
    return names


def check_canvas(canvas: tuple[int, int]) -> None:
    """Refuses a canvas that no network fits on.

    Args:
        canvas: height and width.

    Raises:
        InputError: it is one.
    """
    h, w = canvas
    if min(canvas) < 2 * CELL or h % CELL or w % CELL:
        raise InputError(f"canvas {h}x{w}: give multiples of {CELL} from {2 * CELL} on")


def change_canvas(model: RANet, canvas: tuple[int, int] | None, what: str) -> RANet:
    """Puts a network on another canvas.

    Args:
        model: the network.
        canvas: height and width; its own when None.
        what: how to call the network in the error.

    Returns:
        The network on that canvas.

    Raises:
        InputError: the canvas is none, or the network's weights are tied to theirs.
    """
    if canvas is None or canvas == model.canvas:
        return model
    check_canvas(canvas)
    if model.is_tied_to_canvas:
        own = "x".join(map(str, model.canvas))
        raise InputError(f"{what} has weights that are tied to the canvas {own}; ask for no other")
    return model.clone(canvas=canvas)


def check_params(params: Any, model: RANet, what: str) -> None:
    """Checks that parameters are those of a model: all names and all shapes.

    Args:
        params: the parameter tree.
        model: the network it should fit.
        what: how to call the parameters in the error.

    Raises:
        InputError: lists every missing, extra and misshapen parameter.
    """
    expected = _shapes(abstract_params(model))
    compare_shapes(_shapes(params), expected, f"{what} does not fit its model")


def _shapes(tree: Any) -> dict[str, tuple[int, ...]]:
    """Shape of every leaf by its path."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): x.shape for path, x in leaves}


def compare_shapes(
    found: dict[str, tuple[int, ...]], expected: dict[str, tuple[int, ...]], what: str
) -> None:
    """Compares names and shapes of tensors.

    Args:
        found: shape by name.
        expected: likewise.
        what: the beginning of the error.

    Raises:
        InputError: lists every missing, extra and misshapen name, in one message.
    """
    missing = sorted(expected.keys() - found.keys())
    extra = sorted(found.keys() - expected.keys())
    misshapen = [
        f"{name} {tuple(found[name])} instead of {tuple(expected[name])}"
        for name in sorted(expected.keys() & found.keys())
        if tuple(found[name]) != tuple(expected[name])
    ]
    lists = {"missing": missing, "extra": extra, "misshapen": misshapen}
    problems = [
        f"{len(names)} {kind}: {', '.join(names)}" for kind, names in lists.items() if names
    ]
    if problems:
        raise InputError(f"{what}: {'; '.join(problems)}")
