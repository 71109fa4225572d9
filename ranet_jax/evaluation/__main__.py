"""Segments a split of DAVIS and scores it: python evaluate.py --split davis16-val.

Or scores masks that exist: python evaluate.py --split davis16-val --results DIR.
"""

import argparse
import sys
from pathlib import Path

from ranet_jax.data.davis import SPLITS
from ranet_jax.errors import InputError, run_command
from ranet_jax.evaluation.run import Learning, evaluate_masks, evaluate_network
from ranet_jax.evaluation.selection import select_sequences
from ranet_jax.network_flags import (
    add_computation_flags,
    add_network_flags,
    choose_network,
    set_up_computation,
)
from ranet_jax.online_flags import add_online_flags
from ranet_jax.segmenter import Segmenter


def main() -> None:
    """Reads the flags and evaluates."""
    parser = argparse.ArgumentParser(
        prog="evaluate.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--split", choices=SPLITS, required=True)
    add(
        "--data-dir",
        type=Path,
        default=Path("data/DAVIS"),
        help="the DAVIS folder (default: data/DAVIS)",
    )
    add_network_flags(parser)
    add_computation_flags(parser)
    add("--out", type=Path, help="where all results go (default: out/SPLIT)")
    add("--sequences", type=lambda names: names.split(","), help="a,b: only these")
    add("--max-frames", type=int, help="only this many frames of each sequence")
    add_online_flags(parser)
    add("--results", type=Path, help="score the masks in this folder, no network")
    args = parser.parse_args()
    if args.checkpoint and args.results:
        raise InputError("give --checkpoint or --results, and not both")
    if args.max_frames is not None and args.max_frames < 3:
        raise InputError("--max-frames must be at least 3: the first and the last are not scored")
    of_network = ("canvas", "frame_canvas", "locality", "memory_every", "memory_confidence")
    if args.results and any(getattr(args, name) is not None for name in of_network):
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in of_network)
        raise InputError(f"{flags} are of a network; --results has none")
    if args.results and args.online_steps:
        raise InputError("--online-steps trains a network and --results has none; leave one out")
    set_up_computation(args)
    selection = select_sequences(args.split, args.data_dir, args.sequences, args.max_frames)
    out = args.out or Path("out") / args.split
    if args.results:
        evaluate_masks(selection, args.results, out)
        return
    learning = None
    if args.online_steps:
        learning = Learning(args.online_steps, args.online_rate, args.seed)
    segmenter = Segmenter.from_network(choose_network(args), args.precision)
    evaluate_network(selection, segmenter, str(args.checkpoint or "shipped"), out, learning)


def command() -> None:
    """The entry point of `ranet-evaluate`; Ctrl-C ends it with one line."""
    try:
        run_command(main)
    except KeyboardInterrupt:
        print("interrupted: what was in --out before is as it was", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    command()
