"""What a recipe says: checked, and turned into network, data and augmentation."""

import math
from pathlib import Path

import ml_collections

from ranet_jax.data import pipeline
from ranet_jax.data.augmentation import Augmentation
from ranet_jax.data.damage import Damage
from ranet_jax.data.davis import SPLITS
from ranet_jax.errors import InputError
from ranet_jax.models.ablations import ABLATIONS
from ranet_jax.models.ranet import NAMED_MODELS, RANet
from ranet_jax.models.resnet import RESNET_BLOCKS
from ranet_jax.slots import MAX_OBJECTS
from ranet_jax.training import parallel
from ranet_jax.training.optimizer import make_schedule
from ranet_jax.weights.network import check_canvas

CHOICES = {
    "model.name": (*(f"resnet{depth}" for depth in RESNET_BLOCKS), *NAMED_MODELS),
    "model.ranking_rule": ("single", "multi"),
    "model.selection": ("ranking", *ABLATIONS),
    "model.activation": ("sigmoid", "softmax"),
    # Not float64: parameters are float32, and gain nothing from a wider computation.
    "precision": ("float32", "bfloat16"),
    "validation.kind": ("davis", "generated"),
}
"""Fields that name one of a few things."""

RANGES = {
    "steps": (1, math.inf),
    "batch_size": (1, math.inf),
    "accumulate": (1, math.inf),
    "log_every": (1, math.inf),
    "save_every": (1, math.inf),
    "sheet_every": (0, math.inf),
    "keep": (1, math.inf),
    "keep_best": (0, math.inf),
    "data.workers": (0, math.inf),
    "model.slots": (1, MAX_OBJECTS + 1),
    "optimizer.learning_rate": (0, math.inf),
    "optimizer.ema_decay": (0, 1),
    "validation.every": (0, math.inf),
}
"""Fields that are numbers, and from where on and below what they may be."""

MODEL_FIELDS = ("ranking_rule", "selection", "learned_scores", "use_previous", "activation")
"""Fields of the network that a recipe sets; all but the first are ablations of the paper."""


def check_recipe(config: ml_collections.ConfigDict) -> None:
    """Refuses a recipe that cannot be trained, before anything is written.

    Args:
        config: the recipe.

    Raises:
        InputError: names the field and what it may be.
    """
    for field, (least, below) in RANGES.items():
        group, _, name = field.rpartition(".")
        value = (config[group] if group else config)[name]
        if not least <= value < below:
            bound = f" and below {below:g}" if below < math.inf else ""
            raise InputError(f"{field} is {value}; give a value from {least:g} on{bound}")
    canvas = config.model.canvas
    if len(canvas) != 2 or not all(isinstance(side, int) for side in canvas):
        raise InputError(f"model.canvas is {canvas}; give height and width, such as (192, 352)")
    choices = CHOICES
    if config.validation.every and config.validation.kind == "davis":
        scored = tuple(name for name, split in SPLITS.items() if split.scored)
        choices = choices | {"validation.split": scored}
    for field, known in choices.items():
        group, _, name = field.rpartition(".")
        value = (config[group] if group else config)[name]
        if value not in known:
            raise InputError(f"{field} {value!r} is none of {', '.join(known)}")
    for kind in ("augmentation", "video_augmentation"):
        pasted = config[kind].pasted_objects
        if config[kind].distractors < 1 and pasted >= config.model.slots:
            raise InputError(
                f"model.slots {config.model.slots} must be above {kind}.pasted_objects "
                f"{pasted}: what objects are pasted onto has one of its own"
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
