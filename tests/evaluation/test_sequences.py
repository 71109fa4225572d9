"""Segmenting sequences: what counts of those that come to no end."""

import numpy as np
import pytest

from ranet_jax.evaluation.selection import select_sequences
from ranet_jax.evaluation.sequences import segment_split
from ranet_jax.evaluation.times import summarize_times
from ranet_jax.segmenter import Segmenter
from tests.colour_network import ColourNetwork
from tests.evaluation.runs import FRAMES


class Learner:
    """Learns nothing; it takes a second for the first sequence, ten for the next, and so on."""

    steps, rate, seed, compile_seconds = 3, 0.1, 0, 5.0

    def __init__(self):
        self.seconds, self.next = 0.0, 1.0

    def learn(self, frame, labels, report_step):
        self.seconds += self.next
        self.next *= 10


def test_learning_of_a_sequence_that_breaks_off_is_not_counted(davis, tmp_path):
    frame = davis / "JPEGImages/480p/first/00005.jpg"
    frame.write_bytes(frame.read_bytes()[:500])
    selection = select_sequences("davis17-val", davis)
    segmenter, learner = Segmenter(ColourNetwork(), {"nothing": np.zeros(1)}), Learner()
    segmented = segment_split(segmenter, learner, selection, tmp_path / "out")
    assert learner.seconds == 11
    assert segmented.failures.keys() == {"first"} and segmented.learned == {"second": 10}
    assert len(segmented.seconds) == len(FRAMES) - 1
    summary = summarize_times(segmented, segmenter, learner)
    assert summary["online_seconds_per_video"] == 10
    assert summary["seconds_per_frame"] == pytest.approx(
        (10 + sum(segmented.seconds)) / (len(FRAMES) - 1)
    )
