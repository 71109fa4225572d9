"""The compact network, eleventh leg of what ships: several objects.

    python train.py --config configs/legs/leg_11_several.py --workdir runs/leg_11_several

The legs before it that ship had one object a sample. Here all objects are asked for, each in a slot
of its own, in half of the images with a pasted one; in the other half one of them is, and the other
is background, as before. The leg began with the weights of the tenth leg as they had shipped,
whose kernels are of 8 bits (they are in the history of ranet_jax/weights).
Needs: the run of `leg_10_videos.py` in runs/leg_10_videos, and its data.
`--config.init_from=ranet_jax/weights/compact.safetensors` goes on from the weights that ship.
Score: see docs/compact.md.
"""

import ml_collections

from configs.legs import leg_10_videos


def get_config() -> ml_collections.ConfigDict:
    """The recipe: what differs from the tenth leg."""
    config = leg_10_videos.get_config()
    config.init_from = "runs/leg_10_videos"
    config.steps = 600
    config.model.slots = 2
    config.optimizer.learning_rate = 1.5e-4
    config.data.sets = ml_collections.ConfigDict(
        {"duts-tr": 0.45, "ecssd": 0.05, "davis16-train": 0.5}
    )
    config.augmentation.pasted_objects = 1
    config.augmentation.distractors = 0.5
    config.validation.every = 200
    return config
