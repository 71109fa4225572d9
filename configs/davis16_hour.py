"""Stage 2 in what half an hour of one H100 should allow, after `static_hour.py`.

    python train.py --config configs/davis16_hour.py --workdir runs/davis16_hour

A plan, not yet run. Needs: the run in runs/static_hour, and DAVIS. Memory, time and score on a GPU:
not measured.
"""

import ml_collections

from configs import davis16_finetune
from configs.choosing import choose_by_videos


def get_config() -> ml_collections.ConfigDict:
    """The recipe: what differs from `davis16_finetune.py`."""
    config = davis16_finetune.get_config()
    config.steps = 3000
    config.init_from = "runs/static_hour"
    config.optimizer.learning_rate = 5e-5
    config.optimizer.backbone_factor = 0.2
    config.optimizer.warmup = 100
    config.optimizer.ema_decay = 0.998
    config.save_every = 500
    choose_by_videos(config, every=1000)
    return config
