"""Short trainings by the demo's recipe on a small canvas, here and in processes of their own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
from ml_collections import ConfigDict

from configs import demo
from tests.conftest import ROOT

ENVIRONMENT = os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}
"""Of the programs that tests start."""

STEPS = 6
"""Few: without XLA's optimisations a step takes longer than anything else of a run."""

SETTINGS = {
    "steps": STEPS,
    "batch_size": 2,
    "model.canvas": (64, 96),
    "optimizer.warmup": 1,
    "save_every": 2,
    "sheet_every": 0,
    "log_every": 1,
}
"""What differs from the recipe. All runs have the same network, so that its update is compiled once
for all of them and for `train` in the test's own process."""


def tiny_config(**changes) -> ConfigDict:
    """The recipe of these tests, and changes to it."""
    config = demo.get_config()
    config.update_from_flattened_dict(SETTINGS)
    config.update(changes)
    return config


def command(work: Path, **flags) -> list:
    """The command that trains the same, and flags of its own."""
    flags = [f"--config.{name}={value}" for name, value in (SETTINGS | flags).items()]
    recipe = ROOT / "configs/demo.py"
    return [sys.executable, ROOT / "train.py", "--config", recipe, "--workdir", work, *flags]


def try_command(line: list) -> subprocess.CompletedProcess:
    """Runs a command to its end, whatever that is."""
    return subprocess.run(line, env=ENVIRONMENT, capture_output=True, text=True)


def try_in_turn(line: list) -> subprocess.CompletedProcess:
    """Runs a command in a folder that other processes of pytest-xdist use as well."""
    end = time.time() + 600
    while "another process is writing" in (done := try_command(line)).stderr:
        assert time.time() < end, done.stderr
        time.sleep(1)
    return done


def run(work: Path, **flags) -> subprocess.CompletedProcess:
    """Trains to the last step."""
    done = try_command(command(work, **flags))
    assert done.returncode == 0, done.stderr
    return done


def wait_for(condition: Callable[[], bool], process: subprocess.Popen, seconds: int = 300) -> None:
    """Waits for what a process is to bring about."""
    end = time.time() + seconds
    while not condition():
        assert time.time() < end and process.poll() is None
        time.sleep(0.02)


def steps_in(work: Path) -> list[int]:
    """The steps that a run has recorded."""
    path = work / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line)["step"] for line in lines]


def saved_steps(work: Path) -> set[int]:
    """The steps of which a run has a checkpoint; one that a kill left unfinished is none."""
    return {int(path.name) for path in (work / "checkpoints").iterdir() if path.name.isdigit()}


def leaves_of(work: Path) -> dict[str, np.ndarray]:
    """Every leaf of a run's newest checkpoint, by name."""
    from orbax.checkpoint import v1 as ocp

    folder = work / "checkpoints" / str(max(saved_steps(work)))
    found = jax.tree_util.tree_leaves_with_path(ocp.load(folder.resolve()))
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in found}


def assert_same_weights(work: Path, expected: Path) -> None:
    """Compares the newest checkpoints of two runs, bit for bit."""
    found, leaves = leaves_of(work), leaves_of(expected)
    assert found.keys() == leaves.keys() and len(found) > 100
    for name, leaf in leaves.items():
        np.testing.assert_array_equal(found[name], leaf, err_msg=name)
