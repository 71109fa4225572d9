"""The compact network, twelfth leg: objects of other videos beside that of a video.

    python train.py --config configs/compact_companions.py --workdir runs/compact_companions

DAVIS has few training videos, each seen many times by now, and none of them had a second object
that moves. Here objects of other videos are pasted onto six in ten of the pairs of video frames,
where they move and change as in their own; half of the time both are asked for, and otherwise one
of them, beside which the other is background.
Needs: the weights that ship (those of `compact_several.py`, as they were packed), and the data of
`compact.py`.
Score: see docs/compact.md.
"""

import ml_collections

from configs import compact_several


def get_config() -> ml_collections.ConfigDict:
    """The recipe: what differs from the eleventh leg."""
    config = compact_several.get_config()
    config.init_from = "ranet_jax/weights/compact.safetensors"
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
