"""Views: an image and its mask, warped onto the canvas."""

from typing import NamedTuple

import cv2
import numpy as np

from ranet_jax.data.augmentation import Augmentation
from ranet_jax.data.warp import draw_warp, place_image, sample_labels
from ranet_jax.geometry.canvas import Canvas, fit_image

_PACE = 0.3
"""How far an image moves from one frame to the next, at most, as a share of the way between two
warps that are drawn apart."""


class View(NamedTuple):
    """An image and its labels, warped onto the canvas.

    Attributes:
        image: uint8 [h, w, 3], as it was before the warp.
        mask: uint8 [h, w], likewise.
        nodes: of the warp, from the canvas into the image.
        labels: uint8, on the canvas.
        areas: float [256], how many pixels of the canvas each id would have without the warp.
    """

    image: np.ndarray
    mask: np.ndarray
    nodes: np.ndarray
    labels: np.ndarray
    areas: np.ndarray


def count_pixels(labels: np.ndarray) -> np.ndarray:
    """Counts the pixels of each id, float [256]."""
    return cv2.calcHist([labels], [0], None, [256], [0, 256]).ravel()


def warp_view(
    image: np.ndarray,
    mask: np.ndarray,
    nodes: np.ndarray,
    augmentation: Augmentation,
    *,
    flip: bool,
    keeps_all: bool = False,
) -> View:
    """Warps an image and its mask, once put on the canvas.

    Args:
        image: uint8 RGB [h, w, 3].
        mask: uint8 [h, w] of ids.
        nodes: of the warp, in pixels of the canvas.
        augmentation: which canvas, and how an image is put on it.
        flip: whether the image is mirrored, left to right.
        keeps_all: whether an object that is too small for the canvas has a pixel there, as when a
            video is segmented; for a warp that moves nothing, of an image that fits in.

    Returns:
        The view.
    """
    canvas = augmentation.canvas
    region = fit_image(mask.shape, canvas, cover=augmentation.cover)
    _, _, height, width = region
    nodes = place_image(nodes, mask.shape, region, flip=flip)
    labels = sample_labels(mask, nodes, *map(np.arange, canvas))
    if keeps_all:
        fitted = Canvas(mask.shape, canvas).fit_labels(mask[:, ::-1] if flip else mask)
        np.copyto(labels, fitted, where=np.isin(fitted, np.setdiff1d(mask, labels)))
    return View(image, mask, nodes, labels, count_pixels(mask) * (height * width / mask.size))


def draw_view_warp(
    size: tuple[int, int],
    augmentation: Augmentation,
    generator: np.random.Generator,
    strength: float,
) -> np.ndarray:
    """Draws the warp of a whole image of some size, as nodes in pixels of the canvas."""
    return draw_warp(
        augmentation.canvas,
        fit_image(size, augmentation.canvas, cover=augmentation.cover),
        generator,
        spline=strength * augmentation.spline,
        rotation=strength * augmentation.rotation,
        scaling=strength * augmentation.scaling,
        shift=strength * augmentation.shift,
    )


def go_on(
    nodes: np.ndarray,
    size: tuple[int, int],
    augmentation: Augmentation,
    generator: np.random.Generator,
    strength: float,
) -> list[np.ndarray]:
    """Moves a warp on, straight towards another one: the later frames of a single image.

    Args:
        nodes: of the current view, in pixels of the canvas.
        size: height and width of the image.
        augmentation: all numbers.
        generator: source of randomness.
        strength: of the other warp.

    Returns:
        Nodes of each later frame.
    """
    if not augmentation.later_frames:
        return []
    other = draw_view_warp(size, augmentation, generator, strength)
    pace = np.float32(generator.uniform(0, _PACE))
    return [nodes + t * pace * (other - nodes) for t in range(1, augmentation.later_frames + 1)]
