"""The compact network, fifth leg: the frame before is a second template.

    python train.py --config configs/compact_memory.py --workdir runs/compact_memory

As `Protocol.memory_every` has it at test time; without training for it, memory lowers the score.
Needs: the run of `compact_shadows.py` in runs/compact_shadows, and its data.
Score: not run yet.
"""

import ml_collections

from configs import compact_shadows


def get_config() -> ml_collections.ConfigDict:
    """The recipe: what differs from the fourth leg."""
    config = compact_shadows.get_config()
    config.init_from = "runs/compact_shadows"
    config.augmentation.later_frames = 2
    config.video_augmentation.later_frames = 2
    config.loss.memory = True
    config.optimizer.learning_rate = 2e-4
    config.data.sets = ml_collections.ConfigDict(
        {"duts-tr": 0.36, "ecssd": 0.04, "davis16-train": 0.6}
    )
    return config
