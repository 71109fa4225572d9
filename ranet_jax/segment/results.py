"""The folder that a segmented video is written into, how far it has come, and going back in it."""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ranet_jax.errors import InputError
from ranet_jax.files import replace_file
from ranet_jax.media.images import open_image
from ranet_jax.media.masks import write_mask
from ranet_jax.media.palette import is_davis
from ranet_jax.remarks import remark
from ranet_jax.segment.confidence import (
    CONFIDENCE,
    Confidence,
    append_confidence,
    read_confidence,
    write_confidence,
)
from ranet_jax.segment.same_run import find_differing

OVERLAY = "overlay.mp4"
"""The file of the overlay in a folder of results."""

# Beside the results lies how far they have come: the paths of all files of the run, each ended by a
# NUL, which no file name contains; and what it takes to go on.
WRITTEN = Path(".progress", "written")
STATE = Path(".progress", "state.npz")
_LABELS = Path(".progress", "labels")  # `Tracker.labels` of each frame, to go back to it


class Results:
    """The results of one video: `masks/NAME.png` and `probabilities/ID/NAME.png`.

    Every file appears under its name when it is complete, and a frame counts as finished when all
    of its files are there. What it takes to go on is kept after every frame, so that a run may be
    killed at any moment.

    Attributes:
        folder: where they are.
        finished: number of finished frames.
        saved: by `Tracker.save` after the last of them; None if there are none.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, object],
        marks: Mapping[int, int | str],
        *,
        resume: bool,
        clear: Callable[[], None] | None = None,
    ) -> None:
        """Begins a folder, or goes on with one.

        Args:
            folder: of the results; is made.
            settings: JSON by its name; all that the masks depend on beside masks and video.
            marks: of each mask that is given, by frame index; see `same_run.describe_masks`.
            resume: whether frames that are in the folder are kept: those before the first mask
                that is new or another one than before. The others are removed when the first that
                takes their place is written.
            clear: removes the results that are in the folder, when the first that takes their
                place is written; None where there are none, or they are kept.

        Raises:
            InputError: there are results in the folder and they are not to be kept, or they are
                and were made with other settings.
        """
        self.folder = folder
        self._settings = json.loads(json.dumps(settings))  # as they are read back
        self._marks = {str(index): checksum for index, checksum in marks.items()}
        self._video: list[object] | None = None
        self.finished = 0
        self.saved: Mapping[str, np.ndarray] | None = None
        self._clear = clear
        self._is_writing = False
        self._outdated: set[str] = set()  # names of frames that are to be removed
        if not (resume or clear) and (folder / WRITTEN).exists():
            raise InputError(f"{folder} holds results; give --resume, --overwrite or another --out")
        if resume and (folder / STATE).exists():
            self._read_state()
        if resume and not self.finished and self.saved is None:
            remark(f"{folder} has no finished frame to go on after; begins with the first")
        self._make_folders()

    def _make_folders(self) -> None:
        """Makes the folders that every run writes into, and notes the files that it does."""
        (self.folder / WRITTEN).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / "masks").mkdir(exist_ok=True)
        self._note(self.folder / OVERLAY, self.folder / CONFIDENCE)

    def _read_state(self) -> None:
        """Reads how far the results have come, and checks that the same run goes on."""
        with np.load(self.folder / STATE) as state:
            known = json.loads(str(state["known"]))
            self.finished = int(state["finished"])
            self.saved = {name: state[name] for name in state if name not in ("finished", "known")}
        differing = find_differing(self._settings, known["settings"])
        before = {int(i): mark for i, mark in known["marks"].items() if int(i) < self.finished}
        now = {int(i): mark for i, mark in self._marks.items() if int(i) < self.finished}
        if before.get(0) != now.get(0):
            differing.append("another mask of the first frame")
        changed = min((i for i, mark in now.items() if before.get(i) != mark), default=None)
        # What comes after a mask that is new is made anew, so that nothing depends on those there.
        missing = sorted(before.keys() - now.keys())
        for index in missing:
            if changed is None or index < changed:
                differing.append(f"a mask of frame {index}, which is not given now")
        if differing:
            raise InputError(
                f"{self.folder} was begun with other settings ({', '.join(differing)}); go on "
                "with the same ones, or start anew with --overwrite"
            )
        self._video = known["video"]
        if changed is not None:
            for index in missing:
                remark(f"{self.folder}: the mask of frame {index} is not given now, and left out")
            self._go_back(changed)
        elif self.finished and "labels" not in self.saved:  # as once written
            self.saved = {**self.saved, "labels": self._read_last_labels()}

    def _read_last_labels(self) -> np.ndarray:
        """Reads the labels of the last finished frame.

        Raises:
            InputError: they are not there, or damaged.
        """
        path = self.folder / _label_path(self.finished - 1)
        try:
            return self.read_labels(self.finished - 1)
        except InputError:
            raise InputError(
                f"{path} is missing or damaged, which it takes to go on after {self.finished} "
                "frames; start anew with --overwrite"
            ) from None

    def read_confidence(self) -> Iterator[Confidence]:
        """Reads how sure the network was of each object in the finished frames, a row at a time."""
        rows = read_confidence(self.folder / CONFIDENCE)
        return (row for row in rows if row.frame < self.finished)

    def _go_back(self, index: int) -> None:
        """Takes the frames before one as finished, and no others.

        Raises:
            InputError: what it takes to go on from there was not kept.
        """
        path = self.folder / _label_path(index - 1)
        if self.saved is None or self.saved.keys() - {"labels"} or not path.exists():
            raise InputError(
                f"{self.folder} does not hold what it takes to go on from frame {index}, whose "
                "mask is new (where looks are remembered, it never does); start anew with "
                "--overwrite"
            )
        remark(
            f"{self.folder}: goes on from frame {index}, whose mask is new; the {index} frames "
            f"before it are kept, {self.finished - index} from there on give way to new ones"
        )
        rows = read_confidence(self.folder / CONFIDENCE)
        self._outdated = {row.name for row in rows if row.frame >= index}
        self.finished, self.saved = index, {"labels": self.read_labels(index - 1)}

    def _remove_outdated(self) -> None:
        """Removes the frames that are segmented anew, and notes before that they are missing."""
        assert self.saved is not None
        self._save(self.finished, self.saved)
        for name in self._outdated:
            self._mask_path(name).unlink(missing_ok=True)
            for folder in self.folder.glob("probabilities/*"):
                (folder / f"{name}.png").unlink(missing_ok=True)
        self._outdated = set()

    def check_video(self, name: str, checksum: int) -> None:
        """Notes which video the results are of, or refuses to go on with another one.

        Args:
            name: of its first frame.
            checksum: of its first frame.

        Raises:
            InputError: the finished frames are of a video with another first frame.
        """
        if self._video not in (None, [name, checksum]):
            raise InputError(
                f"{self.folder} was begun with another video, which has another first frame; "
                "go on with the same one, or start anew with --overwrite"
            )
        self._video = [name, checksum]

    def write(
        self,
        index: int,
        name: str,
        mask: np.ndarray,
        saved: Mapping[str, np.ndarray],
        probability: Mapping[int, np.ndarray],
        confidence: Sequence[Confidence],
    ) -> None:
        """Writes what belongs to a frame.

        Args:
            index: of the frame, which must be the first that is not finished.
            name: of the frame.
            mask: ids, uint8 [h, w].
            saved: by `Tracker.save` after the frame.
            probability: of each id, uint8 [h, w].
            confidence: of each object.
        """
        if index != self.finished:
            raise RuntimeError(f"frame {index} cannot be written after {self.finished} frames")
        if self._outdated:  # before their confidence goes: all frames that count have theirs
            self._remove_outdated()
        if not self._is_writing:
            if self._clear:
                self._clear()
                self._make_folders()
            # What a killed run has written beyond the finished frames goes.
            write_confidence(self.folder / CONFIDENCE, self.read_confidence())
            self._is_writing = True
        grey = {
            self.folder / "probabilities" / str(one) / f"{name}.png": image
            for one, image in probability.items()
        }
        labels_path = self.folder / _label_path(index)
        self._note(self._mask_path(name), labels_path, *grey)
        for path, image in grey.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with replace_file(path) as unfinished:
                Image.fromarray(image).save(unfinished)
        with replace_file(self._mask_path(name)) as unfinished:
            write_mask(unfinished, mask)
        labels_path.parent.mkdir(exist_ok=True)
        with replace_file(labels_path) as unfinished:
            write_mask(unfinished, saved["labels"])
        append_confidence(self.folder / CONFIDENCE, confidence)
        self._save(index + 1, saved)
        self.finished, self.saved = index + 1, saved

    def _save(self, finished: int, saved: Mapping[str, np.ndarray]) -> None:
        """Notes how many frames are finished, and what it takes to go on after them."""
        known = {"settings": self._settings, "marks": self._marks, "video": self._video}
        more = {name: value for name, value in saved.items() if name != "labels"}  # in their PNG
        state: dict[str, Any] = {**more, "finished": finished, "known": json.dumps(known)}
        with replace_file(self.folder / STATE) as unfinished:
            np.savez(unfinished, **state)  # in each frame, so that compressing would take long

    def read_mask(self, name: str, size: tuple[int, ...]) -> np.ndarray:
        """Reads the mask of a finished frame.

        Args:
            name: of the frame.
            size: its height and width.

        Returns:
            Ids, uint8 [h, w].

        Raises:
            InputError: another program has written it anew since, so that its ids may be others.
        """
        image = open_image(self._mask_path(name))
        if image.size != size[::-1] or not is_davis(image):
            raise InputError(
                f"{self._mask_path(name)} was saved by another program, and its ids may be others; "
                "to correct it give a copy with --replace or --mask, or start anew with --overwrite"
            )
        return np.asarray(image)

    def read_labels(self, index: int) -> np.ndarray:
        """Reads `Tracker.labels` of a finished frame, uint8 on the frame canvas."""
        return np.asarray(open_image(self.folder / _label_path(index)))

    def _mask_path(self, name: str) -> Path:
        return self.folder / "masks" / f"{name}.png"

    def _note(self, *paths: Path) -> None:
        """Notes which files are going to be written, before they are."""
        with (self.folder / WRITTEN).open("ab") as file:
            file.writelines(os.fsencode(path.relative_to(self.folder)) + b"\0" for path in paths)


def _label_path(index: int) -> Path:
    """Where the labels of a frame are kept, in a folder of results."""
    return _LABELS / f"{index:06d}.png"
