"""Training examples of noise: what they show says nothing about the time that they take."""

import numpy as np

from ranet_jax.models.ranet import RANet


def draw_example(model: RANet, batch: int) -> dict[str, np.ndarray]:
    """Training examples of noise with an object in each, without later frames."""
    generator = np.random.default_rng(0)
    h, w = model.canvas
    template, frame = generator.integers(0, 256, (2, batch, h, w, 3)).astype(np.uint8)
    labels = np.zeros((batch, h, w), np.uint8)
    labels[:, h // 4 : h // 2, w // 4 : w // 2] = 1
    return {
        "template": template,
        "template_labels": labels,
        "frame": frame,
        "previous": np.roll(labels, 8, 1),
        "labels": np.roll(labels, 12, 2),
        "box": np.tile(np.int32([0, 0, h, w]), (batch, 1)),
        "later_frames": np.zeros((batch, 0, h, w, 3), np.uint8),
        "later_labels": np.zeros((batch, 0, h, w), np.uint8),
    }
