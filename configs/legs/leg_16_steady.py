"""The compact network, sixteenth leg: on from the fourteenth at its best, with a small rate.

    python train.py --config configs/legs/leg_16_steady.py --workdir runs/leg_16_steady

The fourteenth leg was at its best after a third of its steps, at the highest rate. This one goes on
from there with a third of that rate and an average over fewer steps; videos are bent, turned,
shifted and scaled as much as images.
Needs: step 250 of the run of `leg_14_varied.py` in runs/leg_14_varied, and its data.
`--config.init_from=ranet_jax/weights/compact.safetensors` goes on from the weights that ship.
Score: see docs/compact.md.
"""

import ml_collections

from configs.legs import leg_14_varied


def get_config() -> ml_collections.ConfigDict:
    """The recipe: what differs from the fourteenth leg."""
    config = leg_14_varied.get_config()
    config.init_from = "runs/leg_14_varied/checkpoints/250"
    config.seed = 16  # or the samples would be those of the fourteenth
    config.steps = 300
    config.optimizer.learning_rate = 5e-5
    config.optimizer.ema_decay = 0.99
    config.video_augmentation.spline = 0.15
    config.video_augmentation.rotation = 30.0
    config.validation.every = 100
    config.keep_best = 3
    return config
