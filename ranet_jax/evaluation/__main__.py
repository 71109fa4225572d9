"""Segments a split of DAVIS and scores it: python -m ranet_jax.evaluation."""

from ranet_jax.errors import run_command


def command() -> None:
    """The entry point of `ranet-evaluate`."""
    from ranet_jax.evaluation.davis_run import main

    run_command(main)


if __name__ == "__main__":
    command()
