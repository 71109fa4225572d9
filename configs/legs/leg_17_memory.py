"""The compact network, seventeenth leg: a second template, the frame that it has just segmented.

    python train.py --config configs/legs/leg_17_memory.py --workdir runs/leg_17_memory

No leg before it had more than the first frame as template, so neither the memory of a video
(`--memory-every`) nor a second look was ever trained. Here each sample has a frame after the
current one, and on that the current frame, with what the network made of it, is a second template.
Steps in bfloat16, which on a CPU with AVX-512 or AMX take less time; the weights stay float32.
Needs: step 250 of the run of `leg_14_varied.py` in runs/leg_14_varied, and its data.
`--config.init_from=ranet_jax/weights/compact.safetensors` goes on from the weights that ship.
Score: see docs/compact.md.
"""

import ml_collections

from configs.legs import leg_14_varied


def get_config() -> ml_collections.ConfigDict:
    """The recipe: what differs from the fourteenth leg."""
    config = leg_14_varied.get_config()
    config.init_from = "runs/leg_14_varied/checkpoints/250"
    config.seed = 17  # or the samples would be those of the fourteenth
    config.precision = "bfloat16"
    config.steps = 300
    config.optimizer.learning_rate = 1e-4
    config.optimizer.ema_decay = 0.99
    config.loss.remembers = True
    config.augmentation.later_frames = 1
    config.video_augmentation.later_frames = 1
    config.data.sets = ml_collections.ConfigDict(
        {"duts-tr": 0.36, "ecssd": 0.04, "davis16-train": 0.6}
    )
    config.validation.every = 100
    config.keep_best = 3
    return config
