"""The fields of a recipe: which there are, and what each of them may be."""

import difflib
import math
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, NamedTuple

import flax.traverse_util
import ml_collections

from ranet_jax.data.augmentation import IMAGES_ALONE
from ranet_jax.data.davis import SPLITS
from ranet_jax.errors import InputError
from ranet_jax.models.ablations import ABLATIONS
from ranet_jax.models.ranet import NAMED_MODELS
from ranet_jax.models.resnet import RESNET_BLOCKS
from ranet_jax.slots import MAX_OBJECTS

_NAMED = 5
"""How many of the fields that a recipe lacks are named."""


class Domain(NamedTuple):
    """What a field may be.

    Attributes:
        text: what to give, as an error says it.
        holds: whether a value will do.
    """

    text: str
    holds: Callable[[Any], bool]


def _from(least: float, below: float = math.inf, kind: type = Real) -> Domain:
    """Numbers from one on, and below another."""
    bound = f" and below {below:g}" if below < math.inf else ""
    what = "whole number" if kind is Integral else "value"
    return Domain(
        f"a {what} from {least:g} on{bound}",
        lambda value: isinstance(value, kind) and least <= value < below,
    )


def _one_of(*names: str | bool) -> Domain:
    """One of a few things."""
    return Domain(f"one of {', '.join(map(str, names))}", lambda value: value in names)


def _is_number(value: Any) -> bool:
    """Whether a value is a number."""
    return isinstance(value, Real)


def _are_two(value: Any, kind: type) -> bool:
    """Whether a value is two numbers."""
    is_pair = isinstance(value, (tuple, list)) and len(value) == 2
    return is_pair and all(isinstance(number, kind) for number in value)


def _are_weights(value: Any) -> bool:
    """Whether a value says how often each of some sets is drawn."""
    is_filled = isinstance(value, dict) and len(value) > 0
    return is_filled and all(_is_number(one) and one > 0 for one in value.values())


_ANY = Domain("anything", lambda _: True)  # what uses it says what is wrong with it
_COUNT = _from(1, kind=Integral)
_WHOLE = _from(0, kind=Integral)
_AMOUNT = _from(0)
_BELOW_ONE = _from(0, 1)
_SHARE = Domain("a value from 0 to 1", lambda value: _is_number(value) and 0 <= value <= 1)
_POSITIVE = Domain("a value above 0", lambda value: _is_number(value) and value > 0)
_SWITCH = _one_of(True, False)

_DAMAGE = {
    "spline": _AMOUNT,
    "rotation": _AMOUNT,
    "scaling": _BELOW_ONE,
    "shift": _AMOUNT,
    "growth": _AMOUNT,
    "missing_probability": _SHARE,
    "missing_size": _AMOUNT,
    "extra_probability": _SHARE,
    "extra_size": _AMOUNT,
    "lost_probability": _SHARE,
}
_AUGMENTATION = {
    "spline": _AMOUNT,
    "rotation": _AMOUNT,
    "scaling": _BELOW_ONE,
    "shift": _AMOUNT,
    "flip": _SHARE,
    "colour": _AMOUNT,
    "colour_apart": _AMOUNT,
    **{f"damage.{name}": domain for name, domain in _DAMAGE.items()},
    "box_jitter": _AMOUNT,
    "visible": _SHARE,
    "cover": _SWITCH,
    "pasted_objects": _WHOLE,
    "pasted_share": _SHARE,
    "distractors": _SHARE,
    "lookalikes": _SHARE,
    "pasted_area": Domain(
        "the smallest and the largest, above 0, such as (0.03, 0.3)",
        lambda value: _are_two(value, Real) and 0 < value[0] <= value[1],
    ),
    "shadows": _SHARE,
    "shadows_taken_in": _SHARE,
    "distractors_taken_in": _SHARE,
    "later_frames": _WHOLE,
}

