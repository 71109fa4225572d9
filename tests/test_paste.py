"""Several objects in one image: their ids, pixels, sizes and places."""

import cv2
import numpy as np
import pytest

from ranet_jax.data.augmentation import Augmentation
from ranet_jax.data.damage import Damage
from ranet_jax.data.pairs import make_static_example
from ranet_jax.data.paste import paste_objects, paste_tracks
from ranet_jax.data.pipeline import StaticDraw, VideoDraw
from ranet_jax.data.records import VideoRecords
from tests.coloured_masks import (
    COLOURS,
    assert_paint_agrees,
    mask_of,
    one_object,
    paint,
    texture,
    three_objects,
)


def painted_others(count):
    for index in range(count):
        mask = mask_of((240, 200), (0.5, 0.4, 0.3, 0.2, 20 * index)) * 255
        # Each in a colour of its own, on the background of the rest.
        yield COLOURS[np.where(mask != 0, index + 2, 0)].astype(np.uint8), mask


@pytest.mark.parametrize("count", [1, 2, 3])
def test_pasted_objects_have_consecutive_ids_and_their_own_pixels(count):
    base = one_object()
    small = Augmentation(pasted_area=(0.03, 0.08))
    orders = set()
    for seed in range(12):
        image, mask = paste_objects(
            paint(base), base, painted_others(count), small, np.random.default_rng(seed)
        )
        assert image.shape == (300, 400, 3) and mask.dtype == np.uint8
        assert set(np.unique(mask)) == set(range(count + 2))
        named = np.abs(image[:, :, None].astype(int) - COLOURS).sum(-1).argmin(-1)
        order = []
        for identifier in range(1, count + 2):
            inner = cv2.erode((mask == identifier).astype(np.uint8), np.ones((5, 5), np.uint8))
            colours = np.unique(named[inner != 0])
            assert len(colours) == 1
            order.append(int(colours[0]))
        assert sorted(order) == list(range(1, count + 2))
        orders.add(tuple(order))
        untouched = cv2.dilate((mask != 0) * np.uint8(1), np.ones((5, 5), np.uint8)) == 0
        assert (image[untouched & (base == 0)] == COLOURS[0]).all()
        assert np.count_nonzero((mask != 0) & (base != 0)) == np.count_nonzero(base)
    assert len(orders) > 1
    # The example's views show every object that was pasted, each in its own colour still.
    augmentation, table = Augmentation(colour=0, colour_apart=0, visible=0), np.array([0, *order])
    whole = 0
    for seed in range(8):
        example = make_static_example(image, mask, augmentation, np.random.default_rng(seed))
        # Ids are renumbered where a template lost one; painted objects are not.
        if example.template_labels.max() == count + 1:
            whole += 1
            assert_paint_agrees(example.template, table[example.template_labels].astype(np.uint8))
            assert_paint_agrees(example.frame, table[example.labels].astype(np.uint8))
    assert whole >= 4, "most templates show all of them, or nothing was said"


def test_pasted_objects_have_the_area_asked_for():
    base = np.zeros((300, 400), np.uint8)
    base[0, 0] = 1
    asked = Augmentation(pasted_area=(0.05, 0.15))
    areas = []
    for seed in range(40):
        _, mask = paste_objects(
            paint(base), base, painted_others(1), asked, np.random.default_rng(seed)
        )
        pasted = (mask == np.bincount(mask.ravel())[1:].argmax() + 1).astype(np.uint8)
        areas.append(np.count_nonzero(pasted) / mask.size)
        # Nothing of the ellipse is cut off.
        _, _, width, height = cv2.boundingRect(pasted)
        assert np.count_nonzero(pasted) == pytest.approx(np.pi / 4 * width * height, rel=0.04)
    assert 0.048 < min(areas) < 0.07 and 0.13 < max(areas) < 0.152


