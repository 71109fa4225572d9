"""The margin of the object box; a module of its own, because the host's box is made without jax."""

MARGIN = 1.5
"""Box side over mask side."""
