"""What the network makes of one frame of a video: the numbers behind the pictures of `figures`."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import Array

from ranet_jax.data.augment import Augmentation, make_static_example
from ranet_jax.errors import InputError
from ranet_jax.geometry.box import cut_frame, cut_labels, find_box
from ranet_jax.geometry.canvas import Canvas
from ranet_jax.models.activation import choose_labels, find_probability
from ranet_jax.models.ranet import RANet
from ranet_jax.models.ranking import CELL, correlate, split_labels, weigh_streams
from ranet_jax.models.resnet import normalize_frame
from ranet_jax.protocol import State, build, find_slots
from ranet_jax.segmenter import find_ids
from ranet_jax.training.objective import predict_labels
from ranet_jax.weights.checkpoint import Network


class Inspection(NamedTuple):
    """One frame as the network sees it, cut to its box, and what it makes of it.

    Attributes:
        ids: of the objects, ascending; slot i - 1 below is of `ids[i - 1]`.
        template: the first frame in its box, uint8 RGB [h, w, 3].
        template_labels: uint8 [h, w], i for slot i - 1.
        frame: the current frame in its box, uint8 RGB [h, w, 3].
        labels: what the network makes of it, uint8 [h, w].
        similarity: maps of all template positions, float32 [positions, y, x], about -1..1.
        scores: by which the maps of foreground and background are ranked, float32
            [n, 2, positions]; NaN for positions outside the stream. None where nothing is ranked.
        merged: what the decoder merges of the maps of foreground and background, float32
            [n, 2, 2 * y, 2 * x, c].
    """

    ids: np.ndarray
    template: np.ndarray
    template_labels: np.ndarray
    frame: np.ndarray
    labels: np.ndarray
    similarity: np.ndarray
    scores: np.ndarray | None
    merged: np.ndarray


def inspect_frame(network: Network, frames: Sequence[np.ndarray], mask: np.ndarray) -> Inspection:
    """Segments a clip and looks into the network at its last frame.

    Args:
        network: of a checkpoint.
        frames: uint8 RGB [h, w, 3] each, at least two.
        mask: of the first frame, uint8 [h, w] of ids.

    Returns:
        What it sees and makes of the last frame, which is as in a video: its box and previous mask
        are those of the frames before.

    Raises:
        InputError: the mask is empty or has too many objects.
    """
    model, params = network.model, jax.tree.map(jnp.asarray, network.params)
    ids = find_ids(frames[0], mask)
    slots = find_slots(ids.size)
    canvas = Canvas(mask.shape, model.canvas)
    first = canvas.fit_frame(frames[0])
    labels = canvas.fit_labels(number_objects(mask, ids))
    init, step = build(model, slots)
    state = init(params, first, labels)
    for frame in frames[1:-1]:
        state, _ = step(params, state, canvas.fit_frame(frame))
    last = canvas.fit_frame(frames[-1])
    found = jax.device_get(_build_inspection(model, slots)(params, state, last))
    box, now = find_box(jnp.asarray(labels) > 0), find_box(state.labels > 0)
    n = ids.size
    return Inspection(
        ids=ids,
        template=_cut_picture(first, box),
        template_labels=np.asarray(cut_labels(jnp.asarray(labels), box)),
        frame=_cut_picture(last, now),
        labels=found["labels"],
        similarity=found["similarity"],
        scores=found["scores"][:n] if model.selection == "ranking" else None,
        merged=found["merged"][:n],
    )


def number_objects(mask: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Numbers objects as slots do: uint8 [h, w], i where the mask has `ids[i - 1]`."""
    return (np.searchsorted(ids, mask) + 1).astype(np.uint8) * (mask > 0)


def _cut_picture(frame: np.ndarray, box: Array) -> np.ndarray:
    """Cuts a frame to a box as the network does, uint8 [h, w, 3]."""
    return np.asarray(cut_frame(jnp.asarray(frame, jnp.float32), box)).round().astype(np.uint8)


@functools.cache
def _build_inspection(
    model: RANet, slots: int
) -> Callable[[Any, State, Array], dict[str, Array | None]]:
    """The network's step on a frame, that keeps what happens between encoder and decoder."""

    def keep(module: nn.Module, method: str) -> bool:
        return method == "__call__" and module.name in ("encoder", "network", "merge")

    def inspect(params: Any, state: State, frame: Array) -> dict[str, Array | None]:
        box = find_box(state.labels > 0)
        logits, variables = model.apply(
            {"params": params},
            state.kernels[None],
            state.cells[None],
            cut_frame(normalize_frame(frame, jnp.float32), box)[None],
            split_labels(cut_labels(state.labels, box), slots, jnp.float32)[None],
            capture_intermediates=keep,
            mutable=["intermediates"],
        )
        kept = variables["intermediates"]
        ((_, matching),) = kept["encoder"]["__call__"]
        similarity = correlate(state.kernels[None], matching)
        scores = None
        if model.selection == "ranking":
            (learned,) = kept["ranking"]["network"]["__call__"]
            scores = score_positions(similarity[0], state.cells, learned, model.ranking_rule)
        probability = find_probability(logits[0], state.cells.any(axis=-1), model.activation)
        return {
            "labels": choose_labels(jnp.moveaxis(probability, 0, -1), model.activation),
            "similarity": similarity[0],
            "scores": scores,
            "merged": jnp.stack(kept["decoder"]["merge"]["__call__"], axis=1),
        }

    return jax.jit(inspect)


