"""What the bank of templates does on real clips: joining, correcting, and what a template costs.

    python -m benchmarks.bank DAVIS --first car-shadow --second blackswan [--checkpoint FILE]

A clip with two objects and known masks is made of two of DAVIS: the second's object is pasted onto
the frames of the first, half as large. It joins at frame 10 while the first is followed, beside two
separate runs. Then clips are corrected in one frame with the true mask, once as another template
and once as the only one. At last a frame is timed with 1, 2 and 4 templates.
"""

import time
from pathlib import Path

import cv2
import numpy as np

from benchmarks.machine import print_machine
from ranet_jax import Segmenter
from ranet_jax.data.clips import Clip, read_clip
from ranet_jax.errors import run_command
from ranet_jax.evaluation.metrics import region_similarity
from ranet_jax.flag_parser import FlagParser

JOINS = 10
"""The frame in which the second object joins."""

CORRECTED = {"blackswan": 25, "libby": 20}
"""Frames that are corrected, by clip: a swan beside its reflection, a dog that is half hidden."""


def load_segmenter(checkpoint: Path | None, precision: str = "float32") -> Segmenter:
    """Loads a checkpoint, or the weights that ship."""
    if checkpoint:
        return Segmenter.from_checkpoint(checkpoint, precision)
    return Segmenter.pretrained(precision)


def paste_clip(first: Clip, second: Clip, corner: int = 0) -> Clip:
    """Pastes the object of a clip onto another, half as large.

    Args:
        first: the other.
        second: whose object is pasted.
        corner: where: 0 lower left, 1 upper right, 2 lower right, 3 upper left.

    Returns:
        The clip, as long as the shorter one. The object has the next id that is free.
    """
    frames, masks = [], []
    identifier = first.masks[0].max() + 1
    for frame, mask, other, object_mask in zip(
        first.frames, first.masks, second.frames, second.masks, strict=False
    ):
        h, w = mask.shape
        small = cv2.resize(other, (w // 2, h // 2), interpolation=cv2.INTER_AREA)
        small_mask = cv2.resize(object_mask, (w // 2, h // 2), interpolation=cv2.INTER_NEAREST)
        frame, mask = frame.copy(), mask.copy()
        top, left = h - h // 2 if corner in (0, 2) else 0, w - w // 2 if corner in (1, 2) else 0
        place = slice(top, top + h // 2), slice(left, left + w // 2)
        frame[place][small_mask > 0] = small[small_mask > 0]
        mask[place][small_mask > 0] = identifier
        frames.append(frame)
        masks.append(mask)
    return Clip(f"{first.name} with {second.name}", frames, masks)


def find_overlap(found: list[np.ndarray], masks: list[np.ndarray], one: int, begin: int) -> float:
    """The mean J of an object in the frames after one."""
    return float(
        np.mean(
            [
                region_similarity(a == one, b == one)
                for a, b in zip(found[begin + 1 :], masks[begin + 1 :], strict=True)
            ]
        )
    )


def follow(
    segmenter: Segmenter,
    clip: Clip,
    ids: list[int],
    begin: int,
    added: dict[int, list[int]],
    *,
    marks: bool = False,
) -> list[np.ndarray]:
    """Segments a clip.

    Args:
        segmenter: the network.
        clip: with true masks.
        ids: of the objects that are shown in the first frame.
        begin: its number; earlier masks come back empty.
        added: ids of the objects that are shown in later frames, by number.
        marks: whether those are the whole truth from there on, see `Tracker.mark`.

    Returns:
        A mask a frame.
    """
    _, frames, masks = clip
    found = [np.zeros_like(masks[0])] * begin
    tracker = segmenter.start(frames[begin], np.where(np.isin(masks[begin], ids), masks[begin], 0))
    found.append(masks[begin])
    for index in range(begin + 1, len(frames)):
        found.append(tracker.step(frames[index]))
        if index in added:
            shown = np.where(np.isin(masks[index], added[index]), masks[index], 0)
            if marks:
                tracker.mark(frames[index], shown)
                found[-1] = shown
            else:
                found[-1] = tracker.add(frames[index], shown)
    return found


def measure_templates(segmenter: Segmenter, clip: Clip, rounds: int = 15) -> dict[int, float]:
    """Median milliseconds of `Tracker.step` by the number of templates."""
    _, frames, masks = clip
    trackers = {}
    for count in (1, 2, 4):
        tracker = trackers[count] = segmenter.start(frames[0], masks[0])
        for index in range(1, count):
            tracker.step(frames[index])
            tracker.add(frames[index], masks[index])
        tracker.step(frames[count])
    taken: dict[int, list[float]] = {count: [] for count in trackers}
    for index in range(rounds):
        for count, tracker in trackers.items():
            start = time.perf_counter()
            tracker.step(frames[5 + index % (len(frames) - 5)])
            taken[count].append(1000 * (time.perf_counter() - start))
    return {count: float(np.median(times)) for count, times in taken.items()}


def main() -> None:
    """The command."""
    parser = FlagParser(description=__doc__.splitlines()[0])
    parser.add_argument("davis", type=Path, help="folder of DAVIS, with JPEGImages and Annotations")
    parser.add_argument("--first", default="car-shadow", help="(default: car-shadow)")
    parser.add_argument("--second", default="blackswan", help="(default: blackswan)")
    parser.add_argument("--checkpoint", type=Path, help="(default: the weights that ship)")
    args = parser.parse_args()
    first, second = read_clip(args.davis, args.first), read_clip(args.davis, args.second)
    segmenter = load_segmenter(args.checkpoint)
    print_machine()

    both = paste_clip(first, second)
    together = follow(segmenter, both, [1], 0, {JOINS: [2]})
    alone = [follow(segmenter, both, [one], begin, {}) for one, begin in ((1, 0), (2, JOINS))]
    print(f"{args.second} pasted onto {args.first}, joining at frame {JOINS}; J after it:")
    for one, found in zip((1, 2), alone, strict=True):
        values = [find_overlap(masks, both.masks, one, JOINS) for masks in (together, found)]
        print(f"  object {one}: {values[0]:.3f}, by itself {values[1]:.3f}")

    for name, frame in CORRECTED.items():
        clip = read_clip(args.davis, name)
        runs = (
            follow(segmenter, clip, [1], 0, {}),
            follow(segmenter, clip, [1], 0, {frame: [1]}),
            follow(segmenter, clip, [1], 0, {frame: [1]}, marks=True),
        )
        none, added, marked = (find_overlap(masks, clip.masks, 1, frame) for masks in runs)
        print(
            f"{name}, corrected at frame {frame}; J after it: {none:.3f} without, {added:.3f} with"
        )
        print(f"  the correction as another template, {marked:.3f} marked anew")

    for count, milliseconds in measure_templates(segmenter, first).items():
        print(f"{count} templates: {milliseconds:.0f} ms a frame, one object (median, in turn)")


if __name__ == "__main__":
    run_command(main)
