"""A video that somebody sent to the page, and what is made of it."""

import contextlib
import shutil
import tempfile
import threading
import time
from concurrent.futures import Executor, Future, wait
from itertools import islice
from pathlib import Path

import numpy as np

from ranet_jax.app.painting import find_shown
from ranet_jax.errors import InputError
from ranet_jax.media.frames import Frame
from ranet_jax.media.listing import list_images
from ranet_jax.media.masks import read_davis_mask
from ranet_jax.media.video import open_video
from ranet_jax.remarks import gather_remarks
from ranet_jax.segment.engine import segment_video
from ranet_jax.segment.results import OVERLAY
from ranet_jax.segmenter import Segmenter

MAX_FRAMES = 3000
"""Frames of the longest video that is taken: two minutes at 25 a second."""

MAX_PIXELS = 4096 * 2304
"""Pixels of the largest frame that is taken: 4K."""


class Visit:
    """A video and its results, all of which lie in one folder.

    Attributes:
        folder: of everything; its name cannot be guessed.
        video: the video.
        size: height and width of its frames, as all below known after `read_first`.
        frame_count: how many it says it has; None where it does not say.
        masks: that were painted, by frame index, uint8 [h, w].
        chosen: index of the frame that is painted now.
        results: folder of the masks and the overlay, inside `folder`.
        newest: the newest finished frame and its labels; None before there is one.
        finished: how many frames are finished.
        doubtful: numbers of the frames that most need a look, once the video is done.
        remarks: what was guessed, passed over or lost in the newest run.
    """

    def __init__(self, parent: Path, upload: Path) -> None:
        """Moves an upload into a new folder in `parent`."""
        self.folder = Path(tempfile.mkdtemp(dir=parent))
        self.video = upload.rename(self.folder / upload.name)
        self.size = (0, 0)
        self.frame_count: int | None = None
        self.results = self.folder / "results"
        self.newest: tuple[Frame, np.ndarray] | None = None
        self.finished = 0
        self._began = self._latest = 0.0
        self.masks: dict[int, np.ndarray] = {}
        self.chosen = 0
        self.doubtful: list[int] = []
        self.remarks: list[str] = []
        self._replacing: set[int] = set()
        # What `results` are of until a run brings something new, and where they were.
        self._before = self.masks, self._replacing, self.doubtful
        self._old: Path | None = None
        self._from = self._reported = 0  # the frame that a run is for, and how many came
        self._stop = threading.Event()
        self._work: Future | None = None

    def read_first(self) -> np.ndarray:
        """Reads the first frame, and with it whether the video can be taken.

        Returns:
            uint8 RGB [h, w, 3].

        Raises:
            InputError: no video, or one too long or too large.
        """
        with open_video(str(self.video)) as video:
            height, width = self.size = video.size
            self.frame_count = video.frame_count
            if height * width > MAX_PIXELS:
                raise InputError(
                    f"{self.video} has frames of {width} x {height}, but the page takes up to 4K; "
                    "make it smaller, or use python -m ranet_jax.segment"
                )
            if video.frame_count and video.frame_count > MAX_FRAMES:
                raise InputError(
                    f"{self.video} has {video.frame_count} frames, but the page takes up to "
                    f"{MAX_FRAMES}; cut it, or use python -m ranet_jax.segment"
                )
            return next(iter(video)).image

    def choose(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Chooses a finished frame to be painted anew.

        Args:
            index: its number, below `finished`.

        Returns:
            The frame, uint8 RGB [h, w, 3], and what was found in it, uint8 [h, w].
        """
        self.chosen = index
        with open_video(str(self.video)) as video, contextlib.closing(iter(video)) as frames:
            frame = next(islice(frames, index, None))
        return frame.image, self._read_result(index)

    def prepare(self, mask: np.ndarray) -> None:
        """Takes the mask of the chosen frame, and forgets that an earlier run was stopped.

        Masks of later frames go with it: they corrected what may not come any more. Objects that
        are painted get a new look, and others go on, unless one that was shown there was rubbed
        out: then what is painted is all there is from there on.

        Args:
            mask: ids, uint8 [h, w] of the video's size.
        """
        index = self.chosen
        self._before = self.masks, self._replacing, self.doubtful
        self.masks = {i: one for i, one in self.masks.items() if i < index} | {index: mask}
        self._replacing = {i for i in self._replacing if i < index}
        if index and np.setdiff1d(find_shown(self._read_result(index)), mask).any():
            self._replacing.add(index)
        self._stop.clear()

    def start(self, device: Executor, segmenter: Segmenter) -> Future:
        """Begins to segment the video from the chosen frame on, in place of what was made of it.

        Args:
            device: where that happens.
            segmenter: the network.

        Returns:
            What says when it is done, or why it is not; `results` holds what is finished then.
        """
        # Another name each time, because browsers keep what they once loaded from an address.
        results = Path(tempfile.mkdtemp(dir=self.folder))
        if self.chosen and self.results.exists():
            self.results.replace(results)
        self._old, self.results, self._from = self.results, results, self.chosen
        self.newest, self.finished, self._reported, self.doubtful = None, 0, 0, []
        self._work = device.submit(self._segment, segmenter, resume=self.chosen > 0)
        return self._work

    def stop(self) -> None:
        """Ends what is running after the frame that it is at; the results are whole then."""
        self._stop.set()

    def close(self) -> None:
        """Ends what is running, and deletes everything."""
        self.stop()
        if self._work and not self._work.cancel():
            wait([self._work])
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def rate(self) -> float:
        """Frames a second, without compilation and what was there already; 0 before any."""
        new = self._reported - 1 - self._from
        return new / max(self._latest - self._began, 1e-6) if new > 0 else 0.0

    @property
    def archive(self) -> Path | None:
        """The masks as a zip; None where there are none."""
        path = self.results / "masks.zip"
        return path if path.exists() else None

    @property
    def overlay(self) -> Path | None:
        """The overlay video; None where there is none."""
        path = self.results / OVERLAY
        return path if path.exists() else None

    def name_files(self, message: str) -> str:
        """Names files as the visitor knows them.

        Args:
            message: with paths inside `folder`.

        Returns:
            The message with names alone.
        """
        return message.replace(f"{self.results}/", "").replace(f"{self.folder}/", "")

    def _read_result(self, index: int) -> np.ndarray:
        """What was found in a finished frame, uint8 [h, w]."""
        return read_davis_mask(list_images(self.results / "masks")[index])

    def _segment(self, segmenter: Segmenter, *, resume: bool) -> None:
        """Segments the video; whatever happens, what is finished can be taken home.

        Raises:
            InputError: the video goes wrong, or goes on beyond what the page takes.
        """
        try:
            with (
                gather_remarks() as self.remarks,
                open_video(str(self.video)) as video,
                contextlib.suppress(KeyboardInterrupt),
            ):
                outcome = segment_video(
                    segmenter,
                    video,
                    self.masks,
                    self.results,
                    replacing=self._replacing,
                    resume=resume,
                    max_frames=MAX_FRAMES,
                    report_frame=self._report_frame,
                )
                self.doubtful = sorted(one.frame for one in outcome.doubtful)
        finally:
            if self._reported <= self._from:  # refused, or stopped before anything new came
                self.masks, self._replacing, self.doubtful = self._before
                if self._old and self._old.exists():
                    shutil.rmtree(self.results, ignore_errors=True)
                    self.results = self._old
            if (self.results / "masks").is_dir():
                self.finished = len(list_images(self.results / "masks"))
                shutil.make_archive(str(self.results / "masks"), "zip", self.results, "masks")
        if self.finished == MAX_FRAMES and self._goes_on():
            raise InputError(
                f"{self.video} has more than {MAX_FRAMES} frames; the page took the first "
                f"{MAX_FRAMES}; for all of them use python -m ranet_jax.segment"
            )

    def _goes_on(self) -> bool:
        """Whether the video has more frames than the page takes; not all say how many they have."""
        if self.frame_count is not None and self.frame_count <= MAX_FRAMES:
            return False
        with open_video(str(self.video)) as video, contextlib.closing(iter(video)) as frames:
            return next(islice(frames, MAX_FRAMES, None), None) is not None

    def _report_frame(self, frame: Frame, labels: np.ndarray) -> None:
        """Remembers the newest frame for whoever shows the progress."""
        self._latest = time.perf_counter()
        if self.finished <= self._from:
            self._began = self._latest
        if self._old:  # from now on there is something newer
            shutil.rmtree(self._old, ignore_errors=True)
            self._old = None
        self.newest = frame, labels
        self.finished = self._reported = self.finished + 1
        if self._stop.is_set() and self.finished > 1:
            raise KeyboardInterrupt  # which ends the command, too, with all finished frames kept
