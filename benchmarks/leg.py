"""The scores that decide whether a leg of the compact network ships; see docs/compact.md.

    python -m benchmarks.leg data/DAVIS [--checkpoint FILE] [--precision bfloat16]

J&F of the training videos that were kept out: their first 20 frames, once as in a training run and
once with frames kept as the network's protocol says; all their frames; all after 20 steps of online
learning; the mean of these four; all frames forward and backward, from three of them each, which
has less noise; and several of their objects, followed together.
"""

import dataclasses
from pathlib import Path

import numpy as np

from benchmarks.bank import load_segmenter
from benchmarks.machine import print_machine
from benchmarks.several import make_clip, score_together
from configs.choosing import CHOOSING
from ranet_jax import Segmenter
from ranet_jax.data.clips import Clip, read_clips
from ranet_jax.errors import InputError, run_command
from ranet_jax.evaluation.metrics import average
from ranet_jax.flag_parser import FlagParser
from ranet_jax.online_learning import OnlineLearner
from ranet_jax.protocol import PRECISIONS
from ranet_jax.training.validation import score_clip

FRAMES, STEPS = 20, 20
"""Of each video in the measures of its beginning, and of online learning."""

STARTS = (0, 0.25, 0.5)
"""From where on a clip is followed, as a share of its frames, forward and backward."""


def find_score(segmenter: Segmenter, clip: Clip, learner: OnlineLearner | None = None) -> float:
    """The J&F of a clip of one object, followed from its first mask."""
    params = learner.learn(clip.frames[0], clip.masks[0]) if learner else None
    return average(score_clip(segmenter, clip, params))["J&F-Mean"]


def score_clips(
    title: str, segmenter: Segmenter, clips: list[Clip], learner: OnlineLearner | None = None
) -> float:
    """Scores clips of one object, prints the J&F of each, and gives their mean."""
    scores = [find_score(segmenter, clip, learner) for clip in clips]
    mean = float(np.mean(scores))
    print_row(title, mean, scores)
    return mean


def turn_and_cut(clip: Clip) -> list[Clip]:
    """A clip forward and backward, from each of `STARTS` on, where its object is seen there."""
    made = []
    for step in (1, -1):
        frames, masks = clip.frames[::step], clip.masks[::step]
        starts = (int(start * len(frames)) for start in STARTS)
        made += [Clip(clip.name, frames[k:], masks[k:]) for k in starts if masks[k].any()]
    return made


def print_row(title: str, mean: float, scores: list[float]) -> None:
    """Prints a row of the table: the mean, then each clip."""
    print(f"{title:<12}{mean:.3f}   ", "  ".join(f"{score:.3f}" for score in scores), flush=True)


def main() -> None:
    """The command."""
    parser = FlagParser(description=__doc__.splitlines()[0])
    parser.add_argument("davis", type=Path, help="folder of DAVIS")
    parser.add_argument("--checkpoint", type=Path, help="(default: the weights that ship)")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    args = parser.parse_args()
    clips = read_clips("davis16-train", args.davis, list(CHOOSING), None)
    segmenter = load_segmenter(args.checkpoint, args.precision)
    if segmenter.protocol.frame_canvas is None:
        raise InputError(
            f"{args.checkpoint} keeps frames at the size of its network, so it is not packed as "
            "what ships; make a file of it with python -m ranet_jax.convert pack, as "
            "docs/compact.md does"
        )
    as_trained = dataclasses.replace(segmenter.protocol, frame_canvas=None)
    network = segmenter.network._replace(protocol=as_trained)
    inside = Segmenter.from_network(network, args.precision)
    print_machine()
    print("J&F         mean    ", "  ".join(clip.name for clip in clips))
    begun = [Clip(clip.name, clip.frames[:FRAMES], clip.masks[:FRAMES]) for clip in clips]
    means = [
        score_clips("in run", inside, begun),
        score_clips(f"{FRAMES} frames", segmenter, begun),
        score_clips("all", segmenter, clips),
        score_clips(f"online {STEPS}", segmenter, clips, OnlineLearner(segmenter, STEPS)),
    ]
    print(f"mean of four: {np.mean(means):.3f}")
    ways = [
        float(np.mean([find_score(segmenter, one) for one in turn_and_cut(clip)])) for clip in clips
    ]
    print_row("both ways", float(np.mean(ways)), ways)
    several = []
    for count in range(2, len(clips) + 1):
        made = (make_clip(clips, first, count) for first in range(len(clips)))
        scores = [score_together(segmenter, clip, count) for clip in made]
        several.append(float(np.mean(scores)))
        print_row(f"{count} objects", several[-1], scores)
    print(f"several objects, mean: {np.mean(several):.3f}")


if __name__ == "__main__":
    run_command(main)
