"""One training step: a pure function of (state, batch)."""

from collections.abc import Callable
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import ml_collections
import optax
from jax import Array

from ranet_jax.errors import InputError
from ranet_jax.models.losses import dice_loss, segmentation_loss
from ranet_jax.models.ranet import RANet
from ranet_jax.models.ranking import pool_mask, split_labels
from ranet_jax.models.resnet import normalize_frame
from ranet_jax.protocol import PRECISIONS
from ranet_jax.training import parallel


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


def make_schedule(config: ml_collections.ConfigDict) -> optax.Schedule:
    """Learning rate by step: linear warm-up, then a cosine down to zero."""
    optimizer = config.optimizer
    if optimizer.warmup >= config.steps:
        raise InputError(
            f"optimizer.warmup {optimizer.warmup} must be below steps {config.steps}; "
            "set a shorter one with --config.optimizer.warmup"
        )
    return optax.warmup_cosine_decay_schedule(
        0.0, optimizer.learning_rate, optimizer.warmup, config.steps
    )


def make_optimizer(config: ml_collections.ConfigDict) -> optax.GradientTransformation:
    """Adam behind clipping by the global norm, with a factor of its own for the ResNet."""
    optimizer = config.optimizer

    def is_backbone(params: Any) -> Any:
        return jax.tree_util.tree_map_with_path(
            lambda path, _: [key.key for key in path[:2]] == ["encoder", "resnet"], params
        )

    return optax.chain(
        optax.clip_by_global_norm(optimizer.clip_norm),
        optax.scale_by_adam(),
        optax.masked(optax.scale(optimizer.backbone_factor), is_backbone),
        optax.scale_by_learning_rate(make_schedule(config)),
    )


def predict(
    model: RANet, params: Any, batch: dict[str, Array], slots: int, dtype: jnp.dtype
) -> tuple[Array, Array]:
    """Runs template and current frame of training examples.

    Args:
        model: the network.
        params: its parameters.
        batch: the fields of `Example`, uint8, [b, ...].
        slots: room for objects.
        dtype: of the computation.

    Returns:
        Logits [b, slots, h, w], and which slots are in use, bool [b, slots].
    """
    wide = jnp.promote_types(dtype, jnp.float32)
    variables = {"params": params}
    kernels = model.apply(variables, normalize_frame(batch["template"], dtype), method="template")
    cells = pool_mask(split_labels(batch["template_labels"], slots, wide))
    previous = split_labels(batch["previous"], slots, wide)
    frame = normalize_frame(batch["frame"], dtype)
    return model.apply(variables, kernels, cells, frame, previous), cells.any(axis=-1)


def compute_loss(
    model: RANet,
    params: Any,
    batch: dict[str, Array],
    slots: int,
    dtype: jnp.dtype,
    dice_weight: float = 0.0,
) -> Array:
    """The mean loss of training examples, what every training and online learning minimises.

    The arguments are those of `predict`, and:

    Args:
        model: the network.
        params: its parameters.
        batch: as in `predict`.
        slots: likewise.
        dtype: likewise.
        dice_weight: how much `dice_loss` counts beside the cross-entropy; 0 as in the paper.

    Returns:
        A scalar, float32 or wider; see `segmentation_loss`.
    """
    logits, present = predict(model, params, batch, slots, dtype)
    loss = segmentation_loss(logits, batch["labels"], present, model.activation)
    if dice_weight:
        loss += dice_weight * dice_loss(logits, batch["labels"], present, model.activation)
    return loss.mean()


def freeze_stages(params: Any, count: int) -> Any:
    """Lets no gradient into the first stages of the ResNet, which then cost no backward pass.

    Args:
        params: of a network.
        count: how many stages, the stem counting as part of the first; 0 for none.

    Returns:
        The same parameters.
    """
    frozen = [f"stage{stage}_" for stage in range(1, count + 1)]
    names = ("conv1", "norm1", *frozen) if count else ()

    def freeze(path: tuple, leaf: Array) -> Array:
        keys = [key.key for key in path[:3]]
        is_frozen = keys[:2] == ["encoder", "resnet"] and keys[2].startswith(names)
        return jax.lax.stop_gradient(leaf) if is_frozen else leaf

    return jax.tree_util.tree_map_with_path(freeze, params) if count else params


def make_update(
    model: RANet, config: ml_collections.ConfigDict
) -> Callable[[TrainState, dict[str, Array]], tuple[TrainState, dict[str, Array]]]:
    """Builds one training step, as each device runs it on its part of the batch.

    Args:
        model: the network.
        config: the recipe.

    Returns:
        `update(state, batch) -> (state, metrics)`. Gradients are averaged over accumulated parts
        and over devices, so their number does not change the result.
    """
    optimizer, schedule = make_optimizer(config), make_schedule(config)
    slots, dtype = config.model.slots, PRECISIONS[config.precision]

    def compute_gradients(params: Any, batch: dict[str, Array]) -> tuple[Array, Any]:
        compute = jax.value_and_grad(
            lambda params, part: compute_loss(
                model,
                freeze_stages(params, config.optimizer.frozen_stages),
                part,
                slots,
                dtype,
                config.loss.dice,
            )
        )
        if config.accumulate == 1:  # without a loop, in which XLA's convolutions on the CPU crawl
            return compute(params, batch)
        parts = jax.tree.map(
            lambda x: x.reshape(config.accumulate, -1, *x.shape[1:]), batch
        )  # [accumulate, b, ...]

        def add_part(total: Any, part: dict[str, Array]) -> tuple[Any, None]:
            return jax.tree.map(jnp.add, total, compute(params, part)), None

        shapes = jax.eval_shape(compute, params, batch)
        nothing = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
        total, _ = jax.lax.scan(add_part, nothing, parts)
        return jax.tree.map(lambda x: x / config.accumulate, total)

    def update(state: TrainState, batch: dict[str, Array]) -> tuple[TrainState, dict[str, Array]]:
        loss, gradients = parallel.mean_over_devices(compute_gradients(state.params, batch))
        updates, optimizer_state = optimizer.update(gradients, state.optimizer, state.params)
        params = optax.apply_updates(state.params, updates)
        # Early on the average forgets fast, or it would be the initial weights for long.
        decay = jnp.minimum(config.optimizer.ema_decay, (1 + state.step) / (10 + state.step))
        averaged = optax.incremental_update(params, state.ema_params, 1 - decay)
        averaged = jax.tree.map(lambda x, like: x.astype(like.dtype), averaged, state.ema_params)
        metrics = {
            "loss": loss,
            "gradient_norm": optax.tree.norm(gradients),
            "learning_rate": jnp.asarray(schedule(state.step)),
        }
        return TrainState(state.step + 1, params, averaged, optimizer_state), metrics

    return update
