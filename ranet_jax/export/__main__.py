"""A network as files that jax runs without this package.

    python -m ranet_jax.export CHECKPOINT DIR [--platforms cpu,cuda,tpu] [--slots 1]

Writes into the new folder DIR:

    init.jax, step.jax   the two functions of `protocol.build`, by `jax.export` (StableHLO inside)
    weights.npz          their weights, which are arguments and not part of the functions
    manifest.json        every input and output with shape and dtype, and the versions

`examples/run_exported.py` runs them. Lowering needs no accelerator: one file serves all platforms
it was written for; so far only cpu has been run, cuda and tpu have only been written. jax promises
to read such files for six months; export anew after that.
"""

import argparse
from pathlib import Path

from ranet_jax.errors import run_command
from ranet_jax.export.bundle import EXPORTED_PRECISIONS, PLATFORMS, export_network
from ranet_jax.files import check_destination
from ranet_jax.flag_parser import FlagParser
from ranet_jax.protocol import SLOTS
from ranet_jax.weights.checkpoint import load_network


def main() -> None:
    """Reads the flags and exports."""
    parser = FlagParser(
        prog="python -m ranet_jax.export",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument(
        "--platforms",
        type=lambda names: tuple(names.split(",")),
        default=PLATFORMS,
        help=f"with commas (default: {','.join(PLATFORMS)})",
    )
    parser.add_argument("--slots", type=int, choices=SLOTS, default=1, help="room for objects")
    parser.add_argument("--precision", choices=EXPORTED_PRECISIONS, default="float32")
    args = parser.parse_args()
    check_destination(args.folder)  # before a large checkpoint is read
    network = load_network(args.checkpoint)
    export_network(network, args.folder, args.slots, args.precision, args.platforms)
    h, w = network.protocol.find_frame_canvas(network.model)
    print(
        f"{args.folder}: init and step for {', '.join(args.platforms)}; {h} x {w}, "
        f"slots for objects: {args.slots}, {args.precision}"
    )


if __name__ == "__main__":
    run_command(main)
