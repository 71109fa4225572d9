"""The compact network, fourth leg: shadows and reflections that are background, one frame more.

    python train.py --config configs/legs/leg_04_shadows.py --workdir runs/leg_04_shadows

Needs: the run of `leg_03_in_a_row.py` in runs/leg_03_in_a_row, and its data.
`--config.init_from=ranet_jax/weights/compact.safetensors --config.model.name=compact_fine` starts
from the weights that ship.
Score: see docs/compact.md.
"""

import ml_collections

from configs import compact


def get_config() -> ml_collections.ConfigDict:
    """The recipe: what differs from the first leg."""
    config = compact.get_config()
    config.init_from = "runs/leg_03_in_a_row"
    config.steps = 900
    config.batch_size = 4  # of a template and two frames each
    config.augmentation.later_frames = 1
    config.augmentation.shadows = 0.5
    config.video_augmentation.later_frames = 1
    config.optimizer.learning_rate = 4e-4
    config.optimizer.backbone_factor = 0.2
    config.optimizer.frozen_stages = 3
    config.optimizer.warmup = 20
    config.validation.every = 300
    return config
