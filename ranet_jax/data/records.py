"""The training sets as records: image files with their masks, read in any order.

TFDS writes the records, run by `ranet_jax.data.prepare`, and reads them again; neither needs
TensorFlow. A record holds the bytes of the files: nothing is encoded twice, and it stays small.
"""

import io
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from ranet_jax.data.davis import SPLITS
from ranet_jax.errors import InputError
from ranet_jax.media.images import read_frame
from ranet_jax.media.masks import read_davis_mask, read_foreground

DATA_DIR = Path("data/tfds")
FOLDER = "segmentation"
"""Where all sets are, below the root of prepared sets."""

# What the records hold. A set that is prepared again gets the next version of the format.
_FORMAT = "1.0"

_CHECKED = 16
"""How many records of a set, spread over it, a checksum is made of; reading all would take long."""


class Sample(NamedTuple):
    """A decoded record.

    Attributes:
        image: uint8 RGB [h, w, 3].
        mask: uint8 [h, w] of object ids, 0 being background.
        name: as in `prepare.builder.Pair`.
    """

    image: np.ndarray
    mask: np.ndarray
    name: str


@dataclass(frozen=True)
class VideoRecords:
    """The records of one sequence, which lie side by side and in order.

    Attributes:
        name: of the sequence.
        start: index of the first frame's record.
        numbers: number of each frame in the original video. They have gaps where frames were left
            out, so that the distance of two frames is that of their numbers, not of their records.
    """

    name: str
    start: int
    numbers: tuple[int, ...]


class _RecordFile(io.BytesIO):
    """A file out of a record, which readers call by its name in what they say of it."""

    def __init__(self, content: bytes, name: str) -> None:
        """Opens the content of a file under a name."""
        super().__init__(content)
        self._name = name

    def __str__(self) -> str:
        return self._name


class Source:
    """A prepared set as Grain's data source: samples by index, in any order, from any process.

    It can be pickled at no cost, because files are opened by the process that reads them.
    """

    def __init__(
        self,
        name: str,
        records: Sequence[dict[str, Any]],
        decode_mask: Callable[[BinaryIO], np.ndarray],
    ) -> None:
        """Wraps encoded records.

        Args:
            name: of the set.
            records: encoded `image`, `mask` and `name`; each can be had by its index.
            decode_mask: turns an open mask file into uint8 [h, w] of object ids.
        """
        self._name = name
        self._records = records
        self._decode_mask = decode_mask

    def __len__(self) -> int:
        """Number of samples."""
        return len(self._records)

    def __getitem__(self, index: int) -> Sample:
        """Reads and decodes a sample.

        Args:
            index: of the sample, 0 to `len(self) - 1`.

        Returns:
            The sample.

        Raises:
            IndexError: there is no such sample.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"{self!r} has no sample {index}")
        record = self._records[index]
        name = record["name"].decode()
        image, mask = (
            _RecordFile(record[kind], f"the {kind} of {name} in {self._name}")
            for kind in ("image", "mask")
        )
        return Sample(read_frame(image), self._decode_mask(mask), name)

    def identify(self) -> str:
        """Says how many records there are, and a checksum of some of them.

        Returns:
            A text that differs, as good as always, where there are other records or in another
            order, as when the set is prepared again from other files.
        """
        chosen = np.linspace(0, len(self) - 1, _CHECKED).astype(int).tolist() if len(self) else []
        checksum = 0
        for index in dict.fromkeys(chosen):
            record = self._records[index]
            for part in ("name", "image", "mask"):
                checksum = zlib.crc32(record[part], checksum)
        return f"{len(self)} records, checksum {checksum:08x}"

    def __repr__(self) -> str:
        # Grain compares it when it restores a state: it must not change between runs.
        return f"Source({self._name!r}, {len(self)} samples)"


def find_versions(data_dir: Path, name: str) -> list[Path]:
    """Finds what is prepared of a set.

    A version's folder gets its name when it is complete, so that all that are found can be used.

    Args:
        data_dir: root of all prepared sets.
        name: of the set.

    Returns:
        Folders, the newest last. There is more than one only if a run was interrupted after it had
        prepared the set again.
    """
    folders = (data_dir / FOLDER / name).glob(f"{_FORMAT}.*")
    return sorted(folders, key=lambda folder: int(folder.suffix[1:]))


def next_version(data_dir: Path, name: str) -> str:
    """The version to prepare a set as.

    Args:
        data_dir: root of all prepared sets.
        name: of the set.

    Returns:
        Three numbers, such as 1.0.0.
    """
    versions = find_versions(data_dir, name)
    return f"{_FORMAT}.{int(versions[-1].suffix[1:]) + 1 if versions else 0}"


def open_saliency(data_dir: Path, name: str) -> Source:
    """Opens a prepared saliency set.

    Args:
        data_dir: root of all prepared sets, by default `DATA_DIR`.
        name: of the set.

    Returns:
        Its images; masks have the one object 1.

    Raises:
        InputError: the set is not prepared, or files of it are missing.
    """
    builder = _open_newest(data_dir, name)
    return Source(name, builder.as_data_source("all"), read_foreground)


def open_davis(data_dir: Path, name: str) -> tuple[Source, tuple[VideoRecords, ...]]:
    """Opens a prepared split of DAVIS.

    Args:
        data_dir: root of all prepared sets, by default `DATA_DIR`.
        name: of the split, one of `davis.SPLITS`. Its year decides how masks are read: in 2016 all
            non-zero pixels are one object, in 2017 pixels are ids.

    Returns:
        The frames, and which of them belong to which video. Every frame shows an object.

    Raises:
        InputError: there is no such split, it is not prepared, or files of it are missing.
    """
    if name not in SPLITS:
        raise InputError(f"{name} is no split of DAVIS; choose one of {', '.join(SPLITS)}")
    builder = _open_newest(data_dir, name)
    numbers = builder.info.metadata["videos"]
    starts = accumulate(map(len, numbers.values()), initial=0)
    videos = tuple(
        VideoRecords(video, start, tuple(own))
        for start, (video, own) in zip(starts, numbers.items(), strict=False)
    )
    decode_mask = partial(read_davis_mask, binary=SPLITS[name].binary)
    return Source(name, builder.as_data_source("all"), decode_mask), videos


def _open_newest(data_dir: Path, name: str) -> tfds.core.DatasetBuilder:
    """Opens the newest version of a set, checked to have all its files."""
    command = f"python -m ranet_jax.data.prepare {name} --source DIR"
    if data_dir != DATA_DIR:
        command += f" --data-dir {data_dir}"
    versions = find_versions(data_dir, name)
    if not versions:
        raise InputError(f"{data_dir} has no prepared {name}; run: {command}{suggest_other(name)}")
    builder = tfds.builder_from_directory(versions[-1])
    files = [Path(file) for part in builder.info.splits.values() for file in part.filepaths]
    missing = [file for file in files if not file.is_file()]
    if missing:
        raise InputError(f"{missing[0]} does not exist; run: {command} --overwrite")
    return builder


def suggest_other(name: str) -> str:
    """What to add to an error about a set that could not be downloaded when this was written.

    Args:
        name: of the set.

    Returns:
        A remark in brackets after a blank, or nothing.
    """
    if name not in ("msra10k", "hku-is"):
        return ""
    return f" (where {name} cannot be had, duts-tr is of the same kind)"
