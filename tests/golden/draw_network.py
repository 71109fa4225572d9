"""Writes `net_drawn.npz`: the network on drawn frames, so that a clone can compare without DAVIS.

    python -m tests.golden.draw_network

Needs PyTorch, and DAVIS's blackswan in data/DAVIS. The numbers are those of
`benchmarks.torch_network`, in float64; the program first shows how far that is from the released
implementation's own numbers, `net_single.npz`, and writes nothing where it is far.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import jax
import numpy as np
import torch

from benchmarks.examples import draw_example
from benchmarks.torch_network import TorchNetwork
from ranet_jax.models.resnet import normalize_frame
from ranet_jax.models.template import pool_mask
from ranet_jax.weights.pytorch import import_network
from tests.golden.make_weights import make_weights
from tests.test_golden import CANVAS, GOLDEN, frame_of, load, mask_of

SAMPLES = 4096


def run(theirs: TorchNetwork, example: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Kernels and logits of an example, as NumPy arrays, channels second."""
    template, frame = (
        torch.tensor(np.asarray(normalize_frame(example[name], np.float64))).permute(0, 3, 1, 2)
        for name in ("template", "frame")
    )
    cells = np.asarray(pool_mask(example["template_labels"][:, None].astype(float), 32))[:, 0]
    previous = torch.tensor(example["previous"][:, None].astype(float))
    with torch.inference_mode():
        kernels = theirs.template(template)
        logits = theirs(kernels, torch.tensor(cells), frame, previous)
    return {"kernels": kernels.numpy(), "logits": logits.numpy()}


def main() -> None:
    """Compares, then writes."""
    jax.config.update("jax_enable_x64", True)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "single.npz"
        np.savez(file, **make_weights(0))
        network = import_network(file, "single")
    theirs = TorchNetwork(network, torch.float64, torch.contiguous_format)

    golden = load("net_single")
    sequence, first, current = golden["frames"]
    found = run(
        theirs,
        {
            "template": CANVAS.fit_frame(frame_of(sequence, first))[None],
            "template_labels": CANVAS.fit_labels(mask_of(sequence, first))[None],
            "frame": CANVAS.fit_frame(frame_of(sequence, current))[None],
            "previous": CANVAS.fit_labels(mask_of(sequence, int(current) - 1))[None],
        },
    )
    samples = found["logits"].ravel()[golden["logit/idx"]]
    difference = np.abs(samples - golden["logit/val"]).max()
    print(f"{sequence}, from the released implementation's logits: {difference:.1e} at most")
    assert difference < 1e-8

    drawn = run(theirs, draw_example(network.model, 1))
    arrays = {}
    for name, values in drawn.items():
        index = np.random.default_rng(0).choice(values.size, SAMPLES, replace=False)
        arrays |= {f"{name}/idx": index.astype(np.int32), f"{name}/val": values.ravel()[index]}
    np.savez_compressed(GOLDEN / "net_drawn.npz", **arrays)
    print({name: (values.shape, float(np.ptp(values))) for name, values in drawn.items()})


if __name__ == "__main__":
    main()
