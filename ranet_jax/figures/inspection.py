"""What the network makes of one frame of a video: the numbers behind the pictures of `figures`."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import Array
from jax.typing import ArrayLike

from ranet_jax.data.augmentation import Augmentation
from ranet_jax.data.pairs import make_static_example
from ranet_jax.errors import InputError
from ranet_jax.geometry.box import cut_frame, cut_labels, find_box
from ranet_jax.geometry.canvas import Canvas
from ranet_jax.models.activation import choose_labels
from ranet_jax.models.objective import predict_labels
from ranet_jax.models.ranet import GROUP, RANet
from ranet_jax.models.ranking import correlate
from ranet_jax.protocol import (
    Protocol,
    build,
    find_slot_probability,
    find_slot_size,
    gather_inputs,
)
from ranet_jax.slots import find_ids, number_slots
from ranet_jax.template_bank import State
from ranet_jax.weights.network import Network


class Inspection(NamedTuple):
    """One frame as the network sees it, cut to its box, and what it makes of it.

    Attributes:
        ids: of the objects, ascending; slot i - 1 below is of `ids[i - 1]`.
        template: the first frame in its box, uint8 RGB [h, w, 3].
        template_labels: uint8 [h, w], i for slot i - 1.
        frame: the current frame in its box, uint8 RGB [h, w, 3].
        labels: what the network makes of it, uint8 [h, w].
        cell: side in pixels of the cell of the template that a position stands for.
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
    cell: int
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
    if ids.size > GROUP:
        raise InputError(f"the mask has {ids.size} objects; there are pictures of up to {GROUP}")
    slots = find_slot_size(ids.size)
    canvas = Canvas(mask.shape, network.protocol.find_frame_canvas(model))
    first = canvas.fit_frame(frames[0])
    labels = canvas.fit_labels(number_slots(ids)[mask])
    init, step = build(model, slots, protocol=network.protocol)
    state = init(params, first, labels)
    for frame in frames[1:-1]:
        state, _ = step(params, state, canvas.fit_frame(frame))
    last = canvas.fit_frame(frames[-1])
    found = jax.device_get(_build_inspection(model, network.protocol)(params, state, last))
    box, now = find_box(jnp.asarray(labels) > 0), find_box(state.labels > 0)
    n = ids.size
    return Inspection(
        ids=ids,
        template=_cut_picture(first, box, model.canvas),
        template_labels=np.asarray(cut_labels(jnp.asarray(labels), box, model.canvas)),
        frame=_cut_picture(last, now, model.canvas),
        labels=found["labels"],
        cell=model.cell,
        similarity=found["similarity"],
        scores=None if found["scores"] is None else found["scores"][:n],
        merged=found["merged"][:n],
    )


def _cut_picture(frame: np.ndarray, box: Array, canvas: tuple[int, int]) -> np.ndarray:
    """Cuts a frame to a box as the network does, uint8 [h, w, 3]."""
    cut = cut_frame(jnp.asarray(frame, jnp.float32), box, canvas)
    return np.asarray(cut).round().astype(np.uint8)


@functools.cache
def _build_inspection(
    model: RANet, protocol: Protocol
) -> Callable[[Any, State, ArrayLike], dict[str, Array | None]]:
    """The network's step on a frame, that keeps what happens between encoder and decoder."""

    def keep(module: nn.Module, method: str) -> bool:
        return method == "__call__" and module.name in ("encoder", "merge")

    def inspect(params: Any, state: State, frame: Array) -> dict[str, Array | None]:
        box = find_box(state.labels > 0)
        inputs = gather_inputs(model, state, box, frame, jnp.float32)
        # Linen's annotation gives the output alone, without what was kept.
        applied: Any = model.apply(
            {"params": params}, *inputs, capture_intermediates=keep, mutable=["intermediates"]
        )
        logits, variables = applied
        kept = variables["intermediates"]
        ((_, matching),) = kept["encoder"]["__call__"]
        scores = None
        if model.selection == "ranking":
            ranked, *_ = kept["ranking"]["ranked"]  # of the first template, as the similarity
            scores = [arrange_scores(*pair, positions=model.positions) for pair in ranked]
            scores = jnp.stack(scores, axis=2)[0]
        probability = find_slot_probability(
            model, protocol, state, logits[0], previous=inputs[-1][0]
        )
        return {
            "labels": choose_labels(jnp.moveaxis(probability, 0, -1), model.activation),
            "similarity": correlate(state.kernels[:1], matching)[0],
            "scores": scores,
            "merged": jnp.stack(kept["decoder"]["merge"]["__call__"], axis=1),
        }

    return jax.jit(inspect)


def arrange_scores(scores: Array, weights: Array, positions: int) -> Array:
    """Lays the scores of a stream's candidates out over the template's positions.

    Args:
        scores: of candidates, as the network ranks them, [b, n, candidates]; candidate c is of
            position `c % positions`.
        weights: likewise; 0 outside the stream.
        positions: of the template.

    Returns:
        [b, n, positions]; NaN outside the stream. The candidates of several rivals at one position
        are one score here, that of the best.
    """
    apart = (*scores.shape[:2], -1, positions)
    inside = weights.reshape(apart) > 0
    best = jnp.where(inside, scores.reshape(apart), -jnp.inf).max(axis=2)
    return jnp.where(inside.any(axis=2), best, jnp.nan)


def find_position(point: tuple[int, int], mask: np.ndarray, network: Network) -> int:
    """Finds the template position that a pixel of the first frame lies in.

    Args:
        point: row and column of the pixel.
        mask: of the first frame, uint8 [h, w] of ids.
        network: whose template it is.

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
    place = Canvas(mask.shape, network.protocol.find_frame_canvas(network.model))
    box = np.asarray(find_box(jnp.asarray(place.fit_labels(mask)) > 0))
    cells = np.array(network.model.canvas) // network.model.cell
    inside = (np.array(place.locate(point)) - box[:2]) / (box[2:] - box[:2])
    row, column = np.clip(np.floor(inside * cells), 0, cells - 1).astype(int)
    return int(row * cells[1] + column)


def choose_positions(labels: np.ndarray, slot: int, count: int, cell: int) -> list[int]:
    """Chooses template positions spread over an object.

    Args:
        labels: of the template in its box, uint8 [h, w].
        slot: of the object.
        count: how many at most.
        cell: side in pixels of the cell of a position.

    Returns:
        Indices, ascending, of cells that the object covers by at least half; of the cell it covers
        most, where there is none.
    """
    h, w = labels.shape
    covered = (labels == slot + 1).reshape(h // cell, cell, w // cell, cell).mean(axis=(1, 3))
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
    labels = number_slots(find_ids(frame, mask))[mask]
    augmentation = Augmentation(canvas=model.canvas)
    examples = [
        make_static_example(frame, labels, augmentation, np.random.default_rng([0, k]))._asdict()
        for k in range(count)
    ]
    slots = find_slot_size(labels.max())

    @jax.jit
    def run(params: Any, batch: dict[str, Array]) -> Array:
        return predict_labels(model, params, batch, slots, jnp.float32)[0]

    batches = [{name: array[None] for name, array in example.items()} for example in examples]
    predictions = np.stack([np.asarray(run(network.params, batch)) for batch in batches])
    return {name: np.stack([e[name] for e in examples]) for name in examples[0]}, predictions
