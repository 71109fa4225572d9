"""Shared by all tests: where the golden numbers are, and float64 on demand."""

import importlib.util
from pathlib import Path

import jax
import pytest

from tests import delete_compiled

SHARED = Path(__file__).parents[2] / "shared"

needs_shared = pytest.mark.skipif(
    not (SHARED / "golden").is_dir(), reason=f"needs the golden numbers in {SHARED}"
)


def pytest_unconfigure() -> None:
    """Cleans up after all tests."""
    delete_compiled()


@pytest.fixture
def float64():
    """Doubles for one test: the released model differs from itself in float32."""
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


def released_weights(seed: int) -> dict:
    """Untrained weights under the released names, as the golden numbers were made with."""
    path = SHARED / "golden" / "make_weights.py"
    spec = importlib.util.spec_from_file_location("make_weights", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.make_weights(seed)


@pytest.fixture(scope="session")
def released_file(tmp_path_factory) -> Path:
    """A file with the released names, for the importer."""
    import numpy as np

    path = tmp_path_factory.mktemp("released") / "RANet_video_single.npz"
    np.savez(path, **released_weights(0))
    return path
