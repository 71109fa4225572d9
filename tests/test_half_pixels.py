"""What is cut and put back by half pixels stays where it was, which it does not as released."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ranet_jax.geometry.box import cut_frame, cut_labels, paste_probability
from ranet_jax.models.ranet import GROUP, RANet, init_params, small_ranet
from ranet_jax.models.resnet import normalize_frame
from ranet_jax.protocol import Protocol, build
from ranet_jax.template_bank import start_bank


def test_labels_by_half_pixels_lie_where_the_frame_does():
    labels = np.random.default_rng(0).integers(0, 9, (64, 96)).astype(np.uint8)
    box = jnp.array([10, 5, 43, 70])
    cut = cut_labels(jnp.asarray(labels), box, labels.shape, half_pixels=True)
    rows = (10 + (np.arange(64) + 0.5) * 33 / 64).astype(int)
    columns = (5 + (np.arange(96) + 0.5) * 65 / 96).astype(int)
    np.testing.assert_array_equal(cut, labels[rows][:, columns])


@pytest.mark.parametrize("canvas", [(32, 48), (64, 96), (128, 192)])
def test_pasted_by_half_pixels_everything_is_where_it_was(canvas):
    y, x = np.mgrid[:64, :96].astype(np.float32)
    frame, box = jnp.asarray(np.stack([y, x], axis=-1)), jnp.array([10, 20, 50, 80])
    cut = cut_frame(frame, box, canvas)
    pasted = np.asarray(paste_probability(cut, box, (64, 96), half_pixels=True))
    np.testing.assert_allclose(pasted[12:48, 22:78], frame[12:48, 22:78], atol=1e-3)
    assert not pasted[:10].any() and not pasted[:, 80:].any()
    released = np.asarray(paste_probability(cut, box, (64, 96)))
    assert np.abs(released - frame)[12:48, 22:78].max() > 0.1


@pytest.mark.parametrize("slots", [1, GROUP * 2])
def test_by_half_pixels_outlines_are_where_the_network_saw_them(monkeypatch, slots):
    model = small_ranet("multi")
    params = init_params(model, 0)
    h, w = (3 * side for side in model.canvas)
    y, x = np.mgrid[:h, :w]
    grey = 127.5 + 3 * (0.47 * h - np.hypot(y - h / 2, x - w / 2))  # a disc with a soft rim
    frame = np.clip(grey, 0, 255).astype(np.uint8)[..., None].repeat(3, axis=-1)
    is_object = frame[..., 0] > 127
    outline = normalize_frame(jnp.full((1, 1, 3), 127.5), jnp.float32)[0, 0, 0]

    def apply(self, variables, kernels, cells, seen, previous):
        return jnp.full(previous.shape, -9.0).at[:, 0].set(seen[..., 0] - outline)

    monkeypatch.setattr(RANet, "apply", apply)
    cells = jnp.zeros((slots, model.positions)).at[0].set(1)
    found = {}
    for half_pixels in (False, True):
        protocol = Protocol(frame_canvas=(h, w), half_pixels=half_pixels)
        state = start_bank(
            jnp.zeros((model.positions, 128)), cells, jnp.zeros((h, w), jnp.uint8), 1
        )
        with jax.disable_jit():
            step = build.__wrapped__(model, slots, protocol=protocol).step
            found[half_pixels] = np.asarray(step(params, state, frame)[1]) == 1
    wrong = {name: np.count_nonzero(each != is_object) for name, each in found.items()}
    assert wrong[True] < 0.3 * wrong[False]
