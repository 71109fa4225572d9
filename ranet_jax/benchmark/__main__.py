"""How fast the network is here: python -m ranet_jax.benchmark."""

from ranet_jax.benchmark.speed import main
from ranet_jax.errors import run_command

if __name__ == "__main__":
    run_command(main)
