"""Stage 1 in what half an hour of one H100 should allow: fewer steps, larger learning rate.

    python train.py --config configs/static_hour.py --workdir runs/static_hour

A plan, not yet run. Needs: as `static_pretrain.py`, and DAVIS's training videos, four of which
are kept out and scored; the weights that score best are kept beside the newest. Memory, time and
score on a GPU: not measured.
"""

import ml_collections

from configs import static_pretrain
from configs.choosing import choose_by_videos


def get_config() -> ml_collections.ConfigDict:
    """The recipe: what differs from `static_pretrain.py`."""
    config = static_pretrain.get_config()
    config.steps = 4000
    # The paper's 1e-5 was for long training. The ResNet starts trained and all the rest does not.
    config.optimizer.learning_rate = 2e-4
    config.optimizer.backbone_factor = 0.1
    config.optimizer.warmup = 200
    config.optimizer.ema_decay = 0.998
    config.save_every = 500
    choose_by_videos(config, every=1000)
    return config
