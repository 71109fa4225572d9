"""Segments a video of your own: python -m ranet_jax.segment VIDEO --mask first.png --out DIR.

Writes masks, an overlay video and, if wished, probabilities; a run that was interrupted goes on
with --resume.
"""

import argparse
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import jax
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ranet_jax.errors import InputError, run_command
from ranet_jax.media.frames import Frame, Video
from ranet_jax.media.video import open_video
from ranet_jax.online import RATE, OnlineLearner
from ranet_jax.protocol import PRECISIONS
from ranet_jax.segment.engine import Segmentation, segment_video
from ranet_jax.segment.results import OVERLAY, check_folder, remove_results
from ranet_jax.segment.user_masks import UserMask, read_user_masks
from ranet_jax.segmenter import Segmenter


def parse_masks(arguments: list[str]) -> dict[int, Path]:
    """The mask files by frame index.

    Args:
        arguments: `PATH`, which is of the first frame, or `INDEX=PATH`.

    Raises:
        InputError: two masks of one frame, or none of the first.
    """
    paths: dict[int, Path] = {}
    for argument in arguments:
        index, path = re.fullmatch(r"(?:(\d+)=)?(.*)", argument, re.DOTALL).groups()
        if int(index or 0) in paths:
            raise InputError(f"--mask {argument}: frame {index or 0} has a mask already; drop one")
        paths[int(index or 0)] = Path(path)
    if 0 not in paths:
        raise InputError("the first frame has no mask; give --mask first.png as well")
    return paths


def print_masks(paths: Mapping[int, Path], masks: Mapping[int, UserMask]) -> None:
    """Prints what each value or colour of each mask was taken for."""
    table = Table("Frame", "Mask", "In the file", "Object", "Pixels")
    for index, (labels, ids) in masks.items():
        for number, (value, one) in enumerate(ids.items()):
            swatch = f"{value} [on {value}]    [/]" if value.startswith("#") else value
            # A Text, because a name may look like markup.
            place = ("", "") if number else (str(index), Text(paths[index].name))
            table.add_row(*place, swatch, str(one), str((labels == one).sum()))
    Console().print(table)


def _parse() -> argparse.Namespace:
    """The command line, as far as it can be checked alone."""
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
    add("--checkpoint", type=Path, help="needed: of ranet_jax.convert, or a training run")
    add("--precision", choices=PRECISIONS, default="float32", help="(default: float32)")
    add("--probabilities", action="store_true", help="write them too, as 8-bit grey PNGs")
    add("--resize-mask", action="store_true", help="resize masks that have not the frames' size")
    add("--max-frames", type=int, help="stop after so many; a camera has no other end")
    add(
        "--online-steps",
        type=int,
        default=0,
        help="learn the first frame for so many steps beforehand (default: 0, none)",
    )
    add("--online-rate", type=float, default=RATE, help=f"of this learning (default: {RATE:g})")
    add("--seed", type=int, default=0, help="of this learning (default: 0)")
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument("--overwrite", action="store_true", help="replace results in --out")
    existing.add_argument("--resume", action="store_true", help="go on with results in --out")
    # A file whose name begins with a dash is no option.
    given = [f"./{one}" if one[:1] == "-" and Path(one).exists() else one for one in sys.argv[1:]]
    args = parser.parse_args(given)
    args.mask = parse_masks(args.mask)
    if args.checkpoint is None:
        raise InputError(
            "give --checkpoint; no trained weights come with this version, see 'Weights' in "
            "README.md"
        )
    if args.max_frames is not None and args.max_frames <= max(args.mask):
        raise InputError(
            f"--max-frames {args.max_frames} ends before frame {max(args.mask)}, which has a mask; "
            "raise it"
        )
    return args


def main() -> None:
    """The command."""
    args = _parse()
    jax.config.update("jax_enable_x64", args.precision == "float64")
    with open_video(args.video) as video:
        if not video.has_end and args.max_frames is None:
            raise InputError(f"{video.name} has no end; give --max-frames")
        if not video.has_end and args.resume:
            raise InputError(f"{video.name} cannot go back to its beginning; give --overwrite")
        masks = read_user_masks(args.mask, video.size, resize=args.resize_mask)
        check_folder(args.out, overwrite=args.overwrite, resume=args.resume)
        segmenter = Segmenter.from_checkpoint(
            args.checkpoint, args.precision, probabilities=args.probabilities
        )
        learner = None
        if args.online_steps:
            learner = OnlineLearner(segmenter, args.online_steps, args.online_rate, args.seed)
        height, width = video.size
        length = f"{video.frame_count} frames" if video.frame_count else "length unknown"
        print(f"{video.name}: {width} x {height}, {float(video.frame_rate):.5g} fps, {length}")
        print_masks(args.mask, masks)
        if args.overwrite:
            remove_results(args.out)
        labels = {index: one.labels for index, one in masks.items()}
        result = _run(segmenter, learner, video, labels, args)
    if not result.segmented:
        print(f"{args.out} was complete already: {result.frames} frames")
        return
    rate = result.segmented / result.seconds
    found = result.frames - result.segmented
    print(
        f"{result.frames} frames in {args.out}{f', {found} of them from before' if found else ''}; "
        f"{rate:.2f} frames/s with reading and writing, without {segmenter.compile_seconds:.1f} s "
        f"of compilation, on {jax.devices()[0].device_kind}, {args.precision}"
    )
    if learner:
        print(
            f"online learning, {learner.steps} steps at {learner.rate:g}: {learner.seconds:.1f} s "
            f"beforehand, without {learner.compile_seconds:.1f} s of compilation"
        )
    print(f"masks: {args.out / 'masks'}, overlay: {args.out / OVERLAY}")


def _run(
    segmenter: Segmenter,
    learner: OnlineLearner | None,
    video: Video,
    masks: Mapping[int, np.ndarray],
    args: argparse.Namespace,
) -> Segmentation:
    """Segments the video behind a progress bar; Ctrl-C ends it with one line."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:.2f} frames/s"),
        TimeRemainingColumn(),
    )
    ends = [count for count in (video.frame_count, args.max_frames) if count]
    with Progress(*columns) as progress:
        task = progress.add_task("compiling", total=min(ends, default=None), rate=0.0)

        def report_frame(frame: Frame, mask: np.ndarray) -> None:
            progress.advance(task)
            progress.update(task, description=video.name, rate=progress.tasks[0].speed or 0.0)

        try:
            return segment_video(
                segmenter,
                video,
                masks,
                args.out,
                probabilities=args.probabilities,
                resume=args.resume,
                max_frames=args.max_frames,
                learner=learner,
                report_frame=report_frame,
            )
        except KeyboardInterrupt:
            progress.stop()
            remedy = "; --resume goes on" if video.has_end else ""
            print(f"interrupted: finished frames are in {args.out}{remedy}", file=sys.stderr)
            sys.exit(130)


def command() -> None:
    """The entry point of `ranet-segment`."""
    run_command(main)


if __name__ == "__main__":
    command()
