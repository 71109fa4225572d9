"""Whether memory stays flat over a long stream: the small network on the CPU, frame after frame.

    python -m benchmarks.memory [--frames 10000] [--out curve.csv]

Runs `Segmenter.start` and `Tracker.step` as a live stream would, copies to and from the device and
resizing on the host included, and reads the resident memory of the process on the way. Ends with
exit code 1 if that of the last frame differs from that of frame 100 by more than 2 %.
"""

import sys
import time
from pathlib import Path

import jax
import numpy as np

from benchmarks.machine import print_machine
from ranet_jax.errors import InputError, run_command
from ranet_jax.flag_parser import FlagParser
from ranet_jax.models.ranet import init_params, small_ranet
from ranet_jax.segmenter import Segmenter

REFERENCE = 100
"""The frame by which everything that is allocated once has been."""

TOLERANCE = 0.02
"""How much the last frame's memory may differ from the reference, as a share of it."""

INTERVAL = 100
"""Frames between two points of the curve."""


def read_resident() -> float:
    """Resident memory of this process, in MiB; Linux only."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def make_stream() -> tuple[list[np.ndarray], np.ndarray]:
    """Eight frames of noise with a moving object, 240 x 426, and the mask of the first."""
    generator = np.random.default_rng(0)
    frames = list(generator.integers(0, 150, (8, 240, 426, 3), np.uint8))
    for index, frame in enumerate(frames):
        frame[80:160, 100 + 12 * index : 200 + 12 * index] += 100
    mask = np.zeros((240, 426), np.uint8)
    mask[80:160, 100:200] = 1
    return frames, mask


def run_stream(count: int) -> dict[int, float]:
    """Segments a stream.

    Args:
        count: frames after the first.

    Returns:
        Resident memory in MiB by frame, every `INTERVAL` and at the last.
    """
    frames, mask = make_stream()
    model = small_ranet()
    tracker = Segmenter(model, init_params(model, 0)).start(frames[0], mask)
    curve = {}
    start = time.perf_counter()
    for index in range(1, count + 1):
        tracker.step(frames[index % len(frames)])
        if index % INTERVAL == 0 or index == count:
            curve[index] = read_resident()
        if index in (REFERENCE, count) or index % 1000 == 0:
            seconds = time.perf_counter() - start
            print(f"frame {index:6d}  {curve[index]:8.1f} MiB  {index / seconds:5.1f} frames/s")
    return curve


def main() -> None:
    """The command."""
    parser = FlagParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--out", type=Path, help="CSV of the whole curve")
    args = parser.parse_args()
    if args.frames <= REFERENCE:
        raise InputError(
            f"--frames {args.frames}: give more than {REFERENCE}, the frame that others are held to"
        )
    jax.config.update("jax_platforms", "cpu")
    print_machine()
    print("resident memory, small network, 240 x 426 frames, one object:", flush=True)
    curve = run_stream(args.frames)
    if args.out:
        lines = [f"{frame},{resident:.2f}\n" for frame, resident in curve.items()]
        args.out.write_text("frame,resident_MiB\n" + "".join(lines))
    ratio = curve[args.frames] / curve[REFERENCE]
    flat = abs(ratio - 1) <= TOLERANCE
    print(
        f"frame {args.frames} over frame {REFERENCE}: {ratio:.4f}, "
        f"{'within' if flat else 'NOT within'} {TOLERANCE:.0%}"
    )
    sys.exit(0 if flat else 1)


if __name__ == "__main__":
    run_command(main)
