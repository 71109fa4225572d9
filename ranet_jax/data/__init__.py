"""Images, masks and data sets. Nothing in here imports jax, so worker processes stay light."""
