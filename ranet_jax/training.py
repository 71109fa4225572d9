"""Training: one loop for static images, video and the demo, exactly resumable."""

import functools
import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax
from jax import Array

from ranet_jax import parallel
from ranet_jax.checkpoint import RunCheckpoints, check_params, describe_model, load_network
from ranet_jax.data import pipeline
from ranet_jax.data.augment import Augmentation
from ranet_jax.data.damage import Damage
from ranet_jax.errors import InputError
from ranet_jax.journal import Journal
from ranet_jax.losses import segmentation_loss
from ranet_jax.models.ranet import RANet, init_params, small_ranet
from ranet_jax.models.ranking import pool_mask, split_labels
from ranet_jax.models.resnet import RESNET_BLOCKS, normalize_frame
from ranet_jax.segmenter import PRECISIONS
from ranet_jax.sheets import draw_sheet
from ranet_jax.validation import Validator

FREE_FIELDS = ("log_every", "save_every", "sheet_every", "keep", "keep_best", "validation")
"""What may change when a run goes on, because the result does not depend on it."""


@flax.struct.dataclass
class TrainState:
    """All that a run carries from step to step.

    Attributes:
        step: how many updates were made, int32.
        params: float32.
        average: exponential moving average of the parameters, for evaluation.
        optimizer: state of Adam.
    """

    step: Array
    params: Any
    average: Any
    optimizer: Any


def make_model(config: ml_collections.ConfigDict) -> RANet:
    """The network that a configuration asks for."""
    if config.model.name == "small":
        return small_ranet(config.model.rule)
    blocks = {f"resnet{depth}": blocks for depth, blocks in RESNET_BLOCKS.items()}
    if config.model.name not in blocks:
        raise InputError(f"model.name {config.model.name!r} is none of {', '.join(blocks)}, small")
    return RANet(blocks=blocks[config.model.name], rule=config.model.rule)


def make_augmentation(config: ml_collections.ConfigDict, canvas: tuple[int, int]) -> Augmentation:
    """The augmentation of a configuration, on the network's canvas."""
    fields = config.augmentation.to_dict()
    return Augmentation(**fields | {"canvas": canvas, "damage": Damage(**fields["damage"])})


def make_schedule(config: ml_collections.ConfigDict) -> optax.Schedule:
    """Learning rate by step: linear warm-up, then a cosine down to zero."""
    optimizer = config.optimizer
    if optimizer.warmup >= config.steps:
        raise InputError(f"optimizer.warmup {optimizer.warmup} must be below steps {config.steps}")
    return optax.warmup_cosine_decay_schedule(
        0.0, optimizer.learning_rate, optimizer.warmup, config.steps
    )


def make_optimizer(config: ml_collections.ConfigDict) -> optax.GradientTransformation:
    """Adam behind clipping by the global norm, with a factor of its own for the ResNet."""
    optimizer = config.optimizer

    def is_backbone(params: Any) -> Any:
        return jax.tree_util.tree_map_with_path(
            lambda path, _: [key.key for key in path[:2]] == ["encoder", "resnet"], params
        )

    return optax.chain(
        optax.clip_by_global_norm(optimizer.clip_norm),
        optax.scale_by_adam(),
        optax.masked(optax.scale(optimizer.backbone_factor), is_backbone),
        optax.scale_by_learning_rate(make_schedule(config)),
    )


def predict(
    model: RANet, params: Any, batch: dict[str, Array], slots: int, dtype: jnp.dtype
) -> tuple[Array, Array]:
    """Runs template and current frame of training examples.

    Args:
        model: the network.
        params: its parameters.
        batch: the fields of `Example`, uint8, [b, ...].
        slots: room for objects.
        dtype: of the computation.

    Returns:
        Logits [b, slots, h, w], and which slots are in use, bool [b, slots].
    """
    wide = jnp.promote_types(dtype, jnp.float32)
    variables = {"params": params}
    kernels = model.apply(variables, normalize_frame(batch["template"], dtype), method="template")
    cells = pool_mask(split_labels(batch["template_labels"], slots, wide))
    previous = split_labels(batch["previous"], slots, wide)
    frame = normalize_frame(batch["frame"], dtype)
    return model.apply(variables, kernels, cells, frame, previous), cells.any(axis=-1)


