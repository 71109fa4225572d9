"""Shared by all tests: the golden numbers, the frames they were made on, and float64 on demand."""

from contextlib import nullcontext
from pathlib import Path

import jax
import pytest

from tests.golden.make_weights import make_weights

ROOT = Path(__file__).parents[1]

GOLDEN = ROOT / "tests" / "golden"
"""Numbers of the released implementation; its README says how each was made."""

DAVIS_FOLDERS = (ROOT / "data/DAVIS", ROOT.parent / "shared/davis")
"""Where DAVIS may be: a user's download, or the developers' copy."""


def find_davis(sequence: str, kind: str = "JPEGImages") -> Path | None:
    """The folder of a sequence's frames, or of its masks, "Annotations"; None where there is none.

    The masks of one sequence ship; its frames do so as a video, which is not what DAVIS has.
    """
    folders = [folder / kind / "480p" / sequence for folder in DAVIS_FOLDERS]
    if kind == "Annotations":
        folders.append(ROOT / "examples" / f"{sequence}-masks")
    return next((folder for folder in folders if folder.is_dir()), None)


def needs_davis(*sequences: str, kind: str = "JPEGImages") -> pytest.MarkDecorator:
    """Skips a test where a sequence of DAVIS that it needs, or its masks, is not at hand."""
    missing = [sequence for sequence in sequences if find_davis(sequence, kind) is None]
    return pytest.mark.skipif(
        bool(missing),
        reason=f"needs {kind} of {', '.join(missing)} of DAVIS in data/DAVIS, which do not ship",
    )


def davis_file(kind: str, sequence: str, index: int) -> Path:
    """A frame, kind "JPEGImages", or its mask, "Annotations", of a test that `needs_davis`."""
    folder = find_davis(sequence, kind)
    assert folder is not None, f"mark the test with needs_davis({sequence!r})"
    return sorted(folder.iterdir())[int(index)]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Runs slow tests first, so that at the end no process waits for another's long test."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(autouse=True)
def no_remarks_of_waiting(monkeypatch):
    """A busy machine compiles slowly, and tests that read what is said must not depend on that."""
    monkeypatch.setattr("ranet_jax.segmenter.remark_if_slow", lambda text: nullcontext())


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
