"""The pictures of the paper, from any checkpoint and clip: python -m ranet_jax.figures KIND ... .

    maps      similarity maps of chosen pixels of the template, and the merged features (figure 4)
    scores    the ranking scores over the template
    samples   training samples of stage 1 from a first frame, with predictions (figure 5)
    overlays  results over frames of a clip (figure 7)
    speed     accuracy against time, published and own (figure 6)

KIND --help says what each needs. A picture is a PNG file named after the clip and the kind.
"""

import argparse
import importlib
from pathlib import Path
from types import ModuleType

import numpy as np

from ranet_jax.data.davis import SPLITS, find_sequences
from ranet_jax.errors import InputError
from ranet_jax.figures.inspection import (
    Inspection,
    choose_positions,
    draw_examples,
    find_position,
    inspect_frame,
)
from ranet_jax.media.images import read_frame
from ranet_jax.media.masks import read_mask
from ranet_jax.segmenter import Segmenter
from ranet_jax.tables import build as tables
from ranet_jax.tables.published import SPEED
from ranet_jax.training.validation import Clip
from ranet_jax.weights.checkpoint import load_network

POSITIONS = 3
"""Template positions to draw where no pixels are chosen."""

SAMPLES = 4
"""Training samples to draw."""


def import_drawing() -> ModuleType:
    """Imports what draws; it needs matplotlib, which is an extra."""
    try:
        return importlib.import_module("ranet_jax.figures.drawing")
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        raise InputError("pictures need matplotlib; .venv/bin/pip install '.[figures]'") from None


def read_clip(args: argparse.Namespace, frames: int | None = None) -> Clip:
    """Reads a sequence, and the masks that it has."""
    split = SPLITS[args.split]
    (sequence,) = find_sequences(args.data_dir, split, [args.sequence], frames)
    masks = [path for path in sequence.masks if path.is_file()]
    return Clip(
        sequence.name,
        [read_frame(path) for path in sequence.frames],
        [read_mask(path, binary=split.binary) for path in masks],
    )


def read_until(args: argparse.Namespace) -> Clip:
    """Reads a sequence until the chosen frame."""
    if args.frame < 1:
        raise InputError(f"--frame {args.frame}: frame 0 is the template; choose a later one")
    clip = read_clip(args, args.frame + 1)
    if len(clip.frames) <= args.frame:
        count = len(clip.frames)
        raise InputError(f"--frame {args.frame}: {clip.name} has {count} frames, counted from 0")
    return clip


def find_slot(args: argparse.Namespace, clip: Clip) -> int:
    """The slot of the chosen object."""
    ids = np.setdiff1d(clip.masks[0], [0]).tolist()
    if args.object is None:
        return 0
    if args.object not in ids:
        raise InputError(f"--object {args.object}: {clip.name} has {', '.join(map(str, ids))}")
    return ids.index(args.object)


def name_frame(args: argparse.Namespace, inspection: Inspection, slot: int) -> str:
    """The title of a picture of one object in one frame."""
    which = f", object {inspection.ids[slot]}" if inspection.ids.size > 1 else ""
    return f"{args.sequence}, frame {args.frame}{which} ({args.checkpoint})"


def make_maps(args: argparse.Namespace) -> None:
    """Makes the picture of similarity maps and merged features."""
    drawing = import_drawing()
    network, clip = load_network(args.checkpoint), read_until(args)
    if network.model.selection == "features":
        raise InputError(f"{args.checkpoint} correlates nothing and has no similarity maps")
    slot, canvas = find_slot(args, clip), network.model.canvas
    positions = [find_position(pixel, clip.masks[0], canvas) for pixel in args.pixels]
    inspection = inspect_frame(network, clip.frames, clip.masks[0])
    positions = positions or choose_positions(inspection.template_labels, slot, POSITIONS)
    figure = drawing.draw_maps(inspection, slot, positions, name_frame(args, inspection, slot))
    drawing.write_figure(figure, args.out / f"{clip.name}_maps.png")


def make_scores(args: argparse.Namespace) -> None:
    """Makes the picture of ranking scores."""
    drawing = import_drawing()
    network, clip = load_network(args.checkpoint), read_until(args)
    if network.model.selection != "ranking":
        raise InputError(f"{args.checkpoint} ranks nothing (selection {network.model.selection!r})")
    slot = find_slot(args, clip)
    inspection = inspect_frame(network, clip.frames, clip.masks[0])
    title = name_frame(args, inspection, slot)
    figure = drawing.draw_scores(inspection, slot, network.model.top_k, title)
    drawing.write_figure(figure, args.out / f"{clip.name}_scores.png")


