"""What counts as the same run when one goes on: all that its weights depend on."""

import json
from pathlib import Path
from typing import Any

import flax.traverse_util
import ml_collections

from ranet_jax.errors import InputError

FREE_FIELDS = (
    "log_every",
    "save_every",
    "sheet_every",
    "keep",
    "keep_best",
    "validation",
    "data.workers",
    "data.data_dir",
)
"""What may change when a run goes on, because the result does not depend on it. Nor does it on the
folder of the data: the data themselves are compared.

A name stands for all fields below it."""


def flatten_config(config: ml_collections.ConfigDict) -> dict[str, Any]:
    """A recipe as JSON: plain values by their dotted names."""
    nested = json.loads(config.to_json_best_effort())
    return flax.traverse_util.flatten_dict(nested, sep=".")


def check_same_run(config: ml_collections.ConfigDict, written: dict[str, Any], work: Path) -> None:
    """Refuses to go on with a run by another recipe.

    Args:
        config: the recipe.
        written: the run's, by `flatten_config`, with which it was started.
        work: folder of the run.

    Raises:
        InputError: names the fields that differ, but for `FREE_FIELDS`.
    """
    now = flatten_config(config)
    differing = [
        f"{name} is {now.get(name)!r} and was {written.get(name)!r}"
        for name in sorted(now.keys() | written.keys())
        if now.get(name) != written.get(name) and not _is_free(name)
    ]
    if differing:
        raise InputError(
            f"{work} holds a run of another recipe: {'; '.join(differing)}; choose another "
            f"--workdir (with --config.init_from={work} to go on from its weights)"
        )


def check_same_labels(written: dict[str, Any] | None, work: Path) -> None:
    """Refuses to go on with a run whose labels were cut otherwise than they are now.

    Args:
        written: the protocol that the run's network is trained for; None in one of an earlier
            version, whose labels were not yet cut from the mask itself.
        work: folder of the run.

    Raises:
        InputError: predictions do not go back by half pixels in it.
    """
    if not (written or {}).get("half_pixels"):
        raise InputError(
            f"{work} holds a run of an earlier version, whose labels were less sharp; choose "
            f"another --workdir (with --config.init_from={work} to go on from its weights)"
        )


def check_same_data(now: dict[str, str], written: dict[str, str], work: Path) -> None:
    """Refuses to go on with other training records than those that a run was begun with.

    Args:
        now: what identifies each set, by its name; see `Source.identify`.
        written: the same when the newest checkpoint was written; empty in one of an earlier
            version.
        work: folder of the run.

    Raises:
        InputError: names the sets that differ.
    """
    differing = [
        f"{name} has {now[name]} and had {written[name]}"
        for name in sorted(now.keys() & written.keys())
        if now[name] != written[name]
    ]
    if differing:
        raise InputError(
            f"{work} was trained on other data: {'; '.join(differing)}; name the folder of those "
            f"by --config.data.data_dir, or choose another --workdir (with --config.init_from="
            f"{work} to go on from its weights)"
        )


def _is_free(name: str) -> bool:
    """Whether a field may change when a run goes on."""
    return any(name == free or name.startswith(f"{free}.") for free in FREE_FIELDS)
