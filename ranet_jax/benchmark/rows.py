"""What was timed, as rows of numbers, and what follows from them."""

import sys
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

from ranet_jax.benchmark.cases import Case

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


def describe_row(
    case: Case, part: str, milliseconds: list[float], program: Callable[..., object] | None
) -> dict[str, Any]:
    """Describes what was timed.

    Args:
        case: how many clips and objects.
        part: name of what was timed.
        milliseconds: of each run.
        program: that ran; None where it was not one program alone.

    Returns:
        The row, as JSON; of a program also what XLA counts in it.
    """
    median = float(np.median(milliseconds))
    row = case._asdict() | {
        "part": part,
        "runs": len(milliseconds),
        "ms_median": median,
        "ms_95th_percentile": float(np.percentile(milliseconds, 95)),
        "frames_per_second": 1000 * case.clips / median,
    }
    if isinstance(program, jax.stages.Compiled):
        cost, memory = program.cost_analysis(), program.memory_analysis()
        if cost is None or memory is None:
            return row  # of a device whose compiler does not count
        needed = memory.temp_size_in_bytes + memory.argument_size_in_bytes
        needed += memory.output_size_in_bytes - memory.alias_size_in_bytes
        row |= {"gflop": cost["flops"] / 1e9, "gb_accessed": cost["bytes accessed"] / 1e9}
        row["program_mib"] = needed / 2**20
    return row


def add_shares(rows: list[dict[str, Any]], rates: dict[str, float]) -> None:
    """Says of each program what share of the device's rates it reaches.

    Args:
        rows: of `describe_row`; the shares, 0..1, are added to those of programs.
        rates: of `timing.measure_rates`.
    """
    for row in rows:
        seconds = row["ms_median"] / 1000
        for name, gflop in {"matrix_share": "gflop", "released_share": "released_gflop"}.items():
            if gflop in row:
                row[name] = row[gflop] / seconds / 1000 / rates["matrix_tflops"]
        if "gb_accessed" in row:
            row["copy_share"] = row["gb_accessed"] / seconds / rates["copy_gb_per_second"]


def compute_ratios(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Computes how steps scale, and what a frame costs beside the network alone.

    Args:
        rows: of `describe_row`.

    Returns:
        For one clip of one object, the time of a step and of a video's frame over the network's;
        five objects over one in time, and several clips over one in frames a second. By name, and
        without what was not timed.
    """
    single = {row["part"]: row for row in rows if row["clips"] == row["objects"] == 1}
    steps = {(row["clips"], row["objects"]): row for row in rows if row["part"] == "step"}
    ratios = {
        f"{part}_over_network": single[part]["ms_median"] / single["network"]["ms_median"]
        for part in ("step", "video")
        if part in single and "network" in single
    }
    if (1, 1) in steps and (1, 5) in steps:
        ratios["five_objects_over_one"] = steps[1, 5]["ms_median"] / steps[1, 1]["ms_median"]
    for clips in (4, 8):
        if (1, 1) in steps and (clips, 1) in steps:
            fast, slow = (steps[key]["frames_per_second"] for key in ((clips, 1), (1, 1)))
            ratios[f"{clips}_clips_over_one"] = fast / slow
    return ratios


def print_table(summary: dict[str, Any]) -> None:
    """Prints the rows for people.

    Args:
        summary: of `speed.run_benchmark`, with the name of the `model`.
    """
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
