"""How fast the network is on this machine, and how near that is to what the device can do.

    python -m ranet_jax.benchmark [--checkpoint C | --model resnet101] [--precision bfloat16]

Prints a table and JSON. A case is a number of clips and of objects, such as 8x1; its rows are

    template   the work of a first frame, from arrays on the device
    network    the network alone, from arrays on the device
    step       a whole frame: uint8 pixels on the host to labels on the host
    video      a frame of `segment`: a step, and an MP4 read, masks and overlay written; one clip,
               of which each number is the mean of 16 frames

The rows of a case are timed in turn, a few runs each, so that a machine whose speed wanders does so
for all of them. Clips go through one program together (`vmap`). Objects take the smallest slot size
that has room. Arithmetic and memory traffic are what XLA counts of a program; the shares are of a
large matrix product and a large copy that the same device was timed with, and traffic that stays in
a cache may be over 100 %. Ends with exit code 1 if anything was compiled while the clock ran.
"""

import argparse
import json
import sys
from pathlib import Path

from ranet_jax.benchmark.cases import CASES, parse_cases
from ranet_jax.benchmark.rows import print_table
from ranet_jax.benchmark.speed import MODELS, compare_precision, run_benchmark
from ranet_jax.errors import InputError, run_command
from ranet_jax.evaluation.report import write_summary
from ranet_jax.flag_parser import FlagParser
from ranet_jax.models.ranet import init_params
from ranet_jax.segmenter import Segmenter


def main() -> None:
    """Reads the flags, times, prints and writes."""
    parser = FlagParser(
        prog="python -m ranet_jax.benchmark",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    network = parser.add_mutually_exclusive_group()
    network.add_argument("--checkpoint", type=Path)
    network.add_argument("--model", choices=MODELS, default="resnet101", help="untrained")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument(
        "--frames",
        type=int,
        default=100,
        help="timed runs of a row, in fours; fewer where they take long",
    )
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
    if args.compare_precision and args.precision == "float32":
        raise InputError("--compare-precision compares with float32; give another --precision")
    if args.out and not args.out.parent.is_dir():
        raise InputError(f"--out {args.out}: there is no such folder; create it")
    if args.checkpoint:
        segmenter = Segmenter.from_checkpoint(args.checkpoint, args.precision)
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


if __name__ == "__main__":
    run_command(main)
