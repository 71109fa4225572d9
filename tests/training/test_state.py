"""What a run starts with and goes on with, and one update of it."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from configs import demo
from ranet_jax.errors import InputError
from ranet_jax.models.ranet import RANet, init_params, small_ranet
from ranet_jax.protocol import TRAINED
from ranet_jax.training import state as training
from ranet_jax.training.loop import check_finite
from ranet_jax.training.optimizer import make_optimizer
from ranet_jax.training.recipe import make_model
from ranet_jax.training.same_run import check_same_data, flatten_config
from ranet_jax.training.state import open_state, start_state, stretch_entry
from ranet_jax.weights.checkpoint import save_network
from ranet_jax.weights.network import Network, check_params, describe_network
from ranet_jax.weights.storage import RunCheckpoints
from tests.training.runs import tiny_config


def tiny(**fields):
    return RANet(blocks=(1, 1, 1, 1), width=8, head_width=8, canvas=(64, 96), top_k=4, **fields)


@pytest.mark.parametrize("ranking_rule", ["single", "multi"])
def test_ranking_network_starts_silent(ranking_rule):
    params = init_params(tiny(ranking_rule=ranking_rule), 0)
    assert not params["ranking"]["network"]["conv2"]["conv"]["kernel"].any()
    assert params["ranking"]["network"]["conv1"]["conv"]["kernel"].any()


def test_init_from_another_model(tmp_path):
    model = RANet(blocks=(1, 1, 1, 1), width=8, head_width=8, canvas=(160, 288), top_k=28)
    save_network(tmp_path / "other", Network(model, init_params(model, 0), {}))
    with pytest.raises(InputError, match=r"init_from .*other does not fit its model: .*misshapen"):
        start_state(small_ranet(), tiny_config(init_from=str(tmp_path / "other")))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"canvas": (96, 128)},
        {"learned_scores": False},
        {"selection": "spatial"},
        {"head_width": 16, "top_k": 9},
    ],
)
def test_of_an_encoder_the_resnet_is_taken_and_the_seed_draws_the_rest(monkeypatch, capsys, fields):
    encoder, model = tiny(), tiny().clone(**fields)
    given = init_params(encoder, 0)  # as an import draws what an encoder lacks
    network = Network(encoder, given, {}, encoder_alone=True)
    monkeypatch.setattr(training, "load_network", lambda _, **__: network)
    monkeypatch.setattr(training, "make_optimizer", lambda _: optax.identity())
    resnet = leaves({"encoder": {"resnet": given["encoder"]["resnet"]}})
    for seed in (0, 3):
        found = leaves(start_state(model, tiny_config(init_from="encoder", seed=seed)).params)
        expected = leaves(init_params(model, seed)) | resnet
        assert found.keys() == expected.keys()
        for name, leaf in found.items():
            np.testing.assert_array_equal(leaf, expected[name], err_msg=name)
        if not fields and not seed:  # what such a run began with before
            jax.tree.map(np.testing.assert_array_equal, found, leaves(given))
    assert "encoder is an encoder alone: its ResNet is taken, all the" in capsys.readouterr().out


def test_the_entry_is_stretched_to_more_maps():
    few = init_params(tiny(learned_scores=False), 3)
    many = stretch_entry(few, 16)
    check_params(many, tiny(cell=16, learned_scores=False).clone(top_k=16), "stretched")
    old, new = (
        np.asarray(tree["decoder"]["merge"]["conv1"]["conv"]["kernel"]) for tree in (few, many)
    )
    # Where each map has become four alike, the answer is the same.
    np.testing.assert_allclose(new.reshape(3, 3, 4, 4, -1).sum(axis=3), old, rtol=1e-6)
    np.testing.assert_array_equal(new[:, :, 0], new[:, :, 3])
    rest = leaves(few)
    for name, leaf in leaves(many).items():
        if "'merge']['conv1']['conv']['kernel']" not in name:
            np.testing.assert_array_equal(leaf, rest[name])
    for name, leaf in leaves(stretch_entry(many, 4)).items():
        np.testing.assert_allclose(leaf, rest[name], rtol=1e-6, err_msg="and back")


def leaves(params):
    return {
        jax.tree_util.keystr(path): x for path, x in jax.tree_util.tree_leaves_with_path(params)
    }


def start_from(monkeypatch, then, now):
    """The parameters a run starts with, those given to it by `init_from`, and newly drawn ones."""
    before, model = tiny(selection=then), tiny(selection=now)
    given = init_params(before, 5)
    monkeypatch.setattr(training, "load_network", lambda _, **__: Network(before, given, {}))
    monkeypatch.setattr(training, "make_optimizer", lambda _: optax.identity())
    config = demo.get_config()
    config.init_from = "before"
    found = start_state(model, config).params  # which checks names and shapes
    return leaves(found), leaves(given), leaves(init_params(model, config.seed))


@pytest.mark.parametrize(("then", "now"), [("ranking", "spatial"), ("maximum", "maximum")])
def test_an_ablation_starts_from_a_network_that_ranks(monkeypatch, capsys, then, now):
    found, given, drawn = start_from(monkeypatch, then, now)
    assert found.keys() == drawn.keys()
    assert ("drawn anew" in capsys.readouterr().out) == (then != now)
    for name, leaf in found.items():
        anew = then != now and name.startswith("['decoder']['merge']['conv1']")
        np.testing.assert_array_equal(leaf, (drawn if anew else given)[name], err_msg=name)


def test_a_network_that_ranks_does_not_start_from_an_ablation(monkeypatch):
    """Who forgets in stage 2 what was ablated in stage 1 is told so."""
    with pytest.raises(InputError, match=r"init_from before does not fit its model: .*ranking"):
        start_from(monkeypatch, "spatial", "ranking")


def test_a_run_goes_on_with_the_network_it_was_started_with(tmp_path):
    config = demo.get_config()
    model = make_model(config)
    data = {"ecssd": "5 records, checksum 0000000a"}
    description = describe_network(Network(model, None, {}, TRAINED))
    description |= {"config": flatten_config(config), "data": data}
    state = start_state(model, config)
    # Other numbers than those of a new start.
    state = jax.tree.map(lambda x: x + 3, state)
    with RunCheckpoints(tmp_path, description, keep=1, keep_best=1) as checkpoints:
        checkpoints.save(3, state, None)
    with RunCheckpoints(tmp_path, description, keep=1, keep_best=1) as checkpoints:
        found = open_state(checkpoints, model, config, tmp_path, data)
        other = {"ecssd": "7 records, checksum 0000000b"}
        with pytest.raises(
            InputError, match=r"other data: ecssd has 7 rec.* and had 5 records.*000a; name the fol"
        ):
            open_state(checkpoints, model, config, tmp_path, other)
        config.model.use_previous = False
        with pytest.raises(InputError, match=r"model\.use_previous is False and was True; choose"):
            open_state(checkpoints, make_model(config), config, tmp_path, data)
    config.model.use_previous = True
    earlier = tmp_path / "earlier"
    del description["protocol"]
    with RunCheckpoints(earlier, description, keep=1, keep_best=1) as checkpoints:
        checkpoints.save(3, state, None)
    with (
        RunCheckpoints(earlier, description, keep=1, keep_best=1) as checkpoints,
        pytest.raises(InputError, match=r"earlier holds a run of an earlier version.*init_from="),
    ):
        open_state(checkpoints, model, config, earlier, data)
    assert int(found.step) == 3
    expected = leaves(state)
    assert leaves(found).keys() == expected.keys()
    for name, leaf in leaves(found).items():
        np.testing.assert_array_equal(leaf, expected[name], err_msg=name)


def test_runs_of_earlier_versions_do_not_say_what_data_they_had():
    check_same_data({"ecssd": "5 records", "generated": ""}, {}, Path("run"))


def test_backbone_has_its_own_learning_rate():
    config = tiny_config()
    config.optimizer.backbone_factor, config.optimizer.warmup = 0.1, 0
    params = {"encoder": {"resnet": {"a": jnp.ones(3)}, "fuse": {"a": jnp.ones(3)}}}
    optimizer = make_optimizer(config)
    updates, _ = optimizer.update(params, optimizer.init(params), params)
    backbone, head = updates["encoder"]["resnet"]["a"], updates["encoder"]["fuse"]["a"]
    np.testing.assert_allclose(backbone, 0.1 * head, rtol=1e-5)
    assert (head < 0).all()


def test_loss_that_is_not_finite_names_step_and_samples():
    class Named:
        name = "ecssd"

    with pytest.raises(InputError, match=r"step 7, on the samples ecssd\[3\], ecssd\[9\]"):
        check_finite(
            7, {"loss": float("nan"), "gradient_norm": 1.0}, np.array([[0, 3], [0, 9]]), [Named()]
        )
    check_finite(7, {"loss": 0.1, "gradient_norm": 1.0}, np.array([[0, 3]]), [Named()])
