"""Scoring the weights of a run, whatever they are at the time."""

import ml_collections
import numpy as np
import pytest

from ranet_jax.models.ranet import RANet, init_params
from ranet_jax.protocol import TRAINED
from ranet_jax.segmenter import Segmenter
from ranet_jax.training.validation import Validator, score_clip

MODEL = RANet((1, 1, 1, 1), width=8, head_width=8, canvas=(64, 96), top_k=4, learned_scores=False)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_weights_that_are_given_are_scored(precision):
    config = ml_collections.ConfigDict(
        {"every": 1, "kind": "generated", "seed": 0, "count": 1, "frames": 4}
    )
    validator = Validator(config, MODEL, precision)
    scores = []
    for seed in (1, 2, 1):
        params = init_params(MODEL, seed)
        segmenter = Segmenter(MODEL, params, precision, protocol=TRAINED)
        (own,) = score_clip(segmenter, validator.clips[0])
        scores.append(validator.score(params))
        assert scores[-1]["J"] == pytest.approx(np.mean(own.J))
    assert scores[0] == scores[2] != scores[1]
