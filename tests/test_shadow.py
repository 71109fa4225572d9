"""Shadows and reflections: background, dark, and where an object stands."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from ranet_jax.data.augmentation import Augmentation
from ranet_jax.data.damage import Damage
from ranet_jax.data.pipeline import StaticDraw
from ranet_jax.data.shadow import draw_shadow
from tests.coloured_masks import mask_of


@pytest.fixture
def standing():
    """A red object on light ground."""
    mask = (mask_of((240, 320), (0.4, 0.5, 0.3, 0.2, 0)) != 0).astype(np.uint8)
    image = np.full((240, 320, 3), 200, np.uint8)
    image[mask != 0] = 255, 40, 40
    return image, mask


def test_shadows_touch_no_object_and_darken_the_ground(standing):
    image, mask = standing
    below = np.arange(240)[:, None] > np.flatnonzero(mask.any(1)).max()
    coloured = darkened = 0
    for seed in range(40):
        found, place = draw_shadow(image, mask, 1, np.random.default_rng(seed))
        assert found.dtype == np.uint8
        assert place.any()
        assert not mask[place].any()
        assert (found != image).any(-1)[place].mean() > 0.9
        np.testing.assert_array_equal(found[mask != 0], image[mask != 0])
        changed = (found != image).any(-1)
        assert changed.sum() > 0.02 * np.count_nonzero(mask)
        assert (found[changed].mean(-1) <= 200).all()
        # It is next to the object, not somewhere else.
        near = cv2.distanceTransform((mask == 0).astype(np.uint8), cv2.DIST_L2, 3)
        assert near[changed].min() < 10
        darkened += bool((found[changed & below].mean(-1) < 150).any())
        red = found[..., 0].astype(int) - found[..., 1]
        coloured += bool((red[changed] > 40).any())
    assert darkened > 20, "most shadows and reflections fall to the front"
    assert 10 < coloured < 30, "half of them are reflections, which keep the object's colour"


def test_another_object_is_not_covered(standing):
    image, mask = standing
    mask = mask.copy()
    mask[170:230, 60:260] = 2
    for seed in range(20):
        found, place = draw_shadow(image, mask, 1, np.random.default_rng(seed))
        assert not (mask == 2)[place].any()
        np.testing.assert_array_equal(found[mask == 2], image[mask == 2])


def test_equal_states_give_equal_shadows(standing):
    first, second = (draw_shadow(*standing, 1, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_loader_draws_them_where_asked_for(standing, share):
    image, mask = standing
    seen = []
    source = [(image, mask, "standing")]
    still = dict(spline=0, rotation=0, scaling=0, shift=0, flip=0, colour=0, colour_apart=0)
    for shadows in (0.0, share):
        draw = StaticDraw(source, Augmentation(canvas=(240, 320), shadows=shadows, **still))
        seen.append(draw(0, np.random.default_rng(5)))
    without, found = seen
    np.testing.assert_array_equal(found.template_labels, without.template_labels)
    assert np.array_equal(found.template, without.template) == (share == 0)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_previous_masks_take_them_in_where_asked_for(standing, share):
    image, mask = standing
    still = dict(spline=0, rotation=0, scaling=0, shift=0, flip=0, colour=0, colour_apart=0)
    unharmed = Damage(0, 0, 0, 0, 0, 0, 0)
    numbers = Augmentation((240, 320), **still, damage=unharmed, box_jitter=0, shadows=1)
    draw = StaticDraw([(image, mask, "standing")], replace(numbers, shadows_taken_in=share))
    larger = 0
    for seed in range(20):
        example = draw(0, np.random.default_rng(seed))
        # What is asked for stays the object alone: it is red, but where pixels on its rim mix.
        assert (example.frame[example.labels != 0] == (255, 40, 40)).all(-1).mean() > 0.9
        taken = (example.previous != 0) & (example.labels == 0)
        assert (example.previous != 0)[example.labels != 0].mean() > 0.98
        larger += np.count_nonzero(taken) > 0.02 * np.count_nonzero(example.labels)
    assert larger == 20 * share
