"""The training losses, one function each; `objective.py` adds them up."""

import jax
import jax.numpy as jnp
import optax
from jax import Array

from ranet_jax.models.activation import add_background, find_probability
from ranet_jax.models.layers import widen
from ranet_jax.models.template import split_labels


def segmentation_loss(logits: Array, labels: Array, present: Array, activation: str) -> Array:
    """Cross-entropy of what `activation.find_probability` gives, from logits.

    With "sigmoid" the mean over objects of each one's binary cross-entropy; with "softmax" one term
    a pixel. Both are the same for one object. Every sample counts the same however many objects it
    has, so a batch may be cut over devices anywhere without changing the mean.

    Args:
        logits: [b, n, h, w], any floating dtype; the loss is computed in float32 or wider.
        labels: uint8 [b, h, w], 0 background, i for slot i.
        present: bool [b, n], the slots in use; others do not count.
        activation: "sigmoid" or "softmax", the network's.

    Returns:
        Nats a pixel and object, or a pixel, [b].
    """
    logits = widen(logits)
    targets = split_labels(labels, logits.shape[1], logits.dtype)
    if activation == "softmax":
        everything = jax.nn.logsumexp(add_background(logits, present), axis=1)  # [b, h, w]
        # 0, the background's logit, also on an object that is in no slot in use.
        true = jnp.where(present[..., None, None], logits * targets, 0).sum(axis=1)
        return (everything - true).mean(axis=(1, 2))
    losses = optax.sigmoid_binary_cross_entropy(logits, targets).mean(axis=(2, 3))  # [b, n]
    return jnp.where(present, losses, 0).sum(axis=1) / jnp.maximum(present.sum(axis=1), 1)


def dice_loss(logits: Array, labels: Array, present: Array, activation: str) -> Array:
    """One minus the overlap of prediction and truth, softly counted, as Dice has it.

    The cross-entropy of a pixel counts the same in a large object and in a small one; this loss
    counts each object once, nearer to what J measures. Not in the paper.

    Args:
        logits: as in `segmentation_loss`.
        labels: likewise.
        present: likewise.
        activation: likewise.

    Returns:
        0..1, the mean over the objects of each sample, [b].
    """
    probability = find_probability(widen(logits), present, activation)
    targets = split_labels(labels, logits.shape[1], probability.dtype)
    both = (probability * targets).sum(axis=(2, 3))
    either = probability.sum(axis=(2, 3)) + targets.sum(axis=(2, 3))
    losses = 1 - (2 * both + 1) / (either + 1)  # [b, n]; the ones let nothing equal nothing
    return jnp.where(present, losses, 0).sum(axis=1) / jnp.maximum(present.sum(axis=1), 1)
