"""Several objects: those of other images or videos, pasted before the warps of an example."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import cv2
import numpy as np

from ranet_jax.data.augmentation import Augmentation

_TRIES = 8

Picture: TypeAlias = tuple[np.ndarray, np.ndarray]
"""An image, uint8 RGB [h, w, 3], and its mask, uint8 [h, w]."""


def _place_object(
    track: Sequence[Picture],
    size: tuple[int, int],
    augmentation: Augmentation,
    generator: np.random.Generator,
) -> list[Picture]:
    """Scales an object and puts it somewhere inside frames of some size, in all of them alike.

    Returns:
        For each frame the object's picture, uint8 [h, w, 3], and how much of each pixel it covers,
        float32 [h, w] in 0..1.
    """
    first = track[0][1]
    x, y, width, height = cv2.boundingRect(
        np.bitwise_or.reduce([mask != 0 for _, mask in track]).view(np.uint8)
    )
    area = generator.uniform(*augmentation.pasted_area) * size[0] * size[1]
    scale = np.sqrt(area / np.count_nonzero(first))
    scale = min(scale, size[0] / height, size[1] / width)
    mirror = generator.choice([-1, 1])
    # The middle of the object's box, in all frames together, goes where the box, scaled, is still
    # inside.
    room = np.array([size[1] - width * scale, size[0] - height * scale])
    centre = generator.uniform(0, 1, 2) * room + np.array([width, height]) * (scale / 2) - 0.5
    linear = np.diag([mirror * scale, scale])
    warp = np.column_stack([linear, centre - linear @ (x + (width - 1) / 2, y + (height - 1) / 2)])
    coverages = (np.where(mask != 0, np.float32(1), np.float32(0)) for _, mask in track)
    return [
        (cv2.warpAffine(image, warp, size[::-1]), cv2.warpAffine(coverage, warp, size[::-1]))
        for (image, _), coverage in zip(track, coverages, strict=True)
    ]


def paste_tracks(
    frames: Sequence[Picture],
    others: Iterable[Sequence[Picture]],
    augmentation: Augmentation,
    generator: np.random.Generator,
) -> list[Picture]:
    """Pastes the objects of other videos onto frames of a video, each in front of those before it.

    An object moves and changes from frame to frame as it does in its own video. A place that hides
    more than half of an earlier object in any of the frames is drawn again; after eight tries the
    object is left out.

    Args:
        frames: images, uint8 RGB [h, w, 3], and masks, uint8 [h, w] of ids, 0 background.
        others: as many images and masks of each other video, of any size; what is not 0 in them is
            one object. Those whose first mask is empty are left out.
        augmentation: how large the objects are, in the first frame.
        generator: source of randomness; equal states give equal results.

    Returns:
        Images, uint8 [h, w, 3], and masks, uint8 [h, w], in which the ids 1..n of all objects are
        consecutive and in random order, the same in all frames.
    """
    images = [image for image, _ in frames]
    masks = [mask for _, mask in frames]
    identifiers = np.unique(masks)
    objects = [[mask == identifier for mask in masks] for identifier in identifiers if identifier]
    areas = [[int(np.count_nonzero(each)) for each in one] for one in objects]
    for other in others:
        if not other[0][1].any():
            continue
        for _ in range(_TRIES):
            placed = _place_object(other, masks[0].shape, augmentation, generator)
            covered = [coverage > 0.5 for _, coverage in placed]
            left = [
                [each & ~cover for each, cover in zip(one, covered, strict=True)] for one in objects
            ]
            if covered[0].any() and _are_seen(left, areas):
                images = [
                    cv2.blendLinear(picture, image, coverage, 1 - coverage)
                    for image, (picture, coverage) in zip(images, placed, strict=True)
                ]
                objects = [*left, covered]
                areas.append([int(np.count_nonzero(each)) for each in covered])
                break
    labels = [np.zeros_like(mask) for mask in masks]
    for identifier, each in enumerate(generator.permutation(len(objects)), 1):
        for label, place in zip(labels, objects[each], strict=True):
            label[place] = identifier
    return list(zip(images, labels, strict=True))


def _are_seen(objects: list[list[np.ndarray]], areas: list[list[int]]) -> bool:
    """Whether more than half is left of every object in every frame that shows it."""
    return all(
        not area or np.count_nonzero(each) > area / 2
        for one, of_one in zip(objects, areas, strict=True)
        for each, area in zip(one, of_one, strict=True)
    )


def paste_objects(
    image: np.ndarray,
    mask: np.ndarray,
    others: Iterable[Picture],
    augmentation: Augmentation,
    generator: np.random.Generator,
) -> Picture:
    """Pastes the objects of other images onto an image: `paste_tracks` of one frame.

    Args:
        image: uint8 RGB [h, w, 3].
        mask: uint8 [h, w] of ids, 0 background.
        others: images and masks as above, of any size; what is not 0 in one is one object. Those
            with an empty mask are left out.
        augmentation: how large the objects are.
        generator: source of randomness; equal states give equal results.

    Returns:
        The image and its mask, as those of `paste_tracks`.
    """
    tracks = ([other] for other in others)
    return paste_tracks([(image, mask)], tracks, augmentation, generator)[0]
