"""The flags of online learning, the same for every command that offers it."""

import argparse


def add_online_flags(parser: argparse.ArgumentParser) -> None:
    """Adds `--online-steps`, `--online-rate` and `--seed`, which `OnlineLearner` takes."""
    add = parser.add_argument
    add(
        "--online-steps",
        type=int,
        default=0,
        help="learn the first frame for so many steps before segmenting (default: 0, none)",
    )
    add(
        "--online-rate",
        type=float,
        help="learning rate of --online-steps (default: that of the weights)",
    )
    add("--seed", type=int, default=0, help="of the draws of --online-steps (default: 0)")
