"""The flags by which every command chooses its network: one reader of them."""

import argparse
import dataclasses
import re
from pathlib import Path

from ranet_jax.errors import InputError
from ranet_jax.protocol import PRECISIONS
from ranet_jax.weights.checkpoint import Network, load_network
from ranet_jax.weights.packed import load_shipped


def parse_canvas(text: str) -> tuple[int, int]:
    """Reads "256x448": height x width.

    Raises:
        InputError: it is something else.
    """
    found = re.fullmatch(r"(\d+)x(\d+)", text)
    if not found:
        raise InputError(f"--canvas {text}: give height x width, such as 256x448")
    return int(found[1]), int(found[2])


def add_network_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that `choose_network` reads, and --precision."""
    parser.add_argument(
        "--checkpoint",
        type=Path,
        help="of ranet_jax.convert, or a training run (default: the weights that come with this)",
    )
    parser.add_argument(
        "--canvas",
        metavar="HxW",
        help="what the network sees, such as 256x448; smaller is faster (default: its own)",
    )
    parser.add_argument(
        "--locality",
        type=float,
        help="how far an object can move between frames, as a share of the height of its box, 0 "
        "for no limit (default: the network's)",
    )
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")


def choose_network(arguments: argparse.Namespace) -> Network:
    """Loads the network that the flags ask for, and says so where it is the one that ships.

    Args:
        arguments: with the flags of `add_network_flags`.

    Returns:
        The network.

    Raises:
        InputError: as `load_network` and `parse_canvas` do, or a negative locality.
    """
    canvas = parse_canvas(arguments.canvas) if arguments.canvas else None
    if arguments.checkpoint:
        network = load_network(arguments.checkpoint, canvas)
    else:
        network = load_shipped(canvas)
        h, w = network.model.canvas
        print(f"network: the compact weights that come with this program, canvas {h}x{w}")
    if arguments.locality is None:
        return network
    if arguments.locality < 0:
        raise InputError(f"--locality {arguments.locality}: give 0 or more")
    return network._replace(
        protocol=dataclasses.replace(network.protocol, locality=arguments.locality)
    )
