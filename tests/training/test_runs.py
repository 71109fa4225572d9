"""Whole runs: whatever stops one, the same command goes on, and comes to the same weights."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from ranet_jax.files import lock_folder
from ranet_jax.models.ranet import small_ranet
from ranet_jax.protocol import TRAINED
from ranet_jax.training import loop, parallel
from ranet_jax.training.loop import train
from ranet_jax.training.state import start_state
from ranet_jax.weights.checkpoint import load_network
from tests.training.runs import (
    ENVIRONMENT,
    STEPS,
    assert_same_weights,
    command,
    leaves_of,
    run,
    saved_steps,
    steps_in,
    tiny_config,
    try_command,
    try_in_turn,
    wait_for,
)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A run that nothing stopped, one for all processes of pytest-xdist."""
    base = tmp_path_factory.getbasetemp()
    work = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "undisturbed"
    done = try_in_turn(command(work))
    assert done.returncode == 0, done.stderr
    return work


@pytest.mark.slow
def test_killed_terminated_and_resumed_equals_never_stopped(undisturbed, tmp_path):
    work = tmp_path / "run"
    process = subprocess.Popen(
        command(work), env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_for(lambda: 3 in steps_in(work), process)
    process.kill()
    process.wait()

    # It goes on from step 2, and is told to stop after a step that was not made before.
    new = max(steps_in(work)) + 1
    process = subprocess.Popen(
        command(work, save_every=100), env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    )
    wait_for(lambda: new in steps_in(work), process)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert "the same command goes on" in output
    (saved,) = saved_steps(work) - {2}
    assert new <= saved < STEPS
    assert steps_in(work) == list(range(1, saved + 1))

    run(work)
    assert_same_weights(work, undisturbed)
    assert steps_in(work) == steps_in(undisturbed) == list(range(1, STEPS + 1))


def test_second_training_in_a_folder_is_refused(tmp_path):
    work = tmp_path / "run"
    with lock_folder(work):
        second = try_command(command(work))
    assert second.returncode == 2
    line = second.stderr.strip().splitlines()[-1]
    assert f"another process is writing into {work} ({os.getpid()}: " in line
    assert list(work.iterdir()) == []


HANGS = """
import signal, threading
from ranet_jax.training.loop import catch_signals
with catch_signals() as stopped:
    print("ready", flush=True)
    while not stopped:
        signal.pause()
    print("caught", flush=True)
    threading.Lock().acquire() and threading.Semaphore(0).acquire()
"""


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_second_interrupt_ends_at_once(first):
    """A loader that hangs is one that a thread waits for without end."""
    process = subprocess.Popen(
        [sys.executable, "-c", HANGS],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(first)
    assert process.stdout.readline() == "caught\n"
    process.send_signal(signal.SIGTERM)  # a scheduler may repeat it
    time.sleep(0.2)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == -signal.SIGINT
    assert "stopping after this step; Ctrl-C ends at once" in process.stderr.read()


@pytest.mark.slow
def test_a_process_that_got_no_signal_itself_stops_as_well(monkeypatch, tmp_path):
    """Another process of the run got it, and all stop after the same step."""
    monkeypatch.setattr(parallel, "is_true_anywhere", lambda _: True)
    monkeypatch.setattr(loop, "check_ids", lambda *_: None)
    with pytest.raises(SystemExit) as exit_info:
        train(tiny_config(), tmp_path / "run")
    assert exit_info.value.code == 128 + signal.SIGTERM
    assert steps_in(tmp_path / "run") == [1]


@pytest.mark.slow
def test_sheets_validation_and_workers(undisturbed, tmp_path):
    """One run with all that recipes switch on; its weights are those of a run without."""
    work = tmp_path / "run"
    flags = {"sheet_every": 3, "data.workers": 1, "keep": 1, "save_every": 3}
    flags |= {"validation.every": 3, "validation.count": 1, "validation.frames": 4}
    done = run(work, **flags)
    # What XLA says of the tests' cache on some processors (jax-ml/jax#38445) is not ours.
    # Nor is there anything wrong where to compile takes long.
    ignored = "cpu_aot_loader", "the network is being compiled"
    said = [line for line in done.stderr.splitlines() if not any(part in line for part in ignored)]
    assert said == [], "no word of memory that workers leave behind"
    sheets = sorted(path.name for path in (work / "sheets").iterdir())
    assert sheets == ["0000003.png", "0000006.png"]
    lines = [json.loads(line) for line in (work / "metrics.jsonl").read_text().splitlines()]
    scores = {line["step"]: line["J&F"] for line in lines if "J&F" in line}
    assert scores.keys() == {3, 6}
    saved, best = saved_steps(work), max(scores.values())
    assert 6 in saved and best in {scores[step] for step in saved}
    assert all(scores[step] == best for step in saved - {6})
    assert list((work / "tensorboard").iterdir())
    assert_same_weights(work, undisturbed)


@pytest.mark.slow
def test_another_recipe_in_the_same_folder_is_refused(undisturbed):
    done = try_in_turn(command(undisturbed, **{"optimizer.learning_rate": 1e-4, "log_every": 5}))
    assert done.returncode == 2
    message = done.stderr.strip().splitlines()[-1]
    assert "optimizer.learning_rate is 0.0001 and was 0.002" in message
    assert "log_every" not in message
    assert steps_in(undisturbed) == list(range(1, STEPS + 1))


@pytest.mark.slow
def test_a_run_can_be_loaded_and_started_from(undisturbed):
    network = load_network(undisturbed)
    assert network.model == small_ranet().clone(canvas=(64, 96))
    assert network.protocol == TRAINED
    leaves = leaves_of(undisturbed)
    kernel = network.params["decoder"]["logit"]["kernel"]
    np.testing.assert_array_equal(kernel, leaves["['ema_params']['decoder']['logit']['kernel']"])
    state = start_state(network.model, tiny_config(init_from=str(undisturbed)))
    np.testing.assert_array_equal(state.params["decoder"]["logit"]["kernel"], kernel)


@pytest.mark.slow
def test_all_learns_but_the_ranking_network(undisturbed):
    """What docs/training.md says: it only orders maps. Adam's mean of the gradients tells."""
    means = {name: leaf for name, leaf in leaves_of(undisturbed).items() if "['mu']" in name}
    ranking = [leaf for name, leaf in means.items() if "['ranking']" in name]
    assert len(ranking) > 5 and not any(leaf.any() for leaf in ranking)
    for part in ("['encoder']", "['decoder']['merge']"):
        kernels = [leaf for name, leaf in means.items() if part in name and leaf.ndim == 4]
        assert len(kernels) > 4 and all(leaf.any() for leaf in kernels)
