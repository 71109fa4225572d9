"""A small video with its masks, and what the tests of both modules do with them."""

import functools
import sys

import numpy as np
from PIL import Image

from ranet_jax.media.video import open_video
from ranet_jax.models.ranet import init_params, small_ranet
from ranet_jax.segment.__main__ import command
from ranet_jax.segment.engine import segment_video
from ranet_jax.segmenter import Segmenter

SIZE = (122, 95)  # portrait, odd and not the canvas's, so that labels are resized both ways
COUNT = 7


def segmenter(*, probabilities=True):
    """One for all tests, or one of each kind, so that each slot size is compiled once."""
    return _make_segmenter(probabilities)


@functools.cache
def _make_segmenter(probabilities):
    model = small_ranet()
    return Segmenter(model, init_params(model, 0), probabilities=probabilities)


def moving(count=COUNT):
    """Noise with a bright square that moves."""
    frames = np.random.default_rng(0).integers(0, 120, (count, *SIZE, 3)).astype(np.uint8)
    for index, frame in enumerate(frames):
        frame[30:70, 20 + 3 * index : 60 + 3 * index] += 100
    return frames


def run(folder, masks, out, **options):
    with open_video(str(folder)) as video:
        return segment_video(segmenter(), video, masks, out, **{"replacing": {3}} | options)


def read(path):
    return np.asarray(Image.open(path))


def contents(out):
    """Every mask and probability, byte for byte."""
    return {str(path.relative_to(out)): path.read_bytes() for path in out.glob("[mp]*/**/*.png")}


class FakeLearner:
    """Learns other weights at once, the same ones always."""

    steps, rate, seed = 3, 1e-4, 0

    def __init__(self):
        self.compiled, self.learned = [], []
        self.seconds = self.compile_seconds = 0.0

    def compile(self, objects):
        if objects not in self.compiled:
            self.compiled.append(objects)
            self.compile_seconds += 0.5

    def learn(self, frame, mask, report_step):
        assert self.compiled == [2], "before the first frame"
        self.learned.append((frame, mask))
        report_step(1)
        self.seconds += 1e6
        return init_params(small_ranet(), 1)


def call_command(monkeypatch, capsys, arguments):
    """Runs `ranet-segment`; gives its exit code and what it prints."""
    monkeypatch.setattr(sys, "argv", ["ranet-segment", *map(str, arguments)])
    try:
        command()
        code = 0
    except SystemExit as error:
        code = error.code
    return code, capsys.readouterr()
