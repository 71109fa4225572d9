"""Keeping compiled programs: where, and what happens where that cannot be."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from ranet_jax import compilation
from tests.conftest import ROOT

PROGRAM = """
import argparse

import jax
from ranet_jax.network_flags import add_computation_flags, set_up_computation

parser = argparse.ArgumentParser()
add_computation_flags(parser)
set_up_computation(parser.parse_args())
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
print(float(jax.jit(lambda x: x + 1)(2.0)))
"""


def run(cache: Path, *flags: str, **settings: str) -> subprocess.CompletedProcess:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    # platformdirs asks XDG_CACHE_HOME on Linux, and the home on macOS.
    environment = kept | {"XDG_CACHE_HOME": str(cache), "HOME": str(cache)} | settings
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *flags],
        capture_output=True,
        text=True,
        env=environment,
        cwd=ROOT,
        check=True,
    )


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_programs_are_kept_and_this_is_said_once(tmp_path):
    first = run(tmp_path)
    assert first.stdout == "3.0\n"
    assert "are kept in" in first.stderr
    kept = files(tmp_path)
    assert any("compiled" in path.parts for path in kept)
    second = run(tmp_path)
    assert second.stdout == "3.0\n"
    assert "are kept in" not in second.stderr
    assert files(tmp_path) == kept  # so nothing was compiled anew


def test_xla_does_not_warn_of_what_it_reads_and_jax_still_speaks(tmp_path):
    """XLA takes its own compiler's habits for missing instructions, on Intel with AVX-512."""
    run(tmp_path)
    again = run(tmp_path)
    assert "SIGILL" not in again.stderr and "machine" not in again.stderr.lower()
    loud = run(tmp_path, JAX_LOGGING_LEVEL="DEBUG")
    assert "Persistent compilation cache hit" in loud.stderr


def test_the_folder_of_the_user_stays(tmp_path):
    own = tmp_path / "own"
    result = run(tmp_path / "cache", JAX_COMPILATION_CACHE_DIR=str(own))
    assert "are kept in" not in result.stderr
    assert files(own) and not (tmp_path / "cache").exists()


def test_goes_on_where_nothing_can_be_kept(tmp_path):
    (tmp_path / "file").write_text("no folder")
    result = run(tmp_path / "file")
    assert result.stdout == "3.0\n"
    assert "remark: compiled programs cannot be kept" in result.stderr
    assert "works without" in result.stderr


def test_nothing_is_kept_where_the_user_says_so(tmp_path):
    own = tmp_path / "own"
    result = run(tmp_path / "cache", "--no-cache", JAX_COMPILATION_CACHE_DIR=str(own))
    assert result.stdout == "3.0\n"
    assert not files(tmp_path)
    run(tmp_path / "cache", "--no-cache")
    assert not files(tmp_path)


@pytest.fixture
def asked_anew():
    """Whether bfloat16 is fast is asked of XLA once, but for such a test."""
    compilation.has_fast_bfloat16.cache_clear()
    yield
    compilation.has_fast_bfloat16.cache_clear()


def test_bfloat16_is_slow_where_xla_does_not_know_the_option(monkeypatch, asked_anew):
    monkeypatch.setattr(compilation, "lacks_bfloat16", lambda: False)
    monkeypatch.setattr(compilation, "_ONEDNN", {"xla_cpu_forgotten": True})
    assert not compilation.has_fast_bfloat16()
    assert compilation.find_options("bfloat16") == {}
    reason = f"jax {jax.__version__} computes bfloat16 in float32 on this CPU"
    assert compilation.explain_slow_bfloat16() == reason


def test_only_bfloat16_and_training_are_left_to_onednn(monkeypatch):
    monkeypatch.setattr(compilation, "has_fast_bfloat16", lambda: True)
    assert compilation.find_options("bfloat16") == compilation._ONEDNN
    assert compilation.find_options("float32") == compilation.find_options("float64") == {}
    assert compilation.find_options("float32", trains=True) == compilation._ONEDNN
    assert compilation.find_options("float64", trains=True) == {}
    assert not compilation.explain_slow_bfloat16()


def test_bfloat16_is_slow_on_a_processor_without_it(monkeypatch, asked_anew):
    monkeypatch.setattr(compilation, "lacks_bfloat16", lambda: True)
    assert compilation.find_options("bfloat16") == {}
    reason = "this processor has no instructions for bfloat16"
    assert compilation.explain_slow_bfloat16() == reason