def test_objects_that_are_too_large_are_fitted_whole():
    base = np.zeros((300, 400), np.uint8)
    base[0, 0] = 1
    wide = mask_of((200, 500), (0.4, 0.4, 0.1, 0.3, 0))
    huge = Augmentation(pasted_area=(0.9, 0.9))
    for seed in range(4):
        _, mask = paste_objects(
            paint(base), base, [(paint(wide), wide)], huge, np.random.default_rng(seed)
        )
        pasted = (mask == np.bincount(mask.ravel())[1:].argmax() + 1).astype(np.uint8)
        x, _, width, height = cv2.boundingRect(pasted)
        assert x <= 1 and width >= 398
        # Its own aspect, nothing cut off.
        assert height == pytest.approx(400 * 41 / 301, abs=3)


def test_no_object_is_hidden_by_more_than_half():
    base = mask_of((300, 400), (0.5, 0.5, 0.1, 0.1, 0))
    huge = Augmentation(pasted_area=(0.5, 0.5))
    sizes = set()
    for seed in range(12):
        _, mask = paste_objects(
            paint(base), base, painted_others(3), huge, np.random.default_rng(seed)
        )
        sizes.add(int(mask.max()))
        assert set(np.unique(mask)) == set(range(mask.max() + 1))
        kept = max(np.count_nonzero((mask == i) & (base != 0)) for i in range(1, mask.max() + 1))
        assert kept > np.count_nonzero(base) / 2
    assert min(sizes) < 4


@pytest.mark.parametrize("kind", ["empty", "too small"])
def test_what_cannot_be_pasted_is_left_out_and_ids_closed_up(kind):
    base = np.where(three_objects() == 2, 0, three_objects()).astype(np.uint8)
    if kind == "empty":
        others, augmentation = [(texture((9, 9)), np.zeros((9, 9), np.uint8))], Augmentation()
    else:
        others, augmentation = painted_others(1), Augmentation(pasted_area=(1e-8, 1e-8))
    image, mask = paste_objects(paint(base), base, others, augmentation, np.random.default_rng(0))
    np.testing.assert_array_equal(image, paint(base))
    np.testing.assert_array_equal(np.unique(mask), [0, 1, 2])
    np.testing.assert_array_equal(mask != 0, base != 0)


def painted_track(colour, size, places):
    """A disc of a colour on grey that is at some place, a share of the width, in each frame."""
    masks = [mask_of(size, (0.5, place, 0.1, 0.06, 0)) for place in places]
    return [(COLOURS[mask * np.uint8(colour)].astype(np.uint8), mask) for mask in masks]


def middle_of(mask, identifier):
    return np.argwhere(mask == identifier).mean(axis=0)


def test_an_object_moves_in_the_frames_as_in_its_own_video():
    frames = painted_track(2, (300, 400), [0.2, 0.25, 0.3])
    other = painted_track(3, (150, 200), [0.3, 0.5, 0.9])
    numbers = Augmentation(pasted_area=(0.01, 0.01))
    directions = set()
    for seed in range(16):
        pasted = paste_tracks(frames, [other], numbers, np.random.default_rng(seed))
        for (image, mask), (_, own) in zip(pasted, frames, strict=True):
            assert_paint_agrees(image, np.array([0, *find_colours(pasted[0])], np.uint8)[mask])
            assert np.count_nonzero(mask) > 1.3 * np.count_nonzero(own)
        added = find_colours(pasted[0]).index(3) + 1
        middles = [middle_of(mask, added) for _, mask in pasted]
        steps = np.diff(middles, axis=0)
        assert np.abs(steps[:, 0]).max() < 1.5, "it moves along the rows alone"
        assert steps[1, 1] / steps[0, 1] == pytest.approx(2, rel=0.1)
        directions.add(np.sign(steps[0, 1]))
    assert directions == {-1, 1}, "some are mirrored"


def find_colours(picture):
    """The index in `COLOURS` of what each object is painted in."""
    image, mask = picture
    named = np.abs(image[:, :, None].astype(int) - COLOURS).sum(-1).argmin(-1)
    return [int(np.bincount(named[mask == i]).argmax()) for i in range(1, int(mask.max()) + 1)]


