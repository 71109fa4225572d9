r"""Stage 2: one object, two frames of a DAVIS-2016 training video (section 4.2 of the paper).

    python -m ranet_jax.data.prepare davis16-train --source data/DAVIS
    python train.py --config configs/davis16_finetune.py --workdir runs/davis16

Needs: the run of `static_pretrain.py` in runs/static, and DAVIS. Memory and time on a GPU: not
measured. Expected score: not measured here; the paper has J&F 85.5 on DAVIS16-val.

Ablations of the paper. For "no ranking", stage 1 and stage 2 are

    python train.py --config configs/static_pretrain.py --config.model.selection=spatial \
        --workdir runs/static_spatial
    python train.py --config configs/davis16_finetune.py --config.model.selection=spatial \
        --config.init_from=runs/static_spatial --workdir runs/davis16_spatial

and likewise with `selection=maximum` ("maximum"), `selection=features` ("no correlation"),
`use_previous=false` ("no previous mask") and `activation=softmax` (its text, for several objects).
"No image pre-training" is this recipe with `--config.init_from=weights/resnet101` alone; "no video
fine-tuning" is `evaluate.py --checkpoint runs/static`. The checkpoint knows its variant.
"""

import ml_collections

from configs import static_pretrain


def get_config() -> ml_collections.ConfigDict:
    """The recipe: what differs from stage 1."""
    config = static_pretrain.get_config()
    config.steps = 20_000
    config.init_from = "runs/static"
    config.data.sets = ml_collections.ConfigDict({"davis16-train": 1.0})
    return config
