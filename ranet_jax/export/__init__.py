"""A network as files that jax runs without this package."""
