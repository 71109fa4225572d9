"""Training examples of masks that are hard to show: promises that hold for all of them."""

from dataclasses import replace

import numpy as np
import pytest

from ranet_jax.data.augmentation import Augmentation
from ranet_jax.data.pairs import make_static_example, make_video_example
from ranet_jax.errors import InputError
from tests.augmentations import GEOMETRY, PLAIN, VIDEO, assert_equal
from tests.coloured_masks import (
    CANVAS,
    one_object,
    paint,
    texture,
    three_objects,
)


def hard_masks():
    for size in ((300, 400), (480, 854), (1080, 1920)):
        empty = np.zeros(size, np.uint8)
        tiny, corner, edge, line, everything = (empty.copy() for _ in range(5))
        tiny[size[0] // 3 : size[0] // 3 + 3, size[1] // 2 : size[1] // 2 + 3] = 1
        corner[-4:, -4:] = 1
        edge[:40, :6] = 1
        line[size[0] // 2, :] = 1
        if size[0] == 1080:
            line[size[0] // 2 + 1, :] = 1
            line[size[0] // 2 + 2, :] = 1
        everything[:] = 1
        yield from (tiny, corner, edge, line, everything)


def test_no_mask_is_ever_empty():
    strong = Augmentation(shift=0.4, box_jitter=0.2)
    for mask in hard_masks():
        image = np.full((*mask.shape, 3), 100, np.uint8)
        plain = make_static_example(image, mask, PLAIN, np.random.default_rng(0))
        share = np.count_nonzero(plain.labels) / plain.labels.size
        for seed in range(3):
            for augmentation in (Augmentation(), strong):
                example = make_static_example(
                    image, mask, augmentation, np.random.default_rng(seed)
                )
                for labels in (example.template_labels, example.previous, example.labels):
                    assert labels.any()
                # A box enlarges, so a quarter of the object is at least about that large.
                assert np.count_nonzero(example.labels) >= 0.1 * share * example.labels.size


def test_the_last_attempt_does_not_transform():
    image, mask = texture(CANVAS), three_objects(CANVAS)
    # No view can show ten times an object, so every attempt but the last fails.
    hopeless = replace(GEOMETRY, visible=10, flip=0)
    example = make_static_example(image, mask, hopeless, np.random.default_rng(0))
    assert_equal(example, make_static_example(image, mask, PLAIN, np.random.default_rng(0)))


def test_views_show_as_much_of_the_object_as_asked():
    mask = np.ones((300, 400), np.uint8)
    frame = paint(mask), mask
    drifting = replace(PLAIN, shift=0.4)
    for visible, low, high in ((0.0, 0.4, 0.6), (0.7, 0.7, 0.8)):
        augmentation = replace(drifting, visible=visible)
        shown = []
        for seed in range(25):
            # An empty previous mask makes the whole canvas the box: no enlargement to account for.
            example = make_video_example(
                *frame, *frame, mask * 0, augmentation, np.random.default_rng(seed)
            )
            shown.append(np.count_nonzero(example.labels) / (480 * 640))
        assert low < min(shown) < high


def test_empty_masks_are_refused():
    image, mask, empty = texture((300, 400)), one_object(), np.zeros((300, 400), np.uint8)
    with pytest.raises(InputError, match="no object"):
        make_static_example(image, empty, Augmentation(), np.random.default_rng(0))
    with pytest.raises(InputError, match="no object"):
        make_video_example(image, empty, image, mask, mask, VIDEO, np.random.default_rng(0))
    # A frame without the object is part of a video, and so is a previous mask that lost it.
    example = make_video_example(image, mask, image, empty, empty, VIDEO, np.random.default_rng(0))
    assert not example.labels.any() and not example.previous.any()


def test_an_object_outside_a_covering_image_is_fitted_in():
    image = np.full((300, 100, 3), 80, np.uint8)
    mask = np.zeros((300, 100), np.uint8)
    mask[2:12, 40:60] = 1  # a tall image that covers a wide canvas shows its middle alone
    numbers = Augmentation((160, 288), pasted_objects=0, cover=True)
    generator = np.random.default_rng(0)
    for example in (
        make_static_example(image, mask, numbers, generator),
        make_video_example(image, mask, image, mask, mask, numbers, generator),
    ):
        assert (example.template_labels == 1).any() and (example.labels == 1).any()


@pytest.mark.parametrize("flip", [0, 1])
@pytest.mark.parametrize("stage", ["static", "video"])
def test_objects_too_small_for_the_canvas_keep_a_pixel(stage, flip):
    """Where no attempt shows them; or the run would end at that sample each time it is begun."""
    mask = np.zeros((1500, 2000), np.uint8)
    mask[310:316, 1810:1816] = 1
    mask[1207:1210, 207:210] = 2
    image = texture(mask.shape)
    numbers = Augmentation((96, 128), flip=flip, cover=True, visible=10)
    generator = np.random.default_rng(0)
    if stage == "static":
        example = make_static_example(image, mask, numbers, generator)
    else:
        example = make_video_example(image, mask, image, mask, mask, numbers, generator)
    for labels in (example.template_labels, example.labels, example.previous):
        for identifier, (row, column) in ((1, (313, 1813)), (2, (1208, 208))):
            place = np.argwhere(labels == identifier)
            column = 1999 - column if flip else column
            assert len(place) == 1
            np.testing.assert_allclose(place[0], (row / 15.625, column / 15.625), atol=1)
