"""Files and folders that are whole or absent, and one writer a folder."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from ranet_jax.errors import InputError
from ranet_jax.files import (
    LOCK,
    check_destination,
    lock_folder,
    name_unfinished,
    replace_file,
    replace_folder,
    replace_text,
)

LONGEST = "ä" * 125 + ".json"
"""A name of 255 bytes, the most that file systems take."""


def list_names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", ["a.json", LONGEST])
def test_file_is_replaced(tmp_path, name):
    path = tmp_path / name
    path.write_text("old")
    replace_text(path, "nü")
    assert path.read_text(encoding="utf-8") == "nü"
    assert list_names(tmp_path) == [name]


def test_interrupted_writing_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), replace_file(path) as unfinished:
        unfinished.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list_names(tmp_path) == ["a.txt"]


def test_writers_that_go_by_the_suffix_write_where_they_are_told(tmp_path):
    with replace_file(tmp_path / "a.npz") as unfinished:
        np.savez(unfinished, x=np.arange(3))
    with replace_file(tmp_path / "a.png") as unfinished:
        Image.new("L", (2, 3), 7).save(unfinished)
    assert np.load(tmp_path / "a.npz")["x"].tolist() == [0, 1, 2]
    assert np.asarray(Image.open(tmp_path / "a.png")).tolist() == [[7, 7]] * 3
    assert list_names(tmp_path) == ["a.npz", "a.png"]


def test_names_in_progress_are_hidden_and_differ(tmp_path):
    names = {name_unfinished(tmp_path / name).name for name in ("a.png", "b.png", "a.txt", "a")}
    assert len(names) == 4
    assert all(name.startswith(".") for name in names)


def test_folder_is_replaced_whole(tmp_path):
    folder = tmp_path / "new" / "masks"
    for content in ("first", "second"):
        with replace_folder(folder) as unfinished:
            (unfinished / content).write_text(content)
            assert list_names(unfinished) == [content]
        assert list_names(folder) == [content]
    assert list_names(folder.parent) == ["masks"]


def test_failed_writing_keeps_the_old_folder(tmp_path):
    with replace_folder(tmp_path / "masks") as unfinished:
        (unfinished / "old").touch()
    with pytest.raises(InputError), replace_folder(tmp_path / "masks") as unfinished:
        (unfinished / "half").touch()
        raise InputError("a frame cannot be read")
    assert list_names(tmp_path / "masks") == ["old"]
    assert list_names(tmp_path) == ["masks"]


def test_what_a_killed_run_left_is_not_mixed_in(tmp_path):
    left = name_unfinished(tmp_path / "masks")
    left.mkdir()
    (left / "of another run").touch()
    with replace_folder(tmp_path / "masks") as unfinished:
        (unfinished / "own").touch()
    assert list_names(tmp_path / "masks") == ["own"]


def test_destination_that_exists_is_refused(tmp_path):
    check_destination(tmp_path / "new")
    with pytest.raises(InputError, match="exists already; choose another name"):
        check_destination(tmp_path)


HOLD = """
import sys, time
from pathlib import Path
from ranet_jax.files import lock_folder
with lock_folder(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that has locked a folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path / "run"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "locked\n"
    yield process
    process.kill()
    process.wait()


def test_second_writer_is_refused_and_told_of_the_first(tmp_path, holder):
    with pytest.raises(InputError) as caught, lock_folder(tmp_path / "run"):
        pass
    message = str(caught.value)
    assert f"another process is writing into {tmp_path / 'run'} ({holder.pid}: " in message
    assert sys.executable in message


def test_lock_goes_with_its_process(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / "run" / LOCK).exists(), "nobody was there to remove it"
    with lock_folder(tmp_path / "run"):
        assert (tmp_path / "run" / LOCK).read_text().startswith(f"{os.getpid()}: ")
    assert not (tmp_path / "run" / LOCK).exists()


def test_lock_leaves_no_trace_after_an_error(tmp_path):
    for _ in range(2):
        with pytest.raises(InputError, match="inside"), lock_folder(tmp_path):
            raise InputError("inside")
    assert list_names(tmp_path) == []


def test_one_at_a_time(tmp_path):
    """Of many processes that race for a folder, each that gets it is alone in it."""
    program = """
import sys, time
from pathlib import Path
from ranet_jax.errors import InputError
from ranet_jax.files import lock_folder
folder, entered = Path(sys.argv[1]), 0
end = time.time() + 2
while time.time() < end:
    try:
        with lock_folder(folder):
            (folder / "inside").touch(exist_ok=False)
            (folder / "inside").unlink()
            entered += 1
    except InputError:
        pass
assert entered
"""
    processes = [subprocess.Popen([sys.executable, "-c", program, tmp_path]) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(InputError, match=r"cannot be written .*choose another"),
        lock_folder(tmp_path / "file" / "run"),
    ):
        pass
