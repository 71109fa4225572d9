"""Networks on disk, with orbax."""

import dataclasses
import logging
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from orbax.checkpoint import v1 as ocp

from ranet_jax.errors import InputError
from ranet_jax.files import check_destination
from ranet_jax.models.ranet import RANet, abstract_params
from ranet_jax.models.ranking import CELL
from ranet_jax.protocol import RELEASED, Protocol

# orbax reports what it cannot read in warnings of many lines; here the error says it in one.
for _name in ("absl", "asyncio"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)

RUN_FOLDER = "checkpoints"
"""Where a training run keeps its checkpoints, below its work folder."""

OLD_FIELDS = {"kept": "top_k", "rule": "ranking_rule", "decision": "activation"}
"""What fields of a network, as described in checkpoints of earlier versions, are called now."""

AVERAGES = ("ema_params", "average")
"""What the averaged weights are called in a training run's checkpoint, and in an earlier one's."""


class Network(NamedTuple):
    """A network with its parameters.

    Attributes:
        model: the network.
        params: its parameters, float32.
        unused: tensors of an imported released file that the network does not use, by their PyTorch
            name; kept so that an export gives back what was imported.
        protocol: what is done around it.
    """

    model: RANet
    params: Any
    unused: dict[str, Any]
    protocol: Protocol = RELEASED


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
    return {"model": describe_model(network.model), "protocol": protocol}


def build_model(description: dict[str, Any]) -> RANet:
    """The network of a description by `describe_model`, of this or an earlier version."""
    fields = {
        OLD_FIELDS.get(key, key): tuple(value) if isinstance(value, list) else value
        for key, value in description.items()
    }
    # Once all widths followed that of the stem.
    fields.setdefault("head_width", fields["width"])
    return RANet(**fields)


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
    ocp.save(path.resolve(), tree, custom_metadata=describe_network(network))


def build_protocol(description: dict[str, Any]) -> Protocol:
    """The protocol of a description by `describe_network`; the released one where it has none."""
    fields = description.get("protocol", {})
    canvas = fields.get("frame_canvas")
    return Protocol(**fields | {"frame_canvas": canvas and tuple(canvas)})


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
    h, w = canvas
    if min(canvas) < 2 * CELL or h % CELL or w % CELL:
        raise InputError(f"canvas {h}x{w}: give multiples of {CELL} from {2 * CELL} on")
    if model.is_tied_to_canvas:
        own = "x".join(map(str, model.canvas))
        raise InputError(f"{what} has weights that are tied to the canvas {own}; leave it out")
    return model.clone(canvas=canvas)


def load_network(path: Path, canvas: tuple[int, int] | None = None) -> Network:
    """Reads a network.

    Args:
        path: a folder written by `save_network`; or the work folder of a training run, or one of
            the checkpoints in it, whose averaged weights are read (the newest checkpoint's).
        canvas: to put it on, see `change_canvas`.

    Returns:
        The network.

    Raises:
        InputError: there is no such folder, it is no checkpoint or a half-written one, or its
            tensors are not those of the network it says it holds; all of these are named.
    """
    if not path.exists():
        raise InputError(
            f"checkpoint {path} does not exist; make one with python -m ranet_jax.convert"
        )
    try:
        if (path / RUN_FOLDER).is_dir():
            path = _find_newest(path / RUN_FOLDER)
        metadata = ocp.metadata(path.resolve())
        model = build_model(metadata.custom_metadata["model"])
        protocol = build_protocol(metadata.custom_metadata)
        stored = metadata.metadata
        name = next((name for name in AVERAGES if name in stored), "params")
        stored_params = stored[name]
    except InputError:
        raise
    except Exception as error:  # orbax raises many kinds, and each means the same to the user
        raise _describe_damage(path, error) from None
    check_params(stored_params, model, f"checkpoint {path}")
    model = change_canvas(model, canvas, f"checkpoint {path}")
    try:
        # As NumPy arrays, whatever device they were saved from.
        wanted = {key: _make_abstract(stored[key], key in (name, "unused")) for key in stored}
        tree = ocp.load(path.resolve(), wanted)
    except Exception as error:
        raise _describe_damage(path, error) from None
    return Network(model, tree[name], tree.get("unused", {}), protocol)


