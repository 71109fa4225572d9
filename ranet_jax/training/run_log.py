"""What a training run tells: progress bar, metrics.jsonl and TensorBoard events."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TextIO

import numpy as np
from PIL import Image
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from tensorboardX import SummaryWriter

from ranet_jax.files import replace_text
from ranet_jax.training.parallel import process_index


class RunLog:
    """Shows and records the metrics of a run; process 0 alone writes."""

    def __init__(self, work: Path, start: int, steps: int, batch_size: int) -> None:
        """Opens the records of a run.

        Args:
            work: folder of the run.
            start: steps made before. Lines of later steps, written by a run that was killed after
                its last checkpoint, are dropped, because these steps are made again.
            steps: of the whole run.
            batch_size: global.
        """
        self._batch_size, self._steps = batch_size, steps
        self._waited = self._shown_waited = 0.0
        self._shown_step, self._shown_time = start, time.perf_counter()
        self._is_compiling = True
        self._writes = process_index() == 0
        self._progress = Progress(
            TextColumn("step"),
            BarColumn(bar_width=None),  # as wide as the rest leaves it
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            TimeRemainingColumn(),
            disable=not self._writes,
        )
        self._task = self._progress.add_task("", total=steps, completed=start)
        if self._writes:
            work.mkdir(parents=True, exist_ok=True)
            self._sheets = work / "sheets"
            self._lines = _reopen(work / "metrics.jsonl", start)
            self._events = SummaryWriter(str(work / "tensorboard"), purge_step=start + 1)

    def __enter__(self) -> "RunLog":
        said = "the first step compiles the program, which takes a minute or more"
        if start := self._progress.tasks[0].completed:
            said = f"going on after step {start:.0f}; {said}"
        self._progress.update(self._task, description=said)
        self._progress.start()
        if self._writes and not self._progress.console.is_terminal:
            print(said, flush=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()
        if self._writes:
            self._lines.close()
            self._events.close()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Counts the time inside as waiting for data."""
        start = time.perf_counter()
        yield
        self._waited += time.perf_counter() - start

    def record(self, step: int, metrics: dict[str, float], *, show: bool) -> None:
        """Takes the metrics of a step.

        Args:
            step: its number, from 1.
            metrics: by name.
            show: whether the bar, the file and the events get them; scores always get there.
        """
        self._progress.update(self._task, completed=step)
        if self._is_compiling and not show:  # neither rate nor time left is to count the compiler
            self._shown_step, self._shown_time = step, time.perf_counter()
            self._shown_waited = self._waited
        self._is_compiling = False
        if not (show or "J&F" in metrics) or not self._writes:
            return
        now = time.perf_counter()
        seconds = max(now - self._shown_time, 1e-9)
        rate = (step - self._shown_step) * self._batch_size / seconds
        waiting = (self._waited - self._shown_waited) / seconds
        self._shown_step, self._shown_time, self._shown_waited = step, now, self._waited
        text, left = f"loss {metrics['loss']:.4f}", ""
        if rate:  # none where the step that was compiled for is the only one so far
            remaining = round((self._steps - step) * self._batch_size / rate)
            text += f", {rate:.2f} samples/s, {waiting:.0%} waiting for data"
            left = f", {timedelta(seconds=remaining)} left"
        if "J&F" in metrics:
            self._progress.console.print(
                f"step {step}: J {metrics['J']:.3f}, F {metrics['F']:.3f}, J&F {metrics['J&F']:.3f}"
            )
        self._progress.update(self._task, description=text)
        if not self._progress.console.is_terminal:
            print(f"step {step}: {text}{left}", flush=True)
        if rate:
            metrics = metrics | {"samples_per_second": rate, "waiting_for_data": waiting}
        self._lines.write(json.dumps({"step": step} | metrics) + "\n")
        self._lines.flush()
        for name, value in metrics.items():
            self._events.add_scalar(name.replace("&", "_and_"), value, step)

    def add_sheet(self, step: int, sheet: np.ndarray) -> None:
        """Writes a sheet, uint8 RGB [h, w, 3], as sheets/STEP.png, and shows it in TensorBoard."""
        if self._writes:
            self._sheets.mkdir(exist_ok=True)
            Image.fromarray(sheet).save(self._sheets / f"{step:07d}.png")
            self._events.add_image("samples", sheet, step, dataformats="HWC")


def _reopen(path: Path, start: int) -> TextIO:
    """Opens metrics.jsonl for more lines, without those of steps after `start`."""
    old = path.read_text().splitlines() if path.exists() else []
    kept = [line for line in old if line.endswith("}") and json.loads(line)["step"] <= start]
    replace_text(path, "".join(f"{line}\n" for line in kept))
    return path.open("a")
