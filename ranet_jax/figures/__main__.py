"""The pictures of the paper, from any checkpoint and clip: python -m ranet_jax.figures KIND ... .

    maps      similarity maps of chosen pixels of the template, and the merged features (figure 4)
    scores    the ranking scores over the template
    samples   training samples of stage 1 from a first frame, with predictions (figure 5)
    overlays  results over frames of a clip (figure 7)
    speed     accuracy against time, published and own (figure 6)

KIND --help says what each needs. A picture is a PNG file named after the clip and the kind.
"""

import argparse
from pathlib import Path

from ranet_jax.data.davis import SPLITS
from ranet_jax.errors import run_command
from ranet_jax.flag_parser import FlagParser


def read_pixel(text: str) -> tuple[int, int]:
    """Reads ROW,COLUMN.

    Args:
        text: of the command line.

    Returns:
        Row and column.

    Raises:
        argparse.ArgumentTypeError: it is something else.
    """
    try:
        row, column = map(int, text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not ROW,COLUMN, such as 320,300") from None
    return row, column


def _build_parser() -> argparse.ArgumentParser:
    """The flags of all kinds."""
    out = FlagParser(add_help=False)
    out.add_argument("--out", type=Path, default=Path("out/figures"), help="(default: out/figures)")
    clip = FlagParser(add_help=False, parents=[out])
    clip.add_argument("--checkpoint", type=Path, required=True)
    clip.add_argument("--split", choices=SPLITS, required=True, help="whose list has the sequence")
    clip.add_argument("--data-dir", type=Path, default=Path("data/DAVIS"), help="the DAVIS folder")
    clip.add_argument("--sequence", required=True)
    frame = FlagParser(add_help=False, parents=[clip])
    frame.add_argument(
        "--frame",
        type=int,
        default=10,
        help="number of the frame, from 1; frame 0 has the given mask (default: 10)",
    )
    frame.add_argument("--object", type=int, metavar="ID", help="(default: the first)")

    parser = FlagParser(
        prog="python -m ranet_jax.figures",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    kinds.add_parser("maps", parents=[frame]).add_argument(
        "--pixels",
        type=read_pixel,
        nargs="+",
        default=[],
        metavar="ROW,COLUMN",
        help="of the first frame, on an object (default: a few spread over it)",
    )
    kinds.add_parser("scores", parents=[frame])
    kinds.add_parser("samples", parents=[clip])
    overlays = kinds.add_parser("overlays", parents=[clip])
    overlays.add_argument("--count", type=int, default=5, help="frames to show (default: 5)")
    overlays.add_argument("--max-frames", type=int, help="only the first frames of the clip")
    kinds.add_parser("speed", parents=[out]).add_argument(
        "summaries", nargs="*", metavar="[NAME=]SUMMARY", help="as for ranet_jax.tables"
    )
    return parser


def main() -> None:
    """Reads the flags and makes the picture."""
    args = _build_parser().parse_args()
    # In here, so that `run_command` can say which extra is missing: first the one that brings all.
    import matplotlib  # noqa: F401

    from ranet_jax.figures import make

    if args.kind == "speed":
        make.make_speed(args.summaries, args.out)
        return
    subject = make.Subject(args.checkpoint, args.split, args.data_dir, args.sequence)
    if args.kind == "samples":
        make.make_samples(subject, args.out)
    elif args.kind == "overlays":
        make.make_overlays(subject, args.out, args.count, args.max_frames)
    elif args.kind == "scores":
        make.make_scores(subject, args.out, make.Moment(args.frame, args.object))
    else:
        make.make_maps(subject, args.out, make.Moment(args.frame, args.object), args.pixels)


if __name__ == "__main__":
    run_command(main)
