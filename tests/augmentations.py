"""Augmentations of the tests of training examples, and what compares their results."""

import numpy as np

from ranet_jax.data.augmentation import Augmentation
from ranet_jax.data.damage import Damage

NO_DAMAGE = Damage(
    spline=0, rotation=0, scaling=0, shift=0, growth=0, missing_probability=0, missing_size=0
)
PLAIN = Augmentation(
    spline=0,
    rotation=0,
    scaling=0,
    shift=0,
    flip=0,
    colour=0,
    colour_apart=0,
    damage=NO_DAMAGE,
    box_jitter=0,
)
VIDEO = Augmentation(
    spline=0.0,
    rotation=5.0,
    scaling=0.1,
    shift=0.05,
    damage=Damage(
        spline=0.03, rotation=3.0, scaling=0.03, shift=0.03, growth=0.03, missing_probability=0.2
    ),
)
GEOMETRY = Augmentation(colour=0, colour_apart=0)


def assert_equal(a, b):
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)
