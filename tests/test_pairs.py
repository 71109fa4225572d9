"""Training examples: their geometry against the device's protocol, and their form."""

import subprocess
import sys
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from ranet_jax.data.augmentation import Augmentation
from ranet_jax.data.colours import draw_colours
from ranet_jax.data.pairs import make_static_example, make_video_example
from ranet_jax.data.paste import paste_objects
from ranet_jax.geometry import box as device
from ranet_jax.geometry.canvas import Canvas
from tests.augmentations import GEOMETRY, PLAIN, VIDEO, assert_equal
from tests.coloured_masks import (
    CANVAS,
    assert_paint_agrees,
    one_object,
    overlap,
    paint,
    texture,
    three_objects,
)


def cut_finely(mask, box, canvas=CANVAS):
    """A mask on the canvas, cut to a box and enlarged by half pixels."""
    rows, columns = (
        (start + (np.arange(side) + 0.5) * (end - start) / side).astype(int)
        for start, end, side in zip(box[:2], box[2:], canvas, strict=True)
    )
    return mask[rows][:, columns]


def assert_nearly_equal(labels, expected):
    """OpenCV 4 rounds places to 1/32 of a pixel: on an outline a pixel may be its neighbour's."""
    assert np.mean(labels != expected) < 0.002


def video_of(mask, seed=0):
    """A template, a current and a previous view of moving objects, painted by id."""
    moved = np.roll(mask, 12, axis=1)
    return paint(mask), mask, paint(moved), moved, np.roll(mask, 9, axis=1)


