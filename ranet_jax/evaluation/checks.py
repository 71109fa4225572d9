"""What can be known to be wrong before hours of work, and before anything old is replaced."""

from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np

from ranet_jax.data.davis import Sequence
from ranet_jax.errors import InputError
from ranet_jax.evaluation.replacement import WRITTEN, read_written
from ranet_jax.evaluation.scoring import check_length, check_results
from ranet_jax.evaluation.selection import Selection
from ranet_jax.media.images import read_frame
from ranet_jax.media.listing import is_hidden
from ranet_jax.media.masks import read_davis_mask
from ranet_jax.slots import find_ids


def check_out(
    out: Path, data_dir: Path, names: Collection[str] | None, files: Iterable[str]
) -> None:
    """Refuses a place where results would replace something else than results, or mix with others.

    Args:
        out: where they are to go; need not exist.
        data_dir: folder of the data set.
        names: of the sequences that masks will be written of; None where masks are only scored.
        files: names of the files that will be written.

    Raises:
        InputError: it lies inside the data set, it is a file, it has masks of an earlier run of
            other sequences (or any, where masks are only scored), or a file or a sequence's folder
            that no evaluation has written.
    """
    for part in ("Annotations", "JPEGImages"):
        if out.resolve().is_relative_to((data_dir / part).resolve()):
            raise InputError(f"--out {out} lies inside {data_dir / part}; choose another folder")
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file; choose a folder")
    written = read_written(out)
    for path in (out / name for name in files):
        if path.exists() and path.name not in written:
            raise InputError(
                f"{path} is not of an evaluation, as far as {WRITTEN} beside it knows, and is not "
                "replaced; choose another --out, or delete it"
            )
    others = sorted(name for name in written.keys() - set(names or ()) if (out / name).is_dir())
    if names is None:
        if others:
            raise InputError(
                f"{out} has masks of a network, whose scores these would replace; choose another "
                "--out"
            )
        return
    if others:
        raise InputError(
            f"{out} has masks of an earlier run, of {', '.join(others)}, which would stand beside "
            "new ones of others; choose another --out, or delete it"
        )
    for name in names:
        folder = out / name
        known = written.get(name, ())
        for path in sorted(folder.glob("*")):
            if path.name not in known and not is_hidden(path):
                raise InputError(
                    f"{path} is not of an evaluation, as far as {out / WRITTEN} knows, so {folder} "
                    "is not replaced; move it away, or choose another --out"
                )


def find_unusable(selection: Selection, results: Path | None) -> dict[str, str]:
    """Finds the sequences that cannot be evaluated, as far as that shows beforehand.

    Args:
        selection: of sequences.
        results: folder with a folder of masks a sequence; None where a network makes them.

    Returns:
        Why not, on one line that names the file, by the sequence's name.
    """
    unusable = {}
    for sequence in selection.sequences:
        try:
            if selection.split.scored:
                check_length(sequence.name, len(sequence.frames))
            if results:
                # For a score the first and the last one may be missing, as the benchmark allows; a
                # submission needs all of them.
                needed = sequence.masks[1:-1] if selection.split.scored else sequence.masks
                check_results(results / sequence.name, [mask.name for mask in needed])
            else:
                read_start(sequence, binary=selection.split.binary)
        except InputError as error:
            unusable[sequence.name] = str(error)
    return unusable


def read_start(sequence: Sequence, *, binary: bool) -> tuple[np.ndarray, np.ndarray]:
    """Reads what a sequence starts from.

    Args:
        sequence: of DAVIS.
        binary: whether all non-zero pixels of the mask are one object.

    Returns:
        The first frame, uint8 RGB [h, w, 3], and its ids, uint8 [h, w].

    Raises:
        InputError: one of them cannot be used; it is named.
    """
    frame = read_frame(sequence.frames[0])
    labels = read_davis_mask(sequence.masks[0], frame.shape[:2], binary=binary)
    try:
        find_ids(frame, labels)
    except InputError as error:
        raise InputError(f"{sequence.masks[0]}: {error}") from None
    return frame, labels
