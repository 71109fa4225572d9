"""Networks on disk, whole and broken."""

import errno
import logging
import os
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest

from ranet_jax.errors import InputError
from ranet_jax.models.ranet import RANet, init_params, small_ranet
from ranet_jax.weights import storage
from ranet_jax.weights.checkpoint import load_network, save_network
from ranet_jax.weights.network import Network, build_model, describe_model
from tests.conftest import ROOT


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
    (tmp_path / "a" / "notes.txt").touch()
    with pytest.raises(InputError, match=r"a holds no checkpoint; give one of ranet_jax\.convert"):
        load_network(tmp_path / "a")


@pytest.mark.parametrize("lost", ["_CHECKPOINT_METADATA", "orbax.checkpoint", "state"])
def test_a_checkpoint_that_has_lost_a_part_is_called_damaged(tmp_path, network, lost):
    save_network(tmp_path / "a", network)
    part = tmp_path / "a" / lost
    shutil.rmtree(part) if part.is_dir() else part.unlink()
    try:
        loaded = load_network(tmp_path / "a")
    except InputError as error:
        assert "half written or not of ranet_jax" in str(error)
    else:
        jax.tree.map(np.testing.assert_array_equal, loaded.params, network.params)


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("RANet.pth", r"ranet_jax\.convert import .*RANet\.pth DIR"),
        ("video.mp4", "give one of ranet_jax.convert, or the folder of a training run"),
    ],
)
def test_file_instead_of_a_folder(tmp_path, name, advice):
    (tmp_path / name).write_bytes(b"content")
    with pytest.raises(InputError, match=rf"{name} is a file, but .*{advice}"):
        load_network(tmp_path / name)


def test_file_that_may_not_be_read_is_named(tmp_path, network, monkeypatch):
    """Not called damaged. Tests may run as root, who may read everything: so access is faked."""
    save_network(tmp_path / "a", network)
    locked = tmp_path / "a" / "state" / "manifest.ocdbt"
    locked.unlink()
    locked.touch()
    monkeypatch.setattr(os, "access", lambda path, mode: path != locked)
    with pytest.raises(InputError, match=r"manifest\.ocdbt may not be read; ask its owner"):
        load_network(tmp_path / "a")


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("Unable to initialize backend 'cuda'"),
        OSError(errno.EIO, "Input/output error"),
        AssertionError(),
    ],
)
def test_what_is_no_fault_of_the_files_names_itself(tmp_path, network, monkeypatch, error):
    save_network(tmp_path / "a", network)

    def fail(*_):
        raise error

    monkeypatch.setattr(storage.ocp, "load", fail)
    with pytest.raises(type(error)) as caught:
        load_network(tmp_path / "a")
    assert caught.value is error


LOGGERS = """
import logging, sys
import ranet_jax.weights.checkpoint as checkpoint
from pathlib import Path
logging.basicConfig(format="LOG %(name)s %(message)s", force=True)
try:
    checkpoint.load_network(Path(sys.argv[1]))
except Exception as error:
    print(type(error).__name__)
for name in ("absl", "asyncio", "somebody"):
    logging.getLogger(name).warning("heard")
"""


def test_loggers_of_others_are_heard(tmp_path, network):
    """Also after a damaged checkpoint, of which orbax itself has much to say."""
    save_network(tmp_path / "a", network)
    (tmp_path / "a" / "state" / "_METADATA").write_text("{")
    done = subprocess.run(
        [sys.executable, "-c", LOGGERS, tmp_path / "a"], capture_output=True, text=True
    )
    assert done.stdout == "InputError\n"
    lines = [line for line in done.stderr.splitlines() if line.startswith("LOG")]
    assert lines == ["LOG absl heard", "LOG asyncio heard", "LOG somebody heard"]
    assert logging.getLogger("absl").level < logging.CRITICAL


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


FULL = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from ranet_jax.errors import run_command
from ranet_jax.weights.storage import RunCheckpoints, write_tree
folder, limit, what = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
tree = {"params": np.random.default_rng(0).standard_normal((500, 500))}
def save_step():
    with RunCheckpoints(folder, {"model": {}}, keep=2, keep_best=1) as checkpoints:
        checkpoints.save(1, tree, None)
        if what == "steps":
            checkpoints.save(2, tree, None)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
write = (lambda: write_tree(folder / "a", tree, {"model": {}})) if what == "tree" else save_step
run_command(write)
"""


@pytest.mark.parametrize("what", ["tree", "step", "steps"])
def test_a_full_disk_is_one_line_and_the_same_command_goes_on(tmp_path, what):
    """A limit for the size of a file stands for that of the disk."""

    def write(limit):
        line = [sys.executable, "-c", FULL, str(tmp_path), str(limit), what]
        return subprocess.run(line, capture_output=True, text=True, cwd=ROOT)

    done = write(500_000)
    (line,) = done.stderr.strip().splitlines()
    assert done.returncode == 2
    assert line.startswith(f"error: a checkpoint in {tmp_path} could not be written (File too ")
    assert line.endswith("; make room there and give the same command again")
    done = write(50_000_000)
    assert done.returncode == 0, done.stderr
    wanted = {"tree": {"a"}, "step": {"1"}, "steps": {"1", "2"}}[what]
    assert wanted <= {path.name for path in tmp_path.iterdir()}
