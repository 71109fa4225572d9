"""The paper's ablations on the compact network: short runs of equal length from the same start.

    python train.py --config configs/compact_ablations.py:VARIANT --workdir runs/VARIANT
    python evaluate.py --split davis16-val --checkpoint runs/VARIANT --out out/VARIANT
    python -m ranet_jax.tables RANet=out/ranking out/maximum "no video fine-tuning=out/images" ...

VARIANT is one of `VARIANTS`. 150 steps of 8 pairs are a tenth of the first leg of what ships, so
that only what differs between the variants means anything.
Needs: what `compact.py` needs.
Score: not run yet.
"""

import ml_collections

from configs import compact

VARIANTS = {
    "ranking": {},
    "no_ranking": {"model.selection": "spatial"},
    "maximum": {"model.selection": "maximum"},
    "no_correlation": {"model.selection": "features"},
    "no_previous_mask": {"model.use_previous": False},
    "images": {"data.sets": {"duts-tr": 0.9, "ecssd": 0.1}},
    "videos": {"data.sets": {"davis16-train": 1.0}},
}
"""What differs from the first leg, by the variant's name."""


def get_config(variant: str = "ranking") -> ml_collections.ConfigDict:
    """The recipe of a variant: what differs from the first leg."""
    config = compact.get_config()
    config.steps = 150
    config.optimizer.warmup = 20
    config.optimizer.ema_decay = 0.95
    config.validation.every = 150
    if variant not in VARIANTS:
        raise KeyError(f"variant {variant!r} is none of {', '.join(VARIANTS)}")
    for field, value in VARIANTS[variant].items():
        *names, last = field.split(".")
        part = config
        for name in names:
            part = part[name]
        if isinstance(value, dict):
            value = ml_collections.ConfigDict(value)
        with part.unlocked():
            part[last] = value
    return config
