"""Segments a split of DAVIS and scores it: python -m ranet_jax.evaluation."""

from ranet_jax.errors import run_command
from ranet_jax.evaluation.davis_run import main

if __name__ == "__main__":
    run_command(main)
