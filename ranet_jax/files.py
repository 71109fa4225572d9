"""Files and folders that are whole or absent, and folders that one program at a time writes into.

Imports nothing of this package but its error, so that every room may use it.
"""

import errno
import fcntl
import os
import shlex
import shutil
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ranet_jax.errors import InputError

LOCK = ".lock"
"""The file that says who writes into a folder; there while somebody does."""

_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
"""What file systems of some clusters answer, which know no locks; there one has to take care."""


def check_destination(path: Path) -> None:
    """Refuses a path that exists, because nothing already written may be lost.

    Args:
        path: of what is to be written.

    Raises:
        InputError: it exists.
    """
    if path.exists():
        raise InputError(f"{path} exists already; choose another name or remove it")


def name_unfinished(path: Path) -> Path:
    """Where a file or folder is while it is not complete.

    Args:
        path: where it will be.

    Returns:
        A hidden name beside it, with its suffix, by which many writers choose the format. It is
        always the same for the same path, and short even where the name has the most bytes that a
        name can have.
    """
    return path.with_name(f".{zlib.crc32(os.fsencode(path.name)):08x}.unfinished{path.suffix}")


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Puts a file in place in one step, so that an interrupted run leaves the old one or none.

    Args:
        path: of the file; its folder must exist.

    Yields:
        The path to write to, which becomes `path` when the block ends without an error.
    """
    unfinished = name_unfinished(path)
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def replace_text(path: Path, text: str) -> None:
    """Puts a text file in place in one step, see `replace_file`."""
    with replace_file(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


@contextmanager
def replace_folder(folder: Path) -> Iterator[Path]:
    """Puts a folder in place when it is complete, and removes the one before only then.

    Args:
        folder: of the results; need not exist, nor the folders above it.

    Yields:
        An empty folder to write into, which becomes `folder` when the block ends without an error.
    """
    unfinished = name_unfinished(folder)
    shutil.rmtree(unfinished, ignore_errors=True)  # of a run that was killed
    unfinished.mkdir(parents=True)
    try:
        yield unfinished
    except BaseException:
        shutil.rmtree(unfinished)
        raise
    # A folder that is not empty cannot be replaced in one step: the old one steps aside.
    old = name_unfinished(unfinished)
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    unfinished.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Makes a folder and keeps other programs out of it, which lock it as well.

    The system unlocks it when this one is killed.

    Args:
        folder: to write into.

    Raises:
        InputError: another program has locked it, which is named; or it cannot be written.
    """
    with _open_lock(folder) as file:
        file.truncate(0)
        file.write(f"{os.getpid()}: {shlex.join(sys.orig_argv)}".encode(errors="replace"))
        file.flush()
        try:
            yield
        finally:
            # Still locked: whoever opened it meanwhile sees that it has gone, see `_open_lock`.
            (folder / LOCK).unlink(missing_ok=True)


def _open_lock(folder: Path) -> BinaryIO:
    """Opens and locks the lock file of a folder."""
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = (folder / LOCK).open("ab+", buffering=0)
        except OSError as error:
            raise InputError(
                f"{folder} cannot be written ({error.strerror}); choose another folder"
            ) from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            who = file.read().decode(errors="replace").strip() or "it does not say which"
            file.close()
            raise InputError(
                f"another process is writing into {folder} ({who}); wait for it, or choose another "
                "folder"
            ) from None
        except OSError as error:
            if error.errno not in _WITHOUT_LOCKS:
                raise
        # A process that ended just now may have removed the file after it was opened here.
        if _is_same_file(file, folder / LOCK):
            return file
        file.close()


def _is_same_file(file: BinaryIO, path: Path) -> bool:
    """Whether a path still leads to an open file."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
