"""Timing a network in several cases, beside what the device can do at its best."""

from typing import Any

import numpy as np

from ranet_jax.benchmark.cases import Case, make_clip
from ranet_jax.benchmark.parts import time_case
from ranet_jax.benchmark.rows import add_shares, compute_ratios
from ranet_jax.benchmark.timing import CompilationCounter, measure_rates, read_peak_memory
from ranet_jax.machine import describe_machine
from ranet_jax.models.ranet import NAMED_MODELS, RANet
from ranet_jax.models.resnet import RESNET_BLOCKS
from ranet_jax.protocol import PRECISIONS
from ranet_jax.segmenter import Segmenter

MODELS = {
    "resnet101": RANet(),
    "resnet50": RANet(blocks=RESNET_BLOCKS[50]),
    **{name: make() for name, make in NAMED_MODELS.items()},
}
"""Networks that can be timed untrained; time does not depend on the weights."""


def run_benchmark(segmenter: Segmenter, cases: list[Case], frames: int) -> dict[str, Any]:
    """Times cases in order.

    Args:
        segmenter: the network.
        cases: see `Case`.
        frames: timed runs of each row, about, see `timing.measure`.

    Returns:
        All that was found, as JSON.
    """
    summary = describe_machine() | {"precision": segmenter.precision}
    print(f"{summary['device']}; {summary['processor']}; {summary['versions']}")
    counter = CompilationCounter()
    rows = [row for case in cases for row in time_case(segmenter, case, frames, counter)]
    summary |= {"rows": rows, "ratios": compute_ratios(rows), "peak_memory": read_peak_memory()}
    # Afterwards, because it takes more memory than the network.
    summary["rates"] = measure_rates(PRECISIONS[segmenter.precision])
    add_shares(rows, summary["rates"])
    return summary | {"compilations_after_warm_up": counter.count}


def compare_precision(segmenter: Segmenter) -> float:
    """Compares the masks of a precision with those of float32 on a generated clip.

    Args:
        segmenter: in the precision.

    Returns:
        The share of pixels, 0..1, whose labels differ.
    """
    exact = Segmenter(segmenter.model, segmenter.params, protocol=segmenter.protocol)
    frames, labels = make_clip(1, segmenter.frame_canvas)
    trackers = [one.start(frames[0], labels) for one in (segmenter, exact)]
    return float(np.mean([np.not_equal(*(x.step(f) for x in trackers)) for f in frames[1:]]))
