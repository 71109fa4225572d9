"""What a run carries from step to step: started, or read from its newest checkpoint."""

from pathlib import Path
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from jax import Array

from ranet_jax.errors import InputError
from ranet_jax.models.ranet import RANet, init_params
from ranet_jax.training.optimizer import make_optimizer
from ranet_jax.training.same_run import check_same_data, check_same_labels, check_same_run
from ranet_jax.weights.checkpoint import RUN_FOLDER, load_network
from ranet_jax.weights.network import check_params
from ranet_jax.weights.storage import RunCheckpoints


@flax.struct.dataclass
class TrainState:
    """All that a run carries from step to step.

    Attributes:
        step: how many updates were made, int32.
        params: float32.
        ema_params: exponential moving average of the parameters, for evaluation.
        optimizer: state of Adam.
    """

    step: Array
    params: Any
    ema_params: Any
    optimizer: Any


def check_init(config: ml_collections.ConfigDict, work: Path) -> None:
    """Refuses an `init_from` that is missing, unless the run has begun and needs it no more."""
    if not config.init_from or (work / RUN_FOLDER).is_dir():
        return
    if not Path(config.init_from).exists():
        raise InputError(
            f"init_from {config.init_from} does not exist; the recipe says what makes it"
        )


def start_state(model: RANet, config: ml_collections.ConfigDict) -> TrainState:
    """The state before the first step: from `init_from`, or drawn.

    Of an imported encoder, and of a network that has another width after the ResNet, the ResNet
    alone is taken. An ablation of the selection may start from a network that ranks: then what
    takes the maps is drawn. Where another number of maps is kept, what takes them is stretched to
    it.

    Args:
        model: the network.
        config: the recipe.

    Returns:
        The state.

    Raises:
        InputError: `init_from` does not exist, or is of another model.
    """
    params = init_params(model, config.seed)
    if config.init_from:
        path = Path(config.init_from)
        network = load_network(path, encoder_suffices=True)
        if network.encoder_alone or network.model.head_width != model.head_width:
            what = (
                "is an encoder alone"
                if network.encoder_alone
                else f"has a head_width of {network.model.head_width} and this model "
                f"{model.head_width}"
            )
            print(f"init_from {path} {what}: its ResNet is taken, all the rest is drawn")
            resnet = network.params["encoder"]["resnet"]
            params = params | {"encoder": params["encoder"] | {"resnet": resnet}}
        elif network.model.selection == "ranking" != model.selection:
            print(
                f"init_from {path} ranks maps, and this model has selection {model.selection!r}: "
                "the first convolution of the merge is drawn anew, the ranking network left out"
            )
            params = replace_entry(network.params, params)
        else:
            params = network.params
            if model.selection == "ranking" and network.model.top_k != model.top_k:
                print(
                    f"init_from {path} keeps {network.model.top_k} maps a stream and this model "
                    f"{model.top_k}: what takes them is stretched"
                )
                params = stretch_entry(params, model.top_k)
        check_params(params, model, f"init_from {path}")
    params = jax.tree.map(jnp.asarray, params)

    @jax.jit  # one program; leaf after leaf, each shape would be compiled by itself
    def start(params: Any) -> tuple[Any, Any]:
        return jax.tree.map(jnp.copy, params), make_optimizer(config).init(params)

    return TrainState(jnp.int32(0), params, *start(params))


def replace_entry(params: Any, drawn: Any) -> Any:
    """Makes parameters of a network that ranks into those of an ablation of the selection.

    Args:
        params: of the network that ranks.
        drawn: of the ablation.

    Returns:
        The ablation's: all of `params` but the ranking network, and but the first convolution of
        the merge, which is the drawn one, because it takes other channels.
    """
    decoder = params["decoder"]
    merge = decoder["merge"] | {"conv1": drawn["decoder"]["merge"]["conv1"]}
    return {"encoder": params["encoder"], "decoder": decoder | {"merge": merge}}


def stretch_entry(params: Any, top_k: int) -> Any:
    """Makes parameters of a network that ranks into those of one that keeps another number of maps.

    With kernels of smaller cells an object has more of them, and a map's place in the ranking is
    farther down by as much: its weights move there with it.

    Args:
        params: of a network that ranks.
        top_k: how many maps each stream keeps.

    Returns:
        The same, but for the first convolution of the merge: what the old one had for a rank, it
        has for all ranks that take its place, in equal shares; where fewer are kept, the sum of
        those that one takes the place of.
    """
    decoder = params["decoder"]
    conv1 = decoder["merge"]["conv1"]
    kernel = np.asarray(conv1["conv"]["kernel"])  # [3, 3, maps, out]
    count = kernel.shape[2]
    if top_k < count:
        stretched = np.add.reduceat(kernel, np.arange(top_k) * count // top_k, axis=2)
    else:
        ranks = np.arange(top_k) * count // top_k
        stretched = kernel[:, :, ranks] / np.bincount(ranks)[ranks, None].astype(kernel.dtype)
    merge = decoder["merge"] | {"conv1": conv1 | {"conv": conv1["conv"] | {"kernel": stretched}}}
    return params | {"decoder": decoder | {"merge": merge}}


def open_state(
    checkpoints: RunCheckpoints,
    model: RANet,
    config: ml_collections.ConfigDict,
    work: Path,
    data: dict[str, str],
) -> TrainState:
    """The state to go on from: the newest checkpoint's, or that before the first step.

    Args:
        checkpoints: of the run.
        model: the network.
        config: the recipe, which must be that of the run.
        work: folder of the run, for the error.
        data: what identifies each training set, which must be those of the run.

    Returns:
        The state.

    Raises:
        InputError: as `check_same_labels`, `check_same_run`, `check_same_data` or `start_state`.
    """
    description = checkpoints.read_description()
    if description is None:
        return start_state(model, config)
    check_same_labels(description.get("protocol"), work)
    check_same_run(config, description["config"], work)
    check_same_data(data, description.get("data", {}), work)
    # `init_from` served the first start alone, and may be gone by now.
    drawn = ml_collections.ConfigDict(config).copy_and_resolve_references()
    drawn.init_from = ""
    state = checkpoints.restore(jax.eval_shape(lambda: start_state(model, drawn)))
    return jax.tree.map(jnp.asarray, state)
