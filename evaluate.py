"""Segments a split of DAVIS and scores it: python evaluate.py --split davis16-val."""

if __name__ == "__main__":
    # Imported here, so that processes that score masks do not import jax.
    from ranet_jax.errors import run_command
    from ranet_jax.evaluation.davis_run import main

    run_command(main)