def make_update(
    model: RANet, config: ml_collections.ConfigDict
) -> Callable[[TrainState, dict[str, Array]], tuple[TrainState, dict[str, Array]]]:
    """Builds one training step, as each device runs it on its part of the batch.

    Args:
        model: the network.
        config: the recipe.

    Returns:
        `update(state, batch) -> (state, metrics)`. Gradients are averaged over accumulated parts
        and over devices, so their number does not change the result.
    """
    optimizer, schedule = make_optimizer(config), make_schedule(config)
    slots, dtype = config.model.slots, PRECISIONS[config.precision]

    def compute_loss(params: Any, part: dict[str, Array]) -> Array:
        logits, present = predict(model, params, part, slots, dtype)
        return segmentation_loss(logits, part["labels"], present).mean()

    def compute_gradients(params: Any, batch: dict[str, Array]) -> tuple[Array, Any]:
        compute = jax.value_and_grad(compute_loss)
        if config.accumulate == 1:  # without a loop, in which XLA's convolutions on the CPU crawl
            return compute(params, batch)
        parts = jax.tree.map(
            lambda x: x.reshape(config.accumulate, -1, *x.shape[1:]), batch
        )  # [accumulate, b, ...]

        def add_part(total: Any, part: dict[str, Array]) -> tuple[Any, None]:
            return jax.tree.map(jnp.add, total, compute(params, part)), None

        shapes = jax.eval_shape(compute, params, batch)
        nothing = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
        total, _ = jax.lax.scan(add_part, nothing, parts)
        return jax.tree.map(lambda x: x / config.accumulate, total)

    def update(state: TrainState, batch: dict[str, Array]) -> tuple[TrainState, dict[str, Array]]:
        loss, gradients = parallel.mean_over_devices(compute_gradients(state.params, batch))
        updates, optimizer_state = optimizer.update(gradients, state.optimizer, state.params)
        params = optax.apply_updates(state.params, updates)
        # Early on the average forgets fast, or it would be the initial weights for long.
        decay = jnp.minimum(config.optimizer.average_decay, (1 + state.step) / (10 + state.step))
        average = optax.incremental_update(params, state.average, 1 - decay)
        average = jax.tree.map(lambda x, like: x.astype(like.dtype), average, state.average)
        metrics = {
            "loss": loss,
            "gradient_norm": optax.global_norm(gradients),
            "learning_rate": jnp.asarray(schedule(state.step)),
        }
        return TrainState(state.step + 1, params, average, optimizer_state), metrics

    return update


def start_state(model: RANet, config: ml_collections.ConfigDict) -> TrainState:
    """The state before the first step: from `init_from`, or drawn.

    Args:
        model: the network.
        config: the recipe.

    Returns:
        The state.

    Raises:
        InputError: `init_from` does not exist, or is of another model.
    """
    params = init_params(model, config.seed)
    if config.init_from:
        path = Path(config.init_from)
        params = load_network(path).params
        check_params(params, model, f"init_from {path}")
    params = jax.tree.map(jnp.asarray, params)
    average = jax.tree.map(jnp.copy, params)
    return TrainState(jnp.int32(0), params, average, make_optimizer(config).init(params))


def resume(
    checkpoints: RunCheckpoints, state: TrainState, config: ml_collections.ConfigDict, work: Path
) -> TrainState:
    """Continues where the newest checkpoint stands, if there is one.

    Args:
        checkpoints: of the run.
        state: before the first step.
        config: the recipe, which must be that of the run.
        work: folder of the run, for the error.

    Returns:
        The state to go on from.

    Raises:
        InputError: the run was started with another recipe; the fields that differ are named.
    """
    restored = checkpoints.restore(state)
    if restored is None:
        return state
    state, description = restored
    now, then = flatten_config(config), description["config"]
    differing = [
        f"{name} is {now.get(name)!r} and was {then.get(name)!r}"
        for name in sorted(now.keys() | then.keys())
        if now.get(name) != then.get(name) and not name.startswith(FREE_FIELDS)
    ]
    if differing:
        raise InputError(
            f"{work} holds a run of another recipe: {'; '.join(differing)}; "
            "choose another --workdir, or start it with the same configuration"
        )
    return jax.tree.map(jnp.asarray, state)


