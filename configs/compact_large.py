"""The compact network, seventh leg: the sixth's weights on a larger canvas.

    python train.py --config configs/compact_large.py --workdir runs/compact_large

Needs: the run of `compact_fine.py` in runs/compact_fine, and its data.
`--config.init_from=ranet_jax/weights/compact.safetensors` goes on from the weights that ship.
Score: see docs/training.md.
"""

import ml_collections

from configs import compact_fine


def get_config() -> ml_collections.ConfigDict:
    """The recipe: what differs from the sixth leg."""
    config = compact_fine.get_config()
    config.init_from = "runs/compact_fine"
    config.model.canvas = (256, 448)
    config.steps = 600
    return config
