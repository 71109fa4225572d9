"""The compact network, sixth leg of what ships: four times as many kernels, from the first leg.

    python train.py --config configs/legs/leg_06_fine.py --workdir runs/leg_06_fine

Needs: the run of `compact.py` in runs/compact, and its data.
`--config.init_from=ranet_jax/weights/compact.safetensors` goes on from the weights that ship.
Score: see docs/compact.md.
"""

import ml_collections

from configs import compact


def get_config() -> ml_collections.ConfigDict:
    """The recipe: what differs from the first leg."""
    config = compact.get_config()
    config.init_from = "runs/compact"
    config.model.name = "compact_fine"
    config.steps = 900
    config.optimizer.learning_rate = 5e-4
    config.optimizer.frozen_stages = 3
    config.optimizer.warmup = 30
    config.validation.every = 300
    return config
