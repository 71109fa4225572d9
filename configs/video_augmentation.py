"""The augmentation of videos, stage 2's: where every recipe that has any begins."""

import ml_collections


def soften(augmentation: ml_collections.ConfigDict) -> None:
    """Lightens the augmentation: a video brings its own motion, and its previous mask is late."""
    augmentation.spline = 0.0
    augmentation.rotation = 5.0
    augmentation.scaling = 0.1
    augmentation.shift = 0.05
    augmentation.damage.spline = 0.03
    augmentation.damage.rotation = 3.0
    augmentation.damage.scaling = 0.03
    augmentation.damage.shift = 0.03
    augmentation.damage.growth = 0.03
    augmentation.damage.missing_probability = 0.2
    augmentation.cover = False
