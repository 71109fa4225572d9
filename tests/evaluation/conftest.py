"""A small network and a small DAVIS, for the tests of evaluate.py."""

import numpy as np
import pytest
from PIL import Image

from ranet_jax.media.masks import write_mask
from ranet_jax.models.ranet import init_params, small_ranet
from ranet_jax.weights.checkpoint import save_network
from ranet_jax.weights.network import Network
from tests.evaluation.runs import FRAMES


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "small"
    model = small_ranet("multi")
    save_network(path, Network(model, init_params(model, 0), {}))
    return path


@pytest.fixture
def davis(tmp_path):
    """Two sequences of both years: noise, and rectangles that move."""
    generator = np.random.default_rng(0)
    root = tmp_path / "DAVIS"
    for name in ("first", "second"):
        for folder in ("JPEGImages", "Annotations"):
            (root / folder / "480p" / name).mkdir(parents=True)
        for index, stem in enumerate(FRAMES):
            frame = generator.integers(0, 256, (120, 200, 3)).astype(np.uint8)
            labels = np.zeros((120, 200), np.uint8)
            labels[20:60, 30 + 5 * index : 80 + 5 * index] = 1
            labels[70:110, 90:150] = 2
            Image.fromarray(frame).save(root / f"JPEGImages/480p/{name}/{stem}.jpg")
            write_mask(root / f"Annotations/480p/{name}/{stem}.png", labels)
    for path in ("2016/val", "2017/val", "2017/test-dev"):
        listing = root / "ImageSets" / f"{path}.txt"
        listing.parent.mkdir(parents=True, exist_ok=True)
        listing.write_text("first\nsecond\n")
    return root
