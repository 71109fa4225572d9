"""Segments a video of your own: python -m ranet_jax.segment VIDEO --mask first.png --out DIR.

Or many: python -m ranet_jax.segment LIST.csv --out DIR (columns video, mask and, if need be,
frame), or python -m ranet_jax.segment FOLDER --masks FOLDER --out DIR.

Writes masks, an overlay video, how sure it was and, if wished, probabilities; a run that was
interrupted goes on with --resume.
"""

import argparse
import re
import sys
from pathlib import Path

from ranet_jax.errors import InputError, run_command
from ranet_jax.flag_parser import FlagParser
from ranet_jax.network_flags import (
    add_computation_flags,
    add_network_flags,
    choose_network,
    set_up_computation,
)
from ranet_jax.online_flags import add_online_flags, check_online_flags
from ranet_jax.online_learning import OnlineLearner
from ranet_jax.segment.job import Job, check_job, run_job
from ranet_jax.segment.many import Entry, find_unusable, is_list, pair_folders, read_list, run_all
from ranet_jax.segmenter import Segmenter


def parse_masks(added: list[str], replacing: list[str]) -> tuple[dict[int, Path], frozenset[int]]:
    """Reads which mask is of which frame.

    Args:
        added: of `--mask`: `PATH`, which is of the first frame, or `INDEX=PATH`.
        replacing: of `--replace`: `INDEX=PATH`.

    Returns:
        The files by frame index, and the frames of those that replace what is followed.

    Raises:
        InputError: two masks of one frame, or none of the first; or one that replaces what nobody
            can know.
    """
    paths: dict[int, Path] = {}
    replaced = set()
    for flag, argument in [("--mask", one) for one in added] + [
        ("--replace", x) for x in replacing
    ]:
        match = re.fullmatch(r"(\d+)=(.*)", argument, re.DOTALL)
        if not match and flag == "--replace":
            raise InputError(
                f"--replace {argument}: say from which frame on by its number, such as "
                "120=all.png; the first frame is number 0"
            )
        index, path = match.groups() if match else ("0", argument)
        if int(index) in paths:
            raise InputError(
                f"{flag} {argument}: frame {index} has a mask already, {paths[int(index)]}; drop "
                "one, or draw both into one image"
            )
        paths[int(index)] = Path(path)
        if flag == "--replace":
            replaced.add(int(index))
    if 0 not in paths:
        raise InputError("the first frame has no mask; give --mask first.png as well")
    return paths, frozenset(replaced)


def main() -> None:
    """Reads the flags and segments."""
    parser = FlagParser(
        prog="python -m ranet_jax.segment",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    add = parser.add_argument
    add(
        "video",
        help="a file, a folder of frames, a glob in quotes, or a camera's number; a list of\n"
        "videos as CSV, or with --masks a folder of them",
    )
    add(
        "--mask",
        action="append",
        default=[],
        metavar="[INDEX=]PNG",
        help="objects of the first frame; 120=more.png: of frame 120, which join there or get a\n"
        "new look, while the others go on",
    )
    add(
        "--replace",
        action="append",
        default=[],
        metavar="INDEX=PNG",
        help="objects of frame 120, say, which are followed from there on in place of the others",
    )
    add("--masks", type=Path, help="folder of the first masks of many videos, named as those are")
    add("--out", type=Path, required=True, help="folder of the results, of many a folder each")
    add_network_flags(parser)
    add_computation_flags(parser)
    add("--probabilities", action="store_true", help="write them too, as 8-bit grey PNGs")
    add("--resize-mask", action="store_true", help="resize masks to the frames' size")
    add("--max-frames", type=int, help="stop after so many; a camera has no other end")
    add_online_flags(parser)
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument("--overwrite", action="store_true", help="replace results in --out")
    existing.add_argument("--resume", action="store_true", help="go on with results in --out")
    # A file whose name begins with a dash is no option.
    given = [f"./{one}" if one[:1] == "-" and Path(one).exists() else one for one in sys.argv[1:]]
    args = parser.parse_args(given)
    check_online_flags(args)
    if args.max_frames is not None and args.max_frames < 1:
        raise InputError(f"--max-frames {args.max_frames}: give 1 or more")
    entries = _list_entries(args)
    paths, replacing = ({}, frozenset()) if entries else parse_masks(args.mask, args.replace)
    for index, path in paths.items():
        if path.is_dir() or not path.exists():
            raise InputError(
                f"{path}, the mask of frame {index}, is no file; give an image of the frame's "
                "size in which each object has a value or a colour of its own"
            )
    job = Job(
        source=args.video,
        mask_paths=paths,
        replacing=replacing,
        resize_masks=args.resize_mask,
        out=args.out,
        max_frames=args.max_frames,
        overwrite=args.overwrite,
        resume=args.resume,
    )

    def name_job(entry: Entry) -> Job:
        out = args.out / entry.name
        return job._replace(source=entry.source, mask_paths=entry.mask_paths, out=out)

    def check(entry: Entry) -> None:
        check_job(name_job(entry), learns=args.online_steps > 0)

    failures = find_unusable(entries, check)
    set_up_computation(args)
    segmenter = Segmenter.from_network(
        choose_network(args), args.precision, probabilities=args.probabilities
    )
    learner = None
    if args.online_steps:
        learner = OnlineLearner(segmenter, args.online_steps, args.online_rate, args.seed)
    if not entries:
        run_job(job, segmenter, learner)
        return

    def run(entry: Entry) -> str:
        one = name_job(entry)
        outcome = run_job(one, segmenter, learner)
        return f"{outcome.frames} frames in {one.out}"

    run_all(entries, failures, run)


def _list_entries(args: argparse.Namespace) -> list[Entry]:
    """The videos of a list or a folder of them; none where one video was asked for."""
    masks: Path | None = args.masks
    if masks is None and not is_list(args.video):
        return []
    if args.mask or args.replace:
        raise InputError("--mask and --replace are of one video; a list says in itself which masks")
    if masks is None:
        return read_list(Path(args.video))
    if is_list(args.video):
        raise InputError(f"{args.video} says which masks; leave --masks out")
    return pair_folders(Path(args.video), masks)


def command() -> None:
    """The entry point of `ranet-segment`; Ctrl-C ends it with one line."""
    # What a video itself has to say is said by its job; this is between two, or before the first.
    run_command(main, kept="what was finished is in --out")


if __name__ == "__main__":
    command()
