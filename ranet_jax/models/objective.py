"""What every training minimises, online learning too, and what it predicts meanwhile."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from ranet_jax.geometry.box import cut_frame, cut_labels, find_box, paste_probability
from ranet_jax.models.activation import choose_labels, find_probability
from ranet_jax.models.losses import dice_loss, segmentation_loss
from ranet_jax.models.ranet import RANet
from ranet_jax.models.resnet import normalize_frame
from ranet_jax.models.template import pool_mask, split_labels


def predict(
    model: RANet, params: Any, batch: dict[str, Array], slots: int, dtype: DTypeLike
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
    kernels, cells = encode_template(model, params, batch, slots, dtype)
    logits, _ = segment_frame(model, params, kernels, cells, batch, dtype)
    return logits, cells.any(axis=-1)


def encode_template(
    model: RANet, params: Any, batch: dict[str, Array], slots: int, dtype: DTypeLike
) -> tuple[Array, Array]:
    """Runs the templates of training examples.

    Args:
        model: the network.
        params: its parameters.
        batch: as in `predict`.
        slots: likewise.
        dtype: likewise.

    Returns:
        Kernels [b, positions, c], and each slot's cells [b, slots, positions], 0..1.
    """
    wide = jnp.promote_types(dtype, jnp.float32)
    template = normalize_frame(batch["template"], dtype)
    kernels: Any = model.apply({"params": params}, template, method="template")
    return kernels, pool_mask(split_labels(batch["template_labels"], slots, wide), model.cell)


def segment_frame(
    model: RANet,
    params: Any,
    kernels: Array,
    cells: Array,
    seen: dict[str, Array],
    dtype: DTypeLike,
) -> tuple[Array, Array]:
    """Runs one frame of each training example.

    Args:
        model: the network.
        params: its parameters.
        kernels: of the templates, [b, positions, c], one template after another.
        cells: each slot's share of each template cell, [b, slots, positions], 0..1.
        seen: "frame", RGB [b, h, w, 3], 0..255, and "previous", labels [b, h, w].
        dtype: of the computation.

    Returns:
        Logits [b, slots, h, w], and the kernels of the frame, were it a template.
    """
    previous = split_labels(seen["previous"], cells.shape[1], cells.dtype)
    frame = normalize_frame(seen["frame"], dtype)
    inputs = kernels, cells, frame, previous
    answer: Any = model.apply({"params": params}, *inputs, method="segment_and_look")
    return answer


def predict_labels(
    model: RANet, params: Any, batch: dict[str, Array], slots: int, dtype: DTypeLike
) -> Array:
    """What the network makes of training examples.

    Args:
        model: the network.
        params: its parameters.
        batch: as in `predict`.
        slots: likewise.
        dtype: likewise.

    Returns:
        Labels, uint8 [b, h, w]: 0 background, i for slot i.
    """
    return _find_labels(model, *predict(model, params, batch, slots, dtype))


def _find_labels(model: RANet, logits: Array, present: Array) -> Array:
    """Labels [b, h, w] of logits [b, n, h, w], with the slots in use, bool [b, n]."""
    probability = find_probability(logits, present, model.activation)
    return choose_labels(jnp.moveaxis(probability, 1, -1), model.activation)


def compute_loss(
    model: RANet,
    params: Any,
    batch: dict[str, Array],
    slots: int,
    dtype: DTypeLike,
    dice_weight: float = 0.0,
    *,
    remembers: bool = False,
) -> Array:
    """The mean loss of training examples, what every training and online learning minimises.

    Where later frames follow the current one, the network goes on through them as it does through a
    video: it gets what it made of the frame before as previous mask, and meets its own faults. No
    gradient goes back through these masks.

    Args:
        model: the network.
        params: its parameters.
        batch: as in `predict`.
        slots: likewise.
        dtype: likewise.
        dice_weight: how much `dice_loss` counts beside the cross-entropy; 0 as in the paper.
        remembers: whether each frame, with what the network made of it, is a template for those
            after it, as with `Protocol.memory_every`, but however sure the network was of it, for
            as many frames as there are, and without `Protocol.locality`.

    Returns:
        A scalar, float32 or wider; see `segmentation_loss`. All frames count alike.
    """
    frames = batch["later_frames"].shape[1]
    kernels, cells = encode_template(model, params, batch, slots, dtype)
    present = cells.any(axis=-1)
    seen, box = {name: batch[name] for name in ("frame", "previous", "labels")}, batch["box"]
    total = jnp.zeros((), cells.dtype)
    for t in range(1 + frames):
        logits, look = segment_frame(model, params, kernels, cells, seen, dtype)
        loss = segmentation_loss(logits, seen["labels"], present, model.activation)
        if dice_weight:
            loss += dice_weight * dice_loss(logits, seen["labels"], present, model.activation)
        total += loss.mean()
        if t < frames:
            later = batch["later_frames"][:, t], batch["later_labels"][:, t]
            made = jax.lax.stop_gradient(logits.astype(cells.dtype)), present
            if remembers:
                kernels = jnp.concatenate([kernels, look], axis=1)
                cells = jnp.concatenate([cells, _find_cells(model, *made)], axis=2)
            seen, box = jax.vmap(partial(_move_on, model))(*made, box, *later)
    return total / (1 + frames)


def _find_cells(model: RANet, logits: Array, present: Array) -> Array:
    """Each slot's share of each cell of a frame, as the network found it.

    Args:
        model: the network.
        logits: of the frame, [b, n, h, w].
        present: which slots are in use, bool [b, n].

    Returns:
        [b, n, positions], 0..1.
    """
    found = _find_labels(model, logits, present)
    return pool_mask(split_labels(found, logits.shape[1], logits.dtype), model.cell)


def _move_on(
    model: RANet, logits: Array, present: Array, box: Array, frame: Array, labels: Array
) -> tuple[dict[str, Array], Array]:
    """Cuts the next frame of one example, as `protocol` does, with what was made of the last one.

    Args:
        model: the network.
        logits: of the last frame, [n, h, w].
        present: which slots are in use, bool [n].
        box: that the last frame was cut to.
        frame: uint8 RGB, the next one on the frame canvas.
        labels: uint8, its true labels there.

    Returns:
        What the network gets, and the box of it.
    """
    probability = jnp.moveaxis(find_probability(logits, present, model.activation), 0, -1)
    size = labels.shape[0], labels.shape[1]
    pasted = paste_probability(probability, box, size, half_pixels=True)
    previous = choose_labels(pasted, model.activation)
    box = find_box(previous > 0)
    cut = cut_frame(frame.astype(logits.dtype), box, model.canvas)
    return {
        "frame": cut,
        "previous": cut_labels(previous, box, model.canvas),
        "labels": cut_labels(labels, box, model.canvas, half_pixels=True),
    }, box