def test_no_object_is_hidden_by_more_than_half_in_any_frame():
    frames = painted_track(2, (300, 400), [0.5, 0.5])
    other = painted_track(3, (300, 400), [0.2, 0.5])
    numbers = Augmentation(pasted_area=(0.05, 0.05))
    beside = 0
    for seed in range(30):
        pasted = paste_tracks(frames, [other], numbers, np.random.default_rng(seed))
        beside += pasted[0][1].max() == 2
        for (_, mask), (_, own) in zip(pasted, frames, strict=True):
            kept = max(np.count_nonzero((mask == i) & (own != 0)) for i in (1, 2))
            assert kept > np.count_nonzero(own) / 2
    assert beside > 20


@pytest.mark.parametrize(("distractors", "lookalikes"), [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)])
def test_videos_get_the_objects_of_other_videos(distractors, lookalikes):
    places = [0.3, 0.35, 0.4]
    source = painted_track(2, (240, 320), places) + painted_track(3, (240, 320), places)
    videos = (VideoRecords("a", 0, (0, 1, 2)), VideoRecords("b", 3, (0, 1, 2)))
    numbers = Augmentation(
        (240, 320),
        colour=0,
        colour_apart=0,
        damage=Damage(0, 0, 0, 0, 0, 0, 0),
        pasted_objects=1,
        pasted_area=(0.02, 0.04),
        distractors=distractors,
        lookalikes=lookalikes,
    )
    draw = VideoDraw(source, videos, numbers, reach=2)
    pairs = []
    for seed in range(40):
        example = draw(seed % 6, np.random.default_rng(seed))
        template = find_colours((example.template, example.template_labels))
        shown = [int(i) for i in np.unique(example.labels) if i]
        colours = np.array(find_colours((example.frame, example.labels)))
        for identifier in shown:
            assert colours[identifier - 1] == template[identifier - 1], "ids keep their object"
        assert set(np.unique(example.previous)) <= {0, *range(1, len(template) + 1)}
        pairs.append((2 if seed % 6 < 3 else 3, template))
    counts = [len(template) for _, template in pairs]
    if distractors:
        assert set(counts) == {1}
        assert 3 < sum(own != template[0] for own, template in pairs) < 20, "a quarter"
    else:
        assert counts.count(2) > 25
        mixed = [own for own, template in pairs if set(template) != {own}]
        assert (len(mixed) > 10) != bool(lookalikes) and (not lookalikes or not mixed)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_previous_masks_take_distractors_in_where_asked_for(share):
    red, blue = (255, 40, 40), (40, 40, 255)
    source = []
    for colour, ellipse in ((red, (0.4, 0.3, 0.2, 0.15, 0)), (blue, (0.5, 0.5, 0.2, 0.15, 0))):
        mask = (mask_of((240, 320), ellipse) != 0).astype(np.uint8)
        image = np.full((240, 320, 3), 200, np.uint8)
        image[mask != 0] = colour
        source.append((image, mask, "painted"))
    still = dict(spline=0, rotation=0, scaling=0, shift=0, flip=0, colour=0, colour_apart=0)
    numbers = Augmentation(
        (240, 320),
        **still,
        damage=Damage(0, 0, 0, 0, 0, 0, 0),
        box_jitter=0,
        pasted_objects=1,
        pasted_area=(0.05, 0.1),
        distractors=1.0,
        distractors_taken_in=share,
    )
    draw = StaticDraw(source, numbers)
    beside = left = 0
    for seed in range(40):
        example = draw(seed % 2, np.random.default_rng(seed))
        # What is asked for is one object, of one colour but where pixels on its rim mix.
        inside = example.frame[example.labels != 0]
        assert max((inside == colour).all(-1).mean() for colour in (red, blue)) > 0.9
        kept = (example.previous != 0)[example.labels != 0].mean()
        taken = np.count_nonzero((example.previous != 0) & (example.labels == 0))
        taken_in = taken > 0.02 * example.labels.size
        assert kept > 0.98 or (taken_in and kept < 0.02)
        beside += kept > 0.98 and taken_in
        left += kept < 0.02
    assert (beside, left) == (0, 0) if not share else (beside > 15 and left > 3)
