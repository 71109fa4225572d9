"""Weights of PyTorch in, weights for PyTorch out.

    python -m ranet_jax.convert import SRC DEST   # a released RANet, or an ImageNet ResNet
    python -m ranet_jax.convert export SRC DEST   # to DEST.npz or DEST.safetensors
    python -m ranet_jax.convert pack DEST --checkpoint SRC    # to one small file, as weights ship

No code in a file of PyTorch is ever executed.
"""

import argparse
import dataclasses
import math
from pathlib import Path

from ranet_jax.errors import InputError, run_command
from ranet_jax.files import check_destination
from ranet_jax.flag_parser import FlagParser
from ranet_jax.network_flags import add_network_flags, choose_network
from ranet_jax.weights.checkpoint import load_network, save_network
from ranet_jax.weights.network import name_protocol
from ranet_jax.weights.packed import write_packed
from ranet_jax.weights.pytorch import export_tensors, import_network
from ranet_jax.weights.tensors import write_tensors


def main() -> None:
    """The command."""
    parser = FlagParser(
        prog="python -m ranet_jax.convert",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    importing = commands.add_parser("import", help="PyTorch file to checkpoint")
    exporting = commands.add_parser("export", help="checkpoint to .npz or .safetensors")
    for command in (importing, exporting):
        command.add_argument("source", type=Path)
        command.add_argument("destination", type=Path)
    importing.add_argument(
        "--rule",
        choices=("single", "multi"),
        help="how objects are ranked (default: multi if the file's name says so, else single)",
    )
    packing = commands.add_parser("pack", help="checkpoint to one file with 8-bit kernels")
    packing.add_argument("destination", type=Path, help="a new .safetensors file")
    add_network_flags(packing)
    packing.add_argument(
        "--online-rate",
        type=float,
        help="rate of online learning that suits the weights (default: the checkpoint's)",
    )
    args = parser.parse_args()
    if args.command == "import":
        check_destination(args.destination)
        ranking_rule = args.rule or ("multi" if "multi" in args.source.name else "single")
        network = import_network(args.source, ranking_rule)
        save_network(args.destination, network)
    elif args.command == "pack":
        check_destination(args.destination)
        if args.online_rate is not None and not 0 < args.online_rate < math.inf:
            raise InputError(f"--online-rate {args.online_rate}: give one above 0, like 1e-4")
        network = choose_network(args)
        if args.online_rate is not None:
            protocol = dataclasses.replace(network.protocol, online_rate=args.online_rate)
            network = network._replace(protocol=protocol)
        write_packed(args.destination, network)
        size = args.destination.stat().st_size / 1e6
        changes = ", ".join(name_protocol(network.protocol)) or "nothing"
        print(f"{size:.1f} MB; other than in the released protocol: {changes}")
    else:
        check_destination(args.destination)
        network = load_network(args.source)
        try:
            tensors = export_tensors(network)
        except InputError as error:
            raise InputError(f"{args.source}: {error}") from None
        write_tensors(args.destination, tensors)
    model = network.model
    print(f"{args.destination}: ResNet {model.blocks}, objects ranked by {model.ranking_rule}")


def command() -> None:
    """The entry point of `ranet-convert`."""
    run_command(main)


if __name__ == "__main__":
    command()
