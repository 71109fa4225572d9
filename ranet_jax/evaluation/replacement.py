"""Results that take the place of old ones when all of them are there, and not before."""

import json
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ranet_jax.errors import InputError
from ranet_jax.files import replace_folder, replace_text
from ranet_jax.remarks import remark

UNFINISHED = ".unfinished"
"""Where in `out` results are until all of them are there."""

WRITTEN = "written.json"
"""The file in `out` that names all files and folders there which evaluations have written, and what
is in the folders; not hidden, so that whoever empties `out` removes it, too."""


def read_written(out: Path) -> dict[str, list[str]]:
    """Reads what evaluations have written into a folder.

    Returns:
        The names of the files and folders, each with those of the files that are in it.

    Raises:
        InputError: the file that has them is damaged.
    """
    path = out / WRITTEN
    if not path.exists():
        return {}
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
        names = [name for folder, inside in written.items() for name in (folder, *inside)]
        if not all(Path(name).name == name != "" for name in names):
            raise ValueError
    except (ValueError, TypeError, AttributeError):
        raise InputError(
            f"{path} is damaged, so that it is not known what is of an evaluation; choose another "
            "--out, or delete this one"
        ) from None
    return written


def _note_written(out: Path, written: Mapping[str, Iterable[str]]) -> None:
    named = {name: sorted(inside) for name, inside in sorted(written.items())}
    replace_text(out / WRITTEN, json.dumps(named))


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
def replace_results(out: Path, sequences: Collection[str]) -> Iterator[Path]:
    """Puts results in place when all of them are there; old ones are kept until then.

    What an earlier run wrote and the new one did not is removed, so that results of two runs never
    stand side by side: all files, and the masks of sequences that the new run was to segment.

    Args:
        out: where they go; must exist, and be locked. See `checks.check_out` for what is there.
        sequences: names of those that are segmented; none where masks are only scored.

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
    # From here on nothing is computed: files only change their names. What will be there is noted
    # before it is, so that the run can be made again if it is killed now.
    before = read_written(out)
    names = {path.name: {file.name for file in path.glob("*")} for path in new.iterdir()}
    _note_written(
        out,
        before | {name: inside.union(before.get(name, ())) for name, inside in names.items()},
    )
    for path in (out / name for name in sorted(before)):
        if path.is_file():
            path.unlink()
        elif path.is_dir() and path.name in set(sequences) - names.keys():
            shutil.rmtree(path)
    # Masks before what was found in them, so that no summary ever stands beside others' masks.
    for path in sorted(new.iterdir(), key=lambda path: (path.is_file(), path.name)):
        if path.is_dir():
            with replace_folder(out / path.name) as place:
                for mask in path.iterdir():
                    mask.rename(place / mask.name)
        else:
            path.rename(out / path.name)
    there = {name: inside for name, inside in (before | names).items() if (out / name).exists()}
    _note_written(out, there)
    shutil.rmtree(new)
