"""Training examples: a template and a current view as the network meets them at test time.

Stage 1 makes the pair from one image, transformed twice; stage 2 takes two frames of a video. Both
go through the object box of the protocol: the template through that of its own mask, the current
view through that of a previous mask, which is damaged. Later frames may follow, on which the
network meets masks of its own, with the faults that it makes itself.

Everything follows from the arguments and the generator's state, bit for bit.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import cv2
import numpy as np

from ranet_jax.data.augmentation import Augmentation
from ranet_jax.data.colours import draw_colours
from ranet_jax.data.damage import damage_labels
from ranet_jax.data.example import FRAME_SCALE, Example
from ranet_jax.data.views import View, count_pixels, draw_view_warp, go_on, warp_view
from ranet_jax.data.warp import sample_frame, sample_labels, spread_pixels
from ranet_jax.errors import InputError
from ranet_jax.geometry.host_box import cut_labels, find_box, jitter_box

_ATTEMPTS = ((1.0, False), (1.0, False), (1.0, False), (0.5, False), (0.0, False), (0.0, True))
"""How strong to augment in each attempt at views that show their objects, and whether to keep those
that are too small for the canvas."""


def _make_example(
    template: View,
    current: View,
    previous: np.ndarray,
    later: Sequence[View],
    augmentation: Augmentation,
    generator: np.random.Generator,
    strength: float,
) -> Example | None:
    """Damages the previous mask and cuts both views to their boxes.

    Args:
        template: the view that shows what to segment.
        current: the view to segment.
        previous: uint8, on the canvas, before the damage.
        later: what follows the current view.
        augmentation: all numbers.
        generator: source of randomness.
        strength: of the damage and the jitter; at 0 every object that has a pixel will do.

    Returns:
        The example, or None where a view shows too little of its objects.
    """
    canvas = augmentation.canvas
    visible = augmentation.visible if strength else 0
    seen = count_pixels(template.labels)
    kept = (seen > 0) & (seen >= visible * template.areas)
    kept[0] = False
    if not kept.any():
        return None
    # An object that the template does not show cannot be asked for: it becomes background.
    table = np.zeros(256, np.uint8)
    table[kept] = np.arange(1, np.count_nonzero(kept) + 1)
    template_labels, labels, previous = (
        cv2.LUT(each, table) for each in (template.labels, current.labels, previous)
    )
    previous = damage_labels(previous, augmentation.damage, generator, strength)
    box = jitter_box(find_box(previous), canvas, strength * augmentation.box_jitter, generator)
    inside = np.count_nonzero(labels[box[0] : box[2], box[1] : box[3]])
    if inside < visible * current.areas[kept].sum():
        return None
    template_box = find_box(template_labels)
    # The colours change before the warp, so that the border of the canvas stays black.
    colours = draw_colours(augmentation.colour, augmentation.colour_apart, generator)
    return Example(
        sample_frame(
            cv2.transform(template.image, colours[0]), template.nodes, template_box, canvas
        ),
        cut_labels(template_labels, template_box),
        sample_frame(cv2.transform(current.image, colours[1]), current.nodes, box, canvas),
        cut_labels(previous, box),
        _enlarge_labels(current, labels, box, table),
        (FRAME_SCALE * box).astype(np.int32),
        *_show_later(later, canvas, colours[1], table),
    )


def _enlarge_labels(
    view: View, labels: np.ndarray, box: np.ndarray, table: np.ndarray
) -> np.ndarray:
    """Cuts a view's labels to a box and enlarges the cut to the canvas, from the mask itself.

    The labels of the view have but one pixel for one of the canvas. Enlarged, they would be steps
    beside the frame, which is read from the image, and half a pixel off to the lower right.

    Args:
        view: an image and its mask.
        labels: uint8, those of the view on the canvas, by `table`.
        box: of the part to cut.
        table: uint8 [256], from ids to labels.

    Returns:
        uint8, the canvas's size. An object that falls between the pixels is where `labels` have it.
    """
    fine = sample_labels(view.mask, view.nodes, *spread_pixels(box, labels.shape))
    sharp, coarse = cv2.LUT(fine, table), cut_labels(labels, box)
    np.copyto(sharp, coarse, where=np.isin(coarse, np.setdiff1d(coarse, sharp)))
    return sharp


def _show_later(
    views: Sequence[View], canvas: tuple[int, int], colours: np.ndarray, table: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Shows later views whole, on the frame canvas.

    Args:
        views: to show.
        canvas: height and width of the network's input.
        colours: their change, as the current view's.
        table: uint8 [256], from ids to labels.

    Returns:
        `later_frames` and `later_labels` of `Example`.
    """
    whole = np.array([0, 0, *canvas])
    size = FRAME_SCALE * canvas[0], FRAME_SCALE * canvas[1]
    frames = np.empty((len(views), *size, 3), np.uint8)
    labels = np.empty((len(views), *size), np.uint8)
    for t, view in enumerate(views):
        frames[t] = sample_frame(cv2.transform(view.image, colours), view.nodes, whole, size)
        fine = sample_labels(view.mask, view.nodes, *spread_pixels(whole, size))
        labels[t] = cv2.LUT(fine, table)
    return frames, labels


