"""The flags of online learning, the same for every command that offers it."""

import argparse

from ranet_jax.errors import InputError


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


def check_online_flags(arguments: argparse.Namespace) -> None:
    """Refuses flags of online learning where nothing is learned.

    Args:
        arguments: with the flags of `add_online_flags`.

    Raises:
        InputError: one of them is given without `--online-steps`, or no number of steps or seed.
    """
    if arguments.online_steps < 0:
        raise InputError(f"--online-steps {arguments.online_steps}: give at least 1, or 0 for none")
    if arguments.seed < 0:
        raise InputError(f"--seed {arguments.seed}: give at least 0")
    given = {"--online-rate": arguments.online_rate is not None, "--seed": arguments.seed != 0}
    for flag, is_given in given.items():
        if is_given and not arguments.online_steps:
            raise InputError(f"{flag} does nothing without --online-steps; give both, or neither")
