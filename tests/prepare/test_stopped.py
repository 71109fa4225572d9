"""What a killed or interrupted run leaves."""

import fcntl
import signal
import subprocess
import sys

import pytest

from ranet_jax.data.prepare.training_sets import prepare
from ranet_jax.data.records import find_versions, open_saliency
from ranet_jax.errors import InputError
from tests.prepare.images import list_tree, write_images

# Prepares a set and sends itself a signal at a chosen point.
STRIKE = """
import os, signal, sys
from pathlib import Path
import tensorflow_datasets as tfds
from ranet_jax.data.prepare import __main__ as command, builder, training_sets

# A shell lets what it starts in the background ignore Ctrl-C, the tests among them.
signal.signal(signal.SIGINT, signal.default_int_handler)
point, number = sys.argv.pop(1), int(sys.argv.pop(1))
owner, name = {
    "reading": (Path, "read_bytes"),
    "written": (tfds.core.DatasetInfo, "write_to_directory"),
    "renamed": (training_sets.shutil, "rmtree"),
}[point]
function = getattr(owner, name)

def strike(*args, **kwargs):
    if point == "renamed" or (point == "reading" and args[0].name == "5.jpg"):
        os.kill(os.getpid(), number)
    result = function(*args, **kwargs)
    if point == "written":
        os.kill(os.getpid(), number)
    return result

setattr(owner, name, strike)
builder._PART_BYTES = 4000  # Parts before that of the fifth image are on disk by then.
command.command()
"""


def strike(point: str, number: signal.Signals, *arguments: object) -> subprocess.CompletedProcess:
    """Runs the command in a process of its own that sends itself a signal."""
    line = [sys.executable, "-c", STRIKE, point, str(number.value), *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True)


def test_two_runs_do_not_write_at_once(tmp_path):
    write_images(tmp_path / "raw", 2)
    folder = tmp_path / "segmentation/mine"
    folder.mkdir(parents=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another process is writing"):
            prepare("mine", tmp_path / "raw", tmp_path)
    prepare("mine", tmp_path / "raw", tmp_path)
    assert len(open_saliency(tmp_path, "mine")) == 2


@pytest.mark.parametrize("point", ["reading", "written"])
def test_killed_run_leaves_nothing_to_read(tmp_path, point):
    write_images(tmp_path / "raw", 8)
    arguments = ("mine", "--source", tmp_path / "raw", "--data-dir", tmp_path)
    assert strike(point, signal.SIGKILL, *arguments).returncode == -signal.SIGKILL
    (unfinished,) = (tmp_path / "segmentation/mine").glob("incomplete.*")
    assert any(unfinished.iterdir())
    with pytest.raises(InputError, match="has no prepared mine"):
        open_saliency(tmp_path, "mine")
    prepare("mine", tmp_path / "raw", tmp_path)
    assert len(open_saliency(tmp_path, "mine")) == 8
    assert not unfinished.exists()


@pytest.mark.parametrize("point", ["reading", "written"])
def test_killed_overwriting_leaves_the_old(tmp_path, point):
    write_images(tmp_path / "raw", 6)
    prepare("mine", tmp_path / "raw", tmp_path)
    old = list_tree(find_versions(tmp_path, "mine")[-1])
    write_images(tmp_path / "raw", 8)
    arguments = ("mine", "--source", tmp_path / "raw", "--data-dir", tmp_path, "--overwrite")
    assert strike(point, signal.SIGKILL, *arguments).returncode == -signal.SIGKILL
    assert list_tree(find_versions(tmp_path, "mine")[-1]) == old
    assert len(open_saliency(tmp_path, "mine")) == 6


def test_killed_between_new_and_old_leaves_the_new(tmp_path):
    write_images(tmp_path / "raw", 6)
    prepare("mine", tmp_path / "raw", tmp_path)
    write_images(tmp_path / "raw", 8)
    arguments = ("mine", "--source", tmp_path / "raw", "--data-dir", tmp_path, "--overwrite")
    assert strike("renamed", signal.SIGKILL, *arguments).returncode == -signal.SIGKILL
    assert len(find_versions(tmp_path, "mine")) == 2
    assert len(open_saliency(tmp_path, "mine")) == 8
    prepare("mine", tmp_path / "raw", tmp_path, overwrite=True)
    assert [folder.name for folder in find_versions(tmp_path, "mine")] == ["1.0.2"]


def test_interrupt_ends_with_a_line_and_cleans_up(tmp_path):
    write_images(tmp_path / "raw", 8)
    arguments = ("mine", "--source", tmp_path / "raw", "--data-dir", tmp_path)
    result = strike("reading", signal.SIGINT, *arguments)
    assert result.returncode == 130
    assert result.stderr.splitlines()[-1] == "interrupted; no new set was written"
    assert "Traceback" not in result.stderr
    assert list_tree(tmp_path / "segmentation") == {}