def make_samples(args: argparse.Namespace) -> None:
    """Makes the picture of training samples."""
    drawing = import_drawing()
    network, clip = load_network(args.checkpoint), read_clip(args, 1)
    examples, predictions = draw_examples(network, clip.frames[0], clip.masks[0], SAMPLES)
    title = f"training samples of stage 1 from the first frame of {clip.name} ({args.checkpoint})"
    figure = drawing.draw_samples(examples, predictions, title)
    drawing.write_figure(figure, args.out / f"{clip.name}_samples.png")


def make_overlays(args: argparse.Namespace) -> None:
    """Makes the picture of results over frames."""
    drawing = import_drawing()
    if args.count < 1 or (args.max_frames is not None and args.max_frames < 1):
        raise InputError("--count and --max-frames must be at least 1")
    segmenter = Segmenter(*load_network(args.checkpoint)[:2])
    clip = read_clip(args, args.max_frames)
    tracker = segmenter.start(clip.frames[0], clip.masks[0])
    results = [clip.masks[0], *map(tracker.step, clip.frames[1:])]
    last = len(clip.frames) - 1
    numbers = sorted(set(np.linspace(0, last, args.count).round().astype(int).tolist()))
    truths = clip.masks if len(clip.masks) > last else [None] * (last + 1)
    shown = [(number, clip.frames[number], results[number], truths[number]) for number in numbers]
    figure = drawing.draw_overlays(shown, f"{clip.name} ({args.checkpoint})")
    drawing.write_figure(figure, args.out / f"{clip.name}_overlays.png")


def make_speed(args: argparse.Namespace) -> None:
    """Makes the picture of accuracy against time."""
    drawing = import_drawing()
    runs = [tables.read_run(argument) for argument in args.summaries]
    for run in runs:
        if run.summary["split"] != "davis16-val":
            raise InputError(
                f"{run.path} is of {run.summary['split']}, not davis16-val; leave it out"
            )
        if SPEED not in run.numbers:
            raise InputError(f"{run.path} has no times, being of masks that existed; leave it out")
    drawing.write_figure(drawing.draw_speed(runs), args.out / "speed.png")


def read_pixel(text: str) -> tuple[int, int]:
    """Reads ROW,COLUMN."""
    try:
        row, column = map(int, text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not ROW,COLUMN, such as 320,300") from None
    return row, column


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    out = argparse.ArgumentParser(add_help=False)
    out.add_argument("--out", type=Path, default=Path("out/figures"), help="(default: out/figures)")
    clip = argparse.ArgumentParser(add_help=False, parents=[out])
    clip.add_argument("--checkpoint", type=Path, required=True)
    clip.add_argument("--split", choices=SPLITS, required=True, help="whose list has the sequence")
    clip.add_argument("--data-dir", type=Path, default=Path("data/DAVIS"), help="the DAVIS folder")
    clip.add_argument("--sequence", required=True)
    frame = argparse.ArgumentParser(add_help=False, parents=[clip])
    frame.add_argument("--frame", type=int, default=10, help="from 1; all before are segmented too")
    frame.add_argument("--object", type=int, metavar="ID", help="(default: the first)")

    parser = argparse.ArgumentParser(
        prog="python -m ranet_jax.figures",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = parser.add_subparsers(required=True, metavar="KIND")
    kind = kinds.add_parser("maps", parents=[frame])
    kind.set_defaults(make=make_maps)
    kind.add_argument(
        "--pixels",
        type=read_pixel,
        nargs="+",
        default=[],
        metavar="ROW,COLUMN",
        help=f"of the first frame, on an object (default: {POSITIONS} spread over it)",
    )
    kinds.add_parser("scores", parents=[frame]).set_defaults(make=make_scores)
    kinds.add_parser("samples", parents=[clip]).set_defaults(make=make_samples)
    kind = kinds.add_parser("overlays", parents=[clip])
    kind.set_defaults(make=make_overlays)
    kind.add_argument("--count", type=int, default=5, help="frames to show (default: 5)")
    kind.add_argument("--max-frames", type=int, help="only the first frames of the clip")
    kind = kinds.add_parser("speed", parents=[out])
    kind.set_defaults(make=make_speed)
    kind.add_argument(
        "summaries", nargs="*", metavar="[NAME=]SUMMARY", help="as for ranet_jax.tables"
    )
    return parser


def main() -> None:
    """The command."""
    args = build_parser().parse_args()
    args.make(args)
