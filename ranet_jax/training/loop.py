"""Training: one loop for static images, video and the demo, exactly resumable."""

import functools
import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from jax import Array

from ranet_jax.data import pipeline
from ranet_jax.data.augment import Augmentation
from ranet_jax.data.damage import Damage
from ranet_jax.data.davis import SPLITS
from ranet_jax.errors import InputError
from ranet_jax.media.sheets import draw_sheet
from ranet_jax.models.ranet import RANet, compact_ranet, init_params, small_ranet
from ranet_jax.models.resnet import RESNET_BLOCKS
from ranet_jax.protocol import PRECISIONS
from ranet_jax.training import parallel
from ranet_jax.training.run_log import Journal
from ranet_jax.training.update import (
    TrainState,
    make_optimizer,
    make_schedule,
    make_update,
    predict,
)
from ranet_jax.training.validation import Validator
from ranet_jax.weights.checkpoint import (
    RUN_FOLDER,
    RunCheckpoints,
    build_model,
    check_params,
    describe_model,
    load_network,
)

FREE_FIELDS = ("log_every", "save_every", "sheet_every", "keep", "keep_best", "validation")
"""What may change when a run goes on, because the result does not depend on it."""

NAMED_MODELS = {"compact": compact_ranet, "small": small_ranet}
"""Networks of the family that are no RANet of a ResNet's depth alone."""

CHOICES = {
    "model.name": (*(f"resnet{depth}" for depth in RESNET_BLOCKS), *NAMED_MODELS),
    "model.ranking_rule": ("single", "multi"),
    "model.selection": ("ranking", "spatial", "maximum", "features"),
    "model.activation": ("sigmoid", "softmax"),
    "precision": tuple(PRECISIONS),
    "validation.kind": ("davis", "generated"),
}
"""Fields that name one of a few things."""

MODEL_FIELDS = ("ranking_rule", "selection", "learned_scores", "use_previous", "activation")
"""Fields of the network that a recipe sets; all but the first are ablations of the paper."""


def check_recipe(config: ml_collections.ConfigDict) -> None:
    """Refuses a recipe that cannot be trained, before anything is written.

    Raises:
        InputError: names the field and what it may be.
    """
    choices = CHOICES
    if config.validation.every and config.validation.kind == "davis":
        choices = choices | {"validation.split": tuple(SPLITS)}
    for field, known in choices.items():
        group, _, name = field.rpartition(".")
        value = (config[group] if group else config)[name]
        if value not in known:
            raise InputError(f"{field} {value!r} is none of {', '.join(known)}")
    asked = 1 if config.augmentation.distractors == 1 else 1 + config.augmentation.pasted_objects
    if asked > config.model.slots:
        raise InputError(
            f"model.slots {config.model.slots} must be above augmentation.pasted_objects "
            f"{config.augmentation.pasted_objects}: an image has an object of its own"
        )
    make_schedule(config)
    parallel.check_batch_size(config.batch_size, config.accumulate)


def make_model(config: ml_collections.ConfigDict) -> RANet:
    """The network that a configuration asks for."""
    fields = {name: config.model[name] for name in MODEL_FIELDS}
    fields["canvas"] = tuple(config.model.canvas)
    if config.model.name in NAMED_MODELS:
        return NAMED_MODELS[config.model.name]().clone(**fields)
    depth = int(config.model.name.removeprefix("resnet"))
    return RANet(blocks=RESNET_BLOCKS[depth], **fields)


def make_augmentation(config: ml_collections.ConfigDict, canvas: tuple[int, int]) -> Augmentation:
    """The augmentation of a configuration's section, on the network's canvas."""
    fields = config.to_dict()
    return Augmentation(**fields | {"canvas": canvas, "damage": Damage(**fields["damage"])})


