"""The compact network, seventh leg of what ships: previous masks that took in too much.

    python train.py --config configs/compact_corrects.py --workdir runs/compact_corrects

With the true previous mask in place of its own, the sixth leg is far better on the kept-out
videos: what the mask took in once, a shadow say, it kept. Here it learns to give it up again.
Needs: the run of `compact_fine.py` in runs/compact_fine, and its data.
`--config.init_from=ranet_jax/weights/compact.safetensors` goes on from the weights that ship.
Score: see docs/compact.md.
"""

import ml_collections

from configs import compact_fine


def get_config() -> ml_collections.ConfigDict:
    """The recipe: what differs from the sixth leg."""
    config = compact_fine.get_config()
    config.init_from = "runs/compact_fine"
    for numbers in (config.augmentation, config.video_augmentation):
        numbers.damage.missing_probability = 0.5
        numbers.damage.extra_probability = 0.6
    return config
