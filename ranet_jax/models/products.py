"""Matrix products as exact as their type allows, and sums of them that are fast on a CPU."""

import jax
import jax.numpy as jnp
from jax import Array

PRECISION = jax.lax.Precision.HIGHEST
"""Only matters in float32, where the default of GPU and TPU keeps 10 or 8 bits."""


def sum_products(x: Array, y: Array) -> Array:
    """Products of channels summed over places and samples, a sample at a time.

    XLA for CPUs shares out a batch among the cores but not a long sum, for which it also writes its
    operands anew in another order. In bfloat16 each sample's sum is rounded (it is made in
    float32): with a wider result oneDNN would compute in float32.

    Args:
        x: [b, h, w, c] or [b, n, c].
        y: the same but for its channels, f.

    Returns:
        [c, f], in the type of x; samples are summed in float32 or wider.
    """
    wide = jnp.promote_types(x.dtype, jnp.float32)
    x, y = (each.reshape(each.shape[0], -1, each.shape[-1]) for each in (x, y))
    products = jnp.einsum("bnc,bnf->bcf", x, y, precision=PRECISION)
    return products.sum(axis=0, dtype=wide).astype(x.dtype)
