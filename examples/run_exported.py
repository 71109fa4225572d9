"""Runs what `python -m ranet_jax.export` wrote, without this package.

Needs jax, numpy, pillow and flatbuffers.

    python examples/run_exported.py DIR OUT MASK FRAME FRAME ...

MASK, a palette or grey PNG of ids 1, 2, ..., belongs to the first FRAME. Writes a PNG of ids into
OUT for every later one, in the size that the network works in; images of another size are stretched
to it. They are read the right way up, and 255 beside other ids as "do not care"; colours, images
of more than 8 bits, and more ids than were exported are refused. The package reads far more.
"""

import json
import sys
from pathlib import Path
from typing import NoReturn

import jax
import numpy as np
from jax import export
from PIL import Image, ImageOps


def refuse(text: str) -> NoReturn:
    """Ends the program with one line."""
    print(f"error: {text}", file=sys.stderr)
    sys.exit(2)


if len(sys.argv) < 6:
    print(__doc__, file=sys.stderr)
    sys.exit(2)
folder, out, mask, *frames = map(Path, sys.argv[1:])
exported = [folder / name for name in ("manifest.json", "init.jax", "step.jax", "weights.npz")]
for path in (*exported, mask, *frames):
    if not path.is_file():
        refuse(f"{path} does not exist or is no file; give DIR OUT MASK FRAME FRAME ...")
manifest = json.loads((folder / "manifest.json").read_text())
(height, width), slots = manifest["labels"]["shape"], manifest["slots"]
init, step = (
    export.deserialize(bytearray((folder / name).read_bytes())) for name in ("init.jax", "step.jax")
)
step = jax.jit(step.call, donate_argnums=1)  # compiled once; the state is updated in place
weights = jax.device_put(dict(np.load(folder / "weights.npz")))


def open_upright(path: Path, modes: tuple[str, ...]) -> Image.Image:
    """Opens an image, turned as its camera says; ends the program where that is not enough."""
    try:
        image = ImageOps.exif_transpose(Image.open(path))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        refuse(f"{path} cannot be read as an image ({error}); save it again as PNG")
    if image.mode not in modes:
        refuse(f"{path} has pixels of the kind {image.mode}; convert it to {' or '.join(modes)}")
    return image


def read_frame(path: Path) -> np.ndarray:
    """Reads a frame as RGB in the network's size."""
    image = open_upright(path, ("RGB", "RGBA", "L", "P"))
    return np.asarray(image.convert("RGB").resize((width, height)))


def read_labels(path: Path) -> np.ndarray:
    """Reads ids in the network's size."""
    image = open_upright(path, ("P", "L"))
    values = np.asarray(image.resize((width, height), Image.Resampling.NEAREST))
    found = set(np.unique(values)) - {0}
    if found == {255}:
        return (values > 0).astype(np.uint8)
    values = np.where(values == 255, 0, values)
    if values.max() > slots:
        refuse(f"{path} has the id {values.max()}; ids are 1 to {slots}; export with --slots")
    return values


state = init.call(weights, read_frame(frames[0]), read_labels(mask))
out.mkdir(parents=True, exist_ok=True)
for frame in frames[1:]:
    state, labels = step(weights, state, read_frame(frame))
    Image.fromarray(np.asarray(labels)).save(out / f"{frame.stem}.png")
    shares = 100 * np.bincount(np.ravel(labels), minlength=slots + 1) / labels.size
    print(f"{frame}: " + ", ".join(f"object {i} {shares[i]:.1f} %" for i in range(1, slots + 1)))
