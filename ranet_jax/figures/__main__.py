"""The pictures of the paper: python -m ranet_jax.figures."""

from ranet_jax.errors import run_command


def command() -> None:
    """The command."""
    # In here, so that `run_command` can say which extra is missing.
    from ranet_jax.figures.make import main

    main()


if __name__ == "__main__":
    run_command(command)
