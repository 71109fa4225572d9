"""Weights with the released RANet's names and shapes, the same on every machine.

Every tensor is drawn from its own generator, seeded by the CRC-32 of its name and `seed`, so that
one can be made without the others. Convolutions: He normal. Instance-norm scales: uniform in
[0.5, 1.5]. Biases: uniform in [-0.2, 0.2]. The two convolutions that end in one channel lose their
mean, or the outputs would saturate.

    weights = make_weights(seed=0)  # {name: float32 array in PyTorch's layout, (out, in, kh, kw)}

The values are rounded to float32, as in a released checkpoint; the golden numbers were computed in
float64 from those.
"""

import json
import zlib
from pathlib import Path

import numpy as np

NAMES = Path(__file__).with_name("torch_names.json")


def make_tensor(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """One tensor, by its released name."""
    generator = np.random.default_rng([zlib.crc32(name.encode()), seed])
    if len(shape) >= 3:
        weight = generator.standard_normal(shape) * np.sqrt(2.0 / np.prod(shape[1:]))
        return weight - weight.mean() if shape[0] == 1 else weight
    if name.endswith("bias"):
        return generator.uniform(-0.2, 0.2, shape)
    return generator.uniform(0.5, 1.5, shape)


def make_weights(seed: int = 0) -> dict[str, np.ndarray]:
    """All tensors of a released checkpoint, by their names."""
    shapes = json.loads(NAMES.read_text())
    return {
        name: make_tensor(name, tuple(shape), seed).astype(np.float32)
        for name, shape in shapes.items()
    }
