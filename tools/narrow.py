"""Halves a .safetensors file of weights: float32 to bfloat16, for a slow or narrow way to travel.

    python -m ranet_jax.convert export runs/static_hour weights.safetensors
    python tools/narrow.py weights.safetensors narrow.safetensors
    python -m ranet_jax.convert import narrow.safetensors weights/static_hour   # at the other end

Keeps 8 of 24 bits of each number. What training leaves in its work folder stays the full truth.
"""

import sys
from pathlib import Path

import ml_dtypes
import numpy as np
from safetensors.numpy import load_file, save_file


def main(source: Path, destination: Path) -> None:
    """Reads `source` and writes `destination`."""
    tensors = load_file(source)
    save_file(
        {name: np.asarray(x).astype(ml_dtypes.bfloat16) for name, x in tensors.items()},
        destination,
    )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
