"""What ends a command: one line for what a user can mend, a traceback for other faults."""

import errno
import os
import subprocess
import sys
import time

import pytest

from ranet_jax.errors import InputError, run_command
from ranet_jax.remarks import remark_if_slow


def fail_with(error):
    def main():
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InputError("a.png is no image"), "error: a.png is no image"),
        (PermissionError(errno.EACCES, "Permission denied", "out/a"), "out/a: Permission denied"),
        (InputError("two\nlines"), "error: two lines"),
        (OSError(errno.ENOSPC, "No space left on device"), "error: No space left on device"),
    ],
)
def test_one_line_and_exit_code_2(capsys, error, line):
    with pytest.raises(SystemExit) as exit_info:
        run_command(fail_with(error))
    assert exit_info.value.code == 2
    (found,) = capsys.readouterr().err.splitlines()
    assert found.startswith("error: ") and found.endswith(line)


@pytest.mark.parametrize(
    ("kept", "line"), [("", "interrupted\n"), ("it is kept", "interrupted; it is kept\n")]
)
def test_an_interrupt_is_one_line(capsys, kept, line):
    with pytest.raises(SystemExit) as exit_info:
        run_command(fail_with(KeyboardInterrupt()), kept=kept)
    assert exit_info.value.code == 130
    assert capsys.readouterr().err == line


def test_what_takes_long_says_so_and_what_does_not_is_silent(capsys):
    with remark_if_slow("this is quick", seconds=60):
        pass
    with remark_if_slow("this takes long", seconds=0.01):
        time.sleep(0.2)
    assert capsys.readouterr().err == "remark: this takes long\n"


def test_a_reader_that_has_seen_enough_is_no_error():
    program = """
from ranet_jax.errors import run_command
run_command(lambda: [print("line", number) for number in range(100_000)])
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "line 0\n"
    process.stdout.close()
    assert process.stderr.read() == "" and process.wait() == 1


@pytest.mark.parametrize("error", [AssertionError("a fault"), RuntimeError("another"), OSError()])
def test_faults_of_the_program_name_themselves(monkeypatch, error):
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    with pytest.raises(type(error)):
        run_command(fail_with(error))


@pytest.mark.parametrize("platforms", ["cuda", "tpu", "typo"])
def test_device_that_is_not_there(platforms):
    """It is not the checkpoint, nor any other file, that is at fault."""
    program = "import jax; from ranet_jax.errors import run_command; run_command(jax.devices)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"JAX_PLATFORMS": platforms},
        capture_output=True,
        text=True,
    )
    if done.returncode == 0:
        pytest.skip(f"this machine has a {platforms}")
    assert done.returncode == 2
    line = done.stderr.splitlines()[-1]
    assert line.startswith(f"error: JAX_PLATFORMS={platforms} asks for a device that jax does not")
    assert "Traceback" not in done.stderr
