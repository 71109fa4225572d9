"""Runs what `python -m ranet_jax.export` wrote, without this package.

Needs jax, numpy, pillow and flatbuffers.

    python examples/run_exported.py DIR OUT MASK FRAME FRAME ...

MASK, a palette or grey PNG of ids 1, 2, ..., belongs to the first FRAME. Writes a PNG of ids into
OUT for every later one, in the size that the network works in; others are stretched to it.
"""

import json
import sys
from pathlib import Path

import jax
import numpy as np
from jax import export
from PIL import Image

if len(sys.argv) < 6:
    sys.exit(__doc__)
folder, out, mask, *frames = map(Path, sys.argv[1:])
height, width = json.loads((folder / "manifest.json").read_text())["labels"]["shape"]
init, step = (
    export.deserialize(bytearray((folder / name).read_bytes())) for name in ("init.jax", "step.jax")
)
step = jax.jit(step.call, donate_argnums=1)  # compiled once; the state is updated in place
weights = jax.device_put(dict(np.load(folder / "weights.npz")))


def read_frame(path: Path) -> np.ndarray:
    """Reads a frame as RGB in the network's size."""
    return np.asarray(Image.open(path).convert("RGB").resize((width, height)))


labels = np.asarray(Image.open(mask).resize((width, height), Image.Resampling.NEAREST))
state = init.call(weights, read_frame(frames[0]), labels)
out.mkdir(parents=True, exist_ok=True)
for frame in frames[1:]:
    state, labels = step(weights, state, read_frame(frame))
    Image.fromarray(np.asarray(labels)).save(out / f"{frame.stem}.png")
    print(frame, np.bincount(np.ravel(labels)) / labels.size)
