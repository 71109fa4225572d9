"""Several objects in stage 1: those of other images, pasted onto an image before its warps."""

from collections.abc import Iterable

import cv2
import numpy as np

from ranet_jax.data.augmentation import Augmentation

_TRIES = 8


def _place_object(
    image: np.ndarray,
    mask: np.ndarray,
    size: tuple[int, int],
    augmentation: Augmentation,
    generator: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Scales an object and puts it somewhere inside a picture of some size.

    Returns:
        Its picture, uint8 [h, w, 3], and how much of each pixel it covers, float32 [h, w] in 0..1.
    """
    x, y, width, height = cv2.boundingRect(mask)
    area = generator.uniform(*augmentation.pasted_area) * size[0] * size[1]
    scale = np.sqrt(area / np.count_nonzero(mask))
    scale = min(scale, size[0] / height, size[1] / width)
    mirror = generator.choice([-1, 1])
    # The middle of the object's box goes where the box, scaled, is still inside.
    room = np.array([size[1] - width * scale, size[0] - height * scale])
    centre = generator.uniform(0, 1, 2) * room + np.array([width, height]) * (scale / 2) - 0.5
    linear = np.diag([mirror * scale, scale])
    warp = np.column_stack([linear, centre - linear @ (x + (width - 1) / 2, y + (height - 1) / 2)])
    coverage = np.where(mask != 0, np.float32(1), np.float32(0))
    return cv2.warpAffine(image, warp, size[::-1]), cv2.warpAffine(coverage, warp, size[::-1])


def paste_objects(
    image: np.ndarray,
    mask: np.ndarray,
    others: Iterable[tuple[np.ndarray, np.ndarray]],
    augmentation: Augmentation,
    generator: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Pastes the objects of other images onto an image, each in front of those before it.

    A place that hides more than half of an earlier object is drawn again; after eight tries the
    object is left out.

    Args:
        image: uint8 RGB [h, w, 3].
        mask: uint8 [h, w] of ids, 0 background.
        others: images and masks as above, of any size; what is not 0 in one is one object. Those
            with an empty mask are left out.
        augmentation: how large the objects are.
        generator: source of randomness; equal states give equal results.

    Returns:
        The image, uint8 [h, w, 3], and its mask, uint8 [h, w], in which the ids 1..n of all
        objects are consecutive and in random order.
    """
    objects = [mask == identifier for identifier in np.unique(mask) if identifier]
    areas = [np.count_nonzero(each) for each in objects]
    for other in others:
        if not other[1].any():
            continue
        for _ in range(_TRIES):
            picture, coverage = _place_object(*other, mask.shape, augmentation, generator)
            covered = coverage > 0.5
            left = [each & ~covered for each in objects]
            shown = [np.count_nonzero(each) for each in left]
            if covered.any() and all(s > a / 2 for s, a in zip(shown, areas, strict=True)):
                image = cv2.blendLinear(picture, image, coverage, 1 - coverage)
                objects = [*left, covered]
                areas.append(np.count_nonzero(covered))
                break
    labels = np.zeros_like(mask)
    for identifier, each in enumerate(generator.permutation(len(objects)), 1):
        labels[objects[each]] = identifier
    return image, labels
