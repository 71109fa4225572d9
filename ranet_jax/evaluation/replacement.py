"""Results that take the place of old ones when all of them are there, and not before."""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ranet_jax.errors import InputError
from ranet_jax.files import replace_folder
from ranet_jax.remarks import remark

UNFINISHED = ".unfinished"
"""Where in `out` results are until all of them are there."""


def check_results_stay(results: Path, out: Path) -> None:
    """Refuses masks that a run would delete before it scores them.

    Args:
        results: folder of the masks.
        out: where the run's own results go.

    Raises:
        InputError: the masks are what a stopped run left in `out`.
    """
    if results.resolve() == (out / UNFINISHED).resolve():
        raise InputError(
            f"--results {results} is deleted by a run into {out}; choose another --out"
        )


@contextmanager
def replace_results(out: Path, own: Iterable[str]) -> Iterator[Path]:
    """Puts results in place when all of them are there; old ones are kept until then.

    Args:
        out: where they go; must exist, and be locked.
        own: names, or patterns of names, of the files that a run of this kind writes. Those of
            an earlier run are removed, so that none stays which the new run did not write.

    Yields:
        A folder to write the files and the folders of masks into.
    """
    new = out / UNFINISHED
    shutil.rmtree(new, ignore_errors=True)  # of a run that was stopped
    new.mkdir()
    try:
        yield new
    except BaseException:
        if any(path.is_dir() and not path.name.startswith(".") for path in new.iterdir()):
            remark(f"the sequences that were finished are in {new}, until the next run into {out}")
        else:
            shutil.rmtree(new)
        raise
    # From here on nothing is computed or written: files only change their names.
    for pattern in own:
        for path in sorted(out.glob(pattern)):
            path.unlink()
    for path in sorted(new.iterdir()):
        if path.is_dir():
            with replace_folder(out / path.name) as place:
                for mask in path.iterdir():
                    mask.rename(place / mask.name)
        else:
            path.rename(out / path.name)
    shutil.rmtree(new)
