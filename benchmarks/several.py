"""How well several objects are followed at once, beside each of them by itself.

    python -m benchmarks.several DAVIS --sequences car-shadow,blackswan,libby [--checkpoint FILE]

Clips of several objects with known masks are made of DAVIS's: onto the frames of each sequence the
objects of those after it in the list are pasted, half as large, one a corner; so there are clips of
two objects, of three and so on. All are shown in the first frame and followed together; then each
is followed alone, in the same clip. J&F of the same objects, so the two can be compared.
"""

from pathlib import Path

import numpy as np

from benchmarks.bank import follow, load_segmenter, paste_clip
from benchmarks.machine import print_machine
from ranet_jax import Segmenter
from ranet_jax.data.clips import Clip, read_clip
from ranet_jax.errors import InputError, run_command
from ranet_jax.evaluation.metrics import average
from ranet_jax.evaluation.scoring import score_sequence
from ranet_jax.flag_parser import FlagParser

MOST = 5
"""Objects in a clip: its own, and one a corner."""


def make_clip(clips: list[Clip], first: int, count: int) -> Clip:
    """Pastes onto a clip the objects of those after it in the list, which is a ring."""
    made = clips[first]
    for corner in range(count - 1):
        made = paste_clip(made, clips[(first + corner + 1) % len(clips)], corner)
    return made


def score_objects(found: list[np.ndarray], masks: list[np.ndarray]) -> float:
    """The mean J&F of all objects that the first mask has."""
    return average(score_sequence(found, masks, "the clip"))["J&F-Mean"]


def score_together(segmenter: Segmenter, clip: Clip, count: int) -> float:
    """The mean J&F of so many objects of a clip, followed together."""
    return score_objects(follow(segmenter, clip, list(range(1, count + 1)), 0, {}), clip.masks)


def compare(segmenter: Segmenter, clip: Clip, count: int) -> tuple[float, float]:
    """The mean J&F of all objects of a clip, followed together and each by itself."""
    together = score_together(segmenter, clip, count)
    alone = []
    for one in range(1, count + 1):
        found = follow(segmenter, clip, [one], 0, {})
        masks = [found, clip.masks]
        alone.append(score_objects(*([np.uint8(m == one) for m in each] for each in masks)))
    return together, float(np.mean(alone))


def main() -> None:
    """The command."""
    parser = FlagParser(description=__doc__.splitlines()[0])
    parser.add_argument("davis", type=Path, help="folder of DAVIS, with JPEGImages and Annotations")
    parser.add_argument("--sequences", required=True, help="two to five, by commas, of one size")
    parser.add_argument("--checkpoint", type=Path, help="(default: the weights that ship)")
    args = parser.parse_args()
    names = args.sequences.split(",")
    if not 2 <= len(names) <= MOST:
        raise InputError(f"--sequences {args.sequences} has {len(names)} names; give 2 to {MOST}")
    clips = [read_clip(args.davis, name) for name in names]
    sizes = {clip.name: clip.masks[0].shape for clip in clips}
    if len(set(sizes.values())) > 1:
        raise InputError(f"the sequences are of several sizes, {sizes}; give such as are of one")
    segmenter = load_segmenter(args.checkpoint)
    print_machine()
    for count in range(2, len(names) + 1):
        pairs = []
        for first, name in enumerate(names):
            pairs.append(compare(segmenter, make_clip(clips, first, count), count))
            print(f"{count} objects, on {name}: {pairs[-1][0]:.3f}, alone {pairs[-1][1]:.3f}")
        means = np.mean(pairs, axis=0)
        print(f"{count} objects, mean: {means[0]:.3f} together, {means[1]:.3f} each by itself")


if __name__ == "__main__":
    run_command(main)
