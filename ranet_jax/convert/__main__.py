"""Weights of PyTorch in, weights for PyTorch out: python -m ranet_jax.convert."""

from ranet_jax.errors import run_command
from ranet_jax.weights.pytorch import main


def command() -> None:
    """The entry point of `ranet-convert`."""
    run_command(main)


if __name__ == "__main__":
    command()