FIELDS = {
    "seed": _WHOLE,
    "steps": _COUNT,
    "batch_size": _COUNT,
    "accumulate": _COUNT,
    # Not float64: parameters are float32, and gain nothing from a wider computation.
    "precision": _one_of("float32", "bfloat16"),
    "init_from": _ANY,
    "model.name": _one_of(*(f"resnet{depth}" for depth in RESNET_BLOCKS), *NAMED_MODELS),
    "model.canvas": Domain(
        "height and width, such as (192, 352)", lambda value: _are_two(value, Integral)
    ),
    "model.ranking_rule": _one_of("single", "multi"),
    "model.slots": _from(1, MAX_OBJECTS + 1, Integral),
    "model.selection": _one_of("ranking", *ABLATIONS),
    "model.learned_scores": _SWITCH,
    "model.use_previous": _SWITCH,
    "model.activation": _one_of("sigmoid", "softmax"),
    "optimizer.learning_rate": _AMOUNT,
    "optimizer.backbone_factor": _AMOUNT,
    # All networks have four stages.
    "optimizer.frozen_stages": _from(0, 5, Integral),
    "optimizer.warmup": _WHOLE,
    "optimizer.clip_norm": _POSITIVE,
    "optimizer.ema_decay": _BELOW_ONE,
    "loss.dice": _AMOUNT,
    "loss.remembers": _SWITCH,
    "data.sets": Domain("at least one set, each with a weight above 0", _are_weights),
    "data.data_dir": _ANY,
    "data.workers": _WHOLE,
    "data.reach": _WHOLE,
    "data.left_out": _ANY,
    **{f"augmentation.{name}": domain for name, domain in _AUGMENTATION.items()},
    **{
        f"video_augmentation.{name}": domain
        for name, domain in _AUGMENTATION.items()
        if name not in IMAGES_ALONE
    },
    "log_every": _COUNT,
    "save_every": _COUNT,
    "keep": _COUNT,
    "keep_best": _WHOLE,
    "sheet_every": _WHOLE,
    "validation.every": _WHOLE,
    "validation.kind": _one_of("davis", "generated"),
}
"""What each field of every recipe may be, by its dotted name."""

VALIDATION_FIELDS = {
    "davis": {
        "validation.split": _one_of(*(name for name, split in SPLITS.items() if split.scored)),
        "validation.data_dir": _ANY,
        "validation.sequences": _ANY,
        "validation.max_frames": _WHOLE,
    },
    "generated": {
        "validation.seed": _WHOLE,
        "validation.count": _COUNT,
        "validation.frames": _COUNT,
    },
}
"""The same of the fields that a kind of validation has, and needs where there is any."""


def list_fields(config: ml_collections.ConfigDict) -> dict[str, Any]:
    """The values of a recipe by their dotted names; the sets and their weights are one value."""
    return flax.traverse_util.flatten_dict(
        config.to_dict(), sep=".", is_leaf=lambda path, _: path == ("data", "sets")
    )


def check_fields(config: ml_collections.ConfigDict) -> None:
    """Refuses a recipe that has other fields than there are, lacks one, or has a wrong value.

    Args:
        config: the recipe.

    Raises:
        InputError: names the field, and which one was meant, where it is to be had, or what it
            may be.
    """
    found = list_fields(config)
    # A recipe may keep those of a kind that it does not validate by.
    known = FIELDS.keys() | {name for fields in VALIDATION_FIELDS.values() for name in fields}
    if unknown := [name for name in found if name not in known]:
        meant = difflib.get_close_matches(unknown[0], sorted(known), n=1)
        hint = f"did you mean {meant[0]}" if meant else "see configs/ for those there are"
        raise InputError(f"the recipe has {unknown[0]}, and there is no such field; {hint}")
    needed = FIELDS
    if found.get("validation.every"):
        needed = needed | VALIDATION_FIELDS.get(found.get("validation.kind", ""), {})
    if missing := [name for name in needed if name not in found]:
        more = f" and {len(missing) - _NAMED} more fields" if len(missing) > _NAMED else ""
        raise InputError(
            f"the recipe lacks {', '.join(missing[:_NAMED])}{more}; begin it with the recipe of "
            "configs/static_pretrain.py, or of configs/demo.py to validate on generated clips"
        )
    for name, domain in needed.items():
        if not domain.holds(found[name]):
            raise InputError(f"{name} is {found[name]!r}; give {domain.text}")
