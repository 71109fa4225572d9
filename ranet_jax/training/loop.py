"""The training loop: for static images, video and the demo, exactly resumable."""

import functools
import gc
import os
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import jax
import ml_collections
import numpy as np
from jax import Array

from ranet_jax.data import pipeline
from ranet_jax.errors import InputError
from ranet_jax.files import LOCK, lock_folder
from ranet_jax.media.sheets import draw_sheet
from ranet_jax.models.objective import predict_labels
from ranet_jax.models.ranet import RANet
from ranet_jax.protocol import PRECISIONS, TRAINED
from ranet_jax.training import parallel
from ranet_jax.training.recipe import check_recipe, make_model, open_sets
from ranet_jax.training.run_log import RunLog
from ranet_jax.training.same_run import flatten_config
from ranet_jax.training.state import TrainState, check_init, open_state
from ranet_jax.training.update import make_update
from ranet_jax.training.validation import Validator
from ranet_jax.weights.checkpoint import RUN_FOLDER
from ranet_jax.weights.network import Network, describe_network
from ranet_jax.weights.storage import RunCheckpoints


def train(config: ml_collections.ConfigDict, work: Path) -> None:
    """Trains a network, from where the run in this folder stands.

    Args:
        config: the recipe.
        work: folder of the run: checkpoints, metrics, sheets.

    Raises:
        InputError: data or `init_from` is missing, the folder holds another run or is written by
            another process, or the loss is not finite.
        SystemExit: the run was stopped by a signal, with 128 and its number; what was done is
            saved.
    """
    check_recipe(config)
    check_work(work)
    model = make_model(config)
    sets = _open_inputs(config, model, work)
    validator = Validator(config.validation, model, config.precision)
    data = {one.name: one.identity for one in sets}
    description = describe_network(Network(model, None, {}, TRAINED))
    description |= {"config": flatten_config(config), "data": data}
    with (
        # Processes of one run share its folder; the first one guards it for all.
        lock_folder(work) if parallel.process_index() == 0 else nullcontext(),
        RunCheckpoints(
            work / RUN_FOLDER, description, config.keep, config.keep_best
        ) as checkpoints,
        catch_signals() as stopped,
    ):
        state = parallel.replicate(open_state(checkpoints, model, config, work, data))
        step = start = int(state.step)
        if start >= config.steps:
            print(f"{work} is complete: {start} steps")
            return
        with (
            closing(load_batches(config, sets, start)) as batches,
            RunLog(work, start, config.steps, config.batch_size) as log,
            closing(take_steps(model, config, state, batches, sets, log)) as steps,
        ):
            batch = None
            for step, state, batch, metrics in steps:
                last = step == config.steps or parallel.is_true_anywhere(bool(stopped))
                if config.sheet_every and step % config.sheet_every == 0:
                    log.add_sheet(step, draw_predictions(model, config, state, batch))
                scores = {}
                if validator.is_due(step, config.steps):
                    scores = validator.score(parallel.fetch(state.ema_params))
                log.record(step, metrics | scores, show=step % config.log_every == 0 or last)
                if step % config.save_every == 0 or scores or last:
                    checkpoints.save(step, state, scores.get("J&F"))
                if last:
                    break
            # The last batch lies in memory of a worker, which is given back while there is one; jax
            # lets go of its arrays when garbage is collected.
            del batch
            gc.collect()
    if step < config.steps:
        print(f"stopped at step {step} of {config.steps}, saved")
        # Where another process of the run got the signal, this one has none to name.
        raise SystemExit(128 + (stopped[0] if stopped else signal.SIGTERM))


def check_work(work: Path) -> None:
    """Refuses a folder that has files in it and none of a run.

    Args:
        work: folder of the run; need not exist.

    Raises:
        InputError: it is one.
    """
    if not work.is_dir() or (work / RUN_FOLDER).exists():
        return
    if foreign := sorted(path.name for path in work.iterdir() if path.name != LOCK):
        raise InputError(f"{work} holds {foreign[0]}, and no run; choose another --workdir")


def _open_inputs(config: ml_collections.ConfigDict, model: RANet, work: Path) -> list[pipeline.Set]:
    """Opens the training sets, and names all that is missing at once, `init_from` as well."""
    problems, sets = [], []
    try:
        sets = open_sets(config, model.canvas)
    except InputError as error:
        problems.append(str(error))
    try:
        check_init(config, work)
    except InputError as error:
        problems.append(str(error))
    if problems:
        raise InputError("; ".join(problems))
    return sets