def test_data_package_leaves_jax_alone():
    code = (
        "import sys, ranet_jax.data.pairs, ranet_jax.data.paste; "
        "sys.exit(any(name.split('.')[0] in ('jax', 'flax') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("size", [CANVAS, (480, 854)])
@pytest.mark.parametrize("stage", ["static", "video"])
def test_without_augmentation_it_is_the_protocol(size, stage):
    image, mask = texture(size), three_objects(size)
    generator = np.random.default_rng(0)
    if stage == "static":
        example = make_static_example(image, mask, PLAIN, generator)
    else:
        example = make_video_example(image, mask, image, mask, mask, PLAIN, generator)
    canvas = Canvas(size, CANVAS)
    frame, labels = canvas.fit_frame(image), canvas.fit_labels(mask)
    box = device.find_box(jnp.asarray(labels) != 0)
    assert box.tolist() != [0, 0, *CANVAS]
    expected = np.asarray(device.cut_frame(jnp.asarray(frame, jnp.float32), box, labels.shape))
    cut = np.asarray(device.cut_labels(jnp.asarray(labels), box, labels.shape))
    for view in (example.template, example.frame):
        difference = np.abs(view - expected)
        # OpenCV 4 rounds places to 1/32 of a pixel, which shows where the image meets the black.
        assert difference.max() < 9 and np.mean(difference > 1.5) < 0.005
    for each in (example.template_labels, example.previous):
        np.testing.assert_array_equal(each, cut)
    assert_nearly_equal(example.labels, cut_finely(labels, np.asarray(box)))


def test_labels_are_as_sharp_as_the_frame():
    # A canvas of a quarter of the image's sides, and a box of a third of the canvas's: the object's
    # mask on the canvas has a twelfth of its rows.
    image, mask = texture((400, 800)), one_object((400, 800))
    mask[300:] = mask[:, :300] = 0
    coarse = replace(PLAIN, canvas=(96, 192))
    example = make_static_example(image, mask, coarse, np.random.default_rng(0))
    top, left, bottom, right = example.box / 2 * (400 / 96)
    y, x = np.nonzero(mask)
    # Where the object's middle is in the box, in pixels of the canvas, by its mask and as found.
    true = (
        (y.mean() + 0.5 - top) * 96 / (bottom - top),
        (x.mean() + 0.5 - left) * 192 / (right - left),
    )
    found = [axis.mean() + 0.5 for axis in np.nonzero(example.labels)]
    np.testing.assert_allclose(found, true, atol=0.1)
    # A step of the enlarged mask would be several pixels of the canvas wide and high.
    edges = np.argmax(example.labels[:, example.labels.any(axis=0)], axis=0)
    assert np.mean(np.abs(np.diff(edges.astype(int))) == 0) < 0.6


def test_an_object_between_the_pixels_keeps_its_label():
    image, mask = texture((400, 800)), np.zeros((400, 800), np.uint8)
    mask[100, 600] = 1
    coarse = replace(PLAIN, canvas=(96, 192))
    example = make_static_example(image, mask, coarse, np.random.default_rng(0))
    assert np.count_nonzero(example.labels) == 1
    np.testing.assert_array_equal(example.labels, example.template_labels)


def test_previous_mask_sets_the_box_of_the_frame():
    image, mask = texture(CANVAS), one_object(CANVAS)
    previous = np.roll(mask, 40, axis=1)
    example = make_video_example(
        image, mask, image, mask, previous, PLAIN, np.random.default_rng(0)
    )
    box = device.find_box(jnp.asarray(previous) != 0)
    assert_nearly_equal(example.labels, cut_finely(mask, np.asarray(box)))
    assert np.count_nonzero(example.labels != example.template_labels) > 1000


@pytest.mark.parametrize("stage", ["static", "video"])
def test_flip_mirrors_both_views(stage):
    image, mask = texture(CANVAS), three_objects(CANVAS)

    def make(image, mask, augmentation):
        if stage == "static":
            return make_static_example(image, mask, augmentation, np.random.default_rng(0))
        return make_video_example(
            image, mask, image, mask, mask, augmentation, np.random.default_rng(0)
        )

    mirrored = np.ascontiguousarray(image[:, ::-1]), np.ascontiguousarray(mask[:, ::-1])
    expected = make(*mirrored, PLAIN)
    for view, other in zip(make(image, mask, replace(PLAIN, flip=1)), expected, strict=True):
        np.testing.assert_allclose(view.astype(int), other, atol=1 if view.ndim == 3 else 0)


@pytest.mark.parametrize("stage", ["static", "video"])
def test_previous_masks_of_examples_are_damaged(stage):
    mask, overlaps = one_object(), []
    for seed in range(8):
        generator = np.random.default_rng(seed)
        if stage == "static":
            example = make_static_example(paint(mask), mask, GEOMETRY, generator)
        else:
            image = paint(mask)
            example = make_video_example(image, mask, image, mask, mask, VIDEO, generator)
        overlaps.append(overlap(example.previous != 0, example.labels != 0))
    assert min(overlaps) > 0.4 and 0.6 < np.mean(overlaps) < 0.95 and max(overlaps) < 1


def test_equal_generators_make_equal_examples():
    image, mask = texture((300, 400)), three_objects()
    kept = image.copy(), mask.copy()

    def make(seed):
        generator = np.random.default_rng(seed)
        pasted = paste_objects(image, mask, [(image, mask)], Augmentation(), generator)
        later = [(image, mask)]
        return [
            *pasted,
            *make_static_example(*pasted, Augmentation(later_frames=1), generator),
            *make_video_example(image, mask, image, mask, mask, VIDEO, generator, later),
            generator.random(),
        ]

    first = make(0)
    assert_equal(first, make(0))
    for one, other in zip(first, make(1), strict=True):
        if np.shape(one) != (4,):  # two boxes may be the whole canvas
            assert not np.array_equal(one, other)
    assert_equal((image, mask), kept)


@pytest.mark.parametrize("size", [(300, 400), (500, 333), (480, 854)])
def test_image_and_mask_move_together(size):
    mask, whole = three_objects(size), 0
    for seed in range(8):
        generator = np.random.default_rng(seed)
        example = make_static_example(paint(mask), mask, replace(GEOMETRY, visible=0), generator)
        # Ids are renumbered where a template lost one; painted objects are not.
        if example.template_labels.max() == 3:
            whole += 1
            assert_paint_agrees(example.template, example.template_labels)
            assert_paint_agrees(example.frame, example.labels)
        example = make_video_example(
            *video_of(mask), replace(VIDEO, colour=0, colour_apart=0, visible=0), generator
        )
        assert set(np.unique(example.template_labels)) == {0, 1, 2, 3}
        assert_paint_agrees(example.template, example.template_labels)
        assert_paint_agrees(example.frame, example.labels)
    assert whole >= 4, "most templates show all three, or nothing was said of stage 1"


def test_examples_have_the_promised_form():
    mask = three_objects()
    for seed in range(6):
        generator = np.random.default_rng(seed)
        for example in (
            make_static_example(paint(mask), mask, Augmentation(), generator),
            make_video_example(*video_of(mask), VIDEO, generator),
        ):
            for image in (example.template, example.frame):
                assert image.shape == (*CANVAS, 3) and image.dtype == np.uint8
            for labels in (example.template_labels, example.previous, example.labels):
                assert labels.shape == CANVAS and labels.dtype == np.uint8
            ids = set(np.unique(example.template_labels))
            assert ids == set(range(len(ids))) and len(ids) > 1
            assert set(np.unique(example.previous)) <= ids
            assert set(np.unique(example.labels)) <= ids


def test_another_canvas():
    small = Augmentation(canvas=(192, 320), later_frames=2)
    example = make_static_example(
        texture((300, 400)), one_object(), small, np.random.default_rng(0)
    )
    assert {each.shape[:2] for each in example[:5]} == {(192, 320)}
    assert example.later_frames.shape == (2, 384, 640, 3)
    assert example.later_labels.shape == (2, 384, 640)


def test_without_later_frames_there_are_none():
    example = make_static_example(
        texture(CANVAS), one_object(CANVAS), PLAIN, np.random.default_rng(0)
    )
    assert example.later_frames.shape == (0, 2 * CANVAS[0], 2 * CANVAS[1], 3)


def test_later_frames_of_a_video_are_the_protocols_on_the_frame_canvas():
    image, mask = texture((480, 854)), three_objects((480, 854))
    later = [(np.roll(image, 30 * t, axis=1), np.roll(mask, 30 * t, axis=1)) for t in (1, 2)]
    example = make_video_example(
        image, mask, image, mask, mask, PLAIN, np.random.default_rng(0), later
    )
    canvas = Canvas((480, 854), (2 * CANVAS[0], 2 * CANVAS[1]))
    for frame, labels, given in zip(example.later_frames, example.later_labels, later, strict=True):
        difference = np.abs(frame - canvas.fit_frame(given[0]).astype(int))
        assert np.mean(difference > 2) < 0.01
        assert np.mean(labels != canvas.fit_labels(given[1])) < 0.003
    labels = canvas.fit_labels(mask)
    box = np.asarray(device.find_box(jnp.asarray(labels) != 0))
    assert np.abs(example.box - box).max() <= 2


def test_an_image_moves_on_evenly_and_its_paint_with_it():
    mask = three_objects((480, 854))
    numbers = replace(GEOMETRY, later_frames=2)
    moved = 0
    for seed in range(6):
        example = make_static_example(paint(mask), mask, numbers, np.random.default_rng(seed))
        for view in zip(example.later_frames, example.later_labels, strict=True):
            assert_paint_agrees(*view)
        first, second = (each > 0 for each in example.later_labels)
        assert overlap(first, second) > 0.4
        moved += overlap(first, second) < 0.95
    assert moved > 2


def test_outside_the_image_stays_black():
    mask = np.zeros((300, 400), np.uint8)
    mask[:, :300] = 1
    image = np.full((300, 400, 3), 128, np.uint8)
    for seed in range(5):
        example = make_static_example(
            image, mask, Augmentation(colour=0.4), np.random.default_rng(seed)
        )
        black = (example.frame == 0).all(-1)
        assert black.any() and not example.labels[black].any()
        # Nothing but the seam lies between black and the changed grey.
        assert np.median(example.frame[~black]) > 40


def test_objects_the_template_lacks_are_background():
    mask = three_objects(CANVAS)
    template = np.where(mask == 2, 0, mask).astype(np.uint8)
    image = paint(mask)
    example = make_video_example(
        image, template, image, mask, mask, PLAIN, np.random.default_rng(0)
    )
    np.testing.assert_array_equal(np.unique(example.template_labels), [0, 1, 2])
    for labels in (example.previous, example.labels):
        np.testing.assert_array_equal(np.unique(labels), [0, 1, 2])
    third = np.array([0, 1, 0, 2])[mask]
    box = device.find_box(jnp.asarray(third) != 0)
    assert_nearly_equal(example.labels, cut_finely(third, np.asarray(box)))


def test_slivers_in_the_template_do_not_count():
    one = one_object(CANVAS)
    two = one.copy()
    two[160:260, 800:] = 2
    shifting = replace(PLAIN, shift=0.2, visible=0.9)
    image, slivers = texture(CANVAS), 0

    def make(template_mask, seed):
        return make_video_example(
            image, template_mask, image, one, one, shifting, np.random.default_rng(seed)
        )

    for seed in range(8):
        example = make(two, seed)
        if example.template_labels.max() == 1:
            assert_equal(example, make(one, seed))
            slivers += 1
    assert 0 < slivers < 8


def test_box_jitter_moves_the_current_view_only():
    image, mask = texture(CANVAS), one_object(CANVAS)
    plain = make_static_example(image, mask, PLAIN, np.random.default_rng(0))
    example = make_static_example(
        image, mask, replace(PLAIN, box_jitter=0.1), np.random.default_rng(0)
    )
    assert_equal(example[:2], plain[:2])
    assert overlap(example.previous != 0, example.labels != 0) > 0.98
    assert 0.5 < overlap(example.labels != 0, plain.labels != 0) < 0.95


def test_colours_are_equal_for_the_pair_and_a_little_apart():
    generator = np.random.default_rng(0)
    for template, frame in (draw_colours(0.25, 0, generator) for _ in range(5)):
        np.testing.assert_array_equal(template, frame)
        assert not np.allclose(template, np.eye(3, 4))
    for template, frame in (draw_colours(0.25, 0.08, generator) for _ in range(20)):
        grey = np.array([100, 100, 100, 1])
        assert 0 < np.abs((template - frame) @ grey).max() < 50
        # Saturation leaves grey grey.
        assert np.ptp(template @ grey) < 1e-9
    for matrix in draw_colours(0, 0, generator):
        np.testing.assert_allclose(matrix, np.eye(3, 4), atol=1e-12)
