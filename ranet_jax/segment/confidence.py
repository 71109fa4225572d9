"""How sure the network was of each object in each frame, and what follows from that.

Where each object was seen, and which frames need a look.
"""

import csv
import heapq
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np

from ranet_jax.files import replace_file
from ranet_jax.tracker import Tracker

CONFIDENCE = "confidence.csv"
"""The file of it in a folder of results."""

_COLUMNS = ("frame", "name", "object", "confidence", "area", "found")
_MOST = 5  # frames that are named
_APART = 5  # frames from one that is named to the next


class Confidence(NamedTuple):
    """One object in one frame.

    Attributes:
        frame: its number, from 0.
        name: of the frame.
        id: of the object.
        mean: of its probability inside its mask; 0 where it was not found, 1 where its mask was
            given.
        area: of its mask, in pixels of the video.
    """

    frame: int
    name: str
    id: int
    mean: float
    area: int

    @property
    def is_found(self) -> bool:
        """Whether anything of the object is in the mask."""
        return self.area > 0


class Sighting(NamedTuple):
    """What was seen of one object.

    Attributes:
        frames: in how many masks it is.
        last: number of the last frame whose mask has it, from 0.
        is_lost: whether it is followed to the end of the video, but not seen there.
    """

    frames: int
    last: int
    is_lost: bool


def rate_frame(frame: int, name: str, mask: np.ndarray, tracker: Tracker) -> list[Confidence]:
    """Says how sure the network is of each object that is followed in a frame.

    Args:
        frame: its number.
        name: of the frame.
        mask: its ids, uint8 [h, w].
        tracker: that has come to it.

    Returns:
        One of each object, in the order of their ids.
    """
    areas = np.bincount(mask.ravel(), minlength=256)
    means = zip(tracker.ids, tracker.confidence, strict=True)
    return [
        Confidence(frame, name, int(one), round(float(mean), 4), int(areas[one]))
        for one, mean in means
    ]


def append_confidence(path: Path, rows: Iterable[Confidence]) -> None:
    """Adds rows to a file; begins it where there is none.

    Args:
        path: of the file.
        rows: to add.
    """
    is_new = not path.exists()
    with path.open("a", newline="", encoding="utf-8", errors="surrogateescape") as file:
        _write(file, rows, with_head=is_new)


def write_confidence(path: Path, rows: Iterable[Confidence]) -> None:
    """Writes a file of rows, which appears only when it is complete.

    Args:
        path: of the file.
        rows: all of them.
    """
    with (
        replace_file(path) as unfinished,
        unfinished.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        _write(file, rows, with_head=True)


def _write(file: TextIO, rows: Iterable[Confidence], *, with_head: bool) -> None:
    """Writes rows as CSV, the head before them if wished."""
    writer = csv.writer(file, lineterminator="\n")
    if with_head:
        writer.writerow(_COLUMNS)
    for row in rows:
        found = "yes" if row.is_found else "no"
        writer.writerow([row.frame, row.name, row.id, f"{row.mean:.4f}", row.area, found])


def read_confidence(path: Path) -> Iterator[Confidence]:
    """Reads a file back, but for a last row that a killed run left unfinished.

    A row at a time: those of a long video would be too many to hold.

    Args:
        path: of the file; need not exist.

    Yields:
        The rows in their order.
    """
    if not path.exists():
        return
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        for row in csv.reader(file):
            # Neither the head nor an unfinished row ends so.
            if len(row) == len(_COLUMNS) and row[-1] in ("yes", "no"):
                frame, name, one, mean, area, _ = row
                yield Confidence(int(frame), name, int(one), float(mean), int(area))


def find_sightings(rows: Iterable[Confidence]) -> dict[int, Sighting]:
    """Finds where each object was seen.

    Args:
        rows: of a whole video, in order.

    Returns:
        What was seen of each object, by its id, ascending.
    """
    seen: dict[int, tuple[int, int]] = {}  # in how many frames, and the last of them
    followed: dict[int, int] = {}  # the last frame in which it was looked for
    newest = 0
    for row in rows:
        newest = followed[row.id] = row.frame
        if row.is_found:
            count, _ = seen.get(row.id, (0, 0))
            seen[row.id] = count + 1, row.frame
    return {
        one: Sighting(count, last, is_lost=last < followed[one] == newest)
        for one, (count, last) in sorted(seen.items())
    }


def find_doubtful(rows: Iterable[Confidence]) -> list[Confidence]:
    """Finds the frames that most need a look, a few of them and not close together.

    An object that is no longer found counts in the frame in which that begins, not in all after it.

    Args:
        rows: of a whole video, in order.

    Returns:
        The least certain object of each such frame, the least certain first; those whose mask was
        given are not among them.
    """
    chosen: list[Confidence] = []
    # A frame that is chosen rules out those close to it, so that no more of them can be needed.
    needed = _MOST * (2 * _APART - 1)
    for row in heapq.nsmallest(needed, _find_least(rows), key=_rank):
        if len(chosen) < _MOST and all(abs(row.frame - one.frame) >= _APART for one in chosen):
            chosen.append(row)
    return chosen


def _rank(row: Confidence) -> tuple[float, int]:
    """What to sort by: the least certain first, and those no longer found before them."""
    return row.mean if row.is_found else -1.0, row.frame


def _find_least(rows: Iterable[Confidence]) -> Iterator[Confidence]:
    """Gives the least certain object of each frame that has one to look at."""
    was_found: dict[int, bool] = {}
    for _, of_frame in groupby(rows, key=lambda row: row.frame):
        candidates = []
        for row in of_frame:
            if row.mean < 1 and (row.is_found or was_found.get(row.id, True)):
                candidates.append(row)
            was_found[row.id] = row.is_found
        if candidates:
            yield min(candidates, key=_rank)
