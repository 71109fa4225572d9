"""The compact network, third leg: three frames in a row, against drift.

    python train.py --config configs/legs/leg_03_in_a_row.py --workdir runs/leg_03_in_a_row

On the second and the third frame the previous mask is what the network made of the frame before, as
at test time. Needs: the run of `leg_02_objects.py` in runs/leg_02_objects, and its data.
`--config.init_from=ranet_jax/weights/compact.safetensors --config.model.name=compact_fine` starts
from the weights that ship.
Score: no better than the first leg after 500 steps, see docs/compact.md.
"""

import ml_collections

from configs.legs import leg_02_objects


def get_config() -> ml_collections.ConfigDict:
    """The recipe: what differs from the second leg."""
    config = leg_02_objects.get_config()
    config.init_from = "runs/leg_02_objects"
    config.steps = 500
    config.batch_size = 4  # of three frames and a template each
    config.augmentation.later_frames = 2
    config.video_augmentation.later_frames = 2
    config.optimizer.learning_rate = 2e-4
    config.optimizer.frozen_stages = 3
    config.optimizer.warmup = 20
    config.optimizer.ema_decay = 0.99
    config.data.sets = ml_collections.ConfigDict(
        {"duts-tr": 0.36, "ecssd": 0.04, "davis16-train": 0.6}
    )
    config.validation.every = 100
    return config
