"""Trees of arrays on disk: the only module that knows orbax."""

import errno
import logging
import os
import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from orbax.checkpoint import v1 as ocp

from ranet_jax.errors import InputError

_DAMAGE = (ValueError, KeyError, TypeError, FileNotFoundError, NotADirectoryError)
"""What orbax and TensorStore raise where files are lost or cut short, found by losing and cutting
each. Anything else is no fault of the files, and names itself."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says where there is no room."""

_FILES = ("_CHECKPOINT_METADATA", "orbax.checkpoint", "state")
"""What lies at the top of a checkpoint's folder."""


class Stored(NamedTuple):
    """What a checkpoint says of itself, read without its arrays.

    Attributes:
        description: JSON, as it was written.
        tree: of shapes and dtypes.
    """

    description: dict[str, Any]
    tree: dict[str, Any]


def write_tree(path: Path, tree: dict[str, Any], description: dict[str, Any]) -> None:
    """Writes a tree; the folder appears under its name only when it is complete.

    Args:
        path: the new folder, which must not exist.
        tree: of arrays.
        description: JSON to keep with it.

    Raises:
        InputError: there is no room for it.
    """
    with _hushed(), _naming_full_disk(path.parent):
        ocp.save(path.resolve(), tree, custom_metadata=description)


def read_stored(path: Path) -> Stored:
    """Reads what a checkpoint says of itself.

    Args:
        path: the folder.

    Returns:
        Its description and its shapes.

    Raises:
        InputError: it is no checkpoint, a half-written one, or may not be read.
    """
    with _hushed(), naming_damage(path, "write it again"):
        metadata = ocp.metadata(path.resolve())
    if not metadata.custom_metadata or not isinstance(metadata.metadata, dict):
        raise _describe_damage(path, "its description is lost", "write it again")
    return Stored(metadata.custom_metadata, metadata.metadata)


def read_tree(path: Path, stored: Stored, wanted: Callable[[str], bool]) -> dict[str, Any]:
    """Reads the arrays of a checkpoint.

    Args:
        path: the folder.
        stored: what it says of itself.
        wanted: says of each top-level entry whether it is needed; the others are not read.

    Returns:
        The tree as NumPy arrays, whatever device they were saved from; what is not wanted is in it
        as a placeholder.

    Raises:
        InputError: it is half written, or may not be read.
    """

    def ask(key: str) -> Any:
        if wanted(key):
            return jax.tree.map(lambda x: np.empty(x.shape, x.dtype), stored.tree[key])
        return jax.tree.map(lambda _: ocp.PLACEHOLDER, stored.tree[key])

    with _hushed(), naming_damage(path, "write it again"):
        return ocp.load(path.resolve(), {key: ask(key) for key in stored.tree})


def is_checkpoint(path: Path) -> bool:
    """Whether a folder has anything of a checkpoint, be it damaged or of other programs."""
    return any((path / name).exists() for name in _FILES)


def find_newest(folder: Path) -> Path:
    """The newest complete checkpoint of a training run.

    Args:
        folder: of the run's checkpoints.

    Returns:
        The checkpoint's folder.

    Raises:
        InputError: there is none.
    """
    with _hushed(), ocp.training.Checkpointer(folder.resolve()) as checkpointer:
        if checkpointer.latest is None:
            raise InputError(f"{folder} holds no complete checkpoint yet")
        return folder / str(checkpointer.latest.step)