def make_static_example(
    image: np.ndarray,
    mask: np.ndarray,
    augmentation: Augmentation,
    generator: np.random.Generator,
    previous_mask: np.ndarray | None = None,
) -> Example:
    """Makes a pair from one image by transforming it twice: stage 1, and online learning.

    Where a view shows too little of its objects the pair is drawn again, three times in all, then
    once half as strong, and at last not transformed at all. Where even then no object shows, as all
    are too small for the canvas, each gets a pixel of it.

    Args:
        image: uint8 RGB [h, w, 3], any size.
        mask: uint8 [h, w] of ids, 0 background.
        augmentation: all numbers.
        generator: source of randomness; equal states give equal examples.
        previous_mask: uint8 [h, w] of ids, what the previous mask is made from; `mask` if None, and
            in the last attempt with `distractors_taken_in`.

    Returns:
        The example. Neither its template's mask nor its labels are empty.

    Raises:
        InputError: the mask is empty.
    """
    flip = generator.random() < augmentation.flip
    for strength, keeps_all in _ATTEMPTS:
        if not strength:  # what covers the canvas may have its object outside
            augmentation = replace(augmentation, cover=False)
        warps = [draw_view_warp(mask.shape, augmentation, generator, strength) for _ in range(2)]
        warps += go_on(warps[1], mask.shape, augmentation, generator, strength)
        show = partial(warp_view, augmentation=augmentation, flip=flip, keeps_all=keeps_all)
        template, current, *later = (show(image, mask, nodes) for nodes in warps)
        previous = current.labels
        # A mask that has gone over to a distractor may show none of the object, however often it is
        # drawn again: with those the last attempt starts from the true one.
        if previous_mask is not None and (strength or not augmentation.distractors_taken_in):
            previous = show(image, previous_mask, warps[1]).labels
        example = _make_example(
            template, current, previous, later, augmentation, generator, strength
        )
        if example is not None:
            return example
    raise InputError("the mask shows no object; leave this image out")


def make_video_example(
    template_frame: np.ndarray,
    template_mask: np.ndarray,
    frame: np.ndarray,
    mask: np.ndarray,
    previous_mask: np.ndarray,
    augmentation: Augmentation,
    generator: np.random.Generator,
    later: Sequence[tuple[np.ndarray, np.ndarray]] = (),
) -> Example:
    """Makes an example from two frames of a video: stage 2. All are transformed alike.

    Drawn again as in `make_static_example` where a view shows too little of what its frame shows.
    The labels are empty only where the frame's mask is, or lies outside the previous mask's box.

    Args:
        template_frame: uint8 RGB [h, w, 3].
        template_mask: uint8 [h, w], ids in the template frame, 0 background.
        frame: uint8 RGB [h, w, 3], the current frame.
        mask: uint8 [h, w], ids in the current frame.
        previous_mask: uint8 [h, w], ids in a frame near the current one.
        augmentation: all numbers.
        generator: source of randomness; equal states give equal examples.
        later: the frames that follow the current one, each with its mask.

    Returns:
        The example. Its template's mask is not empty.

    Raises:
        InputError: the template's mask is empty.
    """
    flip = generator.random() < augmentation.flip
    for strength, keeps_all in _ATTEMPTS:
        if not strength:
            augmentation = replace(augmentation, cover=False)
        nodes = draw_view_warp(mask.shape, augmentation, generator, strength)
        show = partial(
            warp_view, nodes=nodes, augmentation=augmentation, flip=flip, keeps_all=keeps_all
        )
        template, current = show(template_frame, template_mask), show(frame, mask)
        previous = show(frame, previous_mask).labels
        following = [show(*each) for each in later]
        example = _make_example(
            template, current, previous, following, augmentation, generator, strength
        )
        if example is not None:
            return example
    raise InputError("the template's mask shows no object; leave this frame out")
