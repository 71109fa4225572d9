"""The network and the video that pictures are made of."""

import functools
import json

import numpy as np

from ranet_jax.models.ranet import init_params, small_ranet
from ranet_jax.tables.published import SCORES
from ranet_jax.weights.network import Network

H, W = 160, 288


@functools.cache
def network():
    model = small_ranet()
    return Network(model, init_params(model, 0), {})


@functools.cache
def clip():
    """Two objects, so large that their box is the whole canvas, and their ids."""
    generator = np.random.default_rng(0)
    frames = generator.integers(0, 120, (3, H, W, 3)).astype(np.uint8)
    masks = np.zeros((3, H, W), np.uint8)
    for index in range(3):
        masks[index, 10:150, 20 + index : 140] = 3
        masks[index, 10:150, 150:270] = 7
    frames[masks == 3] += 60
    frames[masks == 7] += 120
    return frames, masks


def summary(folder, **fields):
    folder.mkdir()
    content = {
        "split": "davis16-val",
        "sequences": ["a"] * 20,
        "frames": 1356,
        "scores": dict.fromkeys(SCORES, 0.4),
        "seconds_per_frame": 0.2,
        "device": "1 x test",
    } | fields
    (folder / "summary.json").write_text(json.dumps(content))
    return f"full={folder}"
