"""How long scoring takes, beside PyPI's vos-benchmark on the same masks and as many processes.

    python -m benchmarks.scoring RESULTS ANNOTATIONS [--vos-benchmark PYTHON]

RESULTS and ANNOTATIONS each hold a folder of PNG masks a sequence; RESULTS needs all frames here.
"""

import argparse
import importlib.util
import json
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from itertools import chain
from pathlib import Path

from ranet_jax.errors import InputError, run_command
from ranet_jax.evaluation.metrics import average
from ranet_jax.evaluation.scoring import score_folders
from ranet_jax.flag_parser import FlagParser
from ranet_jax.machine import describe_processor

# Runs in the interpreter that has vos-benchmark; the clock starts once everything is imported.
VOS_BENCHMARK = """
import json, sys, time
from importlib.metadata import version
from vos_benchmark.benchmark import benchmark

if __name__ == "__main__":
    predictions, truths, processes = sys.argv[1:]
    start = time.perf_counter()
    means = benchmark([truths], [predictions], num_processes=int(processes), verbose=False)[:3]
    seconds = time.perf_counter() - start
    versions = {name: version(name) for name in ("vos-benchmark", "numpy", "pillow")}
    versions["opencv"] = __import__("cv2").__version__
    print(json.dumps([seconds, [mean[0] / 100 for mean in means], versions]))
"""


def main() -> None:
    """Scores the given folders with both programs in turn and prints the best time of each."""
    parser = FlagParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="folder with a folder of masks a sequence")
    parser.add_argument("annotations", type=Path, help="the same for the annotations")
    parser.add_argument("--binary", action="store_true", help="DAVIS-2016: all ids are one object")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=5, help="runs, of which the best counts")
    parser.add_argument(
        "--vos-benchmark",
        metavar="PYTHON",
        default=sys.executable if importlib.util.find_spec("vos_benchmark") else None,
        help="the interpreter that has vos-benchmark, where it is not this one",
    )
    arguments = parser.parse_args()

    folders = sorted(path for path in arguments.annotations.glob("*") if path.is_dir())
    if not folders:
        raise InputError(f"{arguments.annotations} holds no folders; name the one above them")
    truths = {folder.name: sorted(folder.glob("*.png")) for folder in folders}
    print(f"machine: {describe_processor()}, Python {platform.python_version()}")
    print(f"masks: {sum(map(len, truths.values()))} frames of {len(truths)} sequences")
    print(f"seconds: the best of {arguments.repeats} runs, the programs in turn; [all runs]")
    versions = {name: version(name) for name in ("ranet-jax", "numpy", "pillow")}
    versions["opencv"] = version("opencv-python-headless")
    print("ranet_jax:", describe(versions))

    for processes in arguments.processes:
        ours, theirs = [], []
        for _ in range(arguments.repeats):
            seconds, means = time_ours(arguments, truths, processes)
            ours.append(seconds)
            if arguments.vos_benchmark:
                seconds, their_means, versions = time_vos_benchmark(arguments, truths, processes)
                theirs.append(seconds)
        print(f"processes: {processes}")
        print_run("ranet_jax", ours, means)
        if theirs:
            print_run("vos-benchmark", theirs, their_means)
            print(f"  ratio          {min(theirs) / min(ours):.2f} times as fast")
    if arguments.vos_benchmark:
        print("vos-benchmark:", describe(versions))


def time_ours(
    arguments: argparse.Namespace, truths: dict[str, list[Path]], processes: int
) -> tuple[float, list[float]]:
    """Scores once with ranet_jax, the start of its processes included.

    Returns:
        Seconds and the means of J&F, J and F.
    """
    start = time.perf_counter()
    scored = score_folders(arguments.results, truths, binary=arguments.binary, processes=processes)
    if scored.failures:
        raise InputError(next(iter(scored.failures.values())))
    overall = average(chain.from_iterable(scored.scores.values()))
    seconds = time.perf_counter() - start
    return seconds, [overall[name] for name in ("J&F-Mean", "J-Mean", "F-Mean")]


def time_vos_benchmark(
    arguments: argparse.Namespace, truths: dict[str, list[Path]], processes: int
) -> tuple[float, list[float], dict[str, str]]:
    """Scores once with vos-benchmark.

    Returns:
        Seconds, the means of J&F, J and F, and the versions of what it ran on.
    """
    # It writes a file beside the results and refuses other folders there, so it gets links.
    with tempfile.TemporaryDirectory() as links:
        for name in truths:
            (Path(links) / name).symlink_to((arguments.results / name).resolve())
        command = [arguments.vos_benchmark, "-c", VOS_BENCHMARK]
        command += [links, str(arguments.annotations), str(processes)]
        run = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if run.returncode:
        raise InputError(f"vos-benchmark failed ({run.stdout.strip() or 'see above'})")
    return tuple(json.loads(run.stdout.splitlines()[-1]))


def print_run(program: str, seconds: list[float], means: list[float]) -> None:
    """Prints one program's best time, all its times and what it found."""
    every = " ".join(f"{value:.2f}" for value in seconds)
    found = " ".join(f"{mean:.6f}" for mean in means)
    print(f"  {program:<14} {min(seconds):.2f} s  [{every}]  J&F J F = {found}")


def describe(versions: dict[str, str]) -> str:
    """Lists versions on one line.

    Args:
        versions: number by name.

    Returns:
        The line.
    """
    return ", ".join(f"{name} {number}" for name, number in versions.items())


if __name__ == "__main__":
    run_command(main)
