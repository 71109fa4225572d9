"""What an earlier run has left in a folder: refused, gone on with, or removed."""

import os
from collections.abc import Iterable
from pathlib import Path

from ranet_jax.errors import InputError
from ranet_jax.files import LOCK, name_unfinished, replace_file
from ranet_jax.segment.confidence import CONFIDENCE
from ranet_jax.segment.results import OVERLAY, STATE, WRITTEN


def check_folder(
    folder: Path, *, overwrite: bool, resume: bool, given: Iterable[Path] = ()
) -> None:
    """Refuses a folder that results cannot be written into without losing something.

    Args:
        folder: of the results; need not exist.
        overwrite: whether `remove_results` will empty it first.
        resume: whether the results in it are to be kept.
        given: files that the user gives, such as masks.

    Raises:
        InputError: it is not empty and neither is wished, there is nothing to go on with, there
            are files in it where results go, which this program did not write, or a file that is
            given is one of the results, which others take the place of.
    """
    if not folder.exists() or all(path.name == LOCK for path in folder.iterdir()):
        return
    if not (overwrite or resume) and not (folder / WRITTEN).exists():
        raise InputError(
            f"{folder} is not empty and holds no results; choose another --out, or give "
            "--overwrite to write them beside what is there"
        )
    if not (overwrite or resume):
        raise InputError(
            f"{folder} is not empty; give --resume to go on with it, --overwrite to replace the "
            "results in it, or another --out"
        )
    if resume and not (folder / WRITTEN).exists():
        raise InputError(f"{folder} holds no results to go on with; choose another --out")
    own = set(_read_written(folder))
    results = {path.resolve() for path in own}
    for path in given:
        if path.resolve() in results:
            raise InputError(
                f"{path} is among the results in {folder}, which new ones take the place of; copy "
                "it to another folder, and give the copy"
            )
    places = [*folder.glob("masks/*.png"), *folder.glob("probabilities/*/*.png")]
    places += [folder / OVERLAY, folder / CONFIDENCE]
    for path in places:
        if path.exists() and not path.name.startswith(".") and path not in own:
            raise InputError(
                f"{path} was not written by this program, which would replace it; "
                "move it away or choose another --out"
            )


def remove_results(folder: Path) -> None:
    """Removes all files that a run has written into a folder, and no other.

    The overlay stays until another is complete.

    Args:
        folder: of the results; need not exist.
    """
    if not (folder / WRITTEN).exists():
        return
    for path in _read_written(folder):
        if path == folder / OVERLAY:
            continue
        for file in (path, name_unfinished(path)):
            file.unlink(missing_ok=True)
        for parent in (path.parent, path.parent.parent):
            if parent.is_relative_to(folder) and parent != folder and _is_empty(parent):
                parent.rmdir()
    for path in (folder / STATE, name_unfinished(folder / STATE)):
        path.unlink(missing_ok=True)
    with replace_file(folder / WRITTEN) as unfinished:
        unfinished.write_bytes(os.fsencode(OVERLAY) + b"\0")


def _is_empty(folder: Path) -> bool:
    """Whether a folder exists and has nothing in it; a link to one is its user's, and stays."""
    return folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir())


def _read_written(folder: Path) -> list[Path]:
    """The files that a run has written into a folder, or was about to."""
    path = folder / WRITTEN
    names = path.read_bytes().split(b"\0")[:-1] if path.exists() else []
    return [folder / os.fsdecode(name) for name in names]
