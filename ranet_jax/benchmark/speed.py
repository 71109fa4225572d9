"""How fast the network is on this machine, and how near that is to what the device can do.

    python -m ranet_jax.benchmark [--checkpoint C | --model resnet101] [--precision bfloat16]

Prints a table and JSON. A case is a number of clips and of objects, such as 8x1; its rows are

    template   the work of a first frame, from arrays on the device
    network    the network alone, from arrays on the device
    step       a whole frame: uint8 pixels on the host to labels on the host
    video      a step, and an H.264 MP4 read and another one with the overlay written; one clip

Clips go through one program together (`vmap`). Objects take the smallest slot size that has room.
Arithmetic and memory traffic are what XLA counts of a program; the shares are of a large matrix
product and a large copy that the same device was timed with, and traffic that stays in a cache may
be over 100 %. Ends with exit code 1 if anything was compiled while the clock ran.
"""

import argparse
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

from ranet_jax.benchmark.timing import (
    WARM_UP,
    CompilationCounter,
    measure,
    measure_rates,
    read_peak_memory,
)
from ranet_jax.data.synthetic import generate_clip
from ranet_jax.errors import InputError
from ranet_jax.evaluation.report import write_summary
from ranet_jax.machine import describe_machine
from ranet_jax.media.overlay import VideoWriter, paint_overlay, write_video
from ranet_jax.media.video import open_video
from ranet_jax.models.ranet import RANet, init_params, small_ranet
from ranet_jax.models.ranking import split_labels
from ranet_jax.models.resnet import RESNET_BLOCKS, normalize_frame
from ranet_jax.protocol import PRECISIONS, SLOTS, State, VideoFunctions, build, find_slots
from ranet_jax.segmenter import Segmenter
from ranet_jax.weights.checkpoint import load_network

MODELS = {
    "resnet101": RANet(),
    "resnet50": RANet(blocks=RESNET_BLOCKS[50]),
    "small": small_ranet(),
}
"""Networks that can be timed untrained; time does not depend on the weights."""

RELEASED_GFLOP = {"template": 165.2, "network": 263.4, "step": 263.4}
"""Counted on the released model, one object, 2 a multiply-add; jax counts all else as well."""

CASES = "1x1,4x1,8x1,1x2,1x5"
CLIP_FRAMES = 8

COLUMNS = {
    "clips": ("clips", "d"),
    "objects": ("objects", "d"),
    "part": ("part", ""),
    "ms median": ("ms_median", ".2f"),
    "95 %": ("ms_95th_percentile", ".2f"),
    "frames/s": ("frames_per_second", ".1f"),
    "GFLOP": ("gflop", ".1f"),
    "of matrix rate": ("matrix_share", ".1%"),
    "GB": ("gb_accessed", ".2f"),
    "of copy rate": ("copy_share", ".1%"),
    "MiB": ("program_mib", ".0f"),
}
"""Of the table: what a row calls the number, and its format."""


class Case(NamedTuple):
    """How many clips of how many objects are segmented together."""

    clips: int
    objects: int


def parse_cases(text: str) -> list[Case]:
    """Reads "8x1,1x5": clips x objects, with commas."""
    try:
        cases = [Case(*map(int, case.split("x"))) for case in text.split(",")]
    except (TypeError, ValueError):
        raise InputError(f"--cases {text}: give clips x objects, such as {CASES}") from None
    if any(case.clips < 1 or not 1 <= case.objects <= SLOTS[-1] for case in cases):
        raise InputError(f"--cases {text}: give 1 clip or more, and 1 to {SLOTS[-1]} objects")
    return cases


