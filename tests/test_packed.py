"""Weights in the form in which they ship."""

import dataclasses
import json
import re
import sys

import flax.traverse_util
import jax
import numpy as np
import pytest
import safetensors.numpy

from ranet_jax.convert import __main__ as convert
from ranet_jax.errors import InputError
from ranet_jax.models.ranet import RANet, init_params
from ranet_jax.models.resnet import RESNET_BLOCKS
from ranet_jax.protocol import Protocol
from ranet_jax.weights.checkpoint import load_network
from ranet_jax.weights.network import Network
from ranet_jax.weights.packed import (
    SHIPPED,
    load_shipped,
    pack_params,
    read_packed,
    unpack_params,
    write_packed,
)

MODEL = RANet((1, 1, 1, 1), width=8, head_width=8, canvas=(64, 96), top_k=4, learned_scores=False)


def network():
    return Network(MODEL, init_params(MODEL, 0), {}, Protocol(locality=0.25))


def test_kernels_come_back_within_half_a_step_of_their_channel():
    kernel = np.random.default_rng(0).normal(size=(3, 3, 5, 7)).astype(np.float32)
    kernel[..., 2] *= 1000
    kernel[..., 3] = 0
    tensors = pack_params({"a": {"kernel": kernel, "bias": np.full(7, 0.1, np.float32)}})
    assert tensors["a/kernel"].dtype == np.int8
    back = unpack_params(tensors)["a"]
    half_step = np.abs(kernel).max(axis=(0, 1, 2)) / 127 / 2
    assert (np.abs(back["kernel"] - kernel).max(axis=(0, 1, 2)) <= half_step * 1.001).all()
    np.testing.assert_array_equal(back["bias"], np.full(7, 0.1, np.float32))


def test_file_holds_description_and_weights(tmp_path):
    path = tmp_path / "packed.safetensors"
    original = network()
    write_packed(path, original)
    read = read_packed(path)
    assert (read.model, read.protocol) == (original.model, original.protocol)
    kernel = read.params["decoder"]["logit"]["kernel"]
    assert kernel.dtype == np.float32
    assert np.abs(kernel - original.params["decoder"]["logit"]["kernel"]).max() < 0.01
    assert path.stat().st_size < 2 * sum(x.size for x in pack_params(original.params).values())
    assert read_packed(path, (96, 160)).model.canvas == (96, 160)
    (tmp_path / "other").touch()
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode, "who may read it"
    again = load_network(str(path))  # the one reader of networks knows this form too
    np.testing.assert_array_equal(again.params["decoder"]["logit"]["kernel"], kernel)
    with pytest.raises(InputError, match="exists already"):
        write_packed(path, original)


def test_the_rate_of_online_learning_goes_along(tmp_path, monkeypatch, capsys):
    write_packed(tmp_path / "before.safetensors", network())
    path = tmp_path / "packed.safetensors"

    def pack(rate):
        arguments = ["pack", path, "--checkpoint", tmp_path / "before.safetensors"]
        monkeypatch.setattr(
            sys, "argv", ["convert", *map(str, [*arguments, "--online-rate", rate])]
        )
        convert.main()

    for rate in ("0", "nan", "inf"):
        with pytest.raises(InputError, match=r"--online-rate .*: give one above 0"):
            pack(rate)
    pack("1e-3")
    said = capsys.readouterr().out
    assert re.search(r"MB; other than in the released protocol: .*online_rate 0\.001\n", said)
    assert read_packed(path).protocol == dataclasses.replace(network().protocol, online_rate=1e-3)


def test_files_of_others_and_damage_are_named(tmp_path):
    other = tmp_path / "other.safetensors"
    safetensors.numpy.save_file({"x": np.zeros(3, np.float32)}, other)
    with pytest.raises(InputError, match=r"other.safetensors holds tensors of another program"):
        read_packed(other)
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(other.read_bytes()[:-4])
    with pytest.raises(InputError, match=r"damaged.safetensors is damaged"):
        read_packed(damaged)
    with pytest.raises(InputError, match="does not exist"):
        read_packed(tmp_path / "none.safetensors")


@pytest.mark.parametrize(
    "description", [{"model": {"colour": 1}}, {"protocol": {"colour": 1}}, {}, "colour"]
)
def test_a_description_of_another_version_is_named(tmp_path, description):
    path = tmp_path / "later.safetensors"
    write_packed(path, network())
    with safetensors.safe_open(path, framework="np") as file:
        ((key, old),) = file.metadata().items()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if description:
        description = json.loads(old) | description if isinstance(description, dict) else [1]
    safetensors.numpy.save_file(tensors, path, {key: json.dumps(description)})
    with pytest.raises(InputError, match=r"later.safetensors describes a network that this"):
        read_packed(path)


def test_the_weights_that_ship_are_whole_and_small():
    network = load_shipped()
    whole = read_packed(SHIPPED)  # which looks at all of them
    jax.tree.map(np.testing.assert_array_equal, network.params, whole.params)
    assert network.model.blocks == RESNET_BLOCKS[50] and network.model.head_width == 32
    assert load_shipped((192, 352)).model.canvas == (192, 352)
    assert SHIPPED.stat().st_size < 40e6
    assert SHIPPED.with_suffix(".md").exists()
    flat = flax.traverse_util.flatten_dict(network.params)
    assert all(np.isfinite(leaf).all() for leaf in flat.values())
    assert not any((leaf == 0).all() for path, leaf in flat.items() if path[-1] == "kernel")
