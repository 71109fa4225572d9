"""The flags of online learning, the same for every command that offers it."""

import argparse

from ranet_jax.online import RATE, SHIPPED_RATE


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
        help=f"learning rate of --online-steps (default: {SHIPPED_RATE:g} for the weights that\n"
        f"ship, {RATE:g}, the paper's, for others)",
    )
    add("--seed", type=int, default=0, help="of the draws of --online-steps (default: 0)")


def choose_rate(arguments: argparse.Namespace) -> float:
    """The learning rate that the flags ask for.

    Args:
        arguments: parsed, `--online-rate` and `--checkpoint` among them.

    Returns:
        What was given; else that of the weights in use.
    """
    if arguments.online_rate is not None:
        return arguments.online_rate
    return RATE if arguments.checkpoint else SHIPPED_RATE
