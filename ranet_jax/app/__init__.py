"""The page to segment a video in the browser: python -m ranet_jax.app."""
