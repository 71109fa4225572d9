"""The training loss."""

import jax
import jax.numpy as jnp
import optax
from jax import Array

from ranet_jax.models.activation import add_background
from ranet_jax.models.layers import widen
from ranet_jax.models.ranking import split_labels


def segmentation_loss(logits: Array, labels: Array, present: Array, decision: str) -> Array:
    """Cross-entropy of what `decision.find_probability` gives, from logits.

    With "sigmoid" the mean over objects of each one's binary cross-entropy; with "softmax" one term
    a pixel. Both are the same for one object. Every sample counts the same however many objects it
    has, so a batch may be cut over devices anywhere without changing the mean.

    Args:
        logits: [b, n, h, w], any floating dtype; the loss is computed in float32 or wider.
        labels: uint8 [b, h, w], 0 background, i for slot i.
        present: bool [b, n], the slots in use; others do not count.
        decision: "sigmoid" or "softmax", the network's.

    Returns:
        Nats a pixel and object, or a pixel, [b].
    """
    logits = widen(logits)
    targets = split_labels(labels, logits.shape[1], logits.dtype)
    if decision == "softmax":
        everything = jax.nn.logsumexp(add_background(logits, present), axis=1)  # [b, h, w]
        # 0, the background's logit, also on an object that is in no slot in use.
        true = jnp.where(present[..., None, None], logits * targets, 0).sum(axis=1)
        return (everything - true).mean(axis=(1, 2))
    losses = optax.sigmoid_binary_cross_entropy(logits, targets).mean(axis=(2, 3))  # [b, n]
    return jnp.where(present, losses, 0).sum(axis=1) / jnp.maximum(present.sum(axis=1), 1)
