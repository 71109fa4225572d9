"""Timing what runs on a device, and what the device reaches at its best."""

import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

WARM_UP = 2
"""Runs of a row before the clock starts."""

FEWEST, SECONDS = 3, 3.0
"""A row ends after so many seconds, but not before so many runs."""


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


def measure(run: Callable[[], object], frames: int, counter: CompilationCounter) -> list[float]:
    """Times a function.

    Args:
        run: the function, which must wait for its own result.
        frames: how often it runs, at most.
        counter: of compilations while the clock runs.

    Returns:
        Milliseconds of each run after the warm-up: `frames`, or fewer if they take long.
    """
    for _ in range(WARM_UP):
        run()
    milliseconds: list[float] = []
    begin = time.perf_counter()
    with counter:
        while len(milliseconds) < frames and (
            len(milliseconds) < FEWEST or time.perf_counter() - begin < SECONDS
        ):
            start = time.perf_counter()
            run()
            milliseconds.append(1000 * (time.perf_counter() - start))
    return milliseconds


def measure_rates(dtype: jnp.dtype) -> dict[str, float]:
    """Measures what the device reaches at its best: a large matrix product, and a large copy.

    Args:
        dtype: of the matrices.

    Returns:
        TFLOP/s in `dtype`, at the precision of the network, and GB/s read and written.
    """

    def find_fastest(run: Callable[[], jax.Array]) -> float:
        times = measure(lambda: run().block_until_ready(), 5, CompilationCounter())
        return min(times) / 1000

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