def flatten_config(config: ml_collections.ConfigDict) -> dict[str, Any]:
    """A configuration as JSON: dotted names and plain values, workers and folders left out."""
    flat = json.loads(config.to_json_best_effort())

    def walk(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
        if isinstance(value, dict):
            for key, inner in value.items():
                yield from walk(f"{prefix}.{key}" if prefix else key, inner)
        else:
            yield prefix, value

    free = ("data.workers", "data.data_dir")
    return {name: value for name, value in walk("", flat) if name not in free}


def train(config: ml_collections.ConfigDict, work: Path) -> None:
    """Trains a network, from where the run in this folder stands.

    Args:
        config: the recipe.
        work: folder of the run: checkpoints, metrics, sheets.

    Raises:
        InputError: data or `init_from` is missing, the folder holds another run, or the loss is not
            finite.
    """
    parallel.check_batch_size(config.batch_size, config.accumulate)
    model = make_model(config)
    sets = pipeline.open_sets(
        config.data.kind,
        config.data.sets,
        Path(config.data.data_dir),
        make_augmentation(config, model.canvas),
        config.data.reach,
        config.data.left_out,
    )
    validator = Validator(config.validation, model, config.precision, config.model.slots)
    state = start_state(model, config)
    description = {"model": describe_model(model), "config": flatten_config(config)}
    checkpoints = RunCheckpoints(work, description, config.keep, config.keep_best)
    state = parallel.replicate(resume(checkpoints, state, config, work))
    start = int(state.step)
    if start >= config.steps:
        print(f"{work} is complete: {start} steps")
        return
    batches = pipeline.load_batches(
        pipeline.make_dataset(sets, config.seed),
        config.batch_size,
        start=start * config.batch_size,
        process=parallel.process_index(),
        processes=parallel.process_count(),
        workers=config.data.workers,
    )
    update = parallel.parallelize(make_update(model, config))
    draw = functools.partial(draw_predictions, model, config)
    stopped = catch_sigterm()
    with Journal(work, start, config.steps, config.batch_size) as journal:
        journal.start_waiting()
        for step in range(start + 1, config.steps + 1):
            batch = next(batches)
            origin = batch.pop("origin")
            journal.stop_waiting()
            check_ids(batch, config.model.slots, origin, sets)
            state, metrics = update(state, parallel.split_over_devices(batch))
            # Waits for the device once a step: a run that has gone wrong stops before it saves.
            metrics = {name: float(value) for name, value in metrics.items()}
            check_finite(step, metrics, origin, sets)
            score = None
            last = step == config.steps or parallel.is_true_anywhere(stopped())
            if config.sheet_every and step % config.sheet_every == 0:
                journal.add_sheet(step, draw(state, batch))
            if validator.is_due(step) or (step == config.steps and validator.clips):
                scores = validator.score(parallel.fetch(state.average))
                score = scores["J&F"]
                metrics |= scores
            journal.record(step, metrics, show=step % config.log_every == 0 or last)
            if step % config.save_every == 0 or last:
                checkpoints.save(step, state, score)
            if last:
                break
            journal.start_waiting()
    checkpoints.close()
    if step < config.steps:
        print(
            f"stopped at step {step} of {config.steps}, saved; the same command goes on from here"
        )
        raise SystemExit(128 + signal.SIGTERM)


def catch_sigterm() -> Callable[[], bool]:
    """Turns SIGTERM into a flag, so that the step under way ends and is saved."""
    received = []
    signal.signal(signal.SIGTERM, lambda *_: received.append(time.time()))
    return lambda: bool(received)


def name_samples(origin: np.ndarray, sets: list[pipeline.Set]) -> str:
    """Names the records that a batch was made from."""
    return ", ".join(f"{sets[number].name}[{record}]" for number, record in origin)


def check_ids(
    batch: pipeline.Batch, slots: int, origin: np.ndarray, sets: list[pipeline.Set]
) -> None:
    """Stops a run whose samples have more objects than there are slots."""
    largest = batch["template_labels"].max()
    if largest > slots:
        raise InputError(
            f"an example has {largest} objects and model.slots is {slots}; raise it "
            f"(samples {name_samples(origin, sets)})"
        )


def check_finite(
    step: int, metrics: dict[str, float], origin: np.ndarray, sets: list[pipeline.Set]
) -> None:
    """Stops a run whose loss or gradient is not finite, and names the samples of the step."""
    if not np.isfinite([metrics["loss"], metrics["gradient_norm"]]).all():
        raise InputError(
            f"loss {metrics['loss']} and gradient norm {metrics['gradient_norm']} at step {step}, "
            f"on the samples {name_samples(origin, sets)}; the checkpoint before is whole: lower "
            "optimizer.learning_rate, or look at these samples"
        )


def draw_predictions(
    model: RANet, config: ml_collections.ConfigDict, state: TrainState, batch: dict[str, np.ndarray]
) -> np.ndarray:
    """A sheet of the first samples of a batch with what the network makes of them."""
    few = {name: array[:4] for name, array in batch.items()}
    run = _compile_prediction(model, config.model.slots, config.precision)
    return draw_sheet(few, np.asarray(run(parallel.fetch(state.params), few)))


@functools.cache
def _compile_prediction(model: RANet, slots: int, precision: str) -> Callable[[Any, Any], Array]:
    """Labels of training examples, uint8 [b, h, w]."""

    def run(params: Any, batch: dict[str, Array]) -> Array:
        logits, present = predict(model, params, batch, slots, PRECISIONS[precision])
        logits = jnp.where(present[..., None, None], logits, -jnp.inf)
        return jnp.where(logits.max(axis=1) > 0, 1 + logits.argmax(axis=1), 0).astype(jnp.uint8)

    return jax.jit(run)
