"""Timing what runs on a device, and what the device reaches at its best."""

import resource
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

TURN = 4
"""Runs of a program before it is another one's turn."""

SECONDS = 6.0
"""Rows end after so many seconds for each of them, but not before each had a turn."""


class CompilationCounter:
    """Counts the programs that are compiled while it is open, jax's own small ones too."""

    def __init__(self) -> None:
        """Starts at zero."""
        self.count = 0

    def _listen(self, event: str, duration_secs: float, **_: str | int) -> None:
        self.count += event == "/jax/core/compile/backend_compile_duration"

    def __enter__(self) -> "CompilationCounter":
        jax.monitoring.register_event_duration_secs_listener(self._listen)
        return self

    def __exit__(self, *_: object) -> None:
        jax.monitoring.unregister_event_duration_listener(self._listen)


def time_runs(run: Callable[[], object]) -> list[float]:
    """Times a function: the milliseconds of each of some runs.

    Args:
        run: the function, which must wait for its own result.
    """
    # Not timed: the threads of what ran before, such as an encoder's, may be at work.
    run()
    milliseconds = []
    for _ in range(TURN):
        start = time.perf_counter()
        run()
        milliseconds.append(1000 * (time.perf_counter() - start))
    return milliseconds


def measure(
    turns: Sequence[Callable[[], list[float]]], frames: int, counter: CompilationCounter
) -> list[list[float]]:
    """Times things in turn, so that whatever else the machine does hits them alike.

    Args:
        turns: of each thing, what does it a few times and gives the milliseconds of each.
        frames: after how many of the first one there is an end, if not sooner, after `SECONDS` for
            each thing; it may be a few more.
        counter: of compilations while the clock runs.

    Returns:
        Of each thing the milliseconds, without those of its first turn, which warms up.
    """
    for turn in turns:
        turn()
    milliseconds: list[list[float]] = [[] for _ in turns]
    begin = time.perf_counter()
    with counter:
        while True:
            for turn, taken in zip(turns, milliseconds, strict=True):
                taken += turn()
            seconds = time.perf_counter() - begin
            if len(milliseconds[0]) >= frames or seconds >= SECONDS * len(turns):
                return milliseconds


def measure_rates(dtype: jnp.dtype) -> dict[str, float]:
    """Measures what the device reaches at its best: a large matrix product, and a large copy.

    Args:
        dtype: of the matrices.

    Returns:
        TFLOP/s in `dtype`, at the precision of the network, and GB/s read and written.
    """

    def find_fastest(run: Callable[[], jax.Array]) -> float:
        return min(time_runs(lambda: run().block_until_ready())) / 1000

    multiply = jax.jit(lambda x: jnp.matmul(x, x, precision="highest"))
    rate, side, seconds = 0.0, 1024, 0.0
    while side <= 16384 and seconds < 0.02:  # longer, and no launch counts any more
        x = jax.random.normal(jax.random.key(0), (side, side), dtype)  # ones would need less power
        seconds = find_fastest(partial(multiply, x))
        rate = max(rate, 2 * side**3 / seconds / 1e12)
        side *= 2
    # In place, because a CPU would have to find new memory each time.
    increment = jax.jit(lambda x: x + 1, donate_argnums=0)
    x = jnp.ones(2**26, jnp.float32)  # 256 MiB, more than any cache

    def copy() -> jax.Array:
        nonlocal x
        x = increment(x)
        return x

    seconds = find_fastest(copy)
    return {"matrix_tflops": rate, "copy_gb_per_second": 2 * x.nbytes / seconds / 1e9}


def read_peak_memory() -> dict[str, Any]:
    """Reads the most memory that was in use so far.

    Returns:
        `mib`, and what it is `of`: the device where it says, or else this process.
    """
    stats = jax.devices()[0].memory_stats()
    if stats and "peak_bytes_in_use" in stats:
        return {"mib": stats["peak_bytes_in_use"] / 2**20, "of": "device"}
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB on Linux
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return {"mib": peak / 2**20, "of": "process, resident"}
