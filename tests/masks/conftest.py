"""The objects that the tests of masks draw, and remarks that each test hears anew."""

import numpy as np
import pytest

SIZE = (40, 60)


@pytest.fixture
def labels():
    """Two objects, 1 and 2."""
    labels = np.zeros(SIZE, np.uint8)
    labels[5:20, 5:30] = 1
    labels[10:35, 40:55] = 2
    return labels


@pytest.fixture(autouse=True)
def _remarks_anew(monkeypatch):
    """What was said in another test is said again."""
    monkeypatch.setattr("ranet_jax.remarks._said", set())
