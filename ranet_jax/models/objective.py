"""What every training minimises, online learning too, and what it predicts meanwhile."""

from typing import Any

import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from ranet_jax.models.activation import choose_labels, find_probability
from ranet_jax.models.losses import dice_loss, segmentation_loss
from ranet_jax.models.ranet import RANet
from ranet_jax.models.ranking import pool_mask, split_labels
from ranet_jax.models.resnet import normalize_frame


def predict(
    model: RANet, params: Any, batch: dict[str, Array], slots: int, dtype: DTypeLike
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
    logits: Any = model.apply(variables, kernels, cells, frame, previous)
    return logits, cells.any(axis=-1)


def predict_labels(
    model: RANet, params: Any, batch: dict[str, Array], slots: int, dtype: DTypeLike
) -> Array:
    """What the network makes of training examples.

    Args:
        model: the network.
        params: its parameters.
        batch: as in `predict`.
        slots: likewise.
        dtype: likewise.

    Returns:
        Labels, uint8 [b, h, w]: 0 background, i for slot i.
    """
    logits, present = predict(model, params, batch, slots, dtype)
    probability = find_probability(logits, present, model.activation)
    return choose_labels(jnp.moveaxis(probability, 1, -1), model.activation)


def compute_loss(
    model: RANet,
    params: Any,
    batch: dict[str, Array],
    slots: int,
    dtype: DTypeLike,
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
