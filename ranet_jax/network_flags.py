"""The flags by which commands that segment choose their network: one reader of them."""

import argparse
import dataclasses
import re
from pathlib import Path
from typing import Any

import jax

from ranet_jax.compilation import explain_slow_bfloat16, keep_compiled
from ranet_jax.errors import InputError
from ranet_jax.models.template import CELL
from ranet_jax.protocol import PRECISIONS, Protocol
from ranet_jax.remarks import remark
from ranet_jax.template_bank import TEMPLATES
from ranet_jax.weights.network import Network
from ranet_jax.weights.packed import load_shipped


def parse_canvas(text: str | None, flag: str, least: int) -> tuple[int, int] | None:
    """Reads "256x448".

    Args:
        text: of the command line; None where the flag is not given.
        flag: its name, for the error.
        least: what height and width must be at least.

    Returns:
        Height and width; None for None.

    Raises:
        InputError: it is something else, or so small that nothing could be seen.
    """
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)x(\d+)", text)
    if not found or min(int(found[1]), int(found[2])) < least:
        raise InputError(f"{flag} {text}: give height x width from {least} on, such as 256x448")
    return int(found[1]), int(found[2])


def add_network_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that `choose_network` reads."""
    parser.add_argument(
        "--checkpoint",
        type=Path,
        help="a folder from ranet_jax.convert, a training run's --workdir, or a packed file "
        "(default: the weights that come with this)",
    )
    parser.add_argument(
        "--canvas",
        metavar="HxW",
        help="what the network sees, such as 256x448; smaller is faster (default: its own)",
    )
    parser.add_argument(
        "--frame-canvas",
        metavar="HxW",
        help="at which size frames and masks are kept, from which the network's view is cut; a "
        "larger one shows small objects sharply (default: the network's)",
    )
    parser.add_argument(
        "--locality",
        type=float,
        help="how far an object can move between frames, as a share of the height of its box, 0 "
        "for no limit (default: the network's)",
    )
    parser.add_argument(
        "--half-pixels",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="whether a prediction goes back to its box by half pixels, or corner on corner, as "
        "released (default: the network's)",
    )
    parser.add_argument(
        "--memory-every",
        type=int,
        metavar="FRAMES",
        help="remember the look of objects so often, 0 for never (default: the network's)",
    )
    parser.add_argument(
        "--memory-confidence",
        type=float,
        help="mean probability inside its mask, at least, for the look of an object to be "
        "remembered, 0 to 1 (default: the network's)",
    )
    parser.add_argument(
        "--memory-templates",
        type=int,
        choices=TEMPLATES[1:],
        help="looks to remember, that of the first frame among them (default: the network's)",
    )


def refuse_network_flags(arguments: argparse.Namespace, flag: str) -> None:
    """Refuses flags of a network and its computation beside a flag that does without one.

    Args:
        arguments: with the flags of `add_network_flags` and `add_computation_flags`.
        flag: the one that does without, such as "--results".

    Raises:
        InputError: some are given; they are named.
    """
    given = [
        f"--{name.replace('_', '-')}"
        for name, default in _read_defaults().items()
        if getattr(arguments, name) != default
    ]
    if given:
        raise InputError(
            f"give {' and '.join(given)} or {flag}, and not both: {flag} uses no network"
        )


def _read_defaults() -> dict[str, Any]:
    """The values of all flags of a network and its computation where none is given, by name.

    From the parser and not from a list, which a new flag would be missing from.
    """
    parser = argparse.ArgumentParser(add_help=False)
    add_network_flags(parser)
    add_computation_flags(parser)
    return vars(parser.parse_args([]))


def add_computation_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that `set_up_computation` reads."""
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument(
        "--no-cache",
        action="store_true",
        help="compile anew, and keep nothing of it for the next start",
    )


def set_up_computation(arguments: argparse.Namespace) -> None:
    """Sets up jax as the flags ask, before anything is computed.

    Args:
        arguments: with the flags of `add_computation_flags`; where a CPU is to compute in bfloat16
            and would be no faster, that is said, and `precision` becomes float32.
    """
    jax.config.update("jax_enable_x64", arguments.precision == "float64")
    # Also where the user chose a folder for the cache by jax's own variable.
    jax.config.update("jax_enable_compilation_cache", not arguments.no_cache)
    if not arguments.no_cache:
        keep_compiled()
    if arguments.precision == "bfloat16" and (reason := explain_slow_bfloat16()):
        remark(f"{reason}; computing in float32")
        arguments.precision = "float32"


def choose_network(arguments: argparse.Namespace) -> Network:
    """Loads the network that the flags ask for, and says so where it is the one that ships.

    Args:
        arguments: with the flags of `add_network_flags`.

    Returns:
        The network.

    Raises:
        InputError: as `load_network` and `parse_canvas` do, or no such locality.
    """
    canvas = parse_canvas(arguments.canvas, "--canvas", 2 * CELL)
    frame_canvas = parse_canvas(arguments.frame_canvas, "--frame-canvas", CELL)
    if arguments.locality is not None and not 0 <= arguments.locality <= 1:
        raise InputError(f"--locality {arguments.locality}: give 0 to 1")
    if arguments.memory_every is not None and arguments.memory_every < 0:
        raise InputError(f"--memory-every {arguments.memory_every}: give frames, or 0 for never")
    confidence = arguments.memory_confidence
    if confidence is not None and not 0 <= confidence <= 1:
        raise InputError(f"--memory-confidence {confidence}: give 0 to 1")
    if arguments.checkpoint:
        # Here, because orbax takes long to import and the weights that ship do not need it.
        from ranet_jax.weights.checkpoint import load_network

        network, name = load_network(arguments.checkpoint, canvas), arguments.checkpoint
    else:
        network, name = load_shipped(canvas), "the compact weights that come with this program"
    h, w = network.model.canvas
    print(f"network: {name}, canvas {h}x{w}")
    # Flags that change the protocol have the names of its fields.
    fields = {field.name for field in dataclasses.fields(Protocol)} & _read_defaults().keys()
    given = {name: getattr(arguments, name) for name in fields} | {"frame_canvas": frame_canvas}
    given = {name: value for name, value in given.items() if value is not None}
    protocol = dataclasses.replace(network.protocol, **given)
    idle = [name for name in ("memory_confidence", "memory_templates") if name in given]
    if idle and not protocol.memory_every:
        flags = " and ".join(f"--{name.replace('_', '-')}" for name in idle)
        raise InputError(f"{flags}: nothing is remembered; give --memory-every as well")
    return network._replace(protocol=protocol)
