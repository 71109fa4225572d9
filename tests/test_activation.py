"""The softmax of the paper's text beside the released sigmoids."""

import jax.numpy as jnp
import numpy as np
import pytest

from ranet_jax.models.activation import choose_labels, find_probability

LOGITS = np.array([[2.0, -1.0, 0.0], [1.9, -3.0, 5.0]])[:, None]  # [2, 1, 3]


def test_softmax_is_over_objects_and_background(float64):
    found = np.asarray(find_probability(jnp.asarray(LOGITS), np.array([True, True]), "softmax"))
    background = 1 / (1 + np.exp(LOGITS).sum(axis=0))
    np.testing.assert_allclose(found.sum(axis=0) + background, 1, atol=1e-15)
    np.testing.assert_allclose(found, np.exp(LOGITS) * background, rtol=1e-14)
    apart = np.asarray(find_probability(jnp.asarray(LOGITS), np.array([True, True]), "sigmoid"))
    np.testing.assert_allclose(apart, 1 / (1 + np.exp(-LOGITS)), rtol=1e-14)
    assert apart[:, 0, 0].sum() > 1


def test_softmax_of_one_object_is_the_sigmoid(float64):
    logits = jnp.asarray(np.random.default_rng(0).normal(0, 5, (2, 8, 9)))
    present = np.array([True, False])  # the empty slot takes no part
    one, apart = (find_probability(logits, present, name) for name in ("softmax", "sigmoid"))
    np.testing.assert_allclose(one, apart, rtol=1e-14)
    assert not one[1].any()
    labels = [
        choose_labels(jnp.moveaxis(p, 0, -1), name)
        for p, name in ((one, "softmax"), (apart, "sigmoid"))
    ]
    np.testing.assert_array_equal(*labels)


@pytest.mark.parametrize(
    ("probabilities", "softmax", "sigmoid"),
    [
        ([0.4, 0.35], 1, 0),  # more than the background's 0.25, and less than 0.5
        ([0.3, 0.3], 0, 0),
        ([0.4, 0.4], 2, 0),
        ([0.2, 0.7], 2, 2),
        ([0.5, 0.0], 0, 0),
    ],
)
def test_softmax_gives_the_label_of_the_largest(probabilities, softmax, sigmoid):
    probability = jnp.asarray(probabilities)[None, None]
    assert choose_labels(probability, "softmax").tolist() == [[softmax]]
    assert choose_labels(probability, "sigmoid").tolist() == [[sigmoid]]
