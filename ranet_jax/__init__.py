"""RANet, the Ranking Attention Network for fast video object segmentation, in JAX and Flax."""
