"""Which sequences of which split are evaluated."""

from pathlib import Path
from typing import NamedTuple

from ranet_jax.data.davis import SPLITS, Sequence, Split, find_sequences


class Selection(NamedTuple):
    """Sequences of a split, in the order of its list.

    Attributes:
        split_name: one of `SPLITS`.
        data_dir: the DAVIS folder.
        sequences: those that are evaluated.
        max_frames: of each sequence; None for all of its frames.
    """

    split_name: str
    data_dir: Path
    sequences: list[Sequence]
    max_frames: int | None

    @property
    def split(self) -> Split:
        """The split and its rules."""
        return SPLITS[self.split_name]

    @property
    def set_name(self) -> str:
        """What the benchmark's files call the set, such as "val"."""
        return "".join(self.split.lists)

    def without(self, names: set[str]) -> "Selection":
        """Leaves sequences out.

        Args:
            names: of these.

        Returns:
            The selection of the others.
        """
        return self._replace(sequences=[one for one in self.sequences if one.name not in names])


def select_sequences(
    split_name: str,
    data_dir: Path,
    chosen: list[str] | None = None,
    max_frames: int | None = None,
) -> Selection:
    """Finds the sequences of a split.

    Args:
        split_name: one of `SPLITS`.
        data_dir: the DAVIS folder.
        chosen: names of the sequences; all when None.
        max_frames: frames of each sequence; all when None.

    Returns:
        The selection.

    Raises:
        InputError: as `find_sequences` does.
    """
    sequences = find_sequences(data_dir, SPLITS[split_name], chosen, max_frames)
    return Selection(split_name, data_dir, sequences, max_frames)