def score_positions(similarity: Array, cells: Array, learned: Array, ranking_rule: str) -> Array:
    """Scores template positions as `RankingAttention` does, which keeps only their order.

    Args:
        similarity: [positions, y, x].
        cells: each object's share of each template cell, [n, positions].
        learned: what the ranking network gives, a stream and object ("single") or once ("multi"),
            [..., positions].
        ranking_rule: "single" or "multi".

    Returns:
        Scores of foreground and background, [n, 2, positions]; NaN outside the stream. The maps of
        several rivals at one position are one background score here, that of the best.
    """
    peak, learned = similarity.max(axis=(1, 2)), 0.2 * learned
    if ranking_rule == "single":
        weights = weigh_streams(cells[None], ranking_rule)[0]  # [2, n, positions]
        scores = weights * peak + learned.reshape(weights.shape)
        return jnp.moveaxis(jnp.where(weights > 0, scores, jnp.nan), 0, 1)
    everything = jnp.concatenate([1 - cells.sum(axis=0, keepdims=True), cells])
    own = jnp.arange(1, len(everything))[:, None] == jnp.arange(len(everything))
    rivals = jnp.where(own[..., None], 0, everything).max(axis=1)
    weights = jnp.stack([cells, rivals], axis=1)
    return jnp.where(weights > 0, weights * (peak + learned.reshape(-1)), jnp.nan)


def find_position(point: tuple[int, int], mask: np.ndarray, canvas: tuple[int, int]) -> int:
    """Finds the template position that a pixel of the first frame lies in.

    Args:
        point: row and column of the pixel.
        mask: of the first frame, uint8 [h, w] of ids.
        canvas: the network's, height and width.

    Returns:
        The index of its similarity map.

    Raises:
        InputError: the pixel is outside the frame, or on no object.
    """
    (y, x), (h, w) = point, mask.shape
    if not (0 <= y < h and 0 <= x < w):
        raise InputError(f"the pixel {y},{x} lies outside the frame of {h} rows and {w} columns")
    if not mask[y, x]:
        raise InputError(f"the pixel {y},{x} is on no object of the first mask; choose one that is")
    place = Canvas(mask.shape, canvas)
    box = find_box(jnp.asarray(place.fit_labels(mask)) > 0)
    # Every pixel's number takes the way that its label takes.
    numbers = place.fit_labels(np.arange(1, h * w + 1, dtype=np.int32).reshape(h, w))
    numbers = np.asarray(cut_labels(jnp.asarray(numbers), box))
    rows, columns = np.divmod(numbers - 1, w)
    distance = np.where(numbers > 0, np.hypot(rows - y, columns - x), np.inf)
    row, column = np.unravel_index(distance.argmin(), distance.shape)
    return int(row // CELL * (canvas[1] // CELL) + column // CELL)


def choose_positions(labels: np.ndarray, slot: int, count: int) -> list[int]:
    """Chooses template positions spread over an object.

    Args:
        labels: of the template in its box, uint8 [h, w].
        slot: of the object.
        count: how many at most.

    Returns:
        Indices, ascending, of cells that the object covers by at least half; of the cell it covers
        most, where there is none.
    """
    h, w = labels.shape
    covered = (labels == slot + 1).reshape(h // CELL, CELL, w // CELL, CELL).mean(axis=(1, 3))
    inside = np.flatnonzero(covered >= min(0.5, covered.max()))
    return inside[
        np.linspace(0, inside.size - 1, min(count, inside.size)).round().astype(int)
    ].tolist()


def draw_examples(
    network: Network, frame: np.ndarray, mask: np.ndarray, count: int
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Makes training examples of stage 1 from one frame, and what the network makes of them.

    Args:
        network: of a checkpoint.
        frame: uint8 RGB [h, w, 3].
        mask: uint8 [h, w] of ids.
        count: how many; example k is always the same.

    Returns:
        The fields of `Example`, uint8 [count, ...], and the labels that the network predicts, uint8
        [count, h, w].

    Raises:
        InputError: as `make_static_example`.
    """
    model = network.model
    labels = number_objects(mask, find_ids(frame, mask))
    augmentation = Augmentation(canvas=model.canvas)
    examples = [
        make_static_example(frame, labels, augmentation, np.random.default_rng([0, k]))._asdict()
        for k in range(count)
    ]
    slots = find_slots(labels.max())

    @jax.jit
    def run(params: Any, batch: dict[str, Array]) -> Array:
        return predict_labels(model, params, batch, slots, jnp.float32)[0]

    batches = [{name: array[None] for name, array in example.items()} for example in examples]
    predictions = np.stack([np.asarray(run(network.params, batch)) for batch in batches])
    return {name: np.stack([e[name] for e in examples]) for name in examples[0]}, predictions