class RunCheckpoints:
    """The checkpoints of a training run: written beside the training, kept by age and by score.

    A checkpoint gets its name when it is complete. Whenever a run is killed, the newest one is
    whole.
    """

    def __init__(
        self, folder: Path, description: dict[str, Any], keep: int, keep_best: int
    ) -> None:
        """Opens or starts the checkpoints of a run.

        Args:
            folder: of the checkpoints.
            description: JSON kept with every checkpoint: `model`, `protocol`, `config` and `data`.
            keep: how many of the newest to keep.
            keep_best: how many of those with the highest score to keep as well.
        """
        policies = ocp.training.preservation_policies
        self._folder = folder
        self._description = description
        self._cleanup = ExitStack()
        self._cleanup.enter_context(_hushed())
        self._checkpointer = ocp.training.Checkpointer(
            self._folder.resolve(),
            # Whether to save is decided by the training loop alone.
            save_decision_policy=ocp.training.save_decision_policies.FixedIntervalPolicy(1),
            preservation_policy=policies.AnyPreservationPolicy(
                [
                    policies.LatestN(keep),
                    policies.BestN(
                        get_metric_fn=lambda metrics: metrics["score"],
                        n=keep_best,
                        keep_checkpoints_without_metrics=False,
                    ),
                ]
            ),
            cleanup_tmp_directories=True,
        )
        self._cleanup.callback(self._close)

    def save(self, step: int, state: Any, score: float | None) -> None:
        """Starts to write a checkpoint; waits for the one before, not for this one.

        Args:
            step: its number.
            state: a tree of arrays.
            score: by which the best are kept; None where the step was not scored.

        Raises:
            InputError: there is no room for it, or there was none for the one before.
        """
        metrics = None if score is None else {"score": score}
        with _naming_full_disk(self._folder):
            self._checkpointer.save_async(
                step, state, metrics=metrics, custom_metadata=self._description
            )

    def read_description(self) -> dict[str, Any] | None:
        """The description kept with the newest checkpoint; None where there is none yet.

        Raises:
            InputError: the checkpoint is damaged.
        """
        latest = self._checkpointer.latest
        if latest is None:
            return None
        with self._naming_damage(latest.step):
            return self._checkpointer.metadata(latest.step).custom_metadata

    def restore(self, state: Any) -> Any:
        """Reads the newest checkpoint.

        Args:
            state: a tree of the shapes and dtypes to read.

        Returns:
            The state as NumPy arrays.

        Raises:
            InputError: the checkpoint is damaged.
        """
        step = self._checkpointer.latest.step
        abstract = jax.tree.map(lambda x: np.empty(x.shape, x.dtype), state)
        with self._naming_damage(step):
            return self._checkpointer.load(step, abstract)

    def _naming_damage(self, step: int) -> Any:
        return naming_damage(self._folder / str(step), "delete it to go on from the one before")

    def _close(self) -> None:
        with _naming_full_disk(self._folder):
            self._checkpointer.close()

    def __enter__(self) -> "RunCheckpoints":
        return self

    def __exit__(self, *error: Any) -> None:
        """Waits until everything is written, also when the run ends with an error.

        Raises:
            InputError: there was no room for it.
        """
        self._cleanup.__exit__(*error)


@contextmanager
def naming_damage(path: Path, remedy: str) -> Iterator[None]:
    """Turns what goes wrong inside for the files' sake into one line that names the checkpoint.

    Args:
        path: of the checkpoint.
        remedy: what to do about it.

    Raises:
        InputError: as said.
    """
    try:
        yield
    except _DAMAGE as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise _describe_damage(path, reason, remedy) from None


@contextmanager
def _naming_full_disk(folder: Path) -> Iterator[None]:
    """Turns a lack of room into one line that names the folder.

    Args:
        folder: that is written to.

    Raises:
        InputError: as said.
    """
    try:
        yield
    except (OSError, ValueError) as error:  # of TensorStore, which says it in words
        told = re.search(r"writing.*os_error_code='(\d+)'", str(error), re.DOTALL)
        number = int(told[1]) if told else getattr(error, "errno", None)
        if number not in _FULL:
            raise
        raise InputError(
            f"a checkpoint in {folder} could not be written ({os.strerror(number)}); make room "
            "there and give the same command again"
        ) from None


def _describe_damage(path: Path, reason: str, remedy: str) -> InputError:
    """What to say of a checkpoint that cannot be read."""
    # Where a file may not be read, orbax and TensorStore say the same as where it is lost.
    for file in (path, *path.rglob("*")):
        if not os.access(file, os.R_OK):
            return InputError(f"checkpoint {path}: {file} may not be read; ask its owner")
    return InputError(f"checkpoint {path} is half written or not of ranet_jax ({reason}); {remedy}")


@contextmanager
def _hushed() -> Iterator[None]:
    """Drops orbax's warnings, of many lines each, for what this module says in one."""
    absl, asyncio = logging.getLogger("absl"), logging.getLogger("asyncio")
    absl.addFilter(_is_of_others)
    # Left in place: asyncio reports orbax's failed tasks whenever they are collected.
    asyncio.addFilter(_is_of_others)
    yield
    # After an error it stays: orbax's threads tell of it later.
    absl.removeFilter(_is_of_others)


def _is_of_others(record: logging.LogRecord) -> bool:
    """Whether a message has nothing to do with orbax."""
    files = [record.pathname]
    if record.exc_info:
        files += [frame.f_code.co_filename for frame, _ in traceback.walk_tb(record.exc_info[2])]
    return not any(f"{os.sep}orbax{os.sep}" in file for file in files)
