"""What a recipe says: checked, and turned into network, data and augmentation."""

from pathlib import Path

import ml_collections

from ranet_jax.data import pipeline
from ranet_jax.data.augmentation import Augmentation
from ranet_jax.data.damage import Damage
from ranet_jax.data.davis import SPLITS
from ranet_jax.data.synthetic import GENERATED
from ranet_jax.errors import InputError
from ranet_jax.models.ranet import NAMED_MODELS, RANet
from ranet_jax.models.resnet import RESNET_BLOCKS
from ranet_jax.training import parallel
from ranet_jax.training.fields import check_fields
from ranet_jax.training.optimizer import make_schedule
from ranet_jax.weights.network import check_canvas

MODEL_FIELDS = ("ranking_rule", "selection", "learned_scores", "use_previous", "activation")
"""Fields of the network that a recipe sets; all but the first are ablations of the paper."""


def check_recipe(config: ml_collections.ConfigDict) -> None:
    """Refuses a recipe that cannot be trained, before anything is written.

    Args:
        config: the recipe.

    Raises:
        InputError: names the field and what it may be.
    """
    check_fields(config)
    for kind in ("augmentation", "video_augmentation"):
        pasted = config[kind].pasted_objects
        if config[kind].distractors < 1 and pasted >= config.model.slots:
            raise InputError(
                f"model.slots {config.model.slots} must be above {kind}.pasted_objects "
                f"{pasted}: what objects are pasted onto has one of its own"
            )
    later = config.augmentation.later_frames, config.video_augmentation.later_frames
    is_video = [name in SPLITS or name == GENERATED for name in config.data.sets]
    if later[0] != later[1] and any(is_video) and not all(is_video):
        raise InputError(
            f"augmentation.later_frames is {later[0]} and video_augmentation.later_frames "
            f"{later[1]}; give both one value, because data.sets mixes images and videos in a batch"
        )
    used = [later[of_videos] for of_videos in set(is_video)]
    if config.loss.remembers and not all(used):
        raise InputError(
            "loss.remembers is on, and no frame comes after the current one; set "
            "augmentation.later_frames and video_augmentation.later_frames to 1 or more"
        )
    if config.loss.remembers and config.model.selection != "ranking":
        raise InputError(
            f"loss.remembers is on, and a network without ranking ({config.model.selection}) has "
            "one template; set loss.remembers to False"
        )
    check_canvas(tuple(config.model.canvas))
    make_schedule(config)
    parallel.check_batch_size(config.batch_size, config.accumulate)


def make_model(config: ml_collections.ConfigDict) -> RANet:
    """The network that a recipe asks for."""
    fields = {name: config.model[name] for name in MODEL_FIELDS}
    fields["canvas"] = tuple(config.model.canvas)
    if config.model.name in NAMED_MODELS:
        return NAMED_MODELS[config.model.name]().clone(**fields)
    depth = int(config.model.name.removeprefix("resnet"))
    return RANet(blocks=RESNET_BLOCKS[depth], **fields)


def make_augmentation(section: ml_collections.ConfigDict, canvas: tuple[int, int]) -> Augmentation:
    """The augmentation of a recipe's section, on the network's canvas."""
    fields = section.to_dict()
    return Augmentation(**fields | {"canvas": canvas, "damage": Damage(**fields["damage"])})


def open_sets(config: ml_collections.ConfigDict, canvas: tuple[int, int]) -> list[pipeline.Set]:
    """Opens the training sets of a recipe, as `pipeline.open_sets` does."""
    return pipeline.open_sets(
        config.data.sets,
        Path(config.data.data_dir),
        make_augmentation(config.augmentation, canvas),
        make_augmentation(config.video_augmentation, canvas),
        config.data.reach,
        config.data.left_out,
    )
