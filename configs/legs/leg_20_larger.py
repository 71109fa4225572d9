"""The compact network, twentieth leg: a larger canvas, with labels as sharp as the frames.

    python train.py --config configs/legs/leg_20_larger.py --workdir runs/leg_20_larger

On all training videos two fifths of what is wrong lie within one and a half pixels of the outline,
and a canvas of 256 x 448 shows a third more of it in each direction. A step takes nearly twice as
long, and a frame as well.
Needs: step 400 of the run of `leg_19_sharp.py` in runs/leg_19_sharp, and its data.
`--config.init_from=ranet_jax/weights/compact.safetensors` goes on from the weights that ship.
Score: see docs/compact.md.
"""

import ml_collections

from configs.legs import leg_19_sharp


def get_config() -> ml_collections.ConfigDict:
    """The recipe: what differs from the nineteenth leg."""
    config = leg_19_sharp.get_config()
    config.init_from = "runs/leg_19_sharp/checkpoints/400"
    config.seed = 20  # or the samples would be those of the nineteenth
    config.steps = 500
    config.model.canvas = (256, 448)
    config.optimizer.ema_decay = 0.99
    config.validation.every = 250
    return config
