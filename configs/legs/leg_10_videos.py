"""The compact network, tenth leg of what ships: more of the videos, in smaller steps.

    python train.py --config configs/legs/leg_10_videos.py --workdir runs/leg_10_videos

As the paper ends on DAVIS, so does this: everything that the legs before it learned from goes on,
but six in ten samples are pairs of frames of a video, the learning rate is half as high, and the
average of the weights reaches further back.
Needs: the run of `leg_09_lookalikes.py` in runs/leg_09_lookalikes, and its data.
`--config.init_from=ranet_jax/weights/compact.safetensors` goes on from the weights that ship.
Score: see docs/compact.md.
"""

import ml_collections

from configs.legs import leg_09_lookalikes


def get_config() -> ml_collections.ConfigDict:
    """The recipe: what differs from the ninth leg."""
    config = leg_09_lookalikes.get_config()
    config.init_from = "runs/leg_09_lookalikes"
    config.optimizer.learning_rate = 2.5e-4
    config.optimizer.ema_decay = 0.995
    config.data.sets = ml_collections.ConfigDict(
        {"duts-tr": 0.36, "ecssd": 0.04, "davis16-train": 0.6}
    )
    return config
