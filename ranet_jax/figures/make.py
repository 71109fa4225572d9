"""Makes the pictures of `figures`: reads what they need, and hands it to what draws."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ranet_jax.data.clips import Clip, read_clips
from ranet_jax.errors import InputError
from ranet_jax.figures import drawing
from ranet_jax.figures.inspection import (
    Inspection,
    choose_positions,
    draw_examples,
    find_position,
    inspect_frame,
)
from ranet_jax.segmenter import Segmenter
from ranet_jax.tables.published import SPEED
from ranet_jax.tables.runs import read_run
from ranet_jax.weights.checkpoint import load_network

POSITIONS = 3
"""Template positions to draw where no pixels are chosen."""

SAMPLES = 4
"""Training samples to draw."""


class Subject(NamedTuple):
    """What a picture is of.

    Attributes:
        checkpoint: of the network.
        split: one of `SPLITS`, whose list has the sequence.
        data_dir: the DAVIS folder.
        sequence: its name.
    """

    checkpoint: Path
    split: str
    data_dir: Path
    sequence: str


class Moment(NamedTuple):
    """One object in one frame of a sequence.

    Attributes:
        frame: its number, from 1; frame 0 is the template.
        object: its id; None for the first.
    """

    frame: int
    object: int | None


def make_maps(
    subject: Subject, out: Path, moment: Moment, pixels: Sequence[tuple[int, int]]
) -> None:
    """Makes the picture of similarity maps and merged features: `SEQUENCE_maps.png`.

    Args:
        subject: what it is of.
        out: folder of the picture.
        moment: the frame, and the object whose features are drawn.
        pixels: row and column of pixels of the first frame, each on an object, whose maps are
            drawn; where there are none, some spread over the object.

    Raises:
        InputError: something that is asked for is not there, or the network correlates nothing.
    """
    network, clip = load_network(subject.checkpoint), _read_until(subject, moment.frame)
    if network.model.selection == "features":
        raise InputError(f"{subject.checkpoint} correlates nothing and has no similarity maps")
    slot = _find_slot(clip, moment.object)
    positions = [find_position(pixel, clip.masks[0], network) for pixel in pixels]
    inspection = inspect_frame(network, clip.frames, clip.masks[0])
    positions = positions or choose_positions(
        inspection.template_labels, slot, POSITIONS, inspection.cell
    )
    title = _name_moment(subject, moment, inspection, slot)
    figure = drawing.draw_maps(inspection, slot, positions, title)
    drawing.write_figure(figure, out / f"{clip.name}_maps.png")


def make_scores(subject: Subject, out: Path, moment: Moment) -> None:
    """Makes the picture of ranking scores: `SEQUENCE_scores.png`.

    Args:
        subject: what it is of.
        out: folder of the picture.
        moment: the frame, and the object whose scores are drawn.

    Raises:
        InputError: something that is asked for is not there, or the network ranks nothing.
    """
    network, clip = load_network(subject.checkpoint), _read_until(subject, moment.frame)
    if network.model.selection != "ranking":
        raise InputError(
            f"{subject.checkpoint} ranks nothing (selection {network.model.selection!r})"
        )
    slot = _find_slot(clip, moment.object)
    inspection = inspect_frame(network, clip.frames, clip.masks[0])
    title = _name_moment(subject, moment, inspection, slot)
    figure = drawing.draw_scores(inspection, slot, network.model, title)
    drawing.write_figure(figure, out / f"{clip.name}_scores.png")


def make_samples(subject: Subject, out: Path) -> None:
    """Makes the picture of training samples of the first frame: `SEQUENCE_samples.png`.

    Args:
        subject: what it is of.
        out: folder of the picture.
    """
    network, clip = load_network(subject.checkpoint), _read_clip(subject, 1)
    examples, predictions = draw_examples(network, clip.frames[0], clip.masks[0], SAMPLES)
    title = (
        f"training samples of stage 1 from the first frame of {clip.name} ({subject.checkpoint})"
    )
    figure = drawing.draw_samples(examples, predictions, title)
    drawing.write_figure(figure, out / f"{clip.name}_samples.png")


def make_overlays(subject: Subject, out: Path, count: int, max_frames: int | None) -> None:
    """Makes the picture of results over frames: `SEQUENCE_overlays.png`.

    Args:
        subject: what it is of.
        out: folder of the picture.
        count: how many frames are shown, at least 1.
        max_frames: of the sequence, at least 1; None for all.

    Raises:
        InputError: a number is too small.
    """
    for flag, value in (("--count", count), ("--max-frames", max_frames)):
        if value is not None and value < 1:
            raise InputError(f"{flag} {value}: give 1 or more")
    segmenter = Segmenter.from_checkpoint(subject.checkpoint)
    clip = _read_clip(subject, max_frames)
    tracker = segmenter.start(clip.frames[0], clip.masks[0])
    results = [clip.masks[0], *map(tracker.step, clip.frames[1:])]
    last = len(clip.frames) - 1
    numbers = sorted(set(np.linspace(0, last, count).round().astype(int).tolist()))
    truths = clip.masks if len(clip.masks) > last else [None] * (last + 1)
    shown = [(number, clip.frames[number], results[number], truths[number]) for number in numbers]
    figure = drawing.draw_overlays(shown, f"{clip.name} ({subject.checkpoint})")
    drawing.write_figure(figure, out / f"{clip.name}_overlays.png")


def make_speed(summaries: Sequence[str], out: Path) -> None:
    """Makes the picture of accuracy against time: `speed.png`.

    Args:
        summaries: as `tables.runs.read_run` takes them.
        out: folder of the picture.

    Raises:
        InputError: one of them is of another split than davis16-val, or has no times.
    """
    runs = [read_run(argument) for argument in summaries]
    for run in runs:
        if run.summary["split"] != "davis16-val":
            raise InputError(
                f"{run.path} is of {run.summary['split']}, not davis16-val; leave it out"
            )
        if SPEED not in run.numbers:
            raise InputError(f"{run.path} has no times, being of masks that existed; leave it out")
    drawing.write_figure(drawing.draw_speed(runs), out / "speed.png")


def _read_clip(subject: Subject, frames: int | None) -> Clip:
    """Reads a sequence, and the masks that it has."""
    (clip,) = read_clips(subject.split, subject.data_dir, [subject.sequence], frames)
    return clip


def _read_until(subject: Subject, frame: int) -> Clip:
    """Reads a sequence until a frame."""
    if frame < 1:
        raise InputError(f"--frame {frame}: frame 0 is the template; choose a later one")
    clip = _read_clip(subject, frame + 1)
    if len(clip.frames) <= frame:
        count = len(clip.frames)
        raise InputError(f"--frame {frame}: {clip.name} has {count} frames, counted from 0")
    return clip


def _find_slot(clip: Clip, chosen: int | None) -> int:
    """The slot of the chosen object."""
    ids = np.setdiff1d(clip.masks[0], [0]).tolist()
    if chosen is None:
        return 0
    if chosen not in ids:
        raise InputError(f"--object {chosen}: {clip.name} has {', '.join(map(str, ids))}")
    return ids.index(chosen)


def _name_moment(subject: Subject, moment: Moment, inspection: Inspection, slot: int) -> str:
    """The title of a picture of one object in one frame."""
    which = f", object {inspection.ids[slot]}" if inspection.ids.size > 1 else ""
    return f"{subject.sequence}, frame {moment.frame}{which} ({subject.checkpoint})"
