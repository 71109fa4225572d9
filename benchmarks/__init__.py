"""What the developers measure, a command each: beside PyTorch, beside another scorer, over hours.

How fast the network is on one's own machine is `python -m ranet_jax.benchmark`.
"""
