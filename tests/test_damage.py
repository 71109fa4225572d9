"""Previous masks for training: how far they are from the truth."""

from dataclasses import replace

import numpy as np
import pytest

from ranet_jax.data.damage import Damage, damage_labels
from ranet_jax.geometry.canvas import Canvas
from tests.coloured_masks import CANVAS, one_object, overlap, three_objects

NO_DAMAGE = Damage(
    spline=0, rotation=0, scaling=0, shift=0, growth=0, missing_probability=0, missing_size=0
)


def test_previous_masks_differ_but_overlap():
    mask = Canvas((300, 400), CANVAS).fit_labels(three_objects())
    overlaps = []
    for seed in range(40):
        damaged = damage_labels(mask, Damage(), np.random.default_rng(seed))
        assert set(np.unique(damaged)) == {0, 1, 2, 3}
        overlaps += [overlap(damaged == i, mask == i) for i in (1, 2, 3)]
    assert 0.65 < np.mean(overlaps) < 0.85
    assert min(overlaps) > 0.3 and max(overlaps) < 1
    assert np.std(overlaps) > 0.05


def test_kinds_of_damage():
    mask = Canvas((300, 400), CANVAS).fit_labels(one_object())
    area = np.count_nonzero(mask)

    def damage(seed, **numbers):
        return damage_labels(mask, replace(NO_DAMAGE, **numbers), np.random.default_rng(seed))

    np.testing.assert_array_equal(damage(0), mask)
    np.testing.assert_array_equal(
        damage_labels(mask, Damage(), np.random.default_rng(0), strength=0), mask
    )
    areas = [np.count_nonzero(damage(seed, growth=0.1)) / area for seed in range(20)]
    assert 0.4 < min(areas) < 0.8 and 1.2 < max(areas) < 1.8
    for seed in range(20):
        lacking = damage(seed, missing_probability=1, missing_size=0.3)
        assert not lacking[mask == 0].any()
        assert 0.4 * area < np.count_nonzero(lacking) < area
        shifted = damage(seed, shift=0.1)
        assert np.count_nonzero(shifted) == pytest.approx(area, rel=0.02)
        assert 0.6 < overlap(shifted != 0, mask != 0) < 1


def test_extra_pieces_are_beside_the_object_and_leave_it_whole():
    mask = Canvas((300, 400), CANVAS).fit_labels(one_object())
    area = np.count_nonzero(mask)
    extra = replace(NO_DAMAGE, extra_probability=1)
    areas = []
    for seed in range(20):
        more = damage_labels(mask, extra, np.random.default_rng(seed))
        assert (more[mask != 0] == 1).all()
        areas.append(np.count_nonzero(more) / area)
    assert 1.2 < np.mean(areas) < 2.2 and max(areas) > 1.5
    never = damage_labels(mask, extra, np.random.default_rng(0), strength=0)
    np.testing.assert_array_equal(never, mask)


def test_objects_are_lost_where_asked_for():
    mask = Canvas((300, 400), CANVAS).fit_labels(three_objects())
    losing = replace(NO_DAMAGE, lost_probability=0.3)
    shown = [
        identifier in damage_labels(mask, losing, np.random.default_rng(seed))
        for seed in range(60)
        for identifier in (1, 2, 3)
    ]
    assert 0.6 < np.mean(shown) < 0.8
    never = damage_labels(mask, losing, np.random.default_rng(0), strength=0)
    np.testing.assert_array_equal(never, mask)


def test_tiny_objects_survive_damage():
    mask = np.zeros(CANVAS, np.uint8)
    mask[200, 300] = 1
    mask[479, 863] = 2
    strong = Damage(missing_probability=1, missing_size=3, growth=2, extra_probability=1)
    for seed in range(20):
        assert set(np.unique(damage_labels(mask, strong, np.random.default_rng(seed)))) == {0, 1, 2}


@pytest.mark.parametrize("island", [1, 2])
def test_either_of_two_objects_may_be_in_front(island):
    mask = np.zeros(CANVAS, np.uint8)
    mask[100:300, 200:400] = 3 - island
    mask[195:205, 295:305] = island
    growing = replace(NO_DAMAGE, growth=0.1)
    swallowed = [
        island not in damage_labels(mask, growing, np.random.default_rng(seed))
        for seed in range(20)
    ]
    assert 0 < sum(swallowed) < 10