def _make_abstract(tree: Any, wanted: bool) -> Any:
    """What tells orbax to read a tree as NumPy arrays, or to leave it where it is."""
    return jax.tree.map(lambda x: np.empty(x.shape, x.dtype) if wanted else ocp.PLACEHOLDER, tree)


def _find_newest(folder: Path) -> Path:
    """The newest complete checkpoint of a run."""
    with ocp.training.Checkpointer(folder.resolve()) as checkpointer:
        if checkpointer.latest is None:
            raise InputError(f"{folder} holds no complete checkpoint yet")
        return folder / str(checkpointer.latest.step)


def _describe_damage(path: Path, error: Exception) -> InputError:
    """What to say of a checkpoint that orbax cannot read."""
    return InputError(
        f"checkpoint {path} is half written or not of ranet_jax ({_first_line(error)}); "
        "write it again"
    )


def _first_line(error: Exception) -> str:
    """The first line of what an error says, or its kind."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


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


class RunCheckpoints:
    """The checkpoints of a training run: written beside the training, kept by age and by score.

    A checkpoint gets its name when it is complete. Whenever a run is killed, the newest one is
    whole.
    """

    def __init__(self, work: Path, description: dict[str, Any], keep: int, keep_best: int) -> None:
        """Opens or starts the checkpoints of a run.

        Args:
            work: folder of the run.
            description: JSON kept with every checkpoint: `model` and `config`.
            keep: how many of the newest to keep.
            keep_best: how many of those with the highest score to keep as well.
        """
        policies = ocp.training.preservation_policies
        self._folder = work / RUN_FOLDER
        self._description = description
        self._checkpointer = ocp.training.Checkpointer(
            self._folder.resolve(),
            # Whether to save is decided by the training loop alone.
            save_decision_policy=ocp.training.save_decision_policies.FixedIntervalPolicy(1),
            preservation_policy=policies.AnyPreservationPolicy(
                [
                    policies.LatestN(keep),
                    policies.BestN(
                        get_metric_fn=lambda metrics: metrics["score"],
                        n=keep_best,
                        keep_checkpoints_without_metrics=False,
                    ),
                ]
            ),
            cleanup_tmp_directories=True,
        )

    def save(self, step: int, state: Any, score: float | None) -> None:
        """Starts to write a checkpoint; waits for the one before, not for this one."""
        metrics = None if score is None else {"score": score}
        self._checkpointer.save_async(
            step, state, metrics=metrics, custom_metadata=self._description
        )

    def read_description(self) -> dict[str, Any] | None:
        """The description kept with the newest checkpoint; None where there is none yet."""
        latest = self._checkpointer.latest
        return None if latest is None else self._checkpointer.metadata(latest.step).custom_metadata

    def restore(self, state: Any) -> Any:
        """Reads the newest checkpoint.

        Args:
            state: a tree of the shapes and dtypes to read.

        Returns:
            The state as NumPy arrays.

        Raises:
            InputError: the checkpoint is damaged.
        """
        step = self._checkpointer.latest.step
        abstract = jax.tree.map(lambda x: np.empty(x.shape, x.dtype), state)
        try:
            return self._checkpointer.load(step, abstract)
        except Exception as error:  # as in load_network
            raise InputError(
                f"checkpoint {self._folder / str(step)} is damaged ({_first_line(error)}); delete "
                "it to go on from the one before"
            ) from None

    def __enter__(self) -> "RunCheckpoints":
        return self

    def __exit__(self, *_: object) -> None:
        """Waits until everything is written, also when the run ends with an error."""
        self._checkpointer.close()
