"""The training loss."""

import jax.numpy as jnp
import optax
from jax import Array

from ranet_jax.models.layers import widen
from ranet_jax.models.ranking import split_labels


def segmentation_loss(logits: Array, labels: Array, present: Array) -> Array:
    """Binary cross-entropy of each object's probability, from logits.

    Every sample counts the same however many objects it has, so a batch may be cut over devices
    anywhere without changing the mean.

    Args:
        logits: [b, n, h, w], any floating dtype; the loss is computed in float32 or wider.
        labels: uint8 [b, h, w], 0 background, i for slot i.
        present: bool [b, n], the slots in use; others do not count.

    Returns:
        Nats a pixel and object, [b].
    """
    logits = widen(logits)
    targets = split_labels(labels, logits.shape[1], logits.dtype)
    losses = optax.sigmoid_binary_cross_entropy(logits, targets).mean(axis=(2, 3))  # [b, n]
    return jnp.where(present, losses, 0).sum(axis=1) / jnp.maximum(present.sum(axis=1), 1)
