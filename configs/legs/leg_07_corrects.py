"""The compact network, seventh leg of what ships: previous masks that took in too much.

    python train.py --config configs/legs/leg_07_corrects.py --workdir runs/leg_07_corrects

With the true previous mask in place of its own, the sixth leg is far better on the kept-out
videos: what the mask took in once, a shadow say, it kept. Here it learns to give it up again.
Needs: the run of `leg_06_fine.py` in runs/leg_06_fine, and its data.
`--config.init_from=ranet_jax/weights/compact.safetensors` goes on from the weights that ship.
Score: see docs/compact.md.
"""

import ml_collections

from configs.legs import leg_06_fine


def get_config() -> ml_collections.ConfigDict:
    """The recipe: what differs from the sixth leg."""
    config = leg_06_fine.get_config()
    config.init_from = "runs/leg_06_fine"
    for numbers in (config.augmentation, config.video_augmentation):
        numbers.damage.missing_probability = 0.5
        numbers.damage.extra_probability = 0.6
    return config
