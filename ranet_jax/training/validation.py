"""Scoring a few sequences during training."""

from pathlib import Path
from typing import Any

import ml_collections

from ranet_jax.data.clips import Clip, generate_clips, read_clips
from ranet_jax.errors import InputError
from ranet_jax.evaluation.metrics import Scores, average
from ranet_jax.evaluation.scoring import score_sequence
from ranet_jax.models.ranet import RANet, init_params
from ranet_jax.protocol import TRAINED
from ranet_jax.segmenter import Segmenter


class Validator:
    """Scores averaged weights on the same clips again and again, compiled once.

    Attributes:
        clips: to score; empty where the configuration asks for none.
    """

    def __init__(self, config: ml_collections.ConfigDict, model: RANet, precision: str) -> None:
        """Loads the clips.

        Args:
            config: `every` (steps; 0 never), `kind` ("davis" or "generated"), and where the clips
                are.
            model: the network.
            precision: of the computation.
        """
        self._every = config.every
        self.clips: list[Clip] = []
        if config.every and config.kind == "generated":
            self.clips = generate_clips(config.seed, config.count, config.frames, model.canvas)
        elif config.every:
            self.clips = read_clips(
                config.split,
                Path(config.data_dir),
                list(config.sequences),
                config.max_frames or None,
            )
        short = [clip.name for clip in self.clips if len(clip.frames) < 3]
        if short:
            raise InputError(
                f"validation has nothing to score in {', '.join(short)}, because the first and the "
                "last frame do not count; raise validation.max_frames or choose other sequences"
            )
        if self.clips:
            # The parameters are replaced before each use.
            params = init_params(model, 0)
            self._segmenter = Segmenter(model, params, precision, protocol=TRAINED)

    def is_due(self, step: int, steps: int) -> bool:
        """Whether the weights of a step of `steps` are to be scored; the last ones always are."""
        return bool(self.clips) and (step % self._every == 0 or step == steps)

    def score(self, params: Any) -> dict[str, float]:
        """Segments and scores all clips.

        Args:
            params: of the network.

        Returns:
            Means over all objects: `J`, `F` and `J&F`.
        """
        self._segmenter.replace_params(params)
        measures = average(
            scores for clip in self.clips for scores in score_clip(self._segmenter, clip)
        )
        return {name: measures[f"{name}-Mean"] for name in ("J&F", "J", "F")}


def score_clip(segmenter: Segmenter, clip: Clip, params: Any = None) -> list[Scores]:
    """Segments a clip from its first mask and scores it; see `scoring.score_sequence`.

    Args:
        segmenter: the network.
        clip: with all of its masks.
        params: for this clip alone, see `Segmenter.start`.

    Returns:
        The scores of its objects.
    """
    tracker = segmenter.start(clip.frames[0], clip.masks[0], params)
    predictions = [clip.masks[0], *map(tracker.step, clip.frames[1:])]
    return score_sequence(predictions, clip.masks, clip.name)