def load_batches(
    config: ml_collections.ConfigDict, sets: list[pipeline.Set], start: int
) -> pipeline.Batches:
    """Loads this process's part of every batch after the first `start` ones."""
    return pipeline.load_batches(
        pipeline.make_dataset(sets, config.seed),
        config.batch_size,
        start=start * config.batch_size,
        process=parallel.process_index(),
        processes=parallel.process_count(),
        workers=config.data.workers,
    )


def take_steps(
    model: RANet,
    config: ml_collections.ConfigDict,
    state: TrainState,
    batches: Iterator[pipeline.Batch],
    sets: list[pipeline.Set],
    log: RunLog,
) -> Generator[tuple[int, TrainState, pipeline.Batch, dict[str, float]], None, None]:
    """Makes one step after another.

    Args:
        model: the network.
        config: the recipe.
        state: to begin with, on all devices.
        batches: as many as there are steps left, or more.
        sets: where their samples are from.
        log: takes the time that is spent waiting for data.

    Yields:
        After each step its number, the state, which the next step uses up, the batch, and loss,
        gradient norm and learning rate by name.

    Raises:
        InputError: a sample has too many objects, or loss or gradient is not finite.
    """
    update: Any = None
    for step in range(int(state.step) + 1, config.steps + 1):
        with log.waiting():
            batch = next(batches)
        origin = batch.pop("origin")
        check_ids(batch, config.model.slots, origin, sets)
        parts = parallel.split_over_devices(batch)
        if update is None:
            step_once = make_update(model, config)
            update = parallel.parallelize(step_once, state, parts, config.precision)
        state, metrics = update(state, parts)
        # Waits for the device once a step: a run that goes wrong stops before it saves.
        metrics = {name: float(value) for name, value in metrics.items()}
        check_finite(step, metrics, origin, sets)
        yield step, state, batch, metrics


@contextmanager
def catch_signals() -> Iterator[list[int]]:
    """Turns SIGTERM and Ctrl-C into an entry of a list, so that the step under way is saved.

    After the first of them Ctrl-C ends the process at once, by the system, whatever it waits for: a
    loader that hangs, or XLA.
    """
    received: list[int] = []

    def take(number: int, _: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if received and number == signal.SIGINT:  # both came while XLA let no Python run
            signal.raise_signal(number)
        received.append(number)
        # Past the buffers of Python, which may be in use; with the cursor that the bar hides.
        shown = b"\x1b[?25h" if os.isatty(2) else b""
        os.write(2, shown + b"stopping after this step; Ctrl-C ends at once, unsaved\n")

    numbers = signal.SIGTERM, signal.SIGINT
    before = [signal.signal(number, take) for number in numbers]
    try:
        yield received
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def name_samples(origin: np.ndarray, sets: list[pipeline.Set]) -> str:
    """Names the records that a batch was made from."""
    return ", ".join(f"{sets[number].name}[{record}]" for number, record in origin)


def check_ids(
    batch: pipeline.Batch, slots: int, origin: np.ndarray, sets: list[pipeline.Set]
) -> None:
    """Stops a run whose samples have more objects than there are slots."""
    largest = batch["template_labels"].max()
    if parallel.is_true_anywhere(bool(largest > slots)):
        raise InputError(
            f"an example has more than model.slots = {slots} objects; start anew with more slots "
            f"(samples {name_samples(origin, sets)})"
        )


def check_finite(
    step: int, metrics: dict[str, float], origin: np.ndarray, sets: list[pipeline.Set]
) -> None:
    """Stops a run whose loss or gradient is not finite, and names the samples of the step."""
    if not np.isfinite([metrics["loss"], metrics["gradient_norm"]]).all():
        raise InputError(
            f"loss {metrics['loss']} and gradient norm {metrics['gradient_norm']} at step {step}, "
            f"on the samples {name_samples(origin, sets)}; look at these, or start another "
            "--workdir with a lower optimizer.learning_rate"
        )


def draw_predictions(
    model: RANet, config: ml_collections.ConfigDict, state: TrainState, batch: pipeline.Batch
) -> np.ndarray:
    """A sheet of the first samples of a batch with what the network makes of them."""
    few = {name: array[:4] for name, array in batch.items()}
    run = _compile_prediction(model, config.model.slots, config.precision)
    return draw_sheet(few, np.asarray(run(parallel.fetch(state.params), few)))


@functools.cache
def _compile_prediction(model: RANet, slots: int, precision: str) -> Callable[[Any, Any], Array]:
    """`predict_labels` as a function of parameters and batch, compiled on first use."""
    return jax.jit(
        lambda params, batch: predict_labels(model, params, batch, slots, PRECISIONS[precision])
    )
