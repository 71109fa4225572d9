"""The learning demo: python -m ranet_jax.demo."""

from ranet_jax.demo.learning import main
from ranet_jax.errors import run_command

if __name__ == "__main__":
    run_command(main)
