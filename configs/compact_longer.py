"""The compact network, fourth leg: two frames in a row, more samples, at the first leg's rate.

    python train.py --config configs/compact_longer.py --workdir runs/compact_longer

Needs: the run of `compact_in_a_row.py` in runs/compact_in_a_row, and its data.
`--config.init_from=ranet_jax/weights/compact.safetensors` starts from the weights that ship.
Score: see docs/training.md.
"""

import ml_collections

from configs import compact_in_a_row


def get_config() -> ml_collections.ConfigDict:
    """The recipe: what differs from the third leg."""
    config = compact_in_a_row.get_config()
    config.init_from = "runs/compact_in_a_row"
    config.steps = 900
    config.augmentation.later_frames = 1
    config.video_augmentation.later_frames = 1
    config.optimizer.learning_rate = 4e-4
    config.optimizer.frozen_stages = 2
    config.optimizer.ema_decay = 0.995
    config.data.sets = ml_collections.ConfigDict(
        {"duts-tr": 0.5, "ecssd": 0.05, "davis16-train": 0.45}
    )
    config.validation.every = 300
    return config
