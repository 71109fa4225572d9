"""The pictures of the paper: python -m ranet_jax.figures."""

from ranet_jax.errors import run_command
from ranet_jax.figures.make import main

if __name__ == "__main__":
    run_command(main)
