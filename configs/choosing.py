"""The videos that settings, steps and weights are chosen by: kept out of every training here."""

import ml_collections

CHOOSING = ("drift-turn", "hike", "mallard-water", "scooter-gray")
"""Training videos of DAVIS. The validation videos choose nothing."""


def choose_by_videos(config: ml_collections.ConfigDict, every: int) -> None:
    """Leaves these videos out, and scores them every so many steps; checkpoints keep the best."""
    config.data.left_out = CHOOSING
    config.validation.every = every
    config.validation.split = "davis16-train"
    config.validation.sequences = CHOOSING
    config.validation.max_frames = 20
