"""From logits to probabilities to labels: the released rule, and the one of the paper's text."""

import jax
import jax.numpy as jnp
from jax import Array


def find_probability(logits: Array, present: Array, activation: str) -> Array:
    """Turns logits into each object's probability; `losses.segmentation_loss` is its cross-entropy.

    Args:
        logits: [..., n, h, w], float32 or wider.
        present: bool [..., n], the slots in use.
        activation: "sigmoid", each object by itself, as released; or "softmax" over all objects
            and a background of logit 0, as in the paper's text. For one object both are the same.

    Returns:
        0..1, [..., n, h, w]; 0 for empty slots. With "softmax" the rest to 1 is the background's.
    """
    if activation == "sigmoid":
        return jnp.where(present[..., None, None], jax.nn.sigmoid(logits), 0)
    return jax.nn.softmax(add_background(logits, present), axis=-3)[..., 1:, :, :]


def add_background(logits: Array, present: Array) -> Array:
    """Puts the background before the objects, for a softmax over all of them.

    Args:
        logits: [..., n, h, w].
        present: bool [..., n], the slots in use.

    Returns:
        [..., n + 1, h, w]: 0 for the background, -inf for empty slots, which so take no part.
    """
    objects = jnp.where(present[..., None, None], logits, -jnp.inf)
    return jnp.concatenate([jnp.zeros_like(logits[..., :1, :, :]), objects], axis=-3)


def choose_labels(probability: Array, activation: str) -> Array:
    """Turns probabilities into labels.

    Args:
        probability: each slot's, 0..1, [..., h, w, n].
        activation: as in `find_probability`.

    Returns:
        uint8 [..., h, w]: i where slot i is the most probable of all, the highest of several; 0
        unless it is over 0.5 ("sigmoid"), or over what the objects leave to the background
        ("softmax").
    """
    # argmax names the first of equals.
    winner = probability.shape[-1] - jnp.argmax(probability[..., ::-1], axis=-1)
    return keep_likely(winner, probability.max(axis=-1), probability.sum(axis=-1), activation)


def keep_likely(winner: Array, highest: Array, total: Array, activation: str) -> Array:
    """Leaves to the background what no object is likely enough to have.

    Args:
        winner: the most probable slot of each pixel, int [h, w], from 1.
        highest: its probability.
        total: of the probabilities of all objects.
        activation: as in `find_probability`.

    Returns:
        Labels, uint8 [h, w], as `choose_labels` says.
    """
    bar = 0.5 if activation == "sigmoid" else 1 - total
    return jnp.where(highest > bar, winner, 0).astype(jnp.uint8)
