"""The paper's ablations on the compact network: short runs of equal length from the same start.

    python train.py --config configs/compact_ablations.py:VARIANT --workdir runs/VARIANT
    python evaluate.py --split davis16-val --checkpoint runs/VARIANT --out out/VARIANT
    python -m ranet_jax.tables full=out/ranking maximum=out/maximum "no ranking=out/no_ranking" ...

VARIANT is one of `NETWORKS` or `SETS`. 150 steps of 8 pairs are a tenth of the first leg of what
ships, so that only what differs between the variants means anything.
Needs: what `compact.py` needs.
Score: see docs/compact.md; so short, they do not show the paper's order.
"""

import ml_collections

from configs import compact

NETWORKS = {
    "ranking": {},
    "no_ranking": {"selection": "spatial"},
    "maximum": {"selection": "maximum"},
    "no_correlation": {"selection": "features"},
    "no_previous_mask": {"use_previous": False},
}
"""Variants that differ in their network, and fields of it that differ from the first leg's."""

SETS = {
    "images": {"duts-tr": 0.9, "ecssd": 0.1},
    "videos": {"davis16-train": 1.0},
}
"""Variants that differ in what they are trained on, and that."""


def get_config(variant: str = "ranking") -> ml_collections.ConfigDict:
    """The recipe of a variant: what differs from the first leg."""
    config = compact.get_config()
    config.steps = 150
    config.optimizer.warmup = 20
    config.optimizer.ema_decay = 0.95
    config.validation.every = 150
    if variant in SETS:
        config.data.sets = ml_collections.ConfigDict(SETS[variant])
    elif variant in NETWORKS:
        config.model.update(NETWORKS[variant])
    else:
        raise KeyError(f"variant {variant!r} is none of {', '.join((*NETWORKS, *SETS))}")
    return config
