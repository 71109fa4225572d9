"""The compact network, second leg: several objects, from the averaged weights of the first.

    python train.py --config configs/legs/leg_02_objects.py --workdir runs/leg_02_objects

In half of the image pairs with a pasted object both are asked for, in the other half one of them
is, and the other is background. Needs: the run of `compact.py` in runs/compact, and its data.
`--config.init_from=ranet_jax/weights/compact.safetensors --config.model.name=compact_fine` starts
from the weights that ship.
Score: not measured; the run was stopped after 104 of its steps.
"""

import ml_collections

from configs import compact


def get_config() -> ml_collections.ConfigDict:
    """The recipe: what differs from the first leg."""
    config = compact.get_config()
    config.init_from = "runs/compact"
    config.model.slots = 2
    config.optimizer.learning_rate = 3e-4
    config.optimizer.backbone_factor = 0.2
    config.optimizer.ema_decay = 0.995
    config.data.sets = ml_collections.ConfigDict(
        {"duts-tr": 0.45, "ecssd": 0.05, "davis16-train": 0.5}
    )
    config.augmentation.pasted_objects = 1
    config.augmentation.distractors = 0.5
    return config
