"""The compact network, ninth leg of what ships: objects lost, and others taken for them.

    python train.py --config configs/legs/leg_09_lookalikes.py --workdir runs/leg_09_lookalikes

What was hidden behind something is lost, and the mask then goes to something else. Here the
previous mask is empty at times, so that the object is to be found in the whole frame; at others it
has taken in, or gone over to, a pasted object, which more often than before is a copy of the object
itself.
Needs: the run of `leg_08_reflections.py` in runs/leg_08_reflections, and its data.
`--config.init_from=ranet_jax/weights/compact.safetensors` goes on from the weights that ship.
Score: see docs/compact.md.
"""

import ml_collections

from configs.legs import leg_08_reflections


def get_config() -> ml_collections.ConfigDict:
    """The recipe: what differs from the eighth leg."""
    config = leg_08_reflections.get_config()
    config.init_from = "runs/leg_08_reflections"
    config.augmentation.lookalikes = 0.3
    config.augmentation.distractors_taken_in = 0.4
    for numbers in (config.augmentation, config.video_augmentation):
        numbers.damage.lost_probability = 0.08
    return config
