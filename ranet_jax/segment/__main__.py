"""Segments a video of your own: python -m ranet_jax.segment VIDEO --mask first.png --out DIR.

Writes masks, an overlay video and, if wished, probabilities; a run that was interrupted goes on
with --resume.
"""

import argparse
import re
import sys
from pathlib import Path

from ranet_jax.errors import InputError, run_command
from ranet_jax.network_flags import (
    add_computation_flags,
    add_network_flags,
    choose_network,
    set_up_computation,
)
from ranet_jax.online import OnlineLearner
from ranet_jax.online_flags import add_online_flags
from ranet_jax.segment.job import Job, run_job
from ranet_jax.segmenter import Segmenter


def parse_masks(arguments: list[str]) -> dict[int, Path]:
    """Reads which mask is of which frame.

    Args:
        arguments: `PATH`, which is of the first frame, or `INDEX=PATH`.

    Returns:
        The files by frame index.

    Raises:
        InputError: two masks of one frame, or none of the first.
    """
    paths: dict[int, Path] = {}
    for argument in arguments:
        match = re.fullmatch(r"(\d+)=(.*)", argument, re.DOTALL)
        index, path = match.groups() if match else ("0", argument)
        if int(index) in paths:
            raise InputError(f"--mask {argument}: frame {index} has a mask already; drop one")
        paths[int(index)] = Path(path)
    if 0 not in paths:
        raise InputError("the first frame has no mask; give --mask first.png as well")
    return paths


def main() -> None:
    """Reads the flags and segments."""
    parser = argparse.ArgumentParser(
        prog="python -m ranet_jax.segment",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    add = parser.add_argument
    add("video", help="a file, a folder of frames, a glob in quotes, or a camera's number")
    add(
        "--mask",
        action="append",
        required=True,
        metavar="[INDEX=]PNG",
        help="objects of the first frame; 120=second.png: of frame 120, which are followed from\n"
        "there on in place of the others",
    )
    add("--out", type=Path, required=True, help="folder of the results")
    add_network_flags(parser)
    add_computation_flags(parser)
    add("--probabilities", action="store_true", help="write them too, as 8-bit grey PNGs")
    add("--resize-mask", action="store_true", help="resize masks that have not the frames' size")
    add("--max-frames", type=int, help="stop after so many; a camera has no other end")
    add_online_flags(parser)
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument("--overwrite", action="store_true", help="replace results in --out")
    existing.add_argument("--resume", action="store_true", help="go on with results in --out")
    # A file whose name begins with a dash is no option.
    given = [f"./{one}" if one[:1] == "-" and Path(one).exists() else one for one in sys.argv[1:]]
    args = parser.parse_args(given)
    job = Job(
        source=args.video,
        mask_paths=parse_masks(args.mask),
        resize_masks=args.resize_mask,
        out=args.out,
        probabilities=args.probabilities,
        max_frames=args.max_frames,
        overwrite=args.overwrite,
        resume=args.resume,
    )
    set_up_computation(args)
    segmenter = Segmenter.from_network(
        choose_network(args), args.precision, probabilities=args.probabilities
    )
    learner = None
    if args.online_steps:
        learner = OnlineLearner(segmenter, args.online_steps, args.online_rate, args.seed)
    run_job(job, segmenter, learner)


def command() -> None:
    """The entry point of `ranet-segment`."""
    run_command(main)


if __name__ == "__main__":
    command()
