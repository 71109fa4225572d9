"""The compact network, nineteenth leg: labels as sharp as the frames.

    python train.py --config configs/legs/leg_19_sharp.py --workdir runs/leg_19_sharp

Until this leg the labels of a training example were those of the whole canvas, cut to the box and
enlarged: steps beside a frame that is read from the image itself, and half a pixel off. Cut from
the mask itself they overlap with those to 0.945 in examples from videos (IoU), so that no network
could learn outlines finer than that. Now all examples have labels as sharp as their frames, and the
leg is longer than all others, to learn them.
Needs: step 250 of the run of `leg_14_varied.py` in runs/leg_14_varied, and its data.
`--config.init_from=ranet_jax/weights/compact.safetensors` goes on from the weights that ship.
Score: see docs/compact.md.
"""

import ml_collections

from configs.legs import leg_14_varied


def get_config() -> ml_collections.ConfigDict:
    """The recipe: what differs from the fourteenth leg."""
    config = leg_14_varied.get_config()
    config.init_from = "runs/leg_14_varied/checkpoints/250"
    config.seed = 19  # or the samples would be those of the fourteenth
    config.steps = 1600
    config.validation.every = 400
    config.keep_best = 4
    return config
