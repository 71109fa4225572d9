"""The network that the benchmark writes down in PyTorch computes what ours does."""

from dataclasses import replace

import numpy as np
import pytest

from ranet_jax.models.ranet import init_params, small_ranet
from ranet_jax.weights.network import Network

torch = pytest.importorskip("torch", reason="needs PyTorch")

from benchmarks import released  # noqa: E402 (it imports PyTorch)

SMALL = replace(small_ranet("single"), canvas=(64, 96), top_k=8)


COMPACT = replace(SMALL, ranking_rule="multi", learned_scores=False)
FINE = replace(SMALL, cell=16, top_k=32)


@pytest.mark.parametrize(
    ("task", "model"),
    [
        ("frame", SMALL),
        ("frame", COMPACT),
        ("frame", FINE),
        # It takes most of a minute to compile.
        pytest.param("gradient", COMPACT, marks=pytest.mark.slow),
    ],
    ids=["frame of the released", "frame of the compact", "frame with small cells", "gradient"],
)
def test_it_computes_what_ours_does(model, task):
    network = Network(model, init_params(model, 0), {})
    ours = getattr(released, f"prepare_our_{task}")
    theirs = getattr(released, f"prepare_torch_{task}")
    assert released.compare_exactly(network, ours, theirs) < 1e-9
    # And it is not nothing that both compute.
    found = theirs(network, torch.float32, torch.contiguous_format)()
    assert np.isfinite(found).all() and np.ptp(found) > 1e-3
