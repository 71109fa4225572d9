"""The training loss."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ranet_jax.models.losses import segmentation_loss


def draw(b=3, n=2, h=4, w=5):
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 3, (b, n, h, w))
    labels = generator.integers(0, n + 1, (b, h, w)).astype(np.uint8)
    return logits, labels


def test_equals_the_definition(float64):
    logits, labels = draw()
    present = np.array([[True, True], [True, False], [False, True]])
    found = segmentation_loss(jnp.asarray(logits), labels, present, "sigmoid")
    probability = 1 / (1 + np.exp(-logits))
    for sample in range(3):
        terms = []
        for slot in np.flatnonzero(present[sample]):
            p, target = probability[sample, slot], labels[sample] == slot + 1
            terms.append(-np.where(target, np.log(p), np.log(1 - p)).mean())
        np.testing.assert_allclose(found[sample], np.mean(terms), rtol=1e-12)


def test_softmax_equals_the_definition(float64):
    """An object that is in no slot in use counts as background."""
    logits, labels = draw()
    present = np.array([[True, True], [True, False], [False, True]])
    found = segmentation_loss(jnp.asarray(logits), labels, present, "softmax")
    for sample in range(3):
        slots = np.flatnonzero(present[sample])
        odds = {0: np.ones((4, 5))} | {i + 1: np.exp(logits[sample, i]) for i in slots}
        total = sum(odds.values())
        terms = [
            -np.log(odds.get(labels[sample, y, x], odds[0])[y, x] / total[y, x])
            for y in range(4)
            for x in range(5)
        ]
        np.testing.assert_allclose(found[sample], np.mean(terms), rtol=1e-12)


def test_softmax_of_one_object_is_binary_cross_entropy(float64):
    logits, labels = draw(n=1)
    present = np.ones((3, 1), bool)
    one, other = (
        segmentation_loss(jnp.asarray(logits), labels, present, activation)
        for activation in ("softmax", "sigmoid")
    )
    np.testing.assert_allclose(one, other, rtol=1e-12)


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_empty_slots_do_not_count(activation):
    logits, labels = draw(n=1)
    padded = jnp.asarray(np.concatenate([logits, np.full_like(logits, 50)], axis=1))
    present = np.array([[True, False]] * 3)
    one = segmentation_loss(jnp.asarray(logits), labels, np.ones((3, 1), bool), activation)
    two = segmentation_loss(padded, labels, present, activation)
    np.testing.assert_array_equal(one, two)
    gradient = jax.grad(lambda x: segmentation_loss(x, labels, present, activation).sum())(padded)
    assert np.isfinite(gradient).all()
    assert gradient[:, 0].all() and not gradient[:, 1].any()


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_extreme_logits_in_bfloat16_stay_finite(activation):
    logits = jnp.full((1, 1, 4, 4), 1e4, jnp.bfloat16)
    labels = np.zeros((1, 4, 4), np.uint8)
    loss = segmentation_loss(logits, labels, np.ones((1, 1), bool), activation)
    assert loss.dtype == jnp.float32
    assert np.isfinite(loss).all() and loss[0] > 9000