@cache
def make_clip(objects: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A generated clip, uint8 [t, h, w, 3], and the labels of its first frame, uint8 [h, w]."""
    frames, masks = generate_clip(np.random.default_rng(0), CLIP_FRAMES, size, objects)
    return frames, masks[0]


def compile_video(segmenter: Segmenter, case: Case) -> VideoFunctions:
    """The compiled `init` and `step` of a case: the segmenter's for one clip, else for all."""
    if case.clips == 1:
        return segmenter.compile(case.objects)
    slots = find_slots(case.objects)
    functions = build(segmenter.model, slots, segmenter.precision)
    init = jax.jit(jax.vmap(functions.init, (None, 0, 0)))
    step = jax.jit(jax.vmap(functions.step, (None, 0, 0)), donate_argnums=1)
    h, w = segmenter.model.canvas
    frame = jax.ShapeDtypeStruct((case.clips, h, w, 3), jnp.uint8)
    labels = jax.ShapeDtypeStruct((case.clips, h, w), jnp.uint8)
    state = jax.eval_shape(init, segmenter.params, frame, labels)
    return VideoFunctions(
        init.lower(segmenter.params, frame, labels).compile(),
        step.lower(segmenter.params, state, frame).compile(),
    )


def prepare_network(segmenter: Segmenter, state: State, frame: jax.Array) -> tuple[Any, list]:
    """Compiles the network alone; gives it and its arguments on the device.

    Args:
        segmenter: the network.
        state: of one clip, or of several with an axis for them.
        frame: uint8 likewise.
    """
    kernels, cells, labels = state.kernels, state.cells, state.labels
    if labels.ndim == 2:
        kernels, cells, labels, frame = kernels[None], cells[None], labels[None], frame[None]
    previous = split_labels(labels, cells.shape[1], cells.dtype)
    frame = normalize_frame(frame, PRECISIONS[segmenter.precision])
    arguments = [{"params": segmenter.params}, kernels, cells, frame, previous]
    return jax.jit(segmenter.model.apply).lower(*arguments).compile(), arguments


def run_case(
    segmenter: Segmenter, case: Case, frames: int, counter: CompilationCounter
) -> list[dict[str, Any]]:
    """Times all rows of a case.

    Args:
        segmenter: the network.
        case: how many clips and objects.
        frames: runs of each row, see `timing.measure`.
        counter: of compilations while the clock runs.

    Returns:
        The rows, see `describe_row`.
    """
    clip, labels = make_clip(case.objects, segmenter.model.canvas)
    batch = (lambda x: x) if case.clips == 1 else lambda x: np.stack([x] * case.clips)
    images, labels = [batch(image) for image in clip], batch(labels)
    params, rows = segmenter.params, []
    start = time.perf_counter()
    init, step = compile_video(segmenter, case)
    first = jax.device_put((images[0], labels))
    network, arguments = prepare_network(segmenter, init(params, *first), first[0])
    compile_seconds = time.perf_counter() - start
    print(f"{case.clips}x{case.objects}: {compile_seconds:.1f} s of compilation, apart")

    def add_row(part: str, run: Callable[[], object], program: jax.stages.Compiled | None) -> None:
        row = describe_row(case, part, measure(run, frames, counter), program)
        if program and case.objects == 1 and segmenter.model == MODELS["resnet101"]:
            row["released_gflop"] = RELEASED_GFLOP[part] * case.clips
        rows.append(row | {"case_compile_seconds": compile_seconds})
        print(f"{case.clips}x{case.objects}: {part} {row['ms_median']:.2f} ms", flush=True)

    add_row("template", lambda: jax.block_until_ready(init(params, *first)), init)
    add_row("network", lambda: network(*arguments).block_until_ready(), network)
    state, stream = init(params, *first), itertools.cycle(images[1:])

    def run_step() -> None:
        nonlocal state
        state, found = step(params, state, next(stream))
        np.asarray(found)

    add_row("step", run_step, step)
    if case.clips > 1:
        return rows
    with tempfile.TemporaryDirectory() as folder:
        source, result = Path(folder) / "source.mp4", Path(folder) / "result.mp4"
        write_video(source, itertools.islice(itertools.cycle(clip), 1 + WARM_UP + frames), 24)
        with open_video(str(source)) as video, VideoWriter(result, 24) as writer:
            pictures = iter(video)
            tracker = segmenter.start(next(pictures).image, labels)

            def run_video() -> None:
                frame = next(pictures)
                overlay = paint_overlay(frame.image, tracker.step(frame.image))
                writer.write(overlay, frame.time)

            add_row("video", run_video, None)
    return rows


def describe_row(
    case: Case, part: str, milliseconds: list[float], program: jax.stages.Compiled | None
) -> dict[str, Any]:
    """What was timed, as JSON; of a program also what XLA counts in it."""
    median = float(np.median(milliseconds))
    row = case._asdict() | {
        "part": part,
        "runs": len(milliseconds),
        "ms_median": median,
        "ms_95th_percentile": float(np.percentile(milliseconds, 95)),
        "frames_per_second": 1000 * case.clips / median,
    }
    if program:
        cost, memory = program.cost_analysis(), program.memory_analysis()
        needed = memory.temp_size_in_bytes + memory.argument_size_in_bytes
        needed += memory.output_size_in_bytes - memory.alias_size_in_bytes
        row |= {"gflop": cost["flops"] / 1e9, "gb_accessed": cost["bytes accessed"] / 1e9}
        row["program_mib"] = needed / 2**20
    return row


def add_shares(rows: list[dict[str, Any]], rates: dict[str, float]) -> None:
    """Says of each program what share of the device's rates it reaches."""
    for row in rows:
        seconds = row["ms_median"] / 1000
        for name, gflop in {"matrix_share": "gflop", "released_share": "released_gflop"}.items():
            if gflop in row:
                row[name] = row[gflop] / seconds / 1000 / rates["matrix_tflops"]
        if "gb_accessed" in row:
            row["copy_share"] = row["gb_accessed"] / seconds / rates["copy_gb_per_second"]


def compute_ratios(rows: list[dict[str, Any]]) -> dict[str, float]:
    """How steps scale: five objects over one in time, several clips over one in frames a second."""
    steps = {(row["clips"], row["objects"]): row for row in rows if row["part"] == "step"}
    ratios = {}
    if (1, 1) in steps and (1, 5) in steps:
        ratios["five_objects_over_one"] = steps[1, 5]["ms_median"] / steps[1, 1]["ms_median"]
    for clips in (4, 8):
        if (1, 1) in steps and (clips, 1) in steps:
            fast, slow = (steps[key]["frames_per_second"] for key in ((clips, 1), (1, 1)))
            ratios[f"{clips}_clips_over_one"] = fast / slow
    return ratios


def compare_precision(segmenter: Segmenter) -> float:
    """The share of pixels, 0..1, whose label is not that of float32 on a generated clip."""
    exact = Segmenter(segmenter.model, segmenter.params)
    frames, labels = make_clip(1, segmenter.model.canvas)
    trackers = [one.start(frames[0], labels) for one in (segmenter, exact)]
    return float(np.mean([np.not_equal(*(x.step(f) for x in trackers)) for f in frames[1:]]))


def run_benchmark(segmenter: Segmenter, cases: list[Case], frames: int) -> dict[str, Any]:
    """Times cases in order.

    Args:
        segmenter: the network.
        cases: see `Case`.
        frames: runs of each row, see `timing.measure`.

    Returns:
        All that was found, as JSON.
    """
    summary = describe_machine() | {"precision": segmenter.precision}
    print(f"{summary['device']}; {summary['processor']}; {summary['versions']}")
    counter = CompilationCounter()
    rows = [row for case in cases for row in run_case(segmenter, case, frames, counter)]
    summary |= {"rows": rows, "ratios": compute_ratios(rows), "peak_memory": read_peak_memory()}
    # Afterwards, because it takes more memory than the network.
    summary["rates"] = measure_rates(PRECISIONS[segmenter.precision])
    add_shares(rows, summary["rates"])
    return summary | {"compilations_after_warm_up": counter.count}


def print_table(summary: dict[str, Any]) -> None:
    """Prints the rows for people."""
    table = Table(*COLUMNS, title=f"{summary['model']}, {summary['precision']}")
    for row in summary["rows"]:
        cells = (format(row[key], form) if key in row else "" for key, form in COLUMNS.values())
        table.add_row(*cells)
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    for name, value in summary["ratios"].items():
        print(f"{name.replace('_', ' ')}: {value:.2f}")
    memory, rates = summary["peak_memory"], summary["rates"]
    print(f"{rates['matrix_tflops']:.2f} TFLOP/s, {rates['copy_gb_per_second']:.0f} GB/s at best")
    print(f"peak memory: {memory['mib']:.0f} MiB ({memory['of']})")
    print(f"compilations after the warm-up: {summary['compilations_after_warm_up']}")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m ranet_jax.benchmark",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    network = parser.add_mutually_exclusive_group()
    network.add_argument("--checkpoint", type=Path)
    network.add_argument("--model", choices=MODELS, default="resnet101", help="untrained")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--frames", type=int, default=100, help="runs of each row, at most")
    parser.add_argument("--cases", type=parse_cases, default=CASES, help=f"default: {CASES}")
    parser.add_argument(
        "--compare-precision", action="store_true", help="masks of --checkpoint with float32's"
    )
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="instead of printing it")
    args = parser.parse_args()
    if args.frames < 1:
        raise InputError(f"--frames {args.frames}: give 1 or more")
    if args.compare_precision and not args.checkpoint:
        raise InputError("--compare-precision needs --checkpoint: untrained masks are near a tie")
    if args.out and not args.out.parent.is_dir():
        raise InputError(f"--out {args.out}: there is no such folder; create it")
    if args.checkpoint:
        loaded = load_network(args.checkpoint)
        segmenter = Segmenter(loaded.model, loaded.params, args.precision)
    else:
        model = MODELS[args.model]
        segmenter = Segmenter(model, init_params(model, 0), args.precision)

    summary = run_benchmark(segmenter, args.cases, args.frames)
    summary["model"] = str(args.checkpoint) if args.checkpoint else f"{args.model}, untrained"
    print_table(summary)
    if args.compare_precision:
        summary["pixels_unlike_float32"] = compare_precision(segmenter)
        print(f"pixels whose label is not float32's: {summary['pixels_unlike_float32']:.4%}")
    if args.out:
        write_summary(args.out, summary)
    else:
        print(json.dumps(summary, indent=2))
    sys.exit(1 if summary["compilations_after_warm_up"] else 0)
