"""The training loss."""

import jax.numpy as jnp
import numpy as np

from ranet_jax.losses import segmentation_loss


def draw(b=3, n=2, h=4, w=5):
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 3, (b, n, h, w))
    labels = generator.integers(0, n + 1, (b, h, w)).astype(np.uint8)
    return logits, labels


def test_equals_the_definition(float64):
    logits, labels = draw()
    present = np.array([[True, True], [True, False], [False, True]])
    found = segmentation_loss(jnp.asarray(logits), labels, present)
    probability = 1 / (1 + np.exp(-logits))
    for sample in range(3):
        terms = []
        for slot in np.flatnonzero(present[sample]):
            p, target = probability[sample, slot], labels[sample] == slot + 1
            terms.append(-np.where(target, np.log(p), np.log(1 - p)).mean())
        np.testing.assert_allclose(found[sample], np.mean(terms), rtol=1e-12)


def test_empty_slots_do_not_count():
    logits, labels = draw(n=1)
    padded = np.concatenate([logits, np.full_like(logits, 50)], axis=1)
    one = segmentation_loss(jnp.asarray(logits), labels, np.ones((3, 1), bool))
    two = segmentation_loss(jnp.asarray(padded), labels, np.array([[True, False]] * 3))
    np.testing.assert_array_equal(one, two)


def test_extreme_logits_in_bfloat16_stay_finite():
    logits = jnp.full((1, 1, 4, 4), 1e4, jnp.bfloat16)
    loss = segmentation_loss(logits, np.zeros((1, 4, 4), np.uint8), np.ones((1, 1), bool))
    assert loss.dtype == jnp.float32
    assert np.isfinite(loss).all() and loss[0] > 9000
