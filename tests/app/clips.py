"""A video that somebody sends, what they paint on it, and a network."""

import functools

import numpy as np

from ranet_jax.app.painting import BRUSHES
from ranet_jax.media.video_writer import write_video
from ranet_jax.models.ranet import init_params, small_ranet
from ranet_jax.segmenter import Segmenter

FRAMES, SIZE = 6, (90, 160)


@functools.cache
def network():
    model = small_ranet("multi")
    return model, init_params(model, 0)


@functools.cache
def segmenter():
    return Segmenter(*network())


def write_clip(path, frames=FRAMES, size=SIZE):
    noise = np.random.default_rng(0).integers(0, 256, (frames, *size, 3), np.uint8)
    write_video(path, noise, 10)
    return path


def strokes(*rectangles, size=SIZE):
    """A painting of rectangles: brush, rows, columns."""
    painting = np.zeros((*size, 4), np.uint8)
    for brush, rows, columns in rectangles:
        painting[rows, columns] = [*BRUSHES[brush - 1], 255]
    return painting
