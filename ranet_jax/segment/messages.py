"""What the command says of masks before it begins, and of results at its end."""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import jax
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ranet_jax.media.palette import PALETTE
from ranet_jax.online_learning import OnlineLearner
from ranet_jax.remarks import remark
from ranet_jax.segment.confidence import CONFIDENCE
from ranet_jax.segment.engine import Outcome
from ranet_jax.segment.results import OVERLAY
from ranet_jax.segment.user_masks import UserMask
from ranet_jax.segmenter import Segmenter


def name_frame(index: int, name: str) -> str:
    """Calls a frame by its number, and by its name where that ends in another number or none."""
    numbers = re.findall("[0-9]+", name)
    return str(index) if numbers and int(numbers[-1]) == index else f"{index} named {name}"


def print_masks(
    paths: Mapping[int, Path],
    masks: Mapping[int, UserMask],
    replacing: Collection[int],
    images: Sequence[Path],
) -> None:
    """Prints what each value or colour of each mask was taken for.

    Args:
        paths: file of each mask by frame index.
        masks: what was read from it, likewise, ascending.
        replacing: the frames of those that replace what is followed.
        images: of the video, where each frame is an image file.
    """
    table = Table("Frame", "Mask", "In the file", "Object", "In the overlay", "Pixels")
    followed: set[int] = set()
    ends = []
    for index, (labels, ids) in masks.items():
        known = set() if index in replacing else followed
        frame = name_frame(index, images[index].stem) if images else str(index)
        for number, (value, one) in enumerate(ids.items()):
            swatch = f"{value} [on {value}]    [/]" if value.startswith("#") else value
            # A Text, because a name may look like markup.
            place = ("", "") if number else (Text(frame), Text(paths[index].name))
            who = f"{one}, a new look" if one in known else str(one)
            painted = "#{:02x}{:02x}{:02x}".format(*PALETTE[3 * one : 3 * one + 3])
            painted = f"{painted} [on {painted}]    [/]"
            table.add_row(*place, swatch, who, painted, str((labels == one).sum()))
        ended = sorted(followed - set(ids.values())) if index in replacing else []
        for one in ended:
            ends.append(f"{paths[index]} has no object {one}, which ends at frame {index}")
        followed = known | set(ids.values())
    Console().print(table)
    for line in ends:
        remark(line)


def print_summary(
    outcome: Outcome, out: Path, segmenter: Segmenter, learner: OnlineLearner | None
) -> None:
    """Prints how often each object was seen, how long it took, and where the results are.

    Args:
        outcome: of the video.
        out: folder of the results.
        segmenter: the network.
        learner: that learned the first frame; None where nothing was learned.
    """
    table = Table("Object", "In frames", "Last in frame")
    for one, sighting in outcome.sightings.items():
        table.add_row(str(one), f"{sighting.frames} of {outcome.frames}", str(sighting.last))
    Console().print(table)
    if outcome.doubtful:
        frames = [
            f"{name_frame(one.frame, one.name)} (object {one.id}, "
            + (f"{one.mean:.2f})" if one.is_found else "no longer found)")
            for one in outcome.doubtful
        ]
        print(f"frames that most need a look: {', '.join(frames)}; all in {out / CONFIDENCE}")
    if outcome.segmented:
        found = outcome.frames - outcome.segmented
        before = f", {found} of them from before" if found else ""
        print(f"{outcome.frames} frames in {out}{before}")
        print(
            f"speed: {outcome.segmented / outcome.seconds:.2f} frames/s with reading and writing, "
            f"without {outcome.compile_seconds:.1f} s of compilation, on "
            f"{jax.devices()[0].device_kind}, {segmenter.precision}"
        )
    else:
        print(f"{out} was complete already: {outcome.frames} frames")
    if learner and outcome.segmented:
        print(
            f"online learning, {learner.steps} steps at {learner.rate:g}: "
            f"{outcome.learning_seconds:.1f} s beforehand, without "
            f"{outcome.learning_compile_seconds:.1f} s of compilation"
        )
    print(f"masks: {out / 'masks'}")
    if (out / "probabilities").is_dir():
        print(f"probabilities: {out / 'probabilities'}, a folder an object")
    print(f"overlay: {out / OVERLAY}")
