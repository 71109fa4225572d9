"""Own results beside the published ones: python -m ranet_jax.tables."""

from ranet_jax.errors import run_command
from ranet_jax.tables.build import main

if __name__ == "__main__":
    run_command(main)
