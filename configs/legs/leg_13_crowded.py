"""The compact network, thirteenth leg, no better: more of what the twelfth was for, in bfloat16.

    python train.py --config configs/legs/leg_13_crowded.py --workdir runs/leg_13_crowded

Objects of other videos on eight in ten of the pairs of video frames (six before). On a CPU with AMX
a step in bfloat16 takes seven tenths of the time of one in float32, so there are more steps, at a
higher rate; the weights themselves stay float32.
The leg began with the weights of the twelfth as they had shipped, whose kernels are of 8 bits.
Needs: the run of `leg_12_companions.py` in runs/leg_12_companions, and its data.
`--config.init_from=ranet_jax/weights/compact.safetensors` goes on from the weights that ship.
Score: see docs/compact.md.
"""

import ml_collections

from configs.legs import leg_12_companions


def get_config() -> ml_collections.ConfigDict:
    """The recipe: what differs from the twelfth leg."""
    config = leg_12_companions.get_config()
    config.init_from = "runs/leg_12_companions"
    config.precision = "bfloat16"
    config.steps = 750
    config.optimizer.learning_rate = 2e-4
    config.video_augmentation.pasted_share = 0.8
    config.validation.every = 250
    return config
