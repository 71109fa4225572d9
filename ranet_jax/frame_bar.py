"""How far a command has come: a bar in a terminal; elsewhere, as in a log file, a line at times."""

from datetime import timedelta
from time import monotonic as read_clock

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_PAUSE = 30.0  # seconds between two lines where there is no terminal


class FrameBar:
    """Counts the frames of one video or of many."""

    def __init__(self, total: int | None) -> None:
        """Begins nothing yet.

        Args:
            total: how many frames there will be; None where that is not known.
        """
        self._total = total
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:.2f} frames/s"),
            TimeRemainingColumn(),
        )
        self._task = self._progress.add_task("compiling", total=total, rate=0.0)
        self._said = read_clock()

    def __enter__(self) -> "FrameBar":
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # What was refused before the first frame needs no bar.
        self._progress.live.transient = kind is not None and not self.count
        self.stop()

    @property
    def count(self) -> int:
        """How many frames were counted."""
        return int(self._progress.tasks[0].completed)

    def stop(self) -> None:
        """Leaves the bar as it is, so that what is printed stands below it."""
        self._progress.stop()

    def name(self, what: str) -> None:
        """Says what is being done."""
        self._progress.update(self._task, description=what)

    def count_frame(self, what: str) -> None:
        """Counts a frame of what is named."""
        self._progress.advance(self._task)
        task = self._progress.tasks[0]
        rate = task.speed or 0.0
        self._progress.update(self._task, description=what, rate=rate)
        now = read_clock()
        if not self._progress.console.is_terminal and now - self._said >= _PAUSE:
            self._said = now
            of = f" of {self._total}" if self._total else ""
            left = ""
            if task.time_remaining is not None:
                left = f", {timedelta(seconds=round(task.time_remaining))} left"
            print(f"{what}: {task.completed:.0f}{of} frames, {rate:.2f} a second{left}", flush=True)
