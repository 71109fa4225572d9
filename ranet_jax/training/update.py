"""One training step: a pure function of (state, batch)."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import optax
from jax import Array

from ranet_jax.models.objective import compute_loss
from ranet_jax.models.ranet import RANet
from ranet_jax.protocol import PRECISIONS
from ranet_jax.training import parallel
from ranet_jax.training.optimizer import freeze_stages, make_optimizer, make_schedule
from ranet_jax.training.state import TrainState


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
                remembers=config.loss.remembers,
            )
        )
        if config.accumulate == 1:
            return compute(params, batch)
        parts = jax.tree.map(
            lambda x: x.reshape(config.accumulate, len(x) // config.accumulate, *x.shape[1:]),
            batch,
        )  # [accumulate, b, ...]

        def add_part(total: Any, part: dict[str, Array]) -> tuple[Any, None]:
            return jax.tree.map(jnp.add, total, compute(params, part)), None

        shapes = jax.eval_shape(compute, params, batch)
        nothing = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
        # On the CPU, XLA's convolutions crawl in a loop, so there is none, and no memory is saved.
        is_loop = jax.default_backend() != "cpu"
        total, _ = jax.lax.scan(add_part, nothing, parts, unroll=1 if is_loop else True)
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
