"""Networks on disk, whole and broken."""

import shutil

import jax
import numpy as np
import pytest

from ranet_jax.errors import InputError
from ranet_jax.models.ranet import RANet, init_params, small_ranet
from ranet_jax.weights.checkpoint import (
    Network,
    build_model,
    describe_model,
    load_network,
    save_network,
)


@pytest.fixture(scope="module")
def network():
    model = small_ranet("multi")
    return Network(model, init_params(model, 3), {"rank_A.0.bias": np.arange(8, dtype=np.float32)})


def test_round_trip(tmp_path, network):
    save_network(tmp_path / "a", network)
    loaded = load_network(tmp_path / "a")
    assert loaded.model == network.model
    jax.tree.map(np.testing.assert_array_equal, loaded.params, network.params)
    jax.tree.map(np.testing.assert_array_equal, loaded.unused, network.unused)


@pytest.mark.parametrize("model", [RANet(), small_ranet("multi")])
def test_description_gives_the_model_back(model):
    assert build_model(describe_model(model)) == model


def test_nothing_is_overwritten(tmp_path, network):
    (tmp_path / "a").mkdir()
    with pytest.raises(InputError, match="exists already"):
        save_network(tmp_path / "a", network)


def test_missing(tmp_path):
    with pytest.raises(InputError, match=r"nowhere does not exist.*ranet_jax\.convert"):
        load_network(tmp_path / "nowhere")


def test_folder_that_is_no_checkpoint(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(InputError, match="half written or not of ranet_jax"):
        load_network(tmp_path / "a")


def files_of(folder):
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("damage", ["lost", "cut short"])
def test_half_written(tmp_path, network, damage):
    """Whichever file is lost or cut short: the right network, or one line that names it."""
    save_network(tmp_path / "whole", network)
    refused = []
    for index, name in enumerate(files_of(tmp_path / "whole")):
        copy = tmp_path / f"copy{index}"
        shutil.copytree(tmp_path / "whole", copy)
        content = (copy / name).read_bytes()
        if damage == "lost":
            (copy / name).unlink()
        else:
            (copy / name).write_bytes(content[: len(content) // 2])
        try:
            loaded = load_network(copy)
        except InputError as error:
            assert f"copy{index}" in str(error)
            assert "\n" not in str(error)
            refused.append(len(content))
        else:
            jax.tree.map(np.testing.assert_array_equal, loaded.params, network.params)
    assert max(refused) > 1e6, "the file with the arrays is among them"


def test_tensors_of_another_size(tmp_path, network):
    wrong = RANet(
        blocks=(1, 1, 1, 2),
        width=8,
        head_width=8,
        canvas=(160, 288),
        top_k=28,
        ranking_rule="multi",
    )
    save_network(tmp_path / "a", network._replace(model=wrong))
    with pytest.raises(InputError) as caught:
        load_network(tmp_path / "a")
    message = str(caught.value)
    assert "encoder/resnet/conv1/kernel (7, 7, 3, 16) instead of (7, 7, 3, 8)" in message
    assert "missing: encoder/resnet/stage4_block1/conv1/kernel" in message
