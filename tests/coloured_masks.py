"""Masks whose images tell the id of every pixel by its colour."""

import cv2
import numpy as np

CANVAS = (480, 864)
# Far apart, so that the nearest colour names the id even where two of them mix. Black is outside.
COLOURS = np.array([[60, 60, 60], [250, 30, 30], [30, 250, 30], [30, 30, 250], [240, 240, 30]])


def paint(mask):
    return COLOURS[mask].astype(np.uint8)


def mask_of(size, *ellipses):
    """Ids of ellipses: centre (y, x) and half axes (y, x) as shares of the size, angle."""
    mask = np.zeros(size, np.uint8)
    for identifier, (y, x, a, b, angle) in enumerate(ellipses, 1):
        centre, axes = (int(x * size[1]), int(y * size[0])), (int(b * size[1]), int(a * size[0]))
        cv2.ellipse(mask, centre, axes, angle, 0, 360, identifier, cv2.FILLED)
    return mask


def one_object(size=(300, 400)):
    return mask_of(size, (0.45, 0.55, 0.2, 0.12, 30))


def three_objects(size=(300, 400)):
    return mask_of(
        size, (0.4, 0.3, 0.2, 0.12, 30), (0.5, 0.7, 0.15, 0.15, 0), (0.75, 0.45, 0.1, 0.2, 10)
    )


def texture(size, seed=0):
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), np.uint8)
    return cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)


def overlap(a, b):
    return np.count_nonzero(a & b) / np.count_nonzero(a | b)


def assert_paint_agrees(image, labels, band=9):
    """Away from the borders of the labels every colour names the id, or is the black outside."""
    distances = np.abs(image[:, :, None].astype(int) - COLOURS).sum(-1)
    named = distances.argmin(-1)
    edges = cv2.morphologyEx(labels, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    near = cv2.dilate(edges.astype(np.uint8), np.ones((2 * band + 1,) * 2, np.uint8)) > 0
    # A mix of black and an object's colour may be any colour: where the image ends.
    outside = (image.max(-1) < 55).astype(np.uint8)
    near |= cv2.dilate(outside, np.ones((2 * band + 1,) * 2, np.uint8)) > 0
    assert np.mean(near) < 0.8
    wrong = (named != labels) & ~near
    assert not wrong.any(), f"{np.count_nonzero(wrong)} pixels disagree"
    assert not labels[image.max(-1) == 0].any()
