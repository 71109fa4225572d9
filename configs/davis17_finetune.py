"""Stage 2 for several objects: two frames of a DAVIS-2017 training video.

    python -m ranet_jax.data.prepare davis17-train --source data/DAVIS
    python train.py --config configs/davis17_finetune.py --workdir runs/davis17

Needs: the run of `static_pretrain_multi.py` in runs/static_multi, and DAVIS 2017. Memory and time
on a GPU: not measured. Expected score: not measured here; the paper has J&F 65.7 on DAVIS17-val.
"""

import ml_collections

from configs import static_pretrain_multi


def get_config() -> ml_collections.ConfigDict:
    """The recipe: what differs from stage 1 of several objects."""
    config = static_pretrain_multi.get_config()
    config.steps = 20_000
    config.init_from = "runs/static_multi"
    config.model.slots = 16  # videos of DAVIS-2017 have up to 10 objects
    config.batch_size = 4
    config.data.sets = ml_collections.ConfigDict({"davis17-train": 1.0})
    return config
