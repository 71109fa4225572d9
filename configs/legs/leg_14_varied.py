"""The compact network, fourteenth leg, which ships: videos that look different each time.

    python train.py --config configs/legs/leg_14_varied.py --workdir runs/leg_14_varied

The scores of the kept-out videos have stood still since the tenth leg, and 25 training videos were
seen hundreds of times each. Here their frames are scaled, shifted and coloured as much as
single images are, turned two thirds as far and bent half as much; colours change more in both; and
more of the samples are images.
The leg began with the weights of the twelfth as they had shipped, whose kernels are of 8 bits;
what ships are the averaged weights of step 250, the best of the run.
Needs: the run of `leg_12_companions.py` in runs/leg_12_companions, and its data.
`--config.init_from=ranet_jax/weights/compact.safetensors` goes on from the weights that ship.
Score: see docs/compact.md.
"""

import ml_collections

from configs.legs import leg_12_companions


def get_config() -> ml_collections.ConfigDict:
    """The recipe: what differs from the twelfth leg."""
    config = leg_12_companions.get_config()
    config.init_from = "runs/leg_12_companions"
    config.steps = 750
    config.data.sets = ml_collections.ConfigDict(
        {"duts-tr": 0.5, "ecssd": 0.05, "davis16-train": 0.45}
    )
    config.video_augmentation.spline = 0.08
    config.video_augmentation.rotation = 20.0
    config.video_augmentation.scaling = 0.25
    config.video_augmentation.shift = 0.1
    for numbers in (config.augmentation, config.video_augmentation):
        numbers.colour = 0.4
        numbers.colour_apart = 0.15
    config.validation.every = 250
    return config
