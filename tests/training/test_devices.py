"""The number of devices and processes changes nothing but the time."""

import os
import subprocess
import sys

import jax
import numpy as np
import pytest

from ranet_jax.errors import InputError
from ranet_jax.training import parallel
from tests.training.runs import ENVIRONMENT

DEVICES = """
import sys, numpy as np, jax, jax.numpy as jnp
jax.config.update("jax_enable_x64", True)
from ranet_jax.training import parallel
from ranet_jax.training.state import start_state
from ranet_jax.training.update import make_update
from ranet_jax.models.ranet import RANet
from tests.training.runs import tiny_config
process, processes, port, accumulate, path = sys.argv[1:]
process, processes = int(process), int(processes)
parallel.start_processes(f"localhost:{port}" if processes > 1 else None, process, processes)
config = tiny_config(batch_size=8, precision="float64", accumulate=int(accumulate))
model = RANet(blocks=(1, 1, 1, 1), width=8, head_width=8, canvas=(64, 96), top_k=4)
state = start_state(model, config)
wide = lambda x: x.astype(jnp.float64) if x.dtype == jnp.float32 else x
state = parallel.replicate(jax.tree.map(wide, state))
update = None
generator = np.random.default_rng(0)
losses = []
for step in range(2):
    frames = generator.integers(0, 256, (2, 8, 64, 96, 3)).astype(np.uint8)
    labels = generator.integers(0, 2, (3, 8, 64, 96)).astype(np.uint8)
    batch = dict(zip(("template", "frame", "template_labels", "previous", "labels"),
                     [*frames, *labels]))
    batch["box"] = np.tile(np.int32([0, 0, 64, 96]), (8, 1))
    batch["later_frames"] = np.zeros((8, 0, 128, 192, 3), np.uint8)
    batch["later_labels"] = np.zeros((8, 0, 128, 192), np.uint8)
    own = {name: array[process::processes] for name, array in batch.items()}
    parts = parallel.split_over_devices(own)
    if update is None:
        update = parallel.parallelize(make_update(model, config), state, parts, config.precision)
    state, metrics = update(state, parts)
    losses.append(float(metrics["loss"]))
if process == 0:
    leaves = [np.asarray(x) for x in jax.tree.leaves(state)]
    np.savez(path, *leaves, losses=losses, devices=jax.device_count())
"""


def train_on(path, devices=1, processes=1, accumulate=1):
    """Two steps in float64 on simulated devices, in one or several processes."""
    flags = os.environ.get("XLA_FLAGS", "")
    flags += f" --xla_force_host_platform_device_count={devices // processes}"
    port = str(20000 + os.getpid() % 10000)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", DEVICES, *map(str, (i, processes, port, accumulate, path))],
            env=ENVIRONMENT | {"XLA_FLAGS": flags, "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for i in range(processes)
    ]
    for process in running:
        _, errors = process.communicate()
        assert process.returncode == 0, errors[-3000:]
    with np.load(path) as arrays:
        assert arrays["devices"] == devices
        return {name: arrays[name] for name in arrays if name != "devices"}


def test_a_batch_is_cut_where_no_frames_follow():
    batch = {"labels": np.arange(12).reshape(4, 3), "later_labels": np.zeros((4, 0, 3))}
    cut = parallel.split_over_devices(batch)
    devices = jax.local_device_count()
    np.testing.assert_array_equal(cut["labels"].reshape(4, 3), batch["labels"])
    assert cut["later_labels"].shape == (devices, 4 // devices, 0, 3)


@pytest.mark.parametrize(
    ("coordinator", "process", "processes", "message"),
    [
        ("localhost", 0, 2, "--coordinator localhost is no host:port; give that of process 0"),
        ("localhost:1234", 2, 2, "--process is 2 and --processes 2; number the processes"),
        ("localhost:1234", -1, 2, "--process is -1 and --processes 2; number the processes"),
        (None, 1, 1, "--process is 1 and --processes 1; number the processes"),
        (None, 0, 0, "--process is 0 and --processes 0; number the processes"),
    ],
)
def test_processes_that_cannot_find_one_another(coordinator, process, processes, message):
    with pytest.raises(InputError, match=message):
        parallel.start_processes(coordinator, process, processes)


def test_processes_off_a_cluster_need_a_coordinator():
    """In a program of its own: jax has begun here, and then refuses to join others at all."""
    code = "from ranet_jax.training.parallel import start_processes; start_processes(None, 0, 2)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stderr.splitlines()[-1] == (
        "ranet_jax.errors.InputError: --processes 2 needs --coordinator host:port, that of process "
        "0, where no cluster tells it"
    )


def test_of_one_process_nothing_is_asked(monkeypatch):
    monkeypatch.setattr(jax.distributed, "initialize", lambda *_: pytest.fail("asked"))
    parallel.start_processes(None, 0, 1)


@pytest.mark.slow
def test_number_of_devices_and_processes_changes_nothing(tmp_path):
    """All of it at once, as each program takes most of a minute to compile."""
    expected = train_on(tmp_path / "1.npz", accumulate=2)
    found = train_on(tmp_path / "4.npz", devices=4, processes=2)
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-7, atol=1e-10, err_msg=name)
