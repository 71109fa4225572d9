"""Segments a split of DAVIS or YouTube-VOS and scores it: python evaluate.py --split davis16-val.

Or scores masks that exist: python evaluate.py --split davis16-val --results DIR.
"""

import argparse
from pathlib import Path

from ranet_jax.data.davis import SPLITS
from ranet_jax.errors import InputError, run_command
from ranet_jax.evaluation import ytvos
from ranet_jax.evaluation.checks import check_out
from ranet_jax.evaluation.run import Learning, evaluate_masks, evaluate_network
from ranet_jax.evaluation.selection import select_sequences
from ranet_jax.evaluation.ytvos_run import FILES, evaluate_video_masks, evaluate_videos
from ranet_jax.flag_parser import FlagParser
from ranet_jax.network_flags import (
    add_computation_flags,
    add_network_flags,
    choose_network,
    refuse_network_flags,
    set_up_computation,
)
from ranet_jax.online_flags import add_online_flags, check_online_flags
from ranet_jax.segmenter import Segmenter


def main() -> None:
    """Reads the flags and evaluates."""
    parser = FlagParser(
        prog="evaluate.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--split", choices=[*SPLITS, ytvos.SPLIT], required=True)
    add(
        "--data-dir",
        type=Path,
        help="the DAVIS folder (default: data/DAVIS); of ytvos the folder of a split, such as\n"
        "valid (default: data/YouTube-VOS/valid)",
    )
    add_network_flags(parser)
    add_computation_flags(parser)
    add(
        "--out",
        type=Path,
        help="where all results go (default: out/SPLIT, or out/SPLIT-results with --results)",
    )
    add("--sequences", type=lambda names: names.split(","), help="a,b: only these")
    add("--max-frames", type=int, help="only this many frames of each sequence")
    add_online_flags(parser)
    add("--results", type=Path, help="score the masks in this folder, no network")
    args = parser.parse_args()
    if args.results:
        refuse_network_flags(args, "--results")
    if args.max_frames is not None and args.max_frames < 3:
        raise InputError(
            f"--max-frames {args.max_frames}: give 3 or more, as DAVIS does not score the first "
            "and the last"
        )
    if args.results and args.online_steps:
        raise InputError("--online-steps trains a network and --results has none; leave one out")
    check_online_flags(args)
    set_up_computation(args)
    out = args.out or Path("out") / (f"{args.split}-results" if args.results else args.split)
    if args.split == ytvos.SPLIT:
        _evaluate_ytvos(args, out)
        return
    data_dir = args.data_dir or Path("data/DAVIS")
    selection = select_sequences(args.split, data_dir, args.sequences, args.max_frames)
    if args.results:
        evaluate_masks(selection, args.results, out)
        return
    learning = None
    if args.online_steps:
        learning = Learning(args.online_steps, args.online_rate, args.seed)
    segmenter = Segmenter.from_network(choose_network(args), args.precision)
    evaluate_network(selection, segmenter, _name_weights(args), out, learning)


def _evaluate_ytvos(args: argparse.Namespace, out: Path) -> None:
    """Evaluates a split of YouTube-VOS, whose objects appear in the middle of videos."""
    if args.max_frames or args.online_steps:
        raise InputError("--max-frames and --online-steps are for DAVIS; leave them out for ytvos")
    data_dir = args.data_dir or Path("data/YouTube-VOS/valid")
    usable = ytvos.find_videos(data_dir, args.sequences)
    names = None if args.results else [*usable.left_out, *(one.name for one in usable.videos)]
    check_out(out, data_dir, names, FILES)
    if args.results:
        evaluate_video_masks(usable, args.results, out)
        return
    segmenter = Segmenter.from_network(choose_network(args), args.precision)
    evaluate_videos(usable, segmenter, _name_weights(args), out)


def _name_weights(args: argparse.Namespace) -> str:
    """What the summary calls the network's weights."""
    return str(args.checkpoint or "shipped")


def command() -> None:
    """The entry point of `ranet-evaluate`; Ctrl-C ends it with one line."""
    run_command(main, kept="old results stay until all new ones are there")


if __name__ == "__main__":
    command()
