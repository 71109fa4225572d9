"""The learning demo: the small network on generated clips, in minutes on two cores.

    make demo-train
    python train.py --config configs/demo.py --workdir runs/demo    # the training alone

Needs: nothing to download; scikit-image's photos are the textures. For time and score see
the table that it prints.
"""

import ml_collections

from configs import static_pretrain


def get_config() -> ml_collections.ConfigDict:
    """The recipe: what differs from stage 1."""
    config = static_pretrain.get_config()
    config.steps = 200
    config.batch_size = 4
    config.precision = "float32"
    config.init_from = ""
    config.model.name = "small"
    config.model.canvas = (160, 288)
    config.optimizer.learning_rate = 2e-3
    config.optimizer.warmup = 20
    config.optimizer.ema_decay = 0.95
    config.data.sets = ml_collections.ConfigDict({"generated": 1.0})
    config.data.workers = 0
    config.save_every = 200
    config.sheet_every = 100
    config.validation = ml_collections.ConfigDict()
    config.validation.every = 0
    config.validation.kind = "generated"
    config.validation.seed = 1
    config.validation.count = 4
    config.validation.frames = 20
    return config
