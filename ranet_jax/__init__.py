"""RANet, the Ranking Attention Network for fast video object segmentation, in JAX and Flax."""

__version__ = "0.1.0"
