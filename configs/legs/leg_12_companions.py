"""The compact network, twelfth leg of what ships: objects of other videos beside that of a video.

    python train.py --config configs/legs/leg_12_companions.py --workdir runs/leg_12_companions

DAVIS has few training videos, each seen many times by now, and none of them had a second object
that moves. Here objects of other videos are pasted onto six in ten of the pairs of video frames,
where they move and change as in their own; half of the time both are asked for, and otherwise one
of them, beside which the other is background.
The leg began with the weights of the eleventh as they had shipped, whose kernels are of 8 bits.
Needs: the run of `leg_11_several.py` in runs/leg_11_several, and its data.
`--config.init_from=ranet_jax/weights/compact.safetensors` goes on from the weights that ship.
Score: see docs/compact.md.
"""

import ml_collections

from configs.legs import leg_11_several


def get_config() -> ml_collections.ConfigDict:
    """The recipe: what differs from the eleventh leg."""
    config = leg_11_several.get_config()
    config.init_from = "runs/leg_11_several"
    config.data.sets = ml_collections.ConfigDict(
        {"duts-tr": 0.4, "ecssd": 0.05, "davis16-train": 0.55}
    )
    config.video_augmentation.pasted_objects = 1
    config.video_augmentation.pasted_share = 0.6
    config.video_augmentation.pasted_area = (0.02, 0.2)
    config.video_augmentation.lookalikes = 0.15
    config.video_augmentation.distractors = 0.5
    config.video_augmentation.distractors_taken_in = 0.2
    return config
