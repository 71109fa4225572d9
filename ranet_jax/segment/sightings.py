"""Where in a video each object was seen."""

from typing import NamedTuple

import numpy as np


class Sighting(NamedTuple):
    """What was seen of one object.

    Attributes:
        frames: in how many masks it is.
        last: number of the last frame whose mask has it, from 0.
    """

    frames: int
    last: int


class Sightings:
    """What was seen of the objects of a video, frame after frame.

    Attributes:
        of_object: by id, ascending; an id is in it from its first mask on.
    """

    def __init__(self) -> None:
        """Starts before the first frame."""
        self.of_object: dict[int, Sighting] = {}
        self._ids: list[int] = []
        self._newest = -1

    def add(self, index: int, mask: np.ndarray, ids: np.ndarray) -> None:
        """Notes which objects a frame has.

        Args:
            index: of the frame.
            mask: its ids, uint8 [h, w].
            ids: of the objects that are followed in it, whether they are seen or not.
        """
        for one in np.bincount(mask.ravel(), minlength=256)[1:].nonzero()[0] + 1:
            before = self.of_object.get(int(one), Sighting(0, index))
            self.of_object[int(one)] = Sighting(before.frames + 1, index)
        self.of_object = dict(sorted(self.of_object.items()))
        self._ids, self._newest = ids.tolist(), index

    def list_lost(self) -> list[int]:
        """Lists the objects that are followed to the end, but not seen there.

        Returns:
            Their ids, ascending.
        """
        return [one for one in self._ids if self.of_object[one].last < self._newest]
