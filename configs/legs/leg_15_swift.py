"""The compact network, fifteenth leg: a smaller canvas, for a frame in two thirds of the time.

    python train.py --config configs/legs/leg_15_swift.py --workdir runs/leg_15_swift

Frames are kept at 480 x 864 and cut around the object, so a smaller canvas costs sharpness with
large objects alone; without training, 160 x 288 lost 0.03 of J&F. Videos are bent, turned, shifted
and scaled as much as images. The leg is short and its rate small: the fourteenth was at its best
after a third of its steps.
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
    config.steps = 400
    config.model.canvas = (160, 288)
    config.optimizer.learning_rate = 1e-4
    config.video_augmentation.spline = 0.15
    config.video_augmentation.rotation = 30.0
    config.validation.every = 100
    config.keep_best = 4
    return config
