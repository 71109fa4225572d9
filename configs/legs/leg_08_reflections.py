"""The compact network, eighth leg of what ships: shadows and reflections that were taken in.

    python train.py --config configs/legs/leg_08_reflections.py --workdir runs/leg_08_reflections

The seventh leg gives up what its previous mask took in by mistake, but not reflections, which look
like the object. Here half of the objects of single images get a shadow or a reflection, as in the
fourth leg, and half of the time the previous mask has taken it for the object.
Needs: the run of `leg_07_corrects.py` in runs/leg_07_corrects, and its data.
`--config.init_from=ranet_jax/weights/compact.safetensors` goes on from the weights that ship.
Score: see docs/compact.md.
"""

import ml_collections

from configs.legs import leg_07_corrects


def get_config() -> ml_collections.ConfigDict:
    """The recipe: what differs from the seventh leg."""
    config = leg_07_corrects.get_config()
    config.init_from = "runs/leg_07_corrects"
    config.augmentation.shadows = 0.5
    config.augmentation.shadows_taken_in = 0.5
    return config
