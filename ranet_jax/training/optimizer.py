"""How parameters move: the learning rate by step, Adam, and which parts stay or move less."""

from typing import Any

import jax
import ml_collections
import optax
from jax import Array

from ranet_jax.errors import InputError


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
