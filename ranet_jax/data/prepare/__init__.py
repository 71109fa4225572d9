"""Preparing training sets: python -m ranet_jax.data.prepare."""
