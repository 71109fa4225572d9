"""Stage 1 for several objects: objects of other images are pasted onto each image.

    python -m ranet_jax.data.prepare duts-tr --source DUTS-TR
    python -m ranet_jax.data.prepare ecssd --source ECSSD
    python -m ranet_jax.convert import resnet101.pth weights/resnet101
    python train.py --config configs/static_pretrain_multi.py --workdir runs/static_multi

Needs: as `static_pretrain.py`. The paper adds SOC and ILSO, whose masks have several objects.
Memory and time on a GPU: not measured. Expected score: not measured, nor published for this stage
alone.
"""

import ml_collections

from configs import static_pretrain


def get_config() -> ml_collections.ConfigDict:
    """The recipe: what differs from one object."""
    config = static_pretrain.get_config()
    config.model.ranking_rule = "multi"
    config.model.slots = 4  # the image's own object and up to three pasted ones
    config.batch_size = 8
    config.augmentation.pasted_objects = 3
    config.validation.split = "davis17-val"
    return config
