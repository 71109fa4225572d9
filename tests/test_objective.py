"""What training minimises where later frames follow: a video, with the network's own masks."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ranet_jax.data.augmentation import Augmentation
from ranet_jax.data.example import FRAME_SCALE
from ranet_jax.data.pairs import make_static_example
from ranet_jax.geometry.box import cut_labels, find_box
from ranet_jax.models.losses import segmentation_loss
from ranet_jax.models.objective import (
    _find_cells,
    _move_on,
    compute_loss,
    encode_template,
    segment_frame,
)
from ranet_jax.models.ranet import RANet, init_params
from ranet_jax.protocol import TRAINED, Protocol, build, cut_input, gather_inputs
from ranet_jax.template_bank import line_up
from tests.coloured_masks import paint, three_objects

CANVAS = (96, 160)
FRAME_CANVAS = (FRAME_SCALE * CANVAS[0], FRAME_SCALE * CANVAS[1])
MODEL = RANet((1, 1, 1, 1), 8, 8, CANVAS, top_k=8, ranking_rule="multi", learned_scores=False)


def make_batch(later_frames):
    numbers = Augmentation(canvas=CANVAS, later_frames=later_frames)
    mask = three_objects((240, 400))
    examples = [
        make_static_example(paint(mask), mask, numbers, np.random.default_rng(seed))._asdict()
        for seed in (1, 2)
    ]
    return {name: jnp.stack([each[name] for each in examples]) for name in examples[0]}


@pytest.mark.slow
def test_the_next_frame_is_what_the_protocol_cuts():
    """A step of the protocol, and the next one's inputs, from the same state."""
    params = init_params(MODEL, 3)
    generator = np.random.default_rng(0)
    frames = generator.integers(0, 256, (3, *FRAME_CANVAS, 3), np.uint8)
    mask = np.zeros(FRAME_CANVAS, np.uint8)
    mask[60:120, 100:160] = 1
    mask[80:140, 170:220] = 2
    protocol = dataclasses.replace(TRAINED, frame_canvas=FRAME_CANVAS)
    init, step = build(MODEL, 2, protocol=protocol)
    state = init(params, frames[0], mask)
    box = find_box(jnp.asarray(mask) > 0)
    inputs = gather_inputs(MODEL, state, box, frames[1], jnp.float32)
    logits = jax.jit(MODEL.apply)({"params": params}, *inputs)[0]
    state, labels = step(params, state, frames[1])
    assert 0 < np.count_nonzero(labels) < labels.size, "nothing would be tested"

    move_on = jax.jit(partial(_move_on, MODEL))
    seen, box = move_on(logits, jnp.array([True, True]), box, frames[2], mask)
    expected_box = find_box(jnp.asarray(labels) > 0)
    np.testing.assert_array_equal(box, expected_box)
    # In another program a probability of almost 0.5 may fall to the other side.
    assert np.mean(seen["previous"] != cut_labels(labels, box, CANVAS)) < 1e-3
    np.testing.assert_array_equal(seen["labels"], cut_labels(mask, box, CANVAS, half_pixels=True))
    expected = cut_input(MODEL, jnp.asarray(frames[2]), box, jnp.float32)[0]
    deviation = np.array([0.229, 0.224, 0.225]) * 255
    mean = np.array([0.485, 0.456, 0.406]) * 255
    np.testing.assert_allclose(seen["frame"], expected * deviation + mean, atol=1e-2)


@pytest.mark.slow
def test_what_is_remembered_is_what_the_protocol_remembers():
    """The bank after a step of the protocol, and the templates that training goes on with."""
    params = init_params(MODEL, 3)
    frames = np.random.default_rng(0).integers(0, 256, (2, *CANVAS, 3), np.uint8)
    mask = np.zeros(CANVAS, np.uint8)
    mask[20:60, 30:80] = 1
    mask[40:80, 90:140] = 2
    protocol = Protocol(memory_every=1, memory_confidence=0.0, memory_templates=2)
    init, step = build(MODEL, 2, protocol=protocol)
    state = init(params, frames[0], mask)
    inputs = gather_inputs(MODEL, state, find_box(state.labels > 0), frames[1], jnp.float32)
    answer = jax.jit(partial(MODEL.apply, method="segment_and_look"))({"params": params}, *inputs)
    state, _ = step(params, state, frames[1])
    kernels, cells = line_up(state)

    found = _find_cells(MODEL, answer[0], jnp.ones((1, 2), bool))
    assert 0 < found.sum() < found.size, "nothing would be tested"
    both = jnp.concatenate([inputs[1][..., : MODEL.positions], found], axis=2)[0]
    np.testing.assert_allclose(both, cells, atol=1e-2)
    np.testing.assert_allclose(answer[1][0], kernels[MODEL.positions :], atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("remembers", [False, True])
def test_every_frame_counts_alike(remembers):
    params, batch = init_params(MODEL, 3), make_batch(1)
    present = jnp.ones((2, 3), bool)

    @jax.jit
    def follow(params, batch):
        kernels, cells = encode_template(MODEL, params, batch, 3, jnp.float32)
        seen, losses = batch, []
        for _ in range(2):
            logits, look = segment_frame(MODEL, params, kernels, cells, seen, jnp.float32)
            if remembers:
                kernels = jnp.concatenate([kernels, look], axis=1)
                found = _find_cells(MODEL, logits, present)
                cells = jnp.concatenate([cells, found], axis=2)
            losses.append(segmentation_loss(logits, seen["labels"], present, "sigmoid").mean())
            later = batch["later_frames"][:, 0], batch["later_labels"][:, 0]
            seen, _ = jax.vmap(partial(_move_on, MODEL))(logits, present, batch["box"], *later)
        return jnp.stack(losses)

    losses = follow(params, batch)
    compute = jax.jit(
        lambda params, batch: compute_loss(
            MODEL, params, batch, 3, jnp.float32, remembers=remembers
        )
    )
    np.testing.assert_allclose(compute(params, batch), losses.mean(), rtol=1e-5)
    assert np.ptp(losses) > 1e-3 * losses.mean(), "the frames would be the same one"
    alone = batch | {name: batch[name][:, :0] for name in ("later_frames", "later_labels")}
    np.testing.assert_allclose(compute(params, alone), losses[0], rtol=1e-5)
