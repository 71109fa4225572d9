"""More objects than are decoded at once: groups of them give what all together give."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranet_jax.models.ranet
from ranet_jax.errors import InputError
from ranet_jax.geometry.box import paste_probability
from ranet_jax.models.activation import choose_labels
from ranet_jax.models.pasting import paste_groups
from ranet_jax.models.ranet import GROUP, RANet, init_params
from ranet_jax.models.resnet import Encoder
from ranet_jax.protocol import SLOTS, find_slot_size
from ranet_jax.slots import MAX_OBJECTS

CANVAS = (64, 64)
N = 20


@functools.cache
def network():
    model = RANet(
        (1, 1, 1, 1),
        width=8,
        head_width=8,
        canvas=CANVAS,
        top_k=4,
        ranking_rule="multi",
        learned_scores=False,
    )
    return model, init_params(model, 0)


def decode(group, method, *inputs):
    """Logits where so many objects go through the decoder at once."""
    model, params = network()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranet_jax.models.ranet, "GROUP", group)
        apply = jax.jit(functools.partial(model.apply, method=method))
        return np.asarray(apply({"params": params}, *inputs))


def select_and_decode(ranet, features, kernels, matching, cells, previous):
    """All objects at once, as up to `GROUP` of them are."""
    foreground, background = ranet._select(kernels, matching, cells)
    return ranet.decoder(features, foreground, background, previous)


def test_groups_decode_what_all_together_would():
    model, _ = network()
    encoder = Encoder(model.blocks, model.width, model.head_width)
    shapes = jax.eval_shape(
        lambda x: encoder.init_with_output(jax.random.key(0), x)[0], jnp.zeros((1, *CANVAS, 3))
    )
    generator = np.random.default_rng(0)

    def draw(shape):
        return jnp.asarray(generator.normal(size=shape), jnp.float32)

    features, matching = jax.tree.map(lambda x: draw(x.shape), shapes)
    kernels = draw((1, 4, matching.shape[-1]))
    cells = jnp.asarray(generator.dirichlet(np.ones(N + 1), 4).T[None, :N], jnp.float32)
    previous = jnp.asarray(generator.integers(0, 2, (1, N, *CANVAS)), jnp.float32)
    inputs = features, kernels, matching, cells, previous
    together = decode(N, select_and_decode, *inputs)
    grouped = decode(8, RANet._decode_groups, *inputs)  # 8, 8 and 4
    assert grouped.shape == together.shape == (1, N, *CANVAS)
    np.testing.assert_allclose(grouped, together, atol=1e-4)
    assert np.abs(np.diff(together, axis=1)).mean() > 1e-2, "objects differ"


@pytest.mark.parametrize("half_pixels", [False, True])
@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_groups_are_put_on_the_frame_as_all_together(activation, half_pixels):
    generator = np.random.default_rng(0)
    n, size, box = 3 * GROUP, (70, 90), jnp.array([10, 20, 60, 80])
    probability = generator.dirichlet(np.full(n + 1, 0.05), (40, 50)).astype(np.float32)
    probability = np.moveaxis(probability[..., :n], -1, 0)
    probability[40] = probability[3]  # of equals, in two groups, the highest wins
    probability[[3, 40], :10] = 0.9 if activation == "sigmoid" else 0.4
    if activation == "softmax":
        probability[:, :10] /= np.maximum(probability[:, :10].sum(axis=0), 1)
    paste = {"size": size, "half_pixels": half_pixels}
    labels, best = paste_groups(jnp.asarray(probability), box, activation=activation, **paste)
    pasted = paste_probability(jnp.moveaxis(jnp.asarray(probability), 0, -1), box, **paste)
    np.testing.assert_array_equal(labels, choose_labels(pasted, activation))
    np.testing.assert_allclose(best, pasted.max(axis=-1), atol=1e-6)
    assert (np.asarray(labels) == 41).any() and not (np.asarray(labels) == 4).any()
    assert len(np.unique(labels)) > GROUP


def test_sizes_have_room_for_every_id():
    assert SLOTS[:6] == (1, 2, 3, 5, 8, 16) and all(size % GROUP == 0 for size in SLOTS[6:])
    assert [find_slot_size(count) for count in (16, 17, 43, 255)] == [16, 32, 48, 256]
    with pytest.raises(InputError, match="256 objects; at most 255 fit at once"):
        find_slot_size(MAX_OBJECTS + 1)