def start_state(model: RANet, config: ml_collections.ConfigDict) -> TrainState:
    """The state before the first step: from `init_from`, or drawn.

    An ablation of the selection may start from a network that ranks, such as an imported encoder:
    then what takes the maps is drawn. Of a network that has another width after the ResNet, such as
    an imported encoder again, the ResNet alone is taken.

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
        network = load_network(path)
        if network.model.head_width != model.head_width:
            print(
                f"init_from {path} has a head_width of {network.model.head_width} and this model "
                f"{model.head_width}: its ResNet is taken, all the rest is drawn"
            )
            resnet = network.params["encoder"]["resnet"]
            params = params | {"encoder": params["encoder"] | {"resnet": resnet}}
        elif network.model.selection == "ranking" != model.selection:
            print(
                f"init_from {path} ranks maps, and this model has selection {model.selection!r}: "
                "the first convolution of the merge is drawn anew, the ranking network left out"
            )
            params = replace_entry(network.params, params)
        else:
            params = network.params
        check_params(params, model, f"init_from {path}")
    params = jax.tree.map(jnp.asarray, params)
    ema_params = jax.tree.map(jnp.copy, params)
    return TrainState(jnp.int32(0), params, ema_params, make_optimizer(config).init(params))


def replace_entry(params: Any, drawn: Any) -> Any:
    """Makes parameters of a network that ranks into those of an ablation of the selection.

    Args:
        params: of the network that ranks.
        drawn: of the ablation.

    Returns:
        The ablation's: all of `params` but the ranking network, and but the first convolution of
        the merge, which is the drawn one, because it takes other channels.
    """
    decoder = params["decoder"]
    merge = decoder["merge"] | {"conv1": drawn["decoder"]["merge"]["conv1"]}
    return {"encoder": params["encoder"], "decoder": decoder | {"merge": merge}}


def open_state(
    checkpoints: RunCheckpoints, model: RANet, config: ml_collections.ConfigDict, work: Path
) -> TrainState:
    """The state to go on from: the newest checkpoint's, or that before the first step.

    Args:
        checkpoints: of the run.
        model: the network.
        config: the recipe, which must be that of the run.
        work: folder of the run, for the error.

    Returns:
        The state.

    Raises:
        InputError: the run was started with another recipe, whose differing fields are named; or as
            `start_state` does.
    """
    description = checkpoints.read_description()
    if description is None:
        return start_state(model, config)
    now = flatten_config(config)
    # A run that was started before there were ablations is of the fields' defaults.
    built = build_model(description["model"])
    then = {f"model.{name}": getattr(built, name) for name in MODEL_FIELDS} | description["config"]
    differing = [
        f"{name} is {now.get(name)!r} and was {then.get(name)!r}"
        for name in sorted(now.keys() | then.keys())
        if now.get(name) != then.get(name) and not name.startswith(FREE_FIELDS)
    ]
    if differing:
        raise InputError(
            f"{work} holds a run of another recipe: {'; '.join(differing)}; choose another "
            f"--workdir (with --config.init_from={work} to go on from its weights)"
        )
    # `init_from` served the first start alone, and may be gone by now.
    drawn = ml_collections.ConfigDict(config).copy_and_resolve_references()
    drawn.init_from = ""
    state = checkpoints.restore(jax.eval_shape(lambda: start_state(model, drawn)))
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
    check_recipe(config)
    model = make_model(config)
    sets = pipeline.open_sets(
        config.data.sets,
        Path(config.data.data_dir),
        make_augmentation(config.augmentation, model.canvas),
        make_augmentation(config.video_augmentation, model.canvas),
        config.data.reach,
        config.data.left_out,
    )
    validator = Validator(config.validation, model, config.precision)
    if config.init_from:
        check_init(config, work)
    description = {"model": describe_model(model), "config": flatten_config(config)}
    with (
        RunCheckpoints(work, description, config.keep, config.keep_best) as checkpoints,
        catch_signals() as stopped,
    ):
        state = parallel.replicate(open_state(checkpoints, model, config, work))
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
        with Journal(work, start, config.steps, config.batch_size) as journal:
            for step in range(start + 1, config.steps + 1):
                with journal.waiting():
                    batch = next(batches)
                origin = batch.pop("origin")
                check_ids(batch, config.model.slots, origin, sets)
                state, metrics = update(state, parallel.split_over_devices(batch))
                # Waits for the device once a step: a run that goes wrong stops before it saves.
                metrics = {name: float(value) for name, value in metrics.items()}
                check_finite(step, metrics, origin, sets)
                last = step == config.steps or parallel.is_true_anywhere(bool(stopped))
                if config.sheet_every and step % config.sheet_every == 0:
                    journal.add_sheet(step, draw_predictions(model, config, state, batch))
                scores = {}
                if validator.is_due(step, config.steps):
                    scores = validator.score(parallel.fetch(state.ema_params))
                journal.record(step, metrics | scores, show=step % config.log_every == 0 or last)
                if step % config.save_every == 0 or scores or last:
                    checkpoints.save(step, state, scores.get("J&F"))
                if last:
                    break
    if step < config.steps:
        print(f"stopped at step {step} of {config.steps}, saved; the same command goes on")
        raise SystemExit(128 + stopped[0])


def check_init(config: ml_collections.ConfigDict, work: Path) -> None:
    """Refuses an `init_from` that is missing, unless the run has begun and needs it no more."""
    if not (work / RUN_FOLDER).is_dir() and not Path(config.init_from).exists():
        raise InputError(
            f"init_from {config.init_from} does not exist; the recipe says what makes it"
        )


@contextmanager
def catch_signals() -> Iterator[list[int]]:
    """Turns SIGTERM and Ctrl-C into an entry of a list, so that the step under way is saved."""
    received: list[int] = []
    numbers = signal.SIGTERM, signal.SIGINT
    before = [signal.signal(number, lambda one, _: received.append(one)) for number in numbers]
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
