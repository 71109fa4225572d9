"""Segments a split of DAVIS and scores it: python evaluate.py --split davis16-val."""

if __name__ == "__main__":
    # Imported here, so that processes that score masks do not import it.
    from ranet_jax.evaluation.__main__ import command

    command()
