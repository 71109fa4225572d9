"""What it costs to cut the batch into parts: the compact network's training step, in turn.

    python -m benchmarks.accumulate [--parts 1 2 4] [--rounds 3]

A line for each number of parts: how long a step takes, beside the first of them, and the memory
that XLA sets aside for what it computes on the way, which is what `config.accumulate` is for. On a
CPU it saves none, because there the parts are no loop, in which convolutions would crawl.
"""

import time

import jax
import numpy as np

from benchmarks.examples import draw_example
from benchmarks.machine import print_machine
from configs.legs import leg_06_fine
from ranet_jax.errors import InputError, run_command
from ranet_jax.flag_parser import FlagParser
from ranet_jax.training import parallel
from ranet_jax.training.recipe import make_model
from ranet_jax.training.state import start_state
from ranet_jax.training.update import make_update


def main() -> None:
    """The command."""
    parser = FlagParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--parts", type=int, nargs="+", default=[1, 2, 4], help="numbers of parts (default: 1 2 4)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="timed steps of each (default: 3)")
    args = parser.parse_args()
    config = leg_06_fine.get_config()
    config.init_from = ""
    wrong = [parts for parts in args.parts if parts < 1 or config.batch_size % parts]
    if wrong:
        raise InputError(f"--parts {wrong[0]}: give divisors of {config.batch_size}")
    model = make_model(config)
    batch = parallel.split_over_devices(draw_example(model, config.batch_size))
    state = start_state(model, config)
    print_machine()
    programs, memory = {}, {}
    for parts in args.parts:
        config.accumulate = parts
        start = time.perf_counter()
        update = make_update(model, config)
        programs[parts] = parallel.parallelize(
            update, parallel.replicate(state), batch, config.precision
        )
        memory[parts] = programs[parts].memory_analysis().temp_size_in_bytes
        print(f"{parts} parts compiled in {time.perf_counter() - start:.1f} s", flush=True)
    seconds: dict[int, list[float]] = {parts: [] for parts in programs}
    for _ in range(args.rounds):
        for parts, run in programs.items():
            given = parallel.replicate(jax.tree.map(np.array, state))  # a step uses it up
            start = time.perf_counter()
            jax.block_until_ready(run(given, batch))
            seconds[parts].append(time.perf_counter() - start)
    medians = {parts: float(np.median(taken)) for parts, taken in seconds.items()}
    first = next(iter(medians.values()))
    for parts, median in medians.items():
        print(
            f"{parts} parts: {median:.2f} s a step (median of {args.rounds}), "
            f"{median / first:.2f} of the first, {memory[parts] / 2**30:.2f} GiB"
        )


if __name__ == "__main__":
    run_command(main)
