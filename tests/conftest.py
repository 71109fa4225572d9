"""Shared by all tests: the golden numbers, the frames they were made on, and float64 on demand."""

from pathlib import Path

import jax
import pytest

from tests import delete_compiled
from tests.golden.make_weights import make_weights

ROOT = Path(__file__).parents[1]

GOLDEN = ROOT / "tests" / "golden"
"""Numbers of the released implementation; its README says how each was made."""

DAVIS_FOLDERS = (ROOT / "examples/davis", ROOT / "data/DAVIS", ROOT.parent / "shared/davis")
"""Where sequences of DAVIS may be: the clip that ships, a user's download, the developers' copy."""


def find_davis(sequence: str) -> Path | None:
    """The DAVIS folder that has a sequence; None where there is none."""
    parts = "JPEGImages/480p", "Annotations/480p"
    for folder in DAVIS_FOLDERS:
        if all((folder / part / sequence).is_dir() for part in parts):
            return folder
    return None


def needs_davis(*sequences: str) -> pytest.MarkDecorator:
    """Skips a test where a sequence of DAVIS that it needs is not at hand."""
    missing = [sequence for sequence in sequences if find_davis(sequence) is None]
    return pytest.mark.skipif(
        bool(missing),
        reason=f"needs DAVIS, {', '.join(missing)}, in data/DAVIS: only one clip of it ships",
    )


def davis_file(kind: str, sequence: str, index: int) -> Path:
    """A frame, kind "JPEGImages", or its mask, "Annotations", of a test that `needs_davis`."""
    suffix = "jpg" if kind == "JPEGImages" else "png"
    folder = find_davis(sequence)
    assert folder is not None, f"mark the test with needs_davis({sequence!r})"
    return folder / kind / "480p" / sequence / f"{int(index):05d}.{suffix}"


def pytest_unconfigure() -> None:
    """Cleans up after all tests."""
    delete_compiled()


@pytest.fixture
def float64():
    """Doubles for one test: the released model differs from itself in float32."""
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


@pytest.fixture(scope="session")
def released_file(tmp_path_factory) -> Path:
    """A file with the released names, for the importer."""
    import numpy as np

    path = tmp_path_factory.mktemp("released") / "RANet_video_single.npz"
    np.savez(path, **make_weights(0))
    return path
